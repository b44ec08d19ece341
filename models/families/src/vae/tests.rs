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

fn decoder<'g>(mid: Option<Stepped<'g>>, last: Stepped<'g>, chunk: usize) -> Decoder<'g> {
    Decoder { mid, last, inputs: Vec::new(), chunk, tiles: None }
}

proptest! {
    #[test]
    fn stepping_equals_whole(n in 0_usize..6, temporal in 1_usize..5, chunk in 0_usize..4) {
        let frames = clip(temporal * n + 1, 3);
        let (mut first, mut next) = (causal_filter(true, "frames"), causal_filter(false, "frames"));
        let graphs = Stepped { first: &mut first, next: Some(&mut next) };
        let mut encoder = Encoder { graphs, temporal, chunk };
        let stepped = encoder.encode(frames.view(), &Cancel::new()).unwrap();
        prop_assert_eq!(stepped, whole(&frames));
        let longest = next.seen.iter().map(|inputs| crate::testing::given(inputs, "frames").len_of(Axis(2))).max();
        prop_assert!(longest.unwrap_or(0) <= temporal * chunk.max(1));
    }

    #[test]
    fn decoding_gives_every_frame_once_and_in_order(count in 1_usize..9, chunk in 1_usize..4) {
        let latent = clip(count, 3);
        let (mut first, mut next) = (causal_filter(true, "latent"), causal_filter(false, "latent"));
        let mut decoder = decoder(None, Stepped { first: &mut first, next: Some(&mut next) }, chunk);
        let mut frames = vec![];
        decoder.decode(latent.view(), &mut |index, piece| {
            assert_eq!(index, frames.len());
            frames.extend(piece.outer_iter().map(|frame| frame.to_owned()));
            Ok(())
        }, &mut |_, _| (), &Cancel::new()).unwrap();
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
        let graphs = Stepped { first: &mut first, next: Some(&mut next) };
        Encoder { graphs, temporal: 4, chunk: 1 }.encode(clip(frames, 3).view(), &Cancel::new())
    };
    assert!(encode(5).is_ok());
    assert!(encode(0).unwrap_err().message.contains("4 n + 1 frames, got 0"));
    assert!(encode(4).is_err());
    let mut forgetful = Closed::new(&["frames"], &["result"], |inputs| vec![inputs[0].1.clone()]);
    let mut next = causal_filter(false, "frames");
    let graphs = Stepped { first: &mut forgetful, next: Some(&mut next) };
    let error =
        Encoder { graphs, temporal: 4, chunk: 1 }.encode(clip(5, 3).view(), &Cancel::new()).unwrap_err();
    assert!(error.message.contains("cache_in_0"), "{error}");
}

#[test]
fn a_cancel_and_an_error_of_the_taker_stop_it() {
    let (mut first, mut next) = (causal_filter(true, "latent"), causal_filter(false, "latent"));
    let cancel = Cancel::new();
    let mut decoder = decoder(None, Stepped { first: &mut first, next: Some(&mut next) }, 1);
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
        &mut |_, _| (),
        &cancel,
    );
    assert_eq!(stopped.unwrap_err().kind, pickup_core::ErrorKind::Cancelled);
    assert_eq!(taken, 3);
    let mut refuse = |_, _| Err(Error::storage("full"));
    let full = decoder.decode(clip(9, 3).view(), &mut refuse, &mut |_, _| (), &Cancel::new());
    assert_eq!(full.unwrap_err().kind, pickup_core::ErrorKind::Storage);
}

/// The mid stage remembers, the last one does not and has two pixels to a latent: both one by one, and in tiles.
#[test]
fn two_stages_go_step_by_step_and_the_last_in_tiles() {
    let latent = Array5::from_shape_fn((1, 3, 4, 30, 40), |(_, c, t, y, x)| {
        ((5 * c + 2 * t + 3 * y + x) % 13) as f32 / 60.0 - 0.1
    });
    let double = || {
        Closed::new(&["features", "noise"], &["frames"], |inputs| {
            let (features, noise) =
                (crate::testing::given(inputs, "features"), crate::testing::given(inputs, "noise"));
            let (_, c, t, h, w) = features.dim();
            let at = |(_, c, t, y, x): (usize, usize, usize, usize, usize)| {
                features[[0, c, t, y / 2, x / 2]] + noise[[0, 0, 0, y / 2, x / 2]]
            };
            vec![Array5::from_shape_fn((1, c, t, 2 * h, 2 * w), at).into()]
        })
    };
    let noise = Array5::from_shape_fn((1, 1, 1, 30, 40), |(_, _, _, y, x)| (y * 40 + x) as f32 / 4800.0);
    let frames = |tiles| {
        let (mut first, mut next) = (causal_filter(true, "latent"), causal_filter(false, "latent"));
        let mut last = double();
        let mut decoder = Decoder {
            mid: Some(Stepped { first: &mut first, next: Some(&mut next) }),
            last: Stepped { first: &mut last, next: None },
            inputs: vec![("noise".to_owned(), noise.clone().into())],
            chunk: 2,
            tiles,
        };
        let (mut all, mut heard) = (Vec::new(), Vec::new());
        let mut take = |_: usize, some: Array4<f32>| {
            all.extend(some.outer_iter().map(|frame| frame.to_owned()));
            Ok(())
        };
        decoder
            .decode(latent.view(), &mut take, &mut |done, of| heard.push((done, of)), &Cancel::new())
            .unwrap();
        (all, heard)
    };
    let filtered = whole(&latent);
    let (tiled, heard) = frames(Some(Tiles::of(24)));
    assert_eq!((tiled.len(), heard.len()), (4, 6), "a tile of 24 of 30 × 40 latents is one of 2 × 3");
    assert_eq!(heard.last(), Some(&(6, 6)));
    for (t, frame) in tiled.iter().enumerate() {
        assert_eq!(frame.dim(), (60, 80, 3));
        for ((y, x, c), value) in frame.indexed_iter() {
            let expected = filtered[[0, c, t, y / 2, x / 2]] + noise[[0, 0, 0, y / 2, x / 2]];
            assert!((value - expected.clamp(-1.0, 1.0)).abs() < 1e-5, "{t} {y} {x} {c}");
        }
    }
}
