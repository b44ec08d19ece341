//! All objects that a plugin can hold handles of, and what it did with them.
//!
//! Nothing here calls the plugin, so the one lock around a [`World`] is never held while it runs.

pub mod calls;
pub mod handles;
pub mod image;
pub mod journal;
pub mod parameter;
pub mod property_set;
pub mod property_table;

use std::collections::BTreeMap;
use std::ffi::{CStr, CString};
use std::sync::Arc;

use openfx::sys::generic::core::{OfxStatus, kOfxStatErrBadHandle};

use crate::ffi::mutex::HostMutex;
use crate::media::source::ClipSource;
use crate::violation::{ViolationKind, ViolationLog};
use calls::Call;
use handles::{Handle, Handles, Sort};
use image::{Layout, PixelBuffer};
use journal::Journal;
use parameter::{Parameter, ParameterSet};
use property_set::{Fault, PropertySet};

/// What a suite function answers.
pub type Answer<T = ()> = Result<T, Fault>;

/// An effect descriptor or instance.
#[derive(Debug)]
pub struct Effect {
    /// Its property set.
    pub props: Handle,
    /// Its parameter set.
    pub params: Handle,
    /// Its clips, in the order of their definition.
    pub clips: Vec<Handle>,
    /// Whether it lives on the timeline.
    pub instance: bool,
    /// Whether progress is being shown.
    pub progress: bool,
}

/// A clip of an effect.
#[derive(Debug)]
pub struct Clip {
    /// Its name.
    pub name: String,
    /// Its property set.
    pub props: Handle,
    /// The effect it belongs to.
    pub effect: Handle,
    /// Its frames; none for the output and for descriptors.
    pub source: Option<Arc<ClipSource>>,
}

/// An image that the plugin holds.
#[derive(Debug)]
pub struct Image {
    /// Clip and time, in words.
    pub what: String,
    /// Its memory.
    pub buffer: Arc<PixelBuffer>,
    /// Its layout.
    pub layout: Layout,
    /// The call in which it was fetched.
    pub call: Arc<Call>,
    /// The source's hash when given out; none for the output.
    pub hash: Option<blake3::Hash>,
}

/// A block of image memory.
#[derive(Debug)]
pub struct ImageMemory {
    /// The bytes.
    pub buffer: PixelBuffer,
    /// How often it is locked.
    pub locks: usize,
}

/// Everything alive in a run.
#[derive(Debug, Default)]
pub struct World {
    /// Handles.
    pub handles: Handles,
    /// The host's own properties.
    pub host_props: Option<Handle>,
    /// Property sets.
    pub props: BTreeMap<Handle, PropertySet>,
    /// Effects.
    pub effects: BTreeMap<Handle, Effect>,
    /// Parameter sets.
    pub param_sets: BTreeMap<Handle, ParameterSet>,
    /// Parameters.
    pub params: BTreeMap<Handle, Parameter>,
    /// Clips.
    pub clips: BTreeMap<Handle, Clip>,
    /// Images, under the handle of their property set.
    pub images: BTreeMap<Handle, Image>,
    /// Mutexes.
    pub mutexes: BTreeMap<Handle, Arc<HostMutex>>,
    /// Image memory.
    pub image_memory: BTreeMap<Handle, ImageMemory>,
    /// Memory of the memory suite, by address.
    pub blocks: BTreeMap<usize, PixelBuffer>,
    /// Addresses of the memory suite that were given back.
    pub freed: BTreeMap<usize, usize>,
    /// Dead objects whose texts and pixels the plugin may still look at.
    attic: Attic,
    /// Running calls, innermost last.
    pub live: Vec<Arc<Call>>,
    /// Progress, messages and edits of the current step.
    pub journal: Journal,
    /// Suites asked for.
    pub suites: BTreeMap<String, bool>,
    /// Broken rules.
    pub log: ViolationLog,
}

#[derive(Debug, Default)]
struct Attic {
    props: Vec<PropertySet>,
    params: Vec<Parameter>,
    images: Vec<Image>,
}

impl World {
    /// The call that the current thread works for: its own, or the last one begun anywhere.
    #[must_use]
    pub fn current_call(&self) -> Option<Arc<Call>> {
        calls::on_this_thread().or_else(|| self.live.last().cloned())
    }

    /// Notes a broken rule.
    pub fn report(&mut self, kind: ViolationKind, call: &str, detail: impl Into<String>) {
        let action = self.current_call().map(|running| running.action.label());
        self.log.add(kind, action, call, detail.into());
    }

    /// Adds a property set.
    pub fn add_props(&mut self, set: PropertySet) -> Handle {
        let handle = self.handles.give(Sort::PropertySet);
        self.props.insert(handle, set);
        handle
    }

    /// Takes a property set away at once; for arguments of actions.
    pub fn drop_props(&mut self, handle: Handle) -> Option<PropertySet> {
        self.handles.retire(handle);
        self.props.remove(&handle)
    }

    /// Takes a property set away, keeping its texts alive.
    pub fn retire_props(&mut self, handle: Handle) {
        if let Some(set) = self.drop_props(handle) {
            self.attic.props.push(set);
        }
    }

    /// Adds an effect with its property set and an empty parameter set.
    pub fn add_effect(&mut self, props: PropertySet, params: PropertySet, instance: bool) -> Handle {
        let effect = self.handles.give(Sort::Effect);
        let props = self.add_props(props);
        let param_props = self.add_props(params);
        let params = self.handles.give(Sort::ParameterSet);
        let set = ParameterSet { props: param_props, effect, parameters: Vec::new(), edits: 0 };
        self.param_sets.insert(params, set);
        self.effects.insert(effect, Effect { props, params, clips: Vec::new(), instance, progress: false });
        effect
    }

