//! Whether the graphs of a package are what its manifest says: read from their files, without a runtime.
//!
//! A graph that does not fit would be noticed only deep in a run, where an error can no longer say which file
//! is to blame; one with numbers that are none would make black frames and no error at all.

use std::collections::BTreeMap;
use std::path::Path;

use pickup_core::{Result, TensorKind};
use prost::Message;

use crate::contract::{Contract, Port, Size, contract};
use crate::folder::unreadable;
use crate::onnx::{Model, Value};
use crate::weights::Numbers;
use crate::{GraphKind, Manifest, read};

const CACHE_IN: &str = "cache_in_";
const CACHE_OUT: &str = "cache_out_";

/// Looks at every graph of the package in `dir`, and at all their weights.
///
/// # Errors
/// If a graph cannot be read, is for another operator set, takes or gives something else than the format says,
/// or weights are missing or not numbers. Each names file and field, what was expected and what was found.
pub(crate) fn check(dir: &Path, manifest: &Manifest) -> Result<()> {
    let mut models = BTreeMap::new();
    let mut numbers = Numbers::new(dir, manifest);
    for (kind, path) in manifest.graphs.kinds() {
        let file = File { name: dir.join(path).display().to_string() };
        let text = std::fs::read(dir.join(path)).map_err(|error| unreadable(&dir.join(path), &error))?;
        let model = Model::decode(text.as_slice())
            .map_err(|error| file.wrong(".", format_args!("expected an ONNX model: {error}")))?;
        file.check_opset(&model, manifest.opset)?;
        file.check_ports(&model, &contract(kind, manifest))?;
        numbers.check(path, model.graph.iter().flat_map(|graph| &graph.initializer))?;
        models.insert(kind, (file, model));
    }
    GraphKind::STAGES.into_iter().try_for_each(|(first, next)| check_caches(&models, first, next))
}

/// A graph's file, for errors.
struct File {
    name: String,
}

impl File {
    fn wrong(&self, field: &str, what: impl std::fmt::Display) -> pickup_core::Error {
        read::bad(&self.name, field, &what.to_string())
    }

    fn check_opset(&self, model: &Model, expected: u32) -> Result<()> {
        let own = model.opset_import.iter().filter(|set| ["", "ai.onnx"].contains(&set.domain.as_str()));
        let found: Vec<_> = own.map(|set| set.version).collect();
        if found == [i64::from(expected)] {
            return Ok(());
        }
        let what =
            format_args!("expected {expected}, as `opset` of the manifest says, found {found:?}").to_string();
        Err(self.wrong("opset_import", what))
    }

    fn check_ports(&self, model: &Model, contract: &Contract) -> Result<()> {
        let inputs = inputs(model);
        for port in &contract.inputs {
            let field = format!("inputs.{}", port.name);
            let Some(found) = inputs.iter().find(|value| value.name == port.name) else {
                let what = format!("expected {}, found no such input", describe(port.kind, &port.shape));
                return Err(self.wrong(&field, what));
            };
            self.check_value(&field, found, port)?;
        }
        let known = |name: &str| contract.inputs.iter().any(|port| port.name == name);
        if let Some(other) =
            inputs.iter().find(|value| !known(&value.name) && !value.name.starts_with(CACHE_IN))
        {
            let names: Vec<_> = contract.inputs.iter().map(|port| port.name).collect();
            let what = format!("expected only {} and caches, found one more", names.join(", "));
            return Err(self.wrong(&format!("inputs.{}", other.name), what));
        }
        let result = outputs(model).iter().find(|value| !value.name.starts_with(CACHE_OUT));
        let result = result.ok_or_else(|| self.wrong("outputs", "expected a result, found caches only"))?;
        let port = Port { name: "", kind: TensorKind::Float, shape: contract.result.clone() };
        self.check_value(&format!("outputs.{}", result.name), result, &port)
    }

