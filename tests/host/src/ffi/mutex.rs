//! Mutexes of the multithread suite: recursive, and aware of their owner.

use std::thread::ThreadId;

use parking_lot::{Condvar, Mutex};

/// A recursive mutex without a guard, as C wants it.
#[derive(Debug, Default)]
pub struct HostMutex {
    state: Mutex<(Option<ThreadId>, usize)>,
    freed: Condvar,
}

impl HostMutex {
    /// Locks, waiting for other threads.
    pub fn lock(&self) {
        let mut state = self.state.lock();
        while !can_take(&state) {
            self.freed.wait(&mut state);
        }
        take(&mut state);
    }

    /// Locks if no other thread holds it.
    pub fn try_lock(&self) -> bool {
        let mut state = self.state.lock();
        let free = can_take(&state);
        if free {
            take(&mut state);
        }
        free
    }

    /// Unlocks once; false when this thread does not hold it.
    pub fn unlock(&self) -> bool {
        let mut state = self.state.lock();
        if state.0 != Some(std::thread::current().id()) {
            return false;
        }
        state.1 -= 1;
        if state.1 == 0 {
            state.0 = None;
            self.freed.notify_one();
        }
        true
    }

    /// Whether some thread holds it.
    #[must_use]
    pub fn is_locked(&self) -> bool {
        self.state.lock().0.is_some()
    }
}

fn can_take(state: &(Option<ThreadId>, usize)) -> bool {
    state.0.is_none_or(|owner| owner == std::thread::current().id())
}

fn take(state: &mut (Option<ThreadId>, usize)) {
    *state = (Some(std::thread::current().id()), state.1 + 1);
}
