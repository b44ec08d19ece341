//! What a run says in the end.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::plan::{Depth, Outcome};
use crate::violation::Violation;

/// The report of a run.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Report {
    /// What the plugin said of itself.
    pub plugin: PluginReport,
    /// Every action outside the steps, in order, with its time in milliseconds.
    pub actions: Vec<ActionReport>,
    /// Every call of the plugin, where the plan wants them measured.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub calls: Vec<CallReport>,
    /// One entry for each step of the plan, as far as the run came.
    pub steps: Vec<StepReport>,
    /// Messages that came outside the steps.
    pub messages: Vec<MessageReport>,
    /// Broken rules.
    pub violations: Vec<Violation>,
    /// Broken rules that the plan tolerates.
    pub notices: Vec<Violation>,
    /// Why the run failed where the plan did not expect it; empty when it did not.
    pub failures: Vec<String>,
    /// What the plugin left in this process.
    #[serde(default)]
    pub left: Left,
}

/// Files and processes around a run, by which what a plugin leaves behind is seen.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct Left {
    /// Open files before the bundle was loaded; none where the system does not say.
    pub files_before: Option<usize>,
    /// Open files after the plugin was unloaded.
    pub files_after: Option<usize>,
    /// Processes that still ran then.
    pub processes: usize,
}

impl Report {
    /// 3 with violations, else 4 with failures, else 0.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match (self.violations.is_empty(), self.failures.is_empty()) {
            (false, _) => 3,
            (true, false) => 4,
            (true, true) => 0,
        }
    }

    /// Milliseconds of the first action of this name (`OfxActionLoad`), if it ran.
    #[must_use]
    pub fn action_ms(&self, action: &str) -> Option<f64> {
        self.actions.iter().find(|entry| entry.action == action).map(|entry| entry.ms)
    }
}

/// What the plugin said of itself.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct PluginReport {
    /// Identifier.
    pub identifier: String,
    /// Major and minor version.
    pub version: [u32; 2],
    /// All identifiers in the bundle.
    pub bundle_plugins: Vec<String>,
    /// Label.
    pub label: String,
    /// Contexts.
    pub contexts: Vec<String>,
    /// Pixel depths.
    pub depths: Vec<String>,
    /// Thread safety.
    pub thread_safety: String,
    /// Parameters in the order of their definition.
    pub parameters: Vec<ParameterReport>,
    /// Suites asked for, as `NAME/VERSION`, and whether they were given.
    pub suites: BTreeMap<String, bool>,
}

/// One parameter as described.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ParameterReport {
    /// Name.
    pub name: String,
    /// Type, as `OfxParamTypeDouble`.
    pub kind: String,
    /// Label.
    pub label: String,
    /// Default value; null where it has none.
    pub default: Value,
    /// Options of a choice.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub options: Vec<String>,
}

/// One action.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ActionReport {
    /// Action name of the standard.
    pub action: String,
    /// Status by name.
    pub status: String,
    /// Milliseconds it took.
    pub ms: f64,
}

/// One call of the plugin.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct CallReport {
    /// Action name of the standard.
    pub action: String,
    /// The parameter, in a change of one.
    pub subject: String,
    /// The time that it was called for, in frames.
    pub time: f64,
    /// Milliseconds it took, the host's own fetching of images taken off.
    pub ms: f64,
    /// Milliseconds of plain copies of memory as large as its images, touched before as these are: the output's in a
    /// render, those of the frames that it fetched in any other call.
    pub copy_ms: f64,
}

/// One step.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct StepReport {
    /// What it was, as in the plan.
    pub step: String,
    /// Seconds it took.
    pub seconds: f64,
    /// Status of its main action by name; the first bad one of a render; empty where none ran.
    pub status: String,
    /// What came of it.
    pub outcome: Option<Outcome>,
    /// Milliseconds between the host's first "cancel" and the plugin's return.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cancel_latency_ms: Option<f64>,
    /// Every start, update and end of progress.
    pub progress: Vec<ProgressReport>,
    /// Messages.
    pub messages: Vec<MessageReport>,
    /// Values asked for.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub values: BTreeMap<String, Value>,
    /// Parameters that the plugin set meanwhile, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub plugin_edits: Vec<EditReport>,
    /// Rendered frames, in timeline order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub frames: Vec<FrameReport>,
    /// Threads that rendered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub threads: Option<usize>,
}

/// A parameter that the plugin set.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct EditReport {
    /// Parameter name.
    pub name: String,
    /// New value.
    pub value: Value,
}

/// A call of the progress suite.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ProgressReport {
    /// Seconds since the step began.
    pub seconds: f64,
    /// What was called.
    pub event: ProgressEvent,
    /// Whether the host asked the plugin to stop by its answer.
    pub cancel: bool,
}

/// Calls of the progress suite.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProgressEvent {
    /// Started with this text, and message id in version 2.
    Start {
        /// Label or message.
        message: String,
        /// Message id.
        id: Option<String>,
    },
    /// Fraction done, 0..=1.
    Update(f64),
    /// Ended.
    End,
}

/// A message to the user.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct MessageReport {
    /// Seconds since the step began.
    pub seconds: f64,
    /// Message type of the standard; empty for a persistent message taken away.
    pub kind: String,
    /// Message id.
    pub id: String,
    /// The text.
    pub text: String,
    /// Shown until taken away.
    pub persistent: bool,
}

/// A rendered frame.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct FrameReport {
    /// Timeline frame.
    pub time: i64,
    /// Status of the render by name; empty where the plugin said identity.
    pub status: String,
    /// Milliseconds of the render action, the host's own fetching of sources taken off.
    pub ms: f64,
    /// Milliseconds that the host spent on giving source images within it.
    pub fetch_ms: f64,
    /// Clip and time that the plugin named as identical.
    pub identity: Option<(String, f64)>,
    /// BLAKE3 of the rows from top to bottom without padding, in hexadecimal; none without a picture.
    pub hash: Option<String>,
    /// Width in pixels.
    pub width: i32,
    /// Height in pixels.
    pub height: i32,
    /// Pixel depth.
    pub depth: Depth,
    /// Source frames fetched for it, as clip and time.
    pub fetched: Vec<(String, f64)>,
    /// Image files written.
    pub files: Vec<String>,
}

impl FrameReport {
    /// The same picture, with what was said and measured of another.
    #[must_use]
    pub(crate) fn with_status(self, other: Self) -> Self {
        Self { status: other.status, ms: other.ms, fetch_ms: other.fetch_ms, fetched: other.fetched, ..self }
    }
}
