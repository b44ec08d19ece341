//! The OpenFX bundle: plugin, worker, ONNX Runtime and the starter model in one folder.

use anyhow::{Result, ensure};
use std::path::PathBuf;

use crate::runtime::{self, Build};
use crate::{effect, shell};

/// Where the bundle is made. Its name and the inner file's must match (OpenFX, "Packaging").
pub fn folder() -> PathBuf {
    shell::target().join("bundle/Pickup.ofx.bundle")
}

/// Folder of the executables for this platform, as OpenFX names it.
pub fn architecture() -> &'static str {
    if cfg!(windows) { "Win64" } else { "Linux-x86-64" }
}

/// Builds in release and lays the bundle out anew. Returns its folder.
pub fn make() -> Result<PathBuf> {
    make_with(Build::Plain)
}

/// The same with this build of ONNX Runtime.
pub fn make_with(runtime: Build) -> Result<PathBuf> {
    runtime.setup()?;
    build()?;
    lay_out(runtime)
}

/// Builds everything in release. The whole workspace at once, because a part of it would be built
/// with other features of the shared crates, and the tests would then build those again.
fn build() -> Result<()> {
    shell::say("building in release");
    shell::run(&mut shell::cargo(&["build", "--release", "--workspace", "--locked"]))
}

/// Lays the bundle out from what is built, aside first: a host may be scanning the folder.
fn lay_out(runtime: Build) -> Result<PathBuf> {
    let bundle = folder();
    let aside = bundle.with_extension("new");
    shell::remove(&aside)?;
    let contents = aside.join("Contents");
    let binaries = contents.join(architecture());
    let resources = contents.join("Resources");
    shell::copy(&shell::release().join(plugin_library()), &binaries.join("Pickup.ofx"))?;
    for name in ["pickup-worker", "pickup"] {
        let from = shell::executable(name);
        shell::copy(&from, &binaries.join(from.file_name().unwrap_or_default()))?;
    }
    for file in runtime.files()? {
        let to =
            if runtime::is_notice(&file) { resources.join("licences/onnxruntime") } else { binaries.clone() };
        shell::copy(&file, &to.join(file.file_name().unwrap_or_default()))?;
    }
    let starter = shell::root().join("models/starter/package");
    ensure!(starter.join("manifest.json").is_file(), "no starter model in {}", starter.display());
    shell::copy(&starter, &resources.join("models/starter"))?;
    for licence in ["LICENSE-APACHE", "LICENSE-MIT"] {
        shell::copy(&shell::root().join(licence), &resources.join("licences").join(licence))?;
    }
    shell::copy(&shell::root().join("resources/Info.plist"), &contents.join("Info.plist"))?;
    let description = resources.join("kdenlive").join(effect::FILE);
    shell::write(&description, &effect::describe()?)?;
    shell::remove(&bundle)?;
    std::fs::rename(&aside, &bundle)?;
    Ok(bundle)
}

fn plugin_library() -> String {
    format!("{}pickup_plugin{}", std::env::consts::DLL_PREFIX, std::env::consts::DLL_SUFFIX)
}
