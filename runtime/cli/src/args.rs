//! What may be typed.

use clap::{Parser, Subcommand, ValueEnum};
use pickup_core::{FrameRate, ProviderChoice, Quality, Settings};
use std::path::PathBuf;

/// Completes scenes: fills gaps, extends shots and generates new ones, on this machine.
#[derive(Debug, Parser)]
#[command(name = "pickup", version, after_help = AFTER_HELP)]
pub(crate) struct Args {
    /// Print one JSON object on stdout
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Folder of plates and takes [default: $PICKUP_STORE, else the user's data folder]
    #[arg(long, global = true, value_name = "DIR")]
    pub(crate) store: Option<PathBuf>,
    /// What to do
    #[command(subcommand)]
    pub(crate) command: Command,
}

const AFTER_HELP: &str = "\
SEQ is a folder of pictures, one picture, a glob ('shot/*.png'), a pattern (shot/%06d.png), or a video \
file where ffmpeg is on the PATH. Pictures are PNG, TIFF, EXR, JPEG or WebP, taken as they are encoded for \
display.

Exit codes: 0 done, 2 usage, 3 input, 4 model package, 5 runtime or provider, 6 memory, 7 cancelled, 8 \
storage.";

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    #[command(flatten)]
    Job(JobCommand),
    /// Say what a job would cost, without running it
    Estimate {
        /// The job
        #[command(subcommand)]
        job: JobCommand,
    },
    /// Model packages
    Models {
        /// What to do with them
        #[command(subcommand)]
        command: ModelsCommand,
    },
    /// Takes: what was generated
    Takes {
        /// What to do with them
        #[command(subcommand)]
        command: TakesCommand,
    },
    /// Measure where a model's time and memory go on this machine
    Bench(BenchArgs),
    /// Look at everything Pickup needs on this machine, and say what to do where it is wrong
    Doctor,
}

/// A job.
#[derive(Debug, Subcommand)]
pub(crate) enum JobCommand {
    /// Make frames from text and references alone
    Generate {
        /// Size of the frames in pixels
        #[arg(long, value_name = "WxH", default_value = "640x360", value_parser = parse_size)]
        size: (u32, u32),
        #[command(flatten)]
        options: JobOptions,
    },
    /// Make the frames between two shots
    Fill {
        /// The shot before the gap; its last frames lead in
        #[arg(long, value_name = "SEQ")]
        before: String,
        /// The shot after the gap; its first frames lead out
        #[arg(long, value_name = "SEQ")]
        after: String,
        /// Known frames to be used on each side
        #[arg(long, value_name = "N", default_value_t = 9, value_parser = clap::value_parser!(u16).range(1..=256))]
        context: u16,
        #[command(flatten)]
        options: JobOptions,
    },
    /// Make the frames after or before a shot
    Extend {
        /// The shot
        #[arg(long, value_name = "SEQ")]
        clip: String,
        /// At which end
        #[arg(long, value_enum, default_value_t)]
        direction: Direction,
        /// Known frames to be used
        #[arg(long, value_name = "N", default_value_t = 9, value_parser = clap::value_parser!(u16).range(1..=256))]
        context: u16,
        #[command(flatten)]
        options: JobOptions,
    },
    /// Make frames inside of a shot anew, between their own ends
    Retake {
        #[command(flatten)]
        inner: InnerArgs,
        /// Known frames to be used on each side
        #[arg(long, value_name = "N", default_value_t = 9, value_parser = clap::value_parser!(u16).range(1..=256))]
        context: u16,
        #[command(flatten)]
        options: JobOptions,
    },
    /// Make frames that lead from a shot's end to its beginning
    Loop {
        /// The shot
        #[arg(long, value_name = "SEQ")]
        clip: String,
        /// Known frames to be used of each end
        #[arg(long, value_name = "N", default_value_t = 9, value_parser = clap::value_parser!(u16).range(1..=256))]
        context: u16,
        #[command(flatten)]
        options: JobOptions,
    },
    /// Make what lies around a picture that is smaller than the frame, or moved
    Outpaint {
        #[command(flatten)]
        inner: InnerArgs,
        /// Size of the frames in pixels [default: the shot's]
        #[arg(long, value_name = "WxH", value_parser = parse_size)]
        size: Option<(u32, u32)>,
        /// The picture's size in percent of its own, 5 to 400; at 100 its pixels stay bit for bit
        #[arg(long, value_name = "PERCENT", default_value_t = 75.0)]
        scale: f64,
        /// How far right and down of the middle the picture lies, in percent of the frame
        #[arg(long, value_name = "X,Y", default_value = "0,0", allow_hyphen_values = true, value_parser = parse_percents::<2>)]
        offset: [f64; 2],
        #[command(flatten)]
        options: JobOptions,
    },
    /// Make what lies behind a region of a shot
    Remove {
        #[command(flatten)]
        inner: InnerArgs,
        #[command(flatten)]
        region: RegionArgs,
        /// Known frames to be used on each side, where the shot has them
        #[arg(long, value_name = "N", default_value_t = 9, value_parser = clap::value_parser!(u16).range(1..=256))]
        context: u16,
        #[command(flatten)]
        options: JobOptions,
    },
}

