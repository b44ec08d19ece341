//! The C side: the bundle's entry points, the suites, and the memory that plugins touch.
//!
//! All `unsafe` of this crate is in this module. Handles are numbers that are looked up, never
//! addresses that are followed; the only addresses followed are those that the standard says the
//! plugin owns during the call: names, texts, and places for results.

#![expect(unsafe_code, reason = "speaks C with the plugin")]

mod effect_suite;
mod interact_suite;
pub mod library;
pub mod memory;
mod memory_suite;
mod message_suite;
pub mod mutex;
mod param_suite;
mod progress_suite;
mod property_suite;
pub mod suites;
mod thread_suite;
mod timeline_suite;

use std::ffi::{CStr, CString, c_char};
use std::panic::{AssertUnwindSafe, catch_unwind};

use openfx::sys::generic::core::{
    OfxStatus, kOfxStatErrBadHandle, kOfxStatErrFatal, kOfxStatErrValue, kOfxStatOK,
};

use crate::host::{self, Host};
use crate::violation::ViolationKind;
use crate::world::{Answer, World, fault};

/// Serves one suite call: finds the running host, judges the moment, reports what is broken.
fn serve(call: &'static str, body: impl FnOnce(&mut World) -> Answer) -> OfxStatus {
    serve_with(call, |_, world| body(world))
}

/// As [`serve`], for calls that need the host too.
fn serve_with(call: &'static str, body: impl FnOnce(&Host, &mut World) -> Answer) -> OfxStatus {
    let answer = catch_unwind(AssertUnwindSafe(|| {
        let Some(host) = host::current() else { return kOfxStatErrBadHandle };
        let mut world = host.world.lock();
        judge_moment(&mut world, call);
        let answer = body(&host, &mut world);
        status_of(&mut world, call, answer)
    }));
    answer.unwrap_or(kOfxStatErrFatal)
}

/// A call is in order while any action runs: plugins may use threads of their own meanwhile.
fn judge_moment(world: &mut World, call: &str) {
    if world.current_call().is_none() {
        world.report(ViolationKind::CallOutsideAction, call, "no action was running");
    }
}

/// Turns an answer into a status, reporting a violation in it.
fn status_of(world: &mut World, call: &str, answer: Answer) -> OfxStatus {
    match answer {
        Ok(()) => kOfxStatOK,
        Err(refusal) => {
            if let Some(kind) = refusal.kind {
                world.report(kind, call, refusal.detail);
            }
            refusal.status
        }
    }
}

/// Reads a text that the standard requires.
///
/// # Safety
/// `text` is null or a C string that stays as it is during the call.
unsafe fn required(text: *const c_char, what: &str) -> Answer<CString> {
    // SAFETY: the same promise.
    unsafe { optional(text) }.ok_or_else(|| null(what))
}

/// Reads a text that may be missing.
///
/// # Safety
/// `text` is null or a C string that stays as it is during the call.
unsafe fn optional(text: *const c_char) -> Option<CString> {
    if text.is_null() {
        return None;
    }
    // SAFETY: not null, and a C string by the caller's promise.
    Some(unsafe { CStr::from_ptr(text) }.to_owned())
}

/// Writes a result where the plugin wants it.
///
/// # Safety
/// `place` is null or valid for one write of `T`.
unsafe fn give<T>(place: *mut T, value: T, what: &str) -> Answer {
    if place.is_null() {
        return Err(null(what));
    }
    // SAFETY: not null, and valid for a write by the caller's promise; C may align it less than Rust.
    unsafe { place.write_unaligned(value) };
    Ok(())
}

/// As [`give`], where the standard allows a null place.
///
/// # Safety
/// As [`give`].
unsafe fn give_if_wanted<T>(place: *mut T, value: T) {
    if !place.is_null() {
        // SAFETY: not null, and valid for a write by the caller's promise.
        unsafe { place.write_unaligned(value) };
    }
}

fn null(what: &str) -> crate::world::property_set::Fault {
    fault(ViolationKind::NullPointer, kOfxStatErrValue, format!("{what} is null"))
}
