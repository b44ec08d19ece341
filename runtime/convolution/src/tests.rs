use super::*;
use half::f16;
use proptest::prelude::*;
use std::sync::atomic::{AtomicUsize, Ordering};

/// So many threads.
struct Threads(usize);

impl Crew for Threads {
    fn threads(&self) -> usize {
        self.0
    }

    fn each(&self, count: usize, work: &(dyn Fn(usize) + Send + Sync)) {
        let next = AtomicUsize::new(0);
        let run = || {
            while let Some(index) = Some(next.fetch_add(1, Ordering::Relaxed)).filter(|&index| index < count)
            {
                work(index);
            }
        };
        std::thread::scope(|scope| (0..self.0).for_each(|_| drop(scope.spawn(run))));
    }
}

/// Numbers from -1 to 1.
fn numbers(count: usize, seed: u64) -> Vec<f32> {
    let mixed = (0..count as u64).map(|index| {
        let mixed = (index + 1 + (seed << 32)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        (mixed ^ (mixed >> 29)).wrapping_mul(0xBF58_476D_1CE4_E5B9) >> 40
    });
    mixed.map(|number| number as f32 / (1 << 23) as f32 - 1.0).collect()
}

/// The sum that a convolution is, in the precision of `N`.
fn plain<N: From<f32> + std::ops::Mul<Output = N> + std::ops::AddAssign>(
    filters: FilterSize,
    weights: &[f32],
    size: InputSize,
    input: &[f32],
    bias: &[f32],
) -> Vec<N> {
    let [frames, height, width] = size.output(filters.frames).unwrap();
    let mut output = Vec::new();
    for (clip, channel) in (0..size.batch).flat_map(|clip| (0..filters.outputs).map(move |out| (clip, out))) {
        for (frame, y, x) in (0..frames)
            .flat_map(|frame| (0..height).flat_map(move |y| (0..width).map(move |x| (frame, y, x))))
        {
            let mut sum = N::from(bias[channel]);
            for (index, &weight) in
                weights.chunks(filters.inputs * filters.frames * 9).nth(channel).unwrap().iter().enumerate()
            {
                let (from, step) = (index / 9 / filters.frames, index / 9 % filters.frames);
                let (frame, y, x) = (frame + step, y + index % 9 / 3, x + index % 3);
                let inside = |at: usize, pad, size| at.checked_sub(pad).filter(|&at| at < size);
                if let (Some(frame), Some(y), Some(x)) = (
                    inside(frame, size.pad_frames[0], size.frames),
                    inside(y, size.pad_height, size.height),
                    inside(x, size.pad_width, size.width),
                ) {
                    let plane = (clip * filters.inputs + from) * size.frames + frame;
                    sum += N::from(weight) * N::from(input[(plane * size.height + y) * size.width + x]);
                }
            }
            output.push(sum);
        }
    }
    output
}

/// The largest error, over the root of the number of products in a sum.
fn error(found: &[f32], expected: &[f64], filters: FilterSize) -> f64 {
    assert_eq!(found.len(), expected.len());
    let largest =
        found.iter().zip(expected).map(|(&a, b)| (f64::from(a) - b).abs()).fold(0.0, |a: f64, b| {
            match b.is_nan() {
                true => f64::INFINITY,
                false => a.max(b),
            }
        });
    largest / ((filters.inputs * filters.frames * 9) as f64).sqrt()
}

/// Of single precision, with room for a transform's rounding.
const BOUND: f64 = 3e-6;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn every_size_is_the_plain_sum(
        (outputs, inputs, taps) in (1..20_usize, 1..12_usize, 1..4_usize),
        (batch, more, height, width) in (1..3_usize, 0..7_usize, 1..23_usize, 1..75_usize),
        (pad_height, pad_width, threads) in (0..3_usize, 0..3_usize, 1..4_usize),
        pad_frames in [0..3_usize, 0..3_usize],
        seed in 0..1000_u64,
    ) {
        let filters = FilterSize { outputs, inputs, frames: taps };
        let size = InputSize { batch, frames: 1 + more, height, width, pad_frames, pad_height, pad_width };
        prop_assume!(size.output(taps).is_some());
        let count = size.output(taps).unwrap().iter().product::<usize>() * batch * outputs;
        let weights = numbers(outputs * inputs * taps * 9, seed);
        let input = numbers(batch * inputs * size.frames * height * width, seed + 1);
        let bias = numbers(outputs, seed + 2);
        // Whatever was in the output is written over.
        let mut output = vec![f32::NAN; count];
        let crew = Threads(threads);
        Filters::new(filters, &weights, &crew).convolve(size, &[&input], Some(&bias), &mut output, &crew);
        let expected = plain::<f64>(filters, &weights, size, &input, &bias);
        prop_assert!(error(&output, &expected, filters) <= BOUND, "{}", error(&output, &expected, filters));
    }
}

/// Many channels, as much as keeps a test quick.
const WIDE: FilterSize = FilterSize { outputs: 50, inputs: 96, frames: 3 };
const CLIP: InputSize =
    InputSize { batch: 1, frames: 5, height: 10, width: 21, pad_frames: [0, 0], pad_height: 1, pad_width: 1 };

