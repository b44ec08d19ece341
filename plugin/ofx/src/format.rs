//! What an image is made of: depth, components, relation of colour and alpha; contexts of a plugin.

use crate::sys::{core, image_effect};
use std::ffi::CStr;

/// Makes an enum whose variants are OpenFX strings.
macro_rules! named {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $text:expr,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum $name { $($(#[$variant_doc])* $variant,)+ }

        impl $name {
            /// Every variant.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The name that OpenFX gives it.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => plain($text),)+ }
            }

            /// The variant of an OpenFX name.
            #[must_use]
            pub fn from_name(name: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|variant| variant.name() == name)
            }
        }
    };
}

fn plain(name: &'static CStr) -> &'static str {
    name.to_str().unwrap_or_default()
}

named! {
    /// The type of one sample.
    Depth {
        /// 8 bits, 0..255.
        Byte = core::kOfxBitDepthByte,
        /// 16 bits, 0..65535.
        Short = core::kOfxBitDepthShort,
        /// IEEE 754 binary16.
        Half = core::kOfxBitDepthHalf,
        /// IEEE 754 binary32.
        Float = core::kOfxBitDepthFloat,
    }
}

impl Depth {
    /// Bytes of one sample.
    #[must_use]
    pub fn bytes(self) -> usize {
        match self {
            Self::Byte => 1,
            Self::Short | Self::Half => 2,
            Self::Float => 4,
        }
    }

    /// The code of white.
    #[must_use]
    pub fn white(self) -> f32 {
        match self {
            Self::Byte => 255.0,
            Self::Short => 65535.0,
            Self::Half | Self::Float => 1.0,
        }
    }
}

named! {
    /// The samples of one pixel.
    Components {
        /// Red, green, blue, alpha.
        Rgba = image_effect::kOfxImageComponentRGBA,
        /// Red, green, blue.
        Rgb = image_effect::kOfxImageComponentRGB,
        /// Alpha alone.
        Alpha = image_effect::kOfxImageComponentAlpha,
    }
}

impl Components {
    /// Samples of one pixel.
    #[must_use]
    pub fn count(self) -> usize {
        match self {
            Self::Rgba => 4,
            Self::Rgb => 3,
            Self::Alpha => 1,
        }
    }
}

named! {
    /// How an image's colour and alpha relate.
    Premultiplication {
        /// No alpha is meant.
        Opaque = image_effect::kOfxImageOpaque,
        /// Colour was multiplied by alpha.
        Premultiplied = image_effect::kOfxImagePreMultiplied,
        /// Colour is as it was.
        Unpremultiplied = image_effect::kOfxImageUnPreMultiplied,
    }
}

named! {
    /// What a plugin is used as.
    Context {
        /// One clip in, one out.
        Filter = image_effect::kOfxImageEffectContextFilter,
        /// Nothing in, one clip out.
        Generator = image_effect::kOfxImageEffectContextGenerator,
        /// Any clips in, one out.
        General = image_effect::kOfxImageEffectContextGeneral,
        /// From one clip to another.
        Transition = image_effect::kOfxImageEffectContextTransition,
        /// A filter with a mask.
        Paint = image_effect::kOfxImageEffectContextPaint,
        /// A clip at other speed.
        Retimer = image_effect::kOfxImageEffectContextRetimer,
    }
}

named! {
    /// Which renders the host may run at the same time.
    ThreadSafety {
        /// One render in the whole process.
        Unsafe = image_effect::kOfxImageEffectRenderUnsafe,
        /// One render per instance.
        InstanceSafe = image_effect::kOfxImageEffectRenderInstanceSafe,
        /// Any number.
        FullySafe = image_effect::kOfxImageEffectRenderFullySafe,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_back_and_others_are_refused() {
        for depth in Depth::ALL {
            assert_eq!(Depth::from_name(depth.name()), Some(*depth));
        }
        assert_eq!(Depth::from_name("OfxBitDepthNone"), None);
        assert_eq!(Context::from_name("OfxImageEffectContextFilter"), Some(Context::Filter));
        assert_eq!(Components::Rgba.count() * Depth::Half.bytes(), 8);
    }
}
