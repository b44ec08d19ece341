//! Which provider runs: decided by committing a session on it and running that session.

use ort::environment::Environment;
use ort::ep::{self, ArenaExtendStrategy, ExecutionProvider, ExecutionProviderDispatch};
use ort::session::{RunOptions, Session};
use ort::value::Tensor;
use pickup_core::{Error, Provider, ProviderChoice, Result};

/// `y = x · [[1, 2], [3, 4]] + [1, 1]` in float32; made by tests/data/make.py.
pub(crate) const PROBE_GRAPH: &[u8] = include_bytes!("../tests/data/probe.onnx");

/// The provider that will run, and what the user must know about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// The provider on which a session was committed and run.
    pub provider: Provider,
    /// What the user must see: which faster providers do not work, and why.
    pub warnings: Vec<String>,
}

/// Tries the providers that `choice` allows, fastest first.
///
/// # Errors
/// If none of them works; for anything but `Auto` that is the one that was asked for.
pub(crate) fn decide(environment: &Environment, choice: ProviderChoice) -> Result<Decision> {
    decide_by(choice, |provider| try_out(environment, provider))
}

fn decide_by(
    choice: ProviderChoice,
    mut try_out: impl FnMut(Provider) -> Result<(), String>,
) -> Result<Decision> {
    let mut reasons = Vec::new();
    for &provider in candidates(choice) {
        match try_out(provider) {
            Ok(()) => return Ok(Decision { provider, warnings: fall_back(provider, &reasons) }),
            Err(reason) => reasons.push(format!("{}: {reason}", provider.label())),
        }
    }
    Err(Error::runtime(format!("cannot run on {}.", reasons.join("; ")))
        .hint("Choose Auto or CPU, or run `pickup doctor` to see what is missing."))
}

fn candidates(choice: ProviderChoice) -> &'static [Provider] {
    match choice {
        ProviderChoice::Auto if cfg!(windows) => &[Provider::Cuda, Provider::DirectMl, Provider::Cpu],
        ProviderChoice::Auto => &[Provider::Cuda, Provider::Cpu],
        ProviderChoice::Cuda => &[Provider::Cuda],
        ProviderChoice::DirectMl => &[Provider::DirectMl],
        ProviderChoice::Cpu => &[Provider::Cpu],
    }
}

fn fall_back(provider: Provider, reasons: &[String]) -> Vec<String> {
    let slow = if provider == Provider::Cpu { ", which is slow" } else { "" };
    let warning = || format!("Running on {}{slow} ({}).", provider.label(), reasons.join("; "));
    if reasons.is_empty() { Vec::new() } else { vec![warning()] }
}

/// The providers to register for sessions on `provider`; a failure to register is an error.
pub(crate) fn registration(provider: Provider) -> Option<ExecutionProviderDispatch> {
    match provider {
        Provider::Cuda => Some(
            // Shapes change between runs: an arena that doubles would hold twice what is needed.
            ep::CUDA::default()
                .with_arena_extend_strategy(ArenaExtendStrategy::SameAsRequested)
                .with_conv_algorithm_search(ep::cuda::ConvAlgorithmSearch::Heuristic)
                // Single precision is asked for where half is too coarse; TF32 keeps 10 bits of 23.
                .with_tf32(false)
                .build()
                .error_on_failure(),
        ),
        Provider::DirectMl => Some(ep::DirectML::default().build().error_on_failure()),
        Provider::Cpu => None,
    }
}

fn is_built_in(provider: Provider) -> ort::Result<bool> {
    match provider {
        Provider::Cuda => ep::CUDA::is_available(),
        Provider::DirectMl => ep::DirectML::is_available(),
        Provider::Cpu => Ok(true),
    }
}

/// Commits and runs the probe graph on `provider`; the reason in a few words if that fails.
fn try_out(environment: &Environment, provider: Provider) -> Result<(), String> {
    if !is_built_in(provider).map_err(short)? {
        return Err("this build of ONNX Runtime does not have it".to_owned());
    }
    let mut builder = Session::builder(environment).map_err(short)?.with_intra_threads(1).map_err(short)?;
    if let Some(registration) = registration(provider) {
        builder = builder.with_execution_providers([registration]).map_err(short)?;
        builder = builder.with_disable_cpu_fallback().map_err(short)?;
    }
    let mut session = builder.commit_from_memory(PROBE_GRAPH).map_err(short)?;
    let result = RunOptions::new().and_then(|options| run_probe(&mut session, &options)).map_err(short)?;
    if result == [8.0, 11.0] { Ok(()) } else { Err(format!("it computes wrongly ({result:?})")) }
}

/// `[1, 2] · [[1, 2], [3, 4]] + [1, 1] = [8, 11]`.
pub(crate) fn run_probe(session: &mut Session, options: &RunOptions) -> ort::Result<Vec<f32>> {
    let x = Tensor::from_array(([1usize, 2], vec![1.0f32, 2.0]))?;
    let outputs = session.run_with_options(ort::inputs!["x" => x], options)?;
    Ok(outputs["y"].try_extract_tensor::<f32>()?.1.to_vec())
}

/// The first line of an error: the rest is for developers, and is logged.
fn short<T>(error: ort::Error<T>) -> String {
    let text = error.to_string();
    tracing::info!("{text}");
    said(&text).to_owned()
}

/// What the first line of `text` says, without the place in ONNX Runtime's sources and the code that may stand before it,
/// as in `/src/x.cc:1 f() [ONNXRuntimeError] : 1 : FAIL : no such library.`
fn said(text: &str) -> &str {
    let line = text.lines().next().unwrap_or_default().trim_end_matches('.');
    let coded = line.split_once("[ONNXRuntimeError] : ");
    coded.and_then(|(_, rest)| rest.splitn(3, " : ").nth(2)).unwrap_or(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decide_where(works: &[Provider], choice: ProviderChoice) -> Result<Decision> {
        decide_by(choice, |provider| if works.contains(&provider) { Ok(()) } else { Err("no driver".into()) })
    }

    #[test]
    fn auto_takes_the_fastest_and_says_what_it_passed_over() {
        let fast = decide_where(&[Provider::Cuda, Provider::Cpu], ProviderChoice::Auto).unwrap();
        assert_eq!(fast, Decision { provider: Provider::Cuda, warnings: vec![] });
        let slow = decide_where(&[Provider::Cpu], ProviderChoice::Auto).unwrap();
        assert_eq!(slow.provider, Provider::Cpu);
        assert!(slow.warnings[0].contains("CUDA: no driver"), "{slow:?}");
    }

    #[test]
    fn errors_are_told_without_the_place_in_the_sources() {
        let text = "/src/x.cc:1 f() [ONNXRuntimeError] : 1 : FAIL : no such library: libx.so: gone.\nstack";
        assert_eq!(said(text), "no such library: libx.so: gone");
        assert_eq!(said("plain words."), "plain words");
        assert_eq!(said("[ONNXRuntimeError] : 1"), "[ONNXRuntimeError] : 1");
    }

    #[test]
    fn a_provider_that_was_asked_for_is_never_replaced() {
        for choice in [ProviderChoice::Cuda, ProviderChoice::DirectMl] {
            let error = decide_where(&[Provider::Cpu], choice).unwrap_err();
            assert!(error.message.contains("no driver"), "{error:?}");
        }
        assert!(decide_where(&[Provider::Cpu], ProviderChoice::Cpu).unwrap().warnings.is_empty());
    }
}
