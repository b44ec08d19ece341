//! The whole test suite, with everything it needs.

use anyhow::Result;
use std::process::Command;

use crate::{bundle, runtime, shell};

/// Sets up, builds the bundle, and runs every test of the workspace.
pub fn run() -> Result<()> {
    bundle::make()?;
    shell::say("running the tests");
    let nextest = Command::new("cargo-nextest").args(["nextest", "--version"]).output();
    let command: &[&str] = match nextest.is_ok_and(|output| output.status.success()) {
        true => &["nextest", "run", "--no-fail-fast"],
        false => &["test", "--no-fail-fast"],
    };
    let mut cargo = shell::cargo(command);
    shell::run(environment(cargo.args(["--workspace", "--release", "--locked"])))
}

/// What tests that drive the real thing find in their environment.
pub fn environment(command: &mut Command) -> &mut Command {
    command
        .env("PICKUP_TEST_BUNDLE", bundle::folder())
        .env("PICKUP_TEST_CLI", shell::executable("pickup"))
        .env("PICKUP_TEST_HOST", shell::executable("pickup-test-host"))
        .env("PICKUP_ONNXRUNTIME", runtime::library())
}
