//! `generate`, `fill`, `extend`, and what they would cost.

use pickup_client::{Client, ClientOptions, Finished};
use pickup_core::protocol::Estimate;
use pickup_core::{Error, ProviderChoice, Request, Result};
use pickup_takes::Take;
use serde::Serialize;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use crate::args::JobCommand;
use crate::console::Console;
use crate::interrupt::Interrupt;
use crate::memory;
use crate::output::Output;
use crate::progress::Display;
use crate::request;

/// Runs a job and writes its frames.
pub(crate) fn run(job: &JobCommand, store: Option<&Path>, console: &Console) -> Result<()> {
    let options = job.options();
    if options.estimate {
        return estimate(job, store, console);
    }
    let out = options.out.as_deref().ok_or_else(|| {
        Error::usage("expected a folder for the frames, got none.").hint("Add --out DIR, or --estimate.")
    })?;
    // Before anything is made that would have to be taken away again.
    let interrupt = Interrupt::listen()?;
    let output = Output::prepare(out, options.format, options.overwrite)?;
    let client = client(store);
    let request = request::build(job, client.store()?, &interrupt.cancel)?;
    let finished = generate(&client, &request, options.how.provider.into(), &interrupt)?;
    let take = client.store()?.open_take(&finished.take)?;
    interrupt.cancel.check()?;
    let files = output.write(&take)?;
    let done = Done::new(&finished, &take, out, files);
    console.result(&done, || done.text());
    Ok(())
}

/// Says what a job would cost.
pub(crate) fn estimate(job: &JobCommand, store: Option<&Path>, console: &Console) -> Result<()> {
    let interrupt = Interrupt::listen()?;
    let client = client(store);
    let request = request::build(job, client.store()?, &interrupt.cancel)?;
    let estimate = client.estimate(&request, job.options().how.provider.into(), &interrupt.cancel)?;
    console.result(&estimate, || estimate_text(&estimate));
    Ok(())
}

/// A client of the worker beside this executable.
pub(crate) fn client(store: Option<&Path>) -> Client {
    client_with(store, &[])
}

/// The same, whose worker finds these variables in its environment.
pub(crate) fn client_with(store: Option<&Path>, environment: &[(&str, &str)]) -> Client {
    let environment = environment.iter().map(|(name, value)| (name.into(), value.into())).collect();
    Client::new(ClientOptions { store: store.map(Path::to_owned), environment, ..ClientOptions::default() })
}

/// Runs a request, shows its progress, and lets a second interrupt end it at once.
pub(crate) fn generate(
    client: &Client,
    request: &Request,
    provider: ProviderChoice,
    interrupt: &Interrupt,
) -> Result<Finished> {
    let mut display = Display::new();
    let finished = client.run(request, provider, &interrupt.cancel, &mut |event| {
        if interrupt.is_urgent() {
            client.hurry();
        }
        if let Some(event) = &event {
            display.show(event);
        }
        ControlFlow::Continue(())
    });
    display.finish();
    finished
}

/// The result of a job, as it is printed.
#[derive(Serialize)]
struct Done<'a> {
    take: String,
    reused: bool,
    provider: pickup_core::Provider,
    width: u32,
    height: u32,
    frames: u32,
    seconds: f64,
    warnings: &'a [String],
    out: &'a Path,
    files: Vec<PathBuf>,
    record: &'a pickup_core::TakeRecord,
}

impl<'a> Done<'a> {
    fn new(finished: &'a Finished, take: &'a Take, out: &'a Path, files: Vec<PathBuf>) -> Self {
        Self {
            take: finished.take.to_string(),
            reused: finished.reused,
            provider: finished.provider,
            width: take.width(),
            height: take.height(),
            frames: take.frame_count(),
            seconds: finished.seconds,
            warnings: &finished.warnings,
            out,
            files,
            record: take.record(),
        }
    }

    fn text(&self) -> String {
        let how = if self.reused {
            "was there already".to_owned()
        } else {
            format!("made in {:.1} s on {}", self.seconds, self.provider.label())
        };
        format!(
            "{}: {} frames of {}×{}, take {} {how}",
            self.out.display(),
            self.frames,
            self.width,
            self.height,
            &self.take[..8]
        )
    }
}

fn estimate_text(estimate: &Estimate) -> String {
    let time = match (estimate.exists, estimate.seconds) {
        (true, _) => "none: the take is there already".to_owned(),
        (false, Some(seconds)) => format!("{seconds:.0} s"),
        (false, None) => "unknown until this model has run once".to_owned(),
    };
    let frames: Vec<_> = estimate.windows.iter().map(u32::to_string).collect();
    format!(
        "time      {time}\nprovider  {}\nmodel     {}×{}, {} frames, {} steps\ntake      {}\n\n{}",
        estimate.provider.label(),
        estimate.model_width,
        estimate.model_height,
        frames.join(" + "),
        estimate.steps,
        estimate.take,
        memory::text(&estimate.memory, None)
    )
}
