//! What is done differently in a host, by the host's name and for a reason that is written down.

use pickup_ofx::{HostInfo, ThreadSafety};

/// How to behave in a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quirks {
    /// Which renders the host may run at the same time.
    pub thread_safety: ThreadSafety,
    /// Whether frames of other times can be had.
    pub neighbours: bool,
    /// Whether a final render may come without a render scale.
    pub scale_may_be_missing: bool,
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
            // DaVinci Resolve renders thumbnails with the scale missing or wrong, so without one nothing
            // is generated.
            scale_may_be_missing: false,
        };
        match host.name.as_str() {
            // MLT (melt, Kdenlive) makes and destroys an instance for every frame, unless the plugin is declared
            // unsafe; frames that were shown could not be remembered. It has no thumbnails of effects.
            "MLT" => {
                Self { thread_safety: ThreadSafety::Unsafe, neighbours: false, scale_may_be_missing: true }
            }
            _ => plain,
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
    fn neighbouring_frames_are_believed_only_where_the_host_says_so() {
        assert!(Quirks::of(&host("DaVinciResolve", true)).neighbours);
        assert!(!Quirks::of(&host("DaVinciResolve", false)).neighbours);
        assert!(!Quirks::of(&host("MLT", true)).neighbours);
    }

    #[test]
    fn without_a_render_scale_only_named_hosts_may_generate() {
        assert!(!Quirks::of(&host("DaVinciResolve", true)).scale_may_be_missing);
        assert!(Quirks::of(&host("MLT", false)).scale_may_be_missing);
    }
}
