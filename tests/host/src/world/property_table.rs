//! Which properties each sort of object has: type, number of values, and who may set them.
//!
//! Source: the property lists of the OpenFX 1.5 reference and its headers.

use std::ffi::{CStr, CString};

use openfx::sys::generic::core::*;
use openfx::sys::image_effect_v1::{image_effect::*, param::*};

use super::parameter::ParamKind;
use super::property_set::{Kind, Spec};

const fn host_int(name: &'static CStr, size: usize) -> Spec {
    Spec { name, kind: Kind::Int, size, writable: false }
}
const fn host_double(name: &'static CStr, size: usize) -> Spec {
    Spec { name, kind: Kind::Double, size, writable: false }
}
const fn host_text(name: &'static CStr, size: usize) -> Spec {
    Spec { name, kind: Kind::Text, size, writable: false }
}
const fn host_pointer(name: &'static CStr) -> Spec {
    Spec { name, kind: Kind::Pointer, size: 1, writable: false }
}
const fn int(name: &'static CStr, size: usize) -> Spec {
    Spec { name, kind: Kind::Int, size, writable: true }
}
const fn double(name: &'static CStr, size: usize) -> Spec {
    Spec { name, kind: Kind::Double, size, writable: true }
}
const fn text(name: &'static CStr, size: usize) -> Spec {
    Spec { name, kind: Kind::Text, size, writable: true }
}
const fn pointer(name: &'static CStr) -> Spec {
    Spec { name, kind: Kind::Pointer, size: 1, writable: true }
}

/// The host.
pub const HOST: &[Spec] = &[
    host_int(kOfxPropAPIVersion, 2),
    host_text(kOfxPropType, 1),
    host_text(kOfxPropName, 1),
    host_text(kOfxPropLabel, 1),
    host_int(kOfxPropVersion, 0),
    host_text(kOfxPropVersionLabel, 1),
    host_int(kOfxImageEffectHostPropIsBackground, 1),
    host_int(kOfxImageEffectPropSupportsOverlays, 1),
    host_int(kOfxImageEffectPropSupportsMultiResolution, 1),
    host_int(kOfxImageEffectPropSupportsTiles, 1),
    host_int(kOfxImageEffectPropTemporalClipAccess, 1),
    host_text(kOfxImageEffectPropSupportedComponents, 0),
    host_text(kOfxImageEffectPropSupportedContexts, 0),
    host_text(kOfxImageEffectPropSupportedPixelDepths, 0),
    host_int(kOfxImageEffectPropSupportsMultipleClipDepths, 1),
    host_int(kOfxImageEffectPropSupportsMultipleClipPARs, 1),
    host_int(kOfxImageEffectPropSetableFrameRate, 1),
    host_int(kOfxImageEffectPropSetableFielding, 1),
    host_int(kOfxParamHostPropSupportsCustomInteract, 1),
    host_int(kOfxParamHostPropSupportsStringAnimation, 1),
    host_int(kOfxParamHostPropSupportsChoiceAnimation, 1),
    host_int(kOfxParamHostPropSupportsBooleanAnimation, 1),
    host_int(kOfxParamHostPropSupportsCustomAnimation, 1),
    host_int(kOfxParamHostPropSupportsStrChoice, 1),
    host_int(kOfxParamHostPropSupportsStrChoiceAnimation, 1),
    host_int(kOfxParamHostPropMaxParameters, 1),
    host_int(kOfxParamHostPropMaxPages, 1),
    host_int(kOfxParamHostPropPageRowColumnCount, 2),
    host_pointer(kOfxPropHostOSHandle),
    host_int(kOfxImageEffectInstancePropSequentialRender, 1),
    host_text(kOfxImageEffectHostPropNativeOrigin, 1),
];

