//! The properties that a plugin reads and writes, each with its kind and dimension.
//!
//! Kinds and dimensions are those of the OpenFX 1.5 reference (`ofxCore.h`, `ofxImageEffect.h`, `ofxParam.h`).

use crate::property::{Double, Flag, Int, Key, Pointer, Text};
use crate::sys::{core, image_effect, param};

macro_rules! keys {
    ($($(#[$doc:meta])* $name:ident: $kind:ty, $dimension:literal = $source:expr;)*) => {
        $($(#[$doc])* pub static $name: Key<$kind, $dimension> = Key::new($source);)*
    };
}

keys! {
    /// The object's type.
    TYPE: Text, 1 = core::kOfxPropType;
    /// The object's name.
    NAME: Text, 1 = core::kOfxPropName;
    /// The name shown to the user.
    LABEL: Text, 1 = core::kOfxPropLabel;
    /// The version's numbers, major first.
    VERSION: Int, 0 = core::kOfxPropVersion;
    /// The version as text.
    VERSION_LABEL: Text, 1 = core::kOfxPropVersionLabel;
    /// A plugin's description.
    DESCRIPTION: Text, 1 = core::kOfxPropPluginDescription;
    /// Where the plugin's bundle lies.
    FILE_PATH: Text, 1 = core::kOfxPluginPropFilePath;
    /// The plugin's own address of an instance.
    INSTANCE_DATA: Pointer, 1 = core::kOfxPropInstanceData;
    /// A time in frames.
    TIME: Double, 1 = core::kOfxPropTime;
    /// Why something changed.
    CHANGE_REASON: Text, 1 = core::kOfxPropChangeReason;
    /// Whether a user watches.
    IS_INTERACTIVE: Flag, 1 = core::kOfxPropIsInteractive;

    /// The context of an instance or description.
    CONTEXT: Text, 1 = image_effect::kOfxImageEffectPropContext;
    /// The contexts a plugin supports.
    SUPPORTED_CONTEXTS: Text, 0 = image_effect::kOfxImageEffectPropSupportedContexts;
    /// The pixel depths a plugin supports.
    SUPPORTED_DEPTHS: Text, 0 = image_effect::kOfxImageEffectPropSupportedPixelDepths;
    /// The components a clip supports.
    SUPPORTED_COMPONENTS: Text, 0 = image_effect::kOfxImageEffectPropSupportedComponents;
    /// The menu a plugin is found in.
    GROUPING: Text, 1 = image_effect::kOfxImageEffectPluginPropGrouping;
    /// Which renders may run at the same time.
    THREAD_SAFETY: Text, 1 = image_effect::kOfxImageEffectPluginRenderThreadSafety;
    /// Whether the host may split a frame over threads.
    HOST_FRAME_THREADING: Flag, 1 = image_effect::kOfxImageEffectPluginPropHostFrameThreading;
    /// Whether parts of an image can be rendered.
    SUPPORTS_TILES: Flag, 1 = image_effect::kOfxImageEffectPropSupportsTiles;
    /// Whether images of different sizes are handled.
    SUPPORTS_MULTI_RESOLUTION: Flag, 1 = image_effect::kOfxImageEffectPropSupportsMultiResolution;
    /// Whether clips of different depths are handled.
    SUPPORTS_MULTIPLE_DEPTHS: Flag, 1 = image_effect::kOfxImageEffectPropSupportsMultipleClipDepths;
    /// Whether clips of different pixel aspects are handled.
    SUPPORTS_MULTIPLE_PARS: Flag, 1 = image_effect::kOfxImageEffectPropSupportsMultipleClipPARs;
    /// Whether frames of other times are asked for (on a plugin or clip), or can be had (on a host).
    TEMPORAL_ACCESS: Flag, 1 = image_effect::kOfxImageEffectPropTemporalClipAccess;
    /// Whether only one instance may exist.
    SINGLE_INSTANCE: Flag, 1 = image_effect::kOfxImageEffectPluginPropSingleInstance;
    /// Whether the host runs without a user.
    HOST_IS_BACKGROUND: Flag, 1 = image_effect::kOfxImageEffectHostPropIsBackground;
    /// Whether a clip need not be connected.
    CLIP_OPTIONAL: Flag, 1 = image_effect::kOfxImageClipPropOptional;
    /// Whether a clip is connected.
    CLIP_CONNECTED: Flag, 1 = image_effect::kOfxImageClipPropConnected;
    /// An image's or clip's depth.
    PIXEL_DEPTH: Text, 1 = image_effect::kOfxImageEffectPropPixelDepth;
    /// An image's or clip's components.
    COMPONENTS: Text, 1 = image_effect::kOfxImageEffectPropComponents;
    /// How colour and alpha relate.
    PREMULTIPLICATION: Text, 1 = image_effect::kOfxImageEffectPropPreMultiplication;
    /// Width of a pixel over its height.
    PIXEL_ASPECT: Double, 1 = image_effect::kOfxImagePropPixelAspectRatio;
    /// Frames per second.
    FRAME_RATE: Double, 1 = image_effect::kOfxImageEffectPropFrameRate;
    /// First and last frame.
    FRAME_RANGE: Double, 2 = image_effect::kOfxImageEffectPropFrameRange;
    /// Distance between rendered frames.
    FRAME_STEP: Double, 1 = image_effect::kOfxImageEffectPropFrameStep;
    /// Whether frames differ although no parameter does.
    FRAME_VARYING: Flag, 1 = image_effect::kOfxImageEffectFrameVarying;
    /// The whole project's size.
    PROJECT_SIZE: Double, 2 = image_effect::kOfxImageEffectPropProjectSize;
    /// The project's bottom left corner.
    PROJECT_OFFSET: Double, 2 = image_effect::kOfxImageEffectPropProjectOffset;
    /// The top right corner of the project's extent.
    PROJECT_EXTENT: Double, 2 = image_effect::kOfxImageEffectPropProjectExtent;
    /// How many frames an instance lasts.
    EFFECT_DURATION: Double, 1 = image_effect::kOfxImageEffectInstancePropEffectDuration;
    /// Size of the render over full size, in x and y.
    RENDER_SCALE: Double, 2 = image_effect::kOfxImageEffectPropRenderScale;
    /// The pixels to render, `x1 y1 x2 y2`.
    RENDER_WINDOW: Int, 4 = image_effect::kOfxImageEffectPropRenderWindow;
    /// The field to render.
    FIELD: Text, 1 = image_effect::kOfxImageEffectPropFieldToRender;
    /// Whether frames come in order.
    SEQUENTIAL_RENDER: Flag, 1 = image_effect::kOfxImageEffectPropSequentialRenderStatus;
    /// Whether the render answers a user's interaction.
    INTERACTIVE_RENDER: Flag, 1 = image_effect::kOfxImageEffectPropInteractiveRenderStatus;
    /// Whether speed is wanted over quality.
    DRAFT_RENDER: Flag, 1 = image_effect::kOfxImageEffectPropRenderQualityDraft;
    /// Whether the render is a thumbnail (OpenFX 1.5).
    THUMBNAIL_RENDER: Flag, 1 = image_effect::kOfxImageEffectPropThumbnailRender;
    /// A region of definition, canonical.
    REGION_OF_DEFINITION: Double, 4 = image_effect::kOfxImageEffectPropRegionOfDefinition;
    /// A region of interest, canonical.
    REGION_OF_INTEREST: Double, 4 = image_effect::kOfxImageEffectPropRegionOfInterest;
    /// Address of an image's first (lowest) row.
    IMAGE_DATA: Pointer, 1 = image_effect::kOfxImagePropData;
    /// An image's pixels, `x1 y1 x2 y2`.
    IMAGE_BOUNDS: Int, 4 = image_effect::kOfxImagePropBounds;
    /// The whole frame of which an image may be a part, `x1 y1 x2 y2`.
    IMAGE_REGION: Int, 4 = image_effect::kOfxImagePropRegionOfDefinition;
    /// Bytes from one row to the one above; may be negative.
    IMAGE_ROW_BYTES: Int, 1 = image_effect::kOfxImagePropRowBytes;
    /// An image's identity.
    IMAGE_ID: Text, 1 = image_effect::kOfxImagePropUniqueIdentifier;

    /// Whether parameters must be written by the plugin before the host saves them.
    NEEDS_SYNCING: Flag, 1 = param::kOfxPropParamSetNeedsSyncing;
    /// A parameter's OpenFX type.
    PARAM_TYPE: Text, 1 = param::kOfxParamPropType;
    /// The tooltip.
    PARAM_HINT: Text, 1 = param::kOfxParamPropHint;
    /// The name for scripts.
    PARAM_SCRIPT_NAME: Text, 1 = param::kOfxParamPropScriptName;
    /// The group a parameter is in.
    PARAM_PARENT: Text, 1 = param::kOfxParamPropParent;
    /// Whether it can be animated.
    PARAM_ANIMATES: Flag, 1 = param::kOfxParamPropAnimates;
    /// Whether it is hidden.
    PARAM_SECRET: Flag, 1 = param::kOfxParamPropSecret;
    /// Whether it can be edited.
    PARAM_ENABLED: Flag, 1 = param::kOfxParamPropEnabled;
    /// Whether it is saved.
    PARAM_PERSISTENT: Flag, 1 = param::kOfxParamPropPersistant;
    /// Whether a change asks for a render.
    PARAM_EVALUATES: Flag, 1 = param::kOfxParamPropEvaluateOnChange;
    /// Whether a change makes cached images stale.
    PARAM_CACHE_INVALIDATION: Text, 1 = param::kOfxParamPropCacheInvalidation;
    /// A text's kind of field.
    PARAM_STRING_MODE: Text, 1 = param::kOfxParamPropStringMode;
    /// Whether a file path must exist.
    PARAM_FILE_EXISTS: Flag, 1 = param::kOfxParamPropStringFilePathExists;
    /// A choice's options.
    PARAM_OPTIONS: Text, 0 = param::kOfxParamPropChoiceOption;
    /// A group starts unfolded.
    PARAM_GROUP_OPEN: Flag, 1 = param::kOfxParamPropGroupOpen;
    /// The parameters on a page.
    PARAM_PAGE_CHILDREN: Text, 0 = param::kOfxParamPropPageChild;
    /// A text's default.
    PARAM_DEFAULT_TEXT: Text, 1 = param::kOfxParamPropDefault;
    /// An integer's, boolean's or choice's default.
    PARAM_DEFAULT_INT: Int, 1 = param::kOfxParamPropDefault;
    /// A double's default.
    PARAM_DEFAULT_DOUBLE: Double, 1 = param::kOfxParamPropDefault;
    /// An integer's least value.
    PARAM_MIN_INT: Int, 1 = param::kOfxParamPropMin;
    /// An integer's greatest value.
    PARAM_MAX_INT: Int, 1 = param::kOfxParamPropMax;
    /// An integer slider's low end.
    PARAM_DISPLAY_MIN_INT: Int, 1 = param::kOfxParamPropDisplayMin;
    /// An integer slider's high end.
    PARAM_DISPLAY_MAX_INT: Int, 1 = param::kOfxParamPropDisplayMax;
    /// A double's least value.
    PARAM_MIN_DOUBLE: Double, 1 = param::kOfxParamPropMin;
    /// A double's greatest value.
    PARAM_MAX_DOUBLE: Double, 1 = param::kOfxParamPropMax;
    /// A double slider's low end.
    PARAM_DISPLAY_MIN_DOUBLE: Double, 1 = param::kOfxParamPropDisplayMin;
    /// A double slider's high end.
    PARAM_DISPLAY_MAX_DOUBLE: Double, 1 = param::kOfxParamPropDisplayMax;
    /// A double's step.
    PARAM_INCREMENT: Double, 1 = param::kOfxParamPropIncrement;
    /// A double's decimals.
    PARAM_DIGITS: Int, 1 = param::kOfxParamPropDigits;
}
