//! One pool of a GPU's memory for all large graphs.
//!
//! Left to itself each session has an arena of its own, which keeps what a run took for as long as the session is open, and in
//! which what stays between runs (a VAE's caches) holds on to regions many times its size. At 832×480×81 Wan2.1-VACE then
//! takes 35.5 GB; from CUDA's own pool, which gives back what nobody uses page by page, 18. Allocating there takes a little
//! longer: a quarter of a step of the starter, nothing of one of a large model.

#![expect(unsafe_code, reason = "asks ONNX Runtime through its C interface; `ort` has no such call")]

use ort::AsPointer;
use ort::environment::Environment;
use ort::memory::{AllocationDevice, AllocatorType, MemoryInfo, MemoryType};
use ort::session::{RunOptions, Session};
use parking_lot::Mutex;
use pickup_core::Provider;
use std::ffi::CStr;
use std::ptr::{null, null_mut};

use crate::provider;
use crate::status::check;

/// Settings of the pool (onnxruntime_c_api.h, CreateArenaCfgV2): that it is CUDA's own, and how many unused bytes stay with it
/// between runs.
const SETTINGS: [(&CStr, usize); 2] =
    [(c"use_cuda_mempool", 1), (c"cuda_mempool_release_threshold", 256 << 20)];

/// After a run, all that nobody uses goes back (onnxruntime_run_options_config_keys.h).
const RETURNING: (&str, &str) = ("memory.enable_memory_arena_shrinkage", "gpu:0");

/// The pool of the first GPU, for sessions that use the environment's allocators.
pub(crate) struct Pool {
    /// A small session of the pool's: only a run can ask it to give back.
    session: Mutex<Session>,
}

impl Pool {
    /// Makes it.
    ///
    /// # Errors
    /// If ONNX Runtime cannot.
    pub fn make(environment: &Environment) -> ort::Result<Self> {
        share(environment)?;
        let builder = Session::builder(environment)?.with_env_allocators()?;
        let providers: Vec<_> = provider::registration(Provider::Cuda).into_iter().collect();
        let mut builder = builder.with_execution_providers(providers)?;
        Ok(Self { session: Mutex::new(builder.commit_from_memory(provider::PROBE_GRAPH)?) })
    }

    /// Returns what no session uses to the system.
    ///
    /// # Errors
    /// If the GPU does not work any more.
    pub fn give_back(&self) -> ort::Result<()> {
        let mut options = RunOptions::new()?;
        options.set(RETURNING.0, RETURNING.1)?;
        provider::run_probe(&mut self.session.lock(), &options).map(drop)
    }
}

fn share(environment: &Environment) -> ort::Result<()> {
    let info = MemoryInfo::new(AllocationDevice::CUDA, 0, AllocatorType::Arena, MemoryType::Default)?;
    let (keys, values) = (SETTINGS.map(|(key, _)| key.as_ptr()), SETTINGS.map(|(_, value)| value));
    let (api, mut settings) = (ort::api(), null_mut());
    // SAFETY: as many keys, which are C strings of the program, as values; `settings` may be written.
    let made =
        unsafe { (api.CreateArenaCfgV2)(keys.as_ptr(), values.as_ptr(), keys.len(), &raw mut settings) };
    check(made)?;
    let (environment, name) = (environment.ptr().cast_mut(), c"CUDAExecutionProvider".as_ptr());
    // SAFETY: all pointers are to what lives beyond the call, which keeps none of them; there are no options.
    let shared = check(unsafe {
        (api.CreateAndRegisterAllocatorV2)(environment, name, info.ptr(), settings, null(), null(), 0)
    });
    // SAFETY: made above, and used no more.
    unsafe { (api.ReleaseArenaCfg)(settings) };
    shared
}
