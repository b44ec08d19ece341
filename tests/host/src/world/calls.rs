//! Which action is running on which thread, so that suite calls can be judged by it.

use std::cell::RefCell;
use std::ffi::{CStr, CString};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use openfx::sys::generic::core::*;
use openfx::sys::image_effect_v1::image_effect::*;
use parking_lot::Mutex;

use super::handles::Handle;
use super::image::{Layout, PixelBuffer};

/// Actions and entry points that this host calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// `OfxSetHost`, `OfxGetPlugin` and `setHost`.
    Enter,
    /// `OfxActionLoad`
    Load,
    /// `OfxActionUnload`
    Unload,
    /// `OfxActionDescribe`
    Describe,
    /// `OfxImageEffectActionDescribeInContext`
    DescribeInContext,
    /// `OfxActionCreateInstance`
    CreateInstance,
    /// `OfxActionDestroyInstance`
    DestroyInstance,
    /// `OfxActionSyncPrivateData`
    SyncPrivateData,
    /// `OfxActionBeginInstanceChanged`
    BeginInstanceChanged,
    /// `OfxActionInstanceChanged`
    InstanceChanged,
    /// `OfxActionEndInstanceChanged`
    EndInstanceChanged,
    /// `OfxActionPurgeCaches`
    PurgeCaches,
    /// `OfxActionBeginInstanceEdit`
    BeginInstanceEdit,
    /// `OfxActionEndInstanceEdit`
    EndInstanceEdit,
    /// An action that no plugin can know.
    Unknown,
    /// `OfxImageEffectActionGetClipPreferences`
    GetClipPreferences,
    /// `OfxImageEffectActionGetRegionOfDefinition`
    GetRegionOfDefinition,
    /// `OfxImageEffectActionGetRegionsOfInterest`
    GetRegionsOfInterest,
    /// `OfxImageEffectActionGetTimeDomain`
    GetTimeDomain,
    /// `OfxImageEffectActionGetFramesNeeded`
    GetFramesNeeded,
    /// `OfxImageEffectActionIsIdentity`
    IsIdentity,
    /// `OfxImageEffectActionBeginSequenceRender`
    BeginSequenceRender,
    /// `OfxImageEffectActionRender`
    Render,
    /// `OfxImageEffectActionEndSequenceRender`
    EndSequenceRender,
}

impl Action {
    /// Its name in the standard.
    #[must_use]
    pub const fn name(self) -> &'static CStr {
        match self {
            Self::Enter => c"entry points",
            Self::Load => kOfxActionLoad,
            Self::Unload => kOfxActionUnload,
            Self::Describe => kOfxActionDescribe,
            Self::DescribeInContext => kOfxImageEffectActionDescribeInContext,
            Self::CreateInstance => kOfxActionCreateInstance,
            Self::DestroyInstance => kOfxActionDestroyInstance,
            Self::SyncPrivateData => kOfxActionSyncPrivateData,
            Self::BeginInstanceChanged => kOfxActionBeginInstanceChanged,
            Self::InstanceChanged => kOfxActionInstanceChanged,
            Self::EndInstanceChanged => kOfxActionEndInstanceChanged,
            Self::PurgeCaches => kOfxActionPurgeCaches,
            Self::BeginInstanceEdit => kOfxActionBeginInstanceEdit,
            Self::EndInstanceEdit => kOfxActionEndInstanceEdit,
            Self::Unknown => c"StrictHostActionThatIsInNoStandard",
            Self::GetClipPreferences => kOfxImageEffectActionGetClipPreferences,
            Self::GetRegionOfDefinition => kOfxImageEffectActionGetRegionOfDefinition,
            Self::GetRegionsOfInterest => kOfxImageEffectActionGetRegionsOfInterest,
            Self::GetTimeDomain => kOfxImageEffectActionGetTimeDomain,
            Self::GetFramesNeeded => kOfxImageEffectActionGetFramesNeeded,
            Self::IsIdentity => kOfxImageEffectActionIsIdentity,
            Self::BeginSequenceRender => kOfxImageEffectActionBeginSequenceRender,
            Self::Render => kOfxImageEffectActionRender,
            Self::EndSequenceRender => kOfxImageEffectActionEndSequenceRender,
        }
    }

    /// The name as text.
    #[must_use]
    pub fn label(self) -> &'static str {
        self.name().to_str().unwrap_or_default()
    }

    /// Whether the standard lets the plugin set parameters in it.
    #[must_use]
    pub const fn may_set_parameters(self) -> bool {
        matches!(
            self,
            Self::CreateInstance
                | Self::SyncPrivateData
                | Self::BeginInstanceChanged
                | Self::InstanceChanged
                | Self::EndInstanceChanged
        )
    }

    /// Whether it only asks, so that a plugin may not let the host wait.
    #[must_use]
    pub const fn only_asks(self) -> bool {
        matches!(
            self,
            Self::Describe
                | Self::DescribeInContext
                | Self::CreateInstance
                | Self::GetClipPreferences
                | Self::GetRegionOfDefinition
                | Self::GetRegionsOfInterest
                | Self::GetTimeDomain
                | Self::GetFramesNeeded
                | Self::IsIdentity
        )
    }

    /// Whether a plugin may start processes in it.
    #[must_use]
    pub const fn may_start_processes(self) -> bool {
        !matches!(
            self,
            Self::Enter | Self::Load | Self::Describe | Self::DescribeInContext | Self::CreateInstance
        )
    }

    /// Whether a change of a parameter in it is announced to the plugin.
    #[must_use]
    pub const fn announces_changes(self) -> bool {
        matches!(self, Self::BeginInstanceChanged | Self::InstanceChanged | Self::EndInstanceChanged)
    }
}

