//! Memory that plugins read and write behind the compiler's back.

#![expect(unsafe_code, reason = "memory shared with C")]

use std::cell::UnsafeCell;
use std::ffi::c_void;

/// Bytes whose address the plugin holds. Aligned to 64 bytes, never moved, freed on drop.
#[derive(Debug)]
pub struct PixelBuffer {
    /// 64-byte units; a boxed slice, so that the address is fixed.
    units: Box<[UnsafeCell<Unit>]>,
    size: usize,
}

#[repr(C, align(64))]
#[derive(Clone, Copy, Debug)]
struct Unit([u8; 64]);

// SAFETY: the host itself touches the bytes only in `new` (not yet shared) and in `snapshot`, whose
// callers run after the action that could write has returned; all other access is the plugin's.
unsafe impl Sync for PixelBuffer {}

impl PixelBuffer {
    /// Memory that begins with these bytes.
    #[must_use]
    pub fn new(bytes: &[u8]) -> Self {
        let units = bytes.chunks(64).map(|chunk| {
            let mut unit = Unit([0; 64]);
            unit.0[..chunk.len()].copy_from_slice(chunk);
            UnsafeCell::new(unit)
        });
        Self { units: units.collect(), size: bytes.len() }
    }

    /// The address of the byte at `offset`, which must be inside; null otherwise.
    #[must_use]
    pub fn address(&self, offset: usize) -> *mut c_void {
        if offset >= self.size {
            return std::ptr::null_mut();
        }
        UnsafeCell::raw_get(self.units.as_ptr()).cast::<u8>().wrapping_add(offset).cast()
    }

    /// A copy of the bytes as they are now; to be called when no action that may write is running.
    #[must_use]
    pub fn snapshot(&self) -> Vec<u8> {
        let start = UnsafeCell::raw_get(self.units.as_ptr()).cast::<u8>();
        // SAFETY: `units` holds at least `size` initialised bytes from `start`; volatile-free reading
        // is sound because the action that could write them has returned.
        unsafe { std::slice::from_raw_parts(start, self.size) }.to_vec()
    }
}
