//! The operator [`NAME`] of [`DOMAIN`]: what ONNX's `Conv` does, by Winograd's algorithm, on the processor and on ONNX
//! Runtime's own threads.
//!
//! Inputs: `(b, c, h, w)` or `(b, c, t, h, w)`, weights `(o, c, 3, 3)` or `(o, c, k, 3, 3)` in single or half precision, a
//! bias `(o)` or none, and frames `(b, c, s, h, w)` that come before the first's or none. The attribute `pads` is `Conv`'s.

use half::f16;
use ort::operator::{
    ComputeContext, Kernel, KernelContext, Operator, OperatorDomain, OperatorInput, OperatorOutput,
    ShapeInferenceContext,
};
use ort::value::{
    PrimitiveTensorElementType, Shape, SymbolicDimensions, TensorElementType, ValueRef, ValueType,
};
use parking_lot::Mutex;
use pickup_convolution::{Crew, FilterSize, Filters, InputSize};
use std::any::Any;
use std::fmt::Display;
use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

pub(crate) const DOMAIN: &str = "pickup";
pub(crate) const NAME: &str = "Convolution";

/// The domain, for one session whose runs have so many `threads`.
pub(crate) fn domain(threads: usize) -> ort::Result<OperatorDomain> {
    OperatorDomain::new(DOMAIN)?.add(Convolution::<f32>::new(threads))?.add(Convolution::<f16>::new(threads))
}

/// The operator for weights of the type `W`.
struct Convolution<W> {
    threads: usize,
    weights: PhantomData<fn() -> W>,
}

impl<W> Convolution<W> {
    fn new(threads: usize) -> Self {
        Self { threads, weights: PhantomData }
    }
}

impl<W: PrimitiveTensorElementType + Copy + Into<f32> + Sync + 'static> Operator for Convolution<W> {
    type Kernel<'attr> = Convolved<W>;

    fn name(&self) -> &str {
        NAME
    }

    fn inputs(&self) -> impl IntoIterator<Item = OperatorInput> {
        let float = TensorElementType::Float32;
        let weights = OperatorInput::required(W::into_tensor_element_type());
        [
            OperatorInput::required(float),
            weights,
            OperatorInput::optional(float),
            OperatorInput::optional(float),
        ]
    }

    fn outputs(&self) -> impl IntoIterator<Item = OperatorOutput> {
        [OperatorOutput::required(TensorElementType::Float32)]
    }

    fn create_kernel<'attr>(&self, context: &KernelContext<'attr>) -> ort::Result<Convolved<W>> {
        let pads: Vec<i64> = context.get("pads").unwrap_or_default();
        Ok(Convolved { pads: Pads::of(&pads), threads: self.threads, weights: PhantomData })
    }

    fn infer_shape(&self, context: &mut ShapeInferenceContext) -> ort::Result<()> {
        let inputs = context.inputs();
        let pads: Vec<i64> = context.attr("pads").unwrap_or_default();
        let output = match inputs.as_slice() {
            [input, weights] | [input, weights, _] => shape(input, weights, Pads::of(&pads)),
            _ => None,
        };
        output.map_or(Ok(()), |output| context.set_output(0, &output))
    }
}

/// Empty frames before and after, and zeros around each frame.
#[derive(Clone, Copy)]
struct Pads {
    frames: [usize; 2],
    height: usize,
    width: usize,
}

impl Pads {
    /// From `Conv`'s numbers: before each dimension, then after each; none are zeros.
    fn of(pads: &[i64]) -> Self {
        let (before, after) = pads.split_at(pads.len() / 2);
        let of = |side: &[i64], from_end: usize| {
            let pad = side.len().checked_sub(from_end).map(|index| side[index]);
            pad.and_then(|pad| usize::try_from(pad).ok()).unwrap_or(0)
        };
        Self { frames: [of(before, 3), of(after, 3)], height: of(before, 2), width: of(before, 1) }
    }
}

/// The output's type; `None` if the inputs' do not tell all of it: ONNX Runtime has no way to hear of a size that is not
/// known and has no name.
fn shape(input: &ValueType, weights: &ValueType, pads: Pads) -> Option<ValueType> {
    let (ValueType::Tensor { shape, dimension_symbols, .. }, ValueType::Tensor { shape: weights, .. }) =
        (input, weights)
    else {
        return None;
    };
    let rank = shape.len();
    if rank < 4 || weights.len() != rank {
        return None;
    }
    let mut more = vec![0; rank];
    more[rank - 2] = 2 * pads.height as i64 - 2;
    more[rank - 1] = 2 * pads.width as i64 - 2;
    if rank == 5 {
        more[2] = pads.frames.iter().sum::<usize>() as i64 + 1 - weights[2];
    }
    let size = |index: usize| match index {
        1 => weights[0],
        _ if shape[index] < 0 => -1,
        _ => shape[index] + more[index],
    };
    let symbol = |index: usize| match (size(index), more[index]) {
        (-1, 0) => Some(dimension_symbols[index].clone()).filter(|symbol| !symbol.is_empty()),
        (-1, _) => None,
        _ => Some(String::new()),
    };
    Some(ValueType::Tensor {
        ty: TensorElementType::Float32,
        shape: Shape::new((0..rank).map(size)),
        dimension_symbols: SymbolicDimensions::new((0..rank).map(symbol).collect::<Option<Vec<_>>>()?),
    })
}

