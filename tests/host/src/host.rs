//! The running host: one at a time in a process, as the suites have no argument that tells hosts apart.

use std::collections::BTreeSet;
use std::ffi::{CStr, CString};
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use openfx::sys::generic::core::*;
use openfx::sys::image_effect_v1::image_effect::*;
use openfx::sys::image_effect_v1::param::kOfxTypeParameter;
use parking_lot::{Mutex, RwLock};

use crate::ffi::library::Plugin;
use crate::plan::{Plan, Project};
use crate::profile::Manners;
use crate::report::{ActionReport, CallReport};
use crate::violation::ViolationKind;
use crate::world::calls::{self, Action, Call, Entered};
use crate::world::handles::Handle;
use crate::world::image::Layout;
use crate::world::property_set::{PropertySet, Spec};
use crate::world::{World, property_table};
use crate::{Event, Listener, images, names, system};

static CURRENT: RwLock<Option<Arc<Host>>> = RwLock::new(None);

/// The host of this process.
#[must_use]
pub fn current() -> Option<Arc<Host>> {
    CURRENT.read().clone()
}

/// Makes a host the one of this process.
pub fn install(host: &Arc<Host>) {
    *CURRENT.write() = Some(Arc::clone(host));
}

/// A host in a run.
pub struct Host {
    /// All objects.
    pub world: Mutex<World>,
    /// The project.
    pub project: Project,
    /// First and last frame of the timeline.
    pub range: [i64; 2],
    /// The plugin, once found.
    pub plugin: OnceLock<Plugin>,
    /// Actions outside the steps.
    pub actions: Mutex<Vec<ActionReport>>,
    /// Every call with its time, where the plan wants them.
    pub measured: Option<Mutex<Vec<CallReport>>>,
    manners: &'static Manners,
    patience: Duration,
    calls: AtomicU64,
    without_suites: Vec<String>,
    plugin_temporal: AtomicBool,
    listener: Listener,
}

impl fmt::Debug for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Host").field("project", &self.project).finish_non_exhaustive()
    }
}

/// The deepest that changes of parameters may answer each other.
const DEEPEST_REENTRY: usize = 16;

impl Host {
    /// A host for a plan.
    #[must_use]
    pub fn new(plan: &Plan, listener: Listener) -> Self {
        Self {
            world: Mutex::default(),
            project: plan.project.clone(),
            range: plan.range(),
            plugin: OnceLock::new(),
            actions: Mutex::default(),
            measured: plan.measure.then(Mutex::default),
            manners: plan.profile.manners(),
            patience: Duration::from_secs_f64(plan.patience_ms.max(0.0) / 1e3),
            calls: AtomicU64::new(0),
            without_suites: plan.without_suites.clone(),
            plugin_temporal: AtomicBool::new(false),
            listener,
        }
    }

    /// Whether plan or profile withhold a suite, given as `NAME/VERSION`.
    #[must_use]
    pub fn withholds(&self, suite: &str) -> bool {
        let name = suite.split('/').next().unwrap_or_default();
        let is = |held: &str| held == suite || held == name;
        self.without_suites.iter().any(|held| is(held))
            || self.manners.without_suites.iter().any(|held| is(held))
    }

    /// Whether the profile gives a suite without its functions.
    #[must_use]
    pub fn hollows(&self, suite: &str) -> bool {
        self.manners.hollow_suites.contains(&suite)
    }

