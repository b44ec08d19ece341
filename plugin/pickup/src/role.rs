//! The two plugins of this library, and what tells them apart.

use pickup_ofx::Context;

/// Which of the two plugins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Works on clips: fills a gap, extends a shot, makes a part anew.
    Fill,
    /// Makes a clip from text and references.
    Generate,
}

impl Role {
    /// The id of its words.
    #[must_use]
    pub fn text_id(self) -> &'static str {
        match self {
            Self::Fill => "pickup",
            Self::Generate => "pickupGenerate",
        }
    }

    /// The contexts it supports, the preferred one first. Nuke has no generators: there General is one.
    #[must_use]
    pub fn contexts(self) -> &'static [Context] {
        match self {
            Self::Fill => &[Context::Filter, Context::General, Context::Transition],
            Self::Generate => &[Context::Generator, Context::General],
        }
    }
}
