//! `bench`: where the time and the memory of a model go on this machine.

use pickup_core::protocol::{Estimate, Inspection, Placement};
use pickup_core::{Canvas, Error, FrameRate, NodeCount, PhaseBytes, Provider, Request, Result, TakeRecord};
use serde::Serialize;
use std::ops::ControlFlow;

use super::job::{client_with, generate};
use crate::args::BenchArgs;
use crate::console::{Console, table};
use crate::interrupt::Interrupt;
use crate::memory;

/// Makes ONNX Runtime's CUDA provider print which kernel each attention runs.
const TELL_KERNELS: (&str, &str) = ("ORT_ENABLE_ATTENTION_KERNEL_DEBUG_INFO", "1");

const PROMPT: &str = "a red circle moving left slowly on a dark background, camera still";

/// One measured run.
#[derive(Debug, Serialize)]
struct Run {
    /// From the request to the take, starting the worker included where it was not running.
    seconds: f64,
    /// Seconds of one denoising step of one window, both passes of guidance included.
    per_step: f64,
    record: TakeRecord,
}

/// What a bench prints.
#[derive(Debug, Serialize)]
struct Bench {
    estimate: Estimate,
    runs: Vec<Run>,
    inspection: Inspection,
}

/// Runs the model several times with other seeds, in a store of its own, and prints where time and memory went, and what
/// ran where.
pub(crate) fn run(args: &BenchArgs, console: &Console) -> Result<()> {
    let interrupt = Interrupt::listen()?;
    let store = tempfile::tempdir()
        .map_err(|error| Error::storage(format!("no folder for the takes of a bench: {error}.")))?;
    let client = client_with(Some(store.path()), &[TELL_KERNELS]);
    let provider = args.how.provider.into();
    let estimate = client.estimate(&request(args, 0)?, provider, &interrupt.cancel)?;
    let mut runs = Vec::new();
    for seed in 0..u64::from(args.runs) {
        let finished = generate(&client, &request(args, seed)?, provider, &interrupt)?;
        let record = client.store()?.open_take(&finished.take)?.record().clone();
        let steps = f64::from(record.steps.max(1)) * record.windows.len().max(1) as f64;
        runs.push(Run { seconds: finished.seconds, per_step: record.timing.denoise / steps, record });
    }
    let package = pickup_package::find(&args.model, &pickup_package::default_search_dirs())?;
    let inspection = client.inspect(package.dir(), provider, &interrupt.cancel, &mut |_| {
        if interrupt.is_urgent() {
            client.hurry();
        }
        ControlFlow::Continue(())
    })?;
    let bench = Bench { estimate, runs, inspection };
    console.result(&bench, || bench.text());
    Ok(())
}

/// A new shot of the size, length and steps that were asked for.
fn request(args: &BenchArgs, seed: u64) -> Result<Request> {
    let mut request =
        Request::new(Canvas::around(args.size, FrameRate::new(25, 1)?, [], args.frames as usize, []));
    request.prompt = PROMPT.to_owned();
    request.model.clone_from(&args.model);
    request.settings = args.how.settings(seed);
    request.settings.scale = args.how.scale.or(scale(args)?);
    request.check()?;
    Ok(request)
}

/// The scale at which the model works at the size that was asked for.
fn scale(args: &BenchArgs) -> Result<Option<f32>> {
    let package = pickup_package::find(&args.model, &pickup_package::default_search_dirs())?;
    let native = f64::from(package.manifest().limits.native_pixels);
    let asked = f64::from(args.size.0) * f64::from(args.size.1);
    Ok(Some((asked / native).sqrt().clamp(0.1, 4.0) as f32))
}

impl Bench {
    fn text(&self) -> String {
        let Some(last) = self.runs.last() else { return String::new() };
        let record = &last.record;
        let windows: Vec<_> = record.windows.iter().map(u32::to_string).collect();
        let head = format!(
            "{}: {}×{}, {} frames, {} steps, guidance {}, {} with ONNX Runtime {}",
            record.request.model,
            record.model_width,
            record.model_height,
            windows.join(" + "),
            record.steps,
            record.guidance,
            record.provider.label(),
            record.runtime
        );
        let mut memory = memory::text(&self.estimate.memory, Some(self.held()));
        if record.provider != Provider::Cpu {
            memory += " This is the GPU's memory.";
        }
        format!("{head}\n\n{}\n\n{memory}\n\n{}", self.times(), nodes(&self.inspection, record.provider))
    }

