//! Every habit of the named hosts, as a plugin sees it that tells what it sees; the strict host is the control.

#![expect(clippy::unwrap_used, reason = "a failing helper is a failing test")]

mod common;

use common::{plan, report, steps};
use pickup_test_host::ViolationKind::{self, *};
use pickup_test_host::plan::{Between, Context, Depth, Segment};
use pickup_test_host::{Plan, Profile, Report};
use serde_json::{Value, json};

/// The witness in a host, with steps; what it sees of its neighbours is not counted against it.
fn witness(profile: Profile, asked: Value) -> Plan {
    let mut plan = plan("witness", Context::Filter);
    plan.profile = profile;
    plan.project.depth = if profile == Profile::Hostdemo { Depth::Byte } else { Depth::Float };
    plan.tolerate = vec![TemporalAccess, FrameNotDeclared];
    plan.steps = steps(asked);
    plan
}

/// Everything that the witness said, in order.
fn said(report: &Report) -> Vec<String> {
    assert_eq!((report.violations.as_slice(), report.failures.as_slice()), (&[] as &[_], &[] as &[String]));
    let messages = report.messages.iter().chain(report.steps.iter().flat_map(|step| &step.messages));
    messages.map(|message| message.text.clone()).collect()
}

fn lines(profile: Profile, asked: Value) -> Vec<String> {
    said(&report(&witness(profile, asked)))
}

/// The line that begins so.
#[track_caller]
fn line<'a>(lines: &'a [String], begins: &str) -> &'a str {
    lines.iter().find(|line| line.starts_with(begins)).unwrap()
}

/// The action's name in a line of the journal, without the standard's prefixes.
fn actions(lines: &[String]) -> Vec<&str> {
    let names = lines.iter().filter_map(|line| line.strip_prefix("action: "));
    names
        .map(|name| name.trim_start_matches("OfxImageEffectAction").trim_start_matches("OfxAction"))
        .collect()
}

fn one_frame() -> Value {
    json!([{"render": {"from": 2, "to": 2}}])
}

/// Asserts that a line about `begins` holds `expected` in a host, and does not in the strict one.
#[track_caller]
fn differs(profile: Profile, asked: Value, begins: &str, expected: &str) {
    let (here, strict) = (lines(profile, asked.clone()), lines(Profile::Strict, asked));
    assert!(line(&here, begins).contains(expected), "{profile:?}: {}", line(&here, begins));
    assert!(!line(&strict, begins).contains(expected), "Strict: {}", line(&strict, begins));
}

fn thumbnail() -> Value {
    json!([{"render": {"from": 2, "to": 2, "thumbnail": true, "scale": [0.5, 0.5]}}])
}

fn scrubbing() -> Value {
    json!([{"render": {"from": 2, "to": 2, "interactive": true, "scale": [0.5, 0.5]}}])
}

/// A frame where the clip has none.
fn gap() -> Value {
    json!([{"render": {"from": 5, "to": 5}}])
}

fn over_a_gap(profile: Profile) -> Vec<String> {
    let mut plan = witness(profile, gap());
    plan.clips.get_mut("Source").unwrap().between = Between::Null;
    said(&report(&plan))
}

fn kinds(profile: Profile, fault: &str) -> Vec<ViolationKind> {
    let mut plan = plan(fault, Context::Filter);
    plan.profile = profile;
    plan.steps = steps(json!([{"set": {"gain": 0.5}}, {"render": {"from": 1, "to": 1}}]));
    report(&plan).violations.iter().map(|violation| violation.kind).collect()
}

mod resolve {
    use super::*;
    const HERE: Profile = Profile::Resolve;

    #[test]
    fn gives_its_name_and_no_tiles() {
        differs(HERE, json!([]), "describe:", "DaVinciResolve, temporal 1, tiles 0, contexts 4");
    }

    #[test]
    fn has_progress_version_1_and_message_version_2_with_garbage() {
        differs(HERE, json!([]), "describe:", "message hollow, progress 1, interact 0");
    }

