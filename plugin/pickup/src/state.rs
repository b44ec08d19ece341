//! What a project keeps of an instance: its takes, which of them it shows, and on which frames.

use pickup_core::{Quality, TakeId};
use pickup_takes::Placement;
use serde::{Deserialize, Serialize};

use crate::footage::FrameSpan;

/// The version that is written, and the newest that is understood. Version 1 knew one take.
const VERSION: u32 = 2;

/// Most takes that a project keeps of an instance; the oldest go first.
const MOST_TAKES: usize = 32;

/// One take, as a project knows it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TakeNote {
    /// The take.
    pub take: TakeId,
    /// Hash of the parameters that it was made with.
    pub request: String,
    /// The frames it stands for, in the host's frame numbers.
    pub span: FrameSpan,
    /// Hash of what was asked for, whatever the seed and the quality. Takes of one task are alternatives.
    #[serde(default)]
    pub task: String,
    /// Seed of the noise.
    #[serde(default)]
    pub seed: u64,
    /// Draft or final.
    #[serde(default)]
    pub quality: Quality,
    /// Where the source's picture lies in the frames, if not in its place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub placement: Option<Placement>,
}

/// The value of the hidden `takeState` parameter, as JSON.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TakeState {
    version: u32,
    /// The take that is shown.
    #[serde(flatten)]
    pub shown: TakeNote,
    /// The take that stays, whatever is made next.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    kept: Option<TakeId>,
    /// All takes, the newest last.
    #[serde(default)]
    takes: Vec<TakeNote>,
}

/// What was found in the parameter.
#[derive(Clone, Debug, PartialEq)]
pub enum Stored {
    /// Nothing yet.
    Nothing,
    /// Takes.
    Take(Box<TakeState>),
    /// Written by a newer version: not understood, and never overwritten.
    Newer(u64),
    /// Not ours, or damaged.
    Unreadable,
}

#[derive(Deserialize)]
struct Versioned {
    version: u64,
}

impl TakeState {
    /// The state of a first take.
    #[must_use]
    pub fn new(take: TakeNote) -> Self {
        Self { version: VERSION, shown: take.clone(), kept: None, takes: vec![take] }
    }

    /// The state with a new take, which is shown unless another one is kept.
    #[must_use]
    pub fn with(mut self, take: TakeNote) -> Self {
        match self.takes.iter_mut().find(|known| known.take == take.take) {
            Some(known) => *known = take.clone(),
            None => self.takes.push(take.clone()),
        }
        if self.kept.is_none() {
            self.shown = take;
        }
        let needed = [Some(self.shown.take), self.kept];
        while self.takes.len() > MOST_TAKES {
            let oldest = self.takes.iter().position(|known| !needed.contains(&Some(known.take)));
            self.takes.remove(oldest.unwrap_or(0));
        }
        self
    }

    /// The takes that are alternatives to the one that is shown, itself among them, the oldest first.
    fn alternatives(&self) -> impl Iterator<Item = &TakeNote> {
        let shown = &self.shown;
        self.takes.iter().filter(|take| {
            take.take == shown.take
                || (take.task == shown.task && !take.task.is_empty() && take.span == shown.span)
        })
    }

    /// The newest take that was made with settings of this hash.
    #[must_use]
    pub fn made_with(&self, request: &str) -> Option<&TakeNote> {
        self.takes.iter().rev().find(|take| take.request == request)
    }

    /// Which of how many alternatives is shown, counted from 1.
    #[must_use]
    pub fn place(&self) -> (usize, usize) {
        let index = self.alternatives().position(|take| take.take == self.shown.take);
        (index.map_or(1, |index| index + 1), self.alternatives().count().max(1))
    }

    /// Shows the alternative of a number, counted from 1; the last one for a number beyond.
    pub fn step_to(&mut self, number: i32) {
        let index = usize::try_from(number - 1).unwrap_or(0);
        let last = self.alternatives().count().saturating_sub(1);
        let wanted = self.alternatives().nth(index.min(last)).cloned();
        if let Some(take) = wanted {
            self.shown = take;
        }
    }

    /// Whether the shown take stays, whatever is made next.
    #[must_use]
    pub fn is_kept(&self) -> bool {
        self.kept == Some(self.shown.take)
    }

