//! The plan of a run: which plugin, what timeline, and the steps to take. `README.md` shows one.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use crate::HostError;
use crate::profile::Profile;
use crate::violation::ViolationKind;

/// A whole run. Relative paths are relative to the current directory.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// The bundle's folder, `NAME.ofx.bundle`.
    pub bundle: PathBuf,
    /// The plugin's identifier.
    pub plugin: String,
    /// The context to describe and instantiate.
    pub context: Context,
    /// The host to be.
    #[serde(default)]
    pub profile: Profile,
    /// The timeline.
    #[serde(default)]
    pub project: Project,
    /// Input clips by name; the output has none.
    #[serde(default)]
    pub clips: BTreeMap<String, ClipPlan>,
    /// Values that the project holds before the instance is made, by parameter name.
    #[serde(default)]
    pub parameters: BTreeMap<String, Value>,
    /// What to do, in order.
    #[serde(default)]
    pub steps: Vec<Step>,
    /// Kinds of violation that are reported as notices and do not fail the run.
    #[serde(default)]
    pub tolerate: Vec<ViolationKind>,
    /// Suites to withhold, as `NAME` (all versions) or `NAME/VERSION`.
    #[serde(default)]
    pub without_suites: Vec<String>,
    /// Close the shared library at the end. Off by default: a plugin's threads may still run in it.
    #[serde(default)]
    pub close_library: bool,
    /// The longest that actions which only answer a question may take, in milliseconds.
    #[serde(default = "usual_patience")]
    pub patience_ms: f64,
    /// Report the time of every call.
    #[serde(default)]
    pub measure: bool,
}

/// Far more than an answer needs on a busy machine, and far less than an inference takes.
const fn usual_patience() -> f64 {
    1000.0
}

impl Plan {
    /// Reads a plan from a JSON file.
    ///
    /// # Errors
    /// [`HostError::Plan`] naming the file and what is wrong in it.
    pub fn read(path: &Path) -> Result<Self, HostError> {
        let text = std::fs::read_to_string(path)
            .map_err(|error| HostError::Plan(format!("{}: {error}", path.display())))?;
        serde_json::from_str(&text).map_err(|error| HostError::Plan(format!("{}: {error}", path.display())))
    }

    /// The first and last frame of the timeline: the project's, or else what clips and steps span.
    #[must_use]
    pub fn range(&self) -> [i64; 2] {
        if let Some(range) = self.project.range {
            return range;
        }
        let clips = self.clips.values().map(|clip| clip.range);
        let renders = self.steps.iter().filter_map(|step| match step {
            Step::Render(step) => Some([step.render.from, step.render.to]),
            _ => None,
        });
        clips.chain(renders).reduce(|a, b| [a[0].min(b[0]), a[1].max(b[1])]).unwrap_or([0, 0])
    }
}

/// OpenFX contexts that this host offers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Context {
    /// One input, `Source`, and one output.
    Filter,
    /// No input.
    Generator,
    /// Any inputs; each may be without a clip.
    General,
    /// From `SourceFrom` to `SourceTo` over the timeline's range; the host sets `Transition` from 0 to 1.
    Transition,
}

/// How the frames of a clip are made of fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FieldOrder {
    /// Whole frames.
    Progressive,
    /// Two fields, the lower one first.
    Lower,
    /// Two fields, the upper one first.
    Upper,
}

/// Pixel depths of OpenFX. Byte is 0..=255, short 0..=65535; half and float are 1.0 at white.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Depth {
    /// 8-bit unsigned.
    Byte,
    /// 16-bit unsigned.
    Short,
    /// 16-bit floating point.
    Half,
    /// 32-bit floating point.
    Float,
}

impl Depth {
    /// All depths, smallest first.
    pub const ALL: [Self; 4] = [Self::Byte, Self::Short, Self::Half, Self::Float];

    /// Bytes of one sample.
    #[must_use]
    pub const fn bytes(self) -> usize {
        match self {
            Self::Byte => 1,
            Self::Short | Self::Half => 2,
            Self::Float => 4,
        }
    }
}

/// Where the first row in memory lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RowOrder {
    /// The top row comes first in memory: row bytes are negative, as OpenFX counts rows upwards.
    TopDown,
    /// The bottom row comes first in memory: row bytes are positive.
    BottomUp,
}

/// How colour and alpha are combined in a clip.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Premultiplication {
    /// Alpha is 1 everywhere.
    Opaque,
    /// Colour is multiplied by alpha.
    Premultiplied,
    /// Colour is as it was.
    Unpremultiplied,
}

