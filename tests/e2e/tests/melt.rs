//! MLT's `melt`, a host that we did not write: what it shows is compared with what the command line makes.
//!
//! `cargo xtask test --host melt` fetches it and runs these.

#![expect(clippy::unwrap_used, reason = "a test says what is wrong by panicking")]

use image::DynamicImage;
use pickup_e2e::{Bench, bundle, figure};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

const SIZE: (u32, u32) = (96, 56);
/// Frames of the shot, and of what is made after it.
const SHOT: u32 = 8;
const MADE: u32 = 4;
const FILTER: &str = "openfx.studio.pickup.fill";
/// What is the same in every job, here and on the command line.
const JOB: [&str; 4] = ["steps=1", "guidance=1", "contextFrames=4", "onRender=Generate if missing"];
/// How often melt is asked again when it ended without having written a frame, as it does without any plugin, too.
const TRIES: usize = 4;
static WITHOUT_FRAMES: AtomicUsize = AtomicUsize::new(0);
static RUNS: AtomicUsize = AtomicUsize::new(0);
/// The longest that a run may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// The bits of a sample: what melt is asked to work and to write in.
#[derive(Clone, Copy, Debug)]
enum Bits {
    Eight,
    Sixteen,
}

impl Bits {
    fn consumer(self) -> [&'static str; 2] {
        match self {
            Self::Eight => ["mlt_image_format=rgba", "pix_fmt=rgba"],
            Self::Sixteen => ["mlt_image_format=rgba64", "pix_fmt=rgba64be"],
        }
    }

    /// The command line's name of the files' format.
    fn format(self) -> &'static str {
        match self {
            Self::Eight => "png",
            Self::Sixteen => "png16",
        }
    }
}

struct Melt {
    bench: Bench,
    profile: PathBuf,
}

impl Melt {
    fn new() -> Self {
        let bench = Bench::new();
        let profile = bench.path("profile");
        let (width, height) = SIZE;
        let text = format!(
            "description=test\nframe_rate_num=25\nframe_rate_den=1\nwidth={width}\nheight={height}\nprogressive=1\n\
             sample_aspect_num=1\nsample_aspect_den=1\ndisplay_aspect_num={width}\ndisplay_aspect_den={height}\n\
             colorspace=709\n"
        );
        std::fs::write(&profile, text).unwrap();
        Self { bench, profile }
    }

    fn command(&self, bundles: &Path) -> Command {
        let program = std::env::var_os("PICKUP_TEST_MELT").unwrap();
        let mut command = Command::new(program);
        command.env_clear().env("PATH", "/usr/bin:/bin").env("HOME", self.bench.path(""));
        command.env("OFX_PLUGIN_PATH", bundles).env("PICKUP_STORE", self.bench.path("store"));
        command.env("PICKUP_CACHE", self.bench.path("cache")).env("PICKUP_IDLE_SECONDS", "20");
        command.current_dir(self.bench.path("")).stdin(Stdio::null());
        command
    }

    /// The filters that melt knows.
    fn filters(&self, bundles: &Path) -> String {
        let output = self.command(bundles).args(["-query", "filters"]).output().unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
    }

    /// Renders and returns the files, in order. A run that wrote no frame at all is counted and tried again; one that
    /// wrote any stands.
    fn render(&self, name: &str, arguments: &[&str], bits: Bits, count: u32) -> Vec<PathBuf> {
        let folder = self.bench.path(name);
        let log = self.bench.path(&format!("{name}.log"));
        for _ in 0..TRIES {
            std::fs::create_dir_all(&folder).unwrap();
            let mut command = self.command(bundle().parent().unwrap());
            command.arg("-profile").arg(&self.profile).args(arguments).arg("-consumer");
            command.arg(format!("avformat:{}", folder.join("%06d.png").display()));
            command.args(["vcodec=png", "an=1", "real_time=-1"]).args(bits.consumer());
            let file = std::fs::File::create(&log).unwrap();
            run(command.stdout(file.try_clone().unwrap()).stderr(file));
            RUNS.fetch_add(1, Ordering::Relaxed);
            let mut files: Vec<_> =
                std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
            files.sort();
            if !files.is_empty() {
                let said = std::fs::read_to_string(&log).unwrap_or_default();
                assert_eq!(files.len(), count as usize, "{name}: {said}");
                return files;
            }
            WITHOUT_FRAMES.fetch_add(1, Ordering::Relaxed);
        }
        let said = std::fs::read_to_string(&log).unwrap_or_default();
        unreachable!("{name}: melt wrote no frame in {TRIES} runs: {said}")
    }

