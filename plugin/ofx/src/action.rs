//! Every action a host can ask for, with its arguments read and its answers typed.

use crate::format::Context;
use crate::geometry::{RectD, RectI};
use crate::keys;
use crate::property::{Double, Key, PropertySet, Text};
use crate::status::{Error, Result, Status};
use crate::sys::{core, image_effect};
use std::ffi::CStr;

/// Why something changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The user did it.
    User,
    /// A plugin did it.
    Plugin,
    /// The time moved.
    Time,
}

/// What changed in an instance.
#[derive(Clone, Debug, PartialEq)]
pub struct Changed {
    /// The parameter's or clip's id.
    pub name: String,
    /// Whether it is a clip rather than a parameter.
    pub is_clip: bool,
    /// Why.
    pub reason: Reason,
    /// The time in frames, 0 where the host does not say.
    pub time: f64,
    /// The scale of what the user sees; `None` where the host does not say.
    pub render_scale: Option<(f64, f64)>,
}

/// A render, or the question whether there is anything to render.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Render {
    /// The time in frames.
    pub time: f64,
    /// The pixels asked for; `None` where the host does not say.
    pub window: Option<RectI>,
    /// Size over full size; `None` where the host does not say.
    pub render_scale: Option<(f64, f64)>,
    /// Frames come in order.
    pub sequential: bool,
    /// Somebody is watching and waiting.
    pub interactive: bool,
    /// Speed is wanted over quality.
    pub draft: bool,
    /// It is for a thumbnail.
    pub thumbnail: bool,
}

/// A run of renders.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sequence {
    /// First and last frame; `None` where the host does not say.
    pub range: Option<(f64, f64)>,
    /// Distance between frames.
    pub step: f64,
    /// Somebody is watching and waiting.
    pub interactive: bool,
    /// Size over full size; `None` where the host does not say.
    pub render_scale: Option<(f64, f64)>,
}