/// The timeline and the face of the host.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Project {
    /// Width in pixels at render scale 1, 1..=16384.
    pub width: i32,
    /// Height in pixels at render scale 1, 1..=16384.
    pub height: i32,
    /// Frames per second as a fraction.
    pub rate: [u32; 2],
    /// Width of a pixel over its height.
    pub pixel_aspect: f64,
    /// Pixel depth of all clips.
    pub depth: Depth,
    /// Order of rows in memory.
    pub row_order: RowOrder,
    /// Bytes between the end of one row and the start of the next; a multiple of 4, guarded.
    pub row_padding: usize,
    /// Whether the host lets plugins fetch frames at other times.
    pub temporal_access: bool,
    /// The name that the host gives itself.
    pub name: String,
    /// First and last frame of the timeline; the clips' if missing.
    pub range: Option<[i64; 2]>,
    /// What the host adds to a timeline frame when it speaks of the source's frames; clips' ranges too. The
    /// timeline suite is not in on it.
    pub source_offset: i64,
    /// Fields of the clips.
    pub fields: FieldOrder,
    /// How the source clips hold alpha.
    pub premultiplication: Premultiplication,
    /// What the host answers to a question message: true is yes.
    pub answer: bool,
}

impl Default for Project {
    fn default() -> Self {
        Self {
            width: 640,
            height: 360,
            rate: [25, 1],
            pixel_aspect: 1.0,
            depth: Depth::Float,
            row_order: RowOrder::TopDown,
            row_padding: 64,
            temporal_access: true,
            name: "DaVinciResolve".to_owned(),
            range: None,
            source_offset: 0,
            fields: FieldOrder::Progressive,
            premultiplication: Premultiplication::Premultiplied,
            answer: true,
        }
    }
}

/// An input clip: runs of frames on the timeline and what lies between them.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClipPlan {
    /// First and last frame that the clip claims to have.
    pub range: [i64; 2],
    /// Runs of frames; a later one lies over an earlier one.
    #[serde(default)]
    pub segments: Vec<Segment>,
    /// What a fetch gives where no segment lies.
    #[serde(default)]
    pub between: Between,
}

/// A run of frames: files, or one colour.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Segment {
    /// Timeline frame of the first one.
    pub at: i64,
    /// A `%06d` pattern, a glob or a folder (both sorted by name).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub frames: Option<String>,
    /// One colour instead of files, RGBA at 1.0 white.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub colour: Option<[f32; 4]>,
    /// Number of the first file for a pattern; how many files to skip for a glob or folder.
    #[serde(default)]
    pub first: i64,
    /// How many frames.
    pub count: i64,
}

/// What a clip gives where it has no frame.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Between {
    /// The fetch fails, as the standard says.
    #[default]
    Null,
    /// The fetch succeeds with a null handle, as some hosts do.
    OkNull,
    /// Opaque black.
    Black,
    /// Nothing, alpha 0.
    Transparent,
    /// One colour, RGBA at 1.0 white.
    Colour([f32; 4]),
}

/// One step of a run, told apart by its first key.
#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
pub enum Step {
    /// Press a push button.
    Press(PressStep),
    /// Set parameters as the user would.
    Set(SetStep),
    /// Render a range of frames.
    Render(RenderStep),
    /// Put parameter values in the report.
    Get(GetStep),
    /// Write the persistent parameters to a file.
    Save(SaveStep),
    /// Close the project and open it with the parameters of a file.
    Load(LoadStep),
    /// Destroy the instance and make it anew with the same values.
    Recreate(RecreateStep),
    /// Render with this many threads from now on, as far as the plugin allows it.
    Threads(ThreadsStep),
    /// Do nothing for a while.
    Wait(WaitStep),
    /// Take steps while another instance is busy.
    Meanwhile(MeanwhileStep),
    /// A random but legal sequence of actions.
    Fuzz(FuzzStep),
}

/// `{"press": "generate", "time": 40}`
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PressStep {
    /// The button's parameter name.
    pub press: String,
    /// Timeline time of the press, in frames.
    #[serde(default)]
    pub time: f64,
    /// When to ask the plugin to stop.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cancel_after: Option<CancelAfter>,
    /// What must come of it; without it, anything but a failure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expect: Option<Outcome>,
}

/// `{"set": {"seed": 7}}`
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SetStep {
    /// New values by parameter name.
    pub set: BTreeMap<String, Value>,
    /// Timeline time of the edit, in frames.
    #[serde(default)]
    pub time: f64,
    /// What must come of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expect: Option<Outcome>,
}

/// `{"render": {"from": 0, "to": 9, "out": "out/%06d.png"}}`
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RenderStep {
    /// What to render.
    pub render: RenderPlan,
}