    /// A shot as melt itself shows it, without Pickup: what a filter is given.
    fn shot(&self, bits: Bits) -> Vec<PathBuf> {
        let name = format!("source {bits:?}");
        let source = self.bench.path(&name);
        std::fs::create_dir_all(&source).unwrap();
        for frame in 0..SHOT {
            let picture = DynamicImage::from(pickup_e2e::picture(48 + frame, SIZE));
            let picture = match bits {
                Bits::Eight => picture,
                Bits::Sixteen => deep(&picture),
            };
            picture.save(source.join(format!("{frame:06}.png"))).unwrap();
        }
        let (producer, out) = (self.pattern(bits), format!("out={}", SHOT - 1));
        self.render(&format!("shot {bits:?}"), &[&producer, "ttl=1", &out], bits, SHOT)
    }

    fn pattern(&self, bits: Bits) -> String {
        self.bench.path(&format!("source {bits:?}")).join("%06d.png").display().to_string()
    }

    /// The shot, then a colour clip, with the filter over both.
    fn extended(&self, name: &str, bits: Bits, parameters: &[&str]) -> Vec<PathBuf> {
        let (producer, out) = (self.pattern(bits), format!("out={}", SHOT - 1));
        let gap = format!("out={}", MADE - 1);
        let mut arguments = vec![&*producer, "ttl=1", &out, "color:black", &gap, "-filter", FILTER];
        arguments.extend(parameters);
        self.render(name, &arguments, bits, SHOT + MADE)
    }

    /// What the command line makes after the shot that melt shows.
    fn typed_extension(&self, name: &str, bits: Bits, seed: &str) -> Vec<PathBuf> {
        let shot = self.bench.path(&format!("shot {bits:?}")).join("%06d.png").display().to_string();
        let made = MADE.to_string();
        self.typed(
            name,
            &["extend", "--clip", &shot, "--frames", &made, "--context", "4", "--seed", seed],
            bits,
        )
    }

    fn typed(&self, name: &str, arguments: &[&str], bits: Bits) -> Vec<PathBuf> {
        let (out, store) = (self.bench.path(name), self.bench.path(&format!("{name} store")));
        let mut all = arguments.to_vec();
        let (folder, store) = (out.display().to_string(), store.display().to_string());
        all.extend(["--out", &folder, "--store", &store, "--steps", "1", "--guidance", "1", "--fps", "25"]);
        all.extend(["--format", bits.format(), "--json"]);
        self.bench.pickup(&all).json();
        (0..MADE).map(|frame| out.join(format!("frame_{frame:06}.png"))).collect()
    }
}

impl Drop for Melt {
    fn drop(&mut self) {
        let (bad, all) = (WITHOUT_FRAMES.load(Ordering::Relaxed), RUNS.load(Ordering::Relaxed));
        println!("melt: {bad} of {all} runs so far wrote no frame and were tried again");
    }
}

