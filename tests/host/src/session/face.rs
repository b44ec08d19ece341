//! The face that the host shows: its own properties, as DaVinci Resolve gives them.

use openfx::sys::generic::core::*;
use openfx::sys::image_effect_v1::{image_effect::*, param::*};

use crate::names;
use crate::plan::{Context, Depth, Project};
use crate::world::property_set::PropertySet;
use crate::world::{c_text, property_table};

/// The host's properties: temporal access as the project says; no tiles, no multi-resolution.
pub fn host_properties(project: &Project) -> PropertySet {
    let mut props = PropertySet::new("host", property_table::HOST);
    let name = c_text(&project.name);
    props.put_ints(kOfxPropAPIVersion, &[1, 5]);
    props.put_texts(kOfxPropType, &[kOfxTypeImageEffectHost]);
    props.put_texts(kOfxPropName, &[&name]);
    props.put_texts(kOfxPropLabel, &[&name]);
    props.put_ints(kOfxPropVersion, &[20, 0, 0]);
    props.put_texts(kOfxPropVersionLabel, &[c"20.0.0"]);
    props.put_texts(kOfxImageEffectPropSupportedComponents, &[kOfxImageComponentRGBA]);
    props.put_texts(
        kOfxImageEffectPropSupportedContexts,
        &[Context::Filter, Context::Generator].map(names::context),
    );
    props.put_texts(kOfxImageEffectPropSupportedPixelDepths, &Depth::ALL.map(names::depth));
    props.put_ints(kOfxImageEffectPropTemporalClipAccess, &[i32::from(project.temporal_access)]);
    props.put_ints(kOfxParamHostPropSupportsBooleanAnimation, &[1]);
    props.put_ints(kOfxParamHostPropSupportsChoiceAnimation, &[1]);
    // No limit on parameters; pages are not shown.
    props.put_ints(kOfxParamHostPropMaxParameters, &[-1]);
    props.put_texts(kOfxImageEffectHostPropNativeOrigin, &[kOfxHostNativeOriginBottomLeft]);
    props
}
