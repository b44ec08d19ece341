//! Makes the golden values anew with PyTorch and diffusers, and compares them with the committed.

use anyhow::Result;
use std::process::Command;

use crate::{python, shell};

/// Sets the environment up, makes the values, compares.
pub fn run() -> Result<()> {
    let export = shell::root().join("models/export");
    let python = python::reference_environment(&export.join("requirements.lock"))?;
    shell::say("making the golden values anew");
    shell::run(
        Command::new(python)
            .arg(export.join("make_goldens.py"))
            .arg("--check")
            .arg(shell::root().join("tests/goldens")),
    )
}
