//! Which known frames are encoded together, and where in the latent they are held.

use std::ops::Range;

/// Latent frames of a clip amid the canvas that are held beside it; the rest are held in their places
/// (diffusers, `num_prefix_latent_frames`).
const PREFIX: usize = 2;

/// Known frames that are encoded as a clip of their own, or as a picture.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Clip {
    /// Its frames on the canvas: `temporal · n + 1` of them.
    pub frames: Range<usize>,
    /// How firmly it is held.
    pub strength: f32,
    /// The latent frame, of those that are walked, at which each of its own is held.
    pub places: Vec<usize>,
}

/// All held frames of a canvas.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Layout {
    /// In order of their first frames.
    pub clips: Vec<Clip>,
    /// How many latent frames are held beside the clip; they are walked before it.
    pub beside: usize,
    /// The canvas's frame at which each of these begins, and which latent frame of its clip it is.
    pub origins: Vec<(usize, usize)>,
}

impl Layout {
    /// The layout for frames that are known with `strengths`, 0 for those to be made. A latent frame stands
    /// for `temporal` frames.
    pub fn of(strengths: &[f32], temporal: usize) -> Self {
        let spans: Vec<_> = runs(strengths).iter().flat_map(|run| spans(run.clone(), temporal)).collect();
        let latents = |span: &Range<usize>| (span.len() - 1) / temporal + 1;
        let beside = |span: &Range<usize>| if span.start == 0 { 0 } else { latents(span).min(PREFIX) };
        let mut layout = Self { beside: spans.iter().map(beside).sum(), ..Self::default() };
        for span in spans {
            let held_beside = beside(&span);
            let next = layout.origins.len();
            layout.origins.extend((0..held_beside).map(|index| (span.start, index)));
            let in_place = |index: usize| layout.beside + span.start / temporal + index;
            let places =
                (next..next + held_beside).chain((held_beside..latents(&span)).map(in_place)).collect();
            layout.clips.push(Clip { strength: strengths[span.start], frames: span, places });
        }
        layout
    }
}

/// Stretches of frames that are known with the same strength.
fn runs(strengths: &[f32]) -> Vec<Range<usize>> {
    let mut runs: Vec<Range<usize>> = Vec::new();
    for (index, &strength) in strengths.iter().enumerate().filter(|(_, strength)| **strength > 0.0) {
        match runs.last_mut() {
            Some(run) if run.end == index && strengths[run.start] == strength => run.end += 1,
            _ => runs.push(index..index + 1),
        }
    }
    runs
}

/// What of a run is encoded: the longest clip that starts on the border of a latent frame, and its first and
/// last frame as pictures where the clip leaves them out.
fn spans(run: Range<usize>, temporal: usize) -> Vec<Range<usize>> {
    let start = run.start.next_multiple_of(temporal);
    let length = run.end.saturating_sub(start + 1) / temporal * temporal + 1;
    let is_clip = start == 0 || length > 1;
    let clip = (is_clip && start < run.end).then(|| start..start + length);
    let covered = |frame: usize| clip.as_ref().is_some_and(|clip| clip.contains(&frame));
    let (first, last) = (run.start, run.end - 1);
    let before = (!covered(first)).then(|| first..first + 1);
    let after = (last != first && !covered(last)).then(|| last..last + 1);
    [before, clip.clone(), after].into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn strengths(total: usize, runs: &[(Range<usize>, f32)]) -> Vec<f32> {
        let strength =
            |frame: usize| runs.iter().find(|(run, _)| run.contains(&frame)).map_or(0.0, |run| run.1);
        (0..total).map(strength).collect()
    }

    #[test]
    fn a_clip_before_and_a_clip_after() {
        let layout = Layout::of(&strengths(41, &[(0..9, 1.0), (24..41, 0.8)]), 8);
        assert_eq!(layout.beside, 2);
        assert_eq!(layout.origins, [(24, 0), (24, 1)]);
        let [before, after] = &layout.clips[..] else { panic!("two clips: {layout:?}") };
        assert_eq!((before.frames.clone(), &before.places[..], before.strength), (0..9, &[2, 3][..], 1.0));
        assert_eq!((after.frames.clone(), &after.places[..], after.strength), (24..41, &[0, 1, 7][..], 0.8));
    }

    #[test]
    fn what_no_clip_covers_is_shown_by_its_ends() {
        let spans = |run: Range<usize>| {
            spans(run, 8).into_iter().map(|span| (span.start, span.end)).collect::<Vec<_>>()
        };
        assert_eq!(spans(0..1), [(0, 1)]);
        assert_eq!(spans(0..8), [(0, 1), (7, 8)]);
        assert_eq!(spans(0..20), [(0, 17), (19, 20)]);
        assert_eq!(spans(5..6), [(5, 6)]);
        assert_eq!(spans(8..9), [(8, 9)]);
        assert_eq!(spans(17..25), [(17, 18), (24, 25)]);
        assert_eq!(spans(17..33), [(17, 18), (24, 33)]);
        assert_eq!(spans(24..41), [(24, 41)]);
    }

    proptest! {
        /// Each walked latent frame is held at most once, and lies within the canvas.
        #[test]
        fn places_are_distinct(known in prop::collection::vec(prop::sample::select(vec![0.0_f32, 0.5, 1.0]), 1..12), blocks in 1_usize..12) {
            let strengths: Vec<f32> = known.iter().flat_map(|&known| std::iter::repeat_n(known, blocks)).collect();
            let layout = Layout::of(&strengths, 8);
            let all = layout.beside + strengths.len().div_ceil(8) + 1;
            let mut places: Vec<_> = layout.clips.iter().flat_map(|clip| clip.places.clone()).collect();
            prop_assert!(places.iter().all(|place| *place < all));
            prop_assert_eq!(layout.origins.len(), layout.beside);
            let count = places.len();
            places.sort_unstable();
            places.dedup();
            prop_assert_eq!(places.len(), count);
            for clip in &layout.clips {
                prop_assert_eq!(clip.frames.len() % 8, 1);
                prop_assert_eq!(clip.places.len(), (clip.frames.len() - 1) / 8 + 1);
                prop_assert!(clip.frames.clone().all(|frame| strengths[frame] == clip.strength));
            }
        }
    }
}
