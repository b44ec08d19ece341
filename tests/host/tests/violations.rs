//! Every detector of the host against a plugin that does just that wrong, and one that does nothing wrong.

mod common;

use common::{plan, report, steps};
use pickup_test_host::ViolationKind::{self, *};
use pickup_test_host::plan::{Context, Outcome, RowOrder};
use serde_json::json;

/// Each fault of the fixture, and all that the host must report for it.
const FAULTS: &[(&str, &[ViolationKind])] = &[
    ("hold_image", &[ImageNotReleased]),
    ("release_twice", &[DoubleRelease]),
    ("write_past_window", &[WriteOutsideWindow]),
    ("write_padding", &[WriteOutsideImage]),
    ("write_guard", &[WriteOutsideImage]),
    ("write_source", &[WriteToSource]),
    ("leave_pixels", &[UnwrittenPixels]),
    ("wrong_type", &[WrongPropertyType]),
    ("wrong_dimension", &[WrongDimension]),
    ("unknown_property", &[UnknownProperty]),
    ("read_only", &[ReadOnlyProperty]),
    ("bad_handle", &[BadHandle]),
    ("null_place", &[NullPointer]),
    ("status_77", &[NonstandardStatus]),
    ("status_yes", &[StatusNotForAction]),
    ("status_unknown", &[StatusNotForAction]),
    ("set_in_render", &[ParameterSetOutsideEdit]),
    ("set_button", &[WrongParameterKind]),
    ("set_beyond", &[WrongParameterKind]),
    ("set_number_as_text", &[WrongParameterKind]),
    ("unknown_param", &[UnknownParameter]),
    ("no_range", &[MissingRange]),
    ("duplicate_param", &[DuplicateParameter]),
    ("odd_param_type", &[UnknownParameterType]),
    ("late_param", &[DefinedOutsideDescribe]),
    ("late_clip", &[DefinedOutsideDescribe]),
    ("no_parent", &[UnknownParent]),
    ("bad_default", &[WrongPropertyValue]),
    ("empty_message", &[MessageWithoutText]),
    ("odd_message", &[UnknownMessageType]),
    ("progress_open", &[ProgressOutOfOrder]),
    ("progress_range", &[ProgressOutOfOrder]),
    ("progress_unstarted", &[ProgressOutOfOrder]),
    ("leak_memory", &[MemoryNotFreed]),
    ("free_twice", &[DoubleRelease]),
    ("leak_mutex", &[MutexMisused]),
    ("unlock_unheld", &[MutexMisused]),
    ("endless", &[EndlessReentry]),
    ("undeclared_frame", &[FrameNotDeclared]),
    ("no_temporal", &[TemporalAccess, FrameNotDeclared]),
    ("output_in_change", &[OutputOutsideRender]),
    ("no_label", &[MissingDeclaration]),
    ("duplicate_clip", &[DuplicateClip]),
    ("unknown_clip", &[UnknownClip]),
    ("alpha_wanted", &[InvalidReply]),
    ("empty_region", &[InvalidReply]),
    ("odd_depth", &[WrongPropertyValue]),
    ("odd_context", &[WrongPropertyValue]),
    ("edit_open", &[UnbalancedEdit]),
    ("traps_unknown", &[ActionNotDefaulted]),
    // These have every kind of parameter, and render tiles, and do nothing wrong.
    ("every_kind", &[]),
    ("tiles", &[]),
    #[cfg(unix)]
    ("late_thread", &[CallOutsideAction]),
];

/// A press and a render of part of a frame, after which a late thread has time to call.
fn seen(fault: &str, order: RowOrder) -> Vec<ViolationKind> {
    let mut plan = plan(fault, Context::Filter);
    plan.project.row_order = order;
    let wait = if fault == "late_thread" { 0.4 } else { 0.0 };
    plan.steps = steps(json!([
        {"press": "go", "time": 1},
        {"render": {"from": 2, "to": 2, "window": [2, 1, 15, 9]}},
        {"wait": wait},
    ]));
    let report = report(&plan);
    let mut kinds: Vec<ViolationKind> = report.violations.iter().map(|violation| violation.kind).collect();
    kinds.dedup();
    kinds
}

#[test]
fn a_plugin_without_fault_is_clean() {
    for order in [RowOrder::TopDown, RowOrder::BottomUp] {
        assert_eq!(seen("none", order), []);
    }
}

