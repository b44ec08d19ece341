//! What a plugin did that the OpenFX standard, or a well-known host, does not allow.

use serde::{Deserialize, Serialize};

/// Sorts of violation. The JSON name is the snake-case form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ViolationKind {
    /// A handle that was never given out, is of another sort, or is dead.
    BadHandle,
    /// A null pointer where the standard wants an address.
    NullPointer,
    /// A property read or written as another type than it has.
    WrongPropertyType,
    /// An index or a count that the property does not have.
    WrongDimension,
    /// A property set on an object that does not have it.
    UnknownProperty,
    /// A property set that only the host may set, or only during describe.
    ReadOnlyProperty,
    /// A property holds a value that the standard does not allow.
    WrongPropertyValue,
    /// An image that was still held when its action returned.
    ImageNotReleased,
    /// An image or a block of memory given back twice.
    DoubleRelease,
    /// A status that the standard does not define.
    NonstandardStatus,
    /// A standard status that this action does not return.
    StatusNotForAction,
    /// Pixels changed outside the render window.
    WriteOutsideWindow,
    /// Bytes changed in the padding between rows, or before or after the image.
    WriteOutsideImage,
    /// Pixels of an input image changed.
    WriteToSource,
    /// Pixels in the render window that a successful render left as they were.
    UnwrittenPixels,
    /// A parameter set where the standard forbids it, as in a render.
    ParameterSetOutsideEdit,
    /// A value that the parameter cannot hold, or a value call on a parameter without one.
    WrongParameterKind,
    /// A parameter name that was never defined.
    UnknownParameter,
    /// A parameter type that the standard does not define.
    UnknownParameterType,
    /// A clip name that was never defined.
    UnknownClip,
    /// A numeric parameter without range or display range.
    MissingRange,
    /// Two parameters of one name.
    DuplicateParameter,
    /// Two clips of one name.
    DuplicateClip,
    /// A parent or page child that is no parameter.
    UnknownParent,
    /// `paramEditBegin` without its end, or the reverse.
    UnbalancedEdit,
    /// A message without text.
    MessageWithoutText,
    /// A message type that the standard does not define.
    UnknownMessageType,
    /// A call into a suite while no action was running.
    CallOutsideAction,
    /// A parameter or clip defined outside describe.
    DefinedOutsideDescribe,
    /// Progress updated or ended without start, started twice, left open, or outside 0..1.
    ProgressOutOfOrder,
    /// Memory that was never given back.
    MemoryNotFreed,
    /// A mutex misused or never destroyed.
    MutexMisused,
    /// The plugin answered its own parameter changes with more of them, without end.
    EndlessReentry,
    /// A render fetched a frame that `GetFramesNeeded` had not named.
    FrameNotDeclared,
    /// A frame at another time without temporal clip access of plugin, clip and host.
    TemporalAccess,
    /// The output image asked for outside a render, or for another time.
    OutputOutsideRender,
    /// Something that describe must say is missing: a label, contexts, depths, the output clip.
    MissingDeclaration,
    /// An action's out-arguments hold an answer that the host cannot follow.
    InvalidReply,
    /// An action that the plugin does not know, answered with anything but "default".
    ActionNotDefaulted,
    /// An action that only answers a question, or serves a frame that is there, took too long.
    Blocked,
    /// A process started while the plugin was loaded, described or instantiated.
    ProcessStarted,
    /// Something that the standard allows and that brings this host down.
    HostCrash,
    /// The bundle or its entry points are not as the standard says.
    BrokenBundle,
    /// The host itself failed; a bug here, not in the plugin.
    HostFault,
}

/// One violation; repeated ones are counted, not listed again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Violation {
    /// What rule was broken.
    pub kind: ViolationKind,
    /// The action that was running, if one was.
    pub action: Option<String>,
    /// The suite function or host check that saw it.
    pub call: String,
    /// What was expected and what came.
    pub detail: String,
    /// How often it was seen.
    pub count: u64,
}

/// Collects violations in the order of their first appearance.
#[derive(Debug, Default)]
pub struct ViolationLog {
    seen: Vec<Violation>,
}

impl ViolationLog {
    /// Adds one violation, or counts it when the same was seen before.
    pub fn add(&mut self, kind: ViolationKind, action: Option<&str>, call: &str, detail: String) {
        let same = |v: &&mut Violation| {
            v.kind == kind && v.action.as_deref() == action && v.call == call && v.detail == detail
        };
        match self.seen.iter_mut().find(same) {
            Some(violation) => violation.count += 1,
            None => self.seen.push(Violation {
                kind,
                action: action.map(str::to_owned),
                call: call.to_owned(),
                detail,
                count: 1,
            }),
        }
    }

    /// Takes all violations, leaving the log empty; `tolerated` kinds come second.
    pub fn split(&mut self, tolerated: &[ViolationKind]) -> (Vec<Violation>, Vec<Violation>) {
        std::mem::take(&mut self.seen).into_iter().partition(|v| !tolerated.contains(&v.kind))
    }
}
