//! `models`: packages.

mod measure;
mod memory;
mod verify;

use pickup_core::{Error, Result};
use pickup_package::{
    Acceptances, Listed, MANIFEST, Manifest, Package, Supported, catalogue, default_search_dirs, install_dir,
};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::io::IsTerminal;
use std::path::{Path, PathBuf};

use crate::args::ModelsCommand;
use crate::console::{Console, bytes, note, table};

/// Runs a command about model packages.
pub(crate) fn run(command: &ModelsCommand, store: Option<&Path>, console: &Console) -> Result<()> {
    match command {
        ModelsCommand::List => list(console),
        ModelsCommand::Info { model } => info(model, store, console),
        ModelsCommand::Verify { model, provider } => {
            verify::run(model.as_deref(), (*provider).into(), store, console)
        }
        ModelsCommand::Measure { model, write, provider } => {
            measure::run(&folder(model)?, (*provider).into(), *write, store, console)
        }
        ModelsCommand::Add { folder, accept_licence } => add(folder, *accept_licence, console),
    }
}

fn list(console: &Console) -> Result<()> {
    let dirs = default_search_dirs();
    let listed = pickup_package::list(&dirs);
    let is_installed =
        |name: &str| listed.iter().any(|listed| listed.manifest.as_ref().is_ok_and(|m| m.name == name));
    let more: Vec<_> = catalogue()?.into_iter().filter(|model| !is_installed(&model.name)).collect();
    let object = json!({
        "models": listed.iter().map(object).collect::<Vec<_>>(), "searched": dirs,
        "supported": more.iter().map(supported).collect::<Vec<_>>(),
    });
    console.result(&object, || {
        let mut text = match listed.is_empty() {
            true => format!("no model packages in {}", paths(&dirs)),
            false => {
                let heads = ["name", "version", "licence", "room", "folder"].map(str::to_owned).to_vec();
                table(&std::iter::once(heads).chain(listed.iter().map(row)).collect::<Vec<_>>())
            }
        };
        if !more.is_empty() {
            text += "\n\nnot installed:";
        }
        more.iter().for_each(|model| text += &format!("\n\n{}", supported_text(model)));
        text
    });
    Ok(())
}

/// A model of the catalogue, with what follows from its numbers.
fn supported(model: &Supported) -> Value {
    json!({ "model": model, "bytes": model.bytes(), "command": model.export_command() })
}

fn supported_text(model: &Supported) -> String {
    let row = |name: &str, value: String| vec![format!("  {name}"), value];
    let mut rows = vec![
        row("does", model.does.clone()),
        row("licence", format!("{}: {}", model.licence.spdx, model.licence.terms)),
        row("room", format!("about {}", bytes(model.bytes()))),
    ];
    let needs = |memory: &pickup_package::Memory| {
        row("needs", format!("{} GB GPU: {} (computed, not measured)", memory.vram_gb, memory.how))
    };
    rows.extend(model.memory.iter().map(needs));
    rows.push(row("weights", format!("{} on Hugging Face", model.source.origin)));
    rows.push(row("make it", model.export_command()));
    rows.push(row("install it", format!("pickup models add {}", model.name)));
    format!("{} ({})\n{}", model.name, model.title, table(&rows))
}

fn object(listed: &Listed) -> Value {
    match &listed.manifest {
        Ok(manifest) => json!({
            "name": manifest.name, "title": manifest.title, "version": manifest.version, "family": manifest.family,
            "licence": manifest.licence.spdx, "bytes": size(manifest), "dir": listed.dir,
        }),
        Err(error) => json!({ "dir": listed.dir, "error": error }),
    }
}

fn row(listed: &Listed) -> Vec<String> {
    let dir = listed.dir.display().to_string();
    match &listed.manifest {
        Ok(manifest) => vec![
            manifest.name.clone(),
            manifest.version.clone(),
            manifest.licence.spdx.clone(),
            bytes(size(manifest)),
            dir,
        ],
        Err(error) => vec!["(bad)".to_owned(), String::new(), String::new(), String::new(), error.line()],
    }
}

fn info(model: &str, store: Option<&Path>, console: &Console) -> Result<()> {
    let package = open(model)?;
    let needs = memory::needs(&package, store);
    let object = json!({
        "dir": package.dir(), "hash": package.hash(), "manifest": package.manifest(),
        "components": components(package.manifest()),
        "memory": needs.iter().map(memory::Need::object).collect::<Vec<_>>(),
    });
    console.result(&object, || info_text(&package, &needs));
    Ok(())
}

/// Bytes of each component's graphs and weights: of each folder that a graph lies in.
fn components(manifest: &Manifest) -> BTreeMap<String, u64> {
    let folder = |path: &str| path.split_once('/').map(|(folder, _)| folder.to_owned());
    let folders: BTreeSet<_> = manifest.graphs.kinds().filter_map(|(_, path)| folder(path)).collect();
    let mut sums = BTreeMap::new();
    for (path, record) in &manifest.files {
        if let Some(name) = folder(path).filter(|name| folders.contains(name)) {
            *sums.entry(name).or_default() += record.bytes;
        }
    }
    sums
}

