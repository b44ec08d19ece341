//! Work that goes on while the host does.

/// Runs `work` on a thread of its own; here and now where the library might be taken away under it.
pub fn run(name: &str, work: impl FnOnce() + Send + 'static) {
    if pickup_ofx::stay_loaded() {
        // A thread that cannot be had drops what it was to work on, which is heard by those who wait for it.
        let _ = std::thread::Builder::new().name(name.to_owned()).spawn(work);
    } else {
        work();
    }
}
