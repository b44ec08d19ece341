//! Format, lints, licences.

use anyhow::Result;
use std::process::Command;

use crate::shell;

/// rustfmt, clippy with warnings denied, and cargo-deny where it is installed.
pub fn lint() -> Result<()> {
    shell::say("rustfmt");
    shell::run(&mut shell::cargo(&["fmt", "--all", "--check"]))?;
    shell::say("clippy");
    // The release profile, so that what the demo and the tests compiled is used again.
    let clippy = ["clippy", "--workspace", "--all-targets", "--release", "--locked", "--", "-D", "warnings"];
    shell::run(&mut shell::cargo(&clippy))?;
    if Command::new("cargo-deny").arg("--version").output().is_ok() {
        shell::say("cargo-deny");
        return shell::run(&mut shell::cargo(&["deny", "--offline", "check", "bans", "licenses", "sources"]));
    }
    shell::say("cargo-deny is not installed: licences were NOT checked (cargo install cargo-deny)");
    Ok(())
}
