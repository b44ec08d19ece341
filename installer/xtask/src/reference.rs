//! Makes the golden values anew with PyTorch and diffusers, and compares them with the committed.

use anyhow::Result;
use std::path::PathBuf;
use std::process::Command;

use crate::{bundle, python, shell, suite};

/// The exporter's folder.
pub fn exporter() -> PathBuf {
    shell::root().join("models/export")
}

/// The lock file of the Python environment with PyTorch.
pub fn lock() -> PathBuf {
    exporter().join("requirements.lock")
}

/// Sets the environment up, makes the values, compares; some tests run packages by the command line.
pub fn run() -> Result<()> {
    bundle::make()?;
    let export = exporter();
    let python = python::reference_environment(&lock())?;
    shell::say("making the golden values anew");
    shell::run(
        Command::new(&python)
            .arg(export.join("make_goldens.py"))
            .arg("--check")
            .arg(shell::root().join("tests/goldens")),
    )?;
    shell::say("testing the exporter's command");
    let mut tests = Command::new(&python);
    shell::run(suite::environment(tests.args(["-m", "unittest", "tests"]).current_dir(&export)))?;
    shell::say("testing the closed form of a forward's arithmetic");
    let mut tests = Command::new(&python);
    let bench = shell::root().join("tests/bench");
    shell::run(tests.args(["-m", "unittest", "tests"]).current_dir(bench).env("PYTHONPATH", &export))?;
    shell::say("testing the starter's scripts");
    let starter = shell::root().join("models/starter");
    shell::run(Command::new(python).args(["-m", "unittest", "tests"]).current_dir(starter))
}
