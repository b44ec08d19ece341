use super::*;
use crate::testing::{Closed, given};
use crate::{Held, Purpose};
use ndarray::{Array1, Array3, Array4, Axis};
use pickup_core::Tensor;

fn manifest() -> Manifest {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/goldens/tiny_ltx/manifest.json");
    pickup_package::parse("manifest.json", &std::fs::read(path).unwrap()).unwrap()
}

/// Frames of 32×64 whose level is their number over 100; those of `known` are held with their strength.
fn canvas(frames: usize, known: &[(std::ops::Range<usize>, f32)]) -> ModelCanvas {
    let strength = |t: usize| known.iter().find(|(run, _)| run.contains(&t)).map_or(0.0, |run| run.1);
    ModelCanvas {
        frames: Array4::from_shape_fn((frames, 32, 64, 3), |(t, ..)| t as f32 / 100.0),
        mask: Array3::from_shape_fn((frames, 32, 64), |(t, ..)| 1.0 - strength(t)),
        references: vec![],
        rate: 25.0,
    }
}

/// A stand-in encoder: the mean is the level of the last frame under a latent, the deviation ten times that.
fn encode(frames: ArrayView5<'_, f32>) -> Result<Array5<f32>> {
    let (_, _, t, h, w) = frames.dim();
    let shape = (1, 32, t.div_ceil(8), h / 32, w / 32);
    Ok(Array5::from_shape_fn(shape, |(_, c, f, y, x)| {
        frames[[0, 0, 8 * f, 32 * y, 32 * x]] * if c < 16 { 1.0 } else { 10.0 }
    }))
}

/// Noise that is zero but for what an encoder is unsure of.
fn unsure(purpose: Purpose, _: usize, shape: [usize; 5]) -> Array5<f32> {
    Array5::from_elem(shape, if purpose == Purpose::Encoding { 0.1 } else { 0.0 })
}

fn family() -> Ltx {
    Ltx::new(&manifest()).unwrap()
}

/// The first channel and place of each latent frame.
fn levels(latent: &Array5<f32>) -> Vec<f32> {
    latent.slice(s![0, 0, .., 0, 0]).to_vec()
}

#[test]
fn a_clip_before_stands_in_its_place_and_one_after_begins_beside() {
    let (family, canvas) = (family(), canvas(41, &[(0..9, 1.0), (24..41, 0.5)]));
    assert_eq!(family.latent_shape(&canvas), [1, 16, 8, 1, 2]);
    assert_eq!(family.encodings(&canvas), 2);
    let conditioning = family.condition(&canvas, &mut encode).unwrap();
    assert_eq!(conditioning.references, 2);
    let ceilings = conditioning.ceilings.as_ref().unwrap();
    assert_eq!(ceilings.slice(s![.., 0, 1]).to_vec(), [0.5, 0.5, 0.0, 0.0, 1.0, 1.0, 1.0, 0.5]);
    let noise = Array5::from_elem((1, 16, 8, 1, 2), -1.0);
    let latent = family.begin(noise.clone(), &conditioning, &mut unsure);
    // Mean and deviation times noise make twice the level; the second clip is half noise.
    let half = |level: f32| (2.0 * level - 1.0) / 2.0;
    let expected = [half(0.24), half(0.32), 0.0, 0.16, -1.0, -1.0, -1.0, half(0.4)];
    for (found, expected) in levels(&latent).iter().zip(expected) {
        assert!((found - expected).abs() < 1e-6, "{:?}", levels(&latent));
    }
    let finished = family.finish(latent, &conditioning);
    assert_eq!(finished.dim(), (1, 16, 6, 1, 2));
    assert!((finished[[0, 0, 1, 0, 0]] - 0.16).abs() < 1e-6);
}

#[test]
fn only_firmly_held_frames_are_shown_with_noise() {
    let mut manifest = manifest();
    manifest.held.as_mut().unwrap().noise = 0.5;
    let family = Ltx::new(&manifest).unwrap();
    let conditioning = family.condition(&canvas(25, &[(0..9, 1.0), (16..17, 0.5)]), &mut encode).unwrap();
    let first = family.begin(Array5::zeros((1, 16, 5, 1, 2)), &conditioning, &mut unsure);
    let walked = &first + 1.0;
    let mut ones = |_: Purpose, _: usize, shape: [usize; 5]| Array5::ones(shape);
    let renewed = family.renew(walked.clone(), &first, (3, 500.0), &conditioning, &mut ones);
    for frame in [1, 2] {
        let found = levels(&renewed)[frame] - levels(&first)[frame];
        assert!(
            (found - 0.5 * 0.25).abs() < 1e-6,
            "noise times the square of the level, over what was known"
        );
    }
    for frame in [0, 3, 4] {
        assert_eq!(levels(&renewed)[frame], levels(&walked)[frame], "the others stay");
    }
}

#[test]
fn a_known_frame_is_held_as_the_manifest_says() {
    let mut manifest = manifest();
    manifest.held.as_mut().unwrap().strength = 0.75;
    let family = Ltx::new(&manifest).unwrap();
    let conditioning = family.condition(&canvas(17, &[(0..1, 1.0)]), &mut encode).unwrap();
    let Held { strength, places, .. } = &conditioning.held[0];
    assert_eq!((*strength, &places[..]), (0.75, &[0][..]));
}

