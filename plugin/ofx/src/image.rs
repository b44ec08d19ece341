//! Images of the host: released on drop, their rows handed out as slices that cannot go outside.
#![expect(unsafe_code, reason = "turns the host's image memory into slices")]

use crate::format::{Components, Depth, Premultiplication};
use crate::geometry::RectI;
use crate::host::suites;
use crate::keys;
use crate::layout::Layout;
use crate::property::PropertySet;
use crate::status::{Error, Result};
use std::marker::PhantomData;
use std::ops::Range;
use std::ptr::NonNull;

/// Where an image's pixels are and what they are made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Raster {
    /// The lowest row's first byte. All bytes of `layout` around it belong to the image.
    base: NonNull<u8>,
    layout: Layout,
    depth: Depth,
    components: Components,
}

impl Raster {
    fn read(set: PropertySet<'_>) -> Result<Self> {
        let depth = read_name(set, &keys::PIXEL_DEPTH, "pixel depth", Depth::from_name)?;
        let components = read_name(set, &keys::COMPONENTS, "components", Components::from_name)?;
        let bounds = RectI::from_array(set.get_all(&keys::IMAGE_BOUNDS)?);
        let row_bytes = set.get(&keys::IMAGE_ROW_BYTES)? as isize;
        let layout = Layout::new(bounds, row_bytes, depth.bytes() * components.count())?;
        let base = NonNull::new(set.get(&keys::IMAGE_DATA)?.0.cast::<u8>());
        let base = base.ok_or_else(|| Error::Image("it has no pixels (its data address is null)".into()))?;
        Ok(Self { base, layout, depth, components })
    }

    fn at(&self, y: i32, x1: i32, x2: i32) -> Option<NonNull<[u8]>> {
        let span = self.layout.span(y, x1, x2)?;
        // SAFETY: `Layout::span` gives only offsets of pixels inside the image's bounds, and the host vouches
        // for the memory of all pixels in the bounds that it reports.
        let first = unsafe { self.base.offset(span.offset) };
        Some(NonNull::slice_from_raw_parts(first, span.len))
    }

    /// The addresses from the first byte to behind the last one.
    fn extent(&self) -> Range<usize> {
        let bounds = self.layout.bounds();
        let address = |y: i32| {
            let row = self.layout.span(y, bounds.x1, bounds.x2);
            row.map(|row| (self.base.addr().get().wrapping_add_signed(row.offset), row.len))
        };
        let Some(((low, len), (high, _))) = address(bounds.y1).zip(address(bounds.y2.saturating_sub(1)))
        else {
            return 0..0;
        };
        low.min(high)..low.max(high) + len
    }

    /// Whether no byte is part of both.
    fn is_apart_from(&self, other: &Self) -> bool {
        let (own, others) = (self.extent(), other.extent());
        own.end <= others.start || others.end <= own.start
    }

    /// Where the pixel at 0, 0 would be, and the distance of rows: rasters that agree in it have every pixel in one place.
    fn origin(&self) -> (usize, isize) {
        let (bounds, rows) = (self.layout.bounds(), self.layout.row_bytes());
        let before = (bounds.y1 as isize)
            .wrapping_mul(rows)
            .wrapping_add((bounds.x1 as isize).wrapping_mul(self.layout.pixel_bytes() as isize));
        (self.base.addr().get().wrapping_add_signed(before.wrapping_neg()), rows)
    }
}

fn read_name<T>(
    set: PropertySet<'_>,
    key: &crate::property::Key<crate::property::Text, 1>,
    what: &str,
    find: impl Fn(&str) -> Option<T>,
) -> Result<T> {
    let name = set.get(key)?;
    find(&name).ok_or_else(|| Error::Image(format!("its {what} is {name:?}, which is not supported")))
}