    #[test]
    fn answers_ok_with_a_null_image() {
        assert!(line(&over_a_gap(HERE), "render:").contains("source null"));
        assert!(line(&over_a_gap(Profile::Strict), "render:").contains("source refused"));
    }

    #[test]
    fn renders_thumbnails_without_a_scale_and_does_not_call_them_so() {
        differs(HERE, thumbnail(), "render:", "scale none");
        differs(HERE, thumbnail(), "render:", "thumbnail -1");
        assert!(
            line(&lines(HERE, thumbnail()), "render:").contains("9x6"),
            "the images are small all the same"
        );
    }

    #[test]
    fn speaks_of_source_frames_while_the_timeline_does_not() {
        let mut plan = witness(HERE, one_frame());
        plan.project.source_offset = 1000;
        let seen = said(&report(&plan));
        assert!(line(&seen, "render:").contains("time 1002"));
        assert!(line(&seen, "render:").contains("timeline 0 2,"));
        assert!(line(&seen, "create: range").contains("yes 1000"));
        assert!(
            line(&lines(HERE, one_frame()), "render:").contains("time 2, "),
            "and of timeline frames else"
        );
    }

    #[test]
    fn may_never_ask_for_the_region_of_definition() {
        let called = |profile| actions(&lines(profile, one_frame())).contains(&"GetRegionOfDefinition");
        assert!(!called(HERE) && called(Profile::Strict));
    }

    #[test]
    fn makes_the_instance_anew_after_an_edit_while_the_old_one_lives() {
        let seen = lines(HERE, json!([{"set": {"gain": 0.5}}]));
        let mut lives = actions(&seen);
        lives.retain(|name| name.ends_with("eInstance") || name.starts_with("Destroy"));
        // Messages outside of steps come first in the report.
        lives.sort_unstable();
        assert_eq!(lives, ["CreateInstance", "CreateInstance", "DestroyInstance", "DestroyInstance"]);
        let mut kept = witness(HERE, json!([{"set": {"gain": 0.5}}, {"get": ["gain"]}]));
        assert_eq!(report(&kept).steps[1].values["gain"], 0.5);
        kept.profile = Profile::Strict;
        let once = said(&report(&kept));
        assert_eq!(actions(&once).iter().filter(|name| **name == "CreateInstance").count(), 1);
    }

    #[test]
    fn crashes_on_pairs_of_integers() {
        assert_eq!(kinds(HERE, "pairs"), [HostCrash]);
        assert_eq!(kinds(Profile::Strict, "pairs"), []);
    }

    #[test]
    fn wants_range_and_display_range() {
        assert_eq!(kinds(HERE, "no_range"), [MissingRange]);
    }

    #[test]
    fn has_no_half_floats() {
        let mut plan = plan("none", Context::Filter);
        (plan.profile, plan.project.depth) = (HERE, Depth::Half);
        assert!(report(&plan).failures[0].contains("Half"));
    }
}

mod fusion {
    use super::*;

    #[test]
    fn tells_a_wrong_scale_while_somebody_scrubs() {
        differs(Profile::Fusion, scrubbing(), "render:", "scale 1.00, 9x6");
    }

    #[test]
    fn tells_a_wrong_scale_with_thumbnails() {
        differs(Profile::Fusion, thumbnail(), "render:", "scale 1.00, 9x6");
    }
}

mod nuke {
    use super::*;
    const HERE: Profile = Profile::Nuke;

    #[test]
    fn has_filter_and_general_only_and_floats_only() {
        differs(HERE, json!([]), "describe:", "contexts 2, depths 1");
        let refused = |context, depth| {
            let mut plan = plan("none", context);
            (plan.profile, plan.project.depth) = (HERE, depth);
            report(&plan).failures.first().cloned().unwrap_or_default()
        };
        assert!(refused(Context::Generator, Depth::Float).contains("Generator"));
        assert!(refused(Context::Filter, Depth::Byte).contains("Byte"));
        assert_eq!(refused(Context::General, Depth::Float), "");
    }

