//! Where this library's file lies, and that it stays.
#![expect(unsafe_code, reason = "asks the system's loader")]

use std::path::PathBuf;
use std::sync::OnceLock;

/// The path of the file that this code was loaded from: the plugin's library in a host.
///
/// Not the host's executable. `None` if the loader cannot tell.
#[must_use]
pub fn library_path() -> Option<PathBuf> {
    let path = system::path_of_code()?;
    // A host may have loaded the library by a relative path, or through a link to a bundle elsewhere. On Windows
    // the path is absolute already, and a canonical one would have a form that other programs do not take.
    Some(if cfg!(windows) { path } else { path.canonicalize().unwrap_or(path) })
}

/// Keeps this library in the process for good, whatever the host does with it: a thread of ours may still run when the
/// host lets the library go. False if the loader does not do that.
#[must_use]
pub fn stay_loaded() -> bool {
    static STAYS: OnceLock<bool> = OnceLock::new();
    *STAYS.get_or_init(system::stay)
}

#[cfg(unix)]
mod system {
    use std::ffi::{CStr, OsStr, c_void};
    use std::os::unix::ffi::OsStrExt;
    use std::path::PathBuf;

    pub(super) fn path_of_code() -> Option<PathBuf> {
        own_name().map(|name| PathBuf::from(OsStr::from_bytes(name.to_bytes())))
    }

    /// A handle that is never closed.
    pub(super) fn stay() -> bool {
        let Some(name) = own_name() else { return false };
        let flags = libc::RTLD_NOW | libc::RTLD_NOLOAD | libc::RTLD_NODELETE;
        // SAFETY: a C string; with NOLOAD nothing is loaded and no code of a library runs.
        let handle = unsafe { libc::dlopen(name.as_ptr(), flags) };
        !handle.is_null()
    }

    /// The name that this code was loaded by.
    fn own_name() -> Option<&'static CStr> {
        let code = path_of_code as *const c_void;
        let mut info = std::mem::MaybeUninit::<libc::Dl_info>::zeroed();
        // SAFETY: any address may be asked for; `info` outlives the call.
        let found = unsafe { libc::dladdr(code, info.as_mut_ptr()) };
        // SAFETY: all zeroes are a valid `Dl_info` (null pointers), so it holds one in any case.
        let info = unsafe { info.assume_init() };
        if found == 0 || info.dli_fname.is_null() {
            return None;
        }
        // SAFETY: not null after success, and a C string that lives as long as the library is loaded, as this code does.
        Some(unsafe { CStr::from_ptr(info.dli_fname) })
    }
}

#[cfg(windows)]
mod system {
    use std::ffi::{OsString, c_void};
    use std::os::windows::ffi::OsStringExt;
    use std::path::PathBuf;
    use windows_sys::Win32::Foundation::HMODULE;
    use windows_sys::Win32::System::LibraryLoader::{
        GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS, GET_MODULE_HANDLE_EX_FLAG_PIN,
        GET_MODULE_HANDLE_EX_FLAG_UNCHANGED_REFCOUNT, GetModuleFileNameW, GetModuleHandleExW,
    };

    /// Longest path that Windows knows, in UTF-16 units.
    const LONGEST: usize = 32_768;

    pub(super) fn path_of_code() -> Option<PathBuf> {
        let module = own_module(GET_MODULE_HANDLE_EX_FLAG_UNCHANGED_REFCOUNT)?;
        let mut name = vec![0u16; LONGEST];
        // SAFETY: the module is loaded, since this code runs; the buffer has the length that is passed.
        let len = unsafe { GetModuleFileNameW(module, name.as_mut_ptr(), LONGEST as u32) } as usize;
        (0 < len && len < LONGEST).then(|| PathBuf::from(OsString::from_wide(&name[..len])))
    }

    pub(super) fn stay() -> bool {
        own_module(GET_MODULE_HANDLE_EX_FLAG_PIN).is_some()
    }

    /// The module that this code lies in, counted as the flag says.
    fn own_module(flag: u32) -> Option<HMODULE> {
        let code = own_module as *const c_void;
        let mut module: HMODULE = std::ptr::null_mut();
        // SAFETY: with FROM_ADDRESS the second argument is an address of code, not a name; `module` outlives
        // the call.
        let found = unsafe {
            GetModuleHandleExW(GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS | flag, code.cast(), &raw mut module)
        };
        (found != 0).then_some(module)
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn in_a_test_the_code_lies_in_the_test_s_executable() {
        let path = super::library_path().unwrap();
        assert_eq!(path, std::env::current_exe().unwrap().canonicalize().unwrap());
    }
}
