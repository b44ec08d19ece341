//! Convolutions of 3×3 pixels over one or several frames, as video autoencoders are made of, on the processor.
//!
//! Winograd's algorithm F(4×4, 3×3) (A. Lavin and S. Gray, "Fast Algorithms for Convolutional Neural Networks",
//! arXiv:1509.09308): a tile of 4×4 output pixels is computed from 6×6 input pixels by 36 products of transformed input
//! and transformed filter, instead of 144. The products of a tile's frames and channels add up before the result is
//! transformed back, so that nearly all of the work is matrix products, a quarter of those of a plain convolution.
//!
//! In single precision the error is about twice a plain convolution's; `transform.rs` says why so little.
//!
//! The order of things: [`Filters::new`] transforms the weights, [`Filters::convolve`] splits the output into
//! units (`unit.rs`) of a few rows, frames and channels, which the [`Crew`]'s threads compute one by one.

mod product;
mod transform;
mod unit;

use parking_lot::Mutex;
use pulp::Arch;

use product::{BLOCK, Panels};
use transform::TILE;
use unit::{Job, Unit};

/// Threads that do numbered pieces of work.
pub trait Crew {
    /// How many there are.
    fn threads(&self) -> usize;

    /// Calls `work` once with each number below `count`, on any thread and in any order, and waits for all.
    fn each(&self, count: usize, work: &(dyn Fn(usize) + Send + Sync));
}

/// The sizes of weights `(outputs, inputs, frames, 3, 3)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FilterSize {
    /// Channels that come out.
    pub outputs: usize,
    /// Channels that go in.
    pub inputs: usize,
    /// Frames that a filter covers.
    pub frames: usize,
}

/// The sizes of an input `(batch, inputs, frames, height, width)`, and the zeros that are put around it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InputSize {
    /// Clips, each by itself.
    pub batch: usize,
    /// Frames.
    pub frames: usize,
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
    /// Empty frames before and after.
    pub pad_frames: [usize; 2],
    /// Rows of zeros above and below.
    pub pad_height: usize,
    /// Columns of zeros left and right.
    pub pad_width: usize,
}

impl InputSize {
    /// Frames, rows and columns that a filter over `frames` makes of this; `None` if there are none.
    pub fn output(&self, frames: usize) -> Option<[usize; 3]> {
        let sizes = [
            (self.frames + self.pad_frames.iter().sum::<usize>() + 1).checked_sub(frames)?,
            (self.height + 2 * self.pad_height).checked_sub(2)?,
            (self.width + 2 * self.pad_width).checked_sub(2)?,
        ];
        sizes.iter().all(|&size| size > 0).then_some(sizes)
    }
}

/// Output frames and tiles of a unit, about: enough that reading the filters costs little beside the products, few
/// enough that what the unit works on stays near the core.
const COLUMNS: usize = 64;
/// Most output frames of a unit.
const FRAMES: usize = 4;
/// Units for each thread, at least, where there is enough to do: they do not all take the same time.
const UNITS: usize = 4;
/// Blocks of output channels of a unit, at least: the input is transformed anew for each unit.
const BLOCKS: usize = 4;

/// Whether this processor has vectors to compute with. Number by number a plain convolution is faster.
pub fn has_vectors() -> bool {
    !matches!(Arch::new(), Arch::Scalar)
}

/// Weights, transformed.
#[derive(Debug)]
pub struct Filters {
    size: FilterSize,
    panels: Panels,
    arch: Arch,
}

impl Filters {
    /// Transforms `weights` `(outputs, inputs, frames, 3, 3)`; that takes four times their room in single precision.
    ///
    /// # Panics
    /// If there are not as many weights as `size` says.
    pub fn new<W: Copy + Into<f32> + Sync>(size: FilterSize, weights: &[W], crew: &impl Crew) -> Self {
        Self::on(Arch::new(), size, weights, crew)
    }

    /// The same with the vectors of `arch`.
    fn on<W: Copy + Into<f32> + Sync>(arch: Arch, size: FilterSize, weights: &[W], crew: &impl Crew) -> Self {
        assert_eq!(weights.len(), size.outputs * size.inputs * size.frames * 9, "weights of {size:?}");
        let mut panels = Panels::new(size);
        let blocks: Vec<_> = panels.blocks_mut().map(Mutex::new).collect();
        crew.each(blocks.len(), &|index| {
            let rows = weights.chunks(size.inputs * size.frames * 9).skip(index * BLOCK).take(BLOCK);
            arch.dispatch(|| product::fill_block(size, rows, &mut blocks[index].lock()));
        });
        drop(blocks);
        Self { size, panels, arch }
    }

