//! The frames of a request as the model sees them.

use half::f16;
use ndarray::{Array2, Array3, Array4, ArrayView3, Axis, Zip, s};
use pickup_core::{Error, PlateId, Request, Result, Slot};
use pickup_families::ModelCanvas;
use pickup_takes::{Plate, Store};
use std::collections::BTreeMap;

use crate::parallel;
use crate::plan::{Part, Pass, Plan};
use crate::resample::{Filter, resample};

/// What the model is given of a frame.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Given {
    /// `(h, w, 3)` in −1..1; 0 where it is not known.
    pub picture: Array3<f32>,
    /// `(h, w)`: 1 where it is known, 0 where it is to be made. `None` if all of it is known.
    pub known: Option<Array2<f32>>,
}

impl Given {
    fn whole(picture: Array3<f32>) -> Self {
        Self { picture, known: None }
    }
}

/// Known frames, references and the frames made so far, at the model's size.
pub(crate) struct Stage<'a> {
    store: &'a Store,
    request: &'a Request,
    width: usize,
    height: usize,
    made: BTreeMap<usize, Array3<f32>>,
}

impl<'a> Stage<'a> {
    /// Nothing is read yet.
    pub fn new(store: &'a Store, request: &'a Request, plan: &Plan) -> Self {
        let (width, height) = (plan.width as usize, plan.height as usize);
        Self { store, request, width, height, made: BTreeMap::new() }
    }

    /// The frames that `pass` is given, whole or in part, and `None` for those of which nothing is known.
    ///
    /// # Errors
    /// If a plate is not in the store, damaged, or not of the canvas's size.
    pub fn given(&self, pass: &Pass) -> Result<Vec<Option<Given>>> {
        parallel::map(pass.parts.iter(), |part| match *part {
            Part::Known(frame) => self.known(frame).map(|picture| Some(Given::whole(picture))),
            Part::Guide(frame) => self.made(frame).map(|picture| Some(Given::whole(picture))),
            Part::Make(frame) => self.part(frame),
            Part::Surplus => Ok(None),
        })
    }

    /// The known part of a frame to be made; `None` if nothing of it is known.
    fn part(&self, frame: usize) -> Result<Option<Given>> {
        let Some(plate) = self.partial_plate(frame)? else { return Ok(None) };
        let shape = (plate.height() as usize, plate.width() as usize, 4);
        let pixels = ArrayView3::from_shape(shape, plate.pixels())
            .map_err(|error| Error::storage(format!("frame {frame} does not fit its size: {error}.")))?;
        let known = pixels.slice(s![.., .., 3..]).mapv(|alpha| f32::from(u8::from(is_known(alpha))));
        let known = Array3::from_shape_fn((shape.0, shape.1, 3), |(y, x, _)| known[[y, x, 0]]);
        let colours = pixels.slice(s![.., .., ..3]).mapv(|value| value.to_f32().clamp(0.0, 1.0)) * &known;
        // What is known is weighed by how much of it lies under a pixel of the model, so that nothing of the
        // emptiness beside it gets in.
        let weights = resample(&known, self.width, self.height, Filter::Sharp)?;
        let mut picture = resample(&colours, self.width, self.height, Filter::Sharp)?;
        Zip::from(&mut picture).and(&weights).for_each(|value, weight| {
            *value = if *weight > 0.5 { (2.0 * *value / weight - 1.0).clamp(-1.0, 1.0) } else { 0.0 };
        });
        let known = weights.index_axis(Axis(2), 0).mapv(|weight| f32::from(u8::from(weight > 0.5)));
        Ok(Some(Given { picture, known: Some(known) }))
    }

