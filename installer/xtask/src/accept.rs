//! The acceptance figures: each measured value beside its bound.
//!
//! The tests named `acceptance…` measure, assert and print one line per figure:
//! `accept: <what> | <measured> | <bound>`. This task runs them alone and lists the lines, so that
//! a figure and the assertion on it can never part.

use anyhow::{Result, ensure};
use std::io::{BufRead, BufReader};
use std::process::Stdio;

use crate::{bundle, runtime, shell, suite};

/// Runs every acceptance test and prints the table.
pub fn run() -> Result<()> {
    runtime::setup()?;
    bundle::build()?;
    bundle::lay_out()?;
    shell::say("measuring");
    let mut cargo =
        shell::cargo(&["test", "--release", "--locked", "-p", "pickup-e2e", "-p", "pickup-parity"]);
    cargo.args(["--no-fail-fast", "--", "acceptance", "--nocapture", "--test-threads", "1"]);
    let mut child = suite::environment(&mut cargo).stdout(Stdio::piped()).spawn()?;
    let mut rows = Vec::new();
    for line in child.stdout.take().map(BufReader::new).into_iter().flat_map(BufRead::lines) {
        let line = line?;
        println!("{line}");
        // The test runner may print its own words before ours on the same line.
        if let Some((_, row)) = line.split_once("accept: ") {
            rows.push(format!("| {row} |"));
        }
    }
    let passed = child.wait()?.success();
    println!("\n| what must hold | measured | bound |\n|---|---|---|\n{}", rows.join("\n"));
    ensure!(!rows.is_empty(), "no figure was measured");
    ensure!(passed, "at least one bound does not hold");
    Ok(())
}
