//! What is done differently in a host, by the host's name and for a behaviour that was seen or read of.
//!
//! (Which version of a suite a host may be asked for is settled where suites are fetched, in `pickup-ofx`.)

use pickup_ofx::{HostInfo, ThreadSafety};

/// The hosts that something is known of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Profile {
    /// DaVinci Resolve's Edit, Cut and Color pages.
    Resolve,
    /// Fusion, and Resolve's Fusion page.
    Fusion,
    /// Nuke.
    Nuke,
    /// Natron.
    Natron,
    /// Vegas.
    Vegas,
    /// MLT: `melt`, Kdenlive, Shotcut.
    Mlt,
    /// Any other.
    Unknown,
}

/// A part of a host's unique name in lower case, and whose it is; the first that fits counts.
const NAMES: &[(&str, Profile)] = &[
    ("fusion", Profile::Fusion),
    ("resolve", Profile::Resolve),
    ("nuke", Profile::Nuke),
    ("natron", Profile::Natron),
    ("vegas", Profile::Vegas),
    ("mlt", Profile::Mlt),
];

impl Profile {
    /// The profile of a host's unique name.
    #[must_use]
    pub fn of(name: &str) -> Self {
        let name = name.to_ascii_lowercase();
        NAMES.iter().find(|(part, _)| name.contains(part)).map_or(Self::Unknown, |(_, profile)| *profile)
    }
}

/// How to behave in a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quirks {
    /// Which renders the host may run at the same time.
    pub thread_safety: ThreadSafety,
    /// Whether frames of other times can be had.
    pub neighbours: bool,
    /// Whether its users can press buttons.
    pub buttons: bool,
    /// Whether it shows the source and says nothing where a render fails.
    pub hides_failures: bool,
    /// Whether a final render may come without a render scale.
    pub scale_may_be_missing: bool,
    /// Whether a render scale of 1 says enough, also where the project's size is not known.
    pub scale_is_trusted: bool,
}

impl Quirks {
    /// How to behave in the current host.
    #[must_use]
    pub fn current() -> Self {
        Self::of(&HostInfo::current())
    }

    /// How to behave in a host.
    #[must_use]
    pub fn of(host: &HostInfo) -> Self {
        let plain = Self {
            thread_safety: ThreadSafety::FullySafe,
            // A host that says no may still answer with an image: MLT gives the current frame for every time.
            neighbours: host.temporal_access,
            buttons: true,
            hides_failures: false,
            scale_may_be_missing: false,
            scale_is_trusted: true,
        };
        match Profile::of(&host.name) {
            // Resolve renders thumbnails with the scale missing or wrong, Fusion gives inconsistent scales while
            // scrubbing: frames are made only where the image has the project's size.
            Profile::Resolve | Profile::Fusion => Self { scale_is_trusted: false, ..plain },
            // MLT makes and destroys an instance for every frame, unless the plugin is declared unsafe; frames
            // that were shown could not be remembered. Whatever it says, other times give the current frame.
            // Buttons never reach the plugin, and where a render fails it shows the source. It leaves the scale out,
            // and has no thumbnails of effects.
            Profile::Mlt => Self {
                thread_safety: ThreadSafety::Unsafe,
                neighbours: false,
                buttons: false,
                hides_failures: true,
                scale_may_be_missing: true,
                ..plain
            },
            // Nothing that they do asks for more than what is done for every host: parameters are never set in a
            // render (Nuke refuses it), labels and secrets never change (Nuke cannot), and nothing is started
            // before the first job (Nuke stalls).
            Profile::Nuke | Profile::Natron | Profile::Vegas | Profile::Unknown => plain,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(name: &str, temporal_access: bool) -> HostInfo {
        HostInfo { name: name.into(), temporal_access, ..HostInfo::default() }
    }

    #[test]
    fn hosts_are_known_by_their_unique_names() {
        for (name, profile) in [
            ("DaVinciResolve", Profile::Resolve),
            ("DaVinciResolveLite", Profile::Resolve),
            ("com.blackmagicdesign.Fusion", Profile::Fusion),
            ("com.eyeonline.Fusion", Profile::Fusion),
            ("uk.co.thefoundry.nuke", Profile::Nuke),
            ("fr.inria.Natron", Profile::Natron),
            ("com.sonycreativesoftware.vegas", Profile::Vegas),
            ("MLT", Profile::Mlt),
            ("net.example.host", Profile::Unknown),
            ("", Profile::Unknown),
        ] {
            assert_eq!(Profile::of(name), profile, "{name}");
        }
    }

    #[test]
    fn neighbouring_frames_are_believed_only_where_the_host_says_so() {
        assert!(Quirks::of(&host("DaVinciResolve", true)).neighbours);
        assert!(!Quirks::of(&host("DaVinciResolve", false)).neighbours);
        assert!(!Quirks::of(&host("MLT", true)).neighbours);
        assert!(Quirks::of(&host("uk.co.thefoundry.nuke", true)).neighbours);
    }

    #[test]
    fn without_a_render_scale_only_named_hosts_may_generate() {
        assert!(!Quirks::of(&host("DaVinciResolve", true)).scale_may_be_missing);
        assert!(!Quirks::of(&host("com.blackmagicdesign.Fusion", true)).scale_is_trusted);
        assert!(Quirks::of(&host("MLT", false)).scale_may_be_missing);
    }
}
