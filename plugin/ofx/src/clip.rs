//! Clips of an instance.
#![expect(unsafe_code, reason = "calls the host's image effect suite")]

use crate::format::{Components, Depth, Premultiplication};
use crate::geometry::RectD;
use crate::host::suites;
use crate::image::{Image, OutputImage};
use crate::keys;
use crate::property::PropertySet;
use crate::status::{Error, Result, Status, check};
use crate::sys::image_effect::OfxImageClipHandle;
use std::marker::PhantomData;
use std::ptr;

/// A clip of an instance, alive for `'h`.
#[derive(Clone, Copy, Debug)]
pub struct Clip<'h> {
    handle: OfxImageClipHandle,
    properties: PropertySet<'h>,
    life: PhantomData<&'h ()>,
}

impl<'h> Clip<'h> {
    /// # Safety
    /// A handle that is not null must be a clip of the host, valid for `'h`.
    pub(crate) unsafe fn from_raw(handle: OfxImageClipHandle) -> Result<Self> {
        if handle.is_null() {
            return Err(Error::Missing("the clip"));
        }
        let call = suites()?.effect.clipGetPropertySet.ok_or(Error::Missing("clipGetPropertySet"))?;
        let mut set = ptr::null_mut();
        // SAFETY: the handle is valid by this function's contract; `set` outlives the call.
        let code = unsafe { call(handle, &raw mut set) };
        check(code, "clipGetPropertySet", String::new)?;
        // SAFETY: a clip's property set lives as long as the clip.
        let properties =
            unsafe { PropertySet::from_raw(set) }.ok_or(Error::Missing("the clip's properties"))?;
        Ok(Self { handle, properties, life: PhantomData })
    }

    /// The clip's properties.
    #[must_use]
    pub fn properties(&self) -> PropertySet<'h> {
        self.properties
    }

    /// Whether it is connected. A host may say yes and still have no image.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        self.properties.get(&keys::CLIP_CONNECTED).unwrap_or(false)
    }

    /// First and last frame, both with pictures; `None` where the host does not say.
    #[must_use]
    pub fn frame_range(&self) -> Option<(f64, f64)> {
        let [first, last] = self.properties.get_all(&keys::FRAME_RANGE).ok()?;
        (first.is_finite() && last.is_finite() && first <= last).then_some((first, last))
    }

    /// Frames per second; `None` where the host does not say.
    #[must_use]
    pub fn frame_rate(&self) -> Option<f64> {
        self.properties.get(&keys::FRAME_RATE).ok().filter(|rate| rate.is_finite() && *rate > 0.0)
    }

    /// The depth of its images.
    #[must_use]
    pub fn depth(&self) -> Option<Depth> {
        Depth::from_name(&self.properties.get(&keys::PIXEL_DEPTH).ok()?)
    }

    /// The components of its images.
    #[must_use]
    pub fn components(&self) -> Option<Components> {
        Components::from_name(&self.properties.get(&keys::COMPONENTS).ok()?)
    }

    /// How colour and alpha of its images relate.
    #[must_use]
    pub fn premultiplication(&self) -> Option<Premultiplication> {
        Premultiplication::from_name(&self.properties.get(&keys::PREMULTIPLICATION).ok()?)
    }

    /// Where it has pixels at a time, in canonical coordinates; `None` where the host does not say.
    #[must_use]
    pub fn region_of_definition(&self, time: f64) -> Option<RectD> {
        let call = suites().ok()?.effect.clipGetRegionOfDefinition?;
        let mut bounds = crate::sys::core::OfxRectD { x1: 0.0, y1: 0.0, x2: 0.0, y2: 0.0 };
        // SAFETY: a `Clip` holds a handle that is valid for its lifetime; `bounds` outlives the call.
        let code = unsafe { call(self.handle, time, &raw mut bounds) };
        (Status::from_code(code) == Status::Ok).then_some(RectD {
            x1: bounds.x1,
            y1: bounds.y1,
            x2: bounds.x2,
            y2: bounds.y2,
        })
    }

    /// The frame at a time; `None` if there is no picture: the host answers so for times outside of the clip
    /// (`kOfxStatFailed`), and some answer OK with a null image for gaps and missing clips.
    ///
    /// # Errors
    /// The host's answer when it is another one, and [`Error::Image`] for an image that cannot be used.
    pub fn image(&self, time: f64) -> Result<Option<Image<'h>>> {
        let set = self.fetch(time)?;
        // SAFETY: `fetch` has this moment got the image, and nothing else owns it.
        set.map(|set| unsafe { Image::take(set) }).transpose()
    }

    /// The frame to write at a time; for the output clip.
    ///
    /// # Errors
    /// The host's answer, and [`Error::Image`] for an image that cannot be used, or none.
    pub fn output_image(&self, time: f64) -> Result<OutputImage<'h>> {
        let set = self.fetch(time)?.ok_or_else(|| Error::Image("the output clip has none".into()))?;
        // SAFETY: `fetch` has this moment got the image, and nothing else owns it.
        unsafe { OutputImage::take(set) }
    }

    fn fetch(&self, time: f64) -> Result<Option<PropertySet<'h>>> {
        let call = suites()?.effect.clipGetImage.ok_or(Error::Missing("clipGetImage"))?;
        let mut image = ptr::null_mut();
        // SAFETY: a `Clip` holds a handle that is valid for its lifetime; a null region asks for the whole frame;
        // `image` outlives the call.
        let code = unsafe { call(self.handle, time, ptr::null(), &raw mut image) };
        match Status::from_code(code) {
            // SAFETY: after OK this is null or an image that stays until it is released.
            Status::Ok => Ok(unsafe { PropertySet::from_raw(image) }),
            Status::Failed => Ok(None),
            _ => check(code, "clipGetImage", || format!("time {time}")).map(|()| None),
        }
    }
}
