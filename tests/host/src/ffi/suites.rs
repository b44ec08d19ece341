//! The host struct that the plugin gets, and the suites it can fetch.

use std::ffi::{c_char, c_int, c_void};

use openfx::sys::generic::core::{OfxHost, OfxPropertySetHandle};
use openfx::sys::generic::property::kOfxPropertySuite;
use openfx::sys::image_effect_v1::image_effect::kOfxImageEffectSuite;
use openfx::sys::image_effect_v1::interact::kOfxInteractSuite;
use openfx::sys::image_effect_v1::memory::kOfxMemorySuite;
use openfx::sys::image_effect_v1::message::kOfxMessageSuite;
use openfx::sys::image_effect_v1::multi_thread::kOfxMultiThreadSuite;
use openfx::sys::image_effect_v1::param::kOfxParameterSuite;
use openfx::sys::image_effect_v1::progress::kOfxProgressSuite;
use openfx::sys::image_effect_v1::time_line::kOfxTimeLineSuite;

use super::{required, serve_with};
use crate::world::handles::Handle;

/// A host struct whose properties are under this handle. It is never freed: plugins keep its address.
#[must_use]
pub fn host_struct(props: Handle) -> &'static mut OfxHost {
    Box::leak(Box::new(OfxHost { host: props.as_ptr(), fetchSuite: Some(fetch) }))
}

unsafe extern "C" fn fetch(host: OfxPropertySetHandle, name: *const c_char, version: c_int) -> *const c_void {
    let mut suite = std::ptr::null();
    serve_with("fetchSuite", |running, world| {
        let props = Handle::from_ptr(host);
        if world.host_props != Some(props) {
            return Err(world.bad_handle(props, "host"));
        }
        // SAFETY: the standard obliges the plugin to give a C string.
        let name = unsafe { required(name, "suiteName")? };
        let wanted = format!("{}/{version}", name.to_string_lossy());
        if running.hollows(&wanted) {
            suite = (&raw const HOLLOW).cast();
        } else if !running.withholds(&wanted) {
            suite = lookup(&name, version);
        }
        world.suites.insert(wanted, !suite.is_null());
        Ok(())
    });
    suite
}

/// A suite without functions, larger than any suite that is given hollow.
static HOLLOW: [Option<unsafe extern "C" fn()>; 32] = [None; 32];

fn lookup(name: &std::ffi::CStr, version: c_int) -> *const c_void {
    let suites: [(_, _, *const c_void); 11] = [
        (kOfxPropertySuite, 1, (&raw const super::property_suite::PROPERTY_SUITE).cast()),
        (kOfxImageEffectSuite, 1, (&raw const super::effect_suite::IMAGE_EFFECT_SUITE).cast()),
        (kOfxParameterSuite, 1, (&raw const super::param_suite::PARAMETER_SUITE).cast()),
        (kOfxMemorySuite, 1, (&raw const super::memory_suite::MEMORY_SUITE).cast()),
        (kOfxMultiThreadSuite, 1, (&raw const super::thread_suite::THREAD_SUITE).cast()),
        (kOfxMessageSuite, 1, (&raw const super::message_suite::MESSAGE_SUITE_V1).cast()),
        (kOfxMessageSuite, 2, (&raw const super::message_suite::MESSAGE_SUITE_V2).cast()),
        (kOfxProgressSuite, 1, (&raw const super::progress_suite::PROGRESS_SUITE_V1).cast()),
        (kOfxProgressSuite, 2, (&raw const super::progress_suite::PROGRESS_SUITE_V2).cast()),
        (kOfxInteractSuite, 1, (&raw const super::interact_suite::INTERACT_SUITE).cast()),
        (kOfxTimeLineSuite, 1, (&raw const super::timeline_suite::TIMELINE_SUITE).cast()),
    ];
    suites.iter().find(|(known, at, _)| *known == name && *at == version).map_or(std::ptr::null(), |s| s.2)
}
