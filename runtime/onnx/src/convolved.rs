//! Graphs whose convolutions of 3×3 pixels are [`crate::convolution`]'s. From 64 channels on that takes a third to a half of
//! the time of ONNX Runtime's, which makes matrices of the input for every plain product.

use prost::Message;
use std::collections::BTreeMap;

use crate::convolution::{DOMAIN, NAME};
use crate::proto::{Field, Node, Operators, Value, Weights, field, fields, kind, put, with_graph};

/// Input channels from which it is faster: transforming the input must be worth its products.
const CHANNELS: i64 = 8;

/// Which of a convolution's inputs the weights are.
const WEIGHTS: usize = 1;
/// The axis of `(b, c, t, h, w)` that convolutions take in two parts.
const TIME: i64 = 2;

/// The model in the bytes `model` with its convolutions replaced where that is faster; `None` if there are none, or it is no
/// model.
pub(crate) fn convolved(model: &[u8]) -> Option<Vec<u8>> {
    let mut out = with_graph(model, graph)?;
    let operators = Operators { domain: DOMAIN.into(), version: 1 };
    put(&mut out, field::MODEL_OPERATORS, &operators.encode_to_vec());
    Some(out)
}

/// The graph with its convolutions replaced; `None` if there are none.
fn graph(bytes: &[u8]) -> Option<Vec<u8>> {
    let fields = fields(bytes)?;
    let graph = Graph::of(&fields)?;
    let convolutions: BTreeMap<usize, &Node> =
        graph.nodes.iter().filter(|(_, node)| graph.fits(node)).map(|(&index, node)| (index, node)).collect();
    let joins: BTreeMap<&str, &Node> =
        convolutions.values().filter_map(|node| Some((node.input[0].as_str(), graph.join(node)?))).collect();
    let mut out = Vec::with_capacity(bytes.len());
    for (index, part) in fields.iter().enumerate() {
        match (graph.nodes.get(&index), convolutions.get(&index)) {
            (Some(node), Some(_)) => {
                let nodes = replaced(part.content, node, &joins, graph.is_half(node))?;
                nodes.iter().for_each(|node| put(&mut out, part.number, node));
            }
            // What only a convolution needs joined.
            (Some(node), None)
                if node.output.first().is_some_and(|name| joins.contains_key(name.as_str())) => {}
            _ => out.extend_from_slice(part.whole),
        }
    }
    (!convolutions.is_empty()).then_some(out)
}

/// The nodes in the place of a convolution: the operator, with a joined input's parts as its inputs, and casts around it if
/// it is in half precision. Everything else in the node stays.
fn replaced(bytes: &[u8], node: &Node, joins: &BTreeMap<&str, &Node>, is_half: bool) -> Option<Vec<Vec<u8>>> {
    let (mut input, mut output) = (node.input.clone(), node.output.first()?.clone());
    let join = joins.get(input[0].as_str()).and_then(|join| join.input.first_chunk());
    if let Some([before, after]) = join {
        input[0].clone_from(after);
        input.resize(3, String::new());
        input.push(before.clone());
    }
    let (mut before, mut after) = (Vec::new(), Vec::new());
    if is_half {
        for (index, name) in
            input.iter_mut().enumerate().filter(|(index, name)| *index != WEIGHTS && !name.is_empty())
        {
            let single = format!("{output}/{index}");
            before.push(Node::cast(name, &single, kind::FLOAT).encode_to_vec());
            *name = single;
        }
        let single = format!("{output}/single");
        after.push(Node::cast(&single, &output, kind::HALF).encode_to_vec());
        output = single;
    }
    let mut out = Vec::with_capacity(bytes.len() + DOMAIN.len() + NAME.len());
    input.iter().for_each(|name| put(&mut out, field::NODE_INPUT, name.as_bytes()));
    let texts =
        [(field::NODE_OUTPUT, output.as_str()), (field::NODE_OPERATOR, NAME), (field::NODE_DOMAIN, DOMAIN)];
    texts.iter().for_each(|(number, text)| put(&mut out, *number, text.as_bytes()));
    let known = |number| number == field::NODE_INPUT || texts.iter().any(|(known, _)| *known == number);
    fields(bytes)?
        .iter()
        .filter(|part| !known(part.number))
        .for_each(|part| out.extend_from_slice(part.whole));
    before.push(out);
    before.append(&mut after);
    Some(before)
}

