//! Makes the golden values anew with PyTorch and diffusers, and compares them with the committed.

use anyhow::Result;
use std::path::PathBuf;
use std::process::Command;

use crate::{python, shell};

/// The lock file of the Python environment with PyTorch.
pub fn lock() -> PathBuf {
    shell::root().join("models/export/requirements.lock")
}

/// Sets the environment up, makes the values, compares.
pub fn run() -> Result<()> {
    let export = shell::root().join("models/export");
    let python = python::reference_environment(&lock())?;
    shell::say("making the golden values anew");
    shell::run(
        Command::new(&python)
            .arg(export.join("make_goldens.py"))
            .arg("--check")
            .arg(shell::root().join("tests/goldens")),
    )?;
    shell::say("testing the exporter's command");
    shell::run(Command::new(&python).args(["-m", "unittest", "tests"]).current_dir(&export))?;
    shell::say("testing the starter's scripts");
    let starter = shell::root().join("models/starter");
    shell::run(Command::new(python).args(["-m", "unittest", "tests"]).current_dir(starter))
}
