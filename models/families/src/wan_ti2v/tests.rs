use super::*;
use crate::testing::{Closed, given};
use ndarray::{Array3, Array4, Axis, s};
use pickup_core::Tensor;
use pickup_package::{Conditioning as Kind, ControlSpec};

fn manifest() -> Manifest {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/goldens/tiny_wan_ti2v/manifest.json");
    pickup_package::parse("manifest.json", &std::fs::read(path).unwrap()).unwrap()
}

/// 9 frames of 32×64, each of one level; the first `known` of them are known.
fn canvas(known: usize) -> ModelCanvas {
    ModelCanvas {
        frames: Array4::from_shape_fn((9, 32, 64, 3), |(t, ..)| 0.25 + t as f32 / 16.0),
        mask: Array3::from_shape_fn((9, 32, 64), |(t, ..)| f32::from(u8::from(t >= known))),
        references: vec![],
        rate: 24.0,
    }
}

/// A stand-in encoder: each latent is the first colour of the first frame under it.
fn encode(frames: ArrayView5<'_, f32>) -> Result<Array5<f32>> {
    let (_, _, t, h, w) = frames.dim();
    let shape = (1, 48, t.div_ceil(4), h / 16, w / 16);
    Ok(Array5::from_shape_fn(shape, |(_, _, f, y, x)| frames[[0, 0, 4 * f, 16 * y, 16 * x]]))
}

const INPUTS: [&str; 3] = ["hidden_states", "timestep", "encoder_hidden_states"];

/// A transformer that answers with its latent.
fn echo() -> Closed {
    Closed::new(&INPUTS, &["velocity"], |inputs| vec![given(inputs, "hidden_states").into()])
}

/// What the transformer gets for a latent of ones, and what it is finished as.
fn run(known: usize) -> (Array5<f32>, Array4<f32>, Array5<f32>) {
    let family = WanTi2v::new(&manifest()).unwrap();
    let canvas = canvas(known);
    let mut calls = 0;
    let conditioning = family.condition(&canvas, &mut |frames| {
        calls += 1;
        assert_eq!(frames.dim(), (1, 3, 1, 32, 64), "the first frame alone");
        encode(frames)
    });
    let conditioning = conditioning.unwrap();
    assert_eq!(calls, family.encodings(&canvas));
    let text = TextEmbedding(Array3::ones((1, 24, 32)));
    let mut transformer = echo();
    family.bind(&mut transformer, &text, &conditioning).unwrap();
    let latent = Array5::ones(family.latent_shape(&canvas));
    let cancel = Cancel::new();
    let seen = family.predict(&mut transformer, &latent, 713.0, &text, &conditioning, &cancel).unwrap();
    let levels = transformer.seen[0].iter().find(|(name, _)| name == "timestep").unwrap().1.clone();
    let levels = levels.into_float().unwrap().into_dimensionality().unwrap();
    (seen, levels, family.finish(latent, &conditioning))
}

#[test]
fn from_text_alone_every_token_is_equally_noisy() {
    let (seen, levels, finished) = run(0);
    assert_eq!(seen, Array5::<f32>::ones((1, 48, 3, 2, 4)));
    assert_eq!(levels, Array4::from_elem((1, 3, 1, 2), 713.0_f32));
    assert_eq!(finished, seen);
}

#[test]
fn a_known_first_frame_is_the_first_latent_frame_without_noise() {
    let (seen, levels, finished) = run(1);
    let (first, later) = seen.view().split_at(Axis(2), 1);
    assert!(first.iter().all(|&value| value == 0.25), "the encoded frame");
    assert!(later.iter().all(|&value| value == 1.0), "the noisy latent");
    assert!(levels.slice(s![.., 0, .., ..]).iter().all(|&level| level == 0.0));
    assert!(levels.slice(s![.., 1.., .., ..]).iter().all(|&level| level == 713.0));
    assert_eq!(finished, seen);
}

#[test]
fn a_canvas_that_the_model_cannot_take_is_refused() {
    let family = WanTi2v::new(&manifest()).unwrap();
    let refused = |change: &dyn Fn(&mut ModelCanvas), word: &str| {
        let mut canvas = canvas(1);
        change(&mut canvas);
        let error = family.condition(&canvas, &mut encode).unwrap_err();
        assert!(error.message.contains(word), "{error}");
    };
    refused(&|c| *c = canvas(2), "2048 of 2048 pixels of frame 1");
    refused(&|c| c.mask[[8, 0, 0]] = 0.0, "1 of 2048 pixels of frame 8");
    refused(&|c| c.mask[[0, 31, 63]] = 1.0, "2047 of 2048 pixels of frame 0");
    refused(&|c| c.references = vec![Array3::zeros((32, 64, 3))], "no reference pictures, got 1");
    refused(&|c| c.frames = Array4::zeros((8, 32, 64, 3)), "4 n + 1 frames, got 8");
    refused(&|c| c.frames = Array4::zeros((9, 48, 64, 3)), "multiples of 32, got 64×48");
    let coarse = |frames: ArrayView5<'_, f32>| encode(frames.slice(s![.., .., .., ..16, ..]));
    let error = family.condition(&canvas(1), &mut { coarse }).unwrap_err();
    assert!(error.message.contains("the VAE should give"), "{error}");
}

#[test]
fn text_and_velocity_of_another_shape_are_refused() {
    let family = WanTi2v::new(&manifest()).unwrap();
    let conditioning = family.condition(&canvas(1), &mut encode).unwrap();
    let narrow = TextEmbedding(Array3::ones((1, 24, 31)));
    assert!(family.bind(&mut echo(), &narrow, &conditioning).is_err());
    let text = TextEmbedding(Array3::ones((1, 24, 32)));
    let mut short = Closed::new(&INPUTS, &["velocity"], |inputs| -> Vec<Tensor> {
        vec![given(inputs, "hidden_states").index_axis(Axis(2), 0).to_owned().into()]
    });
    family.bind(&mut short, &text, &conditioning).unwrap();
    let latent = Array5::ones((1, 48, 3, 2, 4));
    let answer = family.predict(&mut short, &latent, 1.0, &text, &conditioning, &Cancel::new());
    assert!(answer.unwrap_err().message.contains("velocity of shape"));
}

#[test]
fn a_manifest_of_another_shape_is_refused_by_field() {
    let refused = |change: &dyn Fn(&mut Manifest), field: &str| {
        let mut manifest = manifest();
        change(&mut manifest);
        let error = crate::family(&manifest).err().unwrap();
        assert!(error.message.contains(field), "{error}");
    };
    assert!(crate::family(&manifest()).is_ok());
    let control = ControlSpec { layers: 1, scale: 1.0, max_references: 1 };
    refused(&|m| m.control = Some(control.clone()), "field `control`");
    refused(
        &|m| m.conditioning.push(Kind::Last),
        "field `conditioning`: expected at most the first frame, found Last",
    );
    refused(&|m| m.limits.size_multiple = 16, "field `limits.size_multiple`");
    refused(&|m| m.limits.frame_multiple = 8, "field `limits.frame_multiple`");
    refused(&|m| m.limits.frame_offset = 5, "field `limits.frame_offset`");
}