/// Ranges of times by clip name, first and last included.
pub type NeededFrames = Vec<(String, Vec<[f64; 2]>)>;

/// What a render works on.
#[derive(Debug)]
pub struct Target {
    /// The output image.
    pub buffer: Arc<PixelBuffer>,
    /// Its layout: the whole frame, or a tile of it.
    pub layout: Layout,
    /// Source frames that the plugin said it needs, by clip: ranges of times.
    pub needed: NeededFrames,
}

/// One running call of the plugin.
#[derive(Debug)]
pub struct Call {
    /// Counts up; names the call.
    pub serial: u64,
    /// What was called.
    pub action: Action,
    /// The effect it was called on.
    pub effect: Option<Handle>,
    /// Timeline time, in frames.
    pub time: f64,
    /// Render scale.
    pub scale: [f64; 2],
    /// What it is about: the parameter, in a change.
    pub subject: Option<CString>,
    /// Nanoseconds that plain copies of its images take, where calls are measured: of the output in a render, of every
    /// frame fetched in any other call.
    pub copy_nanos: AtomicU64,
    /// The output, in a render.
    pub target: Option<Target>,
    /// Nanoseconds that the host spent on images for it: making, checking and freeing them.
    pub fetch_nanos: AtomicU64,
    /// Source frames fetched, as clip and time.
    pub fetched: Mutex<Vec<(String, f64)>>,
}

impl Call {
    /// A call of an action on an effect.
    #[must_use]
    pub fn new(action: Action, effect: Option<Handle>, time: f64, scale: [f64; 2]) -> Self {
        static SERIAL: AtomicU64 = AtomicU64::new(1);
        Self {
            serial: SERIAL.fetch_add(1, Ordering::Relaxed),
            action,
            effect,
            time,
            scale,
            subject: None,
            copy_nanos: AtomicU64::new(0),
            target: None,
            fetch_nanos: AtomicU64::new(0),
            fetched: Mutex::new(Vec::new()),
        }
    }

    /// Notes time that the host spent on images for it.
    pub fn spend(&self, time: Duration) {
        add(&self.fetch_nanos, time);
    }

    /// Notes how long the copy of an image takes that it may take as long as.
    pub fn allow(&self, copy: Duration) {
        add(&self.copy_nanos, copy);
    }
}

fn add(nanos: &AtomicU64, time: Duration) {
    nanos.fetch_add(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX), Ordering::Relaxed);
}

thread_local! {
    static STACK: RefCell<Vec<Arc<Call>>> = const { RefCell::new(Vec::new()) };
}

/// The innermost call on this thread.
#[must_use]
pub fn on_this_thread() -> Option<Arc<Call>> {
    STACK.with_borrow(|stack| stack.last().cloned())
}

/// How many calls lie on this thread.
#[must_use]
pub fn depth() -> usize {
    STACK.with_borrow(Vec::len)
}

/// Keeps a call on this thread's stack until dropped.
#[derive(Debug)]
pub struct Entered(());

impl Entered {
    /// Puts the call on the stack.
    #[must_use]
    pub fn new(call: Arc<Call>) -> Self {
        STACK.with_borrow_mut(|stack| stack.push(call));
        Self(())
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        STACK.with_borrow_mut(Vec::pop);
    }
}
