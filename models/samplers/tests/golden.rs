//! Schedules, walks and noise against values made by diffusers' schedulers and by 60-digit arithmetic
//! (`models/export/make_goldens.py`).
#![expect(clippy::unwrap_used, reason = "a test says what is wrong by panicking")]

use std::fs;
use std::path::PathBuf;

use ndarray::{Array3, Array5};
use pickup_samplers::{DpmPlusPlus, FlowEuler, Guidance, Levels, Noise, Sampler, Stream, TokenEuler, UniPc};
use serde::Deserialize;
use serde::de::DeserializeOwned;

#[derive(Deserialize)]
struct Walk {
    kind: String,
    order: usize,
    shift: f64,
    steps: usize,
    levels: String,
    given: Vec<f64>,
    /// Of each token, where each has a level of its own.
    strengths: Vec<f32>,
    timesteps: Vec<f32>,
    sigmas: Vec<f32>,
    start: Vec<f32>,
    velocities: Vec<Vec<f32>>,
    states: Vec<Vec<f32>>,
}

impl Walk {
    fn name(&self) -> String {
        let Self { kind, order, steps, shift, levels, .. } = self;
        format!("{kind} order {order}, {steps} steps, {levels}, shift {shift}")
    }

    fn levels(&self) -> Levels {
        match self.levels.as_str() {
            "given" => Levels::Given(self.given.clone()),
            "linear_quadratic" => Levels::LinearQuadratic { steps: self.steps },
            _ => Levels::Shifted { steps: self.steps, shift: self.shift },
        }
    }
}

#[derive(Deserialize)]
struct Guided {
    scale: f32,
    rescale: f32,
    interval: [f64; 2],
    positive: Vec<f32>,
    negative: Vec<f32>,
    /// One for each step; none where the negative prompt is not looked at.
    guided: Vec<Option<Vec<f32>>>,
}

#[derive(Deserialize)]
struct Number {
    seed: String,
    at: (u16, i32, u16, u32, u32),
    value: f32,
}

