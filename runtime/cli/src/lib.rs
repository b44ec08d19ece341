//! The command line: generate, fill, extend, estimate, models, takes, bench, doctor.
//!
//! It speaks to the same worker and keeps the same takes as the plugin, and builds its requests of
//! the same numbers: a job that the plugin has run is not run again here, nor the other way round.
//!
//! Results go to stdout, everything else to stderr. On an error two lines say what is wrong and
//! what to do; the exit code is [`ErrorKind::exit_code`](pickup_core::ErrorKind::exit_code).

mod args;
mod command;
mod console;
mod interrupt;
mod memory;
mod output;
mod picture;
mod progress;
mod request;
mod sequence;

use clap::Parser;
use std::process::ExitCode;

use args::{Args, Command};
use console::Console;

/// Runs the command that this process was started with.
pub fn main() -> ExitCode {
    let args = Args::parse();
    log();
    let console = Console::new(args.json);
    match run(&args, &console) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            console.fail(&error);
            ExitCode::from(error.kind.exit_code())
        }
    }
}

fn run(args: &Args, console: &Console) -> pickup_core::Result<()> {
    let store = args.store.as_deref();
    match &args.command {
        Command::Job(job) => command::job::run(job, store, console),
        Command::Estimate { job } => command::job::estimate(job, store, console),
        Command::Models { command } => command::models::run(command, store, console),
        Command::Takes { command } => command::takes::run(command, store, console),
        Command::Bench(args) => command::bench::run(args, console),
        Command::Doctor => command::doctor::run(store, console),
    }
}

/// Diagnostics go to stderr, as much as `PICKUP_LOG` asks for (`debug`, `pickup_client=trace` …).
fn log() {
    let filter = tracing_subscriber::EnvFilter::try_from_env("PICKUP_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("warn"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
}
