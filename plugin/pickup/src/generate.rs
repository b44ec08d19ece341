//! The buttons: Generate and Cancel.

use parking_lot::Mutex;
use pickup_core::{Cancel, Error, ErrorKind, Event, Phase, Result};
use pickup_ofx::{Changed, Effect, Flow, Gravity, Progress, Reply, Result as HostResult};
use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use crate::fault::{from_host, to_host};
use crate::instance::{Instance, newer};
use crate::make::{Made, Watch, make};
use crate::params::{Values, id};
use crate::state::Stored;
use crate::status;

/// What a change of a parameter by the user leads to.
///
/// # Errors
/// What stood in the way of Generate; the user was told.
pub fn changed(instance: &Instance, effect: Effect<'_>, changed: &Changed) -> HostResult<Reply> {
    instance.save(effect);
    match changed.name.as_str() {
        _ if changed.is_clip => Ok(Reply::Default),
        id::GENERATE => generate(instance, effect, changed),
        id::CANCEL => {
            instance.cancel();
            Ok(Reply::Done)
        }
        _ => tell_if_stale(instance, effect),
    }
}

/// Says in the status line whether the take that is shown was made with the settings that are shown.
fn tell_if_stale(instance: &Instance, effect: Effect<'_>) -> HostResult<Reply> {
    let params = effect.params()?;
    let Stored::Take(state) = instance.stored(params)? else { return Ok(Reply::Default) };
    let Ok(values) = Values::read(effect) else { return Ok(Reply::Default) };
    params.set_text(id::STATUS, &status::stale(&state.take, values.hash() == state.request))?;
    Ok(Reply::Done)
}

fn generate(instance: &Instance, effect: Effect<'_>, changed: &Changed) -> HostResult<Reply> {
    match try_generate(instance, effect, now(effect, changed)) {
        Ok(made) => {
            tell_warnings(effect, &made);
            instance.keep(effect, made.state, made.summary.line());
            instance.save(effect);
            Ok(Reply::Done)
        }
        Err(error) => {
            instance.note(status::failed(&error));
            instance.save(effect);
            if error.kind == ErrorKind::Cancelled {
                return Ok(Reply::Done);
            }
            effect.message(Gravity::Error, "pickup.generate", &error.line());
            Err(to_host(&error))
        }
    }
}

fn now(effect: Effect<'_>, changed: &Changed) -> i64 {
    // Hosts that leave the time out say 0; the timeline may know better.
    let time = if changed.time == 0.0 { effect.timeline_time().unwrap_or(0.0) } else { changed.time };
    time.round() as i64
}

fn try_generate(instance: &Instance, effect: Effect<'_>, now: i64) -> Result<Made> {
    let stored = effect.params().and_then(|params| instance.stored(params)).map_err(from_host)?;
    if let Stored::Newer(version) = stored {
        return Err(newer(version));
    }
    let running = instance.begin().ok_or_else(busy)?;
    let values = Values::read(effect)?;
    let mut watch = Bar::new(effect, &running.cancel);
    make(instance, effect, &values, now, &running.cancel, &mut watch)
}

fn busy() -> Error {
    Error::usage("a take is being made already.").hint("Wait for it, or press Cancel.")
}

/// Warnings that were shown in a dialogue; afterwards the status line is enough.
static TOLD: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

fn tell_warnings(effect: Effect<'_>, made: &Made) {
    let is_new = |warning: &&String| TOLD.lock().insert((*warning).clone());
    let new: Vec<&str> = made.summary.warnings.iter().filter(is_new).map(String::as_str).collect();
    if !new.is_empty() {
        effect.message(Gravity::Warning, "pickup.warning", &new.join("\n"));
    }
}

/// Shortest time between two changes of the status line, or of the bar's label.
const CALM: Duration = Duration::from_millis(700);

/// Shows progress in the host's bar and in the status line.
///
/// A bar's label is fixed when it starts, so a new phase is shown by a new bar, unless the last one has only
/// just appeared.
struct Bar<'h> {
    effect: Effect<'h>,
    cancel: Cancel,
    bar: Option<Progress<'h>>,
    phase: Option<Phase>,
    label_at: Instant,
    status_at: Instant,
    fraction: f64,
}

impl<'h> Bar<'h> {
    fn new(effect: Effect<'h>, cancel: &Cancel) -> Self {
        let bar = Some(Progress::start(effect, "Pickup: Gathering frames", "pickup.generate"));
        let now = Instant::now();
        Self {
            effect,
            cancel: cancel.clone(),
            bar,
            phase: None,
            label_at: now,
            status_at: now,
            fraction: 0.0,
        }
    }

    fn show(&mut self, progress: &pickup_core::Progress) {
        self.fraction = f64::from(progress.fraction).clamp(self.fraction, 1.0);
        if self.phase != Some(progress.phase) && self.label_at.elapsed() >= CALM {
            self.phase = Some(progress.phase);
            self.label_at = Instant::now();
            // The old bar ends before the new one starts.
            self.bar = None;
            let label = format!("Pickup: {}", progress.phase.label());
            self.bar = Some(Progress::start(self.effect, &label, "pickup.generate"));
        }
        if self.status_at.elapsed() >= CALM {
            self.status_at = Instant::now();
            self.say(&status::running(progress));
        }
    }

    fn say(&self, line: &str) {
        if let Ok(params) = self.effect.params() {
            let _ = params.set_text(id::STATUS, line);
        }
    }
}

impl Watch for Bar<'_> {
    fn tell(&mut self, event: Option<Event>) -> ControlFlow<()> {
        match event {
            Some(Event::Progress(progress)) => self.show(&progress),
            Some(Event::Warning(warning)) => self.say(&warning),
            None => {}
        }
        let flow = self.bar.as_ref().map_or(Flow::Continue, |bar| bar.update(self.fraction));
        if flow == Flow::Cancel || self.cancel.is_cancelled() {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    }
}
