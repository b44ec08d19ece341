//! `pickup-worker`: the engine behind a protocol on stdin and stdout.
//!
//! It is started by the plugin or the command line as a child process, and everything that can go
//! wrong inside inference goes wrong here: the parent sees the end of a pipe. Messages are those of
//! [`pickup_core::protocol`]; nothing else ever reaches the parent's end of stdout, and logs go to stderr.
//!
//! It ends when stdin ends, at once and whatever it is doing; on `Shutdown`; or after being idle for
//! `PICKUP_IDLE_SECONDS` (120), which gives its memory back. `RUST_LOG` chooses what is logged.

mod connect;
mod doctor;
mod fault;
mod inspect;
mod job;
mod measure;
mod output;
mod serve;
mod verify;

use std::process::ExitCode;

/// Exit code for an argument that is not known; as the command line's own.
const USAGE: u8 = 2;

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => serve(),
        ["--version"] => {
            println!("pickup-worker {}", env!("CARGO_PKG_VERSION"));
            ExitCode::SUCCESS
        }
        _ => {
            eprintln!("pickup-worker is started by Pickup itself. Its only option is --version.");
            ExitCode::from(USAGE)
        }
    }
}

fn serve() -> ExitCode {
    pickup_onnx::system::restrict_library_search();
    log_to_stderr();
    match serve::serve() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

fn log_to_stderr() {
    use tracing_subscriber::EnvFilter;
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(false).init();
}
