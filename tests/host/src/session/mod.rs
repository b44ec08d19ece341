//! A run from loading the bundle to unloading it, in the order of real hosts.

mod describe;
mod face;
mod fuzz;
mod instance;
mod render;
mod steps;

use std::sync::Arc;
use std::time::{Duration, Instant};

use openfx::sys::generic::core::OfxStatus;
use openfx::sys::image_effect_v1::image_effect::kOfxImageEffectPluginApi;
use parking_lot::Mutex;

use crate::ffi::library::{Bundle, Plugin};
use crate::ffi::suites::host_struct;
use crate::host::{self, Host};
use crate::plan::Plan;
use crate::report::{Left, PluginReport, Report, StepReport};
use crate::violation::ViolationKind;
use crate::world::calls::{Action, Call};
use crate::world::handles::Handle;
use crate::{HostError, Listener, names, system};

/// Suites have no argument that tells hosts apart, so runs in one process take turns.
static TURN: Mutex<()> = Mutex::new(());

/// Why a run stopped early; it is in the report, not an error of the host.
#[derive(Debug)]
pub(crate) struct Stopped(pub(crate) String);

/// How long a process, and the pipes to it, may take to go after the plugin was unloaded.
const LEAVING: Duration = Duration::from_secs(3);

/// Runs a plan.
///
/// # Errors
/// [`HostError`] when the plan, the bundle or a source cannot be used at all. What the plugin does
/// wrong is in the report.
pub fn run(plan: &Plan, listener: Listener) -> Result<Report, HostError> {
    let _turn = TURN.lock();
    check_plan(plan)?;
    let files_before = system::open_files();
    let bundle = Bundle::open(&plan.bundle)?;
    let host = Arc::new(Host::new(plan, listener));
    host::install(&host);
    let mut report = Report { plugin: PluginReport::default(), ..Report::default() };
    if let Err(Stopped(why)) = live(plan, &host, &bundle, &mut report) {
        report.failures.push(why);
    }
    finish(plan, &host, &mut report);
    report.left = left(files_before, host.manners().tidies_up);
    if !plan.close_library {
        bundle.keep();
    }
    Ok(report)
}

/// What is left. Where the plugin was `unloaded`, processes that were told to leave, and the pipes to them, are given a
/// moment to go.
fn left(files_before: Option<usize>, unloaded: bool) -> Left {
    let deadline = Instant::now() + LEAVING;
    let still_there = || !system::children().is_empty() || system::open_files() > files_before;
    while unloaded && still_there() && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(20));
    }
    Left { files_before, files_after: system::open_files(), processes: system::children().len() }
}

fn check_plan(plan: &Plan) -> Result<(), HostError> {
    let project = &plan.project;
    let sizes = 1..=16384;
    if !sizes.contains(&project.width) || !sizes.contains(&project.height) {
        return Err(HostError::Plan(format!(
            "size {}x{} is outside 1..=16384",
            project.width, project.height
        )));
    }
    if project.rate.contains(&0) {
        return Err(HostError::Plan("rate has a zero".to_owned()));
    }
    if !project.row_padding.is_multiple_of(4) {
        return Err(HostError::Plan(format!("row_padding {} is not a multiple of 4", project.row_padding)));
    }
    let patience = plan.patience_ms;
    if !patience.is_finite() {
        return Err(HostError::Plan(format!("patience_ms {patience} is no number")));
    }
    Ok(())
}

/// Load to unload.
fn live(plan: &Plan, host: &Arc<Host>, bundle: &Bundle, report: &mut Report) -> Result<(), Stopped> {
    let plugin = enter(plan, host, bundle, report)?;
    let _ = host.plugin.set(plugin);
    expect(host, Action::Load, host.call_noted(call(Action::Load, None), None, None))?;
    let outcome = described(plan, host, report);
    if !host.manners().tidies_up {
        return outcome;
    }
    expect(host, Action::Unload, host.call_noted(call(Action::Unload, None), None, None)).and(outcome)
}

fn described(plan: &Plan, host: &Arc<Host>, report: &mut Report) -> Result<(), Stopped> {
    let descriptors = describe_all(plan, host, &mut report.plugin)?;
    steps::run(plan, host, descriptors, report)
}

/// The main descriptor and that of the plan's context.
pub(crate) type Descriptors = [Handle; 2];

