//! The effect: its description, and an instance of it.
#![expect(unsafe_code, reason = "calls the host's image effect suite")]

use crate::clip::Clip;
use crate::format::{Components, Context, Depth, ThreadSafety};
use crate::geometry::RectD;
use crate::host::suites;
use crate::keys;
use crate::param::Params;
use crate::property::{PropertySet, c_string};
use crate::status::{Error, Result, check};
use crate::sys::image_effect::OfxImageEffectHandle;
use std::ffi::c_void;
use std::marker::PhantomData;
use std::ptr;

/// An image effect of the host (a description or an instance), alive for `'h`.
#[derive(Clone, Copy, Debug)]
struct Handle<'h> {
    raw: OfxImageEffectHandle,
    life: PhantomData<&'h ()>,
}

impl<'h> Handle<'h> {
    fn properties(&self) -> Result<PropertySet<'h>> {
        let call = suites()?.effect.getPropertySet.ok_or(Error::Missing("getPropertySet"))?;
        let mut set = ptr::null_mut();
        // SAFETY: a `Handle` is valid for its lifetime; `set` outlives the call.
        let code = unsafe { call(self.raw, &raw mut set) };
        check(code, "getPropertySet", String::new)?;
        // SAFETY: an effect's property set lives as long as the effect.
        unsafe { PropertySet::from_raw(set) }.ok_or(Error::Missing("the effect's properties"))
    }

    fn params(&self) -> Result<Params<'h>> {
        let call = suites()?.effect.getParamSet.ok_or(Error::Missing("getParamSet"))?;
        let mut set = ptr::null_mut();
        // SAFETY: a `Handle` is valid for its lifetime; `set` outlives the call.
        let code = unsafe { call(self.raw, &raw mut set) };
        check(code, "getParamSet", String::new)?;
        // SAFETY: an effect's parameter set lives as long as the effect.
        unsafe { Params::from_raw(set) }
    }
}

/// A clip as data: what a host is told while describing.
#[derive(Clone, Copy, Debug)]
pub struct ClipDefinition {
    /// Its name: `Source`, `Output` and the like have meaning by context.
    pub name: &'static str,
    /// The components it takes or gives.
    pub components: &'static [Components],
    /// Whether it need not be connected.
    pub optional: bool,
    /// Whether frames of other times are asked for.
    pub temporal_access: bool,
    /// Whether parts of a frame are enough.
    pub tiles: bool,
}

/// What a plugin says about itself, for all contexts.
#[derive(Clone, Copy, Debug)]
pub struct PluginDescription {
    /// The name shown. Cannot change later in some hosts.
    pub label: &'static str,
    /// The menu.
    pub grouping: &'static str,
    /// A few sentences.
    pub description: &'static str,
    /// Contexts, the preferred one first.
    pub contexts: &'static [Context],
    /// Depths, the preferred one first.
    pub depths: &'static [Depth],
    /// Which renders may run at the same time.
    pub thread_safety: ThreadSafety,
    /// Whether frames of other times are asked for.
    pub temporal_access: bool,
    /// Whether parts of a frame can be rendered.
    pub tiles: bool,
    /// Whether images of different sizes are handled.
    pub multi_resolution: bool,
}

/// A plugin or context while it is described.
#[derive(Clone, Copy, Debug)]
pub struct Descriptor<'h>(Handle<'h>);

impl<'h> Descriptor<'h> {
    /// # Safety
    /// `raw` must be the effect that the host passed to a describing action, used only during that action.
    pub(crate) unsafe fn from_raw(raw: OfxImageEffectHandle) -> Option<Self> {
        (!raw.is_null()).then_some(Self(Handle { raw, life: PhantomData }))
    }