/// An effect while it is described.
pub const EFFECT_DESCRIPTOR: &[Spec] = &[
    host_text(kOfxPropType, 1),
    text(kOfxPropLabel, 1),
    text(kOfxPropShortLabel, 1),
    text(kOfxPropLongLabel, 1),
    int(kOfxPropVersion, 0),
    text(kOfxPropVersionLabel, 1),
    text(kOfxPropPluginDescription, 1),
    text(kOfxPropIcon, 2),
    text(kOfxImageEffectPropSupportedContexts, 0),
    text(kOfxImageEffectPluginPropGrouping, 1),
    int(kOfxImageEffectPluginPropSingleInstance, 1),
    text(kOfxImageEffectPluginRenderThreadSafety, 1),
    int(kOfxImageEffectPluginPropHostFrameThreading, 1),
    pointer(kOfxImageEffectPluginPropOverlayInteractV1),
    pointer(kOfxImageEffectPluginPropOverlayInteractV2),
    int(kOfxImageEffectPropSupportsMultiResolution, 1),
    int(kOfxImageEffectPropSupportsTiles, 1),
    int(kOfxImageEffectPropTemporalClipAccess, 1),
    text(kOfxImageEffectPropSupportedPixelDepths, 0),
    int(kOfxImageEffectPluginPropFieldRenderTwiceAlways, 1),
    int(kOfxImageEffectPropSupportsMultipleClipDepths, 1),
    int(kOfxImageEffectPropSupportsMultipleClipPARs, 1),
    text(kOfxImageEffectPropClipPreferencesSlaveParam, 0),
    int(kOfxImageEffectInstancePropSequentialRender, 1),
    int(kOfxImageEffectPropNoSpatialAwareness, 1),
    host_text(kOfxPluginPropFilePath, 1),
];

/// An effect that lives on the timeline.
pub const EFFECT_INSTANCE: &[Spec] = &[
    host_text(kOfxPropType, 1),
    host_text(kOfxImageEffectPropContext, 1),
    pointer(kOfxPropInstanceData),
    host_double(kOfxImageEffectPropProjectSize, 2),
    host_double(kOfxImageEffectPropProjectOffset, 2),
    host_double(kOfxImageEffectPropProjectExtent, 2),
    host_double(kOfxImageEffectPropProjectPixelAspectRatio, 1),
    host_double(kOfxImageEffectInstancePropEffectDuration, 1),
    int(kOfxImageEffectInstancePropSequentialRender, 1),
    int(kOfxImageEffectPropSupportsTiles, 1),
    host_double(kOfxImageEffectPropFrameRate, 1),
    host_int(kOfxPropIsInteractive, 1),
    host_pointer(kOfxImageEffectPropPluginHandle),
];

/// A clip while it is described.
pub const CLIP_DESCRIPTOR: &[Spec] = &[
    host_text(kOfxPropType, 1),
    host_text(kOfxPropName, 1),
    text(kOfxPropLabel, 1),
    text(kOfxPropShortLabel, 1),
    text(kOfxPropLongLabel, 1),
    text(kOfxImageEffectPropSupportedComponents, 0),
    int(kOfxImageEffectPropTemporalClipAccess, 1),
    int(kOfxImageClipPropOptional, 1),
    text(kOfxImageClipPropFieldExtraction, 1),
    int(kOfxImageClipPropIsMask, 1),
    int(kOfxImageEffectPropSupportsTiles, 1),
];

/// What a clip of an instance has beyond its description.
pub const CLIP_INSTANCE: &[Spec] = &[
    host_text(kOfxImageEffectPropPixelDepth, 1),
    host_text(kOfxImageEffectPropComponents, 1),
    host_text(kOfxImageClipPropUnmappedPixelDepth, 1),
    host_text(kOfxImageClipPropUnmappedComponents, 1),
    host_text(kOfxImageEffectPropPreMultiplication, 1),
    host_double(kOfxImagePropPixelAspectRatio, 1),
    host_double(kOfxImageEffectPropFrameRate, 1),
    host_double(kOfxImageEffectPropFrameRange, 2),
    host_text(kOfxImageClipPropFieldOrder, 1),
    host_int(kOfxImageClipPropConnected, 1),
    host_double(kOfxImageEffectPropUnmappedFrameRange, 2),
    host_double(kOfxImageEffectPropUnmappedFrameRate, 1),
    host_int(kOfxImageClipPropContinuousSamples, 1),
];

/// An image.
pub const IMAGE: &[Spec] = &[
    host_text(kOfxPropType, 1),
    host_text(kOfxImageEffectPropPixelDepth, 1),
    host_text(kOfxImageEffectPropComponents, 1),
    host_text(kOfxImageEffectPropPreMultiplication, 1),
    host_double(kOfxImageEffectPropRenderScale, 2),
    host_double(kOfxImagePropPixelAspectRatio, 1),
    host_pointer(kOfxImagePropData),
    host_int(kOfxImagePropBounds, 4),
    host_int(kOfxImagePropRegionOfDefinition, 4),
    host_int(kOfxImagePropRowBytes, 1),
    host_text(kOfxImagePropField, 1),
    host_text(kOfxImagePropUniqueIdentifier, 1),
];

/// A parameter set; its properties are few.
pub const PARAMETER_SET: &[Spec] =
    &[int(kOfxPropParamSetNeedsSyncing, 1), text(kOfxPluginPropParamPageOrder, 0)];

