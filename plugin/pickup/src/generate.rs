//! The buttons: Generate, Cancel, Estimate, Find gap, Keep; and the controls that step through takes and note something
//! for one.

use parking_lot::Mutex;
use pickup_core::{Cancel, Error, ErrorKind, Event, Phase, Quality, Result};
use pickup_ofx::{Changed, Effect, Flow, Gravity, Progress, Reply, Result as HostResult};
use std::collections::BTreeSet;
use std::hash::{BuildHasher, RandomState};
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use crate::fault::{from_host, to_host};
use crate::footage::FrameSpan;
use crate::inquiry::Inquiry;
use crate::instance::{Instance, newer};
use crate::make::{Made, Place, Watch, find_gap, make, outline};
use crate::params::id;
use crate::state::{Stored, TakeState};
use crate::values::Values;
use crate::{status, texts, worker};

/// What a change of a parameter by the user leads to.
///
/// # Errors
/// What stood in the way of a button; the user was told.
pub fn changed(instance: &Instance, effect: Effect<'_>, changed: &Changed) -> HostResult<Reply> {
    // Read before anything is saved, which sets it.
    let wanted = effect.params().and_then(|params| params.int(id::TAKE)).unwrap_or(1);
    let answered = instance.hear();
    instance.save(effect);
    if changed.is_clip {
        return Ok(Reply::Default);
    }
    let place = Place { instance, effect, now: now(effect, changed) };
    match changed.name.as_str() {
        id::GENERATE => press(place, id::GENERATE, generate),
        id::ESTIMATE => press(place, id::ESTIMATE, tell_cost),
        id::FIND_GAP => press(place, id::FIND_GAP, propose_gap),
        id::CANCEL => {
            instance.cancel();
            Ok(Reply::Done)
        }
        id::TAKE => choose(place, |state| state.step_to(wanted)),
        id::KEEP => choose(place, TakeState::toggle_kept),
        id::TAKE_NOTE => note_take(instance, effect),
        // The answer to an estimate is news, and stands until the next change.
        _ if answered => Ok(Reply::Default),
        _ => tell_if_stale(instance, effect),
    }
}

/// Changes which take is shown, or stays.
fn choose(place: Place<'_>, change: impl FnOnce(&mut TakeState)) -> HostResult<Reply> {
    let Place { instance, effect, .. } = place;
    let Stored::Take(mut state) = instance.stored(effect.params()?)? else { return Ok(Reply::Default) };
    change(&mut state);
    instance.note(status::chosen(&state));
    instance.change(effect, *state);
    instance.save(effect);
    Ok(Reply::Done)
}

/// Keeps what the user noted for the take that is shown, beside it in the store.
fn note_take(instance: &Instance, effect: Effect<'_>) -> HostResult<Reply> {
    let params = effect.params()?;
    let text = params.text(id::TAKE_NOTE)?;
    let line = match instance.stored(params)? {
        Stored::Take(state) => {
            let take = state.shown.take;
            match worker::with_store(|store| store.set_note(&take, &text)) {
                Ok(()) => texts::line("statusNoted", &[("take", &take.short())]),
                Err(error) => status::failed(id::TAKE_NOTE, &error),
            }
        }
        _ => texts::line("statusNothingToNote", &[]),
    };
    params.set_text(id::STATUS, &line)?;
    Ok(Reply::Done)
}

/// Says in the status line whether the take that is shown was made with the settings that are shown.
fn tell_if_stale(instance: &Instance, effect: Effect<'_>) -> HostResult<Reply> {
    let params = effect.params()?;
    let Stored::Take(state) = instance.stored(params)? else { return Ok(Reply::Default) };
    let Ok(values) = Values::read(effect) else { return Ok(Reply::Default) };
    let same = values.hash() == state.shown.request;
    params.set_text(id::STATUS, &status::stale(&state.shown.take, same))?;
    Ok(Reply::Done)
}

/// Runs what a button stands for, with a bar that hears a cancel; tells what came of it.
fn press(
    place: Place<'_>,
    button: &str,
    run: impl FnOnce(Place<'_>, &Cancel, &mut Bar<'_>) -> Result<String>,
) -> HostResult<Reply> {
    let Place { instance, effect, .. } = place;
    let result = instance.begin().ok_or_else(busy).and_then(|running| {
        let mut bar = Bar::new(effect, &running.cancel);
        run(place, &running.cancel, &mut bar)
    });
    let reply = match result {
        Ok(line) => {
            instance.note(line);
            Ok(Reply::Done)
        }
        Err(error) => {
            instance.note(status::failed(button, &error));
            if error.kind == ErrorKind::Cancelled {
                Ok(Reply::Done)
            } else {
                effect.message(Gravity::Error, "pickup.button", &error.line());
                Err(to_host(&error))
            }
        }
    };
    instance.save(effect);
    reply
}

fn now(effect: Effect<'_>, changed: &Changed) -> i64 {
    // Hosts that leave the time out say 0; the timeline may know better.
    let time = if changed.time == 0.0 { effect.timeline_time().unwrap_or(0.0) } else { changed.time };
    time.round() as i64
}

