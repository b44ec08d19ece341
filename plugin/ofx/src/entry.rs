//! The C entry points: from a host's call to a plugin's method and back, with no panic getting out.
#![expect(unsafe_code, reason = "is called by the host through C")]

use crate::action::{Action, Reason, Reply};
use crate::effect::{Descriptor, Effect};
use crate::format::Context;
use crate::host;
use crate::instance;
use crate::param::is_setting;
use crate::property::PropertySet;
use crate::status::{Error, Result, Status};
use crate::sys::core::{OfxHost, OfxPlugin, OfxPropertySetHandle, OfxStatus};
use crate::sys::image_effect::{OfxImageEffectHandle, kOfxImageEffectPluginApi};
use std::ffi::{CStr, c_char, c_int, c_uint, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

/// An OpenFX image effect plugin.
///
/// The life of a plugin: `load`; `describe`; `describe_in_context` for each context; then any number of
/// instances, each with `create`, `act`, and the drop of its data. `unload` is last, and not every host gets there.
/// Any of these may be called from any thread, and `act` from several at once.
pub trait Plugin: 'static {
    /// The stable id, as `studio.pickup.fill`.
    const IDENTIFIER: &'static CStr;
    /// Major and minor version. Projects find a plugin by its id and major version.
    const VERSION: (u32, u32);
    /// What is kept for each instance.
    type Instance: Send + Sync + 'static;

    /// The library was loaded. Must be quick.
    ///
    /// # Errors
    /// The host then does not use the plugin.
    fn load() -> Result<()> {
        Ok(())
    }

    /// The library is about to go: everything that runs must end here.
    fn unload() {}

    /// Says what the plugin is. Must be quick.
    ///
    /// # Errors
    /// The host then does not use the plugin.
    fn describe(effect: Descriptor<'_>) -> Result<()>;

    /// Defines clips and parameters of a context. Must be quick.
    ///
    /// # Errors
    /// The host then does not use the plugin in this context.
    fn describe_in_context(effect: Descriptor<'_>, context: Context) -> Result<()>;

    /// Makes the data of a new instance.
    ///
    /// # Errors
    /// The host then makes no instance. Some go on to render it anyway, and get an error.
    fn create(effect: Effect<'_>) -> Result<Self::Instance>;

    /// Every other action on an instance. InstanceChanged comes only for what the user or the time changed.
    ///
    /// # Errors
    /// The error's status is the host's answer.
    fn act(instance: &Arc<Self::Instance>, effect: Effect<'_>, action: Action<'_>) -> Result<Reply>;
}

/// The C structure that describes a plugin to the host.
#[must_use]
pub const fn plugin_record<P: Plugin>() -> OfxPlugin {
    OfxPlugin {
        pluginApi: kOfxImageEffectPluginApi.as_ptr(),
        apiVersion: 1,
        pluginIdentifier: P::IDENTIFIER.as_ptr(),
        pluginVersionMajor: P::VERSION.0 as c_uint,
        pluginVersionMinor: P::VERSION.1 as c_uint,
        setHost: Some(set_host),
        mainEntry: Some(main_entry::<P>),
    }
}

/// Keeps the host's structure. Nothing is asked of the host yet.
///
/// # Safety
/// `host` must be null or the host's structure, valid as OpenFX demands (until the library is unloaded).
pub unsafe extern "C" fn set_host(host: *mut OfxHost) {
    // SAFETY: by this function's contract.
    guard(|| unsafe { host::set_host(host) }, |()| Status::Ok.code());
}

/// `OfxSetHost` of OpenFX 1.5: as [`set_host`], for the whole library.
///
/// # Safety
/// As for [`set_host`].
pub unsafe fn set_library_host(host: *const OfxHost) -> OfxStatus {
    // SAFETY: by this function's contract.
    guard(|| unsafe { host::set_host(host) }, |()| Status::Ok.code())
}

/// The entry point of plugin `P`.
unsafe extern "C" fn main_entry<P: Plugin>(
    action: *const c_char,
    handle: *const c_void,
    arguments: OfxPropertySetHandle,
    answers: OfxPropertySetHandle,
) -> OfxStatus {
    // SAFETY: OpenFX makes a host pass a C string, and for each action the handles that belong to it, all valid
    // through the call.
    guard(|| unsafe { dispatch::<P>(action, handle, arguments, answers) }, answer)
}

fn answer(result: Result<Reply>) -> OfxStatus {
    match result {
        Ok(reply) => reply.status().code(),
        Err(error) => {
            tracing::warn!(%error, "an action failed");
            error.status().code()
        }
    }
}

/// Runs `work`; a panic becomes a failure, because one that left an `extern "C"` function would abort the host.
fn guard<T>(work: impl FnOnce() -> T, code: impl FnOnce(T) -> OfxStatus) -> OfxStatus {
    match catch_unwind(AssertUnwindSafe(|| code(work()))) {
        Ok(code) => code,
        Err(payload) => {
            // Dropping what was thrown could panic once more.
            std::mem::forget(payload);
            Status::Failed.code()
        }
    }
}

/// # Safety
/// As OpenFX demands of the host's call to `mainEntry`.
unsafe fn dispatch<P: Plugin>(
    action: *const c_char,
    handle: *const c_void,
    arguments: OfxPropertySetHandle,
    answers: OfxPropertySetHandle,
) -> Result<Reply> {
    if action.is_null() {
        return Err(Error::Missing("the name of an action"));
    }
    // SAFETY: not null, hence a C string by this function's contract.
    let name = unsafe { CStr::from_ptr(action) };
    // SAFETY: null, or valid through the call by this function's contract; neither leaves `perform`.
    let (arguments, answers) = unsafe { (PropertySet::from_raw(arguments), PropertySet::from_raw(answers)) };
    if name == crate::sys::core::kOfxActionLoad {
        host::load_suites()?;
    }
    let action = Action::read(name, arguments, answers)?;
    let raw: OfxImageEffectHandle = handle.cast_mut().cast();
    // SAFETY: null, or the effect of this action, valid through the call; neither leaves `perform`.
    let (descriptor, effect) = unsafe { (Descriptor::from_raw(raw), Effect::from_raw(raw)) };
    perform::<P>(action, descriptor, effect)
}

fn perform<P: Plugin>(
    action: Action<'_>,
    descriptor: Option<Descriptor<'_>>,
    effect: Option<Effect<'_>>,
) -> Result<Reply> {
    let plugin = P::IDENTIFIER.to_str().unwrap_or_default();
    let effect = effect.ok_or(Error::Missing("the effect of an action"));
    let descriptor = descriptor.ok_or(Error::Missing("the effect of an action"));
    match action {
        Action::Load => P::load()?,
        Action::Unload => {
            drop(instance::remove_all(plugin));
            P::unload();
        }
        Action::Describe => P::describe(descriptor?)?,
        Action::DescribeInContext(context) => P::describe_in_context(descriptor?, context)?,
        Action::CreateInstance => {
            let effect = effect?;
            instance::keep(plugin, effect, Arc::new(P::create(effect)?));
        }
        Action::DestroyInstance => drop(instance::remove(plugin, effect?)),
        // What we set ourselves is no news, whatever reason the host gives for it.
        Action::InstanceChanged(changed) if changed.reason == Reason::Plugin || is_setting() => {
            return Ok(Reply::Default);
        }
        Action::Other(_) => return Ok(Reply::Default),
        action => return act::<P>(plugin, effect?, action),
    }
    Ok(Reply::Done)
}

fn act<P: Plugin>(plugin: &str, effect: Effect<'_>, action: Action<'_>) -> Result<Reply> {
    let found: Option<Arc<P::Instance>> = instance::find(plugin, effect);
    let instance = found.ok_or_else(|| Error::Plugin {
        status: Status::BadHandle,
        message: "the host uses an instance that was never made, or is gone".into(),
    })?;
    P::act(&instance, effect, action)
}

/// The plugin at an index; null for any other index.
#[must_use]
pub fn plugin_at(plugins: &'static [OfxPlugin], index: c_int) -> *const OfxPlugin {
    let plugin = usize::try_from(index).ok().and_then(|index| plugins.get(index));
    plugin.map_or(std::ptr::null(), std::ptr::from_ref)
}

/// Exports the three functions that a host looks for in a library: `OfxGetNumberOfPlugins`, `OfxGetPlugin` and
/// `OfxSetHost`, for the given types, each a [`Plugin`].
#[macro_export]
macro_rules! export_plugins {
    ($($plugin:ty),+ $(,)?) => {
        static OFX_PLUGINS: &[$crate::OfxPlugin] = &[$($crate::plugin_record::<$plugin>()),+];

        /// How many plugins are in this library.
        #[expect(unsafe_code, reason = "the host finds this function by its name")]
        #[unsafe(no_mangle)]
        pub extern "C" fn OfxGetNumberOfPlugins() -> std::ffi::c_int {
            OFX_PLUGINS.len() as std::ffi::c_int
        }

        /// The plugin at an index; null for any other index.
        #[expect(unsafe_code, reason = "the host finds this function by its name")]
        #[unsafe(no_mangle)]
        pub extern "C" fn OfxGetPlugin(index: std::ffi::c_int) -> *const $crate::OfxPlugin {
            $crate::plugin_at(OFX_PLUGINS, index)
        }

        /// Takes the host's structure (OpenFX 1.5).
        ///
        /// # Safety
        /// `host` must be null or the host's structure, valid until the library is unloaded.
        #[expect(unsafe_code, reason = "the host finds this function by its name")]
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn OfxSetHost(host: *const $crate::OfxHost) -> std::ffi::c_int {
            // SAFETY: by this function's contract.
            unsafe { $crate::set_library_host(host) }
        }
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_answered_with_failed() {
        let code = guard(|| panic!("on purpose"), |(): ()| 0);
        assert_eq!(Status::from_code(code), Status::Failed);
    }

    #[test]
    fn a_payload_that_panics_when_dropped_stays_inside_too() {
        struct Bomb;
        impl Drop for Bomb {
            fn drop(&mut self) {
                panic!("on purpose, once more");
            }
        }
        let code = guard(|| std::panic::panic_any(Bomb), |(): ()| 0);
        assert_eq!(Status::from_code(code), Status::Failed);
    }
}