    fn check_value(&self, field: &str, value: &Value, port: &Port) -> Result<()> {
        let expected = || describe(port.kind, &port.shape);
        let Some((kind, shape)) = value.tensor() else {
            return Err(self.wrong(field, format!("expected {}, found something else", expected())));
        };
        if kind != port.kind || shape.len() != port.shape.len() {
            let found = shape.iter().map(|size| size.map_or(Size::Free, |size| Size::Fixed(size, "")));
            let found = describe(kind, &found.collect::<Vec<_>>());
            return Err(self.wrong(field, format!("expected {}, found {found}", expected())));
        }
        for (axis, (expected, found)) in port.shape.iter().zip(&shape).enumerate() {
            if let (Size::Fixed(expected, because), Some(found)) = (expected, found)
                && expected != found
            {
                let field = format!("{field}.shape[{axis}]");
                return Err(self.wrong(&field, format!("expected {expected} ({because}), found {found}")));
            }
        }
        Ok(())
    }
}

/// What a first graph leaves is what the next one takes and leaves again.
fn check_caches(
    models: &BTreeMap<GraphKind, (File, Model)>,
    first: GraphKind,
    next: GraphKind,
) -> Result<()> {
    let (Some((first_file, first)), Some((next_file, next))) = (models.get(&first), models.get(&next)) else {
        return Ok(());
    };
    if let Some(cache) = inputs(first).iter().find(|value| value.name.starts_with(CACHE_IN)) {
        let what = "expected no cache in the graph of the first frame, found one";
        return Err(first_file.wrong(&format!("inputs.{}", cache.name), what));
    }
    let given = caches(outputs(first), CACHE_OUT);
    for (side, taken) in
        [("inputs", caches(inputs(next), CACHE_IN)), ("outputs", caches(outputs(next), CACHE_OUT))]
    {
        if taken.len() != given.len() || !taken.keys().eq(given.keys()) {
            let what = format!(
                "expected {} caches, as {} gives, found {}",
                given.len(),
                first_file.name,
                taken.len()
            );
            return Err(next_file.wrong(side, what));
        }
        for (key, value) in taken {
            if !fit(value, given[key]) {
                let what = format!("expected the shape that {} gives, found another", first_file.name);
                return Err(next_file.wrong(&format!("{side}: cache {key}"), what));
            }
        }
    }
    Ok(())
}

/// Caches of some values, by what follows `prefix` in their names.
fn caches<'a>(values: &'a [Value], prefix: &str) -> BTreeMap<&'a str, &'a Value> {
    values.iter().filter_map(|value| Some((value.name.strip_prefix(prefix)?, value))).collect()
}

/// Whether two values can be one: the same kind and rank, and no size that both fix differs. Time is left out:
/// the first graph's caches are of one frame where its inputs are.
fn fit(a: &Value, b: &Value) -> bool {
    let (Some((kind_a, a)), Some((kind_b, b))) = (a.tensor(), b.tensor()) else { return false };
    const TIME: usize = 2;
    let sizes = a.iter().zip(&b).enumerate().filter(|(axis, _)| *axis != TIME);
    let apart = |(a, b): (&Option<usize>, &Option<usize>)| a.is_some() && b.is_some() && a != b;
    kind_a == kind_b && a.len() == b.len() && !sizes.map(|(_, pair)| pair).any(apart)
}

fn inputs(model: &Model) -> &[Value] {
    model.graph.as_ref().map_or(&[], |graph| &graph.input)
}

fn outputs(model: &Model) -> &[Value] {
    model.graph.as_ref().map_or(&[], |graph| &graph.output)
}

fn describe(kind: TensorKind, shape: &[Size]) -> String {
    let size = |size: &Size| match size {
        Size::Free => "any".to_owned(),
        Size::Fixed(size, _) => size.to_string(),
    };
    let kind = if kind == TensorKind::Float { "floats" } else { "integers" };
    format!("{kind} of shape [{}]", shape.iter().map(size).collect::<Vec<_>>().join(", "))
}