/// Runs to the end, or ends it when its time is over: melt has been seen to wait for ever.
fn run(command: &mut Command) {
    let mut child = command.spawn().unwrap();
    let began = Instant::now();
    while child.try_wait().unwrap().is_none() {
        if began.elapsed() > PATIENCE {
            let _ = child.kill();
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// 16 bits of which the lower eight are not those of 8-bit material.
fn deep(picture: &DynamicImage) -> DynamicImage {
    let mut deep = picture.to_rgb16();
    deep.iter_mut().zip((0..251).cycle()).for_each(|(sample, low)| *sample ^= low);
    deep.into()
}

/// The colours of a file, of 8 or 16 bits as it has them.
fn colours(file: &Path) -> Vec<u16> {
    match image::open(file).unwrap() {
        eight @ (DynamicImage::ImageRgb8(_) | DynamicImage::ImageRgba8(_)) => {
            eight.into_rgb8().into_raw().into_iter().map(u16::from).collect()
        }
        deep => deep.into_rgb16().into_raw(),
    }
}

/// How many of some files show the same as others, sample for sample.
fn equal(files: &[PathBuf], others: &[PathBuf]) -> usize {
    assert_eq!(files.len(), others.len());
    files.iter().zip(others).filter(|(file, other)| colours(file) == colours(other)).count()
}

#[test]
#[ignore = "needs melt: cargo xtask test --host melt"]
fn acceptance_hosts_melt_finds_the_plugin() {
    let melt = Melt::new();
    let bundles = bundle().parent().unwrap().to_owned();
    let found = melt.filters(&bundles).contains(FILTER);
    assert!(!melt.filters(&melt.bench.path("")).contains(FILTER), "it is found where it is not");
    figure("melt: the plugin is found", if found { "yes" } else { "no" }, "yes");
    assert!(found);
}

#[test]
#[ignore = "needs melt: cargo xtask test --host melt"]
fn acceptance_hosts_melt_shows_shots_untouched_and_extends_them_as_the_command_line_does() {
    let melt = Melt::new();
    for bits in [Bits::Eight, Bits::Sixteen] {
        let shot = melt.shot(bits);
        if matches!(bits, Bits::Sixteen) {
            assert!(
                colours(&shot[0]).iter().any(|sample| sample % 257 != 0),
                "more than eight bits are there"
            );
        }
        let span = [format!("spanStart={SHOT}"), format!("spanEnd={}", SHOT + MADE - 1)];
        let mut parameters = vec!["job=Extend after", &*span[0], &span[1]];
        // A take that a render must not make: the slate stands where there is no picture.
        let slate = melt.extended(&format!("slate {bits:?}"), bits, &parameters);
        parameters.extend(JOB);
        let shown = melt.extended(&format!("extended {bits:?}"), bits, &parameters);
        let typed = melt.typed_extension(&format!("typed {bits:?}"), bits, "0");
        let (known, made) = shown.split_at(SHOT as usize);
        let kept = equal(known, &shot) + equal(&slate[..SHOT as usize], &shot);
        let same = equal(made, &typed);
        assert_eq!(equal(&slate[SHOT as usize..], &typed), 0, "a slate is told from a take");
        assert_eq!(equal(made, &shot[..MADE as usize]), 0, "frames that were made are told from the shot's");
        figure(
            &format!("melt, {bits:?} bits: the shot's frames untouched"),
            format!("{kept} of {}", 2 * SHOT),
            "all",
        );
        figure(
            &format!("melt, {bits:?} bits: frames made after it, as the command line's"),
            format!("{same} of {MADE}"),
            "all",
        );
        assert_eq!((kept, same), (2 * SHOT as usize, MADE as usize));
    }
}

#[test]
#[ignore = "needs melt: cargo xtask test --host melt"]
fn acceptance_hosts_melt_makes_a_shot_on_a_colour_clip_in_a_background_render() {
    let melt = Melt::new();
    let (out, end) = (format!("out={}", MADE - 1), format!("spanEnd={}", MADE - 1));
    let words = "a red circle moving right on a blue background";
    let prompt = format!("prompt={words}");
    let mut arguments =
        vec!["color:black", &*out, "-filter", FILTER, "job=Generate", "spanStart=0", &end, &prompt];
    arguments.extend(JOB);
    let shown = melt.render("shown", &arguments, Bits::Eight, MADE);
    let size = format!("{}x{}", SIZE.0, SIZE.1);
    let frames = MADE.to_string();
    let typed = |name: &str, words: &str| {
        let arguments = ["generate", "--size", &size, "--frames", &frames, "--prompt", words];
        melt.typed(name, &arguments, Bits::Eight)
    };
    let same = equal(&shown, &typed("typed", words));
    assert_eq!(equal(&shown, &typed("other", "a green square")), 0, "other words are told");
    figure("melt: a shot made on a colour clip, as the command line's", format!("{same} of {MADE}"), "all");
    assert_eq!(same, MADE as usize);
}

#[test]
#[ignore = "needs melt: cargo xtask test --host melt"]
fn acceptance_hosts_melt_s_keyframes_reach_the_plugin() {
    let melt = Melt::new();
    melt.shot(Bits::Eight);
    let span = [format!("spanStart={SHOT}"), format!("spanEnd={}", SHOT + MADE - 1)];
    // The seed is 1 up to the shot's last frame, and 4 where the frames are made.
    let seed = format!("seed=0|=1;{SHOT}|=4");
    let mut parameters = vec!["job=Extend after", &*span[0], &span[1], &seed];
    parameters.extend(JOB);
    let shown = melt.extended("keyframed", Bits::Eight, &parameters);
    let made = &shown[SHOT as usize..];
    let same = equal(made, &melt.typed_extension("typed", Bits::Eight, "4"));
    assert_eq!(equal(made, &melt.typed_extension("other", Bits::Eight, "1")), 0, "another seed is told");
    figure(
        "melt: frames made with a keyframed seed, as the command line's",
        format!("{same} of {MADE}"),
        "all",
    );
    assert_eq!(same, MADE as usize);
}
