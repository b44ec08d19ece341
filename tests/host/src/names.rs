//! Names of the standard for the host's own vocabulary.

use std::ffi::CStr;

use openfx::sys::generic::core::*;
use openfx::sys::image_effect_v1::image_effect::*;

use crate::plan::{Context, Depth, FieldOrder, Premultiplication};
use crate::world::calls::Action;

/// A context's name.
#[must_use]
pub const fn context(context: Context) -> &'static CStr {
    match context {
        Context::Filter => kOfxImageEffectContextFilter,
        Context::Generator => kOfxImageEffectContextGenerator,
        Context::General => kOfxImageEffectContextGeneral,
        Context::Transition => kOfxImageEffectContextTransition,
    }
}

/// A pixel depth's name.
#[must_use]
pub const fn depth(depth: Depth) -> &'static CStr {
    match depth {
        Depth::Byte => kOfxBitDepthByte,
        Depth::Short => kOfxBitDepthShort,
        Depth::Half => kOfxBitDepthHalf,
        Depth::Float => kOfxBitDepthFloat,
    }
}

/// A premultiplication's name.
#[must_use]
pub const fn premultiplication(how: Premultiplication) -> &'static CStr {
    match how {
        Premultiplication::Opaque => kOfxImageOpaque,
        Premultiplication::Premultiplied => kOfxImagePreMultiplied,
        Premultiplication::Unpremultiplied => kOfxImageUnPreMultiplied,
    }
}

/// The field order of a clip.
#[must_use]
pub const fn field_order(order: FieldOrder) -> &'static CStr {
    match order {
        FieldOrder::Progressive => kOfxImageFieldNone,
        FieldOrder::Lower => kOfxImageFieldLower,
        FieldOrder::Upper => kOfxImageFieldUpper,
    }
}

/// What an image of a clip holds, and what is to be rendered: whole frames, or frames of two fields.
#[must_use]
pub const fn fields(order: FieldOrder) -> &'static CStr {
    match order {
        FieldOrder::Progressive => kOfxImageFieldNone,
        FieldOrder::Lower | FieldOrder::Upper => kOfxImageFieldBoth,
    }
}

/// Statuses of the standard: 0..=15 of the core, and those of image effects.
const STATUSES: [(OfxStatus, &str); 19] = [
    (kOfxStatOK, "OK"),
    (kOfxStatFailed, "Failed"),
    (kOfxStatErrFatal, "ErrFatal"),
    (kOfxStatErrUnknown, "ErrUnknown"),
    (kOfxStatErrMissingHostFeature, "ErrMissingHostFeature"),
    (kOfxStatErrUnsupported, "ErrUnsupported"),
    (kOfxStatErrExists, "ErrExists"),
    (kOfxStatErrFormat, "ErrFormat"),
    (kOfxStatErrMemory, "ErrMemory"),
    (kOfxStatErrBadHandle, "ErrBadHandle"),
    (kOfxStatErrBadIndex, "ErrBadIndex"),
    (kOfxStatErrValue, "ErrValue"),
    (kOfxStatReplyYes, "ReplyYes"),
    (kOfxStatReplyNo, "ReplyNo"),
    (kOfxStatReplyDefault, "ReplyDefault"),
    (kOfxStatUnlicensed, "Unlicensed"),
    (kOfxStatErrImageFormat, "ErrImageFormat"),
    (GPU_OUT_OF_MEMORY, "GPUOutOfMemory"),
    (GPU_RENDER_FAILED, "GPURenderFailed"),
];

/// `kOfxStatGPUOutOfMemory`
const GPU_OUT_OF_MEMORY: OfxStatus = 1001;
/// `kOfxStatGPURenderFailed`
const GPU_RENDER_FAILED: OfxStatus = 1002;

/// A status's name without its prefix; none for one that the standard does not define.
#[must_use]
pub fn known_status(status: OfxStatus) -> Option<&'static str> {
    STATUSES.iter().find(|(known, _)| *known == status).map(|&(_, name)| name)
}

/// A status's name, or its number.
#[must_use]
pub fn status(status: OfxStatus) -> String {
    known_status(status).map_or_else(|| status.to_string(), str::to_owned)
}

/// Whether a status of the standard is one that an action may return (`ofxCore.h` and `ofxImageEffect.h`, under each
/// action).
#[must_use]
pub fn answers(action: Action, status: OfxStatus) -> bool {
    let always = [kOfxStatOK, kOfxStatFailed, kOfxStatErrFatal, kOfxStatErrMemory, kOfxStatReplyDefault];
    let more: &[OfxStatus] = match action {
        Action::Load | Action::Describe | Action::DescribeInContext | Action::CreateInstance => {
            &[kOfxStatErrMissingHostFeature, kOfxStatUnlicensed]
        }
        Action::Render => &[kOfxStatErrImageFormat, GPU_OUT_OF_MEMORY, GPU_RENDER_FAILED],
        _ => &[],
    };
    always.contains(&status) || more.contains(&status)
}

/// Whether a status of an action means success.
#[must_use]
pub const fn is_success(status: OfxStatus) -> bool {
    status == kOfxStatOK || status == kOfxStatReplyDefault
}