    /// Adds a parameter to an effect's set.
    pub fn add_parameter(&mut self, set: Handle, parameter: Parameter) -> Handle {
        let handle = self.handles.give(Sort::Parameter);
        self.params.insert(handle, parameter);
        if let Some(set) = self.param_sets.get_mut(&set) {
            set.parameters.push(handle);
        }
        handle
    }

    /// Adds a clip to its effect.
    pub fn add_clip(&mut self, clip: Clip) -> Handle {
        let handle = self.handles.give(Sort::Clip);
        if let Some(effect) = self.effects.get_mut(&clip.effect) {
            effect.clips.push(handle);
        }
        self.clips.insert(handle, clip);
        handle
    }

    /// Takes an effect and all that belongs to it away.
    pub fn remove_effect(&mut self, handle: Handle) {
        let Some(effect) = self.effects.remove(&handle) else { return };
        self.handles.retire(handle);
        self.retire_props(effect.props);
        for clip in effect.clips {
            self.handles.retire(clip);
            if let Some(clip) = self.clips.remove(&clip) {
                self.retire_props(clip.props);
            }
        }
        self.handles.retire(effect.params);
        if let Some(set) = self.param_sets.remove(&effect.params) {
            self.retire_props(set.props);
            set.parameters.into_iter().for_each(|parameter| self.remove_parameter(parameter));
        }
    }

    fn remove_parameter(&mut self, handle: Handle) {
        self.handles.retire(handle);
        if let Some(parameter) = self.params.remove(&handle) {
            self.retire_props(parameter.props);
            self.attic.params.push(parameter);
        }
    }

    /// Takes an image away; its memory stays if the plugin did not give it back itself.
    pub fn remove_image(&mut self, handle: Handle, given_back: bool) -> Option<Arc<PixelBuffer>> {
        self.props.remove(&handle);
        self.handles.retire(handle);
        let image = self.images.remove(&handle)?;
        let buffer = Arc::clone(&image.buffer);
        if !given_back {
            self.attic.images.push(image);
        }
        Some(buffer)
    }

    /// A parameter of an effect by its name.
    #[must_use]
    pub fn parameter_named(&self, effect: Handle, name: &CStr) -> Option<Handle> {
        let set = self.param_sets.get(&self.effects.get(&effect)?.params)?;
        set.parameters.iter().copied().find(|p| self.params.get(p).is_some_and(|p| p.name.as_c_str() == name))
    }

    /// A clip of an effect by its name.
    #[must_use]
    pub fn clip_named(&self, effect: Handle, name: &str) -> Option<Handle> {
        let clips = &self.effects.get(&effect)?.clips;
        clips.iter().copied().find(|clip| self.clips.get(clip).is_some_and(|clip| clip.name == name))
    }

    /// The property set of an effect, for reading.
    #[must_use]
    pub fn effect_props(&self, effect: Handle) -> Option<&PropertySet> {
        self.props.get(&self.effects.get(&effect)?.props)
    }

    /// The fault of a handle that is not a live one of the sort wanted.
    #[must_use]
    pub fn bad_handle(&self, handle: Handle, wanted: &str) -> Fault {
        let got = self.handles.describe(handle);
        fault(
            ViolationKind::BadHandle,
            kOfxStatErrBadHandle,
            format!("expected a live {wanted} handle, got {got}"),
        )
    }

    /// A property set by its handle.
    ///
    /// # Errors
    /// A bad handle.
    pub fn props_mut(&mut self, handle: Handle) -> Answer<&mut PropertySet> {
        let bad = self.bad_handle(handle, "property set");
        self.props.get_mut(&handle).ok_or(bad)
    }

    /// An effect by its handle.
    ///
    /// # Errors
    /// A bad handle.
    pub fn effect(&self, handle: Handle) -> Answer<&Effect> {
        self.effects.get(&handle).ok_or_else(|| self.bad_handle(handle, "effect"))
    }

    /// A clip by its handle.
    ///
    /// # Errors
    /// A bad handle.
    pub fn clip(&self, handle: Handle) -> Answer<&Clip> {
        self.clips.get(&handle).ok_or_else(|| self.bad_handle(handle, "clip"))
    }

    /// A parameter by its handle.
    ///
    /// # Errors
    /// A bad handle.
    pub fn param(&self, handle: Handle) -> Answer<&Parameter> {
        self.params.get(&handle).ok_or_else(|| self.bad_handle(handle, "parameter"))
    }

    /// A parameter set by its handle.
    ///
    /// # Errors
    /// A bad handle.
    pub fn param_set(&mut self, handle: Handle) -> Answer<&mut ParameterSet> {
        let bad = self.bad_handle(handle, "parameter set");
        self.param_sets.get_mut(&handle).ok_or(bad)
    }
}

/// A refusal that is also a violation.
#[must_use]
pub fn fault(kind: ViolationKind, status: OfxStatus, detail: impl Into<String>) -> Fault {
    Fault { kind: Some(kind), status, detail: detail.into() }
}

/// A refusal that is no violation.
#[must_use]
pub const fn refuse(status: OfxStatus) -> Fault {
    Fault { kind: None, status, detail: String::new() }
}

/// A text for C; without its zero bytes, should it have any.
#[must_use]
pub fn c_text(text: &str) -> CString {
    CString::new(text.replace('\0', "")).unwrap_or_default()
}