/// What of a graph must be known to judge its nodes.
struct Graph {
    /// By their place among the graph's fields.
    nodes: BTreeMap<usize, Node>,
    weights: BTreeMap<String, Weights>,
    /// How often each value is used.
    uses: BTreeMap<String, usize>,
    /// Which node makes a value.
    makers: BTreeMap<String, usize>,
}

impl Graph {
    fn of(fields: &[Field<'_>]) -> Option<Self> {
        let mut graph = Self {
            nodes: BTreeMap::new(),
            weights: BTreeMap::new(),
            uses: BTreeMap::new(),
            makers: BTreeMap::new(),
        };
        for (index, part) in fields.iter().enumerate() {
            match part.number {
                field::GRAPH_NODE => {
                    let node = Node::decode(part.content).ok()?;
                    node.input.iter().for_each(|name| *graph.uses.entry(name.clone()).or_default() += 1);
                    graph.makers.extend(node.output.iter().map(|name| (name.clone(), index)));
                    graph.nodes.insert(index, node);
                }
                field::GRAPH_OUTPUT => {
                    *graph.uses.entry(Value::decode(part.content).ok()?.name).or_default() += 1;
                }
                field::GRAPH_INITIALIZER => {
                    let weights = Weights::decode(part.content).ok()?;
                    graph.weights.insert(weights.name.clone(), weights);
                }
                _ => {}
            }
        }
        Some(graph)
    }

    fn weights_of(&self, convolution: &Node) -> Option<&Weights> {
        self.weights.get(convolution.input.get(WEIGHTS)?)
    }

    fn is_half(&self, convolution: &Node) -> bool {
        self.weights_of(convolution).is_some_and(|weights| i64::from(weights.element) == kind::HALF)
    }

    /// The node that joins two values in time for this convolution alone.
    fn join(&self, convolution: &Node) -> Option<&Node> {
        let value = convolution.input.first()?;
        let join = self.nodes.get(self.makers.get(value)?)?;
        let axis = join.attribute.iter().find(|attribute| attribute.name == "axis")?.integer;
        let five = self.weights_of(convolution)?.dims.len() == 5;
        let joins = join.operator == "Concat"
            && join.domain.is_empty()
            && join.input.len() == 2
            && five
            && axis == TIME;
        (joins && self.uses.get(value) == Some(&1) && !self.has_graphs_inside()).then_some(join)
    }

    /// Whether a node has a graph of its own, which may use values of this one.
    fn has_graphs_inside(&self) -> bool {
        self.nodes.values().flat_map(|node| &node.attribute).any(|attribute| attribute.graph.is_some())
    }

    /// Whether the node is a convolution that [`crate::convolution`] can do, and does faster.
    fn fits(&self, node: &Node) -> bool {
        let is_convolution = node.operator == "Conv" && node.domain.is_empty();
        let (true, Some(weights)) = (is_convolution, self.weights_of(node)) else { return false };
        let wide = match weights.dims[..] {
            [_, inputs, 3, 3] | [_, inputs, _, 3, 3] => inputs >= CHANNELS,
            _ => false,
        };
        wide && [kind::FLOAT, kind::HALF].contains(&weights.element.into())
            && node.attribute.iter().all(|attribute| match attribute.name.as_str() {
                "kernel_shape" => true,
                "group" => attribute.integer == 1,
                "strides" | "dilations" => attribute.integers.iter().all(|&number| number == 1),
                "pads" => is_even(&attribute.integers),
                "auto_pad" => attribute.text == "NOTSET",
                _ => false,
            })
    }
}

/// Whether as many zeros are put above as below, and left as right.
fn is_even(pads: &[i64]) -> bool {
    let (before, after) = pads.split_at(pads.len() / 2);
    before.iter().rev().zip(after.iter().rev()).take(2).all(|(before, after)| before == after)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::Attribute;
    use crate::{Library, Runtime};
    use half::f16;
    use ndarray::ArrayD;
    use pickup_core::{Cancel, Graph as _, Provider, Tensor};
    use proptest::prelude::*;
    use prost::encoding::{WireType, encode_key, encode_varint};

    fn number(out: &mut Vec<u8>, field: u32, value: u64) {
        encode_key(field, WireType::Varint, out);
        encode_varint(value, out);
    }

    /// A value of so many dimensions without sizes (ValueInfoProto).
    fn value(name: &str, rank: usize) -> Vec<u8> {
        let (mut shape, mut tensor, mut kind, mut value) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        (0..rank).for_each(|_| put(&mut shape, 1, &[]));
        number(&mut tensor, 1, kind::FLOAT as u64);
        put(&mut tensor, 2, &shape);
        put(&mut kind, 1, &tensor);
        put(&mut value, 1, name.as_bytes());
        put(&mut value, 2, &kind);
        value
    }

    fn numbers(count: usize) -> Vec<f32> {
        (0..count).map(|index| ((index * index + 3 * index) as f32 * 0.37).sin()).collect()
    }

    fn weights(name: &str, dims: &[i64], half: bool) -> Vec<u8> {
        let element = if half { kind::HALF } else { kind::FLOAT } as i32;
        let mut tensor = Weights { dims: dims.to_vec(), element, name: name.into() }.encode_to_vec();
        let numbers = numbers(dims.iter().product::<i64>() as usize);
        let bytes: Vec<u8> = match half {
            true => numbers.iter().flat_map(|&number| f16::from_f32(number).to_le_bytes()).collect(),
            false => numbers.iter().flat_map(|number| number.to_le_bytes()).collect(),
        };
        put(&mut tensor, 9, &bytes);
        tensor
    }

    fn node(operator: &str, input: &[&str], output: &str, attribute: Vec<Attribute>) -> Node {
        Node {
            input: input.iter().map(|&name| name.into()).collect(),
            output: vec![output.into()],
            name: format!("{output}/node"),
            operator: operator.into(),
            domain: String::new(),
            attribute,
        }
    }

    fn list(name: &str, integers: &[i64]) -> Attribute {
        Attribute { name: name.into(), integers: integers.to_vec(), kind: 7, ..Attribute::default() }
    }

    fn integer(name: &str, integer: i64) -> Attribute {
        Attribute { name: name.into(), integer, kind: 2, ..Attribute::default() }
    }

    fn text(name: &str, text: &str) -> Attribute {
        Attribute { name: name.into(), text: text.into(), kind: 3, ..Attribute::default() }
    }

    /// A model of these nodes between "x", with "earlier" if it is used, and the outputs.
    fn model(nodes: &[Node], weights: &[Vec<u8>], rank: usize, outputs: &[&str]) -> Vec<u8> {
        let mut graph = Vec::new();
        nodes.iter().for_each(|node| put(&mut graph, field::GRAPH_NODE, &node.encode_to_vec()));
        put(&mut graph, 2, b"convolutions");
        weights.iter().for_each(|weights| put(&mut graph, field::GRAPH_INITIALIZER, weights));
        let inputs = ["x", "earlier"];
        let used = inputs
            .iter()
            .filter(|input| nodes.iter().any(|node| node.input.iter().any(|name| name == *input)));
        used.for_each(|input| put(&mut graph, 11, &value(input, rank)));
        outputs.iter().for_each(|output| put(&mut graph, field::GRAPH_OUTPUT, &value(output, rank)));
        let mut model = Vec::new();
        number(&mut model, 1, 9);
        put(&mut model, field::MODEL_GRAPH, &graph);
        let operators = Operators { domain: String::new(), version: 20 };
        put(&mut model, field::MODEL_OPERATORS, &operators.encode_to_vec());
        model
    }

    /// A convolution of "given", which `before` makes, by weights of `dims`; in half precision between two casts.
    fn convolution(before: &[Node], dims: &[i64], attribute: Vec<Attribute>, half: bool) -> Vec<u8> {
        let (rank, weights) = (dims.len(), [weights("w", dims, half), weights("b", &dims[..1], half)]);
        let mut nodes = before.to_vec();
        match half {
            true => nodes.extend([
                Node::cast("given", "narrow", kind::HALF),
                node("Conv", &["narrow", "w", "b"], "made", attribute),
                Node::cast("made", "y", kind::FLOAT),
            ]),
            false => nodes.push(node("Conv", &["given", "w", "b"], "y", attribute)),
        }
        model(&nodes, &weights, rank, &["y"])
    }

    fn same() -> Vec<Node> {
        vec![node("Identity", &["x"], "given", vec![])]
    }

    fn joined() -> Vec<Node> {
        vec![node("Concat", &["earlier", "x"], "given", vec![integer("axis", 2)])]
    }

    fn has(model: &[u8], name: &str) -> bool {
        model.windows(name.len()).any(|window| window == name.as_bytes())
    }

    fn tensor(shape: &[usize]) -> Tensor {
        ArrayD::from_shape_vec(shape, numbers(shape.iter().product())).unwrap().into()
    }

    fn run(
        model: &[u8],
        inputs: &[(&str, &Tensor)],
        replaced: bool,
    ) -> pickup_core::Result<Vec<ArrayD<f32>>> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("model.onnx");
        std::fs::write(&path, model).unwrap();
        let runtime = Runtime::load(&Library::find().expect("run `cargo xtask setup` first")).unwrap();
        let mut session = match replaced {
            true => runtime.open(&path, Provider::Cpu, &Cancel::new())?,
            false => runtime.open_as_it_is(&path, Provider::Cpu, &Cancel::new())?,
        };
        let said = session.run(inputs, &Cancel::new())?;
        Ok(said.into_iter().map(|tensor| tensor.into_float().unwrap()).collect())
    }

