//! How far a job is, on stderr.

use indicatif::{ProgressBar, ProgressStyle};
use pickup_core::{Event, Phase, Progress};
use std::io::IsTerminal;

use crate::console::note;

/// Steps of the bar.
const RESOLUTION: u64 = 1000;

/// A bar on a terminal, plain lines elsewhere.
pub(crate) enum Display {
    Bar(ProgressBar),
    Lines { last: Option<(Phase, u32)> },
}

impl Display {
    pub(crate) fn new() -> Self {
        if !std::io::stderr().is_terminal() {
            return Self::Lines { last: None };
        }
        let bar = ProgressBar::new(RESOLUTION);
        if let Ok(style) = ProgressStyle::with_template("{bar:32} {percent:>3}%  {msg}") {
            bar.set_style(style);
        }
        bar.set_message("Starting");
        Self::Bar(bar)
    }

    /// Shows an event.
    pub(crate) fn show(&mut self, event: &Event) {
        match (event, self) {
            (Event::Progress(progress), Self::Bar(bar)) => {
                bar.set_position((f64::from(progress.fraction) * RESOLUTION as f64) as u64);
                bar.set_message(progress.line());
            }
            (Event::Progress(progress), Self::Lines { last }) => line(progress, last),
            (Event::Warning(warning), Self::Bar(bar)) => bar.suspend(|| note(&format!("warning: {warning}"))),
            (Event::Warning(warning), Self::Lines { .. }) => note(&format!("warning: {warning}")),
        }
    }

    /// Takes the bar away.
    pub(crate) fn finish(&self) {
        if let Self::Bar(bar) = self {
            bar.finish_and_clear();
        }
    }
}

/// A line for every phase, and within it for every tenth of the job.
fn line(progress: &Progress, last: &mut Option<(Phase, u32)>) {
    let now = (progress.phase, (progress.fraction * 10.0) as u32);
    if last.replace(now) != Some(now) {
        note(&format!("{:3.0}%  {}", progress.fraction * 100.0, progress.line()));
    }
}
