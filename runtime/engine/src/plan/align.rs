//! Known frames, laid so that they fill whole latent frames.
//!
//! A latent frame stands for several frames of the clip; only the first may stand for fewer (Wan: 1, then
//! 4 each). Where a run of known frames ends amid a latent frame, the model is told of a block that
//! is half picture and half nothing, which it has hardly learned, and what it makes beside it
//! suffers. So frames are left out, or made for nothing, until the border falls between two blocks.
//!
//! Some models encode frames that follow the unknown as a clip of their own, whose first latent frame stands
//! for one frame. For them such a run begins with the last frame of a block.

use super::windows::{Part, Rule};

/// `parts` with every border of what is known between two latent frames, and surplus at the end until
/// the model's rule is met; where that cannot be had, `parts` as they are, with surplus.
///
/// Nothing that is to be made is lost. Known frames may be left out at either end, as long as a whole
/// latent frame of them stays, and up to a latent frame less one of those that follow the unknown is
/// hidden from the model, which makes them anew for nothing.
pub(super) fn align(parts: Vec<Part>, rule: &Rule) -> Vec<Part> {
    let plain = fit(parts.clone(), rule);
    let aligned = fit(trim_end(hide_start_of_last_run(align_start(parts, rule), rule), rule), rule);
    if aligned.len() <= rule.most && is_aligned(&aligned, rule) { aligned } else { plain }
}

/// Whether all borders of what is known lie between latent frames.
fn is_aligned(parts: &[Part], rule: &Rule) -> bool {
    let is_border = |index: &usize| is_given(&parts[index - 1]) != is_given(&parts[*index]);
    let good = |index: usize| match is_given(&parts[index]) {
        true => short_of_start(index, rule) == 0,
        false => beyond(index, rule) == 0,
    };
    (1..parts.len()).filter(is_border).all(good)
}

/// Frames at index `index` beyond the border of the last latent frame before it.
fn beyond(index: usize, rule: &Rule) -> usize {
    (index + rule.multiple - rule.offset % rule.multiple) % rule.multiple
}

/// Frames from `index` to the next border.
fn short_of(index: usize, rule: &Rule) -> usize {
    (rule.multiple - beyond(index, rule)) % rule.multiple
}

/// Frames from `index` to the next at which a run of known frames may begin after the unknown.
fn short_of_start(index: usize, rule: &Rule) -> usize {
    short_of(index + rule.alone, rule)
}

/// Fewest frames of a run after the unknown that fill latent frames.
fn least_run(rule: &Rule) -> usize {
    rule.multiple + rule.alone
}

fn is_given(part: &Part) -> bool {
    matches!(part, Part::Known(_) | Part::Guide(_))
}

/// A guide may be among what its pass delivers, a known frame never is.
fn is_known(part: &Part) -> bool {
    matches!(part, Part::Known(_))
}

/// Lets the first border fall between latent frames: where the run before it is known, by leaving out
/// its first frames; where it is to be made, or known and just one latent frame long, by surplus before it.
fn align_start(mut parts: Vec<Part>, rule: &Rule) -> Vec<Part> {
    let given = parts.first().is_some_and(is_given);
    let Some(border) = parts.iter().position(|part| is_given(part) != given) else { return parts };
    let spare = beyond(border, rule);
    if !given || border == rule.multiple {
        let short = if given { short_of(border, rule) } else { short_of_start(border, rule) };
        let surplus = std::iter::repeat_n(Part::Surplus, short);
        parts.splice(..0, surplus);
    } else if border >= spare + rule.multiple + rule.offset && parts[..spare].iter().all(is_known) {
        parts.drain(..spare);
    }
    parts
}

/// Frames of the known run that ends the clip; all of them if nothing else is there.
fn last_run(parts: &[Part]) -> usize {
    parts.iter().rev().take_while(|part| is_known(part)).count()
}

/// Hides the first frames of the last run up to the next border, if a latent frame of it is left.
fn hide_start_of_last_run(mut parts: Vec<Part>, rule: &Rule) -> Vec<Part> {
    let run = last_run(&parts);
    let start = parts.len() - run;
    let hidden = short_of_start(start, rule);
    if start > 0 && run >= hidden + least_run(rule) {
        parts[start..start + hidden].fill(Part::Surplus);
    }
    parts
}

/// Leaves out the last frames of the last run beyond a border, if a latent frame of it is left.
fn trim_end(mut parts: Vec<Part>, rule: &Rule) -> Vec<Part> {
    let (run, spare) = (last_run(&parts), beyond(parts.len(), rule));
    if run < parts.len() && run >= spare + least_run(rule) {
        parts.truncate(parts.len() - spare);
    }
    parts
}

