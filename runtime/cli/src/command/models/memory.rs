//! What a package needs in memory, by provider.

use pickup_client::Client;
use pickup_core::{Cancel, Canvas, Error, Provider, ProviderChoice, Request, Result};
use pickup_package::{Manifest, Package, default_search_dirs};
use serde_json::{Value, json};
use std::path::Path;

use crate::command::job::client;
use crate::console::bytes;

/// What a provider needs for the longest pass at the size that the model is best at.
pub(super) struct Need {
    provider: Provider,
    /// Bytes at the peak, as planned, and what for; or why it cannot be told.
    peak: Result<(u64, String)>,
}

impl Need {
    pub(super) fn text(&self) -> String {
        match &self.peak {
            Ok((peak, what)) => format!("{} at the peak, planned for {what}", bytes(*peak)),
            Err(error) => error.message.clone(),
        }
    }

    pub(super) fn label(&self) -> String {
        format!("memory, {}", self.provider.label())
    }

    pub(super) fn object(&self) -> Value {
        match &self.peak {
            Ok((peak, what)) => json!({ "provider": self.provider, "peak_bytes": peak, "planned_for": what }),
            Err(error) => json!({ "provider": self.provider, "error": error }),
        }
    }
}

/// The need of each provider that this system may have. The worker plans it, as it would plan a job.
pub(super) fn needs(package: &Package, store: Option<&Path>) -> Vec<Need> {
    let mut choices = vec![(Provider::Cpu, ProviderChoice::Cpu), (Provider::Cuda, ProviderChoice::Cuda)];
    if cfg!(windows) {
        choices.push((Provider::DirectMl, ProviderChoice::DirectMl));
    }
    let client = client(store);
    choices
        .into_iter()
        .map(|(provider, choice)| Need { provider, peak: planned(package, &client, choice) })
        .collect()
}

fn planned(package: &Package, client: &Client, choice: ProviderChoice) -> Result<(u64, String)> {
    let manifest = package.manifest();
    let found = pickup_package::find(&manifest.name, &default_search_dirs());
    if !found.is_ok_and(|found| found.dir() == package.dir()) {
        return Err(Error::model("told once the package is installed: `pickup models add`."));
    }
    let request = largest(manifest)?;
    let estimate = client.estimate(&request, choice, &Cancel::new())?;
    let frames = estimate.windows.first().copied().unwrap_or_default();
    let what = format!("{}×{}, {frames} frames", estimate.model_width, estimate.model_height);
    Ok((estimate.memory.peak(), what))
}

/// A new shot as long as one pass may be, in a picture of 16:9 with the pixels that the model is best at.
fn largest(manifest: &Manifest) -> Result<Request> {
    let height = (f64::from(manifest.limits.native_pixels) * 9.0 / 16.0).sqrt().round().max(1.0);
    let width = (f64::from(manifest.limits.native_pixels) / height).round().max(1.0);
    let size = (width as u32, height as u32);
    let frames = manifest.limits.max_frames as usize;
    let mut request = Request::new(Canvas::around(size, manifest.frame_rate.native, [], frames, []));
    request.model.clone_from(&manifest.name);
    request.check()?;
    Ok(request)
}
