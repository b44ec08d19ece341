//! The memory of the GPU that sessions run on, as NVIDIA's driver tells it.

use nvml_wrapper::enums::device::UsedGpuMemory;
use nvml_wrapper::{Device, Nvml};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};
use std::thread::JoinHandle;
use std::time::Duration;

/// NVIDIA's management library, which comes with the driver.
static DRIVER: LazyLock<Option<Nvml>> = LazyLock::new(|| {
    Nvml::init().inspect_err(|error| tracing::info!(%error, "NVIDIA's driver tells nothing of its GPUs")).ok()
});

/// How often a [`Watch`] looks: a large graph runs for much longer, and a question takes a millisecond.
const LOOK: Duration = Duration::from_millis(20);

/// A GPU.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gpu {
    /// What its maker calls it.
    pub name: String,
    /// Bytes that no program holds.
    pub free: u64,
    /// Bytes that this process holds, where the driver tells: not under Windows, nor in a container that numbers its
    /// processes by itself.
    pub own: Option<u64>,
}

impl Gpu {
    /// The GPU on which this process has run a session, where the driver tells.
    pub fn current() -> Option<Self> {
        let device = device()?;
        Some(Self { name: device.name().ok()?, free: device.memory_info().ok()?.free, own: held(&device) })
    }
}

/// CUDA and the driver number GPUs differently, so it is the one that has this process on its list; the only one, where
/// none has.
fn device() -> Option<Device<'static>> {
    let driver = DRIVER.as_ref()?;
    let count = driver.device_count().ok()?;
    let mut devices: Vec<_> = (0..count).filter_map(|index| driver.device_by_index(index).ok()).collect();
    let place = devices.iter().position(|device| used(device).is_some());
    let place = place.or((devices.len() == 1).then_some(0))?;
    Some(devices.swap_remove(place))
}

/// What the list of processes of `device` says of this one.
fn used(device: &Device<'_>) -> Option<UsedGpuMemory> {
    let mut processes = device.running_compute_processes().ok()?.into_iter();
    Some(processes.find(|process| process.pid == std::process::id())?.used_gpu_memory)
}

fn held(device: &Device<'_>) -> Option<u64> {
    match used(device)? {
        UsedGpuMemory::Used(bytes) => Some(bytes),
        UsedGpuMemory::Unavailable => None,
    }
}

/// Looks every 20 ms at how much of the GPU this process holds, until it is dropped.
pub struct Watch {
    seen: Arc<Seen>,
    thread: Option<JoinHandle<()>>,
}

struct Seen {
    device: Device<'static>,
    peak: AtomicU64,
    over: AtomicBool,
}

impl Seen {
    fn now(&self) -> u64 {
        held(&self.device).unwrap_or_default()
    }
}

impl Watch {
    /// Begins to look; `None` where the driver does not tell what this process holds.
    pub fn start() -> Option<Self> {
        let device = device()?;
        let peak = AtomicU64::new(held(&device)?);
        let seen = Arc::new(Seen { device, peak, over: AtomicBool::new(false) });
        let watched = seen.clone();
        let look = move || {
            while !watched.over.load(Ordering::Relaxed) {
                watched.peak.fetch_max(watched.now(), Ordering::Relaxed);
                std::thread::park_timeout(LOOK);
            }
        };
        let thread = std::thread::Builder::new().name("pickup-gpu".into()).spawn(look).ok()?;
        Some(Self { seen, thread: Some(thread) })
    }

    /// Most bytes that were held since this was last asked.
    pub fn take_peak(&self) -> u64 {
        let now = self.seen.now();
        self.seen.peak.swap(now, Ordering::Relaxed).max(now)
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.seen.over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            drop(thread.join());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_driver_nothing_is_told() {
        if crate::system::has_nvidia_driver() {
            return;
        }
        assert_eq!(Gpu::current(), None);
        assert!(Watch::start().is_none());
    }
}
