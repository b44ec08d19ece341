//! Work split over the host's threads, else over our own.
#![expect(unsafe_code, reason = "hands a closure through the host's multithread suite")]

use crate::host::suites;
use crate::status::Status;
use parking_lot::Mutex;
use std::ffi::{c_uint, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Most parts that work is worth splitting into: memory is no faster than that.
const MOST_PARTS: usize = 8;

/// In how many parts a render should split its work: two for each thread that the host has, else the machine. Systems often
/// start two threads on one core and leave another idle for longer than the work takes; four are spread.
#[must_use]
pub fn part_count() -> usize {
    let own = || std::thread::available_parallelism().ok().map(Into::into);
    let threads = host_thread_count().or_else(own).unwrap_or(1);
    if threads == 1 { 1 } else { (2 * threads).min(MOST_PARTS) }
}

fn host_thread_count() -> Option<usize> {
    let call = suites().ok()?.threads?.multiThreadNumCPUs?;
    let mut count: c_uint = 0;
    // SAFETY: `count` outlives the call.
    let code = unsafe { call(&raw mut count) };
    (Status::from_code(code) == Status::Ok && count > 0).then_some(count as usize)
}

/// Runs `work` on every item, over as many threads as there are items; returns when all are done.
///
/// An item whose work panics is lost; the others are not. Returns whether all went well.
pub fn for_each<T: Send>(items: Vec<T>, work: impl Fn(T) + Sync) -> bool {
    if items.len() < 2 {
        return items.into_iter().all(|item| survives(|| work(item)));
    }
    let job =
        Job { items: Mutex::new(items.into_iter().map(Some).collect()), work, failed: Mutex::new(false) };
    if !job.run_on_host() {
        job.run_on_own_threads();
    }
    // A host may start fewer threads than it was asked for.
    while let Some(item) = job.next() {
        job.perform(item);
    }
    let failed = job.failed.into_inner();
    !failed
}

fn survives(work: impl FnOnce()) -> bool {
    catch_unwind(AssertUnwindSafe(work)).is_ok()
}

struct Job<T, F> {
    items: Mutex<Vec<Option<T>>>,
    work: F,
    failed: Mutex<bool>,
}

impl<T: Send, F: Fn(T) + Sync> Job<T, F> {
    fn next(&self) -> Option<T> {
        self.items.lock().pop().flatten()
    }

    fn perform(&self, item: T) {
        if !survives(|| (self.work)(item)) {
            *self.failed.lock() = true;
        }
    }

    /// False if the host has no threads for us.
    fn run_on_host(&self) -> bool {
        let Some(call) = suites().ok().and_then(|suites| suites.threads?.multiThread) else { return false };
        let count = c_uint::try_from(self.items.lock().len()).unwrap_or(1);
        let job = std::ptr::from_ref(self).cast::<c_void>().cast_mut();
        // SAFETY: the suite returns only after every thread has left the function, so `self` outlives them; the
        // function takes `self` by shared reference and is `Sync` by its bounds.
        let code = unsafe { call(Some(Self::enter), count, job) };
        Status::from_code(code) == Status::Ok
    }

    /// What the host's threads run.
    ///
    /// # Safety
    /// `job` must point to a `Self` that outlives the call.
    unsafe extern "C" fn enter(_index: c_uint, _count: c_uint, job: *mut c_void) {
        // SAFETY: by this function's contract.
        let job = unsafe { &*job.cast::<Self>() };
        while let Some(item) = job.next() {
            job.perform(item);
        }
    }

    fn run_on_own_threads(&self) {
        let others = self.items.lock().len().saturating_sub(1);
        std::thread::scope(|scope| {
            for _ in 0..others {
                scope.spawn(|| {
                    while let Some(item) = self.next() {
                        self.perform(item);
                    }
                });
            }
            while let Some(item) = self.next() {
                self.perform(item);
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[test]
    fn every_item_is_done_once() {
        let sum = AtomicUsize::new(0);
        for count in [0, 1, 2, 9] {
            sum.store(0, Ordering::SeqCst);
            assert!(for_each((1..=count).collect(), |item: usize| {
                sum.fetch_add(item, Ordering::SeqCst);
            }));
            assert_eq!(sum.load(Ordering::SeqCst), count * (count + 1) / 2);
        }
    }

    #[test]
    fn a_panic_is_told_and_takes_nothing_else_along() {
        let done = AtomicUsize::new(0);
        let fine = for_each(vec![1, 2, 3], |item| {
            assert!(item != 2, "on purpose");
            done.fetch_add(1, Ordering::SeqCst);
        });
        assert!(!fine);
        assert_eq!(done.load(Ordering::SeqCst), 2);
    }
}