impl JobCommand {
    /// The options that every job has.
    pub(crate) fn options(&self) -> &JobOptions {
        match self {
            Self::Generate { options, .. }
            | Self::Fill { options, .. }
            | Self::Extend { options, .. }
            | Self::Retake { options, .. }
            | Self::Loop { options, .. }
            | Self::Outpaint { options, .. }
            | Self::Remove { options, .. } => options,
        }
    }
}

/// Frames inside of a shot; how many is `--frames`.
#[derive(clap::Args, Debug)]
pub(crate) struct InnerArgs {
    /// The shot
    #[arg(long, value_name = "SEQ")]
    pub(crate) clip: String,
    /// The first frame to work on, counted from 0 in the sequence
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) first: u32,
}

/// What is removed.
#[derive(clap::Args, Debug)]
#[group(required = true, multiple = false)]
pub(crate) struct RegionArgs {
    /// Left, top, width and height of a rectangle in percent of the frame
    #[arg(long, value_name = "L,T,W,H", value_parser = parse_percents::<4>)]
    pub(crate) region: Option<[f64; 4]>,
    /// Masks, white where the shot's frame of the same place should go: one for each frame of the shot
    #[arg(long, value_name = "SEQ")]
    pub(crate) mask: Option<String>,
}

/// At which end of a shot.
#[derive(Clone, Copy, Debug, Default, ValueEnum)]
pub(crate) enum Direction {
    #[default]
    After,
    Before,
}

/// What every job can be told.
#[derive(clap::Args, Debug)]
pub(crate) struct JobOptions {
    /// Frames to make
    #[arg(long, value_name = "N")]
    pub(crate) frames: u32,
    /// What should be seen
    #[arg(long, default_value = "", hide_default_value = true)]
    pub(crate) prompt: String,
    /// What should not be seen [default: the model's]
    #[arg(long)]
    pub(crate) negative: Option<String>,
    /// Picture of what should be seen; may be repeated, most important first
    #[arg(long, value_name = "FILE")]
    pub(crate) reference: Vec<PathBuf>,
    /// Model package [default: starter]
    #[arg(long, value_name = "NAME")]
    pub(crate) model: Option<String>,
    /// Frames per second: 25, 23.976, 30000/1001 …
    #[arg(long, default_value = "25", value_parser = parse_rate)]
    pub(crate) fps: FrameRate,
    /// Seed of the noise; the same seed gives the same frames
    #[arg(long, default_value_t = 0)]
    pub(crate) seed: u64,
    #[command(flatten)]
    pub(crate) how: HowArgs,
    /// Folder for the frames (frame_000000 …) and take.json
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    /// Write into a folder that is not empty, replacing the frames of an earlier take
    #[arg(long)]
    pub(crate) overwrite: bool,
    /// Format of the frames; EXR holds the same display-referred values as PNG, not linear light
    #[arg(long, value_enum, default_value_t)]
    pub(crate) format: Format,
    /// Say what it would cost, and do not run it
    #[arg(long)]
    pub(crate) estimate: bool,
}