    /// Lets the shown take stay, or go if it stayed.
    pub fn toggle_kept(&mut self) {
        self.kept = if self.is_kept() { None } else { Some(self.shown.take) };
    }

    /// As the parameter holds it.
    #[must_use]
    pub fn to_text(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// As this version would have written it.
    fn renewed(mut self) -> Self {
        self.version = VERSION;
        if !self.takes.iter().any(|take| take.take == self.shown.take) {
            self.takes.push(self.shown.clone());
        }
        self
    }
}

impl Stored {
    /// Reads the parameter's value.
    #[must_use]
    pub fn read(text: &str) -> Self {
        if text.trim().is_empty() {
            return Self::Nothing;
        }
        match serde_json::from_str::<Versioned>(text).map(|state| state.version) {
            Ok(version) if version > u64::from(VERSION) => Self::Newer(version),
            Ok(_) => serde_json::from_str(text)
                .map_or(Self::Unreadable, |state: TakeState| Self::Take(Box::new(state.renewed()))),
            Err(_) => Self::Unreadable,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn note(name: &str) -> TakeNote {
        TakeNote {
            take: TakeId::of(name.as_bytes()),
            request: format!("request {name}"),
            span: FrameSpan { first: 40, last: 52 },
            task: "task".into(),
            seed: 3,
            quality: Quality::Draft,
            placement: None,
        }
    }

    #[test]
    fn what_is_written_is_read_and_names_its_version() {
        let state = TakeState::new(note("a")).with(note("b"));
        let text = state.to_text();
        assert!(text.starts_with(r#"{"version":2,"take":""#), "{text}");
        assert_eq!(Stored::read(&text), Stored::Take(Box::new(state)));
    }

    #[test]
    fn a_state_of_the_first_version_is_one_take() {
        let id = TakeId::of(b"take");
        let text =
            format!(r#"{{"version":1,"take":"{id}","request":"hash","span":{{"first":40,"last":52}}}}"#);
        let Stored::Take(state) = Stored::read(&text) else { panic!("{text}") };
        assert_eq!((state.shown.take, state.shown.span.last, state.place()), (id, 52, (1, 1)));
        assert_eq!(state.clone().with(note("b")).place(), (1, 1), "another task is no alternative");
    }

    #[test]
    fn newer_is_told_apart_from_damaged() {
        assert_eq!(Stored::read(r#"{"version":3,"takes":["a","b"]}"#), Stored::Newer(3));
        assert_eq!(Stored::read(r#"{"version":1,"take":"../../etc"}"#), Stored::Unreadable);
        assert_eq!(Stored::read("not json"), Stored::Unreadable);
        assert_eq!(Stored::read(" "), Stored::Nothing);
    }

    #[test]
    fn takes_are_stepped_through_and_one_can_be_kept() {
        let mut state = TakeState::new(note("a")).with(note("b")).with(note("c"));
        assert_eq!((state.shown.clone(), state.place()), (note("c"), (3, 3)));
        state.step_to(1);
        assert_eq!((state.shown.clone(), state.place()), (note("a"), (1, 3)));
        state.step_to(99);
        assert_eq!(state.place(), (3, 3));
        assert_eq!(state.clone().with(note("a")).place(), (1, 3), "made again, it stays where it was");
        state.step_to(2);
        state.toggle_kept();
        let mut state = state.with(note("d"));
        assert!(state.is_kept());
        assert_eq!((state.shown.clone(), state.place()), (note("b"), (2, 4)));
        state.toggle_kept();
        assert_eq!(state.with(note("e")).shown, note("e"));
    }

    #[test]
    fn another_task_s_takes_stay_out_of_the_way_and_the_oldest_are_forgotten() {
        let other = TakeNote { task: "other".into(), ..note("z") };
        let state = TakeState::new(note("a")).with(other.clone());
        assert_eq!((state.shown.clone(), state.place()), (other, (1, 1)));
        let state = state.with(note("b"));
        assert_eq!(state.place(), (2, 2));
        let mut kept = TakeState::new(note("first"));
        kept.toggle_kept();
        let many = (0..100).fold(kept, |state, index| state.with(note(&index.to_string())));
        assert_eq!(many.takes.len(), MOST_TAKES);
        assert_eq!(many.shown, note("first"), "kept");
        assert!(many.to_text().len() < 16_384);
    }
}
