//! Timeline suite, version 1.

use std::ffi::c_void;

use openfx::sys::generic::core::{OfxStatus, kOfxStatErrUnsupported};
use openfx::sys::image_effect_v1::time_line::OfxTimeLineSuiteV1;

use super::{give, serve, serve_with};
use crate::world::handles::Handle;
use crate::world::refuse;

/// The suite as plugins get it.
pub static TIMELINE_SUITE: OfxTimeLineSuiteV1 =
    OfxTimeLineSuiteV1 { getTime: Some(time), gotoTime: Some(go_to), getTimeBounds: Some(bounds) };

unsafe extern "C" fn time(effect: *mut c_void, time: *mut f64) -> OfxStatus {
    serve_with("getTime", |host, world| {
        world.effect(Handle::from_ptr(effect))?;
        if !host.manners().tells_time {
            return Err(refuse(kOfxStatErrUnsupported));
        }
        // The timeline's own frames, whatever the host calls them in actions.
        let now = world.current_call().map_or(host.source_offset(), |call| call.time) - host.source_offset();
        // SAFETY: the standard wants a place for one double.
        unsafe { give(time, now, "time") }
    })
}

unsafe extern "C" fn go_to(effect: *mut c_void, _time: f64) -> OfxStatus {
    // Times come from the plan's steps, so a playhead that the plugin moved would change nothing.
    serve("gotoTime", |world| world.effect(Handle::from_ptr(effect)).map(|_| ()))
}

unsafe extern "C" fn bounds(effect: *mut c_void, first: *mut f64, last: *mut f64) -> OfxStatus {
    serve_with("getTimeBounds", |host, world| {
        world.effect(Handle::from_ptr(effect))?;
        // SAFETY: the standard wants places for one double each.
        unsafe {
            give(first, host.range[0] as f64, "firstTime")?;
            give(last, host.range[1] as f64, "lastTime")
        }
    })
}