/// Surplus at the end until the rule is met.
fn fit(mut parts: Vec<Part>, rule: &Rule) -> Vec<Part> {
    parts.resize(rule.length_for(parts.len()), Part::Surplus);
    parts
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const RULE: Rule = Rule { multiple: 4, offset: 1, least: 5, most: 81, lead: usize::MAX, alone: 0 };

    fn clip(before: usize, unknown: usize, after: usize) -> Vec<Part> {
        let known = |range: std::ops::Range<usize>| range.map(Part::Known);
        let made = (before..before + unknown).map(Part::Make);
        known(0..before).chain(made).chain(known(before + unknown..before + unknown + after)).collect()
    }

    /// A letter to a part: known, make, surplus.
    fn spell(parts: &[Part]) -> String {
        let letter = |part: &Part| match part {
            Part::Known(_) | Part::Guide(_) => 'k',
            Part::Make(_) => 'm',
            Part::Surplus => '-',
        };
        parts.iter().map(letter).collect()
    }

    #[test]
    fn runs_are_cut_hidden_or_led_by_surplus_until_they_fill_latent_frames() {
        let cases = [
            ((5, 8, 4), "k kkkk mmmm mmmm kkkk"),
            ((8, 8, 8), "k kkkk mmmm mmmm kkkk kkkk"),
            ((8, 8, 9), "k kkkk mmmm mmmm kkkk kkkk"),
            ((4, 4, 0), "- kkkk mmmm"),
            ((8, 8, 0), "k kkkk mmmm mmmm"),
            ((0, 8, 8), "- mmmm mmmm kkkk kkkk"),
            ((0, 6, 8), "- --mm mmmm kkkk kkkk"),
            ((9, 6, 8), "k kkkk kkkk mmmm mm-- kkkk"),
            ((8, 5, 4), "k kkkk kkkm mmmm kkkk"), // one border of two cannot be had
            ((9, 6, 4), "k kkkk kkkk mmmm mmkk kk--"),
            ((2, 3, 1), "k kmmm k---"),
            ((0, 7, 0), "m mmmm mm--"),
        ];
        for ((before, unknown, after), wanted) in cases {
            assert_eq!(spell(&align(clip(before, unknown, after), &RULE)), wanted.replace(' ', ""));
        }
    }

    #[test]
    fn a_run_that_is_a_clip_of_its_own_begins_with_the_last_frame_of_a_block() {
        let rule = Rule { alone: 1, ..RULE };
        let cases = [
            ((5, 8, 4), "k kkkk mmmm mmmm kkkk"), // too short to be moved
            ((5, 7, 5), "k kkkk mmmm mmmk kkkk"),
            ((5, 8, 8), "k kkkk mmmm mmmm ---k kkkk"),
            ((8, 8, 9), "k kkkk mmmm mmmm ---k kkkk"),
            ((0, 8, 9), "m mmmm mmmk kkkk kkkk"),
            ((0, 6, 9), "- -mmm mmmk kkkk kkkk"),
            ((8, 8, 0), "k kkkk mmmm mmmm"),
        ];
        for ((before, unknown, after), wanted) in cases {
            assert_eq!(spell(&align(clip(before, unknown, after), &rule)), wanted.replace(' ', ""));
        }
    }

    proptest! {
        #[test]
        fn what_is_to_be_made_stays_in_order_and_the_rule_is_met(
            before in 0usize..30, unknown in 1usize..40, after in 0usize..30, multiple in 1usize..9, offset in 0usize..2,
        ) {
            let most = 96 * multiple + offset;
            let rule = Rule { multiple, offset, least: multiple + offset, most, lead: usize::MAX, alone: 0 };
            let parts = align(clip(before, unknown, after), &rule);
            let made: Vec<_> = parts.iter().filter(|part| matches!(part, Part::Make(_))).filter_map(|part| part.frame()).collect();
            prop_assert_eq!(made, (before..before + unknown).collect::<Vec<_>>());
            prop_assert_eq!(parts.len(), rule.length_for(parts.len()));
            let frames: Vec<_> = parts.iter().filter_map(|part| part.frame()).collect();
            prop_assert!(frames.windows(2).all(|pair| pair[0] < pair[1]));
            let long = |run: usize, least: usize| run == 0 || run >= least;
            if long(before, 2 * (multiple + offset)) && long(after, 2 * multiple) {
                prop_assert!(is_aligned(&parts, &rule));
            }
        }

        #[test]
        fn what_would_no_longer_fit_stays_as_it_is(unknown in 6usize..9) {
            let rule = Rule { most: 9, ..RULE };
            let plain = clip(0, unknown, 9 - unknown);
            prop_assert_eq!(align(plain.clone(), &rule), plain);
        }
    }
}
