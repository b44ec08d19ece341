//! `cargo xtask …`: everything a newcomer, a developer and the continuous integration run.

mod accept;
mod bundle;
mod checks;
mod contact;
mod debian;
mod demo;
mod effect;
mod full;
mod kdenlive;
mod layers;
mod melt;
mod python;
mod reference;
mod runtime;
mod shell;
mod suite;

use anyhow::Result;
use clap::{Parser, Subcommand};

use crate::runtime::Build;

#[derive(Parser)]
#[command(name = "cargo xtask", about = "Pickup's tasks", version)]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Fetch ONNX Runtime's library (exact version and hash) into target/onnxruntime, or target/onnxruntime-cuda.
    Setup {
        /// The build for NVIDIA's GPUs (Linux; its wheel is 250 MB)
        #[arg(long)]
        cuda: bool,
    },
    /// Build in release and lay out target/bundle/Pickup.ofx.bundle.
    Bundle {
        /// With the build of ONNX Runtime for NVIDIA's GPUs (Linux)
        #[arg(long)]
        cuda: bool,
    },
    /// Run the three jobs on real footage and leave frames, contact sheet and table in target/demo.
    Demo,
    /// Measure figures beside their bounds.
    Accept {
        /// Of what
        #[arg(value_enum, default_value_t)]
        part: accept::Part,
        /// Of the models at full size these, by their names in the catalogue [default: all]
        models: Vec<String>,
        /// Leave the packages of the models at full size in target/accept/full
        #[arg(long)]
        keep: bool,
    },
    /// Run the whole test suite; with --reference, make the golden values anew and compare.
    Test {
        /// Fetch another program that loads the plugin, and run the cases for it.
        #[arg(long, conflicts_with = "reference")]
        host: Option<Host>,
        /// Set up PyTorch and diffusers in target/reference-env and check the committed golden values.
        #[arg(long)]
        reference: bool,
    },
    /// Open a host with a window, let it make frames with the plugin, and leave a picture in target/.
    Shot {
        /// Fetch this program and open it
        #[arg(long)]
        host: Window,
        /// With this bundle [default: it is built]
        #[arg(long)]
        bundle: Option<std::path::PathBuf>,
    },
    /// Prove from the manifests that dependencies point one way.
    CheckLayers,
    /// rustfmt, clippy with warnings denied, licences.
    Lint,
}

/// A host that we did not write.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Host {
    /// MLT's command line, from Debian
    Melt,
}

/// A host with a window, that we did not write.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Window {
    /// Kdenlive, from Debian, under a display that nobody sees; needs root
    Kdenlive,
}

fn main() -> Result<()> {
    match Arguments::parse().task {
        Task::Setup { cuda } => {
            let library = Build::with_cuda(cuda).setup()?;
            println!("ONNX Runtime: {}", library.display());
            Ok(())
        }
        Task::Bundle { cuda } => {
            let bundle = bundle::make_with(Build::with_cuda(cuda))?;
            println!("bundle: {}", bundle.display());
            Ok(())
        }
        Task::Demo => demo::run(),
        Task::Accept { part, models, keep } => accept::run(part, &models, keep),
        Task::Test { host: Some(Host::Melt), .. } => melt::test(),
        Task::Test { reference: true, .. } => reference::run(),
        Task::Test { .. } => suite::run(),
        Task::Shot { host: Window::Kdenlive, bundle } => {
            kdenlive::shot(bundle).map(|picture| println!("picture: {}", picture.display()))
        }
        Task::CheckLayers => layers::check(),
        Task::Lint => checks::lint(),
    }
}