/// Describes the plugin and its context.
pub(crate) fn describe_all(
    plan: &Plan,
    host: &Host,
    report: &mut PluginReport,
) -> Result<Descriptors, Stopped> {
    let main = describe::describe(host, report)?;
    Ok([main, describe::in_context(plan, host, report)?])
}

/// The entry points, and the plugin that the plan names.
fn enter(plan: &Plan, host: &Arc<Host>, bundle: &Bundle, report: &mut Report) -> Result<Plugin, Stopped> {
    let props = host.world.lock().add_props(face::host_properties(&host.project, host.manners()));
    host.world.lock().host_props = Some(props);
    let call = Arc::new(call(Action::Enter, None));
    let ((status, found), _) = host.during(&call, || (bundle.set_host(host_struct(props)), bundle.plugins()));
    if let Some(status) = status.filter(|&status| !names::is_success(status)) {
        return Err(Stopped(format!("OfxSetHost answered {}", names::status(status))));
    }
    check_plugins(host, &found);
    let found: Vec<Plugin> = found.into_iter().flatten().collect();
    report.plugin.bundle_plugins = found.iter().map(|plugin| plugin.identifier.clone()).collect();
    let plugin = found.into_iter().find(|plugin| plugin.identifier == plan.plugin).ok_or_else(|| {
        Stopped(format!("no plugin {} in the bundle; it has {:?}", plan.plugin, report.plugin.bundle_plugins))
    })?;
    report.plugin.identifier.clone_from(&plugin.identifier);
    report.plugin.version = plugin.version;
    host.during(&call, || plugin.set_host(host_struct(props)));
    Ok(plugin)
}

fn check_plugins(host: &Host, found: &[Option<Plugin>]) {
    let mut world = host.world.lock();
    let api = kOfxImageEffectPluginApi.to_string_lossy();
    for (at, plugin) in found.iter().enumerate() {
        let wrong = match plugin {
            None => Some(format!("OfxGetPlugin({at}) gave null, or a plugin without texts")),
            Some(plugin) if plugin.api != api || plugin.api_version != 1 => {
                Some(format!("{} is for {} {}", plugin.identifier, plugin.api, plugin.api_version))
            }
            Some(plugin) if !plugin.is_complete() => {
                Some(format!("{} lacks setHost or mainEntry", plugin.identifier))
            }
            Some(_) => None,
        };
        if let Some(detail) = wrong {
            world.report(ViolationKind::BrokenBundle, "OfxGetPlugin", detail);
        }
    }
}

/// A call at time 0, at render scale 1.
pub(crate) fn call(action: Action, effect: Option<Handle>) -> Call {
    Call::new(action, effect, 0.0, [1.0, 1.0])
}

/// Stops the run at an action that failed.
pub(crate) fn expect(_host: &Host, action: Action, status: OfxStatus) -> Result<(), Stopped> {
    if names::is_success(status) {
        return Ok(());
    }
    Err(Stopped(format!("{} answered {}", action.label(), names::status(status))))
}

/// What is left after unloading, and the violations.
fn finish(plan: &Plan, host: &Host, report: &mut Report) {
    let mut world = host.world.lock();
    let (blocks, memory, mutexes) = (world.blocks.len(), world.image_memory.len(), world.mutexes.len());
    if blocks + memory > 0 {
        let detail = format!("{blocks} blocks and {memory} blocks of image memory");
        world.report(ViolationKind::MemoryNotFreed, "memoryFree", detail);
    }
    if mutexes > 0 {
        world.report(
            ViolationKind::MutexMisused,
            "mutexDestroy",
            format!("{mutexes} mutexes never destroyed"),
        );
    }
    let messages = std::mem::take(&mut world.journal.messages);
    report.messages.extend(messages);
    report.plugin.suites = world.suites.clone();
    report.actions = std::mem::take(&mut *host.actions.lock());
    report.calls = host.measured.as_ref().map(|calls| std::mem::take(&mut *calls.lock())).unwrap_or_default();
    (report.violations, report.notices) = world.log.split(&plan.tolerate);
}

/// Moves the step's record from the world to its report.
pub(crate) fn take_journal(host: &Host, report: &mut StepReport) {
    let journal = std::mem::take(&mut host.world.lock().journal);
    report.cancel_latency_ms = journal.cancelled.map(|at| at.elapsed().as_secs_f64() * 1e3);
    report.progress = journal.progress;
    report.messages = journal.messages;
    report.plugin_edits = journal.edits;
}