/// The host's image, given back when dropped.
#[derive(Debug)]
struct Held<'h> {
    set: PropertySet<'h>,
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        if let Some(release) = suites().ok().and_then(|suites| suites.effect.clipReleaseImage) {
            // SAFETY: the handle came from `clipGetImage` and is released this one time, by its only owner.
            unsafe { release(self.set.raw()) };
        }
    }
}

/// A frame of an input clip, to be read.
#[derive(Debug)]
pub struct Image<'h> {
    held: Held<'h>,
    raster: Raster,
}

/// The output clip's frame, to be written.
#[derive(Debug)]
pub struct OutputImage<'h> {
    held: Held<'h>,
    raster: Raster,
}

/// What input and output images tell about themselves.
macro_rules! described {
    ($image:ident) => {
        impl<'h> $image<'h> {
            /// Takes over an image that `clipGetImage` gave.
            ///
            /// # Safety
            /// `set` must come from `clipGetImage` and not be owned by anything else.
            pub(crate) unsafe fn take(set: PropertySet<'h>) -> Result<Self> {
                let held = Held { set };
                let raster = Raster::read(held.set)?;
                Ok(Self { held, raster })
            }

            /// The pixels that exist, in pixel coordinates.
            #[must_use]
            pub fn bounds(&self) -> RectI {
                self.raster.layout.bounds()
            }

            /// The type of its samples.
            #[must_use]
            pub fn depth(&self) -> Depth {
                self.raster.depth
            }

            /// The samples of its pixels.
            #[must_use]
            pub fn components(&self) -> Components {
                self.raster.components
            }

            /// How colour and alpha relate; opaque where the host does not say.
            #[must_use]
            pub fn premultiplication(&self) -> Premultiplication {
                let name = self.held.set.get(&keys::PREMULTIPLICATION).unwrap_or_default();
                Premultiplication::from_name(&name).unwrap_or(Premultiplication::Opaque)
            }

            /// The scale it was rendered at, in x and y; `None` where the host does not say.
            #[must_use]
            pub fn render_scale(&self) -> Option<(f64, f64)> {
                self.held.set.get_all(&keys::RENDER_SCALE).ok().map(|[x, y]| (x, y))
            }

            /// The pixels of the whole frame, of which the image may be a part; `None` where the host does not say.
            #[must_use]
            pub fn region_of_definition(&self) -> Option<RectI> {
                let region = RectI::from_array(self.held.set.get_all(&keys::IMAGE_REGION).ok()?);
                (!region.is_empty()).then_some(region)
            }

            /// The host's name for this very image: another name means other pixels.
            #[must_use]
            pub fn identity(&self) -> Option<String> {
                self.held.set.get(&keys::IMAGE_ID).ok().filter(|id| !id.is_empty())
            }

            /// The bytes of pixels `x1 .. x2` of row `y` (counted upwards); `None` outside of the bounds.
            #[must_use]
            pub fn pixels(&self, y: i32, x1: i32, x2: i32) -> Option<&[u8]> {
                // SAFETY: `at` gives bytes of this image alone, which stay while it is held. An input image is
                // written by nobody while a plugin holds it; an output image only through `&mut self`.
                self.raster.at(y, x1, x2).map(|bytes| unsafe { bytes.as_ref() })
            }

            /// The bytes of row `y`; `None` outside of the bounds.
            #[must_use]
            pub fn row(&self, y: i32) -> Option<&[u8]> {
                let bounds = self.bounds();
                self.pixels(y, bounds.x1, bounds.x2)
            }
        }
    };
}

described!(Image);
described!(OutputImage);

impl Image<'_> {
    /// The address of the lowest row, to tell whether two images are the same memory. Never followed.
    #[must_use]
    pub fn address(&self) -> usize {
        self.raster.base.as_ptr() as usize
    }
}

