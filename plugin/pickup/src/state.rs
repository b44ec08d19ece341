//! What a project keeps of an instance: which take it shows, and on which frames.

use pickup_core::TakeId;
use serde::{Deserialize, Serialize};

use crate::span::FrameSpan;

/// The version that is written, and the newest that is understood.
const VERSION: u32 = 1;

/// The value of the hidden `takeState` parameter, as JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TakeState {
    version: u32,
    /// The take.
    pub take: TakeId,
    /// Hash of the parameters that it was made with.
    pub request: String,
    /// The frames it stands for, in the host's frame numbers.
    pub span: FrameSpan,
}

/// What was found in the parameter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stored {
    /// Nothing yet.
    Nothing,
    /// A take.
    Take(TakeState),
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
    /// The state of a new take.
    #[must_use]
    pub fn new(take: TakeId, request: String, span: FrameSpan) -> Self {
        Self { version: VERSION, take, request, span }
    }

    /// As the parameter holds it.
    #[must_use]
    pub fn to_text(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
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
            Ok(_) => serde_json::from_str(text).map_or(Self::Unreadable, Self::Take),
            Err(_) => Self::Unreadable,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state() -> TakeState {
        TakeState::new(TakeId::of(b"take"), "hash".into(), FrameSpan { first: 40, last: 52 })
    }

    #[test]
    fn what_is_written_is_read_and_names_its_version() {
        let text = state().to_text();
        assert!(text.starts_with(r#"{"version":1,"take":""#), "{text}");
        assert_eq!(Stored::read(&text), Stored::Take(state()));
    }

    #[test]
    fn newer_is_told_apart_from_damaged() {
        assert_eq!(Stored::read(r#"{"version":2,"takes":["a","b"]}"#), Stored::Newer(2));
        assert_eq!(Stored::read(r#"{"version":1,"take":"../../etc"}"#), Stored::Unreadable);
        assert_eq!(Stored::read("not json"), Stored::Unreadable);
        assert_eq!(Stored::read(" "), Stored::Nothing);
    }
}
