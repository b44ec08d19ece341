//! Builds the fixture bundle and makes plans for it.

#![expect(clippy::unwrap_used, reason = "a failing helper is a failing test")]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use pickup_test_host::plan::{Between, ClipPlan, Context, Project, Segment, Step};
use pickup_test_host::{Plan, Profile, Report, run};

#[cfg(target_os = "linux")]
const PLATFORM: &str = if cfg!(target_arch = "aarch64") { "Linux-aarch64" } else { "Linux-x86-64" };
#[cfg(windows)]
const PLATFORM: &str = "Win64";
#[cfg(target_os = "macos")]
const PLATFORM: &str = "MacOS";

/// The fixture's bundle, compiled once for each test process.
pub fn bundle() -> &'static Path {
    static BUNDLE: OnceLock<(tempfile::TempDir, PathBuf)> = OnceLock::new();
    &BUNDLE
        .get_or_init(|| {
            let folder = tempfile::tempdir().unwrap();
            let bundle = folder.path().join("Fixture.ofx.bundle");
            let inside = bundle.join("Contents").join(PLATFORM);
            std::fs::create_dir_all(&inside).unwrap();
            compile(&inside.join("Fixture.ofx"), folder.path());
            (folder, bundle)
        })
        .1
}

fn compile(to: &Path, scratch: &Path) {
    let target = env!("PICKUP_TARGET");
    let tool = cc::Build::new()
        .target(target)
        .host(target)
        .opt_level(1)
        .out_dir(scratch)
        .cargo_metadata(false)
        .get_compiler();
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixture/fixture.c");
    let mut command: Command = tool.to_command();
    command.current_dir(scratch).arg(&source);
    if tool.is_like_msvc() {
        command.arg("/LD").arg(format!("/Fe:{}", to.display()));
    } else {
        command
            .args(["-shared", "-fPIC", "-fvisibility=hidden", "-Wall", "-Wextra", "-pthread", "-o"])
            .arg(to);
    }
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// A small plan for the fixture with one fault.
pub fn plan(fault: &str, context: Context) -> Plan {
    let source = ClipPlan {
        range: [0, 9],
        segments: vec![
            Segment { at: 0, frames: None, colour: Some([0.25, 0.5, 0.75, 1.0]), first: 0, count: 4 },
            Segment { at: 6, frames: None, colour: Some([0.75, 0.5, 0.25, 1.0]), first: 0, count: 4 },
        ],
        between: Between::Black,
    };
    let mut plan = Plan {
        bundle: bundle().to_owned(),
        plugin: format!("test.fixture.{fault}"),
        context,
        project: Project { width: 17, height: 11, ..Project::default() },
        clips: [("Source".to_owned(), source)].into(),
        parameters: Default::default(),
        steps: Vec::new(),
        tolerate: Vec::new(),
        without_suites: Vec::new(),
        close_library: false,
        profile: Profile::Strict,
        patience_ms: 1000.0,
        measure: false,
    };
    if context == Context::Generator {
        plan.clips.clear();
    }
    plan
}

/// Steps from JSON.
pub fn steps(json: serde_json::Value) -> Vec<Step> {
    serde_json::from_value(json).unwrap()
}

/// Runs a plan that the host must be able to run.
pub fn report(plan: &Plan) -> Report {
    run(plan).unwrap()
}