/// In how many steps, and where.
#[derive(clap::Args, Debug)]
pub(crate) struct HowArgs {
    /// Denoising steps, 1 to 200 [default: the model's for this quality]
    #[arg(long)]
    pub(crate) steps: Option<u32>,
    /// Classifier-free guidance, 1 to 30 [default: the model's for this quality]
    #[arg(long)]
    pub(crate) guidance: Option<f32>,
    /// Sides at which the model works, 0.1 to 4 times those it is best at [default: the model's for this quality]
    #[arg(long)]
    pub(crate) scale: Option<f32>,
    /// How much time it may take
    #[arg(long, value_enum, default_value_t)]
    pub(crate) quality: QualityArg,
    /// Where to run
    #[arg(long, value_enum, default_value_t)]
    pub(crate) provider: ProviderArg,
}

impl HowArgs {
    /// The request's settings, with a seed.
    pub(crate) fn settings(&self, seed: u64) -> Settings {
        Settings {
            steps: self.steps,
            guidance: self.guidance,
            seed,
            quality: self.quality.into(),
            scale: self.scale,
        }
    }
}

/// Format of written frames.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// 8 bits
    #[default]
    Png,
    /// 16 bits
    Png16,
    /// Floats
    Exr,
}

/// How much time it may take.
#[derive(Clone, Copy, Debug, Default, ValueEnum)]
pub(crate) enum QualityArg {
    Draft,
    #[default]
    Final,
}

impl From<QualityArg> for Quality {
    fn from(arg: QualityArg) -> Self {
        match arg {
            QualityArg::Draft => Self::Draft,
            QualityArg::Final => Self::Final,
        }
    }
}

/// Where to run.
#[derive(Clone, Copy, Debug, Default, ValueEnum)]
pub(crate) enum ProviderArg {
    #[default]
    Auto,
    Cuda,
    #[value(name = "directml")]
    DirectMl,
    Cpu,
}

impl From<ProviderArg> for ProviderChoice {
    fn from(arg: ProviderArg) -> Self {
        match arg {
            ProviderArg::Auto => Self::Auto,
            ProviderArg::Cuda => Self::Cuda,
            ProviderArg::DirectMl => Self::DirectMl,
            ProviderArg::Cpu => Self::Cpu,
        }
    }
}

/// What is measured.
#[derive(clap::Args, Debug)]
pub(crate) struct BenchArgs {
    /// Model package, by name
    #[arg(default_value = "starter")]
    pub(crate) model: String,
    /// Size of the frames in pixels
    #[arg(long, value_name = "WxH", default_value = "112x64", value_parser = parse_size)]
    pub(crate) size: (u32, u32),
    /// Frames to make
    #[arg(long, value_name = "N", default_value_t = 17)]
    pub(crate) frames: u32,
    #[command(flatten)]
    pub(crate) how: HowArgs,
    /// Runs; the first starts the worker and opens the graphs, the others find them open
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..=100))]
    pub(crate) runs: u16,
}

/// What to do with model packages. MODEL is a name or a package's folder.
#[derive(Debug, Subcommand)]
pub(crate) enum ModelsCommand {
    /// Those that are installed, and those that Pickup is made for
    List,
    /// What a package says of itself
    Info {
        /// Name or folder
        model: String,
    },
    /// Compare every file with its hash, and what each component gives with the package's golden values
    Verify {
        /// Name or folder [default: all]
        model: Option<String>,
        /// Where to run the golden values
        #[arg(long, value_enum, default_value_t)]
        provider: ProviderArg,
    },
    /// Measure what each component of a package holds in memory, by some small runs
    Measure {
        /// Name or folder
        model: String,
        /// Write it into the package's manifest, whose hash changes with it
        #[arg(long)]
        write: bool,
        /// Where to run them; the memory of a GPU is kept beside the processor's
        #[arg(long, value_enum, default_value_t = ProviderArg::Cpu)]
        provider: ProviderArg,
    },
    /// Install a package from its folder; a licence that must be accepted is asked for once
    Add {
        /// The package's folder
        folder: PathBuf,
        /// You have read the package's licence and accept it
        #[arg(long)]
        accept_licence: bool,
    },
}

