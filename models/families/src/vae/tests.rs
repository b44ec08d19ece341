use super::*;
use crate::testing::{Closed, causal_filter};
use proptest::prelude::*;

fn clip(frames: usize, channels: usize) -> Array5<f32> {
    Array5::from_shape_fn((1, channels, frames, 2, 3), |(_, c, t, y, x)| {
        ((7 * c + 3 * t * t + 5 * y + x) % 17) as f32 / 8.0 - 1.0
    })
}

/// The filter of [`causal_filter`] over the whole clip at once.
fn whole(clip: &Array5<f32>) -> Array5<f32> {
    let at = |c, t: isize, y, x| if t < 0 { 0.0 } else { clip[[0, c, t as usize, y, x]] };
    Array5::from_shape_fn(clip.raw_dim(), |(_, c, t, y, x)| {
        let t = t as isize;
        at(c, t, y, x) + 2.0 * at(c, t - 1, y, x) + 4.0 * at(c, t - 2, y, x)
    })
}

proptest! {
    #[test]
    fn stepping_equals_whole(n in 0_usize..6, temporal in 1_usize..5, chunk in 0_usize..4) {
        let frames = clip(temporal * n + 1, 3);
        let (mut first, mut next) = (causal_filter(true, "frames"), causal_filter(false, "frames"));
        let mut encoder = Encoder { first: &mut first, next: Some(&mut next), temporal, chunk };
        let stepped = encoder.encode(frames.view(), &Cancel::new()).unwrap();
        prop_assert_eq!(stepped, whole(&frames));
        let longest = next.seen.iter().map(|inputs| crate::testing::given(inputs, "frames").len_of(Axis(2))).max();
        prop_assert!(longest.unwrap_or(0) <= temporal * chunk.max(1));
    }

    #[test]
    fn decoding_gives_every_frame_once_and_in_order(count in 1_usize..9, chunk in 1_usize..4) {
        let latent = clip(count, 3);
        let (mut first, mut next) = (causal_filter(true, "latent"), causal_filter(false, "latent"));
        let mut decoder = Decoder { first: &mut first, next: Some(&mut next), chunk };
        let mut frames = vec![];
        decoder.decode(latent.view(), &mut |index, piece| {
            assert_eq!(index, frames.len());
            frames.extend(piece.outer_iter().map(|frame| frame.to_owned()));
            Ok(())
        }, &Cancel::new()).unwrap();
        let expected = whole(&latent);
        prop_assert_eq!(frames.len(), count);
        for (t, frame) in frames.iter().enumerate() {
            for ((y, x, c), &value) in frame.indexed_iter() {
                prop_assert_eq!(value, expected[[0, c, t, y, x]].clamp(-1.0, 1.0));
            }
        }
    }
}

#[test]
fn a_broken_clip_or_graph_is_an_error() {
    let (mut first, mut next) = (causal_filter(true, "frames"), causal_filter(false, "frames"));
    let mut encode = |frames| {
        Encoder { first: &mut first, next: Some(&mut next), temporal: 4, chunk: 1 }
            .encode(clip(frames, 3).view(), &Cancel::new())
    };
    assert!(encode(5).is_ok());
    assert!(encode(0).unwrap_err().message.contains("4 n + 1 frames, got 0"));
    assert!(encode(4).is_err());
    let mut forgetful = Closed::new(&["frames"], &["result"], |inputs| vec![inputs[0].1.clone()]);
    let mut next = causal_filter(false, "frames");
    let error = Encoder { first: &mut forgetful, next: Some(&mut next), temporal: 4, chunk: 1 }
        .encode(clip(5, 3).view(), &Cancel::new())
        .unwrap_err();
    assert!(error.message.contains("cache_in_0"), "{error}");
}

#[test]
fn a_cancel_and_an_error_of_the_taker_stop_it() {
    let (mut first, mut next) = (causal_filter(true, "latent"), causal_filter(false, "latent"));
    let cancel = Cancel::new();
    let mut decoder = Decoder { first: &mut first, next: Some(&mut next), chunk: 1 };
    let mut taken = 0;
    let stopped = decoder.decode(
        clip(9, 3).view(),
        &mut |_, _| {
            taken += 1;
            if taken == 3 {
                cancel.cancel();
            }
            Ok(())
        },
        &cancel,
    );
    assert_eq!(stopped.unwrap_err().kind, pickup_core::ErrorKind::Cancelled);
    assert_eq!(taken, 3);
    let full = decoder.decode(clip(9, 3).view(), &mut |_, _| Err(Error::storage("full")), &Cancel::new());
    assert_eq!(full.unwrap_err().kind, pickup_core::ErrorKind::Storage);
}
