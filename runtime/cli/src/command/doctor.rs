//! `doctor`: what Pickup needs on this machine.

use pickup_client::locate_worker;
use pickup_core::protocol::Finding;
use pickup_core::{Cancel, Error, Result};
use pickup_package::default_search_dirs;
use pickup_takes::Store;
use serde_json::json;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::job::client;
use crate::console::{Console, bytes};

const BUNDLE: &str = "Pickup.ofx.bundle";
/// Takes of a few seconds fit into this.
const ROOM: u64 = 2_000_000_000;

/// Looks at everything.
///
/// # Errors
/// Of kind runtime, if anything has to be done.
pub(crate) fn run(store: Option<&Path>, console: &Console) -> Result<()> {
    let mut findings = vec![worker(), takes(store), models(), bundle(), ffmpeg()];
    // Only a worker that is there can be asked.
    if findings[0].good {
        match client(store).doctor(&Cancel::new()) {
            Ok(found) => merge(&mut findings, found),
            Err(error) => findings.push(bad("Runtime", error)),
        }
    }
    let wrong = findings.iter().filter(|finding| !finding.good).count();
    console.result(&json!({ "good": wrong == 0, "findings": findings }), || text(&findings));
    if wrong == 0 {
        return Ok(());
    }
    Err(Error::runtime(format!("{wrong} of {} things need attention.", findings.len()))
        .hint("Do what stands behind each arrow, then run `pickup doctor` again."))
}

/// The worker's word on a subject counts: it is the one that runs.
fn merge(findings: &mut Vec<Finding>, of_worker: Vec<Finding>) {
    findings.retain(|finding| of_worker.iter().all(|other| other.subject != finding.subject));
    findings.extend(of_worker);
}

fn text(findings: &[Finding]) -> String {
    let line = |finding: &Finding| {
        let mark = if finding.good { "ok " } else { "BAD" };
        let mut line = format!("{mark}  {:<14} {}", finding.subject, finding.found);
        if !finding.remedy.is_empty() {
            line += &format!("\n     {:<14} → {}", "", finding.remedy);
        }
        line
    };
    findings.iter().map(line).collect::<Vec<_>>().join("\n")
}

fn good(subject: &str, found: String) -> Finding {
    Finding { subject: subject.to_owned(), good: true, found, remedy: String::new() }
}

fn bad(subject: &str, error: Error) -> Finding {
    Finding { subject: subject.to_owned(), good: false, found: error.message, remedy: error.hint }
}

fn worker() -> Finding {
    match locate_worker(None) {
        Ok(path) => good("Worker", path.display().to_string()),
        Err(error) => bad("Worker", error),
    }
}

fn takes(store: Option<&Path>) -> Finding {
    let look = || -> Result<String> {
        let store = Store::open(store)?;
        let usage = store.usage()?;
        let free = free_space(store.root())?;
        Ok(format!(
            "{}: {} takes, {} used, {} free",
            store.root().display(),
            usage.takes,
            bytes(usage.bytes()),
            bytes(free)
        ))
    };
    look().map_or_else(|error| bad("Take store", error), |found| good("Take store", found))
}

fn free_space(folder: &Path) -> Result<u64> {
    let free = fs4::available_space(folder).map_err(|error| {
        Error::storage(format!("the free space of {} is unknown: {error}.", folder.display()))
    })?;
    if free >= ROOM {
        return Ok(free);
    }
    Err(Error::storage(format!("only {} are free at {}.", bytes(free), folder.display()))
        .hint("Free some space, run `pickup takes gc`, or set PICKUP_STORE to a folder on a larger disk."))
}

fn models() -> Finding {
    let dirs = default_search_dirs();
    let (mut names, mut wrong) = (Vec::new(), Vec::new());
    for listed in pickup_package::list(&dirs) {
        match listed.manifest {
            Ok(manifest) => names.push(manifest.name),
            Err(error) => wrong.push(error),
        }
    }
    match wrong.pop() {
        Some(error) => bad("Models", error),
        None if names.is_empty() => bad(
            "Models",
            Error::model("no model packages were found.")
                .hint("Install one with `pickup models add`, or name its folder in PICKUP_MODELS."),
        ),
        None => good("Models", names.join(", ")),
    }
}

/// Where hosts look for plugins: `OFX_PLUGIN_PATH` and the system's folder (OpenFX 1.5, "Packaging").
fn bundle_folders() -> Vec<PathBuf> {
    let named = std::env::var_os("OFX_PLUGIN_PATH").unwrap_or_default();
    let mut folders: Vec<_> =
        std::env::split_paths(&named).filter(|path| !path.as_os_str().is_empty()).collect();
    folders.push(PathBuf::from(if cfg!(windows) {
        r"C:\Program Files\Common Files\OFX\Plugins"
    } else if cfg!(target_os = "macos") {
        "/Library/OFX/Plugins"
    } else {
        "/usr/OFX/Plugins"
    }));
    folders
}

/// A missing bundle is no fault: the command line works without an editor.
fn bundle() -> Finding {
    let folders = bundle_folders();
    let Some(bundle) = folders.iter().map(|folder| folder.join(BUNDLE)).find(|bundle| bundle.is_dir()) else {
        let looked: Vec<_> = folders.iter().map(|folder| folder.display().to_string()).collect();
        return good("Plugin", format!("not installed for editors (looked in {})", looked.join(", ")));
    };
    let platform = bundle.join("Contents").join(if cfg!(windows) { "Win64" } else { "Linux-x86-64" });
    let worker = format!("pickup-worker{}", std::env::consts::EXE_SUFFIX);
    match ["Pickup.ofx", &worker].into_iter().find(|file| !platform.join(file).is_file()) {
        None => good("Plugin", bundle.display().to_string()),
        Some(file) => bad(
            "Plugin",
            Error::runtime(format!("{} lacks {file}.", platform.display()))
                .hint("Copy the whole folder Pickup.ofx.bundle again."),
        ),
    }
}

/// Without it only video files cannot be read.
fn ffmpeg() -> Finding {
    let quiet = |command: &mut Command| {
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status()
    };
    match quiet(Command::new("ffmpeg").arg("-version")) {
        Ok(status) if status.success() => good("ffmpeg", "on the PATH".to_owned()),
        _ => good(
            "ffmpeg",
            "not on the PATH; video files cannot be read, sequences of pictures can".to_owned(),
        ),
    }
}