    /// Puts the known part of a frame to be made, bit for bit, into its pixels `(h, w, 4)`, and marks it by
    /// alpha 0. Frames of which nothing is known stay as they are.
    ///
    /// # Errors
    /// If the plate is not in the store, damaged, or not of the canvas's size.
    pub fn put_known_part(&self, frame: usize, pixels: &mut [f16]) -> Result<()> {
        let Some(plate) = self.partial_plate(frame)? else { return Ok(()) };
        for (pixel, known) in pixels.chunks_exact_mut(4).zip(plate.pixels().chunks_exact(4)) {
            if is_known(known[3]) {
                pixel.copy_from_slice(&[known[0], known[1], known[2], f16::ZERO]);
            }
        }
        Ok(())
    }

    fn partial_plate(&self, frame: usize) -> Result<Option<Plate>> {
        let canvas = &self.request.canvas;
        let Some(Slot::Partial(id)) = canvas.slots.get(frame) else { return Ok(None) };
        let plate = self.store.plate(id)?;
        self.check_size(frame, (plate.width() as usize, plate.height() as usize))?;
        Ok(Some(plate))
    }

    /// The known frame of the canvas, `(h, w, 3)` in −1..1 at the timeline's size.
    ///
    /// # Errors
    /// If it is not known, its plate is not in the store, damaged, or not of the canvas's size.
    pub fn truth(&self, frame: usize) -> Result<Array3<f32>> {
        let picture = self.full(frame)?;
        let (height, width, _) = picture.dim();
        self.for_model(&picture, width, height)
    }

    fn known(&self, frame: usize) -> Result<Array3<f32>> {
        self.for_model(&self.full(frame)?, self.width, self.height)
    }

    fn full(&self, frame: usize) -> Result<Array3<f32>> {
        let canvas = &self.request.canvas;
        let Some(Slot::Known(id)) = canvas.slots.get(frame) else {
            return Err(Error::runtime(format!("frame {frame} of the canvas is not known.")));
        };
        let picture = self.picture(id)?;
        let (height, width, _) = picture.dim();
        self.check_size(frame, (width, height))?;
        Ok(picture)
    }

    fn check_size(&self, frame: usize, (width, height): (usize, usize)) -> Result<()> {
        let canvas = &self.request.canvas;
        if (width, height) != (canvas.width as usize, canvas.height as usize) {
            return Err(Error::input(format!(
                "expected known frames of {}×{}, got {width}×{height} for frame {frame}.",
                canvas.width, canvas.height
            )));
        }
        Ok(())
    }

    fn made(&self, frame: usize) -> Result<Array3<f32>> {
        let made = self.made.get(&frame).cloned();
        made.ok_or_else(|| Error::runtime(format!("frame {frame} guides a pass before it is made.")))
    }

    /// `(h, w, 3)` in the canvas's encoding.
    fn picture(&self, id: &PlateId) -> Result<Array3<f32>> {
        Ok(self.store.plate(id)?.to_frame()?.pixels().clone())
    }

    /// 0..1 to −1..1 at another size. What is brighter than the display is clipped for the model; the
    /// known frames themselves never leave through it.
    fn for_model(&self, picture: &Array3<f32>, width: usize, height: usize) -> Result<Array3<f32>> {
        let clipped = picture.mapv(|value| value.clamp(0.0, 1.0));
        let sized = resample(&clipped, width, height, Filter::Sharp)?;
        Ok(sized.mapv_into(|value| (2.0 * value - 1.0).clamp(-1.0, 1.0)))
    }

    /// The reference pictures: scaled to fit, in the middle of white (diffusers 0.42.1,
    /// `WanVACEPipeline.preprocess_conditions`).
    ///
    /// # Errors
    /// If a plate is not in the store or damaged.
    pub fn references(&self) -> Result<Vec<Array3<f32>>> {
        parallel::map(self.request.references.iter(), |id| self.reference(&self.picture(id)?))
    }

