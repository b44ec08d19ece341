//! Multithread suite, version 1.

use std::cell::Cell;
use std::ffi::{c_int, c_uint, c_void};
use std::sync::Arc;

use openfx::sys::generic::core::*;
use openfx::sys::image_effect_v1::multi_thread::*;

use super::mutex::HostMutex;
use super::{give, null, serve, status_of};
use crate::host;
use crate::violation::ViolationKind;
use crate::world::calls::{self, Entered};
use crate::world::handles::{Handle, Sort};
use crate::world::{Answer, fault, refuse};

/// The suite as plugins get it.
pub static THREAD_SUITE: OfxMultiThreadSuiteV1 = OfxMultiThreadSuiteV1 {
    multiThread: Some(multi_thread),
    multiThreadNumCPUs: Some(processors),
    multiThreadIndex: Some(index),
    multiThreadIsSpawnedThread: Some(is_spawned),
    mutexCreate: Some(create),
    mutexDestroy: Some(destroy),
    mutexLock: Some(lock),
    mutexUnLock: Some(unlock),
    mutexTryLock: Some(try_lock),
};

thread_local! {
    /// Index of a thread that this suite made; none on others.
    static INDEX: Cell<Option<c_uint>> = const { Cell::new(None) };
}

fn available() -> c_uint {
    std::thread::available_parallelism().map_or(1, |count| c_uint::try_from(count.get()).unwrap_or(1))
}

/// The plugin's argument, to be handed to the threads that it asked for.
#[derive(Clone, Copy)]
struct Argument(*mut c_void);

// SAFETY: the plugin asks for its function to be called with this address on several threads at once;
// the host never follows it.
unsafe impl Send for Argument {}

impl Argument {
    /// Taken by method, so that closures capture the whole and not the bare pointer.
    const fn get(self) -> *mut c_void {
        self.0
    }
}

unsafe extern "C" fn multi_thread(
    function: OfxThreadFunctionV1,
    threads: c_uint,
    argument: *mut c_void,
) -> OfxStatus {
    let checked = serve("multiThread", |_| match (function, INDEX.get()) {
        (None, _) => Err(null("func")),
        (_, Some(_)) => Err(refuse(kOfxStatErrExists)),
        _ => Ok(()),
    });
    let (Some(function), true) = (function, checked == kOfxStatOK) else { return checked };
    let most = if threads == 0 { available() } else { threads };
    let (argument, call) = (Argument(argument), calls::on_this_thread());
    std::thread::scope(|scope| {
        for at in 0..most {
            let call = call.clone();
            scope.spawn(move || {
                let _entered = call.map(Entered::new);
                INDEX.set(Some(at));
                // SAFETY: the plugin's own function with the plugin's own argument, as it asked; the
                // standard obliges it to be callable on several threads.
                unsafe { function(at, most, argument.get()) };
            });
        }
    });
    kOfxStatOK
}

unsafe extern "C" fn processors(count: *mut c_uint) -> OfxStatus {
    // SAFETY: the standard wants a place for one number.
    serve("multiThreadNumCPUs", |_| unsafe { give(count, available(), "nCPUs") })
}

unsafe extern "C" fn index(place: *mut c_uint) -> OfxStatus {
    // SAFETY: the standard wants a place for one number.
    serve("multiThreadIndex", |_| unsafe { give(place, INDEX.get().unwrap_or(0), "threadIndex") })
}

unsafe extern "C" fn is_spawned() -> c_int {
    c_int::from(INDEX.get().is_some())
}

unsafe extern "C" fn create(place: *mut OfxMutexHandle, locks: c_int) -> OfxStatus {
    serve("mutexCreate", |world| {
        let handle = world.handles.give(Sort::Mutex);
        // SAFETY: the standard wants a place for one handle.
        unsafe { give(place, handle.as_ptr(), "mutex")? };
        let mutex = HostMutex::default();
        (0..locks).for_each(|_| mutex.lock());
        world.mutexes.insert(handle, Arc::new(mutex));
        Ok(())
    })
}

unsafe extern "C" fn destroy(mutex: OfxMutexHandle) -> OfxStatus {
    serve("mutexDestroy", |world| {
        let handle = Handle::from_ptr(mutex);
        let Some(mutex) = world.mutexes.remove(&handle) else {
            return Err(world.bad_handle(handle, "mutex"));
        };
        world.handles.retire(handle);
        if mutex.is_locked() {
            world.report(ViolationKind::MutexMisused, "mutexDestroy", "destroyed while locked");
        }
        Ok(())
    })
}

/// Finds a mutex and works on it outside the world's lock, as locking may wait.
fn with(call: &'static str, mutex: OfxMutexHandle, work: impl FnOnce(&HostMutex) -> Answer) -> OfxStatus {
    let mut found = None;
    let status = serve(call, |world| {
        let handle = Handle::from_ptr(mutex);
        found = world.mutexes.get(&handle).cloned();
        found.as_ref().map(|_| ()).ok_or_else(|| world.bad_handle(handle, "mutex"))
    });
    let (Some(mutex), Some(host)) = (found, host::current()) else { return status };
    let answer = work(&mutex);
    status_of(&mut host.world.lock(), call, answer)
}

unsafe extern "C" fn lock(mutex: OfxMutexHandle) -> OfxStatus {
    with("mutexLock", mutex, |mutex| {
        mutex.lock();
        Ok(())
    })
}

unsafe extern "C" fn unlock(mutex: OfxMutexHandle) -> OfxStatus {
    with("mutexUnLock", mutex, |mutex| {
        let not_held = || {
            fault(ViolationKind::MutexMisused, kOfxStatFailed, "unlocked by a thread that does not hold it")
        };
        mutex.unlock().then_some(()).ok_or_else(not_held)
    })
}

unsafe extern "C" fn try_lock(mutex: OfxMutexHandle) -> OfxStatus {
    with("mutexTryLock", mutex, |mutex| if mutex.try_lock() { Ok(()) } else { Err(refuse(kOfxStatFailed)) })
}
