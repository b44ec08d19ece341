//! Image effect suite, version 1.

use std::ffi::{c_char, c_int, c_void};
use std::sync::Arc;
use std::time::Instant;

use openfx::sys::generic::core::*;
use openfx::sys::image_effect_v1::image_effect::*;
use openfx::sys::image_effect_v1::param::OfxParamSetHandle;

use super::memory::PixelBuffer;
use super::memory_suite::LARGEST_BLOCK;
use super::{give, give_if_wanted, required, serve, serve_with, status_of};
use crate::host;
use crate::images;
use crate::violation::ViolationKind;
use crate::world::calls::Action;
use crate::world::handles::{Handle, Sort};
use crate::world::property_set::PropertySet;
use crate::world::{Answer, Clip, ImageMemory, World, c_text, fault, property_table, refuse};

/// The suite as plugins get it.
pub static IMAGE_EFFECT_SUITE: OfxImageEffectSuiteV1 = OfxImageEffectSuiteV1 {
    getPropertySet: Some(property_set),
    getParamSet: Some(param_set),
    clipDefine: Some(clip_define),
    clipGetHandle: Some(clip_handle),
    clipGetPropertySet: Some(clip_property_set),
    clipGetImage: Some(get_image),
    clipReleaseImage: Some(release_image),
    clipGetRegionOfDefinition: Some(region_of_definition),
    abort: Some(abort),
    imageMemoryAlloc: Some(memory_alloc),
    imageMemoryFree: Some(memory_free),
    imageMemoryLock: Some(memory_lock),
    imageMemoryUnlock: Some(memory_unlock),
};

unsafe extern "C" fn property_set(
    effect: OfxImageEffectHandle,
    props: *mut OfxPropertySetHandle,
) -> OfxStatus {
    serve("getPropertySet", |world| {
        let handle = world.effect(Handle::from_ptr(effect))?.props;
        // SAFETY: the standard wants a place for one handle.
        unsafe { give(props, handle.as_ptr(), "propHandle") }
    })
}

unsafe extern "C" fn param_set(effect: OfxImageEffectHandle, set: *mut OfxParamSetHandle) -> OfxStatus {
    serve("getParamSet", |world| {
        let handle = world.effect(Handle::from_ptr(effect))?.params;
        // SAFETY: the standard wants a place for one handle.
        unsafe { give(set, handle.as_ptr(), "paramSet") }
    })
}

unsafe extern "C" fn clip_define(
    effect: OfxImageEffectHandle,
    name: *const c_char,
    props: *mut OfxPropertySetHandle,
) -> OfxStatus {
    serve("clipDefine", |world| {
        // SAFETY: the standard obliges the plugin to give a C string.
        let name = unsafe { required(name, "name")? }.to_string_lossy().into_owned();
        let handle = define_clip(world, Handle::from_ptr(effect), name)?;
        // SAFETY: the standard allows null, or else wants a place for one handle.
        unsafe { give_if_wanted(props, handle.as_ptr()) };
        Ok(())
    })
}

fn define_clip(world: &mut World, effect: Handle, name: String) -> Answer<Handle> {
    let describing = world.current_call().is_some_and(|call| call.action == Action::DescribeInContext);
    if world.effect(effect)?.instance || !describing {
        let detail = format!("clip {name} defined outside DescribeInContext");
        return Err(fault(ViolationKind::DefinedOutsideDescribe, kOfxStatFailed, detail));
    }
    if world.clip_named(effect, &name).is_some() {
        return Err(fault(ViolationKind::DuplicateClip, kOfxStatErrExists, name));
    }
    let mut set = PropertySet::new(format!("clip {name}"), property_table::CLIP_DESCRIPTOR);
    set.put_texts(kOfxPropType, &[kOfxTypeClip]);
    for label in [kOfxPropName, kOfxPropLabel, kOfxPropShortLabel, kOfxPropLongLabel] {
        set.put_texts(label, &[&c_text(&name)]);
    }
    set.put_ints(kOfxImageEffectPropSupportsTiles, &[1]);
    set.put_texts(kOfxImageClipPropFieldExtraction, &[kOfxImageFieldDoubled]);
    let props = world.add_props(set);
    world.add_clip(Clip { name, props, effect, source: None });
    Ok(props)
}

unsafe extern "C" fn clip_handle(
    effect: OfxImageEffectHandle,
    name: *const c_char,
    clip: *mut OfxImageClipHandle,
    props: *mut OfxPropertySetHandle,
) -> OfxStatus {
    serve("clipGetHandle", |world| {
        // SAFETY: the standard obliges the plugin to give a C string.
        let name = unsafe { required(name, "name")? }.to_string_lossy().into_owned();
        let effect = Handle::from_ptr(effect);
        if !world.effect(effect)?.instance {
            return Err(fault(
                ViolationKind::BadHandle,
                kOfxStatErrBadHandle,
                "a descriptor has no live clips",
            ));
        }
        let handle = world
            .clip_named(effect, &name)
            .ok_or_else(|| fault(ViolationKind::UnknownClip, kOfxStatErrUnknown, name))?;
        let set = world.clip(handle)?.props;
        // SAFETY: the standard wants a place for one handle, and one or null.
        unsafe {
            give_if_wanted(props, set.as_ptr());
            give(clip, handle.as_ptr(), "clip")
        }
    })
}