impl OutputImage<'_> {
    /// The bytes of pixels `x1 .. x2` of row `y` (counted upwards), to be written; `None` outside of the bounds.
    pub fn pixels_mut(&mut self, y: i32, x1: i32, x2: i32) -> Option<&mut [u8]> {
        // SAFETY: `at` gives bytes of this image alone, which stay while it is held; the host hands out the
        // output image of a render once, and `&mut self` makes this the only slice of it.
        self.raster.at(y, x1, x2).map(|mut bytes| unsafe { bytes.as_mut() })
    }

    /// `source`, for its pixels to be copied into bands of this image, each to where it lies `moved` columns right and rows up.
    ///
    /// # Errors
    /// [`Error::Image`] if formats differ, or if both lie in the same memory and a pixel in another place than its copy.
    pub fn source<'a>(&self, source: &'a Image<'_>, moved: (i32, i32)) -> Result<Source<'a>> {
        Source::new(source.raster, self.raster, moved)
    }

    /// Splits the rows of `window` into at most `count` bands that can be written on different threads.
    ///
    /// A window beyond the image is cut to it.
    pub fn bands(&mut self, window: RectI, count: usize) -> Vec<Band<'_>> {
        let window = window.intersection(&self.bounds());
        let rows = window.height().div_ceil(count.max(1)).max(1);
        (0..window.height())
            .step_by(rows)
            .map(|first| {
                let y1 = window.y1 + first as i32;
                let y2 = (i64::from(y1) + rows as i64).min(i64::from(window.y2)) as i32;
                Band { raster: self.raster, window: RectI { y1, y2, ..window }, life: PhantomData }
            })
            .collect()
    }
}

/// An image whose pixels are copied into bands of one output image.
///
/// A host may hand out one memory for source and output, so this never makes a slice of it.
#[derive(Clone, Copy, Debug)]
pub struct Source<'a> {
    raster: Raster,
    output: Raster,
    moved: (i32, i32),
    life: PhantomData<&'a u8>,
}

// SAFETY: while it lives the image is held, and pixels go only to bands of `output`: `new` made sure that those are none of
// the source's, or the very ones that are copied there.
unsafe impl Send for Source<'_> {}
// SAFETY: as above; it is only read.
unsafe impl Sync for Source<'_> {}

impl Source<'_> {
    fn new(source: Raster, output: Raster, moved: (i32, i32)) -> Result<Self> {
        let formats = [source, output].map(|raster| (raster.depth, raster.components));
        if formats[0] != formats[1] {
            return Err(Error::Image(format!("source is {:?}, output is {:?}", formats[0], formats[1])));
        }
        if !source.is_apart_from(&output) && (moved != (0, 0) || source.origin() != output.origin()) {
            return Err(Error::Image(
                "source and output lie in the same memory, but not in one place".into(),
            ));
        }
        Ok(Self { raster: source, output, moved, life: PhantomData })
    }

    /// Pixels `x1 .. x2` of row `y` of the output.
    fn at(&self, y: i32, x1: i32, x2: i32) -> Option<NonNull<[u8]>> {
        let from = |x: i32| x.checked_sub(self.moved.0);
        self.raster.at(y.checked_sub(self.moved.1)?, from(x1)?, from(x2)?)
    }
}

/// Some rows of an output image's window: what one thread may write.
#[derive(Debug)]
pub struct Band<'a> {
    raster: Raster,
    window: RectI,
    life: PhantomData<&'a mut u8>,
}

// SAFETY: a band is the only way to its rows while it lives: it borrows the image mutably, bands of one image
// hold different rows, and `Layout::new` made sure that different rows share no byte.
unsafe impl Send for Band<'_> {}

