//! Proves from the manifests that dependencies point one way.
//!
//! The table below is the architecture; dev- and build-dependencies count like any other.

use anyhow::{Context, Result, bail};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

use crate::shell;

/// Each crate, and which of ours it may depend on.
const LAYERS: &[(&str, &[&str])] = &[
    ("pickup-convolution", &[]),
    ("pickup-core", &[]),
    ("pickup-takes", &["pickup-core"]),
    ("pickup-client", &["pickup-core", "pickup-takes"]),
    ("pickup-onnx", &["pickup-convolution", "pickup-core"]),
    ("pickup-package", &["pickup-core"]),
    ("pickup-samplers", &["pickup-core"]),
    ("pickup-families", &["pickup-core", "pickup-package", "pickup-samplers"]),
    (
        "pickup-engine",
        &["pickup-core", "pickup-families", "pickup-package", "pickup-samplers", "pickup-takes"],
    ),
    (
        "pickup-worker",
        &["pickup-core", "pickup-engine", "pickup-families", "pickup-onnx", "pickup-package", "pickup-takes"],
    ),
    ("pickup-cli", &["pickup-client", "pickup-core", "pickup-package", "pickup-takes"]),
    ("pickup-ofx", &[]),
    ("pickup-plugin", &["pickup-client", "pickup-core", "pickup-ofx", "pickup-takes"]),
    // The test host must stay ignorant of the plugin, or it would prove nothing.
    ("pickup-test-host", &[]),
    ("pickup-e2e", &["pickup-test-host"]),
    (
        "pickup-parity",
        &[
            "pickup-core",
            "pickup-engine",
            "pickup-families",
            "pickup-onnx",
            "pickup-package",
            "pickup-samplers",
        ],
    ),
    ("xtask", &[]),
];

/// Crates of others that only these of ours may name.
const FENCED: &[(&str, &[&str])] = &[
    ("ort", &["pickup-onnx"]),
    ("openfx", &["pickup-ofx", "pickup-test-host"]),
    ("tokenizers", &["pickup-engine", "pickup-families"]),
];

/// What must not be reachable from the plugin at all: it lives in the host's process.
const NEVER_IN_THE_HOST: &[&str] = &["ort", "ort-sys", "tokenizers", "pickup-onnx", "pickup-engine"];

/// Runs the check over this workspace.
pub fn check() -> Result<()> {
    let text = shell::output(&mut shell::cargo(&["metadata", "--format-version", "1", "--locked"]))?;
    let faults = faults(&serde_json::from_str(&text)?)?;
    if !faults.is_empty() {
        bail!("dependencies point the wrong way:\n  {}", faults.join("\n  "));
    }
    println!("layers: {} crates, every dependency points the right way", LAYERS.len());
    Ok(())
}

/// Every violation that `metadata` (of `cargo metadata`) shows.
fn faults(metadata: &Value) -> Result<Vec<String>> {
    let direct = direct_dependencies(metadata)?;
    let mut faults = Vec::new();
    for (name, dependencies) in &direct {
        let Some((_, allowed)) = LAYERS.iter().find(|(layer, _)| layer == name) else {
            faults.push(format!("{name} is not in the table of layers"));
            continue;
        };
        for dependency in dependencies {
            if direct.contains_key(dependency) && !allowed.contains(&dependency.as_str()) {
                faults.push(format!("{name} may not depend on {dependency}"));
            }
            if FENCED.iter().any(|(fenced, by)| fenced == dependency && !by.contains(&name.as_str())) {
                faults.push(format!("{name} may not use the crate {dependency}"));
            }
        }
    }
    let reachable = reachable(metadata, "pickup-plugin")?;
    let inside = NEVER_IN_THE_HOST.iter().filter(|name| reachable.contains(**name));
    faults
        .extend(inside.map(|name| format!("pickup-plugin reaches {name}, which must stay out of the host")));
    Ok(faults)
}

/// Names of what each member's manifest lists, whatever the kind.
fn direct_dependencies(metadata: &Value) -> Result<BTreeMap<String, BTreeSet<String>>> {
    let members: BTreeSet<_> =
        list(metadata, "workspace_members")?.iter().filter_map(Value::as_str).collect();
    let packages = list(metadata, "packages")?.iter();
    let ours = packages.filter(|package| package["id"].as_str().is_some_and(|id| members.contains(id)));
    ours.map(|package| {
        let names = list(package, "dependencies")?.iter().filter_map(|one| one["name"].as_str());
        Ok((text(package, "name")?, names.map(str::to_owned).collect()))
    })
    .collect()
}

