//! Real file systems that are full, or may only be read: small ones, mounted for one process alone.
//!
//! Mounting needs rights that a build machine may withhold. Then these tests say so, in a line that
//! begins with `note:`, and check nothing.

#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a test says what is wrong by panicking")]

use pickup_e2e::{Answer, Bench, Scene, figure, tiny_package};
use std::path::Path;
use std::process::Command;

/// Runs `command` in a mount namespace of its own, with `folder` being a new file system of `options`.
/// `prepare` is a shell command run before it; afterwards the files in the folder are listed on
/// descriptor 1 behind a line `left:`. `None` where that is not permitted.
fn mounted(folder: &Path, options: &str, prepare: &str, command: &Command) -> Option<(Answer, Vec<String>)> {
    std::fs::create_dir_all(folder).unwrap();
    let script = format!(
        "mount -t tmpfs -o {options} tmpfs '{0}' || exit 99\n{prepare}\n\"$@\"\ncode=$?\n\
         echo left:\nfind '{0}' -type f ! -name '*.lock'\nexit $code",
        folder.display()
    );
    let mut inside = Command::new("unshare");
    inside.args(["--mount", "sh", "-c", &script, "sh"]).arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => inside.env(name, value),
            None => inside.env_remove(name),
        };
    }
    inside.current_dir(command.get_current_dir().unwrap());
    let output = inside.output().ok()?;
    let mut answer = Answer::of(&output);
    let permitted = answer.code != Some(99) && !answer.err.starts_with("unshare:");
    if !permitted {
        println!("note: file systems cannot be mounted here, so no full disk was tried: {}", answer.err);
        return None;
    }
    let (out, left) = answer.out.split_once("left:\n").unwrap();
    let left = left.lines().map(str::to_owned).collect();
    answer.out = out.to_owned();
    Some((answer, left))
}

/// A job of 17 frames of 640×360 (31 MB) of which one known frame is 1.8 MB.
fn job(bench: &Bench, out: &str) -> Command {
    let shot = bench.footage("shot", 0..4, (640, 360)).folder();
    let arguments = [
        "extend",
        "--clip",
        &shot,
        "--frames",
        "17",
        "--context",
        "4",
        "--steps",
        "1",
        "--model",
        "tiny-wan-vace",
        "--out",
        out,
    ];
    bench.pickup_command(&arguments, &[("PICKUP_MODELS", Some(tiny_package().as_os_str()))])
}

#[test]
fn acceptance_a_full_disk_under_the_store_is_told() {
    for (what, size) in [("a known frame", "1m"), ("the take", "12m")] {
        let bench = Bench::new();
        let Some((answer, left)) =
            mounted(&bench.path("store"), &format!("size={size}"), "", &job(&bench, "made/out"))
        else {
            return;
        };
        answer.expect_failure(8, &["store"]);
        assert!(answer.err.contains("Free some space"), "{}", answer.err);
        let halves: Vec<_> =
            left.iter().filter(|path| path.contains("store/takes/") || path.contains("store/tmp/")).collect();
        assert!(halves.is_empty(), "{halves:?}");
        assert!(!bench.path("made").exists());
        figure(&format!("disk too full for {what}"), "exit 8, told, nothing left", "the same");
    }
}

/// The disk fills up while the job runs: room is claimed beforehand, so the take is complete all the same.
#[test]
fn acceptance_a_full_disk_under_the_frames_is_told() {
    let bench = Bench::new();
    let disk = bench.path("disk");
    let Some((answer, left)) =
        mounted(&disk, "size=1m", "", &job(&bench, &disk.join("a/out").display().to_string()))
    else {
        return;
    };
    answer.expect_failure(8, &["out"]);
    assert!(left.is_empty(), "{left:?}");
    assert_eq!(bench.store().takes().len(), 1, "the take itself is not lost");
    figure("disk too full for the written frames", "exit 8, told, take kept, nothing left", "the same");
}

#[test]
fn acceptance_a_read_only_store_is_told() {
    let bench = Bench::new();
    let store = bench.path("store");
    let remount = format!("mount -o remount,ro '{}'", store.display());
    let Some((answer, left)) = mounted(&store, "size=64m", &remount, &job(&bench, "made/out")) else {
        return;
    };
    answer.expect_failure(8, &["store"]);
    assert!(left.is_empty(), "{left:?}");
    assert!(!bench.path("made").exists());
    figure("read-only store", "exit 8, told, nothing left", "the same");
}

/// The same through the plugin: the host is told and goes on.
#[test]
fn acceptance_a_full_disk_in_the_editor_is_told() {
    let bench = Bench::new();
    let footage = bench.footage("footage", 0..4, (640, 360));
    let scene = Scene::fill((640, 360), (0, 20)).pictures(0, &footage.pattern(), 0, 4).span(4, 20);
    let (plan, report) = bench.plan(&scene.press_in_vain(4).look((3, 4)));
    let command = bench.host(&plan, &report, &[]);
    let Some((answer, left)) = mounted(&bench.path("store"), "size=12m", "", &command) else { return };
    assert_eq!(answer.code, Some(0), "{}", answer.err);
    let halves: Vec<_> =
        left.iter().filter(|path| path.contains("store/takes/") || path.contains("store/tmp/")).collect();
    assert!(halves.is_empty(), "{halves:?}");
    let text = std::fs::read_to_string(report).unwrap();
    assert!(text.contains("too full"), "the message names the cause");
    figure("full disk in the editor", "host told, nothing left", "the same");
}
