use super::*;
use crate::testing::{Closed, given};
use ndarray::{Array3, Array4, Axis};
use pickup_core::Tensor;

fn manifest() -> Manifest {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/goldens/tiny_wan_vace/manifest.json");
    pickup_package::parse("manifest.json", &std::fs::read(path).unwrap()).unwrap()
}

fn canvas(frames: usize, references: usize) -> ModelCanvas {
    let picture = |level: f32| Array3::from_elem((16, 32, 3), level);
    ModelCanvas {
        frames: Array4::from_shape_fn((frames, 16, 32, 3), |(t, ..)| t as f32 / frames as f32),
        mask: Array3::from_shape_fn((frames, 16, 32), |(t, ..)| f32::from(u8::from(t >= 5))),
        references: (0..references).map(|index| picture(index as f32 / 10.0 + 0.5)).collect(),
        rate: 16.0,
    }
}

/// A stand-in encoder: each latent is the first colour of the last frame under it.
fn encode(frames: ArrayView5<'_, f32>) -> Result<Array5<f32>> {
    let (_, _, t, h, w) = frames.dim();
    let shape = (1, 16, t.div_ceil(4), h / 8, w / 8);
    Ok(Array5::from_shape_fn(shape, |(_, _, f, y, x)| frames[[0, 0, 4 * f, 8 * y, 8 * x]]))
}

fn control_of(conditioning: &Conditioning) -> Array5<f32> {
    let inputs: Vec<_> =
        conditioning.inputs.iter().map(|(name, t)| ((*name).to_owned(), t.clone())).collect();
    given(&inputs, "control_hidden_states")
}

#[test]
fn the_control_is_known_unknown_mask_with_references_before() {
    let family = WanVace::new(&manifest()).unwrap();
    let canvas = canvas(17, 2);
    assert_eq!(family.latent_shape(&canvas), [1, 16, 7, 2, 4]);
    let conditioning = family.condition(&canvas, &mut encode).unwrap();
    let control = &control_of(&conditioning);
    assert_eq!(control.shape(), [1, 96, 7, 2, 4]);
    let channel = |c: usize| control.slice(s![0, c, .., 0, 0]).to_vec();
    assert_eq!(channel(0)[..2], [0.6, 0.5], "the last reference stands first, as in diffusers");
    assert_eq!(channel(0)[2..4], [0.0, 4.0 / 17.0], "known");
    assert_eq!(channel(0)[4..], [0.0; 3], "unknown is 0 among the known");
    assert_eq!(channel(16)[..4], [0.0; 4], "references and known are 0 among the unknown");
    assert_eq!(channel(16)[4..], [8.0 / 17.0, 12.0 / 17.0, 16.0 / 17.0]);
    assert_eq!(channel(32), [0.0, 0.0, 0.0, 1.0, 1.0, 1.0, 1.0], "the mask at frames 1, 5, 8, 11, 15");
    let latent = Array5::from_shape_fn((1, 16, 7, 2, 4), |(_, _, f, _, _)| f as f32);
    let trimmed = family.finish(latent.clone(), &conditioning);
    assert_eq!(trimmed, latent.slice(s![.., .., 2.., .., ..]));
}

#[test]
fn a_canvas_of_which_nothing_is_known_is_encoded_once() {
    let family = WanVace::new(&manifest()).unwrap();
    let runs = |canvas: &ModelCanvas| {
        let mut runs = 0;
        let mut counted = |frames: ArrayView5<'_, f32>| {
            runs += 1;
            encode(frames).map(|latent| latent + 0.25)
        };
        let conditioning = family.condition(canvas, &mut counted).unwrap();
        (runs, control_of(&conditioning))
    };
    let nothing = ModelCanvas {
        frames: Array4::zeros((9, 16, 32, 3)),
        mask: Array3::ones((9, 16, 32)),
        ..canvas(9, 0)
    };
    let (count, control) = runs(&nothing);
    assert_eq!(count, 1);
    assert!(control.slice(s![0, ..32, .., .., ..]).iter().all(|&value| value == 0.25));
    assert_eq!(runs(&canvas(9, 0)).0, 2);
}