/// Properties of parameters that a plugin may set after describe.
pub const PARAMETER_INSTANCE_WRITABLE: &[&CStr] = &[
    kOfxPropLabel,
    kOfxPropShortLabel,
    kOfxPropLongLabel,
    kOfxParamPropHint,
    kOfxParamPropSecret,
    kOfxParamPropEnabled,
    kOfxParamPropDataPtr,
    kOfxParamPropMin,
    kOfxParamPropMax,
    kOfxParamPropDisplayMin,
    kOfxParamPropDisplayMax,
    kOfxParamPropChoiceOption,
    kOfxParamPropChoiceOrder,
    kOfxParamPropEvaluateOnChange,
    kOfxParamPropStringMode,
    kOfxParamPropGroupOpen,
    kOfxPropIcon,
];

/// A parameter of any type.
const PARAMETER: &[Spec] = &[
    host_text(kOfxPropType, 1),
    host_text(kOfxPropName, 1),
    host_text(kOfxParamPropType, 1),
    text(kOfxPropLabel, 1),
    text(kOfxPropShortLabel, 1),
    text(kOfxPropLongLabel, 1),
    text(kOfxParamPropHint, 1),
    text(kOfxParamPropScriptName, 1),
    int(kOfxParamPropSecret, 1),
    text(kOfxParamPropParent, 1),
    int(kOfxParamPropEnabled, 1),
    pointer(kOfxParamPropDataPtr),
    text(kOfxPropIcon, 2),
];

/// A parameter that has a value.
const VALUE_PARAMETER: &[Spec] = &[
    int(kOfxParamPropAnimates, 1),
    host_int(kOfxParamPropIsAnimating, 1),
    host_int(kOfxParamPropIsAutoKeying, 1),
    int(kOfxParamPropPersistant, 1),
    int(kOfxParamPropEvaluateOnChange, 1),
    int(kOfxParamPropPluginMayWrite, 1),
    text(kOfxParamPropCacheInvalidation, 1),
    int(kOfxParamPropCanUndo, 1),
];

/// A parameter that can have a picture of its own.
const INTERACT_PARAMETER: &[Spec] = &[
    pointer(kOfxParamPropInteractV1),
    double(kOfxParamPropInteractSize, 2),
    double(kOfxParamPropInteractSizeAspect, 1),
    double(kOfxParamPropInteractMinimumSize, 2),
    int(kOfxParamPropInteractPreferedSize, 2),
];

/// All properties of a parameter of this kind while it is described.
#[must_use]
pub fn parameter(kind: ParamKind) -> Vec<Spec> {
    let mut specs = PARAMETER.to_vec();
    if kind != ParamKind::Group && kind != ParamKind::Page {
        specs.extend_from_slice(INTERACT_PARAMETER);
    }
    if kind.has_value() {
        specs.extend_from_slice(VALUE_PARAMETER);
        specs.push(Spec {
            name: kOfxParamPropDefault,
            kind: kind.scalar_kind(),
            size: kind.arity(),
            writable: true,
        });
    }
    if kind.is_numeric() {
        specs.extend(range_specs(kind));
    }
    specs.extend(special(kind));
    specs
}

/// Range and display of a number.
fn range_specs(kind: ParamKind) -> Vec<Spec> {
    let sized = |name| Spec { name, kind: kind.scalar_kind(), size: kind.arity(), writable: true };
    let names = [kOfxParamPropMin, kOfxParamPropMax, kOfxParamPropDisplayMin, kOfxParamPropDisplayMax];
    let mut specs: Vec<Spec> = names.into_iter().map(sized).collect();
    specs.push(text(kOfxParamPropDimensionLabel, kind.arity()));
    if kind.scalar_kind() == Kind::Double {
        specs.push(double(kOfxParamPropIncrement, 1));
        specs.push(int(kOfxParamPropDigits, 1));
    }
    specs
}

