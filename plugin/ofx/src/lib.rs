//! A safe, thin layer over the OpenFX C interface: suites, properties, images, parameters.
//!
//! A plugin implements [`Plugin`] and names its types in [`export_plugins!`]; everything it meets from there is
//! typed and cannot break memory. All of the plugin's `unsafe` lives in this crate.
//!
//! ```text
//! host ─ mainEntry ─▶ entry ─ Action (typed arguments) ─▶ Plugin::act(instance, Effect, Action)
//!                                                          Effect ─▶ Clip ─▶ Image (released on drop)
//!                                                                 └▶ Params, Progress, messages, timeline
//! ```
//!
//! Handles carry the lifetime of the action that they came with, so none can be kept beyond it. Host and
//! function tables are kept once for the process; data of instances is found by a number that the host keeps.
//! Every entry catches panics. A parameter that the plugin itself sets never comes back as a change.

mod action;
mod clip;
mod effect;
mod entry;
mod format;
mod geometry;
mod host;
mod image;
mod instance;
pub mod keys;
mod layout;
mod location;
mod memory;
mod message;
mod param;
pub mod pixels;
mod progress;
mod property;
mod status;
pub mod threads;
mod timeline;

/// The raw bindings: crate `openfx`'s `sys` module and nothing else of that crate.
mod sys {
    pub(crate) use openfx::sys::generic::{core, property};
    pub(crate) use openfx::sys::image_effect_v1::{
        image_effect, memory, message, multi_thread, param, progress, time_line,
    };
}

pub use action::{
    Action, Changed, FramesAnswer, IdentityAnswer, InterestAnswer, PreferencesAnswer, Reason, RegionAnswer,
    Render, Reply, Sequence, TimeDomainAnswer,
};
pub use clip::Clip;
pub use effect::{ClipDefinition, Descriptor, Effect, PluginDescription};
pub use entry::{Plugin, plugin_at, plugin_record, set_host, set_library_host};
pub use format::{Components, Context, Depth, Premultiplication, ThreadSafety};
pub use geometry::{RectD, RectI};
pub use host::HostInfo;
pub use image::{Band, Image, OutputImage, Source};
pub use layout::{Layout, Span};
pub use location::{library_path, stay_loaded};
pub use memory::Block;
pub use message::Gravity;
pub use openfx::sys::generic::core::{OfxHost, OfxPlugin};
pub use param::{ParamDefinition, ParamKind, Params, Range, TextMode};
pub use progress::{Flow, Progress};
pub use property::{Address, Double, Flag, Int, Key, Kind, Pointer, PropertySet, Text};
pub use status::{Error, Result, Status};

/// The parameter that a host moves from 0 to 1 over a transition.
pub const TRANSITION_PARAM: &str = "Transition";

/// The names that OpenFX gives to clips.
pub mod clip_names {
    /// The clip that an effect writes.
    pub const OUTPUT: &str = "Output";
    /// The one clip that a filter reads.
    pub const SOURCE: &str = "Source";
    /// The clip that a transition comes from.
    pub const SOURCE_FROM: &str = "SourceFrom";
    /// The clip that a transition goes to.
    pub const SOURCE_TO: &str = "SourceTo";
}
