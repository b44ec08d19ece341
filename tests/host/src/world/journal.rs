//! What happened during a step: progress, messages, the plugin's own edits, and the host's cancel.

use std::time::Instant;

use crate::plan::CancelAfter;
use crate::report::{EditReport, MessageReport, ProgressEvent, ProgressReport};

/// The record of one step.
#[derive(Debug)]
pub struct Journal {
    /// When the step began.
    pub began: Instant,
    /// When to cancel.
    pub cancel_after: Option<CancelAfter>,
    /// When the plugin was first told to stop.
    pub cancelled: Option<Instant>,
    /// Progress calls.
    pub progress: Vec<ProgressReport>,
    /// Messages.
    pub messages: Vec<MessageReport>,
    /// The plugin's own edits.
    pub edits: Vec<EditReport>,
    /// The highest fraction seen.
    reached: f64,
    /// How often the plugin asked whether to stop.
    asked: u64,
}

impl Default for Journal {
    fn default() -> Self {
        Self::new(None)
    }
}

impl Journal {
    /// A record that begins now.
    #[must_use]
    pub fn new(cancel_after: Option<CancelAfter>) -> Self {
        Self {
            began: Instant::now(),
            cancel_after,
            cancelled: None,
            progress: Vec::new(),
            messages: Vec::new(),
            edits: Vec::new(),
            reached: f64::NEG_INFINITY,
            asked: 0,
        }
    }

    /// Seconds since the step began.
    #[must_use]
    pub fn seconds(&self) -> f64 {
        self.began.elapsed().as_secs_f64()
    }

    /// Whether the plugin is to stop; remembers when it was first told.
    pub fn asks_to_stop(&mut self) -> bool {
        self.asked += 1;
        let due = match self.cancel_after {
            None => false,
            Some(CancelAfter::Progress(fraction)) => self.reached >= fraction,
            Some(CancelAfter::Seconds(seconds)) => self.seconds() >= seconds,
            Some(CancelAfter::Asked(times)) => self.asked > times,
        };
        if due {
            self.cancelled.get_or_insert_with(Instant::now);
        }
        due
    }

    /// Notes a call of the progress suite; says whether the plugin is to stop.
    pub fn progressed(&mut self, event: ProgressEvent) -> bool {
        if let ProgressEvent::Update(fraction) = event {
            self.reached = self.reached.max(fraction);
        }
        let cancel = matches!(event, ProgressEvent::Update(_)) && self.asks_to_stop();
        self.progress.push(ProgressReport { seconds: self.seconds(), event, cancel });
        cancel
    }
}
