//! Schedules, walks and noise against values made by diffusers' schedulers and by 60-digit arithmetic
//! (`models/export/make_goldens.py`).
#![expect(clippy::unwrap_used, reason = "a test says what is wrong by panicking")]

use std::fs;
use std::path::PathBuf;

use ndarray::Array5;
use pickup_samplers::{FlowEuler, Noise, Sampler, Stream, UniPc};
use serde::Deserialize;
use serde::de::DeserializeOwned;

#[derive(Deserialize)]
struct Walk {
    kind: String,
    order: usize,
    shift: f64,
    steps: usize,
    timesteps: Vec<f32>,
    sigmas: Vec<f32>,
    start: Vec<f32>,
    velocities: Vec<Vec<f32>>,
    states: Vec<Vec<f32>>,
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
    match walk.kind.as_str() {
        "unipc" => Box::new(UniPc::new(walk.steps, order, walk.shift, 1000).unwrap()),
        _ => Box::new(FlowEuler::new(walk.steps, walk.shift, 1000).unwrap()),
    }
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
        let name = format!("{} shift {} steps {}", walk.kind, walk.shift, walk.steps);
        // diffusers' Euler scheduler computes its levels in single precision, its UniPC in double.
        let bound = if walk.kind == "unipc" { 0.0 } else { 2e-7 };
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
        println!("{} order {} steps {}: {error:.1e}", walk.kind, walk.order, walk.steps);
        assert!(error < 2e-5, "{} order {} steps {}: {error}", walk.kind, walk.order, walk.steps);
    }
}

/// The control: another order does not pass.
#[test]
fn another_order_is_noticed() {
    let walks = golden::<Vec<Walk>>("samplers.json");
    for walk in walks.iter().filter(|walk| walk.kind == "unipc" && walk.steps >= 8) {
        let other = walk.order % 3 + 1;
        let error = error(walk, sampler(walk, other).as_mut());
        assert!(error > 1e-2, "order {other} for {} of {} steps: {error}", walk.order, walk.steps);
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
