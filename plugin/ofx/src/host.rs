//! The host: who it is, and the function tables (suites) it offers.
//!
//! The host hands its own structure to `setHost` before anything else; suites are fetched in the load action,
//! not earlier. Property, image effect and parameter suites must be there and whole. Every other suite is
//! optional, and one with a missing function counts as absent.
#![expect(unsafe_code, reason = "reads the host's structure and its function tables")]

use crate::property::PropertySet;
use crate::status::{Error, Result};
use crate::sys::{core, image_effect, memory, message, multi_thread, param, progress, property, time_line};
use crate::{keys, sys};
use parking_lot::RwLock;
use std::ffi::{CStr, c_int, c_void};
use std::sync::OnceLock;

/// The host's structure, copied when it was set.
#[derive(Clone, Copy)]
struct Host(core::OfxHost);

// SAFETY: the structure is an address and a function pointer, never written after it was copied; OpenFX allows
// a host's property set and `fetchSuite` to be used from any thread the host calls the plugin on.
unsafe impl Send for Host {}
// SAFETY: as above: nothing in it changes.
unsafe impl Sync for Host {}

static HOST: RwLock<Option<Host>> = RwLock::new(None);
static SUITES: OnceLock<Suites> = OnceLock::new();

/// The host's function tables. They live as long as the host's process.
pub(crate) struct Suites {
    pub(crate) property: &'static property::OfxPropertySuiteV1,
    pub(crate) effect: &'static image_effect::OfxImageEffectSuiteV1,
    pub(crate) param: &'static param::OfxParameterSuiteV1,
    pub(crate) progress_v2: Option<&'static progress::OfxProgressSuiteV2>,
    pub(crate) progress_v1: Option<&'static progress::OfxProgressSuiteV1>,
    pub(crate) message_v2: Option<&'static message::OfxMessageSuiteV2>,
    pub(crate) message_v1: Option<&'static message::OfxMessageSuiteV1>,
    pub(crate) timeline: Option<&'static time_line::OfxTimeLineSuiteV1>,
    pub(crate) threads: Option<&'static multi_thread::OfxMultiThreadSuiteV1>,
    pub(crate) memory: Option<&'static memory::OfxMemorySuiteV1>,
}

/// Keeps a copy of the host's structure; null is ignored.
///
/// # Safety
/// `host` must be null or point to a host structure that is valid through the call, whose property set and
/// function stay valid until the process ends or another host is set.
pub(crate) unsafe fn set_host(host: *const core::OfxHost) {
    // SAFETY: null or valid by this function's contract.
    if let Some(host) = unsafe { host.as_ref() } {
        *HOST.write() = Some(Host(*host));
    }
}

/// The suites, once the load action has run.
pub(crate) fn suites() -> Result<&'static Suites> {
    SUITES.get().ok_or(Error::Missing("suites before the load action"))
}

/// Fetches the suites, the first time it is called.
pub(crate) fn load_suites() -> Result<&'static Suites> {
    if let Some(suites) = SUITES.get() {
        return Ok(suites);
    }
    let host = (*HOST.read()).ok_or(Error::Missing("a host structure before the load action"))?;
    let fetched = Suites::fetch(&host)?;
    Ok(SUITES.get_or_init(|| fetched))
}

/// `Some(table)` when the table is there and all the functions named are too.
macro_rules! whole {
    ($table:expr, $($function:ident),+ $(,)?) => {
        $table.filter(|table| true $(&& table.$function.is_some())+)
    };
}

impl Suites {
    fn fetch(host: &Host) -> Result<Self> {
        // SAFETY: for each `table` below, the type asked for is the one that `ofx*.h` gives to this suite's name
        // and version.
        unsafe {
            let property: Option<&property::OfxPropertySuiteV1> = table(host, property::kOfxPropertySuite, 1);
            let effect: Option<&image_effect::OfxImageEffectSuiteV1> =
                table(host, image_effect::kOfxImageEffectSuite, 1);
            let param: Option<&param::OfxParameterSuiteV1> = table(host, param::kOfxParameterSuite, 1);
            let progress_v1: Option<&progress::OfxProgressSuiteV1> =
                table(host, progress::kOfxProgressSuite, 1);
            let message_v1: Option<&message::OfxMessageSuiteV1> = table(host, message::kOfxMessageSuite, 1);
            // Some hosts log or assert when a version they lack is asked for, so version 2 is asked for
            // only where the host is known to take the question.
            let newer = HostInfo::of(host).takes_questions_for_version_2();
            let progress_v2: Option<&progress::OfxProgressSuiteV2> =
                if newer { table(host, progress::kOfxProgressSuite, 2) } else { None };
            let message_v2: Option<&message::OfxMessageSuiteV2> =
                if newer { table(host, message::kOfxMessageSuite, 2) } else { None };
            let timeline: Option<&time_line::OfxTimeLineSuiteV1> =
                table(host, time_line::kOfxTimeLineSuite, 1);
            let threads: Option<&multi_thread::OfxMultiThreadSuiteV1> =
                table(host, multi_thread::kOfxMultiThreadSuite, 1);
            let memory: Option<&memory::OfxMemorySuiteV1> = table(host, memory::kOfxMemorySuite, 1);
            Ok(Self {
                property: whole!(
                    property,
                    propGetInt,
                    propGetDouble,
                    propGetString,
                    propGetPointer,
                    propGetDimension,
                    propSetInt,
                    propSetDouble,
                    propSetString,
                    propSetPointer,
                )
                .ok_or(Error::Missing("a whole property suite"))?,
                effect: whole!(
                    effect,
                    getPropertySet,
                    getParamSet,
                    clipDefine,
                    clipGetHandle,
                    clipGetPropertySet,
                    clipGetImage,
                    clipReleaseImage,
                )
                .ok_or(Error::Missing("a whole image effect suite"))?,
                param: whole!(param, paramDefine, paramGetHandle, paramGetValue, paramSetValue)
                    .ok_or(Error::Missing("a whole parameter suite"))?,
                progress_v2: whole!(progress_v2, progressStart, progressUpdate, progressEnd),
                progress_v1: whole!(progress_v1, progressStart, progressUpdate, progressEnd),
                message_v2: whole!(message_v2, message, setPersistentMessage, clearPersistentMessage),
                message_v1: whole!(message_v1, message),
                timeline: whole!(timeline, getTime, getTimeBounds),
                threads: whole!(threads, multiThread, multiThreadNumCPUs),
                memory: whole!(memory, memoryAlloc, memoryFree),
            })
        }
    }
}