#[test]
fn a_canvas_that_breaks_a_rule_is_refused() {
    let family = WanVace::new(&manifest()).unwrap();
    let refused = |change: &dyn Fn(&mut ModelCanvas), word: &str| {
        let mut canvas = canvas(9, 1);
        change(&mut canvas);
        let error = family.condition(&canvas, &mut encode).unwrap_err();
        assert!(error.message.contains(word), "{error}");
    };
    assert!(family.condition(&canvas(9, 1), &mut encode).is_ok());
    refused(&|c| c.frames = Array4::zeros((8, 16, 32, 3)), "4 n + 1 frames, got 8");
    refused(&|c| c.frames = Array4::zeros((9, 24, 32, 3)), "multiples of 16, got 32×24");
    refused(&|c| c.frames = Array4::zeros((9, 16, 32, 4)), "3 colour channels");
    refused(&|c| c.mask = Array3::zeros((9, 16, 16)), "mask");
    refused(&|c| c.references[0] = Array3::zeros((8, 8, 3)), "references of");
    refused(&|c| c.references = vec![Array3::zeros((16, 32, 3)); 4], "at most 3 reference");
    let short = |frames: ArrayView5<'_, f32>| encode(frames.slice(s![.., .., ..1, .., ..]));
    let error = family.condition(&canvas(9, 0), &mut { short }).unwrap_err();
    assert!(error.message.contains("the VAE should give"), "{error}");
}

const INPUTS: [&str; 5] =
    ["hidden_states", "timestep", "encoder_hidden_states", "control_hidden_states", "control_scale"];

#[test]
fn the_transformer_gets_what_it_is_called() {
    let family = WanVace::new(&manifest()).unwrap();
    let conditioning = family.condition(&canvas(9, 0), &mut encode).unwrap();
    let mut transformer = Closed::new(&INPUTS, &["velocity"], |inputs| {
        let control = given(inputs, "control_hidden_states");
        vec![(given(inputs, "hidden_states") * control.mean().unwrap()).into()]
    });
    let text = TextEmbedding(Array3::ones((1, 24, 32)));
    family.bind(&mut transformer, &text, &conditioning).unwrap();
    let latent = Array5::ones((1, 16, 3, 2, 4));
    let velocity =
        family.predict(&mut transformer, &latent, 713.0, &text, &conditioning, &Cancel::new()).unwrap();
    assert!(velocity.iter().all(|&v| v == control_of(&conditioning).mean().unwrap()));
    let value = |name: &str| transformer.seen[0].iter().find(|(given, _)| given == name).unwrap().1.clone();
    assert_eq!(value("timestep"), Tensor::from(ndarray::array![713.0_f32]));
    assert_eq!(value("control_scale"), Tensor::from(ndarray::array![0.9_f32, 0.9]));

    let narrow = TextEmbedding(Array3::ones((1, 24, 31)));
    assert!(family.bind(&mut transformer, &narrow, &conditioning).is_err());
    let mut short = Closed::new(&INPUTS, &["velocity"], |inputs| {
        vec![given(inputs, "hidden_states").index_axis(Axis(2), 0).to_owned().into()]
    });
    family.bind(&mut short, &text, &conditioning).unwrap();
    assert!(family.predict(&mut short, &latent, 1.0, &text, &conditioning, &Cancel::new()).is_err());
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
    refused(&|m| m.family = "hunyuan".into(), "field `family`");
    refused(&|m| m.control = None, "field `control`");
    refused(&|m| m.limits.size_multiple = 8, "field `limits.size_multiple`");
    refused(&|m| m.limits.frame_multiple = 8, "field `limits.frame_multiple`");
    refused(&|m| m.limits.frame_offset = 5, "field `limits.frame_offset`");
}