fn golden<T: DeserializeOwned>(name: &str) -> T {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/goldens").join(name);
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

fn latent(values: &[f32]) -> Array5<f32> {
    Array5::from_shape_vec((1, 2, 1, 2, 2), values.to_vec()).unwrap()
}

fn sampler(walk: &Walk, order: usize) -> Box<dyn Sampler> {
    let levels = walk.levels();
    match walk.kind.as_str() {
        "unipc" => Box::new(UniPc::new(&levels, order, 1000).unwrap()),
        "dpmpp" => Box::new(DpmPlusPlus::new(&levels, order, 1000).unwrap()),
        "token_euler" => Box::new(tokens(walk, &walk.strengths)),
        _ => Box::new(FlowEuler::new(&levels, 1000).unwrap()),
    }
}

/// The walk of tokens that are held with `strengths`.
fn tokens(walk: &Walk, strengths: &[f32]) -> TokenEuler {
    let ceilings = Array3::from_shape_vec((1, 2, 2), strengths.iter().map(|s| 1.0 - s).collect()).unwrap();
    TokenEuler::new(&walk.levels(), 1000, ceilings).unwrap()
}

/// Largest difference from diffusers' latents over all steps, relative to their largest value.
fn error(walk: &Walk, sampler: &mut dyn Sampler) -> f32 {
    let mut state = latent(&walk.start);
    let mut worst = 0.0_f32;
    for (velocity, expected) in walk.velocities.iter().zip(&walk.states) {
        state = sampler.step(&latent(velocity), &state).unwrap();
        let size = expected.iter().fold(1.0_f32, |size, value| size.max(value.abs()));
        let difference = state.iter().zip(expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        worst = worst.max(difference / size);
    }
    worst
}

#[test]
fn schedules_are_those_of_diffusers() {
    for walk in golden::<Vec<Walk>>("samplers.json") {
        let sampler = sampler(&walk, walk.order);
        let name = walk.name();
        // diffusers' Euler scheduler computes its levels in single precision, the others in double.
        let bound = if walk.kind.ends_with("euler") { 2e-7 } else { 0.0 };
        let near = |found: &[f32], expected: &[f32], scale: f32| {
            found.len() == expected.len()
                && found.iter().zip(expected).all(|(a, b)| (a - b).abs() <= bound * scale)
        };
        assert!(near(sampler.sigmas(), &walk.sigmas, 1.0), "{name}: {:?}", sampler.sigmas());
        assert!(near(sampler.timesteps(), &walk.timesteps, 1000.0), "{name}: {:?}", sampler.timesteps());
    }
}

#[test]
fn walks_are_those_of_diffusers() {
    for walk in golden::<Vec<Walk>>("samplers.json") {
        let error = error(&walk, sampler(&walk, walk.order).as_mut());
        println!("{}: {error:.1e}", walk.name());
        assert!(error < 2e-5, "{}: {error}", walk.name());
    }
}

/// The control: another order does not pass.
#[test]
fn another_order_is_noticed() {
    let walks = golden::<Vec<Walk>>("samplers.json");
    for walk in walks.iter().filter(|walk| walk.kind == "unipc" && walk.steps >= 8) {
        let other = walk.order % 3 + 1;
        let error = error(walk, sampler(walk, other).as_mut());
        assert!(error > 1e-2, "order {other} for {}: {error}", walk.name());
    }
    for walk in walks.iter().filter(|walk| walk.kind == "dpmpp" && walk.steps >= 8) {
        let error = error(walk, sampler(walk, 3 - walk.order).as_mut());
        assert!(error > 1e-2, "the other order for {}: {error}", walk.name());
    }
}

/// The control: tokens that are all free, or another schedule, do not pass.
#[test]
fn free_tokens_and_other_levels_are_noticed() {
    let walks = golden::<Vec<Walk>>("samplers.json");
    let token_walks: Vec<_> = walks.iter().filter(|walk| walk.kind == "token_euler").collect();
    assert_eq!(token_walks.len(), 3);
    for walk in token_walks {
        let free = error(walk, &mut tokens(walk, &[0.0; 4]));
        assert!(free > 1e-2, "free tokens for {}: {free}", walk.name());
        let levels = Levels::Shifted { steps: walk.steps, shift: 1.0 };
        let ceilings = Array3::from_shape_fn((1, 2, 2), |(_, y, x)| 1.0 - walk.strengths[2 * y + x]);
        let other = error(walk, &mut TokenEuler::new(&levels, 1000, ceilings).unwrap());
        assert!(other > 1e-2, "even levels for {}: {other}", walk.name());
    }
}

#[test]
fn guidance_is_that_of_diffusers() {
    let cases = golden::<Vec<Guided>>("guidance.json");
    assert!(cases.iter().any(|case| case.guided.contains(&None)) && cases.len() >= 5);
    for case in cases {
        let Guided { scale, rescale, interval, positive, negative, guided } = case;
        let (positive, negative) = (latent(&positive), latent(&negative));
        let guidance = Guidance { scale, rescale, interval };
        let plain = Guidance::of(scale).guide(positive.clone(), &negative);
        for (step, expected) in guided.iter().enumerate() {
            assert_eq!(guidance.is_guided(step, guided.len()), expected.is_some(), "step {step}");
            let Some(expected) = expected else { continue };
            let worst =
                |found: &Array5<f32>| (found - &latent(expected)).iter().fold(0.0_f32, |w, e| w.max(e.abs()));
            let found = worst(&guidance.guide(positive.clone(), &negative));
            assert!(found < 2e-6, "scale {scale}, rescale {rescale}: {found}");
            assert!(rescale == 0.0 || worst(&plain) > 0.1, "the control: without rescale");
        }
    }
}

#[test]
fn noise_is_what_is_written_down() {
    for number in golden::<Vec<Number>>("noise.json") {
        let (stream, frame, channel, y, x) = number.at;
        let stream = [Stream::Clip, Stream::Reference, Stream::Coarse][usize::from(stream)];
        let found = Noise::new(number.seed.parse().unwrap(), stream).at(frame, channel, y, x);
        assert_eq!(found.to_bits(), number.value.to_bits(), "{found} for {}", number.value);
    }
}
