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