#[test]
fn every_fault_is_seen_and_nothing_else() {
    let wrong: Vec<String> = FAULTS
        .iter()
        .filter_map(|(fault, expected)| {
            let got = seen(fault, RowOrder::TopDown);
            (got != *expected).then(|| format!("{fault}: expected {expected:?}, got {got:?}"))
        })
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn writes_are_seen_in_both_row_orders() {
    let writes = ["write_past_window", "write_padding", "write_guard", "write_source", "leave_pixels"];
    for (fault, expected) in FAULTS.iter().filter(|(fault, _)| writes.contains(fault)) {
        assert_eq!(seen(fault, RowOrder::BottomUp), *expected, "{fault}");
    }
}

/// Milliseconds that a plugin may let the host wait here; the fixture's slow ones take 700.
const PATIENCE: f64 = 400.0;

#[test]
fn a_plugin_that_lets_the_host_wait_is_seen() {
    let blocked = |fault: &str, cached: bool| {
        let mut plan = plan(fault, Context::Filter);
        plan.patience_ms = PATIENCE;
        plan.steps = steps(json!([{"render": {"from": 2, "to": 2, "cached": cached}}]));
        let seen = report(&plan).violations;
        seen.into_iter().map(|v| (v.kind, v.action.unwrap_or_default())).collect::<Vec<_>>()
    };
    let at = |action: &str| vec![(Blocked, action.to_owned())];
    assert_eq!(blocked("slow_identity", false), at("OfxImageEffectActionIsIdentity"));
    assert_eq!(blocked("slow_create", false), at("OfxActionCreateInstance"));
    assert_eq!(blocked("slow_frame", true), at("OfxImageEffectActionRender"));
    assert_eq!(blocked("slow_frame", false), [], "a frame that has to be made may take its time");
}

#[cfg(target_os = "linux")]
#[test]
fn a_process_started_while_an_instance_is_made_is_seen() {
    let seen = report(&plan("starts_process", Context::Filter)).violations;
    assert_eq!(seen.iter().map(|v| v.kind).collect::<Vec<_>>(), [ProcessStarted]);
}

/// In a process of its own, where nothing else opens files.
#[cfg(target_os = "linux")]
#[test]
fn a_file_left_open_is_counted() {
    let left = |fault: &str| {
        let folder = tempfile::tempdir().unwrap();
        let (file, out) = (folder.path().join("plan.json"), folder.path().join("report.json"));
        let mut plan = plan(fault, Context::Filter);
        plan.steps = steps(json!([{"render": {"from": 1, "to": 3}}]));
        std::fs::write(&file, serde_json::to_string(&plan).unwrap()).unwrap();
        let mut host = std::process::Command::new(env!("CARGO_BIN_EXE_pickup-test-host"));
        let status = host.arg(&file).arg("--report").arg(&out).arg("--quiet").status().unwrap();
        assert!(status.success());
        let report: pickup_test_host::Report = serde_json::from_slice(&std::fs::read(&out).unwrap()).unwrap();
        report.left.files_after.unwrap() - report.left.files_before.unwrap()
    };
    assert_eq!((left("none"), left("opens_file")), (0, 3));
}

#[test]
fn a_transition_without_progress_is_seen() {
    let mut plan = plan("no_progress", Context::Transition);
    plan.clips.clear();
    let seen = report(&plan).violations;
    assert_eq!(seen.iter().map(|v| v.kind).collect::<Vec<_>>(), [MissingDeclaration]);
}

#[test]
fn violations_exit_with_3_and_tolerated_ones_with_0() {
    let mut plan = plan("unknown_property", Context::Filter);
    assert_eq!(report(&plan).exit_code(), 3);
    plan.tolerate = vec![UnknownProperty];
    let tolerant = report(&plan);
    assert_eq!((tolerant.exit_code(), tolerant.notices.len()), (0, 1));
}

#[test]
fn failures_exit_with_4_unless_expected() {
    let mut plan = plan("render_fails", Context::Filter);
    plan.steps = steps(json!([{"render": {"from": 0, "to": 1}}]));
    let failed = report(&plan);
    assert_eq!(failed.exit_code(), 4, "{:?}", failed.violations);
    assert_eq!(failed.steps[0].outcome, Some(Outcome::Failed));
    plan.steps = steps(json!([{"render": {"from": 0, "to": 1, "expect": "failed"}}]));
    assert_eq!(report(&plan).exit_code(), 0);
}

#[test]
fn a_filter_without_output_stops_at_describe() {
    let report = report(&plan("no_output", Context::Filter));
    assert!(report.violations.iter().any(|v| v.kind == MissingDeclaration && v.detail.contains("Output")));
}
