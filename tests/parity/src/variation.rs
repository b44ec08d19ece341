//! Things done otherwise than diffusers does them: controls that must fail.

use pickup_core::{Cancel, Graph, Result, Tensor, TensorSpec};
use pickup_families::{ModelCanvas, Purpose};
use pickup_package::SamplerSpec;

/// Something that is done otherwise than diffusers does it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Variation {
    /// Nothing: our pipeline as it is.
    None,
    /// Known and unknown change places.
    MaskInverted,
    /// The first frame is taken for unknown.
    FirstFrameDropped,
    /// The known first frame's tokens are told the noise level of the others.
    LevelsEven,
    /// The prompt is left out.
    PromptDropped,
    /// The negative prompt is left out.
    GuidanceDropped,
    /// References come in the opposite order.
    ReferencesReversed,
    /// A sampler whose noise levels are not shifted.
    ShiftDropped,
    /// A sampler of the first order.
    FirstOrder,
    /// Held frames are all held firmly.
    StrengthsFull,
    /// Frames follow each other at half the rate.
    RateHalved,
    /// Guidance is not rescaled.
    RescaleDropped,
    /// The noise levels that are listed are not looked at.
    LevelsUnlisted,
    /// The noise for this purpose is left out.
    NoiseDropped(Purpose),
}

impl Variation {
    /// Does it to the canvas.
    pub(crate) fn vary_canvas(self, canvas: &mut ModelCanvas) {
        match self {
            Self::MaskInverted => canvas.mask.mapv_inplace(|mask| 1.0 - mask),
            Self::FirstFrameDropped => canvas.mask.fill(1.0),
            Self::ReferencesReversed => canvas.references.reverse(),
            Self::StrengthsFull => canvas.mask.mapv_inplace(f32::floor),
            Self::RateHalved => canvas.rate /= 2.0,
            _ => {}
        }
    }

    /// Does it to the sampler.
    pub(crate) fn vary_sampler(self, sampler: &mut SamplerSpec) {
        match self {
            Self::FirstOrder => sampler.order = 1,
            Self::ShiftDropped => sampler.shift = 1.0,
            _ => {}
        }
    }
}

/// A transformer whose tokens are all told the highest of their noise levels.
pub(crate) struct EvenLevels<'a>(pub &'a mut dyn Graph);

impl Graph for EvenLevels<'_> {
    fn inputs(&self) -> &[TensorSpec] {
        self.0.inputs()
    }

    fn outputs(&self) -> &[TensorSpec] {
        self.0.outputs()
    }

    fn bind(&mut self, name: &str, tensor: &Tensor) -> Result<()> {
        self.0.bind(name, tensor)
    }

    fn unbind(&mut self) {
        self.0.unbind();
    }

    fn run(&mut self, inputs: &[(&str, &Tensor)], cancel: &Cancel) -> Result<Vec<Tensor>> {
        let even = |tensor: &Tensor| -> Result<Tensor> {
            let mut levels = tensor.clone().into_float()?;
            let highest = levels.fold(0.0, |most: f32, &level| most.max(level));
            levels.fill(highest);
            Ok(Tensor::Float(levels))
        };
        let varied: Vec<_> = inputs
            .iter()
            .map(|(name, tensor)| match *name {
                "timestep" => even(tensor),
                _ => Ok((*tensor).clone()),
            })
            .collect::<Result<_>>()?;
        let inputs: Vec<_> = inputs.iter().zip(&varied).map(|((name, _), tensor)| (*name, tensor)).collect();
        self.0.run(&inputs, cancel)
    }
}