    #[test]
    fn has_tiles_temporal_access_progress_and_message_version_2() {
        let seen = lines(HERE, json!([]));
        assert!(line(&seen, "describe:").contains("temporal 1, tiles 1"));
        assert!(line(&seen, "describe:").contains("message whole, progress 2"));
    }

    #[test]
    fn a_label_cannot_change_later() {
        assert_eq!(kinds(HERE, "renames"), [ReadOnlyProperty]);
        assert_eq!(kinds(Profile::Strict, "renames"), []);
    }

    #[test]
    fn duplicate_names_fail() {
        assert_eq!(kinds(HERE, "duplicate_param"), [DuplicateParameter]);
    }

    #[test]
    fn a_parameter_set_in_a_render_is_refused() {
        assert_eq!(kinds(HERE, "set_in_render"), [ParameterSetOutsideEdit]);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_process_started_with_an_instance_is_seen() {
        assert_eq!(kinds(HERE, "starts_process"), [ProcessStarted]);
    }
}

mod mlt {
    use super::*;
    const HERE: Profile = Profile::Mlt;

    #[test]
    fn lists_no_contexts_and_has_the_filter_only() {
        differs(HERE, json!([]), "describe:", "MLT, temporal 0, tiles 0, contexts 0");
        let mut plan = plan("none", Context::Generator);
        plan.profile = HERE;
        assert!(report(&plan).failures[0].contains("Generator"));
    }

    #[test]
    fn gives_the_same_picture_for_every_time() {
        // The next frame is of another run of the clip.
        differs(HERE, json!([{"render": {"from": 3, "to": 3}}]), "render:", "next same");
    }

    #[test]
    fn calls_these_actions_and_no_others() {
        let seen = lines(HERE, json!([{"set": {"gain": 0.5}}, {"render": {"from": 2, "to": 2}}]));
        for never in [
            "InstanceChanged",
            "BeginInstanceChanged",
            "IsIdentity",
            "GetFramesNeeded",
            "GetTimeDomain",
            "SyncPrivateData",
        ] {
            assert!(!actions(&seen).contains(&never), "{never}");
        }
        for always in [
            "CreateInstance",
            "GetClipPreferences",
            "GetRegionOfDefinition",
            "GetRegionsOfInterest",
            "Render",
        ] {
            assert!(actions(&seen).contains(&always), "{always}");
        }
        let strict =
            lines(Profile::Strict, json!([{"set": {"gain": 0.5}}, {"render": {"from": 2, "to": 2}}]));
        assert!(actions(&strict).contains(&"InstanceChanged") && actions(&strict).contains(&"IsIdentity"));
    }

    #[test]
    fn has_no_buttons() {
        let pressed = report(&witness(HERE, json!([{"press": "go"}])));
        assert!(pressed.failures[0].contains("no buttons"), "{:?}", pressed.failures);
    }

    #[test]
    fn begins_and_ends_a_sequence_around_every_frame() {
        let begun = |profile| {
            let mut plan = witness(profile, json!([{"render": {"from": 1, "to": 3}}]));
            plan.plugin = "test.fixture.witness_unsafe".to_owned();
            let seen = said(&report(&plan));
            actions(&seen).iter().filter(|name| **name == "BeginSequenceRender").count()
        };
        assert_eq!((begun(HERE), begun(Profile::Strict)), (3, 1));
    }

    #[test]
    fn begins_anew_with_every_frame_unless_the_plugin_is_unsafe() {
        let made = |fault: &str| {
            let mut plan = witness(HERE, json!([{"render": {"from": 1, "to": 3}}]));
            plan.plugin = format!("test.fixture.{fault}");
            let seen = said(&report(&plan));
            let count = |wanted: &str| actions(&seen).iter().filter(|name| **name == wanted).count();
            (count("Describe"), count("CreateInstance"))
        };
        assert_eq!((made("witness"), made("witness_unsafe")), ((4, 4), (1, 1)));
    }

