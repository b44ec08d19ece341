//! The host's progress bar: version 2, else version 1, else none.
#![expect(unsafe_code, reason = "calls the host's progress suites")]

use crate::effect::Effect;
use crate::host::{Suites, suites};
use crate::property::c_string;
use crate::status::Status;
use std::ffi::c_void;
use std::marker::PhantomData;

/// Whether to go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    /// Go on.
    Continue,
    /// The user cancelled.
    Cancel,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Bar {
    Version1,
    Version2,
}

/// A progress bar that is shown until it is dropped. Without a progress suite it does nothing.
///
/// Belongs to the thread that the host called: it must not leave it.
#[derive(Debug)]
pub struct Progress<'h> {
    instance: *mut c_void,
    bar: Option<Bar>,
    life: PhantomData<&'h ()>,
}

impl<'h> Progress<'h> {
    /// Shows a bar with a label. `id` names what is being done, for hosts that remember a choice to hide it.
    #[must_use]
    pub fn start(effect: Effect<'h>, label: &str, id: &str) -> Self {
        let instance = effect.raw();
        let bar = suites().ok().and_then(|suites| start(suites, instance, label, id));
        Self { instance, bar, life: PhantomData }
    }

    /// Whether the host shows a bar.
    #[must_use]
    pub fn is_shown(&self) -> bool {
        self.bar.is_some()
    }

    /// Moves the bar to `fraction` (0..1), and asks whether the user cancelled.
    #[must_use]
    pub fn update(&self, fraction: f64) -> Flow {
        let Ok(suites) = suites() else { return Flow::Continue };
        let call = match self.bar {
            Some(Bar::Version2) => suites.progress_v2.and_then(|suite| suite.progressUpdate),
            Some(Bar::Version1) => suites.progress_v1.and_then(|suite| suite.progressUpdate),
            None => None,
        };
        // SAFETY: the instance is valid for `'h`, and a bar was started for it.
        let code = call.map(|call| unsafe { call(self.instance, fraction.clamp(0.0, 1.0)) });
        if code.map(Status::from_code) == Some(Status::ReplyNo) { Flow::Cancel } else { Flow::Continue }
    }
}

fn start(suites: &Suites, instance: *mut c_void, label: &str, id: &str) -> Option<Bar> {
    let (label, id) = (c_string(label), c_string(id));
    if let Some(call) = suites.progress_v2.and_then(|suite| suite.progressStart) {
        // SAFETY: the instance is the one the host called with; both texts outlive the call.
        let code = unsafe { call(instance, label.as_ptr(), id.as_ptr()) };
        return (Status::from_code(code) == Status::Ok).then_some(Bar::Version2);
    }
    let call = suites.progress_v1.and_then(|suite| suite.progressStart)?;
    // SAFETY: the instance is the one the host called with; the label outlives the call.
    let code = unsafe { call(instance, label.as_ptr()) };
    (Status::from_code(code) == Status::Ok).then_some(Bar::Version1)
}

impl Drop for Progress<'_> {
    fn drop(&mut self) {
        let Ok(suites) = suites() else { return };
        let call = match self.bar {
            Some(Bar::Version2) => suites.progress_v2.and_then(|suite| suite.progressEnd),
            Some(Bar::Version1) => suites.progress_v1.and_then(|suite| suite.progressEnd),
            None => None,
        };
        if let Some(call) = call {
            // SAFETY: the instance is valid for `'h`, and a bar was started for it and not ended yet.
            unsafe { call(self.instance) };
        }
    }
}