    fn reference(&self, picture: &Array3<f32>) -> Result<Array3<f32>> {
        let (height, width, _) = picture.dim();
        let scale = (self.width as f64 / width as f64).min(self.height as f64 / height as f64);
        let fit = |side: usize, most: usize| ((side as f64 * scale) as usize).clamp(1, most);
        let (fit_width, fit_height) = (fit(width, self.width), fit(height, self.height));
        let (left, top) = ((self.width - fit_width) / 2, (self.height - fit_height) / 2);
        let mut white = Array3::ones((self.height, self.width, 3));
        let sized = self.for_model(picture, fit_width, fit_height)?;
        white.slice_mut(s![top..top + fit_height, left..left + fit_width, ..]).assign(&sized);
        Ok(white)
    }

    /// The canvas of one pass, whose frames are `spacing` frames of the timeline apart.
    pub fn canvas(
        &self,
        given: &[Option<Given>],
        spacing: usize,
        references: Vec<Array3<f32>>,
    ) -> ModelCanvas {
        let mut frames = Array4::zeros((given.len(), self.height, self.width, 3));
        let mut mask = Array3::ones((given.len(), self.height, self.width));
        for (index, frame) in given.iter().enumerate() {
            let Some(given) = frame else { continue };
            frames.index_axis_mut(Axis(0), index).assign(&given.picture);
            match &given.known {
                Some(known) => mask.index_axis_mut(Axis(0), index).assign(&known.mapv(|known| 1.0 - known)),
                None => mask.index_axis_mut(Axis(0), index).fill(0.0),
            }
        }
        let rate = self.request.canvas.rate.as_f64() / spacing as f64;
        ModelCanvas { frames, mask, references, rate }
    }

    /// Keeps what `pass` made, as far as `later` passes need it.
    pub fn keep(&mut self, pass: &Pass, frames: &[Array3<f32>], later: &[Pass]) {
        for (part, frame) in pass.parts.iter().zip(frames) {
            if let Part::Make(index) | Part::Guide(index) = *part {
                self.made.insert(index, frame.clone());
            }
        }
        let needed = |index: usize| later.iter().any(|pass| pass.parts.contains(&Part::Guide(index)));
        self.made.retain(|index, _| needed(*index));
    }
}

/// Alpha of ½ or more is known.
fn is_known(alpha: f16) -> bool {
    alpha.to_f32() >= 0.5
}

#[cfg(test)]
mod tests {
    use super::*;
    use half::f16;
    use pickup_core::{Canvas, FrameRate};
    use pickup_samplers::{Guidance, Levels};
    use pickup_takes::PlateImage;

    fn plate(store: &Store, width: u32, height: u32, rgb: [f32; 3]) -> PlateId {
        let pixel = [rgb[0], rgb[1], rgb[2], 1.0].map(f16::from_f32);
        let pixels: Vec<_> = std::iter::repeat_n(pixel, (width * height) as usize).flatten().collect();
        store.put_plate(&PlateImage { width, height, pixels: &pixels }).unwrap()
    }

    fn plan(parts: Vec<Part>) -> Plan {
        let pass = Pass { parts, spacing: 1, delivers: vec![1] };
        let negative_prompt = String::new();
        Plan {
            width: 32,
            height: 16,
            final_size: (32, 16),
            passes: vec![pass],
            steps: 1,
            levels: Levels::Given(vec![1.0]),
            guidance: Guidance::of(1.0),
            negative_prompt,
            loads: crate::plan::Loads::default(),
            work: 0.0,
        }
    }

