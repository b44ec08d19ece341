//! A script in the worker's place that starts the real one, and notes or spoils it first.

use std::ffi::OsStr;
use std::fmt::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use crate::bench::Bench;
use crate::places::bundled;

/// A worker that is watched.
#[derive(Debug)]
pub struct Worker {
    script: PathBuf,
    log: PathBuf,
}

impl Worker {
    /// The worker as it is; its starts are counted.
    pub fn counted(bench: &Bench) -> Self {
        Self::write(bench, "")
    }

    /// A worker whose first process fails as `PICKUP_FAULT` is told; later ones are well.
    pub fn failing_once(bench: &Bench, fault: &str) -> Self {
        Self::write(bench, &format!("[ \"$starts\" = 1 ] && export PICKUP_FAULT={fault}\n"))
    }

    fn write(bench: &Bench, then: &str) -> Self {
        let (script, log) = (bench.path("worker.sh"), bench.path("worker.log"));
        let mut text = String::from("#!/bin/sh\n");
        let _ = writeln!(text, "echo $$ >> '{0}'\nstarts=$(wc -l < '{0}')", log.display());
        // The process stays the same, and with it the number that was noted.
        let _ = writeln!(text, "{then}exec '{}' \"$@\"", bundled("pickup-worker").display());
        std::fs::write(&script, text).unwrap();
        std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755)).unwrap();
        Self { script, log }
    }

    /// The variable that puts it in the real one's place.
    pub fn setup(&self) -> [(&'static str, Option<&OsStr>); 1] {
        [("PICKUP_WORKER", Some(self.script.as_os_str()))]
    }

    /// Process ids of the workers that were started, in order.
    pub fn processes(&self) -> Vec<u32> {
        let log = std::fs::read_to_string(&self.log).unwrap_or_default();
        log.lines().map(|line| line.trim().parse().unwrap()).collect()
    }

    /// How many were started.
    pub fn starts(&self) -> usize {
        self.processes().len()
    }
}