    /// The largest difference to what ONNX Runtime's own operators say, in parts of the largest number.
    fn difference(model: &[u8], inputs: &[(&str, &Tensor)]) -> f32 {
        between(&run(model, inputs, true).unwrap(), &run(model, inputs, false).unwrap())
    }

    fn between(found: &[ArrayD<f32>], expected: &[ArrayD<f32>]) -> f32 {
        let parts = found.iter().zip(expected).map(|(found, expected)| {
            assert_eq!(found.shape(), expected.shape());
            let largest = expected.iter().fold(0.0, |largest: f32, number| largest.max(number.abs()));
            assert!(largest > 0.5);
            found.iter().zip(expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max) / largest
        });
        parts.fold(0.0, f32::max)
    }

    #[test]
    fn convolutions_say_what_onnx_runtimes_own_do() {
        let clip = tensor(&[2, 8, 4, 19, 34]);
        let picture = tensor(&[2, 8, 19, 34]);
        let earlier = tensor(&[2, 8, 2, 19, 34]);
        let around =
            || vec![list("pads", &[0, 1, 1, 0, 1, 1]), integer("group", 1), text("auto_pad", "NOTSET")];
        let behind = || vec![list("pads", &[2, 1, 1, 0, 1, 1])];
        for (half, bound) in [(false, 3e-6), (true, 1e-3)] {
            let cases = [
                (convolution(&same(), &[12, 8, 3, 3, 3], around(), half), vec![("x", &clip)]),
                (convolution(&same(), &[12, 8, 3, 3, 3], behind(), half), vec![("x", &clip)]),
                (
                    convolution(&same(), &[3, 8, 3, 3], vec![list("pads", &[1, 1, 1, 1])], half),
                    vec![("x", &picture)],
                ),
                (convolution(&same(), &[7, 8, 1, 3, 3], vec![], half), vec![("x", &clip)]),
                (
                    convolution(&joined(), &[12, 8, 3, 3, 3], around(), half),
                    vec![("x", &clip), ("earlier", &earlier)],
                ),
            ];
            for (index, (model, inputs)) in cases.iter().enumerate() {
                let replaced = convolved(model).unwrap();
                assert!(has(&replaced, NAME));
                // In half precision a cast stands between.
                assert_eq!(has(&replaced, "Concat"), half && index == 4);
                let found = difference(model, inputs);
                assert!(found <= bound, "case {index}, half {half}: {found}");
            }
        }
        // A control: one number of the input is another.
        let model = convolution(&same(), &[12, 8, 3, 3, 3], around(), false);
        let mut other = clip.clone().into_float().unwrap();
        other[[1, 3, 2, 9, 17]] += 0.1;
        let found = run(&model, &[("x", &other.into())], true).unwrap();
        assert!(between(&found, &run(&model, &[("x", &clip)], false).unwrap()) > 1e-4);
    }

