//! `models measure`: what each component holds in memory, for the package's manifest.

use pickup_core::{Error, Provider, ProviderChoice, Result};
use pickup_package::{Demand, Demands, MANIFEST, Manifest, Package};
use serde::Serialize;
use serde_json::json;
use std::ops::ControlFlow;
use std::path::Path;

use crate::command::job::client;
use crate::console::{Console, bytes, table};
use crate::interrupt::Interrupt;
use crate::progress::Display;

/// Measures the package in `folder` on the provider of `choice` and, if it is to `write`, puts what was found into its manifest.
pub(crate) fn run(
    folder: &Path,
    choice: ProviderChoice,
    write: bool,
    store: Option<&Path>,
    console: &Console,
) -> Result<()> {
    let package = Package::open(folder)?;
    let (interrupt, client) = (Interrupt::listen()?, client(store));
    let mut display = Display::new();
    let answer = client.measure(folder, choice, &interrupt.cancel, &mut |event| {
        if interrupt.is_urgent() {
            client.hurry();
        }
        event.iter().for_each(|event| display.show(event));
        ControlFlow::Continue(())
    });
    display.finish();
    let (answer, provider) = answer?;
    let demands: Demands = serde_json::from_value(answer)
        .map_err(|error| Error::runtime(format!("the worker's measurement makes no sense: {error}.")))?;
    if write {
        let mut manifest = package.manifest().clone();
        *field(&mut manifest, provider) = Some(demands.clone());
        put(&manifest, &folder.join(MANIFEST))?;
    }
    let name = &package.manifest().name;
    let object = json!({ "name": name, "provider": provider, "memory": demands, "written": write });
    console.result(&object, || text(&demands));
    Ok(())
}

/// Where a manifest keeps what was measured on `provider`.
fn field(manifest: &mut Manifest, provider: Provider) -> &mut Option<Demands> {
    match provider {
        Provider::Cpu => &mut manifest.memory,
        Provider::Cuda | Provider::DirectMl => &mut manifest.gpu_memory,
    }
}

/// Writes `manifest` as the exporter does, whole or not at all.
fn put(manifest: &Manifest, file: &Path) -> Result<()> {
    let failed = |error: &dyn std::fmt::Display| {
        Error::storage(format!("{} could not be written: {error}.", file.display()))
    };
    let mut text = Vec::new();
    let indented = serde_json::ser::PrettyFormatter::with_indent(b" ");
    manifest
        .serialize(&mut serde_json::Serializer::with_formatter(&mut text, indented))
        .map_err(|error| failed(&error))?;
    text.push(b'\n');
    let aside = file.with_extension("json.new");
    std::fs::write(&aside, text).and_then(|()| std::fs::rename(&aside, file)).map_err(|error| failed(&error))
}

fn text(demands: &Demands) -> String {
    let heads = ["component", "at least", "running", "more for each number", "kept for each pixel"]
        .map(str::to_owned);
    let row = |(component, demand): (pickup_package::Component, &Demand)| {
        let number = |value: f64| if value > 0.0 { format!("{value:.1} B") } else { "-".to_owned() };
        let least = if demand.least > 0 { bytes(demand.least) } else { "-".to_owned() };
        let running = bytes(demand.resident);
        vec![component.field().to_owned(), least, running, number(demand.each), number(demand.kept)]
    };
    let rows: Vec<_> = std::iter::once(heads.to_vec()).chain(demands.entries().map(row)).collect();
    table(&rows)
}