impl Band<'_> {
    /// The pixels that may be written.
    #[must_use]
    pub fn window(&self) -> RectI {
        self.window
    }

    /// The type of the samples.
    #[must_use]
    pub fn depth(&self) -> Depth {
        self.raster.depth
    }

    /// The samples of the pixels.
    #[must_use]
    pub fn components(&self) -> Components {
        self.raster.components
    }

    /// Copies pixels `x1 .. x2` of row `y` from a source, bit for bit.
    ///
    /// # Errors
    /// [`Error::Image`] if pixels lie outside of the band or of the source, or the source is for another image.
    pub fn copy_from(&mut self, source: &Source<'_>, y: i32, x1: i32, x2: i32) -> Result<()> {
        let outside = || Error::Image(format!("pixels {x1}..{x2} of row {y} are not in both images"));
        let window = self.window;
        let inside = window.y1 <= y && y < window.y2 && window.x1 <= x1 && x2 <= window.x2;
        let to = self.raster.at(y, x1, x2).filter(|_| inside && source.output == self.raster);
        let (to, from) = to.zip(source.at(y, x1, x2)).ok_or_else(outside)?;
        // SAFETY: both spans have the same length, since format and columns agree, and lie in live images; what is written is
        // the band's own (see `Send` above), and `copy` allows both to be one.
        unsafe { from.cast::<u8>().copy_to(to.cast::<u8>(), from.len()) };
        Ok(())
    }

    /// The window's bytes in row `y`; `None` for a row that is not in the band.
    pub fn row_mut(&mut self, y: i32) -> Option<&mut [u8]> {
        let window = self.window;
        let inside = window.y1 <= y && y < window.y2;
        // SAFETY: the row is the band's own (see `Send` above), and `&mut self` makes this the only slice.
        self.raster.at(y, window.x1, window.x2).filter(|_| inside).map(|mut bytes| unsafe { bytes.as_mut() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A raster over a block of our own, as a host would hand it out.
    fn raster(block: &mut [u8], bounds: RectI, row_bytes: isize) -> Raster {
        let low = if row_bytes < 0 { (bounds.height() - 1) * row_bytes.unsigned_abs() } else { 0 };
        let base = NonNull::from(&mut block[low]);
        let layout = Layout::new(bounds, row_bytes, 4).unwrap();
        Raster { base, layout, depth: Depth::Byte, components: Components::Rgba }
    }

    /// An output image with no host behind it.
    fn output(raster: Raster) -> std::mem::ManuallyDrop<OutputImage<'static>> {
        // SAFETY: never used: the image is not dropped, and the tests ask for no property.
        let set = unsafe { PropertySet::from_raw(NonNull::dangling().as_ptr()) }.unwrap();
        std::mem::ManuallyDrop::new(OutputImage { held: Held { set }, raster })
    }

    #[test]
    fn a_source_in_the_output_s_memory_is_copied_onto_itself_or_refused() {
        let mut block: Vec<u8> = (0..80).collect();
        let bounds = RectI { x1: 2, y1: -1, x2: 6, y2: 4 };
        let whole = raster(&mut block, bounds, 16);
        let mut image = output(whole);
        let itself = Source::new(whole, whole, (0, 0)).unwrap();
        // Its lower rows, by a layout of their own.
        let lower = Layout::new(RectI { y2: 2, ..bounds }, 16, 4).unwrap();
        let lower = Source::new(Raster { layout: lower, ..whole }, whole, (0, 0)).unwrap();
        for mut band in image.bands(bounds, 2) {
            let rows = band.window();
            for y in rows.y1..rows.y2 {
                band.copy_from(&itself, y, 2, 6).unwrap();
                assert_eq!(band.copy_from(&lower, y, 3, 5).is_ok(), y < 2);
                assert!(band.copy_from(&itself, y, 1, 6).is_err(), "outside");
            }
            assert!(band.copy_from(&itself, rows.y2, 2, 6).is_err(), "another band's");
        }
        assert!(block.iter().copied().eq(0..80));
        assert!(Source::new(whole, whole, (0, 1)).is_err());
        let upside_down = raster(&mut block, bounds, -16);
        assert!(Source::new(upside_down, whole, (0, 0)).is_err());
        let mut other = [0; 80];
        let other = raster(&mut other, bounds, 16);
        assert!(Source::new(Raster { depth: Depth::Short, ..other }, whole, (0, 0)).is_err());
        let elsewhere = Source::new(whole, other, (0, 0)).unwrap();
        assert!(image.bands(bounds, 1)[0].copy_from(&elsewhere, 0, 2, 6).is_err(), "for another image");
    }

    proptest! {
        /// Pixels land where they are moved to, from rows of either order, and nothing else is touched.
        #[test]
        fn what_is_copied_is_the_source_moved(
            width in 1i32..12, height in 1i32..12, down: bool, count in 1usize..5, right in -5i32..5, up in -5i32..5,
        ) {
            let bounds = RectI { x1: 3, y1: -2, x2: 3 + width, y2: -2 + height };
            let len = (width * height * 4) as usize;
            let (mut from, mut to) = ((1..=len).map(|i| (i % 255) as u8 + 1).collect::<Vec<_>>(), vec![0; len]);
            let source = raster(&mut from, bounds, (width * 4) as isize);
            let target = raster(&mut to, bounds, (width * if down { -4 } else { 4 }) as isize);
            let mut image = output(target);
            let moved = Source::new(source, target, (right, up)).unwrap();
            std::thread::scope(|scope| for mut band in image.bands(bounds, count) {
                scope.spawn(move || for y in bounds.y1..bounds.y2 { for x in bounds.x1..bounds.x2 {
                    let _ = band.copy_from(&moved, y, x, x + 1);
                }});
            });
            let at = |block: &[u8], x: i32, y: i32, down: bool| {
                let row = if down { height - 1 - y } else { y };
                block[((row * width + x) * 4) as usize]
            };
            for y in 0..height {
                for x in 0..width {
                    let inside = (0..width).contains(&(x - right)) && (0..height).contains(&(y - up));
                    let expected = if inside { at(&from, x - right, y - up, false) } else { 0 };
                    prop_assert_eq!(at(&to, x, y, down), expected, "{} {}", x, y);
                }
            }
        }

        /// Bands written from threads touch the window's bytes, every one of them, and no other.
        #[test]
        fn bands_cover_the_window_and_nothing_else(
            width in 1i32..20, height in 1i32..20, padding in 0usize..9, down: bool, count in 1usize..7,
            left in 0i32..20, right in 0i32..20, bottom in 0i32..20, top in 0i32..20,
        ) {
            let distance = width as usize * 4 + padding;
            let row_bytes = if down { -(distance as isize) } else { distance as isize };
            let mut block = vec![0u8; distance * height as usize];
            // The last row has no padding that the host would have to own.
            let bounds = RectI { x1: -3, y1: 5, x2: -3 + width, y2: 5 + height };
            let window = RectI { x1: -3 + left, y1: 5 + bottom, x2: -3 + right, y2: 5 + top };
            let raster = raster(&mut block, bounds, row_bytes);
            let mut output = output(raster);
            std::thread::scope(|scope| for mut band in output.bands(window, count) {
                scope.spawn(move || for y in bounds.y1 - 2..bounds.y2 + 2 {
                    if let Some(row) = band.row_mut(y) { row.iter_mut().for_each(|byte| *byte += 1); }
                });
            });
            for y in bounds.y1..bounds.y2 {
                for x in bounds.x1..bounds.x2 {
                    let row = (y - bounds.y1) as usize;
                    let row = if down { height as usize - 1 - row } else { row };
                    let byte = block[row * distance + (x - bounds.x1) as usize * 4];
                    let inside = window.x1 <= x && x < window.x2 && window.y1 <= y && y < window.y2;
                    prop_assert_eq!(byte, u8::from(inside), "{} {}", x, y);
                }
            }
            let inside = window.intersection(&bounds);
            let written = block.iter().filter(|byte| **byte != 0).count();
            prop_assert_eq!(written, inside.width() * inside.height() * 4);
        }
    }
}
