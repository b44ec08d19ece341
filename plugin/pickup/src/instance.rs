//! What is kept for one instance between the host's calls.

use parking_lot::Mutex;
use pickup_core::{Cancel, Error, ErrorKind, TakeId};
use pickup_ofx::{Effect, Params, Result as HostResult};
use pickup_takes::Take;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::footage::FrameSpan;
use crate::history::{self, ClipKey};
use crate::hosts::Quirks;
use crate::inquiry::Inquiry;
use crate::params::id;
use crate::role::Role;
use crate::state::{Stored, TakeNote, TakeState};
use crate::values::Values;
use crate::{status, worker};

/// How long a take that could not be opened, or made, is not tried again.
const PATIENCE: Duration = Duration::from_secs(5);

/// One instance.
pub struct Instance {
    /// Which plugin it is of.
    pub role: Role,
    /// Held while a take is being made, so that renders of many threads make it once.
    pub making: Mutex<()>,
    /// The clip, for what renders have shown of it in hosts that give no other frames.
    pub clip: ClipKey,
    /// What was asked of the worker while the host goes on.
    pub inquiry: Mutex<Option<Inquiry>>,
    running: Mutex<Option<Cancel>>,
    shown: Mutex<Shown>,
    unsaved: Mutex<Unsaved>,
    failure: Mutex<Option<Failure>>,
}

/// The take that is shown, opened, and the parameter's value that names it.
#[derive(Default)]
struct Shown {
    text: String,
    stored: Option<Stored>,
    take: Option<Arc<Take>>,
    problem: Option<(Instant, Error)>,
}

/// What a render found out, but must not write into parameters.
#[derive(Default)]
struct Unsaved {
    state: Option<TakeState>,
    status: Option<String>,
}

/// A take that could not be made in a render.
struct Failure {
    request: String,
    at: Instant,
    error: Error,
}

/// What an instance shows where it has a take.
#[derive(Clone)]
pub enum Shows {
    /// No take yet.
    Nothing,
    /// A take, on these frames.
    Take(Arc<Take>, Box<TakeNote>),
    /// A take that is named but cannot be shown; why, and on which frames if known.
    Problem(Error, Option<FrameSpan>),
}

impl Instance {
    /// A new instance. Opens nothing.
    #[must_use]
    pub fn new(role: Role) -> Self {
        Self {
            role,
            making: Mutex::default(),
            clip: ClipKey::fresh(),
            inquiry: Mutex::default(),
            running: Mutex::default(),
            shown: Mutex::default(),
            unsaved: Mutex::default(),
            failure: Mutex::default(),
        }
    }

    /// What is stored about the take: what a render has made, else what the project holds.
    ///
    /// # Errors
    /// The host's answer.
    pub fn stored(&self, params: Params<'_>) -> HostResult<Stored> {
        if let Some(state) = &self.unsaved.lock().state {
            return Ok(Stored::Take(Box::new(state.clone())));
        }
        let text = params.text(id::TAKE_STATE)?;
        let mut shown = self.shown.lock();
        if shown.stored.is_none() || shown.text != text {
            *shown = Shown { stored: Some(Stored::read(&text)), text, take: None, problem: None };
        }
        Ok(shown.stored.clone().unwrap_or(Stored::Nothing))
    }

    /// The take to show, opened the first time.
    ///
    /// # Errors
    /// The host's answer.
    pub fn shows(&self, params: Params<'_>) -> HostResult<Shows> {
        Ok(match self.stored(params)? {
            Stored::Nothing => Shows::Nothing,
            Stored::Newer(version) => Shows::Problem(newer(version), None),
            Stored::Unreadable => Shows::Problem(unreadable(), None),
            Stored::Take(state) => match wanted(&state, params)? {
                None => Shows::Nothing,
                Some(note) => match self.open(&note.take) {
                    Ok(take) => Shows::Take(take, Box::new(note.clone())),
                    Err(error) => Shows::Problem(error, Some(note.span)),
                },
            },
        })
    }

    fn open(&self, id: &TakeId) -> pickup_core::Result<Arc<Take>> {
        let mut shown = self.shown.lock();
        if let Some(take) = shown.take.as_ref().filter(|take| take.id() == *id) {
            return Ok(take.clone());
        }
        if let Some((at, error)) = shown.problem.as_ref().filter(|(at, _)| at.elapsed() < PATIENCE) {
            let _ = at;
            return Err(error.clone());
        }
        match worker::open_take(id) {
            Ok(take) => {
                shown.problem = None;
                Ok(shown.take.insert(take).clone())
            }
            Err(error) => {
                shown.problem = Some((Instant::now(), error.clone()));
                Err(error)
            }
        }
    }

    /// Takes note of a new take; the parameters are written by [`Instance::save`], which a render must not call.
    /// Returns what is shown now.
    ///
    /// # Errors
    /// The host's answer.
    pub fn keep(&self, effect: Effect<'_>, note: TakeNote) -> HostResult<TakeState> {
        let state = match self.stored(effect.params()?)? {
            Stored::Take(state) => state.with(note),
            _ => TakeState::new(note),
        };
        self.change(effect, state.clone());
        *self.failure.lock() = None;
        // This run is one more to estimate by.
        *self.inquiry.lock() = None;
        Ok(state)
    }

