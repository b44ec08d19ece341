//! The two plugins of this library, and what tells them apart.

use pickup_ofx::Context;

/// Which of the two plugins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Works on a clip: fills its gap, extends it.
    Fill,
    /// Makes a clip from text and references.
    Generate,
}

impl Role {
    /// The name in the host's menu.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Fill => "Pickup",
            Self::Generate => "Pickup Generate",
        }
    }

    /// A few sentences for the user.
    #[must_use]
    pub fn description(self) -> &'static str {
        match self {
            Self::Fill => {
                "Fills a gap between two shots, or extends a shot, with frames that a video model makes on this \
                 machine. Put it on a clip that spans the gap and press Generate."
            }
            Self::Generate => {
                "Makes a shot from text and reference pictures with a video model on this machine. Describe it and \
                 press Generate."
            }
        }
    }

    /// The contexts it supports. General and Transition have their place here.
    #[must_use]
    pub fn contexts(self) -> &'static [Context] {
        match self {
            Self::Fill => &[Context::Filter],
            Self::Generate => &[Context::Generator],
        }
    }
}
