//! The status line: one line that says what happened and what it was made of.

use pickup_core::{Error, Progress, TakeId};

/// What a finished job is told by.
#[derive(Clone, Debug)]
pub struct Summary {
    /// The take.
    pub take: TakeId,
    /// It was there already.
    pub reused: bool,
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

impl Summary {
    /// `Take 3f2a91bc · starter · CPU · 14 frames in 10 steps · 6.2 s`, and the warnings behind it.
    #[must_use]
    pub fn line(&self) -> String {
        let counted = |count: i64, what: &str| format!("{count} {what}{}", if count == 1 { "" } else { "s" });
        let made = format!("{} in {}", counted(self.frames, "frame"), counted(self.steps.into(), "step"));
        let time = if self.reused { "made before".to_owned() } else { format!("{:.1} s", self.seconds) };
        let mut line =
            format!("Take {} · {} · {} · {made} · {time}", self.take.short(), self.model, self.provider);
        for warning in &self.warnings {
            line += &format!(" · {warning}");
        }
        line
    }
}

/// The line after a setting was changed.
#[must_use]
pub fn stale(take: &TakeId, same: bool) -> String {
    let short = take.short();
    if same {
        format!("Take {short} is what these settings made.")
    } else {
        format!("Take {short} was made with other settings. Press Generate for a new one.")
    }
}

/// The line while a job runs.
#[must_use]
pub fn running(progress: &Progress) -> String {
    progress.line()
}

/// The line after a job failed.
#[must_use]
pub fn failed(error: &Error) -> String {
    match error.kind {
        pickup_core::ErrorKind::Cancelled => {
            "Cancelled. Nothing was kept; press Generate to start again.".to_owned()
        }
        _ => format!("Failed: {}", error.line()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_names_take_model_device_frames_time_and_warnings() {
        let mut summary = Summary {
            take: TakeId::of(b"take"),
            reused: false,
            model: "starter".into(),
            provider: "CPU".into(),
            frames: 14,
            steps: 10,
            seconds: 6.24,
            warnings: vec!["CUDA is not there, so the CPU was used".into()],
        };
        let short = summary.take.short();
        assert_eq!(
            summary.line(),
            format!(
                "Take {short} · starter · CPU · 14 frames in 10 steps · 6.2 s · CUDA is not there, so the CPU was used"
            )
        );
        summary.reused = true;
        summary.frames = 1;
        summary.steps = 1;
        assert!(summary.line().contains("· 1 frame in 1 step · made before"));
    }
}
