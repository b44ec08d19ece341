//! What a running job says, and where its time goes.

use pickup_core::{Event, Phase, PhaseBytes, Progress, Result, Timing};
use std::time::Instant;

/// Share of the job that is done when the passes begin: package, library, prompt.
const BEFORE_PASSES: f32 = 0.06;
/// Share that is done when the passes end; the rest is closing the take.
const AFTER_PASSES: f32 = 0.98;
/// Shares of a pass that are done when encoding, denoising and decoding end; the rest is joining.
const IN_PASS: [f32; 3] = [0.06, 0.84, 0.96];

/// Reports progress and measures phases.
pub(crate) struct Tracker<'a> {
    events: &'a mut dyn FnMut(Event),
    warnings: Vec<String>,
    timing: Timing,
    phase: Phase,
    phase_began: Instant,
    memory: Option<&'a dyn Fn() -> Option<u64>>,
    held: Held,
    passes_began: Option<Instant>,
    /// Whether the transformer has done a step, by which the time left is judged: nothing before it tells how long one takes.
    stepped: bool,
    fraction: f32,
    /// Begin and length of the current pass, as shares of all passes.
    pass: (f32, f32),
}

/// Bytes that a job held.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Held {
    /// When each phase began.
    pub floors: PhaseBytes,
    /// At the peak of loading what each phase needs; the text encoder's counts as running.
    pub opening: PhaseBytes,
    /// At the peak of each phase without that.
    pub running: PhaseBytes,
    /// When the component of a phase had run and was still open.
    pub idle: PhaseBytes,
}

/// Raises `most` to the peak since it was last asked, and returns what is held now. Nothing where nothing is counted.
fn count(take_peak: Option<&dyn Fn() -> Option<u64>>, most: Option<&mut u64>) -> u64 {
    let (Some(take_peak), Some(most)) = (take_peak, most) else { return 0 };
    *most = take_peak().unwrap_or_default().max(*most);
    // Asked again at once, the peak is what is held now.
    take_peak().unwrap_or_default()
}

impl Held {
    /// At the peak of each phase.
    pub fn peaks(self) -> PhaseBytes {
        self.opening.or_more(self.running)
    }
}

fn note(phases: &mut PhaseBytes, phase: Phase, bytes: u64) {
    if let Some(place) = phases.of(phase) {
        *place = bytes;
    }
}

impl<'a> Tracker<'a> {
    /// Begins with [`Phase::Load`].
    pub fn new(events: &'a mut dyn FnMut(Event)) -> Self {
        let mut tracker = Self {
            events,
            warnings: Vec::new(),
            timing: Timing::default(),
            phase: Phase::Load,
            phase_began: Instant::now(),
            memory: None,
            held: Held::default(),
            passes_began: None,
            stepped: false,
            fraction: 0.0,
            pass: (0.0, 0.0),
        };
        tracker.step(0, 0);
        tracker
    }