/// A suite's function table.
///
/// # Safety
/// `T` must be the table's type by the headers.
unsafe fn table<T>(host: &Host, name: &CStr, version: c_int) -> Option<&'static T> {
    let fetch = host.0.fetchSuite?;
    // SAFETY: the host's own handle and a C string; `set_host` made sure that the structure is valid.
    let table: *const c_void = unsafe { fetch(host.0.host, name.as_ptr(), version) };
    if table.is_null() || !table.cast::<T>().is_aligned() {
        return None;
    }
    // SAFETY: not null, aligned, of type `T` by this function's contract; the host keeps its tables for the
    // life of the process and does not write to them.
    Some(unsafe { &*table.cast::<T>() })
}

/// Who the host says it is, and what it says it can do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HostInfo {
    /// The host's unique name, as `DaVinciResolve`.
    pub name: String,
    /// The name its users know.
    pub label: String,
    /// Its version's numbers, major first.
    pub version: Vec<i32>,
    /// Whether it says that frames of other times can be had.
    pub temporal_access: bool,
    /// Whether it says that it runs without a user.
    pub background: bool,
}

impl HostInfo {
    /// What the current host says; empty before the load action.
    #[must_use]
    pub fn current() -> Self {
        (*HOST.read()).map(|host| Self::read(&host)).unwrap_or_default()
    }

    fn read(host: &Host) -> Self {
        // SAFETY: the handle is the host's own property set, valid while the host is set.
        let Some(set) = (unsafe { PropertySet::from_raw(host.0.host) }) else { return Self::default() };
        let numbers = set.dimension(&keys::VERSION).unwrap_or(0).min(8);
        Self {
            name: set.get(&keys::NAME).unwrap_or_default(),
            label: set.get(&keys::LABEL).unwrap_or_default(),
            version: (0..numbers).filter_map(|index| set.get_at(&keys::VERSION, index).ok()).collect(),
            temporal_access: set.get(&keys::TEMPORAL_ACCESS).unwrap_or(false),
            background: set.get(&keys::HOST_IS_BACKGROUND).unwrap_or(false),
        }
    }

    /// The name alone, read before the suites are kept.
    fn of(host: &Host) -> Self {
        // SAFETY: the type is the one of this suite's name and version.
        let suite: Option<&property::OfxPropertySuiteV1> =
            unsafe { table(host, property::kOfxPropertySuite, 1) };
        let mut text = std::ptr::null_mut();
        let name = suite.and_then(|suite| suite.propGetString).map(|get| {
            // SAFETY: the host's own property set; `text` outlives the call.
            unsafe { get(host.0.host, sys::core::kOfxPropName.as_ptr(), 0, &raw mut text) };
            // SAFETY: `text` is null still, or what the host wrote: a C string of its own.
            unsafe { crate::property::copy_text(text) }
        });
        Self { name: name.unwrap_or_default(), ..Self::default() }
    }

    /// Resolve 14 advertised a message suite 2 whose functions were garbage, which no check of a pointer can
    /// tell; openfx-runner asserts when any version 2 is asked for.
    fn takes_questions_for_version_2(&self) -> bool {
        let name = self.name.to_ascii_lowercase();
        !["davinciresolve", "blackmagic", "openfx-runner", "openfx_runner"]
            .iter()
            .any(|known| name.contains(known))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn version_2_suites_are_not_asked_of_hosts_known_to_mishandle_the_question() {
        let named = |name: &str| HostInfo { name: name.into(), ..HostInfo::default() };
        assert!(!named("DaVinciResolve").takes_questions_for_version_2());
        assert!(!named("com.blackmagicdesign.resolve").takes_questions_for_version_2());
        assert!(named("uk.co.thefoundry.nuke").takes_questions_for_version_2());
        assert!(named("").takes_questions_for_version_2());
    }

    #[test]
    fn before_a_host_is_set_everything_is_a_clear_error() {
        assert_eq!(HostInfo::default().name, "");
        assert!(matches!(suites(), Err(Error::Missing(_))));
    }
}