fn wide() -> (Vec<f32>, Vec<f32>, Vec<f32>, Vec<f64>) {
    let weights = numbers(WIDE.outputs * WIDE.inputs * 27, 5);
    let input = numbers(WIDE.inputs * CLIP.frames * CLIP.height * CLIP.width, 6);
    let bias = numbers(WIDE.outputs, 7);
    let expected = plain::<f64>(WIDE, &weights, CLIP, &input, &bias);
    (weights, input, bias, expected)
}

fn convolved<W: Copy + Into<f32> + Sync>(
    weights: &[W],
    input: &[f32],
    bias: Option<&[f32]>,
    threads: usize,
) -> Vec<f32> {
    let crew = Threads(threads);
    let mut output =
        vec![f32::NAN; WIDE.outputs * CLIP.output(WIDE.frames).unwrap().iter().product::<usize>()];
    Filters::new(WIDE, weights, &crew).convolve(CLIP, &[input], bias, &mut output, &crew);
    output
}

/// The root of the mean square of what `found` is off.
fn spread(found: &[f32], expected: &[f64]) -> f64 {
    let squares = found.iter().zip(expected).map(|(&a, b)| (f64::from(a) - b).powi(2));
    (squares.sum::<f64>() / expected.len() as f64).sqrt()
}

#[test]
fn many_channels_lose_little_more_than_a_plain_sum_in_single_precision() {
    let (weights, input, bias, expected) = wide();
    let plain: Vec<f32> = plain::<f32>(WIDE, &weights, CLIP, &input, &bias);
    let (lost, lost_plain) =
        (spread(&convolved(&weights, &input, Some(&bias), 2), &expected), spread(&plain, &expected));
    assert!(lost_plain > 0.0 && lost < 2.5 * lost_plain, "{lost} beside {lost_plain}");
    // A control: filters whose frames are in another order.
    let turned: Vec<f32> =
        weights.chunks(27).flat_map(|filter| filter.chunks(9).rev().flatten().copied()).collect();
    assert!(spread(&convolved(&turned, &input, Some(&bias), 2), &expected) > 1000.0 * lost_plain);
}

#[test]
fn the_number_of_threads_changes_no_bit() {
    let (weights, input, bias, _) = wide();
    let one = convolved(&weights, &input, Some(&bias), 1);
    assert!([2, 3, 16].iter().all(|&threads| convolved(&weights, &input, Some(&bias), threads) == one));
}

#[test]
fn a_processor_without_vectors_says_the_same() {
    let (weights, input, bias, expected) = wide();
    let crew = Threads(2);
    let mut found = vec![f32::NAN; expected.len()];
    Filters::on(Arch::Scalar, WIDE, &weights, &crew).convolve(
        CLIP,
        &[&input],
        Some(&bias),
        &mut found,
        &crew,
    );
    let lost = spread(&convolved(&weights, &input, Some(&bias), 2), &expected);
    assert!(spread(&found, &expected) < 1.5 * lost, "{} beside {lost}", spread(&found, &expected));
}

#[test]
fn weights_may_be_in_half_precision_and_bias_may_be_missing() {
    let (weights, input, ..) = wide();
    let half: Vec<f16> = weights.iter().map(|&weight| f16::from_f32(weight)).collect();
    let widened: Vec<f32> = half.iter().map(|weight| weight.to_f32()).collect();
    let none = vec![0.0; WIDE.outputs];
    assert_eq!(convolved(&half, &input, None, 2), convolved(&widened, &input, Some(&none), 2));
}

#[test]
fn a_clip_in_parts_is_the_whole() {
    let (weights, input, bias, _) = wide();
    let crew = Threads(2);
    let filters = Filters::new(WIDE, &weights, &crew);
    let plane = CLIP.height * CLIP.width;
    let cut = |frames: std::ops::Range<usize>| -> Vec<f32> {
        let clips = input.chunks(CLIP.frames * plane);
        clips.flat_map(|clip| clip[frames.start * plane..frames.end * plane].iter().copied()).collect()
    };
    let (before, after) = (cut(0..2), cut(2..CLIP.frames));
    let mut found =
        vec![f32::NAN; WIDE.outputs * CLIP.output(WIDE.frames).unwrap().iter().product::<usize>()];
    filters.convolve(CLIP, &[&before, &after], Some(&bias), &mut found, &crew);
    assert_eq!(found, convolved(&weights, &input, Some(&bias), 2));
    // A control: the parts the other way round.
    filters.convolve(CLIP, &[&after, &before], Some(&bias), &mut found, &crew);
    assert_ne!(found, convolved(&weights, &input, Some(&bias), 2));
}

#[test]
fn a_frame_smaller_than_the_filter_makes_nothing() {
    let size = InputSize {
        batch: 1,
        frames: 2,
        height: 5,
        width: 5,
        pad_frames: [0, 0],
        pad_height: 0,
        pad_width: 0,
    };
    assert_eq!(size.output(2), Some([1, 3, 3]));
    assert_eq!(size.output(3), None);
    assert_eq!(InputSize { width: 2, ..size }.output(1), None);
}

#[test]
#[should_panic(expected = "output of")]
fn an_output_of_another_size_is_refused() {
    let crew = Threads(1);
    let filters = FilterSize { outputs: 1, inputs: 1, frames: 1 };
    let size = InputSize {
        batch: 1,
        frames: 1,
        height: 4,
        width: 4,
        pad_frames: [0, 0],
        pad_height: 1,
        pad_width: 1,
    };
    Filters::new(filters, &[0.0_f32; 9], &crew).convolve(size, &[&[0.0; 16]], None, &mut [0.0; 4], &crew);
}