    #[test]
    fn known_frames_are_scaled_and_the_rest_is_masked() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(Some(folder.path())).unwrap();
        let bright = plate(&store, 64, 36, [0.25, 0.5, 4.0]);
        let rate = FrameRate::new(25, 1).unwrap();
        let request = Request::new(Canvas::around((64, 36), rate, [bright], 2, []));
        let plan = plan(vec![Part::Known(0), Part::Make(1), Part::Make(2), Part::Surplus, Part::Surplus]);
        let stage = Stage::new(&store, &request, &plan);
        let given = stage.given(&plan.passes[0]).unwrap();
        let canvas = stage.canvas(&given, 2, vec![]);
        assert_eq!(canvas.rate, 12.5, "every other frame of 25");
        assert_eq!(canvas.frames.dim(), (5, 16, 32, 3));
        for (c, expected) in [(0, -0.5), (1, 0.0), (2, 1.0)] {
            assert!((canvas.frames[[0, 8, 16, c]] - expected).abs() < 1e-3, "clipped for the model");
        }
        assert_eq!(
            canvas.mask.sum_axis(Axis(2)).sum_axis(Axis(1)).to_vec(),
            [0.0, 512.0, 512.0, 512.0, 512.0]
        );
        assert!(canvas.frames.slice(s![1.., .., .., ..]).iter().all(|value| *value == 0.0));
    }

    #[test]
    fn a_part_of_a_frame_is_given_without_the_emptiness_beside_it_and_comes_back_bit_for_bit() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(Some(folder.path())).unwrap();
        // Known on the left half, where it is 0.75; nothing on the right.
        let pixels: Vec<f16> = (0..64 * 32)
            .flat_map(|i| if i % 64 < 32 { [0.75, 0.75, 0.75, 1.0] } else { [0.0; 4] })
            .map(f16::from_f32)
            .collect();
        let id = store.put_plate(&PlateImage { width: 64, height: 32, pixels: &pixels }).unwrap();
        let mut request = Request::new(Canvas::around((64, 32), FrameRate::new(25, 1).unwrap(), [], 2, []));
        request.canvas.slots[0] = Slot::Partial(id);
        let plan = plan(vec![Part::Make(0), Part::Make(1)]);
        let stage = Stage::new(&store, &request, &plan);
        let given = stage.given(&plan.passes[0]).unwrap();
        assert!(given[1].is_none());
        let canvas = stage.canvas(&given, 1, vec![]);
        for x in 0..32 {
            let (picture, mask) = if x < 16 { (0.5, 0.0) } else { (0.0, 1.0) };
            assert!(
                (canvas.frames[[0, 8, x, 1]] - picture).abs() < 2e-3,
                "{x}: {}",
                canvas.frames[[0, 8, x, 1]]
            );
            assert_eq!(canvas.mask[[0, 8, x]], mask, "{x}");
            assert_eq!(canvas.mask[[1, 8, x]], 1.0);
        }
        let mut made = vec![f16::ONE; 64 * 32 * 4];
        stage.put_known_part(0, &mut made).unwrap();
        for (index, pixel) in made.chunks(4).enumerate() {
            let known = index % 64 < 32;
            let expected = if known { [0.75, 0.75, 0.75, 0.0] } else { [1.0; 4] };
            assert_eq!(pixel, expected.map(f16::from_f32));
        }
        let untouched = made.clone();
        stage.put_known_part(1, &mut made).unwrap();
        assert_eq!(made, untouched);
    }

    #[test]
    fn a_plate_of_another_size_is_refused_and_a_reference_of_one_fits_into_white() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(Some(folder.path())).unwrap();
        let rate = FrameRate::new(25, 1).unwrap();
        let small = plate(&store, 20, 20, [0.0; 3]);
        let mut request = Request::new(Canvas::around((64, 36), rate, [small], 2, []));
        request.references = vec![small];
        let plan = plan(vec![Part::Known(0), Part::Make(1)]);
        let stage = Stage::new(&store, &request, &plan);
        assert!(stage.given(&plan.passes[0]).unwrap_err().message.contains("64×36"));
        let reference = &stage.references().unwrap()[0];
        assert_eq!(reference.dim(), (16, 32, 3));
        assert_eq!(reference[[8, 16, 0]], -1.0, "the picture");
        assert_eq!((reference[[8, 7, 0]], reference[[8, 24, 0]]), (1.0, 1.0), "white at both sides");
    }
}
