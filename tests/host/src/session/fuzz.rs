//! Random but legal sequences of actions: what a host may do in any order, on several instances at once.
//!
//! One thread makes, changes, saves and takes away instances, as hosts do on their main thread; meanwhile
//! other instances render on other threads. Nothing is asked of an instance that is being changed. The
//! sequence comes from the seed alone; how the threads interleave does not.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

use openfx::sys::generic::core::kOfxChangeUserEdited;
use openfx::sys::image_effect_v1::param::*;
use serde_json::{Value, json};

use super::instance::{self, Kept, Sources};
use super::render::{Job, went_well};
use super::steps::MOST_THREADS;
use super::{Stopped, call};
use crate::host::Host;
use crate::plan::{CancelAfter, FuzzPlan, Plan, RenderPlan};
use crate::world::c_text;
use crate::world::calls::Action;
use crate::world::handles::Handle;
use crate::world::journal::Journal;
use crate::world::parameter::ParamKind;
use crate::world::property_set::PropertySet;

/// The most instances at once.
const MOST_INSTANCES: usize = 16;
/// The most rounds in which nothing was called, after which the host has nothing to play.
const IDLE_ROUNDS: usize = 1000;
/// Render scales, the whole one more often than proxies.
const SCALES: [f64; 4] = [1.0, 1.0, 0.5, 0.25];
/// Frames that are rendered beyond each end of the timeline.
const BEYOND: i64 = 2;

/// What is played on.
#[derive(Debug)]
pub struct Ground<'a> {
    /// The plan.
    pub plan: &'a Plan,
    /// The host.
    pub host: &'a Host,
    /// The context's descriptor.
    pub descriptor: Handle,
    /// Input clips.
    pub sources: &'a Sources,
    /// Whether one instance renders on several threads.
    pub several_threads: bool,
}

/// SplitMix64 (Steele, Lea, Flood 2014).
#[derive(Debug)]
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// 0..`sides`; 0 for no sides.
    fn below(&mut self, sides: usize) -> usize {
        usize::try_from(self.roll() % (sides.max(1) as u64)).unwrap_or(0)
    }

    fn one_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }

    /// `low..=high`.
    fn between(&mut self, low: i64, high: i64) -> i64 {
        low + i64::try_from(self.below(usize::try_from(high - low + 1).unwrap_or(1))).unwrap_or(0)
    }

    /// 0..1.
    fn fraction(&mut self) -> f64 {
        self.below(1 << 20) as f64 / f64::from(1 << 20)
    }

    fn pick<'a, T>(&mut self, list: &'a [T]) -> Option<&'a T> {
        list.get(self.below(list.len()))
    }
}

/// What is done on the main thread in a round.
#[derive(Clone, Debug)]
enum Deed {
    Set(String, Value),
    Press(String),
    Recreate,
    Make,
    Destroy,
    Keep,
    Purge,
    Edit,
}

#[derive(Debug, Default)]
struct Tally {
    frames: AtomicU64,
    failed: AtomicU64,
    deeds: BTreeMap<&'static str, u64>,
}

struct Game<'a> {
    ground: &'a Ground<'a>,
    rules: &'a FuzzPlan,
    dice: Dice,
    effects: Vec<Handle>,
    tally: Tally,
}

/// Plays until so many actions were called; gives what was done, by name.
///
/// # Errors
/// An action failed that must not.
pub fn play(ground: &Ground<'_>, rules: &FuzzPlan) -> Result<BTreeMap<String, Value>, Stopped> {
    check(rules)?;
    let dice = Dice(rules.seed);
    let mut game = Game { ground, rules, dice, effects: Vec::new(), tally: Tally::default() };
    let before = ground.host.calls();
    let outcome = game.rounds(before + rules.actions);
    let ended = game.end();
    let told = |Stopped(why)| Stopped(format!("seed {}: {why}", rules.seed));
    outcome.and(ended).map_err(told)?;
    let mut done: BTreeMap<String, Value> =
        game.tally.deeds.iter().map(|(name, count)| ((*name).to_owned(), json!(count))).collect();
    done.insert("actions".to_owned(), json!(ground.host.calls() - before));
    done.insert("frames".to_owned(), json!(game.tally.frames.load(Ordering::Relaxed)));
    done.insert("failed frames".to_owned(), json!(game.tally.failed.load(Ordering::Relaxed)));
    Ok(done)
}

