//! Graphs in half precision, as the processor runs them: it computes in single precision.
//!
//! ONNX Runtime itself puts a node before each product that widens its weights. Those nodes come last in the graph, and
//! it orders a run by a search from the graph's end that goes into the latest node first (`Graph::ReverseDFSFrom`): all
//! weights are widened before the first product, and a transformer of 4 GB holds 7 GB more. Nodes that stand first in
//! the graph run when their product does.
//!
//! It has no `Gelu` in half precision either, and spells each out in ten nodes, which takes longer to open and to run.

use prost::Message;
use std::collections::BTreeSet;

use crate::proto::{Field, Node, Value, Weights, field, fields, kind, put, with_graph};

/// Numbers in weights that are worth it; smaller ones hold nothing to speak of.
const LARGE: i64 = 1 << 18;

/// The node in single precision, between two casts. The weights of a product are widened already.
fn between_casts(node: Node) -> [Node; 3] {
    let [given, made] = ["given", "made"].map(|what| format!("{}/{what}", node.output[0]));
    let before = Node::cast(&node.input[0], &given, kind::FLOAT);
    let after = Node::cast(&made, &node.output[0], kind::HALF);
    let input = std::iter::once(given).chain(node.input[1..].iter().map(|weights| single(weights))).collect();
    [before, Node { input, output: vec![made], ..node }, after]
}

fn single(weights: &str) -> String {
    format!("{weights}/single")
}

/// The model in the bytes `model` with its products with large weights in half precision widened; `None` if it has none, or
/// is no model.
pub(crate) fn widened(model: &[u8]) -> Option<Vec<u8>> {
    with_graph(model, graph)
}

/// Whether the model in the bytes `model` has large weights in half precision.
pub(crate) fn has_half_weights(model: &[u8]) -> bool {
    let graphs = fields(model).into_iter().flatten().filter(|part| part.number == field::MODEL_GRAPH);
    let mut large = graphs.filter_map(|graph| large_weights(&fields(graph.content)?));
    large.any(|weights| !weights.is_empty())
}

/// The graph with its products widened; `None` if there are none.
fn graph(bytes: &[u8]) -> Option<Vec<u8>> {
    let fields = fields(bytes)?;
    let (large, half) = (large_weights(&fields)?, half_values(&fields)?);
    let (mut used, mut rest) = (BTreeSet::new(), Vec::with_capacity(bytes.len()));
    for part in &fields {
        match node_to_widen(part, &large, &half)? {
            Some(node) => {
                used.extend(node.input.get(1).cloned());
                between_casts(node)
                    .iter()
                    .for_each(|node| put(&mut rest, field::GRAPH_NODE, &node.encode_to_vec()));
            }
            None => rest.extend_from_slice(part.whole),
        }
    }
    let mut out = Vec::with_capacity(bytes.len());
    for weights in &used {
        put(&mut out, field::GRAPH_NODE, &Node::cast(weights, &single(weights), kind::FLOAT).encode_to_vec());
    }
    out.extend(rest);
    (!used.is_empty()).then_some(out)
}

