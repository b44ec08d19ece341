//! The Python that fetches wheels and makes golden values.

use anyhow::{Context, Result};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::shell;

/// A Python 3 on the PATH that has pip.
pub fn system() -> Result<PathBuf> {
    for name in ["python3", "python"] {
        let works = Command::new(name).args(["-m", "pip", "--version"]).output();
        if works.is_ok_and(|output| output.status.success()) {
            return Ok(name.into());
        }
    }
    anyhow::bail!(
        "Python 3 with pip was not found on the PATH. Install it (Debian: python3-pip python3-venv)."
    )
}

/// The environment `target/reference-env`, made and filled from a lock file when the lock changed.
pub fn reference_environment(lock: &Path) -> Result<PathBuf> {
    let folder = shell::target().join("reference-env");
    let python = if cfg!(windows) { folder.join("Scripts/python.exe") } else { folder.join("bin/python") };
    let wanted = std::fs::read(lock).with_context(|| format!("reading {}", lock.display()))?;
    let stamp = folder.join("lock.txt");
    if std::fs::read(&stamp).is_ok_and(|installed| installed == wanted) {
        return Ok(python);
    }
    shell::say("installing PyTorch, diffusers and ONNX for the golden values (large)");
    if !python.exists() {
        shell::run(Command::new(system()?).args(["-m", "venv"]).arg(&folder))?;
    }
    shell::run(Command::new(&python).args(["-m", "pip", "install", "--quiet", "-r"]).arg(lock))?;
    std::fs::write(stamp, wanted)?;
    Ok(python)
}
