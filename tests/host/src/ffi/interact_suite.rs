//! Interact suite, version 1. This host shows no overlays, so no interact ever lives.

use openfx::sys::generic::core::{OfxPropertySetHandle, OfxStatus};
use openfx::sys::image_effect_v1::interact::{OfxInteractHandle, OfxInteractSuiteV1};

use super::serve;
use crate::world::handles::Handle;

/// The suite as plugins get it.
pub static INTERACT_SUITE: OfxInteractSuiteV1 = OfxInteractSuiteV1 {
    interactSwapBuffers: Some(swap_buffers),
    interactRedraw: Some(redraw),
    interactGetPropertySet: Some(property_set),
};

unsafe extern "C" fn swap_buffers(interact: OfxInteractHandle) -> OfxStatus {
    serve("interactSwapBuffers", |world| Err(world.bad_handle(Handle::from_ptr(interact), "interact")))
}

unsafe extern "C" fn redraw(interact: OfxInteractHandle) -> OfxStatus {
    serve("interactRedraw", |world| Err(world.bad_handle(Handle::from_ptr(interact), "interact")))
}

unsafe extern "C" fn property_set(
    interact: OfxInteractHandle,
    _props: *mut OfxPropertySetHandle,
) -> OfxStatus {
    serve("interactGetPropertySet", |world| Err(world.bad_handle(Handle::from_ptr(interact), "interact")))
}
