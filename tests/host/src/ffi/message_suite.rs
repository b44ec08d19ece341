//! Message suite, versions 1 and 2. Its variadic functions are in `shim.c`.

use std::ffi::{CStr, c_char, c_int, c_void};

use openfx::sys::generic::core::*;
use openfx::sys::image_effect_v1::message::*;

use super::{optional, required, serve, serve_with};
use crate::report::MessageReport;
use crate::violation::ViolationKind;
use crate::world::handles::Handle;
use crate::world::{Answer, World, fault, refuse};

unsafe extern "C" {
    fn pickup_shim_message(
        handle: *mut c_void,
        kind: *const c_char,
        id: *const c_char,
        format: *const c_char,
        ...
    ) -> OfxStatus;
    fn pickup_shim_persistent_message(
        handle: *mut c_void,
        kind: *const c_char,
        id: *const c_char,
        format: *const c_char,
        ...
    ) -> OfxStatus;
}

/// Version 1 as plugins get it.
pub static MESSAGE_SUITE_V1: OfxMessageSuiteV1 = OfxMessageSuiteV1 { message: Some(pickup_shim_message) };

/// Version 2 as plugins get it.
pub static MESSAGE_SUITE_V2: OfxMessageSuiteV2 = OfxMessageSuiteV2 {
    message: Some(pickup_shim_message),
    setPersistentMessage: Some(pickup_shim_persistent_message),
    clearPersistentMessage: Some(clear),
};

const KINDS: [&CStr; 6] = [
    kOfxMessageFatal,
    kOfxMessageError,
    kOfxMessageWarning,
    kOfxMessageMessage,
    kOfxMessageLog,
    kOfxMessageQuestion,
];

/// For `shim.c`: a message whose text is complete; null when the plugin gave no format.
#[unsafe(no_mangle)]
unsafe extern "C" fn pickup_host_message(
    handle: *const c_void,
    kind: *const c_char,
    id: *const c_char,
    text: *const c_char,
    persistent: c_int,
) -> OfxStatus {
    let call = if persistent == 0 { "message" } else { "setPersistentMessage" };
    serve_with(call, |host, world| {
        may_speak(world, Handle::from_ptr(handle))?;
        // SAFETY: the standard obliges the plugin to give C strings; the text is the shim's.
        let (kind, id, text) = unsafe { (required(kind, "messageType")?, optional(id), optional(text)) };
        if !KINDS.contains(&kind.as_c_str()) {
            return Err(fault(ViolationKind::UnknownMessageType, kOfxStatErrValue, format!("{kind:?}")));
        }
        let text = text.unwrap_or_default().to_string_lossy().into_owned();
        if text.trim().is_empty() {
            world.report(ViolationKind::MessageWithoutText, call, format!("type {kind:?}, id {id:?}"));
        }
        host.tell(&crate::Event::Text { text: &text });
        let question = kind.as_c_str() == kOfxMessageQuestion;
        note(
            world,
            kind.to_string_lossy().into_owned(),
            id.unwrap_or_default().to_string_lossy().into(),
            text,
            persistent != 0,
        );
        if question {
            return Err(refuse(if host.project.answer { kOfxStatReplyYes } else { kOfxStatReplyNo }));
        }
        Ok(())
    })
}

/// A message belongs to an effect, or to none.
fn may_speak(world: &World, handle: Handle) -> Answer {
    if handle.number() == 0 { Ok(()) } else { world.effect(handle).map(|_| ()) }
}

fn note(world: &mut World, kind: String, id: String, text: String, persistent: bool) {
    let seconds = world.journal.seconds();
    world.journal.messages.push(MessageReport { seconds, kind, id, text, persistent });
}

unsafe extern "C" fn clear(handle: *mut c_void) -> OfxStatus {
    serve("clearPersistentMessage", |world| {
        may_speak(world, Handle::from_ptr(handle))?;
        note(world, String::new(), String::new(), String::new(), true);
        Ok(())
    })
}