    #[test]
    fn neither_destroys_nor_unloads_at_the_end() {
        let mut plan = witness(HERE, one_frame());
        plan.plugin = "test.fixture.witness_unsafe".to_owned();
        let seen = said(&report(&plan));
        assert!(!actions(&seen).contains(&"DestroyInstance") && !actions(&seen).contains(&"Unload"));
        let strict = lines(Profile::Strict, one_frame());
        assert!(actions(&strict).contains(&"DestroyInstance") && actions(&strict).contains(&"Unload"));
    }

    #[test]
    fn leaves_out_size_extent_rate_duration_and_range() {
        differs(HERE, json!([]), "create: size", "size no, extent no, rate no, duration no");
        differs(HERE, json!([]), "create: range", "range no");
    }

    #[test]
    fn does_not_know_the_time() {
        // Status 5 is "unsupported".
        differs(HERE, one_frame(), "render:", "timeline 5");
    }

    #[test]
    fn a_missing_clip_is_ok_with_nothing() {
        assert!(line(&over_a_gap(HERE), "render:").contains("source null"));
    }

    #[test]
    fn rows_go_down() {
        assert!(line(&lines(HERE, one_frame()), "render:").contains("rows down"));
    }

    #[test]
    fn components_are_not_known_when_an_instance_is_made() {
        differs(HERE, json!([]), "create: size", "components OfxImageComponentNone");
    }

    #[test]
    fn a_failed_render_shows_the_source() {
        let shown = |profile, fault: &str, expect: &str| {
            let mut plan = plan(fault, Context::Filter);
            plan.profile = profile;
            plan.steps = steps(json!([{"render": {"from": 2, "to": 2, "expect": expect}}]));
            report(&plan).steps[0].frames[0].hash.clone()
        };
        let source = shown(HERE, "none", "ok");
        assert!(source.is_some());
        assert_eq!(shown(HERE, "render_fails", "failed"), source);
        assert_eq!(shown(Profile::Strict, "render_fails", "failed"), None);
    }
}

mod hostdemo {
    use super::*;
    const HERE: Profile = Profile::Hostdemo;

    #[test]
    fn has_8_bits_only() {
        let seen = lines(HERE, json!([]));
        assert!(line(&seen, "describe:").contains("depths 1"));
        let mut plan = plan("none", Context::Filter);
        plan.profile = HERE;
        assert!(report(&plan).failures[0].contains("Byte"));
    }

    #[test]
    fn a_text_parameter_lets_it_find_none() {
        differs(HERE, json!([]), "create: parameter", "no");
    }
}

mod strict {
    use super::*;

    #[test]
    fn fields_are_told() {
        let mut plan = witness(Profile::Strict, one_frame());
        assert!(line(&said(&report(&plan)), "render:").ends_with("OfxFieldNone"));
        plan.project.fields = pickup_test_host::plan::FieldOrder::Upper;
        assert!(line(&said(&report(&plan)), "render:").ends_with("OfxFieldBoth"));
    }

    #[test]
    fn tiles_give_the_same_picture_as_the_whole() {
        let rendered = |fault: &str, tiles: Value| {
            let mut plan = plan(fault, Context::Generator);
            plan.project.range = Some([0, 1]);
            plan.steps = steps(json!([{"render": {"from": 0, "to": 1, "tiles": tiles}}]));
            let report = report(&plan);
            assert_eq!(report.violations, []);
            report.steps[0].frames.iter().map(|frame| frame.hash.clone()).collect::<Vec<_>>()
        };
        let whole = rendered("tiles", Value::Null);
        assert_eq!(rendered("tiles", json!([5, 4])), whole);
        assert_eq!(rendered("none", json!([5, 4])), whole, "a plugin without tiles is not asked for them");
    }

