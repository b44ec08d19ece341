//! Runs a plan through a bundle; see `README.md`.
//!
//! Exit codes: 0 all as expected, 1 the plan could not run, 3 violations, 4 an unexpected failure.

use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, Result};
use clap::Parser;
use indicatif::{ProgressBar, ProgressStyle};
use pickup_test_host::{Event, Listener, Plan, Report, run_with};

/// Runs a described timeline through an OpenFX bundle and reports what it did.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    /// The plan, a JSON file.
    plan: PathBuf,
    /// Write the report here instead of to standard output.
    #[arg(long)]
    report: Option<PathBuf>,
    /// Show no progress.
    #[arg(long)]
    quiet: bool,
}

fn main() -> ExitCode {
    match work(&Arguments::parse()) {
        Ok(report) => ExitCode::from(report.exit_code()),
        Err(error) => {
            eprintln!("pickup-test-host: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn work(arguments: &Arguments) -> Result<Report> {
    let plan = Plan::read(&arguments.plan)?;
    let report = run_with(&plan, listener(arguments.quiet))?;
    let text = serde_json::to_string_pretty(&report)?;
    match &arguments.report {
        None => println!("{text}"),
        Some(path) => std::fs::write(path, text).with_context(|| format!("writing {}", path.display()))?,
    }
    for failure in &report.failures {
        eprintln!("failed: {failure}");
    }
    for violation in &report.violations {
        eprintln!(
            "violation: {:?} in {}: {} (x{})",
            violation.kind, violation.call, violation.detail, violation.count
        );
    }
    Ok(report)
}

fn listener(quiet: bool) -> Listener {
    if quiet {
        return Arc::new(|_| {});
    }
    if std::io::stderr().is_terminal() { on_terminal() } else { Arc::new(in_lines) }
}

fn on_terminal() -> Listener {
    let bar = ProgressBar::new(1000);
    if let Ok(style) = ProgressStyle::with_template("{bar:40} {percent:>3}% {elapsed} {msg}") {
        bar.set_style(style);
    }
    Arc::new(move |event| match event {
        Event::Step { index, of, step } => {
            bar.set_position(0);
            bar.println(format!("step {}/{of}: {step}", index + 1));
        }
        Event::Progress { fraction } => bar.set_position((fraction * 1000.0) as u64),
        Event::Text { text } => bar.set_message((*text).to_owned()),
        Event::Frame { done, of } => bar.set_position((done * 1000 / of.max(&1)) as u64),
    })
}

fn in_lines(event: &Event<'_>) {
    match event {
        Event::Step { index, of, step } => eprintln!("step {}/{of}: {step}", index + 1),
        Event::Progress { fraction } => eprintln!("  {:.1} %", fraction * 100.0),
        Event::Text { text } => eprintln!("  {text}"),
        Event::Frame { done, of } => eprintln!("  frame {done} of {of}"),
    }
}
