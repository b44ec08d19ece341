//! Published models at their full size with random weights: made into packages, opened, and run.

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;
use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use crate::accept::results;
use crate::{bundle, python, reference, shell, suite};

/// A model, and what is generated with it.
struct Subject {
    /// Its name in the catalogue.
    name: &'static str,
    /// What `pickup-export` calls its kind.
    exporter: &'static str,
    /// Width and height, as the command line takes them.
    size: &'static str,
    frames: u32,
    steps: u32,
    /// Most gigabytes of memory while it generates, where there is a bound.
    most: Option<f64>,
}

const SUBJECTS: [Subject; 3] = [
    Subject {
        name: "wan2.1-vace-1.3b",
        exporter: "wan-vace",
        size: "480x272",
        frames: 17,
        steps: 2,
        most: Some(9.0),
    },
    Subject {
        name: "wan2.2-ti2v-5b",
        exporter: "wan-ti2v",
        size: "512x288",
        frames: 17,
        steps: 1,
        most: None,
    },
    Subject {
        name: "ltx-video-2b-0.9.5",
        exporter: "ltx",
        // Beyond what it is measured at: 1,792 tokens and 12.8 million pixels.
        size: "512x512",
        frames: 49,
        steps: 1,
        most: None,
    },
];

/// Gigabytes within which a package is made.
const MAKING: f64 = 24.0;
/// Most memory that an export holds, over the weights of its largest component.
const STREAMED: f64 = 1.5;
/// Seconds in which all graphs open once their files are in memory.
const OPENING: f64 = 2.0;
/// How far the planned peak may be from what is held, in percent.
const PLANNED: f64 = 15.0;
/// How often memory is looked at.
const POLL: Duration = Duration::from_millis(50);

/// Measures the models that are named, all where none is, one after another, and prints a table. Packages are
/// taken away afterwards unless they are to be kept; one that is there already is not made again.
pub fn run(names: &[String], keep: bool) -> Result<()> {
    let chosen = chosen(names)?;
    bundle::make()?;
    let mut table = Table::default();
    for subject in chosen {
        let package = results()?.join("full").join(subject.name);
        subject.export(&package, &mut table)?;
        subject.measure(&package, &mut table)?;
        subject.generate(&package, &mut table)?;
        if !keep {
            std::fs::remove_dir_all(&package)?;
        }
    }
    table.print()
}

fn chosen(names: &[String]) -> Result<Vec<&'static Subject>> {
    let known = SUBJECTS.map(|subject| subject.name).join(", ");
    if names.is_empty() {
        return Ok(SUBJECTS.iter().collect());
    }
    let find = |name: &String| SUBJECTS.iter().find(|subject| subject.name == name);
    names
        .iter()
        .map(|name| find(name).with_context(|| format!("expected one of {known}, got {name}")))
        .collect()
}

impl Subject {
    /// Makes the package, and notes the time and memory of that.
    fn export(&self, package: &Path, table: &mut Table) -> Result<()> {
        if package.exists() {
            shell::say(&format!("{}: the package is there already", self.name));
            table.state(
                self,
                "package made, and memory that the export held",
                "not measured: it was there already",
            );
            return Ok(());
        }
        shell::say(&format!("making {} with random weights", self.name));
        let mut command = Command::new(python::reference_environment(&reference::lock())?);
        command
            .args(["-m", "pickup_export", self.exporter, "--random", self.name, "--out"])
            .arg(package)
            .current_dir(reference::exporter());
        let began = Instant::now();
        let (held, resident) = watched(&mut command)?;
        table.state(self, "package made", format!("{:.0} s", began.elapsed().as_secs_f64()));
        let largest = largest_weights(package)?;
        table.bound(self, "memory that the export held, GB", held, STREAMED * largest);
        table.bound(self, "the same with the files that it mapped, GB", resident, MAKING);
        Ok(())
    }

    /// Measures what the components hold, which goes into the package.
    fn measure(&self, package: &Path, table: &mut Table) -> Result<()> {
        shell::say(&format!("measuring what {} holds", self.name));
        let began = Instant::now();
        let place = tempfile::tempdir_in(results()?)?;
        let mut pickup = self.pickup(package, place.path(), &["models", "measure"]);
        shell::run(pickup.arg(package).arg("--write"))?;
        table.state(self, "its components measured", format!("{:.0} s", began.elapsed().as_secs_f64()));
        Ok(())
    }

