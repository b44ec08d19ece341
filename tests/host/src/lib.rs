//! A strict OpenFX host for tests.
//!
//! It loads a bundle through its C entry points alone, knows nothing of how the plugin is made, renders
//! a described timeline ([`Plan`]) to images, and reports ([`Report`]) what happened and every rule of
//! the standard that it saw broken. `README.md` documents both files.
//!
//! ```no_run
//! use pickup_test_host::{Plan, run};
//!
//! let plan = Plan::read("plan.json".as_ref())?;
//! let report = run(&plan)?;
//! assert!(report.violations.is_empty(), "{:#?}", report.violations);
//! # Ok::<(), pickup_test_host::HostError>(())
//! ```
//!
//! The way of a run: [`session`](self) orders the actions; `host` calls them and looks at what each left
//! behind; `world` holds every object that the plugin has a handle of; `ffi` is the C side; `media`
//! reads sources and writes results.

mod ffi;
mod host;
mod images;
mod media;
mod names;
pub mod plan;
pub mod profile;
pub mod report;
mod session;
mod system;
pub mod violation;
mod world;

use std::sync::Arc;

pub use plan::Plan;
pub use profile::Profile;
pub use report::Report;
pub use violation::{Violation, ViolationKind};

/// Why a run could not take place.
#[derive(Debug, thiserror::Error)]
pub enum HostError {
    /// The plan cannot be followed.
    #[error("plan: {0}")]
    Plan(String),
    /// The bundle cannot be loaded.
    #[error("bundle: {0}")]
    Bundle(String),
    /// A source cannot be read, or a result not written.
    #[error("media: {0}")]
    Media(String),
}

/// What happens while a plan runs.
#[derive(Clone, Copy, Debug)]
pub enum Event<'a> {
    /// A step begins.
    Step {
        /// From 0.
        index: usize,
        /// Number of steps.
        of: usize,
        /// The step as in the plan.
        step: &'a str,
    },
    /// The plugin showed progress.
    Progress {
        /// Fraction done, 0..=1.
        fraction: f64,
    },
    /// The plugin began to show progress, or said something.
    Text {
        /// The text.
        text: &'a str,
    },
    /// A frame was rendered.
    Frame {
        /// Frames rendered in this step.
        done: usize,
        /// Frames to render in this step.
        of: usize,
    },
}

/// Hears what happens; called from any thread, within the plugin's own calls.
pub type Listener = Arc<dyn Fn(&Event<'_>) + Send + Sync>;

/// Runs a plan in this process. Runs in one process take turns.
///
/// # Errors
/// [`HostError`] when the plan, the bundle or a source cannot be used at all; what the plugin does
/// wrong is in the report.
pub fn run(plan: &Plan) -> Result<Report, HostError> {
    run_with(plan, Arc::new(|_| {}))
}

/// As [`run`], telling `listener` what happens meanwhile.
///
/// # Errors
/// As [`run`].
pub fn run_with(plan: &Plan, listener: Listener) -> Result<Report, HostError> {
    session::run(plan, listener)
}