unsafe extern "C" fn clip_property_set(
    clip: OfxImageClipHandle,
    props: *mut OfxPropertySetHandle,
) -> OfxStatus {
    serve("clipGetPropertySet", |world| {
        let handle = world.clip(Handle::from_ptr(clip))?.props;
        // SAFETY: the standard wants a place for one handle.
        unsafe { give(props, handle.as_ptr(), "propHandle") }
    })
}

unsafe extern "C" fn get_image(
    clip: OfxImageClipHandle,
    time: OfxTime,
    _region: *const OfxRectD,
    image: *mut OfxPropertySetHandle,
) -> OfxStatus {
    const CALL: &str = "clipGetImage";
    let mut wanted = None;
    let status = serve_with(CALL, |host, world| {
        // SAFETY: the standard wants a place for one handle, which is null until there is an image.
        unsafe { give(image, std::ptr::null_mut(), "imageHandle")? };
        wanted = Some(images::judge(host, world, Handle::from_ptr(clip), time)?);
        Ok(())
    });
    let (Some(wanted), Some(host)) = (wanted, host::current()) else { return status };
    let answer = images::fetch(&host, &wanted).and_then(|handle| match handle {
        // SAFETY: as above; checked not to be null.
        Some(handle) => unsafe { give(image, handle.as_ptr(), "imageHandle") },
        None => Ok(()),
    });
    status_of(&mut host.world.lock(), CALL, answer)
}

unsafe extern "C" fn release_image(image: OfxPropertySetHandle) -> OfxStatus {
    const CALL: &str = "clipReleaseImage";
    let began = Instant::now();
    let mut released = None;
    let status = serve(CALL, |world| {
        released = Some(images::release(world, Handle::from_ptr(image))?);
        Ok(())
    });
    if let (Some(released), Some(host)) = (released, host::current()) {
        images::check_source(&host, CALL, &released);
        let call = Arc::clone(&released.call);
        drop(released);
        call.spend(began.elapsed());
    }
    status
}

unsafe extern "C" fn region_of_definition(
    clip: OfxImageClipHandle,
    _time: OfxTime,
    bounds: *mut OfxRectD,
) -> OfxStatus {
    serve_with("clipGetRegionOfDefinition", |host, world| {
        world.clip(Handle::from_ptr(clip))?;
        let [x1, y1, x2, y2] = host.extent();
        // SAFETY: the standard wants a place for one rectangle.
        unsafe { give(bounds, OfxRectD { x1, y1, x2, y2 }, "bounds") }
    })
}

unsafe extern "C" fn abort(effect: OfxImageEffectHandle) -> c_int {
    let mut stop = false;
    serve("abort", |world| {
        world.effect(Handle::from_ptr(effect))?;
        stop = world.journal.asks_to_stop();
        Ok(())
    });
    c_int::from(stop)
}

unsafe extern "C" fn memory_alloc(
    effect: OfxImageEffectHandle,
    size: usize,
    place: *mut OfxImageMemoryHandle,
) -> OfxStatus {
    serve("imageMemoryAlloc", |world| {
        if !effect.is_null() {
            world.effect(Handle::from_ptr(effect))?;
        }
        if size > LARGEST_BLOCK {
            return Err(refuse(kOfxStatErrMemory));
        }
        let handle = world.handles.give(Sort::ImageMemory);
        // SAFETY: the standard wants a place for one handle.
        unsafe { give(place, handle.as_ptr(), "memoryHandle")? };
        let buffer = PixelBuffer::new(&vec![0; size.max(1)]);
        world.image_memory.insert(handle, ImageMemory { buffer, locks: 0 });
        Ok(())
    })
}

unsafe extern "C" fn memory_free(memory: OfxImageMemoryHandle) -> OfxStatus {
    serve("imageMemoryFree", |world| {
        let handle = Handle::from_ptr(memory);
        if world.image_memory.remove(&handle).is_some() {
            world.handles.retire(handle);
            return Ok(());
        }
        let twice = world.handles.is_dead(handle, Sort::ImageMemory);
        let kind = if twice { ViolationKind::DoubleRelease } else { ViolationKind::BadHandle };
        Err(fault(kind, kOfxStatErrBadHandle, world.handles.describe(handle)))
    })
}

unsafe extern "C" fn memory_lock(memory: OfxImageMemoryHandle, place: *mut *mut c_void) -> OfxStatus {
    serve("imageMemoryLock", |world| {
        let handle = Handle::from_ptr(memory);
        let bad = world.bad_handle(handle, "image memory");
        let memory = world.image_memory.get_mut(&handle).ok_or(bad)?;
        memory.locks += 1;
        // SAFETY: the standard wants a place for one address.
        unsafe { give(place, memory.buffer.address(0), "returnedPtr") }
    })
}

unsafe extern "C" fn memory_unlock(memory: OfxImageMemoryHandle) -> OfxStatus {
    serve("imageMemoryUnlock", |world| {
        let handle = Handle::from_ptr(memory);
        let bad = world.bad_handle(handle, "image memory");
        let memory = world.image_memory.get_mut(&handle).ok_or(bad)?;
        memory.locks = memory.locks.checked_sub(1).ok_or_else(|| {
            fault(
                ViolationKind::DoubleRelease,
                kOfxStatErrBadHandle,
                "image memory unlocked more often than locked",
            )
        })?;
        Ok(())
    })
}