    /// Takes note of another state, to be written by [`Instance::save`].
    pub fn change(&self, effect: Effect<'_>, state: TakeState) {
        self.unsaved.lock().state = Some(state);
        sync_before_saving(effect, true);
    }

    /// Writes what is noted into the parameters. Not to be called in a render.
    pub fn save(&self, effect: Effect<'_>) {
        let Ok(params) = effect.params() else { return };
        self.hear();
        // No lock is held while the host is called: it may render from inside of the call.
        let Unsaved { state, status } = std::mem::take(&mut *self.unsaved.lock());
        if let Some(state) = state {
            if params.set_text(id::TAKE_STATE, &state.to_text()).is_err() {
                self.unsaved.lock().state.get_or_insert(state);
            } else {
                // Where the controls are missing, stepping and noting are, too.
                let _ = params.set_int(id::TAKE, i32::try_from(state.place().0).unwrap_or(1));
                let note = worker::with_store(|store| Ok(store.note(&state.shown.take)));
                let _ = params.set_text(id::TAKE_NOTE, &note.unwrap_or_default());
            }
        }
        if let Some(status) = status {
            let _ = params.set_text(id::STATUS, &status);
        }
        sync_before_saving(effect, self.unsaved.lock().state.is_some());
    }

    /// Takes note of the worker's answer to what it was asked, if one has come; false without one.
    pub fn hear(&self) -> bool {
        let line = self.inquiry.lock().as_mut().and_then(Inquiry::news).map(|answer| match answer {
            Ok(estimate) => status::cost(estimate),
            Err(error) => status::failed(id::ESTIMATE, error),
        });
        line.map(|line| self.note(line)).is_some()
    }

    /// Takes note of a status line, to be written when the host allows it.
    pub fn note(&self, status: String) {
        self.unsaved.lock().status = Some(status);
    }

    /// Begins a job; `None` if one is running already.
    #[must_use]
    pub fn begin(&self) -> Option<Running<'_>> {
        let mut running = self.running.lock();
        if running.is_some() {
            return None;
        }
        let cancel = Cancel::new();
        *running = Some(cancel.clone());
        Some(Running { instance: self, cancel })
    }

    /// Stops the running job; false if there is none.
    pub fn cancel(&self) -> bool {
        let running = self.running.lock().clone();
        running.inspect(Cancel::cancel).is_some()
    }

    /// Remembers that these settings could not be made.
    pub fn fail(&self, request: String, error: Error) {
        *self.failure.lock() = Some(Failure { request, at: Instant::now(), error });
    }

    /// Why these settings could not be made a moment ago, so that not every frame of a render tries again.
    #[must_use]
    pub fn recent_failure(&self, request: &str) -> Option<Error> {
        let failure = self.failure.lock();
        let recent = |failure: &&Failure| failure.request == request && failure.at.elapsed() < PATIENCE * 6;
        failure.as_ref().filter(recent).map(|failure| failure.error.clone())
    }

    /// Forgets that something could not be made for want of frames: one more was shown.
    pub fn retry(&self) {
        self.failure.lock().take_if(|failure| failure.error.kind == ErrorKind::Usage);
    }

    /// Gives back what can be had again.
    pub fn purge(&self) {
        let mut shown = self.shown.lock();
        shown.take = None;
        shown.problem = None;
        history::forget(self.clip);
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        self.cancel();
        history::leave(self.clip);
    }
}

/// The take that is wanted: the one that was chosen. Where nobody can press a button, the one that was made with what
/// is set now, so that another one is made after a change.
fn wanted<'a>(state: &'a TakeState, params: Params<'_>) -> HostResult<Option<&'a TakeNote>> {
    if Quirks::current().buttons {
        return Ok(Some(&state.shown));
    }
    Ok(state.made_with(&Values::from_params(params)?.hash()))
}

/// A host that lacks this saves what the parameters hold; the take is found again by its request.
fn sync_before_saving(effect: Effect<'_>, needed: bool) {
    let _ = effect.params().and_then(|params| params.set_needs_syncing(needed));
}

/// A running job of an instance; over when dropped.
pub struct Running<'a> {
    instance: &'a Instance,
    /// Stops it.
    pub cancel: Cancel,
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        *self.instance.running.lock() = None;
    }
}

/// The answer to a state of a newer version.
#[must_use]
pub fn newer(version: u64) -> Error {
    Error::usage(format!("this take was made by a newer Pickup (state version {version})."))
        .hint("Update Pickup to use it. The project is left as it is.")
}

fn unreadable() -> Error {
    Error::storage("what the project says about the take cannot be read.")
        .hint("Press Generate to make it anew.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_job_at_a_time_and_cancel_reaches_it() {
        let instance = Instance::new(Role::Fill);
        assert!(!instance.cancel());
        let running = instance.begin().unwrap();
        assert!(instance.begin().is_none());
        assert!(instance.cancel());
        assert!(running.cancel.is_cancelled());
        drop(running);
        assert!(!instance.begin().unwrap().cancel.is_cancelled(), "the next job starts fresh");
    }

    #[test]
    fn a_failure_is_remembered_for_the_same_settings_only() {
        let instance = Instance::new(Role::Fill);
        instance.fail("a".into(), Error::memory("too much"));
        assert!(instance.recent_failure("a").is_some());
        assert!(instance.recent_failure("b").is_none());
    }
}