fn check(rules: &FuzzPlan) -> Result<(), Stopped> {
    let fits = (1..=MOST_THREADS).contains(&rules.threads) && (1..=MOST_INSTANCES).contains(&rules.instances);
    fits.then_some(()).ok_or_else(|| {
        Stopped(format!(
            "expected 1..={MOST_THREADS} threads and 1..={MOST_INSTANCES} instances, got {rules:?}"
        ))
    })
}

impl Game<'_> {
    fn rounds(&mut self, until: u64) -> Result<(), Stopped> {
        let mut idle = 0;
        while self.ground.host.calls() < until {
            let before = self.ground.host.calls();
            self.round()?;
            idle = if self.ground.host.calls() == before { idle + 1 } else { 0 };
            if idle > IDLE_ROUNDS {
                return Err(Stopped("there is nothing to play".to_owned()));
            }
        }
        Ok(())
    }

    fn end(&mut self) -> Result<(), Stopped> {
        let effects = std::mem::take(&mut self.effects);
        effects
            .into_iter()
            .map(|effect| instance::destroy(self.ground.host, effect))
            .fold(Ok(()), Result::and)
    }

    /// One deed on one instance while others render.
    fn round(&mut self) -> Result<(), Stopped> {
        if self.effects.is_empty() {
            return self.make(&self.ground.plan.parameters.clone());
        }
        let cancel = self.dice.one_in(4).then(|| CancelAfter::Asked(self.dice.roll() % 6));
        self.ground.host.world.lock().journal = Journal::new(cancel);
        let chosen = self.dice.below(self.effects.len());
        let deed = self.deed(self.effects[chosen]);
        let busy = deed.is_some().then_some(self.effects[chosen]);
        let renders: Vec<(Handle, RenderPlan, usize)> = self.renders(busy);
        let (ground, frames) = (self.ground, (&self.tally.frames, &self.tally.failed));
        let mut outcomes = Vec::new();
        let mut done = Ok(None);
        std::thread::scope(|scope| {
            let work: Vec<_> = renders
                .iter()
                .map(|(effect, plan, threads)| {
                    scope.spawn(|| render(ground, *effect, plan, *threads, frames))
                })
                .collect();
            if let (Some(deed), Some(effect)) = (&deed, busy) {
                done = act(ground, deed, effect, self.rules);
            }
            outcomes.extend(work.into_iter().map(|thread| {
                thread.join().unwrap_or_else(|_| Err(Stopped("a thread of the host failed".to_owned())))
            }));
        });
        if let Some(deed) = &deed {
            *self.tally.deeds.entry(deed.name()).or_default() += 1;
        }
        outcomes.into_iter().collect::<Result<(), _>>()?;
        self.follow(chosen, deed.as_ref(), done?)
    }

    /// Instances come and go by what was done.
    fn follow(&mut self, chosen: usize, deed: Option<&Deed>, made: Option<Handle>) -> Result<(), Stopped> {
        match (deed, made) {
            (Some(Deed::Recreate), Some(effect)) => self.effects[chosen] = effect,
            (Some(Deed::Make), Some(effect)) => self.effects.push(effect),
            (Some(Deed::Destroy), _) => {
                self.effects.swap_remove(chosen);
            }
            _ => {}
        }
        Ok(())
    }

    fn make(&mut self, kept: &Kept) -> Result<(), Stopped> {
        let Ground { plan, host, descriptor, sources, .. } = *self.ground;
        self.effects.push(instance::create(plan, host, descriptor, sources, kept)?);
        Ok(())
    }

    fn deed(&mut self, effect: Handle) -> Option<Deed> {
        let crowded = self.effects.len() >= self.rules.instances;
        match self.dice.below(20) {
            0..=4 => self.change(effect),
            5 => self.button(effect).map(Deed::Press),
            6 => Some(Deed::Recreate),
            7 | 8 => Some(if crowded { Deed::Destroy } else { Deed::Make }),
            9 => Some(Deed::Destroy),
            10 => Some(Deed::Keep),
            11 => Some(Deed::Purge),
            12 => Some(Deed::Edit),
            _ => None,
        }
    }

    /// Every instance that is left alone renders two times out of three.
    fn renders(&mut self, busy: Option<Handle>) -> Vec<(Handle, RenderPlan, usize)> {
        let share = (self.rules.threads / self.effects.len()).max(1);
        let threads = if self.ground.several_threads { share } else { 1 };
        let free: Vec<Handle> = self.effects.iter().copied().filter(|effect| Some(*effect) != busy).collect();
        let mut renders = Vec::new();
        for effect in free {
            if !self.dice.one_in(3) {
                renders.push((effect, self.frames(), threads));
            }
        }
        renders
    }

    fn frames(&mut self) -> RenderPlan {
        let [first, last] = self.ground.host.range;
        let from = self.dice.between(first - BEYOND, last + BEYOND);
        let scale = *self.dice.pick(&SCALES).unwrap_or(&1.0);
        RenderPlan {
            from,
            to: from + self.dice.between(0, 3),
            scale: Some([scale, scale]),
            interactive: self.dice.one_in(3),
            draft: self.dice.one_in(4),
            thumbnail: self.dice.one_in(6),
            tiles: self.dice.one_in(3).then_some([16, 16]),
            ..RenderPlan::default()
        }
    }

    fn described(&self, effect: Handle) -> Vec<(String, ParamKind, PropertySet)> {
        let world = self.ground.host.world.lock();
        let own = world.params.values().filter(|param| param.effect == effect);
        let free =
            own.filter(|param| !self.rules.fixed.iter().any(|name| name.as_bytes() == param.name.to_bytes()));
        free.filter_map(|param| {
            let props = world.props.get(&param.props)?.clone();
            Some((param.name.to_string_lossy().into_owned(), param.kind, props))
        })
        .collect()
    }

    fn button(&mut self, effect: Handle) -> Option<String> {
        if !self.ground.plan.profile.has_buttons() {
            return None;
        }
        let all = self.described(effect);
        let buttons: Vec<&String> =
            all.iter().filter(|(_, kind, _)| *kind == ParamKind::PushButton).map(|(name, ..)| name).collect();
        self.dice.pick(&buttons).map(|name| (*name).clone())
    }

    /// A parameter and a value that it can hold.
    fn change(&mut self, effect: Handle) -> Option<Deed> {
        let all: Vec<_> =
            self.described(effect).into_iter().filter(|(_, kind, _)| kind.has_value()).collect();
        let (name, kind, props) = self.dice.pick(&all)?;
        let value = self.value(*kind, props);
        Some(Deed::Set(name.clone(), value))
    }

    fn value(&mut self, kind: ParamKind, props: &PropertySet) -> Value {
        match kind {
            ParamKind::Boolean => json!(self.dice.one_in(2)),
            ParamKind::Choice => json!(self.dice.below(props.texts(kOfxParamPropChoiceOption).len())),
            ParamKind::Rgb | ParamKind::Rgba => json!(self.several(kind, |dice, _| json!(dice.fraction()))),
            ParamKind::String | ParamKind::Custom | ParamKind::StrChoice => {
                json!(self.dice.pick(&self.rules.texts).cloned().unwrap_or_default())
            }
            _ => self.number(kind, props),
        }
    }

    /// Within the range that is shown, which lies within the one that is allowed.
    fn number(&mut self, kind: ParamKind, props: &PropertySet) -> Value {
        let ints = |name| props.values::<i32>(name).to_vec();
        let doubles = |name| props.values::<f64>(name).to_vec();
        let (low, high) = (ints(kOfxParamPropDisplayMin), ints(kOfxParamPropDisplayMax));
        if !low.is_empty() {
            return self.several(kind, |dice, at| json!(dice.between(low[at].into(), high[at].into())));
        }
        let (low, high) = (doubles(kOfxParamPropDisplayMin), doubles(kOfxParamPropDisplayMax));
        self.several(kind, |dice, at| {
            let (low, high) = (low.get(at).copied().unwrap_or(0.0), high.get(at).copied().unwrap_or(1.0));
            json!(low + (high - low) * dice.fraction())
        })
    }

    fn several(&mut self, kind: ParamKind, mut one: impl FnMut(&mut Dice, usize) -> Value) -> Value {
        let all: Vec<Value> = (0..kind.arity()).map(|at| one(&mut self.dice, at)).collect();
        if let [single] = all.as_slice() { single.clone() } else { Value::from(all) }
    }
}