/// What only some kinds have.
fn special(kind: ParamKind) -> Vec<Spec> {
    match kind {
        ParamKind::Double => vec![
            text(kOfxParamPropDoubleType, 1),
            int(kOfxParamPropShowTimeMarker, 1),
            text(kOfxParamPropDefaultCoordinateSystem, 1),
        ],
        ParamKind::Double2D | ParamKind::Double3D => vec![
            text(kOfxParamPropDoubleType, 1),
            text(kOfxParamPropDefaultCoordinateSystem, 1),
            int(kOfxParamPropUseHostOverlayHandle, 1),
            host_int(kOfxParamPropHasHostOverlayHandle, 1),
        ],
        ParamKind::Choice => vec![text(kOfxParamPropChoiceOption, 0), int(kOfxParamPropChoiceOrder, 0)],
        ParamKind::StrChoice => vec![text(kOfxParamPropChoiceOption, 0), text(kOfxParamPropChoiceEnum, 0)],
        ParamKind::String => {
            vec![text(kOfxParamPropStringMode, 1), int(kOfxParamPropStringFilePathExists, 1)]
        }
        ParamKind::Custom => vec![pointer(kOfxParamPropCustomInterpCallbackV1)],
        ParamKind::Group => vec![int(kOfxParamPropGroupOpen, 1)],
        ParamKind::Page => vec![text(kOfxParamPropPageChild, 0)],
        _ => vec![],
    }
}

/// In-arguments of actions that have a time and a render scale.
pub const TIME_ARGS: &[Spec] =
    &[host_double(kOfxPropTime, 1), host_double(kOfxImageEffectPropRenderScale, 2)];

/// In-arguments of the actions around and in a render.
pub const RENDER_ARGS: &[Spec] = &[
    host_double(kOfxPropTime, 1),
    host_double(kOfxImageEffectPropRenderScale, 2),
    host_text(kOfxImageEffectPropFieldToRender, 1),
    host_int(kOfxImageEffectPropRenderWindow, 4),
    host_int(kOfxImageEffectPropSequentialRenderStatus, 1),
    host_int(kOfxImageEffectPropInteractiveRenderStatus, 1),
    host_int(kOfxImageEffectPropRenderQualityDraft, 1),
    host_int(kOfxImageEffectPropThumbnailRender, 1),
];

/// In-arguments of begin and end of a sequence.
pub const SEQUENCE_ARGS: &[Spec] = &[
    host_double(kOfxImageEffectPropFrameRange, 2),
    host_double(kOfxImageEffectPropFrameStep, 1),
    host_int(kOfxPropIsInteractive, 1),
    host_double(kOfxImageEffectPropRenderScale, 2),
    host_int(kOfxImageEffectPropSequentialRenderStatus, 1),
    host_int(kOfxImageEffectPropInteractiveRenderStatus, 1),
    host_int(kOfxImageEffectPropThumbnailRender, 1),
];

/// In-arguments of `GetRegionsOfInterest`.
pub const INTEREST_ARGS: &[Spec] = &[
    host_double(kOfxPropTime, 1),
    host_double(kOfxImageEffectPropRenderScale, 2),
    host_double(kOfxImageEffectPropRegionOfInterest, 4),
];

/// In-arguments of `InstanceChanged`.
pub const CHANGED_ARGS: &[Spec] = &[
    host_text(kOfxPropType, 1),
    host_text(kOfxPropName, 1),
    host_text(kOfxPropChangeReason, 1),
    host_double(kOfxPropTime, 1),
    host_double(kOfxImageEffectPropRenderScale, 2),
];

/// In-arguments of the actions around `InstanceChanged`.
pub const CHANGE_BRACKET_ARGS: &[Spec] = &[host_text(kOfxPropChangeReason, 1)];

/// In-arguments of `DescribeInContext`.
pub const CONTEXT_ARGS: &[Spec] = &[host_text(kOfxImageEffectPropContext, 1)];

/// Out-arguments of `IsIdentity`.
pub const IDENTITY_REPLY: &[Spec] = &[text(kOfxPropName, 1), double(kOfxPropTime, 1)];

/// Out-arguments of `GetRegionOfDefinition`.
pub const DEFINITION_REPLY: &[Spec] = &[double(kOfxImageEffectPropRegionOfDefinition, 4)];

/// Out-arguments of `GetTimeDomain`.
pub const TIME_DOMAIN_REPLY: &[Spec] = &[double(kOfxImageEffectPropFrameRange, 2)];

/// Out-arguments of `GetClipPreferences` that are not by clip.
pub const PREFERENCES_REPLY: &[Spec] = &[
    double(kOfxImageEffectPropFrameRate, 1),
    text(kOfxImageClipPropFieldOrder, 1),
    text(kOfxImageEffectPropPreMultiplication, 1),
    int(kOfxImageClipPropContinuousSamples, 1),
    int(kOfxImageEffectFrameVarying, 1),
];

/// `OfxImageClipPropRoI_Source` and its like: a property of an action, named with a clip.
#[must_use]
pub fn clip_argument(prefix: &str, clip: &str) -> CString {
    CString::new(format!("{prefix}{clip}")).unwrap_or_default()
}
