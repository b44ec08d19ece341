//! The bundle's shared library and its entry points.

use std::ffi::{CStr, c_char, c_int, c_void};
use std::path::{Path, PathBuf};

use libloading::Library;
use openfx::sys::generic::core::{OfxHost, OfxPlugin, OfxPluginEntryPoint, OfxStatus, kOfxStatFailed};

use crate::HostError;
use crate::world::handles::Handle;

/// The folder of this platform in a bundle.
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
const PLATFORM: &str = "Linux-x86-64";
#[cfg(all(target_os = "linux", target_arch = "aarch64"))]
const PLATFORM: &str = "Linux-aarch64";
#[cfg(target_os = "windows")]
const PLATFORM: &str = "Win64";
#[cfg(target_os = "macos")]
const PLATFORM: &str = "MacOS";

/// The library's path in a bundle: `NAME.ofx.bundle/Contents/PLATFORM/NAME.ofx`.
///
/// # Errors
/// [`HostError::Bundle`] when the folder is not named or laid out as the standard says.
pub fn binary(bundle: &Path) -> Result<PathBuf, HostError> {
    let name =
        bundle.file_name().and_then(|name| name.to_str()).and_then(|name| name.strip_suffix(".bundle"));
    let name = name.filter(|name| name.ends_with(".ofx")).ok_or_else(|| {
        HostError::Bundle(format!("expected a folder NAME.ofx.bundle, got {}", bundle.display()))
    })?;
    let binary = bundle.join("Contents").join(PLATFORM).join(name);
    if binary.is_file() {
        return Ok(binary);
    }
    Err(HostError::Bundle(format!("there is no file {}", binary.display())))
}

/// An open library.
#[derive(Debug)]
pub struct Bundle {
    library: Library,
    count: unsafe extern "C" fn() -> c_int,
    plugin: unsafe extern "C" fn(c_int) -> *const OfxPlugin,
}

type SetHost = unsafe extern "C" fn(*const OfxHost) -> OfxStatus;

/// A plugin as its struct says.
#[derive(Clone, Debug)]
pub struct Plugin {
    /// Identifier.
    pub identifier: String,
    /// API, `OfxImageEffectPluginAPI`.
    pub api: String,
    /// Version of the API.
    pub api_version: i32,
    /// Major and minor version.
    pub version: [u32; 2],
    set_host: Option<unsafe extern "C" fn(*mut OfxHost)>,
    entry: OfxPluginEntryPoint,
}

impl Bundle {
    /// Opens the library of a bundle.
    ///
    /// # Errors
    /// [`HostError::Bundle`] when it cannot be loaded or lacks an entry point.
    pub fn open(bundle: &Path) -> Result<Self, HostError> {
        let path = binary(bundle)?;
        let told = |error: libloading::Error| HostError::Bundle(format!("{}: {error}", path.display()));
        // SAFETY: loading runs the library's initialisers; running the plugin is what a host is for.
        let library = unsafe { Library::new(&path) }.map_err(told)?;
        // SAFETY: the standard gives these two functions these types.
        let (count, plugin) = unsafe {
            (
                *library.get::<unsafe extern "C" fn() -> c_int>(b"OfxGetNumberOfPlugins").map_err(told)?,
                *library
                    .get::<unsafe extern "C" fn(c_int) -> *const OfxPlugin>(b"OfxGetPlugin")
                    .map_err(told)?,
            )
        };
        Ok(Self { library, count, plugin })
    }

    /// Calls `OfxSetHost` where the library has it.
    #[must_use]
    pub fn set_host(&self, host: &'static OfxHost) -> Option<OfxStatus> {
        // SAFETY: the standard gives this function this type; the host struct lives for ever.
        unsafe { self.library.get::<SetHost>(b"OfxSetHost").ok().map(|set| set(host)) }
    }

    /// All plugins of the library, in order; `None` for one that is null or has no texts.
    #[must_use]
    pub fn plugins(&self) -> Vec<Option<Plugin>> {
        // SAFETY: the standard's function of this type, without arguments.
        let count = unsafe { (self.count)() };
        // SAFETY: the index is below the count that the library gave.
        (0..count).map(|at| read_plugin(unsafe { (self.plugin)(at) })).collect()
    }

    /// Leaves the library loaded for ever, as threads of the plugin may still run in it.
    pub fn keep(self) {
        std::mem::forget(self.library);
    }
}

fn read_plugin(plugin: *const OfxPlugin) -> Option<Plugin> {
    // SAFETY: null, or a struct that the standard obliges the plugin to keep while it is loaded.
    let plugin = unsafe { plugin.as_ref() }?;
    Some(Plugin {
        identifier: static_text(plugin.pluginIdentifier)?,
        api: static_text(plugin.pluginApi)?,
        api_version: plugin.apiVersion,
        version: [plugin.pluginVersionMajor, plugin.pluginVersionMinor],
        set_host: plugin.setHost,
        entry: plugin.mainEntry,
    })
}

fn static_text(text: *const c_char) -> Option<String> {
    if text.is_null() {
        return None;
    }
    // SAFETY: not null, and the standard obliges the plugin to keep a C string here while it is loaded.
    Some(unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned())
}

impl Plugin {
    /// Whether the struct has both of its functions.
    #[must_use]
    pub const fn is_complete(&self) -> bool {
        self.set_host.is_some() && self.entry.is_some()
    }

    /// Calls the plugin's `setHost`.
    pub fn set_host(&self, host: &'static mut OfxHost) {
        if let Some(set_host) = self.set_host {
            // SAFETY: the library is loaded while a `Plugin` is used; the host struct lives for ever.
            unsafe { set_host(host) };
        }
    }

    /// Calls the plugin's main entry. Missing handles go as null.
    #[must_use]
    pub fn call(
        &self,
        action: &CStr,
        effect: Option<Handle>,
        in_args: Option<Handle>,
        out_args: Option<Handle>,
    ) -> OfxStatus {
        let Some(entry) = self.entry else { return kOfxStatFailed };
        let pointer = |handle: Option<Handle>| handle.map_or(std::ptr::null_mut::<c_void>(), Handle::as_ptr);
        // SAFETY: the library is loaded while a `Plugin` is used; handles are numbers that only this
        // host's suites understand; the action is a C string.
        unsafe { entry(action.as_ptr(), pointer(effect), pointer(in_args).cast(), pointer(out_args).cast()) }
    }
}