/// A range of frames to render.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RenderPlan {
    /// First frame.
    pub from: i64,
    /// Last frame, rendered too.
    pub to: i64,
    /// `%06d` pattern of images, `.png` (8 bits for byte, else 16) or `.exr` (32-bit float).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub out: Option<String>,
    /// `%06d` pattern of files with the exact bytes: RGBA rows from top to bottom, no padding.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub raw: Option<String>,
    /// Render window `[x1, y1, x2, y2]` in pixels, y upwards; the whole image if missing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub window: Option<[i32; 4]>,
    /// Render scale in x and y, above 0; 1 if missing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scale: Option<[f64; 2]>,
    /// Somebody is watching.
    pub interactive: bool,
    /// Draft quality.
    pub draft: bool,
    /// A render for a thumbnail.
    pub thumbnail: bool,
    /// Width and height of tiles, where host and plugin can; the whole window at once otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tiles: Option<[i32; 2]>,
    /// Everything is there already: a frame may take no longer than the plan's patience.
    pub cached: bool,
    /// When to answer `abort` with yes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cancel_after: Option<CancelAfter>,
    /// What must come of every frame.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expect: Option<Outcome>,
}

/// `{"get": ["status"]}`
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GetStep {
    /// Parameter names.
    pub get: Vec<String>,
}

/// `{"save": "params.json"}`
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SaveStep {
    /// File to write.
    pub save: PathBuf,
}

/// `{"load": "params.json"}`
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LoadStep {
    /// File to read.
    pub load: PathBuf,
}

/// `{"recreate": true}`
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecreateStep {
    /// False does nothing.
    pub recreate: bool,
}

/// `{"threads": 4}`
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ThreadsStep {
    /// 1..=64.
    pub threads: usize,
}

/// `{"wait": 0.5}`
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WaitStep {
    /// Seconds, 0..=600.
    pub wait: f64,
}

/// `{"meanwhile": [{"render": …}], "press": "generate", "time": 40, "after": 2}`: another instance with the same values
/// is busy with a button while steps are taken; then the host asks it to stop.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MeanwhileStep {
    /// The steps; none of them is in the report.
    pub meanwhile: Vec<Step>,
    /// The button's parameter name.
    pub press: String,
    /// Timeline time of the press, in frames.
    #[serde(default)]
    pub time: f64,
    /// Seconds from the press to the first step, 0..=600.
    #[serde(default)]
    pub after: f64,
}

/// `{"fuzz": {"seed": 7, "actions": 300}}`
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FuzzStep {
    /// What to do.
    pub fuzz: FuzzPlan,
}

/// A random but legal sequence of actions on several instances; the same for the same seed.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FuzzPlan {
    /// What the sequence comes from.
    pub seed: u64,
    /// Ends after so many calls of actions.
    pub actions: u64,
    /// Threads that render, over all instances, 1..=64.
    pub threads: usize,
    /// The most instances at once, 1..=16.
    pub instances: usize,
    /// Parameters that keep their values, and buttons that are not pressed.
    pub fixed: Vec<String>,
    /// Texts that text parameters are set to.
    pub texts: Vec<String>,
}

impl Default for FuzzPlan {
    fn default() -> Self {
        let texts = ["", "a boat", "ein Boot im Flüßchen"];
        Self {
            seed: 0,
            actions: 100,
            threads: 8,
            instances: 3,
            fixed: Vec::new(),
            texts: texts.map(str::to_owned).to_vec(),
        }
    }
}

/// When the host asks the plugin to stop.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CancelAfter {
    /// At the first progress update of at least this fraction.
    Progress(f64),
    /// This long after the step began.
    Seconds(f64),
    /// When the plugin has asked, or shown progress, so many times.
    Asked(u64),
}

/// What came of an action.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The plugin answered OK or "default".
    Ok,
    /// The plugin answered with an error.
    Failed,
    /// The plugin heard the host's cancel and returned, whatever the status.
    Cancelled,
}

impl<'de> Deserialize<'de> for Step {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        step_from(value).map_err(serde::de::Error::custom)
    }
}

/// Picks the step by its key, so that a mistake inside is reported for the step that was meant.
fn step_from(value: Value) -> Result<Step, String> {
    let has = |key: &str| value.get(key).is_some();
    let told = |key: &str, error: serde_json::Error| format!("step \"{key}\": {error}");
    macro_rules! pick {
        ($($key:literal => $variant:ident),*) => {
            $(if has($key) {
                return serde_json::from_value(value).map(Step::$variant).map_err(|e| told($key, e));
            })*
        };
    }
    pick!("meanwhile" => Meanwhile, "press" => Press, "set" => Set, "render" => Render, "get" => Get, "save" => Save,
          "load" => Load, "recreate" => Recreate, "threads" => Threads, "wait" => Wait, "fuzz" => Fuzz);
    Err(format!(
        "expected a step with press, set, render, get, save, load, recreate, threads, wait, meanwhile or fuzz; got {value}"
    ))
}
