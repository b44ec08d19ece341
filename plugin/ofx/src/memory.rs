//! Large blocks from the host's memory suite, so that the host can count them; from our own heap without one.
#![expect(unsafe_code, reason = "wraps the host's memory suite")]

use crate::effect::Effect;
use crate::host::suites;
use crate::status::Status;
use std::ffi::c_void;
use std::ptr::{self, NonNull};

/// A block of zeroed bytes, given back when dropped.
#[derive(Debug)]
pub struct Block {
    memory: Memory,
    len: usize,
}

#[derive(Debug)]
enum Memory {
    Host(NonNull<u8>),
    Own(Vec<u8>),
}

// SAFETY: a block owns its memory alone, and the memory suite may be used from any thread.
unsafe impl Send for Block {}

impl Block {
    /// A block of `len` bytes, all 0.
    #[must_use]
    pub fn new(effect: Effect<'_>, len: usize) -> Self {
        let memory = Self::from_host(effect, len).map_or_else(|| Memory::Own(vec![0; len]), Memory::Host);
        Self { memory, len }
    }

    fn from_host(effect: Effect<'_>, len: usize) -> Option<NonNull<u8>> {
        let call = suites().ok()?.memory?.memoryAlloc?;
        let mut data: *mut c_void = ptr::null_mut();
        // SAFETY: the instance is valid during the action; `data` outlives the call.
        let code = unsafe { call(effect.raw(), len, &raw mut data) };
        let data = NonNull::new(data.cast::<u8>()).filter(|_| Status::from_code(code) == Status::Ok)?;
        // SAFETY: after OK the block has `len` bytes.
        unsafe { data.as_ptr().write_bytes(0, len) };
        Some(data)
    }

    /// The bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        match &self.memory {
            // SAFETY: the block has `len` bytes, all written, and is ours until dropped.
            Memory::Host(data) => unsafe { std::slice::from_raw_parts(data.as_ptr(), self.len) },
            Memory::Own(bytes) => bytes,
        }
    }

    /// The bytes, to be written.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        match &mut self.memory {
            // SAFETY: as in `bytes`, and `&mut self` makes this the only slice.
            Memory::Host(data) => unsafe { std::slice::from_raw_parts_mut(data.as_ptr(), self.len) },
            Memory::Own(bytes) => bytes,
        }
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        let Memory::Host(data) = self.memory else { return };
        if let Some(call) = suites().ok().and_then(|suites| suites.memory?.memoryFree) {
            // SAFETY: the block came from this suite and is given back this one time.
            unsafe { call(data.as_ptr().cast()) };
        }
    }
}
