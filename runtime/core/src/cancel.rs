//! A cancel that is heard at any moment.

use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::{Error, Result};

type Hook = Box<dyn Fn() + Send + Sync>;

/// A shared flag with hooks: whoever runs something that cannot poll the flag (a graph inside
/// ONNX Runtime, say) registers a hook that stops it.
#[derive(Clone, Default)]
pub struct Cancel(Arc<Inner>);

#[derive(Default)]
struct Inner {
    raised: AtomicBool,
    next_key: AtomicU64,
    hooks: Mutex<Vec<(u64, Hook)>>,
}

impl Cancel {
    /// A token that nobody has raised yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Raises the flag and calls every hook. Calling it again does nothing more.
    pub fn cancel(&self) {
        if !self.0.raised.swap(true, Ordering::SeqCst) {
            for (_, hook) in self.0.hooks.lock().iter() {
                hook();
            }
        }
    }

    /// Whether the flag is raised.
    pub fn is_cancelled(&self) -> bool {
        self.0.raised.load(Ordering::SeqCst)
    }

    /// `Err` of kind [`ErrorKind::Cancelled`](crate::ErrorKind::Cancelled) once the flag is raised.
    pub fn check(&self) -> Result<()> {
        if self.is_cancelled() { Err(Error::cancelled()) } else { Ok(()) }
    }

    /// Calls `hook` when the flag is raised, at once if it already is, until the watch is dropped.
    /// The hook must not register or drop watches itself.
    pub fn watch(&self, hook: impl Fn() + Send + Sync + 'static) -> CancelWatch {
        let key = self.0.next_key.fetch_add(1, Ordering::Relaxed);
        let mut hooks = self.0.hooks.lock();
        // Checked under the lock: a cancel between the check and the push would lose the hook.
        if self.is_cancelled() {
            hook();
        }
        hooks.push((key, Box::new(hook)));
        CancelWatch { inner: self.0.clone(), key }
    }
}

/// Keeps a hook of [`Cancel::watch`] registered until it is dropped.
#[must_use = "the hook is taken back when the watch is dropped"]
pub struct CancelWatch {
    inner: Arc<Inner>,
    key: u64,
}

impl Drop for CancelWatch {
    fn drop(&mut self) {
        self.inner.hooks.lock().retain(|(key, _)| *key != self.key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicUsize;

    #[test]
    fn hooks_run_once_and_late_ones_at_once() {
        let calls = Arc::new(AtomicUsize::new(0));
        let count = || {
            let calls = calls.clone();
            move || {
                calls.fetch_add(1, Ordering::SeqCst);
            }
        };
        let cancel = Cancel::new();
        drop(cancel.watch(count()));
        let _kept = cancel.watch(count());
        assert!(cancel.check().is_ok());
        cancel.cancel();
        cancel.cancel();
        assert_eq!(calls.load(Ordering::SeqCst), 1, "a dropped watch is not called, a kept one once");
        let _late = cancel.watch(count());
        assert_eq!(calls.load(Ordering::SeqCst), 2);
        assert_eq!(cancel.check().unwrap_err().kind, crate::ErrorKind::Cancelled);
    }
}