    /// Bytes at the peak of each phase in the first run, which opens the graphs.
    fn held(&self) -> PhaseBytes {
        self.runs.first().map(|run| run.record.phase_memory).unwrap_or_default()
    }

    /// Seconds of each phase, a column per run: the first starts the worker and opens the graphs.
    fn times(&self) -> String {
        let numbers = |name: &str, of: &dyn Fn(&Run) -> f64| {
            std::iter::once(name.to_owned())
                .chain(self.runs.iter().map(|run| format!("{:.3}", of(run))))
                .collect()
        };
        let heads = (1..=self.runs.len()).map(|run| format!("run {run}"));
        let heads = std::iter::once("seconds".to_owned()).chain(heads).collect();
        table(&[
            heads,
            numbers("load", &|run| run.record.timing.load),
            numbers("text", &|run| run.record.timing.text),
            numbers("encode", &|run| run.record.timing.encode),
            numbers("denoise", &|run| run.record.timing.denoise),
            numbers("  per step", &|run| run.per_step),
            numbers("decode", &|run| run.record.timing.decode),
            numbers("join", &|run| run.record.timing.join),
            numbers("store", &|run| run.record.timing.store),
            numbers("in all", &|run| run.seconds),
        ])
    }
}

/// Nodes of each graph on each provider, and the kernels of attention.
fn nodes(inspection: &Inspection, provider: Provider) -> String {
    let counts = || inspection.graphs.iter().flat_map(|graph| &graph.counts);
    let used = Provider::ALL.into_iter().filter(|&provider| counts().any(|count| count.provider == provider));
    let used: Vec<_> = used.collect();
    let heads = std::iter::once("nodes").chain(used.iter().map(|provider| provider.label()));
    let heads = heads.chain(["fused attention"]).map(str::to_owned).collect();
    let row = |graph: &Placement| {
        let on = |provider: &Provider| graph.counts.iter().find(|count| count.provider == *provider);
        let number = |provider| on(provider).map_or("-".to_owned(), |count| count.nodes().to_string());
        let attention: u32 = graph.counts.iter().map(NodeCount::attention).sum();
        let cells = used.iter().map(number).chain([attention.to_string()]);
        std::iter::once(graph.graph.clone()).chain(cells).collect()
    };
    let rows: Vec<_> = std::iter::once(heads).chain(inspection.graphs.iter().map(row)).collect();
    format!("{}\nattention kernel: {}", table(&rows), kernels(inspection, provider))
}

fn kernels(inspection: &Inspection, provider: Provider) -> String {
    let each = inspection.kernels.iter().map(|(kernel, runs)| format!("{kernel} ({runs} times)"));
    let told: Vec<_> = each.collect();
    match provider {
        _ if !told.is_empty() => told.join(", "),
        Provider::Cpu => "the processor's only one".to_owned(),
        Provider::Cuda | Provider::DirectMl => "not told".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_are_told_for_each_provider_that_runs_some() {
        let count = |provider, nodes: u32, attention: u32| {
            let operators = [("Add", nodes - attention), ("MultiHeadAttention", attention)];
            let operators = operators.map(|(operator, count)| (operator.to_owned(), count)).into();
            NodeCount { provider, operators }
        };
        let graph = |name: &str, counts| Placement { graph: name.to_owned(), counts };
        let split = vec![count(Provider::Cuda, 40, 6), count(Provider::Cpu, 2, 0)];
        let mut inspection = Inspection {
            graphs: vec![
                graph("transformer", split),
                graph("vae_enc_first", vec![count(Provider::Cuda, 9, 0)]),
            ],
            kernels: [("FLASH_ATTENTION".to_owned(), 12)].into(),
        };
        let text = nodes(&inspection, Provider::Cuda);
        let rows: Vec<Vec<&str>> = text.lines().map(|line| line.split_whitespace().collect()).collect();
        assert_eq!(rows[0], ["nodes", "CUDA", "CPU", "fused", "attention"]);
        assert_eq!(rows[1], ["transformer", "40", "2", "6"]);
        assert_eq!(rows[2], ["vae_enc_first", "9", "-", "0"]);
        assert!(text.ends_with("attention kernel: FLASH_ATTENTION (12 times)"), "{text}");
        inspection.kernels.clear();
        assert!(nodes(&inspection, Provider::Cuda).ends_with("not told"));
    }
}