    /// Convolves `input` `(batch, inputs, frames, height, width)`, whose frames are those of its parts one after another,
    /// into `output` `(batch, outputs, frames', height', width')`, whose last three sizes [`InputSize::output`] tells, and adds
    /// `bias` `(outputs)`. Like ONNX's `Conv` this does not mirror the filters.
    ///
    /// # Panics
    /// If a slice is not as long as the sizes say.
    pub fn convolve(
        &self,
        size: InputSize,
        input: &[&[f32]],
        bias: Option<&[f32]>,
        output: &mut [f32],
        crew: &impl Crew,
    ) {
        let Some([frames, height, width]) = size.output(self.size.frames) else {
            return assert!(output.is_empty(), "output of {size:?}");
        };
        let frame = size.batch * self.size.inputs * size.height * size.width;
        assert!(
            frame * size.frames * self.size.outputs > 0,
            "there is nothing to convolve: {size:?}, {:?}",
            self.size
        );
        assert_eq!(
            input.iter().map(|part| part.len()).sum::<usize>(),
            size.frames * frame,
            "input of {size:?}"
        );
        assert!(input.iter().all(|part| part.len().is_multiple_of(frame)), "parts of whole frames");
        assert_eq!(
            output.len(),
            size.batch * self.size.outputs * frames * height * width,
            "output of {size:?}"
        );
        assert!(bias.is_none_or(|bias| bias.len() == self.size.outputs), "one bias for each output");
        let job = Job { size, filters: self.size, panels: &self.panels, input, bias, frames, height, width };
        let units: Vec<_> =
            self.units(&job, output, crew.threads()).into_iter().map(|unit| Mutex::new(Some(unit))).collect();
        let scratch = Mutex::new(Vec::new());
        crew.each(units.len(), &|index| {
            let Some(unit) = units[index].lock().take() else { return };
            let mut own = scratch.lock().pop().unwrap_or_default();
            self.arch.dispatch(unit::Run { job: &job, unit, scratch: &mut own });
            scratch.lock().push(own);
        });
    }

    /// Splits the output into what is computed at once.
    fn units<'o>(&self, job: &Job<'_>, output: &'o mut [f32], threads: usize) -> Vec<Unit<'o>> {
        let (tile_rows, tiles) = (job.height.div_ceil(TILE), job.width.div_ceil(TILE));
        let frames = job.frames.min(FRAMES);
        let rows = (COLUMNS / (frames * tiles)).clamp(1, tile_rows);
        let (strips, spans, blocks) =
            (tile_rows.div_ceil(rows), job.frames.div_ceil(frames), self.panels.blocks());
        let places = job.size.batch * spans * strips;
        let groups = (UNITS * threads).div_ceil(places).clamp(1, blocks.div_ceil(BLOCKS));
        let group = blocks.div_ceil(groups);
        let groups = blocks.div_ceil(group);
        let mut units = Vec::with_capacity(places * groups);
        for place in 0..places {
            let (clip, span, strip) = (place / strips / spans, place / strips % spans, place % strips);
            for first in (0..blocks).step_by(group) {
                units.push(Unit {
                    clip,
                    frames: span * frames..job.frames.min((span + 1) * frames),
                    tile_rows: strip * rows..tile_rows.min((strip + 1) * rows),
                    blocks: first..blocks.min(first + group),
                    output: Vec::new(),
                });
            }
        }
        for (index, plane) in output.chunks_mut(job.height * job.width).enumerate() {
            let (clip, channel) =
                (index / job.frames / self.size.outputs, index / job.frames % self.size.outputs);
            let span = index % job.frames / frames;
            for (strip, part) in plane.chunks_mut(rows * TILE * job.width).enumerate() {
                let place = (clip * spans + span) * strips + strip;
                units[place * groups + channel / BLOCK / group].output.push(part);
            }
        }
        units
    }
}

#[cfg(test)]
mod tests;
