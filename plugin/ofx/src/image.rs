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
use std::ptr::NonNull;

/// Where an image's pixels are and what they are made of.
#[derive(Clone, Copy, Debug)]
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

    /// Copies pixels `x1 .. x2` of row `y` from an image of the same format, bit for bit.
    ///
    /// A host may hand out one memory for source and output, so this never makes a slice of either.
    ///
    /// # Errors
    /// [`Error::Image`] if formats differ or pixels lie outside of one of the images.
    pub fn copy_pixels(&mut self, source: &Image<'_>, y: i32, x1: i32, x2: i32) -> Result<()> {
        self.copy_moved_pixels(source, y, x1, x2, (0, 0))
    }

    /// As [`OutputImage::copy_pixels`], from pixels that lie `moved` columns left and rows below in the source.
    ///
    /// # Errors
    /// [`Error::Image`] if formats differ or pixels lie outside of one of the images.
    pub fn copy_moved_pixels(
        &mut self,
        source: &Image<'_>,
        y: i32,
        x1: i32,
        x2: i32,
        moved: (i32, i32),
    ) -> Result<()> {
        let formats = [(self.depth(), self.components()), (source.depth(), source.components())];
        if formats[0] != formats[1] {
            return Err(Error::Image(format!("source is {:?}, output is {:?}", formats[1], formats[0])));
        }
        let outside = || Error::Image(format!("pixels {x1}..{x2} of row {y} are not in both images"));
        let from = source.raster.at(y - moved.1, x1 - moved.0, x2 - moved.0).ok_or_else(outside)?;
        let to = self.raster.at(y, x1, x2).ok_or_else(outside)?;
        // SAFETY: both spans have the same length, since format and columns agree, and lie in live images;
        // `copy` allows them to overlap.
        unsafe { from.cast::<u8>().copy_to(to.cast::<u8>(), from.len()) };
        Ok(())
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

    proptest! {
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
            let mut output = std::mem::ManuallyDrop::new(OutputImage {
                // SAFETY: never used: the image is not dropped, and the tests ask for no property.
                held: Held { set: unsafe { PropertySet::from_raw(NonNull::dangling().as_ptr()) }.unwrap() },
                raster,
            });
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