    /// Generates twice: the first run, short, reads the files; the second, of another prompt, is measured.
    fn generate(&self, package: &Path, table: &mut Table) -> Result<()> {
        let place = tempfile::tempdir_in(results()?)?;
        let Limits { least, .. } = Limits::of(package)?;
        self.answer(package, place.path(), &["generate"], ("a blue box", least, 1))?;
        let job = ("a red ball", self.frames, self.steps);
        let estimate = self.answer(package, place.path(), &["estimate", "generate"], job)?;
        let record = self.answer(package, place.path(), &["generate"], job)?["record"].clone();
        let seconds = |phase: &str| record["timing"][phase].as_f64().unwrap_or(f64::NAN);
        table.bound(self, "all graphs opened, the text encoder's too, s", seconds("load"), OPENING);
        let what = format!("{}×{} generated, {} steps", self.size.replace('x', "×"), self.frames, self.steps);
        let phases =
            ["text", "encode", "denoise", "decode"].map(|phase| format!("{phase} {:.0} s", seconds(phase)));
        table.state(self, &what, phases.join(", "));
        let peak = record["peak_memory"].as_f64().map(|bytes| bytes / 1e9);
        match (peak, self.most) {
            (Some(peak), Some(most)) => table.bound(self, "memory at its peak meanwhile, GB", peak, most),
            (Some(peak), None) => table.state(self, "memory at its peak meanwhile, GB", format!("{peak:.2}")),
            (None, _) => {
                table.state(self, "memory at its peak meanwhile", "not told by this system".to_owned())
            }
        }
        let phases = estimate["memory"]["phases"].as_object().context("the estimate has no phases")?;
        let planned = phases.values().filter_map(Value::as_f64).fold(0.0, f64::max) / 1e9;
        table.state(self, "memory planned, GB", format!("{planned:.2}"));
        let off = 100.0 * (planned / peak.unwrap_or(f64::NAN) - 1.0).abs();
        table.bound(self, "the plan off by, %", off, PLANNED);
        Ok(())
    }

    /// The command line, with this model and a store and a cache in `place`.
    fn pickup(&self, package: &Path, place: &Path, command: &[&str]) -> Command {
        let mut pickup = Command::new(shell::executable("pickup"));
        pickup
            .args(command)
            .env("PICKUP_MODELS", package)
            .env("PICKUP_STORE", place.join("store"))
            .env("PICKUP_CACHE", place.join("cache"));
        suite::environment(&mut pickup);
        pickup
    }

    /// What `command` answers for a clip from text, in the size of the subject.
    fn answer(
        &self,
        package: &Path,
        place: &Path,
        command: &[&str],
        (prompt, frames, steps): (&str, u32, u32),
    ) -> Result<Value> {
        shell::say(&format!("{}: {}, {frames} frames, {steps} steps", self.name, self.size));
        let scale = Limits::of(package)?.scale(self.size)?;
        let mut pickup = self.pickup(package, place, command);
        pickup
            .args([
                "--model",
                self.name,
                "--prompt",
                prompt,
                "--size",
                self.size,
                "--scale",
                &scale.to_string(),
            ])
            .args(["--frames", &frames.to_string(), "--steps", &steps.to_string()])
            .args(["--provider", "cpu", "--json"]);
        if command.len() == 1 {
            pickup.arg("--out").arg(place.join(prompt));
        }
        Ok(serde_json::from_str(&shell::output(&mut pickup)?)?)
    }
}

/// What a manifest says of lengths and sizes.
struct Limits {
    /// Fewest frames of a clip.
    least: u32,
    /// Pixels of a frame at which the model is best.
    native: u64,
}

impl Limits {
    fn of(package: &Path) -> Result<Self> {
        let limits = &manifest(package)?["limits"];
        let number =
            |field: &str| limits[field].as_u64().with_context(|| format!("the manifest has no {field}"));
        Ok(Self { least: u32::try_from(number("min_frames")?)?, native: number("native_pixels")? })
    }

    /// The scale at which the model works at `size`, such as 480x272.
    fn scale(&self, size: &str) -> Result<f64> {
        let sides = size.split('x').map(str::parse).collect::<Result<Vec<u64>, _>>()?;
        Ok((sides.iter().product::<u64>() as f64 / self.native as f64).sqrt())
    }
}

fn manifest(package: &Path) -> Result<Value> {
    let path = package.join("manifest.json");
    let text = std::fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
    Ok(serde_json::from_str(&text)?)
}