impl Deed {
    const fn name(&self) -> &'static str {
        match self {
            Self::Set(..) => "changes",
            Self::Press(_) => "presses",
            Self::Recreate => "recreated",
            Self::Make => "made",
            Self::Destroy => "destroyed",
            Self::Keep => "saved",
            Self::Purge => "purged",
            Self::Edit => "edited",
        }
    }
}

/// Does a deed; gives the instance that came of it.
fn act(
    ground: &Ground<'_>,
    deed: &Deed,
    effect: Handle,
    rules: &FuzzPlan,
) -> Result<Option<Handle>, Stopped> {
    let Ground { plan, host, descriptor, sources, .. } = *ground;
    let make = |kept: &Kept| instance::create(plan, host, descriptor, sources, kept).map(Some);
    let plain = |actions: &[Action]| {
        for &action in actions {
            host.call_noted(call(action, Some(effect)), None, None);
        }
        Ok(None)
    };
    // A time on the timeline that depends on the seed but not on how the threads run.
    let time = host.range[0] as f64 + host.source_offset() + (rules.seed % 7) as f64;
    match deed {
        Deed::Set(name, value) => {
            instance::apply(host, effect, &[(name.clone(), value.clone())].into())?;
            host.changed(effect, &[c_text(name)], kOfxChangeUserEdited, time);
            Ok(None)
        }
        Deed::Press(name) => {
            host.changed(effect, &[c_text(name)], kOfxChangeUserEdited, time);
            Ok(None)
        }
        Deed::Recreate => {
            let kept = instance::keep(host, effect)?;
            instance::destroy(host, effect)?;
            make(&kept)
        }
        Deed::Make => make(&plan.parameters),
        Deed::Destroy => instance::destroy(host, effect).map(|()| None),
        Deed::Keep => instance::keep(host, effect).map(|_| None),
        Deed::Purge => plain(&[Action::PurgeCaches]),
        Deed::Edit => plain(&[Action::BeginInstanceEdit, Action::EndInstanceEdit]),
    }
}