/// What to do with takes. TAKE is an id or its first digits.
#[derive(Debug, Subcommand)]
pub(crate) enum TakesCommand {
    /// Those that are in the store, last used first
    List,
    /// A take's record
    Show {
        /// Id, or its first digits
        take: String,
    },
    /// Note something for a take, in place of what was noted before; "" for nothing
    Note {
        /// Id, or its first digits
        take: String,
        /// The note: one line of at most 500 letters
        text: String,
    },
    /// Compare every frame with its checksum
    Verify {
        /// Id, or its first digits [default: all]
        take: Option<String>,
        /// Remove those that are damaged
        #[arg(long)]
        remove: bool,
    },
    /// Write a take's frames into a folder
    Export {
        /// Id, or its first digits
        take: String,
        /// Folder for the frames and take.json
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
        /// Write into a folder that is not empty
        #[arg(long)]
        overwrite: bool,
        /// Format of the frames
        #[arg(long, value_enum, default_value_t)]
        format: Format,
    },
    /// Remove what was not used for longest
    Gc {
        /// Room that the store may take: 500MB, 20GB …
        #[arg(long, value_name = "SIZE", default_value = "20GB", value_parser = parse_bytes)]
        limit: u64,
    },
}

fn parse_rate(text: &str) -> Result<FrameRate, String> {
    text.parse().map_err(|error: pickup_core::Error| error.message)
}

fn parse_size(text: &str) -> Result<(u32, u32), String> {
    let bad = || format!("expected a size such as 640x360, got {text:?}");
    let (width, height) = text.split_once(['x', 'X', '×']).ok_or_else(bad)?;
    Ok((width.trim().parse().map_err(|_| bad())?, height.trim().parse().map_err(|_| bad())?))
}

fn parse_percents<const COUNT: usize>(text: &str) -> Result<[f64; COUNT], String> {
    let bad = || format!("expected {COUNT} percentages with commas between, got {text:?}");
    let numbers: Vec<f64> =
        text.split(',').map(|part| part.trim().parse()).collect::<Result<_, _>>().map_err(|_| bad())?;
    numbers.try_into().map_err(|_| bad())
}

fn parse_bytes(text: &str) -> Result<u64, String> {
    let bad = || format!("expected a size such as 500MB or 20GB, got {text:?}");
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let number: f64 = number.parse().map_err(|_| bad())?;
    let scale = match unit.trim().to_ascii_uppercase().as_str() {
        "" | "B" => 1.0,
        "KB" => 1e3,
        "MB" => 1e6,
        "GB" => 1e9,
        "TB" => 1e12,
        _ => return Err(bad()),
    };
    Ok((number * scale) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_grammar_is_sound() {
        <Args as clap::CommandFactory>::command().debug_assert();
    }

    #[test]
    fn percentages_come_in_the_number_that_is_asked_for() {
        assert_eq!(parse_percents::<2>("10, -2.5"), Ok([10.0, -2.5]));
        for bad in ["", "1", "1,2,3", "a,b", "1,,2"] {
            assert!(parse_percents::<2>(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn sizes_and_bytes() {
        assert_eq!(parse_size("640x360"), Ok((640, 360)));
        for bad in ["640", "x", "640x", "-1x5", "640x360x3", "ax5"] {
            assert!(parse_size(bad).is_err(), "{bad}");
        }
        assert_eq!(parse_bytes("20GB"), Ok(20_000_000_000));
        assert_eq!(parse_bytes("1.5 mb"), Ok(1_500_000));
        assert_eq!(parse_bytes("0"), Ok(0));
        for bad in ["", "GB", "1.2.3GB", "20 lightyears", "-1"] {
            assert!(parse_bytes(bad).is_err(), "{bad}");
        }
    }
}
