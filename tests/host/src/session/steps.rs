//! The steps of a plan.

use std::ffi::CString;
use std::path::Path;
use std::time::{Duration, Instant};

use openfx::sys::generic::core::{OfxStatus, kOfxChangeUserEdited, kOfxStatFailed};
use openfx::sys::image_effect_v1::image_effect::{
    kOfxImageEffectRenderFullySafe, kOfxImageEffectRenderUnsafe,
};

use super::instance::{self, Kept, Sources};
use super::render::{self, Job};
use super::{Descriptors, Stopped, call, describe_all, expect, fuzz, take_journal};
use crate::host::Host;
use crate::plan::{
    CancelAfter, FuzzPlan, MeanwhileStep, Outcome, Plan, PressStep, RenderPlan, RenderStep, SetStep, Step,
};
use crate::report::{FrameReport, PluginReport, Report, StepReport};
use crate::world::c_text;
use crate::world::calls::Action;
use crate::world::handles::Handle;
use crate::world::journal::Journal;
use crate::world::parameter::ParamKind;
use crate::{Event, names};

/// The most threads that a plan may ask for.
pub const MOST_THREADS: usize = 64;
/// The longest that a step may wait, in seconds.
const LONGEST_WAIT: f64 = 600.0;

struct Stage<'a> {
    plan: &'a Plan,
    host: &'a Host,
    descriptors: Descriptors,
    sources: Sources,
    effect: Option<Handle>,
    threads: usize,
    fully_safe: bool,
    fresh_per_frame: bool,
}

/// Makes the instance, takes the steps, and takes the instance away.
pub fn run(plan: &Plan, host: &Host, descriptors: Descriptors, report: &mut Report) -> Result<(), Stopped> {
    let sources = instance::sources(plan)?;
    let fully_safe = report.plugin.thread_safety.as_bytes() == kOfxImageEffectRenderFullySafe.to_bytes();
    let unsafe_renders = report.plugin.thread_safety.as_bytes() == kOfxImageEffectRenderUnsafe.to_bytes();
    let fresh_per_frame = host.manners().fresh_per_frame && !unsafe_renders;
    let mut stage =
        Stage { plan, host, descriptors, sources, effect: None, threads: 1, fully_safe, fresh_per_frame };
    let outcome = stage.open(&plan.parameters).and_then(|()| stage.all(report));
    report.messages.extend(std::mem::take(&mut host.world.lock().journal).messages);
    if !host.manners().tidies_up {
        return outcome;
    }
    let closed = stage.close();
    stage.descriptors.into_iter().for_each(|descriptor| host.world.lock().remove_effect(descriptor));
    outcome.and(closed)
}