#[test]
fn without_known_frames_nothing_is_held() {
    let (family, canvas) = (family(), canvas(17, &[]));
    assert_eq!(family.latent_shape(&canvas), [1, 16, 3, 1, 2]);
    let conditioning = family.condition(&canvas, &mut encode).unwrap();
    assert_eq!(
        (conditioning.ceilings.as_ref(), conditioning.held.len(), conditioning.references),
        (None, 0, 0)
    );
    let latent = Array5::ones((1, 16, 3, 1, 2));
    let same = family.renew(
        latent.clone(),
        &Array5::zeros(latent.raw_dim()),
        (0, 900.0),
        &conditioning,
        &mut unsure,
    );
    assert_eq!(same, latent);
}

#[test]
fn a_canvas_that_breaks_a_rule_is_refused() {
    let family = family();
    let refused = |change: &dyn Fn(&mut ModelCanvas), word: &str| {
        let mut canvas = canvas(17, &[(0..1, 1.0)]);
        change(&mut canvas);
        let error = family.condition(&canvas, &mut encode).unwrap_err();
        assert!(error.line().contains(word), "{error}");
    };
    refused(&|c| c.frames = Array4::zeros((16, 32, 64, 3)), "8 n + 1 frames, got 16");
    refused(&|c| c.mask.slice_mut(s![3, ..8, ..]).fill(0.0), "cannot keep or make a region of one (frame 3)");
    refused(&|c| c.mask.slice_mut(s![3, .., ..]).fill(1.5), "frame 3");
    refused(&|c| c.references = vec![Array3::zeros((32, 64, 3))], "no reference pictures");
    refused(&|c| c.rate = 0.0, "frame rate above 0");
    let short = |frames: ArrayView5<'_, f32>| {
        encode(frames).map(|latent| latent.slice_move(s![.., ..16, .., .., ..]))
    };
    let error = family.condition(&canvas(17, &[(0..1, 1.0)]), &mut { short }).unwrap_err();
    assert!(error.message.contains("the VAE should give"), "{error}");
}

#[test]
fn the_graphs_get_what_they_are_called() {
    let family = family();
    let conditioning = family.condition(&canvas(17, &[(0..1, 1.0), (16..17, 0.75)]), &mut encode).unwrap();
    let inputs = ["hidden_states", "timestep", "encoder_hidden_states", "video_coords"];
    let mut transformer =
        Closed::new(&inputs, &["velocity"], |inputs| vec![(given(inputs, "hidden_states") * 2.0).into()]);
    let text = TextEmbedding(Array3::ones((1, 5, 32)));
    family.bind(&mut transformer, &text, &conditioning).unwrap();
    let latent = Array5::ones((1, 16, 4, 1, 2));
    let velocity =
        family.predict(&mut transformer, &latent, 713.0, &text, &conditioning, &Cancel::new()).unwrap();
    assert_eq!(velocity, &latent * 2.0);
    let seen = |name: &str| transformer.seen[0].iter().find(|(given, _)| given == name).unwrap().1.clone();
    let levels = Array1::from(vec![250.0_f32, 0.0, 713.0, 713.0]);
    let Tensor::Float(timesteps) = seen("timestep") else { panic!("timesteps are floats") };
    assert_eq!(timesteps.shape(), [1, 4, 1, 2]);
    assert_eq!(timesteps.index_axis(Axis(3), 1).iter().copied().collect::<Vec<_>>(), levels.to_vec());
    assert_eq!(seen("video_coords").shape(), [1, 3, 4, 1, 2]);
    assert!(family.bind(&mut transformer, &TextEmbedding(Array3::ones((1, 5, 31))), &conditioning).is_err());

    let inputs = family.decoder_inputs([1, 16, 2, 1, 2], &mut |_, _, shape| Array5::ones(shape));
    let names: Vec<_> = inputs.iter().map(|(name, _)| *name).collect();
    assert_eq!(names, ["timestep", "noise_scale", "noise"]);
    assert_eq!(inputs[2].1, Tensor::from(Array5::<f32>::ones((1, 16, 2, 1, 2))));
}

#[test]
fn a_manifest_of_another_shape_is_refused_by_field() {
    use pickup_package::{Conditioning, SamplerKind};
    let refused = |change: &dyn Fn(&mut Manifest), field: &str| {
        let mut manifest = manifest();
        change(&mut manifest);
        let error = crate::family(&manifest).err().unwrap();
        assert!(error.message.contains(field), "{error}");
    };
    assert!(crate::family(&manifest()).is_ok());
    refused(&|m| m.held = None, "field `held`");
    refused(&|m| m.decode = None, "field `decode`");
    refused(&|m| m.sampler.kind = SamplerKind::Unipc, "field `sampler.kind`");
    refused(&|m| m.text.padded = true, "field `text.padded`");
    refused(&|m| m.graphs.vae_enc_next = Some("x".into()), "field `graphs.vae_dec_next`");
    refused(&|m| m.conditioning.push(Conditioning::Mask), "field `conditioning`");
    refused(&|m| m.conditioning.push(Conditioning::Reference), "field `conditioning`");
    refused(&|m| m.limits.frame_multiple = 4, "field `limits.frame_multiple`");
    refused(&|m| m.limits.size_multiple = 16, "field `limits.size_multiple`");
}
