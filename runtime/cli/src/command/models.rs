//! `models`: packages.

use pickup_core::{Error, Result};
use pickup_package::{Listed, MANIFEST, Manifest, Package, default_search_dirs, install_dir};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

use crate::args::ModelsCommand;
use crate::console::{Console, bytes, table};

/// Runs a command about model packages.
pub(crate) fn run(command: &ModelsCommand, console: &Console) -> Result<()> {
    match command {
        ModelsCommand::List => list(console),
        ModelsCommand::Info { model } => info(model, console),
        ModelsCommand::Verify { model } => verify(model.as_deref(), console),
        ModelsCommand::Add { folder, accept_licence } => add(folder, *accept_licence, console),
    }
}

fn list(console: &Console) -> Result<()> {
    let dirs = default_search_dirs();
    let listed = pickup_package::list(&dirs);
    let object = json!({ "models": listed.iter().map(object).collect::<Vec<_>>(), "searched": dirs });
    console.result(&object, || {
        if listed.is_empty() {
            return format!("no model packages in {}", paths(&dirs));
        }
        let mut rows = vec![["name", "version", "licence", "room", "folder"].map(str::to_owned).to_vec()];
        rows.extend(listed.iter().map(row));
        table(&rows)
    });
    Ok(())
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

fn info(model: &str, console: &Console) -> Result<()> {
    let package = open(model)?;
    let object = json!({ "dir": package.dir(), "hash": package.hash(), "manifest": package.manifest() });
    console.result(&object, || info_text(&package));
    Ok(())
}

fn info_text(package: &Package) -> String {
    let manifest = package.manifest();
    let limits = &manifest.limits;
    let preset =
        |preset: &pickup_package::Preset| format!("{} steps, guidance {}", preset.steps, preset.guidance);
    let row = |name: &str, value: String| vec![name.to_owned(), value];
    table(&[
        row("name", manifest.name.clone()),
        row("title", manifest.title.clone()),
        row("version", manifest.version.clone()),
        row("family", manifest.family.clone()),
        row("licence", manifest.licence.spdx.clone()),
        row("source", format!("{} @ {}", manifest.source.origin, manifest.source.revision)),
        row("frames", format!("{} to {} in one pass", limits.min_frames, limits.max_frames)),
        row("size", format!("up to {} pixels, best at {}", limits.max_pixels, limits.native_pixels)),
        row("frame rate", format!("{} fps", manifest.frame_rate.native)),
        row("draft", preset(&manifest.presets.draft)),
        row("final", preset(&manifest.presets.full)),
        row("continuing", manifest.presets.continuing.as_ref().map_or("as generating".to_owned(), preset)),
        row("room", bytes(package.bytes())),
        row("hash", package.hash().to_owned()),
        row("folder", package.dir().display().to_string()),
    ])
}

fn verify(model: Option<&str>, console: &Console) -> Result<()> {
    let dirs: Vec<PathBuf> = match model {
        Some(model) => vec![folder(model)?],
        None => pickup_package::list(&default_search_dirs()).into_iter().map(|listed| listed.dir).collect(),
    };
    let checked: Vec<_> = dirs.iter().map(|dir| (dir, Package::open_verified(dir, true))).collect();
    let objects: Vec<_> = checked.iter().map(|(dir, package)| verified(dir, package)).collect();
    console.result(&json!({ "packages": objects }), || {
        let line = |(dir, package): &(&PathBuf, Result<Package>)| match package {
            Ok(package) => format!("ok   {}  {}", package.manifest().name, dir.display()),
            Err(error) => format!("BAD  {}", error.message),
        };
        let lines: Vec<_> = checked.iter().map(line).collect();
        format!("{}\n{} packages checked", lines.join("\n"), checked.len())
    });
    checked.into_iter().try_for_each(|(_, package)| package.map(drop))
}

fn verified(dir: &Path, package: &Result<Package>) -> Value {
    match package {
        Ok(package) => json!({ "dir": dir, "name": package.manifest().name, "hash": package.hash() }),
        Err(error) => json!({ "dir": dir, "error": error }),
    }
}

fn add(folder: &Path, accepted: bool, console: &Console) -> Result<()> {
    let package = Package::open(folder)?;
    let licence = &package.manifest().licence;
    if licence.acceptance_required && !accepted {
        return Err(Error::usage(format!(
            "{} is under {}, which has to be accepted first; read {}.",
            package.manifest().name,
            licence.spdx,
            package.path(&licence.file).display()
        ))
        .hint("Then add it with --accept-licence."));
    }
    let installed = pickup_package::add(folder, &install_dir()?)?;
    let name = &installed.manifest().name;
    let object = json!({ "name": name, "dir": installed.dir(), "hash": installed.hash() });
    console.result(&object, || format!("{name} is in {}", installed.dir().display()));
    Ok(())
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