/// Names of every package that `from` reaches by ordinary dependencies.
fn reachable(metadata: &Value, from: &str) -> Result<BTreeSet<String>> {
    let mut names = BTreeMap::new();
    for package in list(metadata, "packages")? {
        names.insert(text(package, "id")?, text(package, "name")?);
    }
    let nodes: BTreeMap<_, _> = list(&metadata["resolve"], "nodes")?
        .iter()
        .filter_map(|node| Some((node["id"].as_str()?, node)))
        .collect();
    let mut open: Vec<&str> =
        names.iter().filter(|(_, name)| *name == from).map(|(id, _)| id.as_str()).collect();
    let mut seen = BTreeSet::new();
    while let Some(id) = open.pop() {
        if !seen.insert(id) {
            continue;
        }
        let Some(node) = nodes.get(id) else { continue };
        let normal = list(node, "deps")?.iter().filter(|dependency| is_normal(dependency));
        open.extend(normal.filter_map(|dependency| dependency["pkg"].as_str()));
    }
    Ok(seen.iter().filter_map(|id| names.get(*id).cloned()).collect())
}

fn is_normal(dependency: &Value) -> bool {
    dependency["dep_kinds"].as_array().is_none_or(|kinds| kinds.iter().any(|kind| kind["kind"].is_null()))
}

fn list<'a>(value: &'a Value, key: &str) -> Result<&'a Vec<Value>> {
    value[key].as_array().with_context(|| format!("cargo metadata has no list {key}"))
}

fn text(value: &Value, key: &str) -> Result<String> {
    value[key].as_str().map(str::to_owned).with_context(|| format!("cargo metadata has no text {key}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// A workspace of the given crates, each with the names it depends on.
    fn workspace(crates: &[(&str, &[&str])]) -> Value {
        let names: BTreeSet<&str> =
            crates.iter().flat_map(|(name, needs)| needs.iter().copied().chain([*name])).collect();
        let needs =
            |name: &str| crates.iter().find(|(one, _)| *one == name).map_or(&[][..], |(_, needs)| needs);
        let package = |name: &&str| {
            let dependencies: Vec<_> =
                needs(name).iter().map(|need| json!({"name": need, "kind": "dev"})).collect();
            json!({"id": name, "name": name, "dependencies": dependencies})
        };
        let node = |name: &&str| {
            let deps: Vec<_> =
                needs(name).iter().map(|need| json!({"pkg": need, "dep_kinds": [{"kind": null}]})).collect();
            json!({"id": name, "deps": deps})
        };
        json!({
            "workspace_members": crates.iter().map(|(name, _)| name).collect::<Vec<_>>(),
            "packages": names.iter().map(package).collect::<Vec<_>>(),
            "resolve": {"nodes": names.iter().map(node).collect::<Vec<_>>()},
        })
    }

    #[test]
    fn what_the_table_allows_passes() {
        let good = workspace(&[
            ("pickup-core", &[]),
            ("pickup-client", &["pickup-core"]),
            ("pickup-onnx", &["ort"]),
        ]);
        assert_eq!(faults(&good).unwrap(), Vec::<String>::new());
    }

    #[test]
    fn each_kind_of_fault_is_named() {
        let turned = workspace(&[("pickup-core", &["pickup-client"]), ("pickup-client", &[])]);
        assert_eq!(faults(&turned).unwrap(), ["pickup-core may not depend on pickup-client"]);
        let fenced = workspace(&[("pickup-engine", &["ort"])]);
        assert_eq!(faults(&fenced).unwrap(), ["pickup-engine may not use the crate ort"]);
        let unknown = workspace(&[("pickup-new", &[])]);
        assert_eq!(faults(&unknown).unwrap(), ["pickup-new is not in the table of layers"]);
        let through = workspace(&[("pickup-plugin", &["a"]), ("a", &["ort"])]);
        let through = faults(&through).unwrap();
        assert!(through.iter().any(|fault| fault.contains("reaches ort")), "{through:?}");
    }

    #[test]
    fn this_workspace_holds() {
        check().unwrap();
    }
}