/// Renders on an instance; a frame may fail, the actions around it may not.
fn render(
    ground: &Ground<'_>,
    effect: Handle,
    plan: &RenderPlan,
    threads: usize,
    (all, failed): (&AtomicU64, &AtomicU64),
) -> Result<(), Stopped> {
    let frames = Job { host: ground.host, effect, plan, threads }.run()?;
    let bad = frames.iter().filter(|frame| !went_well(&frame.status)).count();
    all.fetch_add(frames.len() as u64, Ordering::Relaxed);
    failed.fetch_add(bad as u64, Ordering::Relaxed);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_the_same_sequence_and_another_seed_another() {
        let rolls = |seed| {
            let mut dice = Dice(seed);
            std::array::from_fn::<_, 8, _>(|_| dice.roll())
        };
        assert_eq!(rolls(7), rolls(7));
        assert_ne!(rolls(7), rolls(8));
        // The first number of the generator's reference for seed 0.
        assert_eq!(rolls(0)[0], 0xE220_A839_7B1D_CDAF);
    }

    #[test]
    fn dice_stay_within_their_sides() {
        let mut dice = Dice(1);
        assert!((0..1000).all(|_| (3..=5).contains(&dice.between(3, 5))));
        assert!((0..1000).all(|_| (0.0..1.0).contains(&dice.fraction())));
        assert_eq!(dice.below(0), 0);
        assert_eq!(dice.pick::<u8>(&[]), None);
    }
}