/// Where the answers of an action go.
macro_rules! answers {
    ($($(#[$doc:meta])* $name:ident { $($body:item)* })*) => {
        $(
            $(#[$doc])*
            #[derive(Clone, Copy, Debug)]
            pub struct $name<'h>(PropertySet<'h>);

            impl $name<'_> { $($body)* }
        )*
    };
}

answers! {
    /// Answers GetRegionOfDefinition.
    RegionAnswer {
        /// Where the effect has pixels, in canonical coordinates.
        ///
        /// # Errors
        /// The host's answer.
        pub fn set(&self, region: RectD) -> Result<()> {
            self.0.set_all(&keys::REGION_OF_DEFINITION, region.to_array())
        }
    }

    /// Answers GetRegionsOfInterest.
    InterestAnswer {
        /// What is needed of a clip, in canonical coordinates.
        ///
        /// # Errors
        /// The host's answer.
        pub fn set(&self, clip: &str, region: RectD) -> Result<()> {
            self.0.set_all(&Key::<Double, 4>::of_clip("OfxImageClipPropRoI_", clip), region.to_array())
        }
    }

    /// Answers GetFramesNeeded.
    FramesAnswer {
        /// The ranges of frames needed of a clip.
        ///
        /// # Errors
        /// The host's answer.
        pub fn set(&self, clip: &str, ranges: &[(f64, f64)]) -> Result<()> {
            let key = Key::<Double, 0>::of_clip("OfxImageClipPropFrameRange_", clip);
            self.0.set_all(&key, ranges.iter().flat_map(|(first, last)| [*first, *last]))
        }
    }

    /// Answers IsIdentity.
    IdentityAnswer {
        /// The clip, and its time, that looks the same as the effect would.
        ///
        /// # Errors
        /// The host's answer.
        pub fn set(&self, clip: &str, time: f64) -> Result<()> {
            self.0.set(&keys::NAME, clip)?;
            self.0.set(&keys::TIME, time)
        }
    }

    /// Answers GetClipPreferences. A host may not know one or the other; that is no failure.
    PreferencesAnswer {
        /// Frames differ although no parameter does.
        ///
        /// # Errors
        /// The host's answer.
        pub fn set_frame_varying(&self, varying: bool) -> Result<()> {
            self.0.set(&keys::FRAME_VARYING, varying)
        }

        /// How the output's colour and alpha relate.
        ///
        /// # Errors
        /// The host's answer.
        pub fn set_premultiplication(&self, premultiplication: crate::Premultiplication) -> Result<()> {
            self.0.set(&keys::PREMULTIPLICATION, premultiplication.name())
        }

        /// The components that a clip shall have.
        ///
        /// # Errors
        /// The host's answer.
        pub fn set_components(&self, clip: &str, components: crate::Components) -> Result<()> {
            self.0.set(&Key::<Text, 1>::of_clip("OfxImageClipPropComponents_", clip), components.name())
        }
    }

    /// Answers GetTimeDomain.
    TimeDomainAnswer {
        /// First and last frame of what the effect makes.
        ///
        /// # Errors
        /// The host's answer.
        pub fn set(&self, first: f64, last: f64) -> Result<()> {
            self.0.set_all(&keys::FRAME_RANGE, [first, last])
        }
    }
}

/// An action with its arguments, and with where its answers go.
#[derive(Debug)]
pub enum Action<'h> {
    /// The library was loaded.
    Load,
    /// The library is about to go.
    Unload,
    /// Say what the plugin is.
    Describe,
    /// Say which clips and parameters it has in a context.
    DescribeInContext(Context),
    /// An instance was made.
    CreateInstance,
    /// An instance is about to go.
    DestroyInstance,
    /// Something of an instance changed.
    InstanceChanged(Changed),
    /// Changes follow.
    BeginInstanceChanged(Reason),
    /// Changes are over.
    EndInstanceChanged(Reason),
    /// Parameters are about to be saved or copied.
    SyncPrivateData,
    /// Give back memory that can be had again.
    PurgeCaches,
    /// Where are there pixels at a time?
    GetRegionOfDefinition(f64, RegionAnswer<'h>),
    /// Which part of the inputs is needed at a time for a region?
    GetRegionsOfInterest(f64, RectD, InterestAnswer<'h>),
    /// Which frames of the inputs are needed at a time?
    GetFramesNeeded(f64, FramesAnswer<'h>),
    /// Does a render change anything?
    IsIdentity(Render, IdentityAnswer<'h>),
    /// What shall the clips be like?
    GetClipPreferences(PreferencesAnswer<'h>),
    /// From when to when does the effect make frames?
    GetTimeDomain(TimeDomainAnswer<'h>),
    /// Renders follow.
    BeginSequenceRender(Sequence),
    /// Renders are over.
    EndSequenceRender(Sequence),
    /// Make a frame.
    Render(Render),
    /// An action that this layer does not know.
    Other(String),
}

/// What a plugin answers to an action that went well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reply {
    /// Done (`kOfxStatOK`).
    Done,
    /// The host shall do its default (`kOfxStatReplyDefault`).
    Default,
}

impl Reply {
    pub(crate) fn status(self) -> Status {
        match self {
            Self::Done => Status::Ok,
            Self::Default => Status::ReplyDefault,
        }
    }
}

impl<'h> Action<'h> {
    /// Reads an action and its arguments.
    ///
    /// # Errors
    /// [`Error::Missing`] if the host left out an argument that the action cannot do without.
    pub(crate) fn read(
        name: &CStr,
        arguments: Option<PropertySet<'h>>,
        answers: Option<PropertySet<'h>>,
    ) -> Result<Self> {
        if let Some(action) = Self::read_plain(name) {
            return Ok(action);
        }
        let arguments = arguments.ok_or(Error::Missing("the arguments of an action"));
        let answers = answers.ok_or(Error::Missing("the answers of an action"));
        if name == image_effect::kOfxImageEffectActionGetClipPreferences {
            return Ok(Self::GetClipPreferences(PreferencesAnswer(answers?)));
        }
        if name == image_effect::kOfxImageEffectActionGetTimeDomain {
            return Ok(Self::GetTimeDomain(TimeDomainAnswer(answers?)));
        }
        Self::read_with_arguments(name, arguments, answers)
    }

    fn read_plain(name: &CStr) -> Option<Self> {
        let plain = [
            (core::kOfxActionLoad, Self::Load),
            (core::kOfxActionUnload, Self::Unload),
            (core::kOfxActionDescribe, Self::Describe),
            (core::kOfxActionCreateInstance, Self::CreateInstance),
            (core::kOfxActionDestroyInstance, Self::DestroyInstance),
            (core::kOfxActionSyncPrivateData, Self::SyncPrivateData),
            (core::kOfxActionPurgeCaches, Self::PurgeCaches),
        ];
        plain.into_iter().find(|(known, _)| *known == name).map(|(_, action)| action)
    }

    fn read_with_arguments(
        name: &CStr,
        arguments: Result<PropertySet<'h>>,
        answers: Result<PropertySet<'h>>,
    ) -> Result<Self> {
        // An action that is not known here needs none.
        Ok(match name {
            _ if name == image_effect::kOfxImageEffectActionRender => Self::Render(Render::read(arguments?)?),
            _ if name == image_effect::kOfxImageEffectActionIsIdentity => {
                Self::IsIdentity(Render::read(arguments?)?, IdentityAnswer(answers?))
            }
            _ if name == image_effect::kOfxImageEffectActionDescribeInContext => {
                let context = arguments?.get(&keys::CONTEXT)?;
                Self::DescribeInContext(
                    Context::from_name(&context).ok_or(Error::Missing("a known context"))?,
                )
            }
            _ if name == image_effect::kOfxImageEffectActionGetRegionOfDefinition => {
                Self::GetRegionOfDefinition(arguments?.get(&keys::TIME)?, RegionAnswer(answers?))
            }
            _ if name == image_effect::kOfxImageEffectActionGetRegionsOfInterest => {
                let set = arguments?;
                let region = RectD::from_array(set.get_all(&keys::REGION_OF_INTEREST)?);
                Self::GetRegionsOfInterest(set.get(&keys::TIME)?, region, InterestAnswer(answers?))
            }
            _ if name == image_effect::kOfxImageEffectActionGetFramesNeeded => {
                Self::GetFramesNeeded(arguments?.get(&keys::TIME)?, FramesAnswer(answers?))
            }
            _ if name == image_effect::kOfxImageEffectActionBeginSequenceRender => {
                Self::BeginSequenceRender(Sequence::read(arguments?))
            }
            _ if name == image_effect::kOfxImageEffectActionEndSequenceRender => {
                Self::EndSequenceRender(Sequence::read(arguments?))
            }
            _ if name == core::kOfxActionInstanceChanged => Self::InstanceChanged(Changed::read(arguments?)?),
            _ if name == core::kOfxActionBeginInstanceChanged => {
                Self::BeginInstanceChanged(Reason::read(arguments?))
            }
            _ if name == core::kOfxActionEndInstanceChanged => {
                Self::EndInstanceChanged(Reason::read(arguments?))
            }
            _ => Self::Other(name.to_string_lossy().into_owned()),
        })
    }
}

impl Reason {
    /// The reason in `set`. One that is missing or unknown is not the user's: nothing is ever done on
    /// a mere guess that a user asked for it.
    fn read(set: PropertySet<'_>) -> Self {
        Self::from_name(&set.get(&keys::CHANGE_REASON).unwrap_or_default())
    }

    fn from_name(name: &str) -> Self {
        match name.as_bytes() {
            name if name == core::kOfxChangeUserEdited.to_bytes() => Self::User,
            name if name == core::kOfxChangeTime.to_bytes() => Self::Time,
            _ => Self::Plugin,
        }
    }
}

impl Changed {
    fn read(set: PropertySet<'_>) -> Result<Self> {
        let kind = set.get(&keys::TYPE).unwrap_or_default();
        Ok(Self {
            name: set.get(&keys::NAME)?,
            is_clip: kind.as_bytes() == image_effect::kOfxTypeClip.to_bytes(),
            reason: Reason::read(set),
            time: set.get(&keys::TIME).unwrap_or(0.0),
            render_scale: scale(set),
        })
    }
}

impl Render {
    fn read(set: PropertySet<'_>) -> Result<Self> {
        Ok(Self {
            time: set.get(&keys::TIME)?,
            window: set.get_all(&keys::RENDER_WINDOW).ok().map(RectI::from_array),
            render_scale: scale(set),
            sequential: set.get(&keys::SEQUENTIAL_RENDER).unwrap_or(false),
            interactive: set.get(&keys::INTERACTIVE_RENDER).unwrap_or(false),
            draft: set.get(&keys::DRAFT_RENDER).unwrap_or(false),
            thumbnail: set.get(&keys::THUMBNAIL_RENDER).unwrap_or(false),
        })
    }
}

impl Sequence {
    fn read(set: PropertySet<'_>) -> Self {
        Self {
            range: set.get_all(&keys::FRAME_RANGE).ok().map(|[first, last]| (first, last)),
            step: set.get(&keys::FRAME_STEP).unwrap_or(1.0),
            interactive: set.get(&keys::IS_INTERACTIVE).unwrap_or(false),
            render_scale: scale(set),
        }
    }
}

/// The render scale, unless it is missing or no scale at all.
fn scale(set: PropertySet<'_>) -> Option<(f64, f64)> {
    let [x, y] = set.get_all(&keys::RENDER_SCALE).ok()?;
    (x.is_finite() && y.is_finite() && x > 0.0 && y > 0.0).then_some((x, y))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_the_host_calls_user_edited_is_the_user() {
        assert_eq!(Reason::from_name("OfxChangeUserEdited"), Reason::User);
        assert_eq!(Reason::from_name("OfxChangePluginEdited"), Reason::Plugin);
        assert_eq!(Reason::from_name("OfxChangeTime"), Reason::Time);
        assert_eq!(Reason::from_name(""), Reason::Plugin);
    }

    #[test]
    fn plain_actions_need_no_arguments_and_the_others_say_what_is_missing() {
        assert!(matches!(Action::read(c"OfxActionLoad", None, None), Ok(Action::Load)));
        assert!(matches!(Action::read(c"OfxActionDestroyInstance", None, None), Ok(Action::DestroyInstance)));
        let error = Action::read(c"OfxImageEffectActionRender", None, None).unwrap_err();
        assert_eq!(error.status(), Status::MissingHostFeature);
        // Hosts give these none either, and the answer to what is not known is "default".
        for unknown in [c"OfxActionBeginInstanceEdit", c"OfxActionOfTheFuture"] {
            assert!(matches!(Action::read(unknown, None, None), Ok(Action::Other(_))), "{unknown:?}");
        }
    }
}