/// Names of the large weights in half precision.
fn large_weights(fields: &[Field<'_>]) -> Option<BTreeSet<String>> {
    let mut large = BTreeSet::new();
    for part in fields.iter().filter(|part| part.number == field::GRAPH_INITIALIZER) {
        let weights = Weights::decode(part.content).ok()?;
        let count = weights.dims.iter().fold(1, |count: i64, &size| count.saturating_mul(size));
        if i64::from(weights.element) == kind::HALF && count >= LARGE {
            large.insert(weights.name);
        }
    }
    Some(large)
}

/// Names of the values in half precision between nodes, as far as the graph tells them.
fn half_values(fields: &[Field<'_>]) -> Option<BTreeSet<String>> {
    let mut half = BTreeSet::new();
    for part in fields.iter().filter(|part| part.number == field::GRAPH_VALUE) {
        let value = Value::decode(part.content).ok()?;
        let tensor = value.kind.and_then(|kind| kind.tensor);
        if tensor.is_some_and(|tensor| i64::from(tensor.element) == kind::HALF) {
            half.insert(value.name);
        }
    }
    Some(half)
}

/// The node in `part`, if it multiplies something by one of the `large` weights, or is a `Gelu` of one of the values in `half`.
fn node_to_widen(
    part: &Field<'_>,
    large: &BTreeSet<String>,
    half: &BTreeSet<String>,
) -> Option<Option<Node>> {
    if part.number != field::GRAPH_NODE {
        return Some(None);
    }
    let node = Node::decode(part.content).ok()?;
    let widens = match (node.operator.as_str(), node.input.as_slice(), node.output.len()) {
        ("MatMul", [_, weights], 1) => large.contains(weights),
        ("Gelu", [value], 1) => half.contains(value),
        _ => false,
    };
    Some(widens.then_some(node))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Library, Runtime, system};
    use half::f16;
    use ndarray::Array2;
    use pickup_core::{Cancel, Graph as _, Provider, Tensor};
    use prost::encoding::{WireType, encode_key, encode_varint};
    use std::path::Path;

    /// Width of the products, and how many there are.
    const WIDTH: usize = 2048;
    const COUNT: usize = 24;

    fn text(out: &mut Vec<u8>, number: u32, text: &str) {
        put(out, number, text.as_bytes());
    }

    fn number(out: &mut Vec<u8>, field: u32, value: u64) {
        encode_key(field, WireType::Varint, out);
        encode_varint(value, out);
    }

    /// A value `(n, WIDTH)` in half precision (ValueInfoProto).
    fn value(name: &str) -> Vec<u8> {
        let (mut dims, mut shape, mut tensor, mut kind, mut value) =
            (Vec::new(), Vec::new(), Vec::new(), Vec::new(), Vec::new());
        text(&mut dims, 2, "n");
        put(&mut shape, 1, &dims);
        let mut width = Vec::new();
        number(&mut width, 1, WIDTH as u64);
        put(&mut shape, 1, &width);
        number(&mut tensor, 1, kind::HALF as u64);
        put(&mut tensor, 2, &shape);
        put(&mut kind, 1, &tensor);
        text(&mut value, 1, name);
        put(&mut value, 2, &kind);
        value
    }

    /// Weights that lie in a file (TensorProto with external data).
    fn weights(index: usize) -> Vec<u8> {
        let mut tensor =
            Weights { dims: vec![WIDTH as i64; 2], element: kind::HALF as i32, name: format!("w{index}") }
                .encode_to_vec();
        let bytes = 2 * WIDTH * WIDTH;
        for (key, value) in [
            ("location", "weights.bin".to_owned()),
            ("offset", (index * bytes).to_string()),
            ("length", bytes.to_string()),
        ] {
            let mut entry = Vec::new();
            text(&mut entry, 1, key);
            text(&mut entry, 2, &value);
            put(&mut tensor, 13, &entry);
        }
        number(&mut tensor, 14, 1);
        tensor
    }

    /// A chain of products, x ← tanh(x · w), of 8 MB of weights each; the first with a `Gelu` between.
    fn write_chain(folder: &Path) -> std::path::PathBuf {
        let mut graph = Vec::new();
        let node = |operator: &str, input: &[String], output: String| Node {
            input: input.to_vec(),
            name: format!("{output}/node"),
            output: vec![output],
            operator: operator.into(),
            attribute: vec![],
            domain: String::new(),
        };
        for index in 0..COUNT {
            let product = node("MatMul", &[format!("x{index}"), format!("w{index}")], format!("y{index}"));
            let made = if index == 0 { "gelu".to_owned() } else { format!("y{index}") };
            let bent = node("Tanh", &[made], format!("x{}", index + 1));
            [product, bent].iter().for_each(|node| put(&mut graph, field::GRAPH_NODE, &node.encode_to_vec()));
        }
        let gelu = node("Gelu", &["y0".into()], "gelu".into());
        put(&mut graph, field::GRAPH_NODE, &gelu.encode_to_vec());
        put(&mut graph, field::GRAPH_VALUE, &value("y0"));
        text(&mut graph, 2, "chain");
        (0..COUNT).for_each(|index| put(&mut graph, field::GRAPH_INITIALIZER, &weights(index)));
        put(&mut graph, 11, &value("x0"));
        put(&mut graph, 12, &value(&format!("x{COUNT}")));
        let (mut model, mut operators) = (Vec::new(), Vec::new());
        number(&mut model, 1, 9);
        put(&mut model, field::MODEL_GRAPH, &graph);
        text(&mut operators, 1, "");
        number(&mut operators, 2, 20);
        put(&mut model, 8, &operators);
        let path = folder.join("model.onnx");
        std::fs::write(&path, model).unwrap();
        let numbers = (0..COUNT * WIDTH * WIDTH).map(|index| {
            let noise = (index as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
            let noise = ((noise ^ (noise >> 29)).wrapping_mul(0xBF58_476D_1CE4_E5B9) >> 48) as u16;
            f16::from_f32((f32::from(noise) / 65_536.0 - 0.5) * 0.1)
        });
        let bytes: Vec<u8> = numbers.flat_map(|number| number.to_le_bytes()).collect();
        std::fs::write(folder.join("weights.bin"), bytes).unwrap();
        path
    }

    #[test]
    fn weights_are_widened_one_after_another_and_say_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let path = write_chain(folder.path());
        let runtime = Runtime::load(&Library::find().expect("run `cargo xtask setup` first")).unwrap();
        let given: Tensor = Array2::from_shape_fn((16, WIDTH), |(y, x)| ((y * x) as f32).sin()).into();
        let run = |widen: bool| {
            let mut session = match widen {
                true => runtime.open(&path, Provider::Cpu, &Cancel::new()).unwrap(),
                false => runtime.open_as_it_is(&path, Provider::Cpu, &Cancel::new()).unwrap(),
            };
            system::give_back();
            system::take_peak_memory();
            let before = system::own_memory().unwrap();
            let said = session.run(&[("x0", &given)], &Cancel::new()).unwrap().remove(0);
            drop(session);
            let mapped = (2 * WIDTH * WIDTH * COUNT) as u64;
            let peak = system::take_peak_memory().unwrap().saturating_sub(before);
            (said.into_float().unwrap(), peak.saturating_sub(mapped))
        };
        let (said, held) = run(true);
        let (plain, all) = run(false);
        let largest = said.iter().zip(&plain).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(largest <= 1e-3 && plain.iter().any(|value| value.abs() > 0.05), "{largest}");
        let widened = (4 * WIDTH * WIDTH * COUNT) as u64;
        assert!(held < widened / 4, "{held} of {widened}");
        // A control: ONNX Runtime by itself holds all of them at once.
        assert!(all > widened * 3 / 4, "{all} of {widened}");
    }

    #[test]
    fn gelu_is_taken_in_single_precision() {
        let folder = tempfile::tempdir().unwrap();
        let model = std::fs::read(write_chain(folder.path())).unwrap();
        let inputs = |model: &[u8]| {
            let model = fields(model).unwrap();
            let graph = model.iter().find(|part| part.number == field::MODEL_GRAPH).unwrap();
            let graph = fields(graph.content).unwrap();
            let nodes = graph.iter().filter(|part| part.number == field::GRAPH_NODE);
            let nodes = nodes.map(|part| Node::decode(part.content).unwrap());
            nodes.filter(|node| node.operator == "Gelu").map(|node| node.input[0].clone()).collect::<Vec<_>>()
        };
        assert_eq!(
            (inputs(&model), inputs(&widened(&model).unwrap())),
            (vec!["y0".into()], vec!["gelu/given".into()])
        );
    }

    #[test]
    fn what_is_no_model_or_has_nothing_to_widen_stays() {
        let folder = tempfile::tempdir().unwrap();
        let model = std::fs::read(write_chain(folder.path())).unwrap();
        assert!(widened(&model).is_some() && has_half_weights(&model));
        for end in [1, 7, 100, model.len() - 1] {
            assert_eq!(widened(&model[..end]), None, "{end}");
        }
        assert_eq!(widened(b""), None);
        let small = std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/slow.onnx")).unwrap();
        assert_eq!(widened(&small), None);
        assert!(!has_half_weights(&small) && !has_half_weights(b"no model"));
    }
}
