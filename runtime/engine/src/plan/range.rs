//! Which frames of a canvas the model gets to see.

use std::ops::Range;

use super::windows::Rule;

/// Known frames on a side that one window must have room for, or it takes several: enough to see which
/// way things move.
pub(crate) const LEAST_CONTEXT: usize = 5;

/// Stretches of the canvas that are done one after another, each independent of the others: the
/// unknown frames with known ones around them.
///
/// Known frames at the start beyond those that the model takes are left out. What then fits one window is
/// one stretch. In a longer one, unknown frames that are further
/// apart than half a window belong to different stretches, and known frames that no window has room
/// for are left out, those furthest from the unknown first.
pub(super) fn stretches(known: &[bool], rule: &Rule) -> Vec<Range<usize>> {
    let before = known.iter().take_while(|known| **known).count();
    let start = before.saturating_sub(rule.lead);
    if known.len() - start <= rule.most {
        return vec![start..known.len()];
    }
    clusters(known, rule.most / 2).into_iter().map(|cluster| with_context(cluster, known, rule)).collect()
}

/// Runs from an unknown frame to an unknown frame, at least `apart` known frames between them.
fn clusters(known: &[bool], apart: usize) -> Vec<Range<usize>> {
    let mut clusters: Vec<Range<usize>> = Vec::new();
    for (index, _) in known.iter().enumerate().filter(|(_, known)| !**known) {
        match clusters.last_mut() {
            Some(cluster) if index - cluster.end < apart.max(1) => cluster.end = index + 1,
            _ => clusters.push(index..index + 1),
        }
    }
    clusters
}

/// `cluster` and the known frames around it: as many as one window has room for, shared evenly; or a
/// quarter of a window on each side, if it takes several windows anyway.
fn with_context(cluster: Range<usize>, known: &[bool], rule: &Rule) -> Range<usize> {
    let most = rule.most;
    let before = known[..cluster.start].iter().rev().take_while(|known| **known).count().min(rule.lead);
    let after = known[cluster.end..].iter().take_while(|known| **known).count();
    let needed = before.min(LEAST_CONTEXT) + after.min(LEAST_CONTEXT);
    let (before, after) = match most.checked_sub(cluster.len()) {
        Some(room) if room >= needed => share(room, before, after),
        _ => (before.min(most / 4), after.min(most / 4)),
    };
    cluster.start - before..cluster.end + after
}

/// Shares `room` between two sides that want `before` and `after`, evenly as far as both want it. An odd
/// frame goes before, where clips of `n · multiple + 1` frames have theirs.
fn share(room: usize, before: usize, after: usize) -> (usize, usize) {
    let half = room.div_ceil(2);
    let first = before.min(half.max(room.saturating_sub(after)));
    (first, after.min(room - first))
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULE: Rule = Rule { multiple: 4, offset: 1, least: 5, most: 81, lead: usize::MAX, alone: 0 };

    fn canvas(runs: &[(bool, usize)]) -> Vec<bool> {
        runs.iter().flat_map(|&(known, count)| std::iter::repeat_n(known, count)).collect()
    }

    #[test]
    fn what_fits_is_taken_whole_and_else_the_context_is_shared() {
        let (k, u) = (true, false);
        assert_eq!(stretches(&canvas(&[(k, 9), (u, 60), (k, 12)]), &RULE), [0..81]);
        assert_eq!(stretches(&canvas(&[(k, 100), (u, 41), (k, 100)]), &RULE), [80..161]);
        assert_eq!(stretches(&canvas(&[(k, 100), (u, 61), (k, 4)]), &RULE), [84..165]);
        assert_eq!(stretches(&canvas(&[(k, 100), (u, 200)]), &RULE), [80..300]);
        assert_eq!(
            stretches(&canvas(&[(k, 50), (u, 5), (k, 200), (u, 5), (k, 50)]), &RULE),
            [12..93, 217..298]
        );
    }

    #[test]
    fn a_model_that_takes_one_frame_at_the_start_gets_the_last_one() {
        let (k, u) = (true, false);
        let one = Rule { lead: 1, ..RULE };
        assert_eq!(stretches(&canvas(&[(k, 9), (u, 60)]), &one), [8..69]);
        assert_eq!(stretches(&canvas(&[(k, 9), (u, 80)]), &one), [8..89], "a window's worth");
        assert_eq!(stretches(&canvas(&[(k, 100), (u, 90)]), &one), [99..190]);
        assert_eq!(stretches(&canvas(&[(u, 60)]), &one), [0..60]);
        assert_eq!(stretches(&canvas(&[(k, 100), (u, 5), (k, 200), (u, 5)]), &one), [99..180, 304..310]);
    }
}
