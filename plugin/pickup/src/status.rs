//! The status line: one line that says what happened and what it was made of.

use pickup_core::protocol::Estimate;
use pickup_core::{Error, Progress, TakeId};

use crate::footage::FrameSpan;
use crate::state::TakeState;
use crate::texts::{line, words};

/// What a finished job is told by.
#[derive(Clone, Debug)]
pub struct Summary {
    /// The take.
    pub take: TakeId,
    /// It was there already.
    pub reused: bool,
    /// It was made in few steps, to see where it goes.
    pub draft: bool,
    /// Name of the model package.
    pub model: String,
    /// The provider that really ran.
    pub provider: String,
    /// Frames in the take.
    pub frames: i64,
    /// Denoising steps that it was made in.
    pub steps: u32,
    /// How long it took, in seconds.
    pub seconds: f64,
    /// What the user must see.
    pub warnings: Vec<String>,
}

/// Ids of the lines, and of the words of progress bars.
#[cfg(test)]
pub const IDS: [&str; 23] = [
    "statusTake",
    "statusDraft",
    "statusPlace",
    "statusMade",
    "statusSeconds",
    "statusReused",
    "statusOtherKept",
    "statusChosen",
    "statusStays",
    "statusFound",
    "statusCost",
    "statusAsked",
    "statusNoTime",
    "statusSomeTime",
    "statusUnknownTime",
    "statusNoted",
    "statusNothingToNote",
    "statusSame",
    "statusStale",
    "statusCancelled",
    "statusFailed",
    "barGathering",
    "barPhase",
];

impl Summary {
    /// `Take 3f2a91bc · starter · CPU · 14 frames in 10 steps · 6.2 s`, and the warnings behind it. Says which of
    /// how many alternatives it is, and whether another one stays.
    #[must_use]
    pub fn line(&self, state: &TakeState) -> String {
        let counted = |count: i64, what: &str| format!("{count} {what}{}", if count == 1 { "" } else { "s" });
        let seconds = format!("{:.1}", self.seconds);
        let time = match self.reused {
            true => line("statusReused", &[]),
            false => line("statusSeconds", &[("seconds", &seconds)]),
        };
        let id = if self.draft { "statusDraft" } else { "statusTake" };
        let mut name = line(id, &[("take", &self.take.short())]);
        if state.shown.take == self.take && state.place().1 > 1 {
            name += &place(state);
        }
        let mut made = line(
            "statusMade",
            &[
                ("name", &name),
                ("model", &self.model),
                ("provider", &self.provider),
                ("frames", &counted(self.frames, "frame")),
                ("steps", &counted(self.steps.into(), "step")),
                ("time", &time),
            ],
        );
        if state.shown.take != self.take {
            made += &line("statusOtherKept", &[("take", &state.shown.take.short())]);
        }
        for warning in &self.warnings {
            made += &format!(" · {warning}");
        }
        made
    }
}

fn place(state: &TakeState) -> String {
    let (number, count) = state.place();
    line("statusPlace", &[("number", &number), ("count", &count)])
}

/// The line after another take was chosen, or one was kept or let go.
#[must_use]
pub fn chosen(state: &TakeState) -> String {
    let stays = if state.is_kept() { line("statusStays", &[]) } else { String::new() };
    line("statusChosen", &[("take", &state.shown.take.short()), ("place", &place(state))]) + &stays
}

/// The line after a gap was found.
#[must_use]
pub fn found(gap: FrameSpan) -> String {
    line("statusFound", &[("gap", &gap)])
}

/// The line that says what a job would cost.
#[must_use]
pub fn cost(estimate: &Estimate) -> String {
    let time = match estimate.seconds {
        Some(seconds) => line("statusSomeTime", &[("seconds", &format!("{seconds:.0}"))]),
        None => line("statusUnknownTime", &[]),
    };
    line(
        "statusCost",
        &[
            ("time", &time),
            ("memory", &format!("{:.1}", estimate.memory.peak() as f64 / 1e9)),
            ("provider", &estimate.provider.label()),
            ("steps", &estimate.steps),
            ("width", &estimate.model_width),
            ("height", &estimate.model_height),
        ],
    )
}

/// The line that says that a job would cost nothing.
#[must_use]
pub fn made_before(take: &TakeId) -> String {
    line("statusNoTime", &[("take", &take.short())])
}

/// The line after a setting was changed.
#[must_use]
pub fn stale(take: &TakeId, same: bool) -> String {
    line(if same { "statusSame" } else { "statusStale" }, &[("take", &take.short())])
}

/// The line while a job runs.
#[must_use]
pub fn running(progress: &Progress) -> String {
    progress.line()
}

/// The line after the job of a button, given by its id, failed.
#[must_use]
pub fn failed(button: &str, error: &Error) -> String {
    match error.kind {
        pickup_core::ErrorKind::Cancelled => line("statusCancelled", &[("button", &words(button).label)]),
        _ => line("statusFailed", &[("error", &error.line())]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::TakeNote;
    use pickup_core::{MemoryPlan, PhaseBytes};

    fn note(name: &[u8]) -> TakeNote {
        TakeNote {
            take: TakeId::of(name),
            request: String::new(),
            span: FrameSpan { first: 1, last: 14 },
            task: "task".into(),
            seed: 0,
            quality: pickup_core::Quality::Final,
            placement: None,
        }
    }

    #[test]
    fn the_line_names_take_model_device_frames_time_and_warnings() {
        let mut summary = Summary {
            take: TakeId::of(b"take"),
            reused: false,
            draft: false,
            model: "starter".into(),
            provider: "CPU".into(),
            frames: 14,
            steps: 10,
            seconds: 6.24,
            warnings: vec!["CUDA is not there, so the CPU was used".into()],
        };
        let short = summary.take.short();
        let state = TakeState::new(note(b"take"));
        assert_eq!(
            summary.line(&state),
            format!(
                "Take {short} · starter · CPU · 14 frames in 10 steps · 6.2 s · CUDA is not there, so the CPU was used"
            )
        );
        summary.reused = true;
        summary.frames = 1;
        summary.steps = 1;
        assert!(summary.line(&state).contains("· 1 frame in 1 step · made before"));
        summary.draft = true;
        let mut several = TakeState::new(note(b"other")).with(note(b"take"));
        assert!(summary.line(&several).starts_with(&format!("Draft take {short} (2 of 2) · starter")));
        several.step_to(1);
        several.toggle_kept();
        let several = several.with(note(b"take"));
        assert!(summary.line(&several).contains("shown stays take"), "{}", summary.line(&several));
        assert!(chosen(&several).contains("(1 of 2) is shown. It stays"));
    }

    #[test]
    fn a_cost_is_told_from_past_runs_and_as_unknown_without_any() {
        let mut estimate = Estimate {
            take: TakeId::of(b"take"),
            exists: false,
            seconds: Some(41.6),
            memory: MemoryPlan {
                in_turn: false,
                tile: None,
                phases: PhaseBytes { denoise: 1_260_000_000, ..PhaseBytes::default() },
                measured: true,
            },
            model_width: 112,
            model_height: 64,
            windows: vec![17],
            steps: 8,
            provider: pickup_core::Provider::Cpu,
        };
        assert_eq!(cost(&estimate), "Generate takes about 42 s, 1.3 GB of memory on CPU, 8 steps at 112×64.");
        estimate.seconds = None;
        assert!(cost(&estimate).contains("has not run here yet"));
        assert!(made_before(&TakeId::of(b"take")).contains("no time"));
    }
}
