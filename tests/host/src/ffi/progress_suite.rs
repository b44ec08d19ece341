//! Progress suite, versions 1 and 2.

use std::ffi::{c_char, c_void};

use openfx::sys::generic::core::*;
use openfx::sys::image_effect_v1::progress::*;

use super::{optional, required, serve, serve_with};
use crate::Event;
use crate::host::Host;
use crate::report::ProgressEvent;
use crate::violation::ViolationKind;
use crate::world::handles::Handle;
use crate::world::{Answer, World, fault, refuse};

/// Version 1 as plugins get it.
pub static PROGRESS_SUITE_V1: OfxProgressSuiteV1 = OfxProgressSuiteV1 {
    progressStart: Some(start_v1),
    progressUpdate: Some(update),
    progressEnd: Some(end),
};

/// Version 2 as plugins get it.
pub static PROGRESS_SUITE_V2: OfxProgressSuiteV2 = OfxProgressSuiteV2 {
    progressStart: Some(start_v2),
    progressUpdate: Some(update),
    progressEnd: Some(end),
};

unsafe extern "C" fn start_v1(effect: *mut c_void, label: *const c_char) -> OfxStatus {
    serve_with("progressStart", |host, world| {
        // SAFETY: the standard obliges the plugin to give a C string.
        let message = unsafe { required(label, "label")? }.to_string_lossy().into_owned();
        start(host, world, Handle::from_ptr(effect), ProgressEvent::Start { message, id: None })
    })
}

unsafe extern "C" fn start_v2(effect: *mut c_void, message: *const c_char, id: *const c_char) -> OfxStatus {
    serve_with("progressStart", |host, world| {
        // SAFETY: the standard obliges the plugin to give C strings; the id may be null.
        let (message, id) = unsafe { (required(message, "message")?, optional(id)) };
        let message = message.to_string_lossy().into_owned();
        let id = id.map(|id| id.to_string_lossy().into_owned());
        start(host, world, Handle::from_ptr(effect), ProgressEvent::Start { message, id })
    })
}

fn start(host: &Host, world: &mut World, effect: Handle, event: ProgressEvent) -> Answer {
    if world.effect(effect)?.progress {
        return Err(out_of_order("started twice"));
    }
    set_open(world, effect, true);
    if let ProgressEvent::Start { message, .. } = &event {
        host.tell(&Event::Text { text: message });
    }
    world.journal.progressed(event);
    Ok(())
}

fn set_open(world: &mut World, effect: Handle, open: bool) {
    if let Some(effect) = world.effects.get_mut(&effect) {
        effect.progress = open;
    }
}

fn out_of_order(what: &str) -> crate::world::property_set::Fault {
    fault(ViolationKind::ProgressOutOfOrder, kOfxStatFailed, what)
}

unsafe extern "C" fn update(effect: *mut c_void, fraction: f64) -> OfxStatus {
    serve_with("progressUpdate", |host, world| {
        if !world.effect(Handle::from_ptr(effect))?.progress {
            return Err(out_of_order("updated without start"));
        }
        if !(0.0..=1.0).contains(&fraction) {
            return Err(out_of_order(&format!("{fraction} is outside 0..1")));
        }
        host.tell(&Event::Progress { fraction });
        if world.journal.progressed(ProgressEvent::Update(fraction)) {
            return Err(refuse(kOfxStatReplyNo));
        }
        Ok(())
    })
}

unsafe extern "C" fn end(effect: *mut c_void) -> OfxStatus {
    serve("progressEnd", |world| {
        let effect = Handle::from_ptr(effect);
        if !world.effect(effect)?.progress {
            return Err(out_of_order("ended without start"));
        }
        set_open(world, effect, false);
        world.journal.progressed(ProgressEvent::End);
        Ok(())
    })
}
