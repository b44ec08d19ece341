//! MLT's `melt`, a host that we did not write: Debian's build of it in a folder of its own.
//!
//! Nothing needs root: the program is started by the loader that lies beside it, with the libraries beside it.

use anyhow::{Context, Result};
use std::path::PathBuf;
use std::process::Command;

use crate::debian::{self, Packages};
use crate::{bundle, shell, suite};

/// MLT's modules that a test needs. The others look for a display, which sometimes ends a run before its first frame.
const MODULES: [&str; 3] = ["core", "avformat", "openfx"];
/// Beginnings of names of large packages that only other modules need.
const LEFT_OUT: [&str; 12] = [
    "glycin",
    "libgdal",
    "libgdcm",
    "libicu",
    "libllvm",
    "libopencv",
    "libpoppler",
    "libqt",
    "libspatialite",
    "libz3",
    "mesa-",
    "proj-",
];

/// Runs the cases of `tests/e2e/tests/melt.rs`; says so where melt cannot be had.
pub fn test() -> Result<()> {
    if let Err(reason) = program() {
        shell::say(&format!("melt was NOT tested: {reason:#}"));
        return Ok(());
    }
    bundle::make()?;
    shell::say("testing in melt");
    let mut cargo = shell::cargo(&["test", "--workspace", "--release", "--locked", "--test", "melt", "--"]);
    cargo.args(["--ignored", "--nocapture", "--test-threads", "1"]).env("PICKUP_TEST_MELT", launcher());
    shell::run(suite::environment(&mut cargo))
}

fn packages() -> Packages<'static> {
    Packages { folder: shell::target().join("melt"), wanted: &["melt"], left_out: &LEFT_OUT }
}

/// The program that runs melt, after [`program`].
pub fn launcher() -> PathBuf {
    packages().folder.join("melt")
}

/// Fetches melt unless it is there.
///
/// # Errors
/// Why it cannot be had on this machine.
pub fn program() -> Result<()> {
    packages().fetch(lay_out)?;
    let version = shell::output(Command::new(launcher()).arg("--version"));
    version.map(drop).context("melt was fetched, and does not run; remove target/melt to fetch it anew")
}

/// Puts the modules and the launcher beside the unpacked packages.
fn lay_out() -> Result<()> {
    let modules = packages().folder.join("modules");
    std::fs::create_dir_all(&modules)?;
    for module in MODULES {
        let file = format!("libmlt{module}.so");
        shell::copy(
            &packages().root().join("usr/lib/x86_64-linux-gnu/mlt-7").join(&file),
            &modules.join(&file),
        )?;
    }
    let launcher = launcher();
    let libraries = debian::LIBRARIES.map(|folder| format!("$here/root{folder}")).join(":");
    std::fs::write(
        &launcher,
        format!(
            "#!/bin/sh\n\
             here=${{0%/*}}\n\
             export LC_ALL=C.UTF-8 MLT_REPOSITORY=$here/modules MLT_DATA=$here/root/usr/share/mlt-7\n\
             export MLT_PROFILES_PATH=$MLT_DATA/profiles\n\
             exec \"$here/root/usr/lib64/ld-linux-x86-64.so.2\" --library-path \"{libraries}\" \
             \"$here/root/usr/bin/melt\" \"$@\"\n"
        ),
    )?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        std::fs::set_permissions(&launcher, std::fs::Permissions::from_mode(0o755))?;
    }
    Ok(())
}
