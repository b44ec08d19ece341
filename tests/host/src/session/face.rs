//! The face that the host shows: its own properties, and what its objects lack.

use openfx::sys::generic::core::*;
use openfx::sys::image_effect_v1::{image_effect::*, param::*};

use crate::names;
use crate::plan::Project;
use crate::profile::{Manners, Object};
use crate::world::property_set::PropertySet;
use crate::world::{c_text, property_table};

/// Takes away what the profile's objects lack.
pub fn strip(props: &mut PropertySet, manners: &Manners, object: Object) {
    manners.missing.iter().filter(|(of, _)| *of == object).for_each(|(_, name)| props.remove(name));
}

/// The host's properties: as the profile has them, and temporal access as the project says; no multi-resolution.
pub fn host_properties(project: &Project, manners: &Manners) -> PropertySet {
    let mut props = PropertySet::new("host", property_table::HOST);
    let name = c_text(manners.name.unwrap_or(&project.name));
    props.put_ints(kOfxPropAPIVersion, &[1, 5]);
    props.put_texts(kOfxPropType, &[kOfxTypeImageEffectHost]);
    props.put_texts(kOfxPropName, &[&name]);
    props.put_texts(kOfxPropLabel, &[&name]);
    props.put_ints(kOfxPropVersion, &[20, 0, 0]);
    props.put_texts(kOfxPropVersionLabel, &[c"20.0.0"]);
    props.put_texts(kOfxImageEffectPropSupportedComponents, &[kOfxImageComponentRGBA]);
    let said = if manners.says_contexts { manners.contexts } else { &[] };
    let contexts: Vec<_> = said.iter().map(|&context| names::context(context)).collect();
    props.put_texts(kOfxImageEffectPropSupportedContexts, &contexts);
    let depths: Vec<_> = manners.depths.iter().map(|&depth| names::depth(depth)).collect();
    props.put_texts(kOfxImageEffectPropSupportedPixelDepths, &depths);
    let temporal = project.temporal_access && manners.temporal_access;
    props.put_ints(kOfxImageEffectPropTemporalClipAccess, &[i32::from(temporal)]);
    props.put_ints(kOfxImageEffectPropSupportsTiles, &[i32::from(manners.tiles)]);
    props.put_ints(kOfxParamHostPropSupportsBooleanAnimation, &[1]);
    props.put_ints(kOfxParamHostPropSupportsChoiceAnimation, &[1]);
    // No limit on parameters; pages are not shown.
    props.put_ints(kOfxParamHostPropMaxParameters, &[-1]);
    props.put_texts(kOfxImageEffectHostPropNativeOrigin, &[kOfxHostNativeOriginBottomLeft]);
    strip(&mut props, manners, Object::Host);
    props
}
