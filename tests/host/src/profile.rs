//! How named hosts differ from the standard: one table for each, one field for each habit.
//!
//! Of these hosts only MLT was run where Pickup is built; the tables of the others repeat what their
//! notes, sources and issue threads say. `tests/profiles.rs` shows a plugin each habit.

use std::ffi::CStr;

use openfx::sys::generic::core::*;
use openfx::sys::image_effect_v1::{image_effect::*, param::*};
use serde::{Deserialize, Serialize};

use crate::plan::{Context, Depth, RenderPlan};
use crate::world::calls::Action;
use crate::world::parameter::ParamKind;

/// The host to be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Profile {
    /// The standard, with everything that it allows.
    #[default]
    Strict,
    /// DaVinci Resolve, Edit and Color pages.
    Resolve,
    /// DaVinci Resolve's Fusion page.
    Fusion,
    /// Nuke.
    Nuke,
    /// MLT 7.42: `melt` and Kdenlive.
    Mlt,
    /// The demo host of the OpenFX project's host support library.
    Hostdemo,
}

impl Profile {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Strict, Self::Resolve, Self::Fusion, Self::Nuke, Self::Mlt, Self::Hostdemo];

    /// Its habits.
    pub(crate) const fn manners(self) -> &'static Manners {
        match self {
            Self::Strict => &STRICT,
            Self::Resolve => &RESOLVE,
            Self::Fusion => &FUSION,
            Self::Nuke => &NUKE,
            Self::Mlt => &MLT,
            Self::Hostdemo => &HOSTDEMO,
        }
    }

    /// The contexts it offers.
    #[must_use]
    pub const fn contexts(self) -> &'static [Context] {
        self.manners().contexts
    }

    /// The depths it offers.
    #[must_use]
    pub const fn depths(self) -> &'static [Depth] {
        self.manners().depths
    }

    /// Whether it calls `InstanceChanged`, so that buttons work.
    #[must_use]
    pub fn has_buttons(self) -> bool {
        !self.manners().never.contains(&Action::InstanceChanged)
    }
}

/// Objects whose properties a host may leave out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Object {
    /// The host.
    Host,
    /// An effect instance.
    Effect,
    /// A clip instance.
    Clip,
    /// In-arguments of actions.
    Arguments,
}

/// The render scale that a host tells, whatever the images are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SaidScale {
    /// The images' own.
    True,
    /// 1, whatever the images are.
    Full,
    /// None.
    Missing,
}

/// The habits of a host.
#[derive(Debug)]
pub(crate) struct Manners {
    /// Its name; none where the plan's is used.
    pub name: Option<&'static str>,
    /// Contexts that it offers.
    pub contexts: &'static [Context],
    /// Whether it lists them in its properties.
    pub says_contexts: bool,
    /// Depths that it offers.
    pub depths: &'static [Depth],
    /// Whether other times than the current one can be fetched.
    pub temporal_access: bool,
    /// Whether it renders in tiles where the plugin can.
    pub tiles: bool,
    /// Suites that it does not have.
    pub without_suites: &'static [&'static str],
    /// Suites that it gives with functions missing.
    pub hollow_suites: &'static [&'static str],
    /// Properties that it does not have.
    pub missing: &'static [(Object, &'static CStr)],
    /// Actions that it never calls.
    pub never: &'static [Action],
    /// Whether a clip without a frame answers OK with a null image.
    pub ok_null: bool,
    /// The scale told with a thumbnail.
    pub thumbnail_scale: SaidScale,
    /// The scale told while somebody scrubs.
    pub interactive_scale: SaidScale,
    /// Whether the timeline suite tells the time.
    pub tells_time: bool,
    /// Whether depth and components of clips are known when an instance is made.
    pub clips_known_at_create: bool,
    /// Whether begin and end of a sequence surround every frame.
    pub sequence_per_frame: bool,
    /// Whether every frame is a fresh load to destroy, unless the plugin says that it is unsafe.
    pub fresh_per_frame: bool,
    /// Whether the source is shown, and all is well, when a render fails.
    pub hides_failures: bool,
    /// Whether the instance is made anew after an edit, the new one before the old one goes.
    pub recreates_on_edit: bool,
    /// Whether it takes instances away and unloads at the end.
    pub tidies_up: bool,
    /// Kinds of parameter that bring it down.
    pub crashes_on: &'static [ParamKind],
    /// Kinds of parameter of which one is enough for no parameter to be found.
    pub chokes_on: &'static [ParamKind],
    /// Properties of parameters that cannot change once described.
    pub fixed: &'static [&'static CStr],
}