    /// The same, asking `take_peak`, which gives the most memory held since it was last asked, at the end of each phase.
    pub fn watching<'b>(self, take_peak: &'b dyn Fn() -> Option<u64>) -> Tracker<'b>
    where
        'a: 'b,
    {
        take_peak();
        let Self {
            events,
            warnings,
            timing,
            phase,
            phase_began,
            mut held,
            passes_began,
            stepped,
            fraction,
            pass,
            ..
        } = self;
        // A prompt is read from the beginning on.
        held.floors.text = take_peak().unwrap_or_default();
        let memory = Some(take_peak);
        // Named one by one, as `events` is lent for less.
        Tracker {
            events,
            warnings,
            timing,
            phase,
            phase_began,
            memory,
            held,
            passes_began,
            stepped,
            fraction,
            pass,
        }
    }

    /// What was held in each phase so far.
    pub fn held(&self) -> Held {
        self.held
    }

    /// The component of the current phase has run, and is still open.
    pub fn note_idle(&mut self) {
        let now = self.count_memory();
        note(&mut self.held.idle, self.phase, now);
    }

    /// Counts the peak of loading. What a phase asks for again is open already, and then is held what runs have left behind.
    fn count_opening(&mut self, phase: Phase) {
        let Held { opening, running, .. } = &mut self.held;
        let first = opening.of(phase) == Some(&mut 0);
        count(self.memory, if first { opening.of(phase) } else { running.of(phase) });
    }

    /// Counts the peak for the current phase and returns what is held now.
    fn count_memory(&mut self) -> u64 {
        count(self.memory, self.held.running.of(self.phase))
    }

    /// Tells the user something that does not stop the job.
    pub fn warn(&mut self, text: String) {
        self.warnings.push(text.clone());
        (self.events)(Event::Warning(text));
    }

    /// From now on time counts for `phase`, which is reported at once.
    pub fn enter(&mut self, phase: Phase) {
        self.count_for(phase);
        self.step(0, 0);
    }

    /// Runs `open`, whose time counts as loading, and enters `phase` where it is not there yet.
    ///
    /// # Errors
    /// If `open` fails.
    pub fn loading<T>(&mut self, phase: Phase, open: impl FnOnce() -> Result<T>) -> Result<T> {
        if self.phase != phase {
            self.enter(phase);
        }
        self.count_for(Phase::Load);
        let opened = open();
        self.count_opening(phase);
        self.count_for(phase);
        opened
    }

    /// From now on time counts for `phase`, which is not reported.
    pub fn count_for(&mut self, phase: Phase) {
        let held = self.count_memory();
        if self.held.floors.of(phase) == Some(&mut 0) {
            note(&mut self.held.floors, phase, held);
        }
        let now = Instant::now();
        let seconds = now.duration_since(self.phase_began).as_secs_f64();
        *match self.phase {
            Phase::Load => &mut self.timing.load,
            Phase::Text => &mut self.timing.text,
            Phase::Encode => &mut self.timing.encode,
            Phase::Denoise => &mut self.timing.denoise,
            Phase::Decode => &mut self.timing.decode,
            Phase::Join => &mut self.timing.join,
            Phase::Store => &mut self.timing.store,
        } += seconds;
        self.phase = phase;
        self.phase_began = now;
    }

    /// The next pass begins: shares of all passes at its begin and its end.
    pub fn begin_pass(&mut self, begin: f64, end: f64) {
        self.passes_began.get_or_insert_with(Instant::now);
        self.pass = (begin as f32, (end - begin) as f32);
        self.enter(Phase::Encode);
    }

    /// Reports `step` of `steps` of the current phase; 0 of 0 where it has none.
    pub fn step(&mut self, step: usize, steps: usize) {
        let done = if steps == 0 { 0.0 } else { step as f32 / steps as f32 };
        self.fraction = self.fraction.max(self.share(done));
        self.stepped |= self.phase == Phase::Denoise && step > 0;
        let seconds_left = self.seconds_left();
        let (phase, fraction) = (self.phase, self.fraction);
        let (step, steps) = (step as u32, steps as u32);
        (self.events)(Event::Progress(Progress { phase, step, steps, fraction, seconds_left }));
    }

    /// Share of the whole job when `done` of the current phase is done.
    fn share(&self, done: f32) -> f32 {
        let (from, to) = match self.phase {
            Phase::Load => return 0.5 * BEFORE_PASSES * done,
            Phase::Text => return BEFORE_PASSES * (0.5 + 0.5 * done),
            Phase::Encode => (0.0, IN_PASS[0]),
            Phase::Denoise => (IN_PASS[0], IN_PASS[1]),
            Phase::Decode => (IN_PASS[1], IN_PASS[2]),
            Phase::Join => (IN_PASS[2], 1.0),
            Phase::Store => return AFTER_PASSES + (1.0 - AFTER_PASSES) * done,
        };
        let in_pass = from + (to - from) * done;
        let in_passes = self.pass.0 + self.pass.1 * in_pass;
        BEFORE_PASSES + (AFTER_PASSES - BEFORE_PASSES) * in_passes
    }

    fn seconds_left(&self) -> Option<f32> {
        let done = (self.fraction - BEFORE_PASSES) / (1.0 - BEFORE_PASSES);
        let elapsed = self.passes_began?.elapsed().as_secs_f32();
        self.stepped.then(|| elapsed * (1.0 - done) / done)
    }

    /// Seconds per phase so far, and all warnings.
    pub fn finish(&mut self) -> (Timing, Vec<String>) {
        self.count_for(self.phase);
        (self.timing, self.warnings.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fraction_never_falls_and_ends_at_one() {
        let mut fractions = Vec::new();
        let mut lines = Vec::new();
        let mut hear = |event| {
            if let Event::Progress(progress) = event {
                fractions.push(progress.fraction);
                lines.push(progress.line());
            }
        };
        let mut tracker = Tracker::new(&mut hear);
        tracker.enter(Phase::Text);
        for (begin, end) in [(0.0, 0.25), (0.25, 1.0)] {
            tracker.begin_pass(begin, end);
            for phase in [Phase::Encode, Phase::Denoise, Phase::Decode, Phase::Join] {
                tracker.enter(phase);
                (0..=4).for_each(|step| tracker.step(step, 4));
            }
        }
        tracker.enter(Phase::Store);
        tracker.step(1, 1);
        let (timing, _) = tracker.finish();
        assert!(timing.total() > 0.0);
        assert!(fractions.windows(2).all(|pair| pair[0] <= pair[1]), "{fractions:?}");
        assert_eq!((fractions[0], *fractions.last().unwrap()), (0.0, 1.0));
        assert!(lines.iter().any(|line| line.starts_with("Generating 2 of 4, ")), "{lines:?}");
    }

    #[test]
    fn the_time_left_is_told_from_the_first_step_of_the_transformer_on() {
        let mut told = Vec::new();
        let mut hear = |event| {
            if let Event::Progress(progress) = event {
                told.push((progress.phase, progress.step, progress.seconds_left.is_some()));
            }
        };
        let mut tracker = Tracker::new(&mut hear);
        tracker.begin_pass(0.0, 1.0);
        tracker.step(1, 1);
        tracker.enter(Phase::Denoise);
        (0..=2).for_each(|step| tracker.step(step, 2));
        tracker.enter(Phase::Decode);
        let first = told.iter().position(|(_, _, left)| *left).unwrap();
        assert_eq!(told[first], (Phase::Denoise, 1, true));
        assert!(told[first..].iter().all(|(_, _, left)| *left), "{told:?}");
    }

    #[test]
    fn loading_and_running_are_told_apart() {
        use std::cell::Cell;
        let (held, most) = (Cell::new(10_u64), Cell::new(10_u64));
        let hold = |bytes: u64| {
            held.set(bytes);
            most.set(most.get().max(bytes));
        };
        let take_peak = || Some(most.replace(held.get()));
        let mut hear = |_| ();
        let mut tracker = Tracker::new(&mut hear).watching(&take_peak);
        tracker.enter(Phase::Text);
        tracker.enter(Phase::Decode);
        let opened = tracker.loading(Phase::Decode, || {
            hold(70);
            hold(30);
            Ok(())
        });
        opened.unwrap();
        hold(50);
        tracker.loading(Phase::Decode, || Ok(())).unwrap();
        hold(20);
        tracker.enter(Phase::Join);
        let Held { floors, opening, running, .. } = tracker.held();
        assert_eq!((floors.decode, opening.decode, running.decode), (10, 70, 50));
        assert_eq!((tracker.held().peaks().decode, opening.join), (70, 0));
    }
}
