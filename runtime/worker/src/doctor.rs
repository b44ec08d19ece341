//! What this worker finds on the machine.

use pickup_core::protocol::Finding;
use pickup_core::{Error, Provider, ProviderChoice, Result};
use pickup_engine::cache_dir;
use pickup_onnx::{Gpu, Library, Runtime, system};
use pickup_takes::Store;

/// Looks at everything a job needs; never fails.
pub(crate) fn findings() -> Vec<Finding> {
    let mut findings = Vec::new();
    match Library::find().and_then(|library| Ok((Runtime::load(&library)?, library))) {
        Ok((runtime, library)) => {
            let found = format!("{} in {}", runtime.version(), library.path().display());
            findings.push(good("ONNX Runtime", found));
            findings.extend(providers(&runtime));
        }
        Err(error) => findings.push(bad("ONNX Runtime", &error)),
    }
    findings.push(memory());
    findings.extend(models());
    findings.push(of("Take store", store()));
    findings.push(of("Cache", cache()));
    findings
}

fn providers(runtime: &Runtime) -> Vec<Finding> {
    let mut choices = vec![("CPU", ProviderChoice::Cpu)];
    let mut findings = Vec::new();
    match system::has_nvidia_driver() {
        true => choices.push(("CUDA", ProviderChoice::Cuda)),
        // Nothing is wrong with a machine that has no such GPU.
        false => findings.push(good("CUDA", "not used: this machine has no NVIDIA driver".to_owned())),
    }
    if cfg!(windows) {
        choices.push(("DirectML", ProviderChoice::DirectMl));
    }
    findings.extend(choices.into_iter().map(|(name, choice)| of(name, try_out(runtime, choice))));
    findings
}

fn try_out(runtime: &Runtime, choice: ProviderChoice) -> Result<String> {
    let works = runtime.decide(choice).map(|decision| match (decision.provider, Gpu::current()) {
        (Provider::Cuda, Some(Gpu { name, free, .. })) => {
            format!("a graph ran on it: {name}, {:.1} GB free", free as f64 / 1e9)
        }
        (Provider::Cuda, None) => {
            "a graph ran on it; its driver does not tell how much memory is free".to_owned()
        }
        (Provider::Cpu | Provider::DirectMl, _) => "a graph ran on it".to_owned(),
    });
    works.map_err(|error| {
        error.hint(match choice {
            ProviderChoice::Cuda => {
                "Only for NVIDIA GPUs: needs their driver, the CUDA build of ONNX Runtime (a bundle made by `cargo xtask \
                 bundle --cuda`), and of CUDA 13 the libraries cudart, cublas, cublasLt and curand where the system finds \
                 them, or in folders that PICKUP_LIBRARY_PATH names."
            }
            ProviderChoice::DirectMl => {
                "Only for GPUs on Windows: needs the DirectML build of ONNX Runtime with DirectML.dll beside it."
            }
            _ => "Install Pickup again.",
        })
    })
}

fn memory() -> Finding {
    match system::available_memory() {
        Some(bytes) => good("Memory", format!("{:.1} GB free", bytes as f64 / 1e9)),
        None => good("Memory", "the system does not tell how much is free".to_owned()),
    }
}

fn models() -> Vec<Finding> {
    let folders = pickup_package::default_search_dirs();
    let listed = pickup_package::list(&folders);
    if listed.is_empty() {
        let error = Error::model("no model package was found.")
            .hint("Install one with `pickup models add`, or name its folder in PICKUP_MODELS.");
        return vec![bad("Models", &error)];
    }
    let one = |listed: pickup_package::Listed| {
        let found = listed.manifest.map(|manifest| format!("{} ({})", manifest.name, manifest.title));
        of("Model", found.map(|name| format!("{name} in {}", listed.dir.display())))
    };
    listed.into_iter().map(one).collect()
}

fn store() -> Result<String> {
    let store = Store::open(None)?;
    let usage = store.usage()?;
    tempfile_in(store.root())?;
    Ok(format!("{} takes, {:.1} MB in {}", usage.takes, usage.bytes() as f64 / 1e6, store.root().display()))
}

fn cache() -> Result<String> {
    let folder = cache_dir().ok_or_else(|| {
        Error::storage("the system names no cache folder for this user.")
            .hint("Set PICKUP_CACHE to a folder.")
    })?;
    tempfile_in(&folder)?;
    Ok(folder.display().to_string())
}

/// Whether `folder` can be written to.
fn tempfile_in(folder: &std::path::Path) -> Result<()> {
    let probe = folder.join(format!(".pickup-doctor-{}", std::process::id()));
    let write = || -> std::io::Result<()> {
        std::fs::create_dir_all(folder)?;
        std::fs::write(&probe, b"probe")?;
        std::fs::remove_file(&probe)
    };
    write().map_err(|error| {
        Error::storage(format!("{} cannot be written: {error}.", folder.display()))
            .hint("Allow writing to it, or choose another with PICKUP_STORE or PICKUP_CACHE.")
    })
}

fn of(subject: &str, result: Result<String>) -> Finding {
    match result {
        Ok(found) => good(subject, found),
        Err(error) => bad(subject, &error),
    }
}

fn good(subject: &str, found: String) -> Finding {
    Finding { subject: subject.to_owned(), good: true, found, remedy: String::new() }
}

fn bad(subject: &str, error: &Error) -> Finding {
    Finding {
        subject: subject.to_owned(),
        good: false,
        found: error.message.clone(),
        remedy: error.hint.clone(),
    }
}