/// One node. Its weights are transformed anew in each run: kept, they would take four times their room.
struct Convolved<W> {
    pads: Pads,
    threads: usize,
    weights: PhantomData<fn() -> W>,
}

impl<W: PrimitiveTensorElementType + Copy + Into<f32> + Sync> Kernel for Convolved<W> {
    fn compute(&mut self, context: &ComputeContext) -> ort::Result<()> {
        // Who calls this is C++.
        let computed = catch_unwind(AssertUnwindSafe(|| self.convolve(context)));
        computed.unwrap_or_else(|panic| Err(wrong(words(&*panic))))
    }
}

impl<W: PrimitiveTensorElementType + Copy + Into<f32> + Sync> Convolved<W> {
    fn convolve(&self, context: &ComputeContext) -> ort::Result<()> {
        let count = context.num_inputs()?;
        let given = |index| if index < count { context.input(index) } else { Ok(None) };
        let (input, weights, bias, before) = (given(0)?, given(1)?, given(2)?, given(3)?);
        let (shape, input) = numbers::<f32>(input.as_ref())?.ok_or_else(|| wrong("the input is missing"))?;
        let (filter, weights) =
            numbers::<W>(weights.as_ref())?.ok_or_else(|| wrong("the weights are missing"))?;
        let bias = numbers(bias.as_ref())?.map(|(_, bias)| bias);
        let (before_shape, before) = numbers::<f32>(before.as_ref())?.unwrap_or_default();
        let fit =
            || wrong(format!("weights {filter:?} do not fit an input {shape:?} after {before_shape:?}"));
        let (size, filter) = sizes(&shape, &before_shape, &filter, self.pads).ok_or_else(fit)?;
        let [frames, height, width] = size.output(filter.frames).ok_or_else(fit)?;
        let whole = [size.batch, filter.outputs, frames, height, width].map(|size| size as i64);
        let made: Vec<i64> = match shape.len() {
            4 => [&whole[..2], &whole[3..]].concat(),
            _ => whole.to_vec(),
        };
        let mut output = context.output(0, made)?.ok_or_else(|| wrong("there is no output"))?;
        let (_, output) = output.try_extract_tensor_mut::<f32>()?;
        let crew = Runtime { context, threads: self.threads };
        Filters::new(filter, weights, &crew).convolve(size, &[before, input], bias, output, &crew);
        Ok(())
    }
}

fn wrong(what: impl Display) -> ort::Error {
    ort::Error::new(format!("{NAME}: {what}"))
}

/// A tensor's shape and numbers.
fn numbers<'a, N: PrimitiveTensorElementType>(
    value: Option<&'a ValueRef<'_>>,
) -> ort::Result<Option<(Vec<usize>, &'a [N])>> {
    let tensor = value.map(|value| value.try_extract_tensor::<N>()).transpose()?;
    Ok(tensor.map(|(shape, numbers)| (shape.iter().map(|&size| size as usize).collect(), numbers)))
}

/// The sizes of an input of `shape` after frames of the shape `before`, if there are some, and of `weights`; `None` if they do
/// not fit each other.
fn sizes(
    shape: &[usize],
    before: &[usize],
    weights: &[usize],
    pads: Pads,
) -> Option<(InputSize, FilterSize)> {
    let ([batch, channels, mut frames, height, width], [outputs, inputs, taps, 3, 3]) =
        (with_time(shape)?, with_time(weights)?)
    else {
        return None;
    };
    let mut fits = channels == inputs && shape.len() == weights.len();
    if !before.is_empty() {
        let earlier = with_time(before)?;
        fits &= earlier == [batch, channels, earlier[2], height, width];
        frames += earlier[2];
    }
    let Pads { frames: pad_frames, height: pad_height, width: pad_width } = pads;
    let size = InputSize { batch, frames, height, width, pad_frames, pad_height, pad_width };
    fits.then_some((size, FilterSize { outputs, inputs, frames: taps }))
}

/// Pictures are clips of one frame.
fn with_time(shape: &[usize]) -> Option<[usize; 5]> {
    match *shape {
        [batch, channels, height, width] => Some([batch, channels, 1, height, width]),
        _ => shape.try_into().ok(),
    }
}

/// The threads of the session that runs.
struct Runtime<'a> {
    context: &'a ComputeContext,
    threads: usize,
}

impl Crew for Runtime<'_> {
    fn threads(&self) -> usize {
        self.threads
    }

    fn each(&self, count: usize, work: &(dyn Fn(usize) + Send + Sync)) {
        let fault: Mutex<Option<Box<dyn Any + Send>>> = Mutex::new(None);
        // Who calls the work is C++, too.
        let guarded = |index| {
            if let Err(panic) = catch_unwind(AssertUnwindSafe(|| work(index))) {
                *fault.lock() = Some(panic);
            }
        };
        if let Err(error) = self.context.par_for(count, 0, guarded) {
            resume_unwind(Box::new(error.to_string()));
        }
        if let Some(panic) = fault.into_inner() {
            resume_unwind(panic);
        }
    }
}

/// What a panic said.
fn words(panic: &(dyn Any + Send)) -> &str {
    panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("it failed")
}
