//! The noise that diffusers drew besides the latent's.

use anyhow::Result;
use ndarray::{Array5, Axis};
use pickup_families::Purpose;

use crate::{Model, Variation, golden};

/// Noise by what it is for; none where a family draws none.
#[derive(Default)]
pub(crate) struct Injected {
    /// For each held clip, `(1, c, n, h, w)`.
    encoding: Vec<Array5<f32>>,
    /// For all steps, `(steps, c, f, h, w)`.
    step: Option<Array5<f32>>,
    /// `(1, c, f, h, w)`.
    decoding: Option<Array5<f32>>,
}

impl Injected {
    /// Reads what there is of the run called `name`.
    pub fn read(model: &Model, name: &str) -> Result<Self> {
        let read = |file: &str| -> Result<Option<Array5<f32>>> {
            let place = format!("pipeline/{name}/{file}.npy");
            let is_there = golden::folder().join(model.subject.family).join(&place).is_file();
            is_there.then(|| model.golden(&place)).transpose()
        };
        let mut encoding = Vec::new();
        while let Some(noise) = read(&format!("encoding_{}", encoding.len()))? {
            encoding.push(noise);
        }
        Ok(Self { encoding, step: read("step")?, decoding: read("decoding")? })
    }

    /// The noise for `purpose`; zero where `variation` leaves it out, or asks for what diffusers did not draw.
    pub fn draw(
        &self,
        purpose: Purpose,
        count: usize,
        shape: [usize; 5],
        variation: Variation,
    ) -> Array5<f32> {
        let drawn = match purpose {
            Purpose::Encoding => self.encoding.get(count).cloned(),
            Purpose::Step => self.step.as_ref().map(|step| step.select(Axis(0), &[count])),
            Purpose::Decoding => self.decoding.clone(),
        };
        let left_out = variation == Variation::NoiseDropped(purpose);
        drawn.filter(|drawn| !left_out && drawn.shape() == shape).unwrap_or_else(|| Array5::zeros(shape))
    }
}