    #[test]
    fn frames_that_something_else_needs_too_stay_joined() {
        let weights = [weights("w", &[12, 8, 3, 3, 3], false)];
        let pads = || vec![list("pads", &[0, 1, 1, 0, 1, 1])];
        let mut nodes = joined();
        nodes.push(node("Conv", &["given", "w"], "y", pads()));
        let (clip, earlier) = (tensor(&[1, 8, 1, 8, 8]), tensor(&[1, 8, 2, 8, 8]));
        for outputs in [&["y"][..], &["y", "given"]] {
            let model = model(&nodes, &weights, 5, outputs);
            assert_eq!(has(&convolved(&model).unwrap(), "Concat"), outputs.len() == 2);
            assert!(difference(&model, &[("x", &clip), ("earlier", &earlier)]) <= 3e-6);
        }
    }

    #[test]
    fn what_does_not_fit_or_is_no_model_stays() {
        let fits = convolution(&same(), &[12, 8, 3, 3, 3], vec![], false);
        assert!(convolved(&fits).is_some());
        let stays = [
            (vec![12, 8, 3, 3], vec![list("strides", &[2, 2])]),
            (vec![12, 8, 3, 3], vec![list("dilations", &[1, 2])]),
            (vec![12, 8, 3, 3], vec![list("pads", &[0, 0, 1, 1])]),
            (vec![12, 8, 3, 3], vec![text("auto_pad", "SAME_UPPER")]),
            (vec![16, 8, 3, 3], vec![integer("group", 2)]),
            (vec![12, CHANNELS - 1, 3, 3], vec![]),
            (vec![12, 8, 3, 1, 1], vec![]),
        ];
        for (dims, attribute) in stays {
            assert_eq!(
                convolved(&convolution(&same(), &dims, attribute.clone(), false)),
                None,
                "{dims:?} {attribute:?}"
            );
        }
        // Weights that the graph computes.
        let computed = [node("Identity", &["w"], "v", vec![]), node("Conv", &["x", "v"], "y", vec![])];
        assert_eq!(convolved(&model(&computed, &[weights("w", &[12, 8, 3, 3], false)], 4, &["y"])), None);
        assert_eq!(convolved(b""), None);
        assert_eq!(convolved(b"no model"), None);
    }

    #[test]
    fn an_input_that_does_not_fit_the_weights_is_an_error() {
        let model = convolution(&same(), &[12, 8, 3, 3, 3], vec![], false);
        let error = run(&model, &[("x", &tensor(&[1, 9, 3, 8, 8]))], true).unwrap_err().to_string();
        assert!(error.contains("do not fit"), "{error}");
        let error = run(&model, &[("x", &tensor(&[1, 8, 2, 8, 8]))], true).unwrap_err().to_string();
        assert!(error.contains("do not fit"), "{error}");
    }

    proptest! {
        #[test]
        fn damage_is_no_crash(place in any::<prop::sample::Index>(), byte in any::<u8>(), end in any::<prop::sample::Index>()) {
            let mut model = convolution(&joined(), &[12, 8, 3, 3, 3], vec![list("pads", &[0, 1, 1, 0, 1, 1])], true);
            let at = place.index(model.len());
            model[at] = byte;
            model.truncate(end.index(model.len()) + 1);
            let _ = convolved(&model);
        }
    }
}