/// What a model can be conditioned on, in words.
fn abilities(manifest: &Manifest) -> String {
    let mut words = vec!["text".to_owned()];
    // Written as in the manifest: `clip_start` is read as "clip start".
    words.extend(manifest.conditioning.iter().map(|kind| {
        serde_json::to_value(kind)
            .ok()
            .and_then(|kind| Some(kind.as_str()?.replace('_', " ")))
            .unwrap_or_default()
    }));
    words.join(", ")
}

fn licence(package: &Package) -> String {
    let licence = &package.manifest().licence;
    let terms = if licence.acceptance_required { "has to be accepted" } else { "need not be accepted" };
    format!("{}, {terms}; {}", licence.spdx, package.path(&licence.file).display())
}

fn info_text(package: &Package, needs: &[memory::Need]) -> String {
    let manifest = package.manifest();
    let limits = &manifest.limits;
    let preset =
        |preset: &pickup_package::Preset| format!("{} steps, guidance {}", preset.steps, preset.guidance);
    let row = |name: &str, value: String| vec![name.to_owned(), value];
    let mut rows = vec![
        row("name", manifest.name.clone()),
        row("title", manifest.title.clone()),
        row("version", manifest.version.clone()),
        row("family", manifest.family.clone()),
        row("licence", licence(package)),
        row("source", format!("{} @ {}", manifest.source.origin, manifest.source.revision)),
        row("takes", abilities(manifest)),
        row("frames", format!("{} to {} in one pass", limits.min_frames, limits.max_frames)),
        row("size", format!("up to {} pixels, best at {}", limits.max_pixels, limits.native_pixels)),
        row("frame rate", format!("{} fps", manifest.frame_rate.native)),
        row("draft", preset(&manifest.presets.draft)),
        row("final", preset(&manifest.presets.full)),
        row("continuing", manifest.presets.continuing.as_ref().map_or("as generating".to_owned(), preset)),
        row("room", bytes(package.bytes())),
    ];
    rows.extend(components(manifest).into_iter().map(|(name, sum)| row(&format!("  {name}"), bytes(sum))));
    rows.extend(needs.iter().map(|need| vec![need.label(), need.text()]));
    rows.push(row("hash", package.hash().to_owned()));
    rows.push(row("folder", package.dir().display().to_string()));
    table(&rows)
}

fn add(folder: &Path, accepted: bool, console: &Console) -> Result<()> {
    let package = Package::open(folder)?;
    let install_dir = install_dir()?;
    let mut acceptances = Acceptances::beside(&install_dir)?;
    if acceptances.asks_for(package.manifest()) {
        if !accepted && !asked(&package) {
            return Err(not_accepted(&package));
        }
        acceptances.accept(package.manifest())?;
    }
    let installed = pickup_package::add(folder, &install_dir)?;
    let name = &installed.manifest().name;
    let object = json!({ "name": name, "dir": installed.dir(), "hash": installed.hash() });
    console.result(&object, || format!("{name} is in {}", installed.dir().display()));
    Ok(())
}

/// Asks a person at a terminal whether the licence is accepted; anything but yes is no.
fn asked(package: &Package) -> bool {
    if !std::io::stdin().is_terminal() {
        return false;
    }
    let licence = &package.manifest().licence;
    note(&format!("{} is under {}:", package.manifest().name, licence.spdx));
    note(&format!("  {}", package.path(&licence.file).display()));
    note("Have you read it, and do you accept it? [y/N]");
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer).is_ok()
        && ["y", "yes"].contains(&answer.trim().to_lowercase().as_str())
}

fn not_accepted(package: &Package) -> Error {
    let licence = &package.manifest().licence;
    Error::usage(format!(
        "{} is under {}, which has to be accepted first; read {}.",
        package.manifest().name,
        licence.spdx,
        package.path(&licence.file).display()
    ))
    .hint("Then add it with --accept-licence.")
}

/// A package by its name, or by its folder.
fn open(model: &str) -> Result<Package> {
    Package::open(&folder(model)?)
}

/// The folder of a package. By name it is the first of that name, whether its files are good or not.
fn folder(model: &str) -> Result<PathBuf> {
    let given = Path::new(model);
    if given.join(MANIFEST).is_file() {
        return Ok(given.to_owned());
    }
    let dirs = default_search_dirs();
    let named = |listed: &Listed| listed.manifest.as_ref().is_ok_and(|manifest| manifest.name == model);
    match pickup_package::list(&dirs).into_iter().find(named) {
        Some(listed) => Ok(listed.dir),
        // It says best that there is none.
        None => pickup_package::find(model, &dirs).map(|package| package.dir().to_owned()),
    }
}

fn size(manifest: &Manifest) -> u64 {
    manifest.files.values().map(|file| file.bytes).sum()
}

fn paths(paths: &[PathBuf]) -> String {
    paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ")
}
