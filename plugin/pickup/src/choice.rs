//! What a frame without a take shows: the order in which a render serves, as one table.

use crate::footage::Look;
use crate::role::Role;

/// What is known about a frame that no open take covers.
#[derive(Clone, Copy, Debug)]
pub struct Situation {
    /// Which plugin.
    pub role: Role,
    /// What the source shows there.
    pub look: Look,
    /// Whether the user's span covers it; `None` while no span is set.
    pub user_span: Option<bool>,
    /// Whether the instance has a take, for other frames.
    pub has_take: bool,
    /// Whether a take is named for this frame, but cannot be shown.
    pub broken_take: bool,
    /// Whether this render may generate.
    pub may_generate: bool,
}

/// What a frame shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Choice {
    /// The source, bit for bit; nothing where there is none.
    Source,
    /// The take, made first.
    Generate,
    /// A slate.
    Slate,
}

impl Situation {
    /// What the frame shows.
    #[must_use]
    pub fn choose(&self) -> Choice {
        let hole = matches!(self.look, Look::Missing | Look::Transparent);
        let named = self.broken_take || self.user_span.is_some();
        let plain = matches!(self.look, Look::Constant(_));
        let inside = self.is_inside(hole || plain);
        match inside {
            false if self.role == Role::Generate => Choice::Slate,
            false => Choice::Source,
            // Frames are never made for a gap that nobody named: black before a shot may be meant.
            true if self.may_generate && self.user_span == Some(true) => Choice::Generate,
            true if self.role == Role::Generate || hole => Choice::Slate,
            // A plain colour is a gap only where somebody said so: elsewhere it is a fade or a title card.
            true if named && plain => Choice::Slate,
            true => Choice::Source,
        }
    }

    fn is_inside(&self, empty: bool) -> bool {
        match self.user_span {
            _ if self.broken_take => true,
            Some(covers) => covers,
            None => !self.has_take && empty,
        }
    }
}

/// Whether a frame is the source's for certain, without looking at it.
#[must_use]
pub fn is_source(user_span: Option<bool>, take_elsewhere: bool) -> bool {
    match user_span {
        Some(covers) => !covers,
        None => take_elsewhere,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::footage::Colour;

    const CONSTANT: Look = Look::Constant(Colour([0; 3]));

    fn filter(look: Look) -> Situation {
        Situation {
            role: Role::Fill,
            look,
            user_span: None,
            has_take: false,
            broken_take: false,
            may_generate: false,
        }
    }

    #[test]
    fn outside_of_the_span_is_the_source_whatever_it_shows() {
        for look in [Look::Missing, Look::Transparent, CONSTANT, Look::Picture] {
            let outside = Situation { user_span: Some(false), may_generate: true, ..filter(look) };
            assert_eq!(outside.choose(), Choice::Source);
            let elsewhere = Situation { has_take: true, may_generate: true, ..filter(look) };
            assert_eq!(elsewhere.choose(), Choice::Source);
        }
    }

    #[test]
    fn inside_the_source_if_there_is_picture_else_the_slate() {
        let inside = |look| Situation { user_span: Some(true), ..filter(look) }.choose();
        assert_eq!(inside(Look::Picture), Choice::Source);
        assert_eq!(inside(CONSTANT), Choice::Slate);
        assert_eq!(inside(Look::Missing), Choice::Slate);
        assert_eq!(inside(Look::Transparent), Choice::Slate);
    }

    #[test]
    fn without_a_span_a_fade_to_black_is_left_alone() {
        assert_eq!(filter(CONSTANT).choose(), Choice::Source);
        assert_eq!(filter(Look::Picture).choose(), Choice::Source);
        assert_eq!(filter(Look::Missing).choose(), Choice::Slate);
    }

    #[test]
    fn generating_happens_only_where_it_may_and_only_in_a_named_span() {
        let may = |situation: Situation| Situation { may_generate: true, ..situation }.choose();
        assert_eq!(may(filter(CONSTANT)), Choice::Source, "nobody named a span");
        assert_eq!(may(filter(Look::Missing)), Choice::Slate, "nobody named a span");
        assert_eq!(may(filter(Look::Picture)), Choice::Source);
        assert_eq!(may(Situation { user_span: Some(true), ..filter(Look::Picture) }), Choice::Generate);
        let generator =
            |covers| Situation { role: Role::Generate, user_span: Some(covers), ..filter(Look::Missing) };
        assert_eq!(may(generator(true)), Choice::Generate);
        assert_eq!(may(generator(false)), Choice::Slate);
        assert_eq!(generator(true).choose(), Choice::Slate);
    }

    #[test]
    fn a_take_that_cannot_be_shown_is_told_where_there_is_no_picture() {
        let broken = |look| Situation { broken_take: true, has_take: true, ..filter(look) }.choose();
        assert_eq!(broken(Look::Missing), Choice::Slate);
        assert_eq!(broken(CONSTANT), Choice::Slate);
        assert_eq!(broken(Look::Picture), Choice::Source);
    }

    #[test]
    fn what_is_called_identity_is_never_anything_else_in_a_render() {
        for user_span in [None, Some(false), Some(true)] {
            for has_take in [false, true] {
                for look in [Look::Missing, Look::Transparent, CONSTANT, Look::Picture] {
                    for may_generate in [false, true] {
                        let situation = Situation { user_span, has_take, may_generate, ..filter(look) };
                        if is_source(user_span, has_take) {
                            assert_eq!(situation.choose(), Choice::Source);
                        }
                    }
                }
            }
        }
    }
}