impl Stage<'_> {
    fn open(&mut self, kept: &Kept) -> Result<(), Stopped> {
        let effect = instance::create(self.plan, self.host, self.descriptors[1], &self.sources, kept)?;
        self.effect = Some(effect);
        Ok(())
    }

    fn close(&mut self) -> Result<(), Stopped> {
        self.effect.take().map_or(Ok(()), |effect| instance::destroy(self.host, effect))
    }

    fn effect(&self) -> Result<Handle, Stopped> {
        self.effect.ok_or_else(|| Stopped("there is no instance".to_owned()))
    }

    fn all(&mut self, report: &mut Report) -> Result<(), Stopped> {
        for (index, step) in self.plan.steps.iter().enumerate() {
            let earlier =
                std::mem::replace(&mut self.host.world.lock().journal, Journal::new(cancel_of(step)));
            report.messages.extend(earlier.messages);
            let mut entry = StepReport { step: in_words(step), ..StepReport::default() };
            self.host.tell(&Event::Step { index, of: self.plan.steps.len(), step: &entry.step });
            let began = Instant::now();
            let outcome = self.step(step, &mut entry);
            entry.seconds = began.elapsed().as_secs_f64();
            if entry.outcome.is_none() || matches!(step, Step::Fuzz(_)) {
                take_journal(self.host, &mut entry);
            }
            let judged = outcome.and_then(|()| judge(step, &entry));
            report.steps.push(entry);
            judged?;
        }
        Ok(())
    }

    fn step(&mut self, step: &Step, entry: &mut StepReport) -> Result<(), Stopped> {
        match step {
            Step::Press(press) => self.press(press, entry),
            Step::Set(set) => self.set(set, entry),
            Step::Render(render) => self.render(render, entry),
            Step::Get(get) => self.get(&get.get, entry),
            Step::Save(save) => self.save(&save.save),
            Step::Load(load) => self.load(&load.load),
            Step::Recreate(recreate) if recreate.recreate => self.recreate(),
            Step::Recreate(_) => Ok(()),
            Step::Threads(threads) if (1..=MOST_THREADS).contains(&threads.threads) => {
                self.threads = threads.threads;
                Ok(())
            }
            Step::Fuzz(step) => self.fuzz(&step.fuzz, entry),
            Step::Meanwhile(step) => self.meanwhile(step, entry),
            Step::Wait(wait) => {
                pause(wait.wait);
                Ok(())
            }
            Step::Threads(threads) => {
                Err(Stopped(format!("{} threads are outside 1..={MOST_THREADS}", threads.threads)))
            }
        }
    }

    /// Plays random actions on instances of their own, beside the one of the plan.
    fn fuzz(&self, plan: &FuzzPlan, entry: &mut StepReport) -> Result<(), Stopped> {
        let ground = fuzz::Ground {
            plan: self.plan,
            host: self.host,
            descriptor: self.descriptors[1],
            sources: &self.sources,
            several_threads: self.fully_safe,
        };
        entry.values = fuzz::play(&ground, plan)?;
        entry.outcome = Some(Outcome::Ok);
        entry.status = "OK".to_owned();
        Ok(())
    }

    /// Takes steps while an instance beside the plan's own is busy with a button, then tells it to stop.
    fn meanwhile(&mut self, step: &MeanwhileStep, entry: &mut StepReport) -> Result<(), Stopped> {
        let host = self.host;
        let kept = instance::keep(host, self.effect()?)?;
        let other = instance::create(self.plan, host, self.descriptors[1], &self.sources, &kept)?;
        let time = step.time + host.source_offset();
        let (taken, status) = std::thread::scope(|scope| {
            let name = c_text(&step.press);
            let busy = scope.spawn(move || host.changed(other, &[name], kOfxChangeUserEdited, time));
            pause(step.after);
            let taken = if busy.is_finished() {
                Err(Stopped(format!("{} was over before the first step", step.press)))
            } else {
                step.meanwhile.iter().try_for_each(|inner| {
                    let mut unreported = StepReport::default();
                    self.step(inner, &mut unreported).and_then(|()| judge(inner, &unreported))
                })
            };
            host.world.lock().journal = Journal::new(Some(CancelAfter::Asked(0)));
            (taken, busy.join().unwrap_or(kOfxStatFailed))
        });
        take_journal(host, entry);
        entry.status = names::status(status);
        entry.outcome = Some(outcome_of(status, entry.cancel_latency_ms.is_some()));
        taken.and(instance::destroy(host, other))
    }

    fn press(&mut self, press: &PressStep, entry: &mut StepReport) -> Result<(), Stopped> {
        if !self.plan.profile.has_buttons() {
            return Err(Stopped(format!("{:?} has no buttons to press", self.plan.profile)));
        }
        let effect = self.effect()?;
        let name = c_text(&press.press);
        let kind = {
            let world = self.host.world.lock();
            world.parameter_named(effect, &name).and_then(|handle| world.params.get(&handle)).map(|p| p.kind)
        };
        if kind != Some(ParamKind::PushButton) {
            return Err(Stopped(format!("{} is no push button of the plugin", press.press)));
        }
        self.change(effect, &[name], press.time, entry);
        self.renew_after_edit()
    }

    fn set(&mut self, set: &SetStep, entry: &mut StepReport) -> Result<(), Stopped> {
        let effect = self.effect()?;
        instance::apply(self.host, effect, &set.set)?;
        let names: Vec<CString> = set.set.keys().map(|name| c_text(name)).collect();
        self.change(effect, &names, set.time, entry);
        self.renew_after_edit()
    }

    /// Some hosts make an instance anew after an edit; for a while there are two.
    fn renew_after_edit(&mut self) -> Result<(), Stopped> {
        if !self.host.manners().recreates_on_edit {
            return Ok(());
        }
        let old = self.effect()?;
        let kept = instance::keep(self.host, old)?;
        self.open(&kept)?;
        instance::destroy(self.host, old)
    }

    /// Takes the instance away, unloads the plugin, and does everything again.
    fn begin_anew(&mut self) -> Result<(), Stopped> {
        let kept = instance::keep(self.host, self.effect()?)?;
        self.close()?;
        for descriptor in self.descriptors {
            self.host.world.lock().remove_effect(descriptor);
        }
        for action in [Action::Unload, Action::Load] {
            expect(self.host, action, self.host.call_noted(call(action, None), None, None))?;
        }
        let identifier = self.plan.plugin.clone();
        let mut again = PluginReport { identifier, ..PluginReport::default() };
        self.descriptors = describe_all(self.plan, self.host, &mut again)?;
        self.open(&kept)
    }

    fn change(&self, effect: Handle, names: &[CString], time: f64, entry: &mut StepReport) {
        let time = time + self.host.source_offset();
        let status = self.host.changed(effect, names, kOfxChangeUserEdited, time);
        take_journal(self.host, entry);
        entry.status = names::status(status);
        entry.outcome = Some(outcome_of(status, entry.cancel_latency_ms.is_some()));
    }

    fn render(&mut self, step: &RenderStep, entry: &mut StepReport) -> Result<(), Stopped> {
        let threads = self.render_threads();
        let frames = if self.fresh_per_frame {
            self.freshly(&step.render)?
        } else {
            Job { host: self.host, effect: self.effect()?, plan: &step.render, threads }.run()?
        };
        take_journal(self.host, entry);
        let (status, outcome) = render::summary(&frames, entry.cancel_latency_ms.is_some());
        entry.status = status;
        entry.outcome = Some(outcome);
        entry.frames = frames;
        entry.threads = Some(threads);
        Ok(())
    }

    /// A fresh plugin and instance for each frame.
    fn freshly(&mut self, plan: &RenderPlan) -> Result<Vec<FrameReport>, Stopped> {
        let mut frames = Vec::new();
        for frame in plan.from..=plan.to {
            self.begin_anew()?;
            let one = RenderPlan { from: frame, to: frame, ..plan.clone() };
            frames.extend(Job { host: self.host, effect: self.effect()?, plan: &one, threads: 1 }.run()?);
        }
        Ok(frames)
    }

    /// More than one thread only where the plugin says that one instance renders on several.
    fn render_threads(&self) -> usize {
        if self.fully_safe { self.threads } else { 1 }
    }

    fn get(&self, names: &[String], entry: &mut StepReport) -> Result<(), Stopped> {
        let effect = self.effect()?;
        for name in names {
            let value = instance::show(self.host, effect, name)
                .ok_or_else(|| Stopped(format!("the plugin has no parameter {name}")))?;
            entry.values.insert(name.clone(), value);
        }
        Ok(())
    }

    fn save(&self, path: &Path) -> Result<(), Stopped> {
        let kept = instance::keep(self.host, self.effect()?)?;
        let told = |error: &dyn std::fmt::Display| Stopped(format!("{}: {error}", path.display()));
        let text = serde_json::to_string_pretty(&kept).map_err(|error| told(&error))?;
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(|error| told(&error))?;
        }
        std::fs::write(path, text).map_err(|error| told(&error))
    }

    fn load(&mut self, path: &Path) -> Result<(), Stopped> {
        let told = |error: &dyn std::fmt::Display| Stopped(format!("{}: {error}", path.display()));
        let text = std::fs::read_to_string(path).map_err(|error| told(&error))?;
        let kept: Kept = serde_json::from_str(&text).map_err(|error| told(&error))?;
        self.close()?;
        self.open(&kept)
    }

    fn recreate(&mut self) -> Result<(), Stopped> {
        let kept = instance::keep(self.host, self.effect()?)?;
        self.close()?;
        self.open(&kept)
    }
}