    /// The habits of the host that this one is.
    #[must_use]
    pub const fn manners(&self) -> &'static Manners {
        self.manners
    }

    /// Whether other times than the current one can be fetched.
    #[must_use]
    pub const fn temporal_access(&self) -> bool {
        self.project.temporal_access && self.manners.temporal_access
    }

    /// What is added to a timeline frame for the times of actions.
    #[must_use]
    pub const fn source_offset(&self) -> f64 {
        self.project.source_offset as f64
    }

    /// How far a transition over the timeline is at a time of actions, 0..=1.
    #[must_use]
    pub fn transition(&self, time: f64) -> f64 {
        let [first, last] = self.range.map(|frame| frame as f64);
        if last <= first {
            0.0
        } else {
            ((time - self.source_offset() - first) / (last - first)).clamp(0.0, 1.0)
        }
    }

    /// How many actions were called so far.
    #[must_use]
    pub fn calls(&self) -> u64 {
        self.calls.load(Ordering::Relaxed)
    }

    /// Tells whoever watches.
    pub fn tell(&self, event: &Event<'_>) {
        (self.listener)(event);
    }

    /// Whether the plugin said that it fetches frames at other times.
    #[must_use]
    pub fn plugin_temporal(&self) -> bool {
        self.plugin_temporal.load(Ordering::Relaxed)
    }

    /// Notes whether the plugin said that it fetches frames at other times.
    pub fn set_plugin_temporal(&self, temporal: bool) {
        self.plugin_temporal.store(temporal, Ordering::Relaxed);
    }

    /// The project's rectangle in canonical coordinates.
    #[must_use]
    pub fn extent(&self) -> [f64; 4] {
        let width = f64::from(self.project.width) * self.project.pixel_aspect;
        [0.0, 0.0, width, f64::from(self.project.height)]
    }

    /// Frames per second.
    #[must_use]
    pub fn frame_rate(&self) -> f64 {
        f64::from(self.project.rate[0]) / f64::from(self.project.rate[1])
    }

    /// The layout of images at a render scale.
    #[must_use]
    pub fn layout(&self, scale: [f64; 2]) -> Layout {
        let scaled = |size: i32, by: f64| ((f64::from(size) * by).round() as i32).max(1);
        Layout {
            bounds: [0, 0, scaled(self.project.width, scale[0]), scaled(self.project.height, scale[1])],
            depth: self.project.depth,
            order: self.project.row_order,
            padding: self.project.row_padding,
        }
    }

    /// Makes arguments for an action.
    pub fn arguments(&self, specs: &[Spec], fill: impl FnOnce(&mut PropertySet)) -> Handle {
        let mut set = PropertySet::new("arguments of the action", specs);
        fill(&mut set);
        self.world.lock().add_props(set)
    }

    /// Takes arguments back.
    pub fn take_arguments(&self, handle: Handle) -> Option<PropertySet> {
        self.world.lock().drop_props(handle)
    }

    /// Runs something of the plugin as a call, then looks at what it left behind.
    pub fn during<T>(&self, call: &Arc<Call>, run: impl FnOnce() -> T) -> (T, Duration) {
        self.world.lock().live.push(Arc::clone(call));
        let entered = Entered::new(Arc::clone(call));
        let began = Instant::now();
        let result = run();
        let took = began.elapsed();
        images::check_left_over(self, call);
        self.check_open_ends(call);
        drop(entered);
        self.world.lock().live.retain(|live| live.serial != call.serial);
        (result, took)
    }

    /// Calls an action of the plugin.
    pub fn call(
        &self,
        call: &Arc<Call>,
        in_args: Option<Handle>,
        out_args: Option<Handle>,
    ) -> (OfxStatus, Duration) {
        let Some(plugin) = self.plugin.get() else { return (kOfxStatFailed, Duration::ZERO) };
        if self.manners.never.contains(&call.action) {
            return (kOfxStatReplyDefault, Duration::ZERO);
        }
        self.calls.fetch_add(1, Ordering::Relaxed);
        let before =
            (!call.action.may_start_processes()).then(|| (system::children(), system::other_threads()));
        let (status, took) =
            self.during(call, || plugin.call(call.action.name(), call.effect, in_args, out_args));
        self.check_status(call.action, status);
        self.measure(call, took);
        if call.action.only_asks() {
            self.check_time(call.action, took);
        }
        if let Some((children, threads)) = before {
            self.check_processes(call.action, &children, &threads);
        }
        (status, took)
    }

    /// Notes the time of a call, without what the host itself spent on images.
    fn measure(&self, call: &Call, took: Duration) {
        let Some(measured) = &self.measured else { return };
        let own = took.saturating_sub(Duration::from_nanos(call.fetch_nanos.load(Ordering::Relaxed)));
        measured.lock().push(CallReport {
            action: call.action.label().to_owned(),
            subject: call
                .subject
                .as_ref()
                .map(|name| name.to_string_lossy().into_owned())
                .unwrap_or_default(),
            time: call.time,
            ms: own.as_secs_f64() * 1e3,
            copy_ms: call.copy_nanos.load(Ordering::Relaxed) as f64 / 1e6,
        });
    }

    /// Reports an action that let the host wait, images not counted.
    pub fn check_time(&self, action: Action, took: Duration) {
        if took > self.patience {
            let detail = format!("more than {} ms", self.patience.as_secs_f64() * 1e3);
            self.world.lock().log.add(ViolationKind::Blocked, Some(action.label()), "mainEntry", detail);
        }
    }

    /// Reports a process that is none of those `before`. What threads started that were there already is another action's.
    fn check_processes(&self, action: Action, before: &BTreeSet<u32>, threads: &BTreeSet<u32>) {
        let others = system::children_of(threads);
        if system::children().difference(before).any(|child| !others.contains(child)) {
            let detail = "a process was started".to_owned();
            self.world.lock().log.add(
                ViolationKind::ProcessStarted,
                Some(action.label()),
                "mainEntry",
                detail,
            );
        }
    }

    /// As [`Self::call`], with the time noted in the report.
    pub fn call_noted(&self, call: Call, in_args: Option<Handle>, out_args: Option<Handle>) -> OfxStatus {
        let call = Arc::new(call);
        let (status, took) = self.call(&call, in_args, out_args);
        self.note_action(call.action, status, took);
        status
    }

    /// Notes an action in the report.
    pub fn note_action(&self, action: Action, status: OfxStatus, took: Duration) {
        let ms = took.as_secs_f64() * 1e3;
        let entry = ActionReport { action: action.label().to_owned(), status: names::status(status), ms };
        self.actions.lock().push(entry);
    }

    fn check_status(&self, action: Action, status: OfxStatus) {
        let mut world = self.world.lock();
        if names::known_status(status).is_none() {
            let detail = format!("status {status} is not in the standard");
            world.log.add(ViolationKind::NonstandardStatus, Some(action.label()), "mainEntry", detail);
        } else if action == Action::Unknown && status != kOfxStatReplyDefault {
            let detail = format!("{} to an action that nobody knows", names::status(status));
            world.log.add(ViolationKind::ActionNotDefaulted, Some(action.label()), "mainEntry", detail);
        } else if !names::answers(action, status) {
            let detail = format!("{} is no answer to this action", names::status(status));
            world.log.add(ViolationKind::StatusNotForAction, Some(action.label()), "mainEntry", detail);
        }
    }

    /// Progress and edit blocks must not outlive the outermost call.
    fn check_open_ends(&self, call: &Call) {
        let mut world = self.world.lock();
        if world.live.len() > 1 {
            return;
        }
        let Some(effect) = call.effect else { return };
        let open = world.effects.get_mut(&effect).is_some_and(|effect| std::mem::take(&mut effect.progress));
        if open {
            world.report(ViolationKind::ProgressOutOfOrder, "progressEnd", "progress was never ended");
        }
        let Some(set) = world.effects.get(&effect).map(|effect| effect.params) else { return };
        let edits = world.param_sets.get_mut(&set).map(|set| std::mem::take(&mut set.edits)).unwrap_or(0);
        if edits > 0 {
            world.report(
                ViolationKind::UnbalancedEdit,
                "paramEditEnd",
                format!("{edits} edits were never ended"),
            );
        }
    }

    /// Tells the plugin that it has changed a parameter itself, as hosts do within a change.
    pub fn plugin_edited(&self, effect: Handle, name: &CStr) {
        let call = calls::on_this_thread().or_else(|| self.world.lock().current_call());
        let Some(call) = call.filter(|call| call.action.announces_changes()) else { return };
        if calls::depth() > DEEPEST_REENTRY {
            let detail = format!("changes of {name:?} answer each other more than {DEEPEST_REENTRY} deep");
            self.world.lock().report(ViolationKind::EndlessReentry, "paramSetValue", detail);
            return;
        }
        self.changed(effect, &[name.to_owned()], kOfxChangePluginEdited, call.time);
    }

    /// Announces changed parameters within begin and end; gives the worst status.
    pub fn changed(&self, effect: Handle, changed: &[CString], reason: &CStr, time: f64) -> OfxStatus {
        let bracket = self.arguments(property_table::CHANGE_BRACKET_ARGS, |args| {
            args.put_texts(kOfxPropChangeReason, &[reason]);
        });
        let run = |action, args, subject: Option<&CString>| {
            let call = Call::new(action, Some(effect), time, [1.0, 1.0]);
            let call = Arc::new(Call { subject: subject.cloned(), ..call });
            self.call(&call, Some(args), None).0
        };
        let mut statuses = vec![run(Action::BeginInstanceChanged, bracket, None)];
        for name in changed {
            let args = self.arguments(property_table::CHANGED_ARGS, |args| {
                args.put_texts(kOfxPropType, &[kOfxTypeParameter]);
                args.put_texts(kOfxPropName, &[name]);
                args.put_texts(kOfxPropChangeReason, &[reason]);
                args.put_doubles(kOfxPropTime, &[time]);
                args.put_doubles(kOfxImageEffectPropRenderScale, &[1.0, 1.0]);
            });
            statuses.push(run(Action::InstanceChanged, args, Some(name)));
            self.take_arguments(args);
        }
        statuses.push(run(Action::EndInstanceChanged, bracket, None));
        self.take_arguments(bracket);
        statuses
            .iter()
            .copied()
            .find(|&status| !names::is_success(status))
            .unwrap_or(statuses[1.min(statuses.len() - 1)])
    }
}
