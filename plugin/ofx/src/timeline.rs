//! The host's timeline, where it has that suite.
#![expect(unsafe_code, reason = "calls the host's timeline suite")]

use crate::effect::Effect;
use crate::host::suites;
use crate::status::Status;

impl Effect<'_> {
    /// The time on the host's timeline.
    #[must_use]
    pub fn timeline_time(&self) -> Option<f64> {
        let call = suites().ok()?.timeline?.getTime?;
        let mut time = 0.0;
        // SAFETY: the instance is valid during the action; `time` outlives the call.
        let code = unsafe { call(self.raw(), &raw mut time) };
        (Status::from_code(code) == Status::Ok && time.is_finite()).then_some(time)
    }

    /// First and last frame of the host's timeline.
    #[must_use]
    pub fn timeline_bounds(&self) -> Option<(f64, f64)> {
        let call = suites().ok()?.timeline?.getTimeBounds?;
        let (mut first, mut last) = (0.0, 0.0);
        // SAFETY: the instance is valid during the action; both numbers outlive the call.
        let code = unsafe { call(self.raw(), &raw mut first, &raw mut last) };
        let fine =
            Status::from_code(code) == Status::Ok && first.is_finite() && last >= first && last.is_finite();
        fine.then_some((first, last))
    }
}