fn cancel_of(step: &Step) -> Option<CancelAfter> {
    match step {
        Step::Press(press) => press.cancel_after,
        Step::Render(render) => render.render.cancel_after,
        _ => None,
    }
}

/// Does nothing for some seconds.
fn pause(seconds: f64) {
    std::thread::sleep(Duration::from_secs_f64(seconds.clamp(0.0, LONGEST_WAIT)));
}

fn in_words(step: &Step) -> String {
    serde_json::to_string(step).unwrap_or_default()
}

const fn outcome_of(status: OfxStatus, cancelled: bool) -> Outcome {
    match (names::is_success(status), cancelled) {
        (_, true) => Outcome::Cancelled,
        (true, false) => Outcome::Ok,
        (false, false) => Outcome::Failed,
    }
}

/// Compares what came with what the plan expects; without an expectation, with anything but failure.
fn judge(step: &Step, entry: &StepReport) -> Result<(), Stopped> {
    let expected = match step {
        Step::Press(press) => press.expect,
        Step::Set(set) => set.expect,
        Step::Render(render) => render.render.expect,
        _ => return Ok(()),
    };
    let fits = match expected {
        Some(Outcome::Failed) => failed_as_expected(entry),
        Some(expected) => entry.outcome == Some(expected),
        None => entry.outcome != Some(Outcome::Failed),
    };
    if fits {
        return Ok(());
    }
    let got = entry.outcome.map_or_else(|| "nothing".to_owned(), |outcome| format!("{outcome:?}"));
    let told = entry.messages.iter().map(|m| m.text.as_str()).collect::<Vec<_>>().join("; ");
    Err(Stopped(format!("{}: expected {expected:?}, got {got} ({}) {told}", entry.step, entry.status)))
}

/// A failure has a bad status; in a render, on every frame.
fn failed_as_expected(entry: &StepReport) -> bool {
    let every = entry.frames.iter().all(|frame| !["", "OK", "ReplyDefault"].contains(&frame.status.as_str()));
    entry.outcome == Some(Outcome::Failed) && every
}