    /// The effect's properties.
    ///
    /// # Errors
    /// The host's answer.
    pub fn properties(&self) -> Result<PropertySet<'h>> {
        self.0.properties()
    }

    /// Describes the plugin. Label, contexts and depths must be taken by the host; the rest may be unknown to it.
    ///
    /// # Errors
    /// The host's answer.
    pub fn describe(&self, description: &PluginDescription) -> Result<()> {
        let set = self.properties()?;
        set.set(&keys::LABEL, description.label)?;
        set.set_all(&keys::SUPPORTED_CONTEXTS, description.contexts.iter().map(|context| context.name()))?;
        set.set_all(&keys::SUPPORTED_DEPTHS, description.depths.iter().map(|depth| depth.name()))?;
        let _ = set.set(&keys::GROUPING, description.grouping);
        let _ = set.set(&keys::DESCRIPTION, description.description);
        let _ = set.set(&keys::THREAD_SAFETY, description.thread_safety.name());
        let _ = set.set(&keys::HOST_FRAME_THREADING, false);
        let _ = set.set(&keys::SINGLE_INSTANCE, false);
        let _ = set.set(&keys::SUPPORTS_TILES, description.tiles);
        let _ = set.set(&keys::SUPPORTS_MULTI_RESOLUTION, description.multi_resolution);
        let _ = set.set(&keys::SUPPORTS_MULTIPLE_DEPTHS, false);
        let _ = set.set(&keys::SUPPORTS_MULTIPLE_PARS, false);
        let _ = set.set(&keys::TEMPORAL_ACCESS, description.temporal_access);
        Ok(())
    }

    /// Defines a clip of a context.
    ///
    /// # Errors
    /// The host's answer.
    pub fn define_clip(&self, definition: &ClipDefinition) -> Result<()> {
        let call = suites()?.effect.clipDefine.ok_or(Error::Missing("clipDefine"))?;
        let name = c_string(definition.name);
        let mut set = ptr::null_mut();
        // SAFETY: a `Handle` is valid for its lifetime; name and `set` outlive the call.
        let code = unsafe { call(self.0.raw, name.as_ptr(), &raw mut set) };
        check(code, "clipDefine", || definition.name.into())?;
        // SAFETY: the new clip's properties live as long as the description.
        let set = unsafe { PropertySet::from_raw(set) }.ok_or(Error::Missing("the new clip's properties"))?;
        set.set_all(&keys::SUPPORTED_COMPONENTS, definition.components.iter().map(|kind| kind.name()))?;
        let _ = set.set(&keys::CLIP_OPTIONAL, definition.optional);
        let _ = set.set(&keys::TEMPORAL_ACCESS, definition.temporal_access);
        let _ = set.set(&keys::SUPPORTS_TILES, definition.tiles);
        Ok(())
    }

    /// The parameters of a context, to define them.
    ///
    /// # Errors
    /// The host's answer.
    pub fn params(&self) -> Result<Params<'h>> {
        self.0.params()
    }
}

/// An instance, during one action on it.
#[derive(Clone, Copy, Debug)]
pub struct Effect<'h>(Handle<'h>);

impl<'h> Effect<'h> {
    /// # Safety
    /// `raw` must be the instance that the host passed to an action, used only during that action.
    pub(crate) unsafe fn from_raw(raw: OfxImageEffectHandle) -> Option<Self> {
        (!raw.is_null()).then_some(Self(Handle { raw, life: PhantomData }))
    }

    pub(crate) fn raw(&self) -> *mut c_void {
        self.0.raw.cast()
    }

    /// The instance's properties.
    ///
    /// # Errors
    /// The host's answer.
    pub fn properties(&self) -> Result<PropertySet<'h>> {
        self.0.properties()
    }

    /// The instance's parameters.
    ///
    /// # Errors
    /// The host's answer.
    pub fn params(&self) -> Result<Params<'h>> {
        self.0.params()
    }

    /// What the instance is used as.
    #[must_use]
    pub fn context(&self) -> Option<Context> {
        Context::from_name(&self.properties().ok()?.get(&keys::CONTEXT).ok()?)
    }

    /// The clip of a name.
    ///
    /// # Errors
    /// The host's answer, if there is no such clip.
    pub fn clip(&self, name: &str) -> Result<Clip<'h>> {
        let call = suites()?.effect.clipGetHandle.ok_or(Error::Missing("clipGetHandle"))?;
        let text = c_string(name);
        let mut clip = ptr::null_mut();
        // SAFETY: a `Handle` is valid for its lifetime; name and `clip` outlive the call; the property set, which
        // is not asked for here, may be null.
        let code = unsafe { call(self.0.raw, text.as_ptr(), &raw mut clip, ptr::null_mut()) };
        check(code, "clipGetHandle", || name.into())?;
        // SAFETY: a clip lives as long as its instance.
        unsafe { Clip::from_raw(clip) }
    }

    /// Whether the host wants the running action to end soon.
    #[must_use]
    pub fn is_aborted(&self) -> bool {
        let Some(call) = suites().ok().and_then(|suites| suites.effect.abort) else { return false };
        // SAFETY: a `Handle` is valid for its lifetime.
        unsafe { call(self.0.raw) != 0 }
    }

    /// The project's area in canonical coordinates; `None` where the host does not say.
    #[must_use]
    pub fn project(&self) -> Option<RectD> {
        let set = self.properties().ok()?;
        let [width, height] = set.get_all(&keys::PROJECT_SIZE).ok()?;
        let [x, y] = set.get_all(&keys::PROJECT_OFFSET).unwrap_or_default();
        (width >= 1.0 && height >= 1.0).then_some(RectD { x1: x, y1: y, x2: x + width, y2: y + height })
    }

    /// The project's frames per second; `None` where the host does not say.
    #[must_use]
    pub fn frame_rate(&self) -> Option<f64> {
        let rate = self.properties().ok()?.get(&keys::FRAME_RATE).ok()?;
        (rate.is_finite() && rate > 0.0).then_some(rate)
    }

    /// How many frames the instance lasts; `None` where the host does not say.
    #[must_use]
    pub fn duration(&self) -> Option<f64> {
        let frames = self.properties().ok()?.get(&keys::EFFECT_DURATION).ok()?;
        (frames.is_finite() && frames >= 1.0).then_some(frames)
    }
}