impl Manners {
    /// The scale that is told for a render.
    pub const fn said_scale(&self, plan: &RenderPlan) -> SaidScale {
        match (plan.thumbnail, plan.interactive) {
            (true, _) => self.thumbnail_scale,
            (false, true) => self.interactive_scale,
            (false, false) => SaidScale::True,
        }
    }
}

const EVERY_CONTEXT: &[Context] =
    &[Context::Filter, Context::Generator, Context::General, Context::Transition];

const STRICT: Manners = Manners {
    name: None,
    contexts: EVERY_CONTEXT,
    says_contexts: true,
    depths: &Depth::ALL,
    temporal_access: true,
    tiles: true,
    without_suites: &[],
    hollow_suites: &[],
    missing: &[],
    never: &[],
    ok_null: false,
    thumbnail_scale: SaidScale::True,
    interactive_scale: SaidScale::True,
    tells_time: true,
    clips_known_at_create: true,
    sequence_per_frame: false,
    fresh_per_frame: false,
    hides_failures: false,
    recreates_on_edit: false,
    tidies_up: true,
    crashes_on: &[],
    chokes_on: &[],
    fixed: &[],
};

const RESOLVE: Manners = Manners {
    name: Some("DaVinciResolve"),
    depths: &[Depth::Byte, Depth::Short, Depth::Float],
    tiles: false,
    without_suites: &["OfxProgressSuite/2", "OfxInteractSuite"],
    // Version 14 gave this one with garbage in it.
    hollow_suites: &["OfxMessageSuite/2"],
    missing: &[(Object::Arguments, kOfxImageEffectPropThumbnailRender)],
    never: &[Action::GetRegionOfDefinition],
    ok_null: true,
    thumbnail_scale: SaidScale::Missing,
    recreates_on_edit: true,
    crashes_on: &[ParamKind::Integer2D, ParamKind::Integer3D],
    ..STRICT
};

const FUSION: Manners = Manners {
    name: Some("com.blackmagicdesign.Fusion"),
    thumbnail_scale: SaidScale::Full,
    interactive_scale: SaidScale::Full,
    recreates_on_edit: false,
    ..RESOLVE
};

const NUKE: Manners = Manners {
    name: Some("uk.co.thefoundry.nuke"),
    contexts: &[Context::Filter, Context::General],
    depths: &[Depth::Float],
    fixed: &[kOfxPropLabel, kOfxParamPropSecret, kOfxParamPropChoiceOption, kOfxParamPropStringMode],
    ..STRICT
};

const MLT: Manners = Manners {
    name: Some("MLT"),
    contexts: &[Context::Filter],
    says_contexts: false,
    temporal_access: false,
    tiles: false,
    without_suites: &["OfxInteractSuite"],
    missing: &[
        (Object::Effect, kOfxImageEffectPropProjectSize),
        (Object::Effect, kOfxImageEffectPropProjectExtent),
        (Object::Effect, kOfxImageEffectPropFrameRate),
        (Object::Effect, kOfxImageEffectInstancePropEffectDuration),
        (Object::Clip, kOfxImageEffectPropFrameRange),
        (Object::Clip, kOfxImageEffectPropUnmappedFrameRange),
    ],
    never: &[
        Action::BeginInstanceChanged,
        Action::InstanceChanged,
        Action::EndInstanceChanged,
        Action::IsIdentity,
        Action::GetFramesNeeded,
        Action::GetTimeDomain,
        Action::SyncPrivateData,
        Action::PurgeCaches,
        Action::BeginInstanceEdit,
        Action::EndInstanceEdit,
    ],
    ok_null: true,
    tells_time: false,
    clips_known_at_create: false,
    sequence_per_frame: true,
    fresh_per_frame: true,
    hides_failures: true,
    tidies_up: false,
    ..STRICT
};

const HOSTDEMO: Manners = Manners {
    name: Some("hostDemo"),
    depths: &[Depth::Byte],
    tiles: false,
    without_suites: &["OfxInteractSuite"],
    chokes_on: &[ParamKind::String, ParamKind::Custom],
    ..STRICT
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_host_offers_what_it_can_run() {
        for profile in Profile::ALL {
            let manners = profile.manners();
            assert!(!manners.contexts.is_empty() && !manners.depths.is_empty(), "{profile:?}");
            // What it says it lacks, it must not also give hollow.
            assert!(manners.hollow_suites.iter().all(|suite| !manners.without_suites.contains(suite)));
        }
    }
}
