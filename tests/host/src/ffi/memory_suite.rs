//! Memory suite, version 1.

use std::ffi::c_void;

use openfx::sys::generic::core::*;
use openfx::sys::image_effect_v1::memory::OfxMemorySuiteV1;

use super::memory::PixelBuffer;
use super::{give, serve};
use crate::violation::ViolationKind;
use crate::world::handles::Handle;
use crate::world::{fault, refuse};

/// The suite as plugins get it.
pub static MEMORY_SUITE: OfxMemorySuiteV1 =
    OfxMemorySuiteV1 { memoryAlloc: Some(alloc), memoryFree: Some(free) };

/// More than any plugin needs; refused instead of aborting the process.
pub(super) const LARGEST_BLOCK: usize = 8 << 30;

unsafe extern "C" fn alloc(effect: *mut c_void, size: usize, place: *mut *mut c_void) -> OfxStatus {
    serve("memoryAlloc", |world| {
        if !effect.is_null() {
            world.effect(Handle::from_ptr(effect))?;
        }
        if size > LARGEST_BLOCK {
            return Err(refuse(kOfxStatErrMemory));
        }
        let buffer = PixelBuffer::new(&vec![0; size.max(1)]);
        let address = buffer.address(0);
        // SAFETY: the standard wants a place for one address.
        unsafe { give(place, address, "allocatedData")? };
        world.freed.remove(&address.addr());
        world.blocks.insert(address.addr(), buffer);
        Ok(())
    })
}

unsafe extern "C" fn free(address: *mut c_void) -> OfxStatus {
    serve("memoryFree", |world| {
        let address = address.addr();
        if world.blocks.remove(&address).is_some() {
            *world.freed.entry(address).or_default() += 1;
            return Ok(());
        }
        let (kind, detail) = match world.freed.contains_key(&address) {
            true => (ViolationKind::DoubleRelease, "a block given back twice"),
            false => (ViolationKind::BadHandle, "an address that memoryAlloc never gave"),
        };
        Err(fault(kind, kOfxStatErrBadHandle, detail))
    })
}