/// Gigabytes of the largest file of weights.
fn largest_weights(package: &Path) -> Result<f64> {
    let manifest = manifest(package)?;
    let files = manifest["files"].as_object().context("the manifest has no files")?;
    let sizes = files.iter().filter(|(path, _)| path.ends_with("weights.bin"));
    let largest = sizes.filter_map(|(_, file)| file["bytes"].as_u64()).max();
    Ok(largest.context("the package has no weights.bin")? as f64 / 1e9)
}

/// Runs `command` to its end. Most memory that its process held at once, in gigabytes: its own, and with the
/// pages of files that it mapped, which the system takes back when it needs them.
fn watched(command: &mut Command) -> Result<(f64, f64)> {
    let mut child = command.spawn()?;
    let status = PathBuf::from(format!("/proc/{}/status", child.id()));
    let (mut held, mut resident) = (f64::NAN, f64::NAN);
    let ended = loop {
        // Gone once the process is; unknown on systems other than Linux.
        if let Ok(text) = std::fs::read_to_string(&status) {
            let of = |name| gigabytes(&text, name).unwrap_or(f64::NAN);
            held = held.max(of("RssAnon:"));
            resident = resident.max(of("VmHWM:"));
        }
        if let Some(ended) = child.try_wait()? {
            break ended;
        }
        std::thread::sleep(POLL);
    };
    ensure!(ended.success(), "the export ended with {ended}");
    Ok((held, resident))
}

/// The gigabytes of a line `<name>   <number> kB`.
fn gigabytes(status: &str, name: &str) -> Option<f64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    Some(line.trim().strip_suffix("kB")?.trim().parse::<f64>().ok()? * 1024.0 / 1e9)
}

/// Figures beside their bounds.
#[derive(Default)]
struct Table {
    rows: Vec<String>,
    broken: usize,
}

impl Table {
    /// A figure without a bound.
    fn state(&mut self, subject: &Subject, what: &str, measured: impl Display) {
        self.push(format!("| {}: {what} | {measured} | | |", subject.name));
    }

    /// A figure that is at most `bound`; one that could not be measured does not hold.
    fn bound(&mut self, subject: &Subject, what: &str, measured: f64, bound: f64) {
        let holds = measured <= bound;
        self.broken += usize::from(!holds);
        let answer = if holds { "yes" } else { "no" };
        self.push(format!("| {}: {what} | {measured:.2} | ≤ {bound:.2} | {answer} |", subject.name));
    }

    /// Told at once, too: what follows may take an hour, or be broken off.
    fn push(&mut self, row: String) {
        println!("{row}");
        self.rows.push(row);
    }

    fn print(&self) -> Result<()> {
        println!(
            "\n| what must hold | measured | bound | holds |\n|---|---|---|---|\n{}",
            self.rows.join("\n")
        );
        if self.broken > 0 {
            bail!("{} bounds do not hold", self.broken);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn models_are_those_of_the_catalogue() {
        let path = shell::root().join("resources/catalogue.json");
        let catalogue: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
        let word = |model: &Value, field: &str| model[field].as_str().unwrap().to_owned();
        let listed: Vec<_> = catalogue
            .as_array()
            .unwrap()
            .iter()
            .map(|model| (word(model, "name"), word(model, "exporter")))
            .collect();
        assert_eq!(listed, SUBJECTS.map(|subject| (subject.name.to_owned(), subject.exporter.to_owned())));
        assert_eq!(chosen(&[]).unwrap().len(), 3);
        assert_eq!(chosen(&["wan2.2-ti2v-5b".to_owned()]).unwrap()[0].exporter, "wan-ti2v");
        assert!(chosen(&["wan".to_owned()]).is_err());
    }

    #[test]
    fn memory_is_read_and_a_bound_that_does_not_hold_is_told() {
        assert_eq!(gigabytes("VmHWM:\t 2000000 kB\nRssAnon:\t1000000 kB\n", "RssAnon:"), Some(1.024));
        assert_eq!(gigabytes("VmHWM: 1 kB", "RssAnon:"), None);
        let mut table = Table::default();
        table.bound(&SUBJECTS[0], "x", 1.0, 2.0);
        assert!(table.print().is_ok());
        table.bound(&SUBJECTS[0], "y", f64::NAN, 2.0);
        assert!(table.print().is_err());
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn what_a_process_takes_is_seen() {
        let script = "import time; x = bytearray(b'1') * 100_000_000; time.sleep(1)";
        let (held, resident) = watched(Command::new("python3").args(["-c", script])).unwrap();
        assert!(held > 0.1 && resident >= held && resident < 0.3, "{held} {resident}");
    }
}
