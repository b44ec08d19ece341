//! A picture of Kdenlive, a host that we did not write, with Pickup at work on a clip.
//!
//! Kdenlive runs in a root of Debian's packages under a display that nobody sees; `kdenlive/shot.sh` is what a user would
//! do there. Frames of the picture's monitor are made by the plugin in Kdenlive: no take, no picture.

use anyhow::{Context, Result, bail, ensure};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::debian::{self, Packages};
use crate::{bundle, effect, shell};

/// Kdenlive, the display, and what the script and the packages take for granted.
const WANTED: [&str; 11] = [
    "kdenlive",
    "breeze",
    "qml6-module-org-kde-desktop",
    "qt6-image-formats-plugins",
    "libkf6iconthemes-bin",
    "frei0r-plugins",
    "xvfb",
    "xdotool",
    "coreutils",
    "dash",
    "libc-bin",
];
/// The project's profile, which the window's title shows.
const PROFILE: &str = "Pickup 640x360 25 fps";

fn packages() -> Packages<'static> {
    Packages { folder: shell::target().join("kdenlive"), wanted: &WANTED, left_out: &[] }
}

/// What the script leaves: the picture, and a smaller copy of it.
const PICTURES: [&str; 2] = ["kdenlive.png", "kdenlive.webp"];

/// Takes the picture with a bundle, or with one that is built for it; returns its file.
///
/// # Errors
/// Why it cannot be taken on this machine; what Kdenlive said is in `target/kdenlive/root/studio/kdenlive.log`.
pub fn shot(bundle: Option<PathBuf>) -> Result<PathBuf> {
    ensure!(is_root()?, "no picture was taken: only root on Linux may start programs in a root of their own");
    packages().fetch(finish).context("no picture was taken")?;
    let bundle = bundle.map_or_else(bundle::make, Ok)?;
    let studio = packages().root().join("studio");
    // A picture of an earlier run must not be taken for this one's.
    for name in PICTURES {
        shell::remove(&packages().folder.join(name))?;
    }
    set_up(&studio, &bundle)?;
    shell::say("opening Kdenlive");
    enter()?;
    describes_the_plugin(&studio)?;
    for name in PICTURES {
        shell::copy(&studio.join(name), &packages().folder.join(name))?;
    }
    Ok(packages().folder.join(PICTURES[0]))
}

#[cfg(target_os = "linux")]
fn is_root() -> Result<bool> {
    use std::os::unix::fs::MetadataExt;
    Ok(std::fs::metadata("/proc/self")?.uid() == 0)
}

#[cfg(not(target_os = "linux"))]
fn is_root() -> Result<bool> {
    Ok(false)
}

/// What an installation does besides unpacking.
fn finish() -> Result<()> {
    let root = packages().root();
    for folder in ["dev", "proc", "tmp"] {
        std::fs::create_dir_all(root.join(folder))?;
    }
    std::fs::write(root.join("etc/passwd"), "root:x:0:0:root:/studio/home:/usr/bin/sh\n")?;
    std::fs::write(root.join("etc/group"), "root:x:0:\n")?;
    std::fs::write(root.join("etc/machine-id"), format!("{:032x}\n", 1))?;
    std::fs::write(root.join("etc/ld.so.conf"), debian::LIBRARIES.join("\n"))?;
    shell::run(Command::new("chroot").arg(&root).arg("ldconfig"))?;
    shell::run(Command::new("chroot").arg(&root).args(["update-mime-database", "/usr/share/mime"]))
}

/// Lays out what the script finds in `/studio`: nothing of an earlier run is left.
fn set_up(studio: &Path, bundle: &Path) -> Result<()> {
    shell::remove(studio)?;
    let home = studio.join("home");
    // Kdenlive asks for each of these that is missing.
    for folder in ["run", "home/.local/share/kdenlive/library", "home/Videos"] {
        std::fs::create_dir_all(studio.join(folder))?;
    }
    shell::copy(bundle, &studio.join("plugins").join(bundle.file_name().unwrap_or_default()))?;
    shell::copy(&shell::root().join("tests/media/bunny"), &studio.join("footage"))?;
    let description = bundle.join("Contents/Resources/kdenlive").join(effect::FILE);
    shell::copy(&description, &home.join(".local/share/kdenlive/effects").join(effect::FILE))?;
    let project = include_str!("../kdenlive/project.kdenlive");
    let project = project.replace("EFFECT", effect::ID).replace("PROFILE", PROFILE);
    shell::write(&studio.join("shot.kdenlive"), &project)?;
    shell::write(&studio.join("shot.sh"), include_str!("../kdenlive/shot.sh"))?;
    shell::write(&home.join(".config/kdenliverc"), include_str!("../kdenlive/kdenliverc"))?;
    shell::write(&home.join(".config/kdeglobals"), "[Icons]\nTheme=breeze-dark\n")
}

/// Runs the script in namespaces of its own: with it ends all that it started, and what it mounted is gone.
fn enter() -> Result<()> {
    let mut command = Command::new("unshare");
    command.args(["--mount", "--pid", "--net", "--fork", "--kill-child", "sh", "-c"]);
    command.arg(include_str!("../kdenlive/enter.sh")).arg("sh").arg(packages().root());
    command.args([PROFILE, effect::ID]);
    let status = command.status().context("could not start unshare (Debian's util-linux has it)")?;
    let logs = packages().root().join("studio");
    ensure!(status.success(), "no picture was taken; what was said lies in {}/*.log", logs.display());
    Ok(())
}

/// Compares the description of the effect with what the plugin told MLT.
fn describes_the_plugin(studio: &Path) -> Result<()> {
    let differences = effect::differences(&std::fs::read_to_string(studio.join("effect.yml"))?);
    if differences.is_empty() {
        return Ok(());
    }
    bail!("Kdenlive's description of the effect is not the plugin's: {}", differences.join("; "))
}