fn generate(place: Place<'_>, cancel: &Cancel, bar: &mut Bar<'_>) -> Result<String> {
    let Place { instance, effect, .. } = place;
    let stored = effect.params().and_then(|params| instance.stored(params)).map_err(from_host)?;
    if let Stored::Newer(version) = stored {
        return Err(newer(version));
    }
    let mut values = Values::read(effect)?;
    values.seed = seed_for(&values, &stored);
    let made = make(place, &values, cancel, bar)?;
    tell_warnings(effect, &made);
    // The seed that was taken is told, so that the settings shown are those of the take.
    if values.new_seed
        && let (Ok(params), Ok(seed)) = (effect.params(), i32::try_from(values.seed))
    {
        let _ = params.set_int(id::SEED, seed);
    }
    let state = instance.keep(effect, made.note).map_err(from_host)?;
    Ok(made.summary.line(&state))
}

/// The seed of the next take: the one that is set; with new seeds wanted another one, except for the final version
/// of the draft that is shown.
fn seed_for(values: &Values, stored: &Stored) -> u64 {
    if !values.new_seed {
        return values.seed;
    }
    match stored {
        Stored::Take(state)
            if values.quality == Quality::Final
                && state.shown.quality == Quality::Draft
                && state.shown.task == values.task() =>
        {
            state.shown.seed
        }
        // Each state hashes nothing to another number.
        _ => RandomState::new().hash_one(()) % (i32::MAX as u64),
    }
}

/// Says what Generate would cost, or that the worker was asked: the answer then stands in the status after the next
/// click.
fn tell_cost(place: Place<'_>, cancel: &Cancel, bar: &mut Bar<'_>) -> Result<String> {
    let Place { instance, effect, .. } = place;
    let values = Values::read(effect)?;
    let (span, request) = outline(place, &values, cancel, bar)?;
    let stored = effect.params().and_then(|params| instance.stored(params)).map_err(from_host)?;
    if let Stored::Take(state) = stored
        && let Some(made) = state.made_with(&values.hash()).filter(|made| made.span == span)
        && worker::open_take(&made.take).is_ok()
    {
        return Ok(status::made_before(&made.take));
    }
    let mut asked = instance.inquiry.lock();
    let inquiry = match asked.take() {
        Some(inquiry) if inquiry.is_about(&request)? => asked.insert(inquiry),
        _ => asked.insert(Inquiry::ask(request)?),
    };
    match inquiry.short_wait() {
        Some(Ok(estimate)) => Ok(status::cost(estimate)),
        Some(Err(error)) => {
            let error = error.clone();
            *asked = None;
            Err(error)
        }
        None => Ok(texts::line("statusAsked", &[("button", &texts::words(id::ESTIMATE).label)])),
    }
}

fn propose_gap(place: Place<'_>, cancel: &Cancel, bar: &mut Bar<'_>) -> Result<String> {
    let gap = find_gap(place, cancel, bar)?;
    set_span(place.effect, gap).map_err(from_host)?;
    Ok(status::found(gap))
}

fn set_span(effect: Effect<'_>, span: FrameSpan) -> HostResult<()> {
    let params = effect.params()?;
    let number = |frame: i64| i32::try_from(frame).unwrap_or(0);
    params.set_int(id::SPAN_START, number(span.first))?;
    params.set_int(id::SPAN_END, number(span.last))
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
        let bar = Some(Progress::start(effect, &texts::line("barGathering", &[]), "pickup.generate"));
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
            let label = texts::line("barPhase", &[("phase", &progress.phase.label())]);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::span::JobChoice;
    use crate::state::TakeNote;
    use crate::values::OnRender;
    use pickup_core::TakeId;

    fn values(quality: Quality, new_seed: bool) -> Values {
        Values {
            prompt: "a boat".into(),
            negative_prompt: String::new(),
            model: "starter".into(),
            job: JobChoice::Auto,
            span: None,
            frame: None,
            context_frames: 9,
            references: vec![],
            quality,
            steps: None,
            guidance: None,
            seed: 5,
            part: None,
            new_seed,
            on_render: OnRender::UseTake,
        }
    }

    #[test]
    fn a_final_starts_from_its_draft_s_seed_and_everything_else_from_a_new_one() {
        let draft = values(Quality::Draft, true);
        let shown = Stored::Take(Box::new(TakeState::new(TakeNote {
            take: TakeId::of(b"draft"),
            request: draft.hash(),
            span: FrameSpan { first: 1, last: 2 },
            task: draft.task(),
            seed: 77,
            quality: Quality::Draft,
            placement: None,
        })));
        assert_eq!(seed_for(&values(Quality::Final, true), &shown), 77);
        assert_eq!(seed_for(&values(Quality::Final, false), &shown), 5, "locked");
        let other = Values { prompt: "a car".into(), ..values(Quality::Final, true) };
        for (values, stored) in [(&draft, &shown), (&other, &shown), (&other, &Stored::Nothing)] {
            let seeds: BTreeSet<u64> = (0..20).map(|_| seed_for(values, stored)).collect();
            assert!(seeds.len() > 15 && !seeds.contains(&77), "{seeds:?}");
        }
    }
}