    #[test]
    fn a_transition_goes_from_one_clip_to_the_other() {
        let mut plan = plan("none", Context::Transition);
        let clip = plan.clips.remove("Source").unwrap();
        for (name, colour) in [("SourceFrom", [1.0, 0.0, 0.0, 1.0]), ("SourceTo", [0.0, 0.0, 1.0, 1.0])] {
            let segment = Segment { at: 0, frames: None, colour: Some(colour), first: 0, count: 10 };
            let whole = pickup_test_host::plan::ClipPlan { segments: vec![segment], ..clip.clone() };
            plan.clips.insert(name.to_owned(), whole);
        }
        plan.steps = steps(json!([{"render": {"from": 0, "to": 9}}]));
        plan.tolerate = vec![FrameNotDeclared];
        let report = report(&plan);
        assert_eq!((report.violations.len(), report.failures.len()), (0, 0), "{report:?}");
        let frames = &report.steps[0].frames;
        assert!(frames[..5].iter().all(|frame| frame.fetched[0].0 == "SourceFrom"));
        assert!(frames[5..].iter().all(|frame| frame.fetched[0].0 == "SourceTo"));
        assert_ne!(frames[0].hash, frames[9].hash);
    }

    #[test]
    fn a_general_effect_may_have_nothing_connected() {
        let mut plan = plan("none", Context::General);
        plan.clips.clear();
        plan.project.range = Some([0, 1]);
        plan.steps = steps(json!([{"render": {"from": 0, "to": 1}}]));
        let report = report(&plan);
        assert_eq!((report.violations.len(), report.failures.len()), (0, 0), "{report:?}");
    }

    #[test]
    fn a_cancel_can_come_at_any_question() {
        let heard = |asked: u64| {
            let mut plan = plan("none", Context::Filter);
            plan.steps = steps(json!([{"press": "go", "cancel_after": {"asked": asked}}]));
            report(&plan).steps[0].progress.iter().filter(|progress| !progress.cancel).count()
        };
        // Start, then as many updates as go unheard, then end.
        assert_eq!((heard(0), heard(3)), (2, 5));
    }
}

#[test]
fn random_actions_are_the_same_for_a_seed_and_clean_in_every_host() {
    for profile in Profile::ALL {
        let played = |seed: u64| {
            let mut plan = plan("none", Context::Filter);
            plan.profile = profile;
            plan.project.depth = profile.depths()[0];
            // The witness of nothing wrong sets parameters by buttons, and shows progress.
            plan.steps =
                steps(json!([{"fuzz": {"seed": seed, "actions": 400, "threads": 4, "fixed": ["offset"]}}]));
            let report = report(&plan);
            assert_eq!(report.failures, [] as [String; 0], "{profile:?}, seed {seed}");
            assert_eq!(report.violations, [], "{profile:?}, seed {seed}");
            report.steps[0].values.clone()
        };
        if profile == Profile::Hostdemo {
            // The fixture has a text parameter, which lets this host find none.
            continue;
        }
        let (once, again) = (played(11), played(11));
        assert_eq!(once, again, "{profile:?}");
        assert!(
            once["actions"].as_u64().unwrap() >= 400 && once["frames"].as_u64().unwrap() > 20,
            "{once:?}"
        );
        assert_ne!(once, played(12), "{profile:?}");
    }
}

#[test]
fn random_actions_find_a_fault_and_name_the_seed() {
    let mut faulty = plan("hold_image", Context::Filter);
    faulty.steps = steps(json!([{"fuzz": {"seed": 3, "actions": 200}}]));
    let seen = report(&faulty);
    assert!(seen.violations.iter().any(|violation| violation.kind == ImageNotReleased));
    assert!(seen.steps[0].step.contains("\"seed\":3"));
    faulty.steps = steps(json!([{"fuzz": {"threads": 0}}]));
    assert!(report(&faulty).failures[0].contains("1..=64 threads"));
}
