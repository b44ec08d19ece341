//! What each graph takes and gives, as `FORMAT.md` has it in words.

use pickup_core::TensorKind;
use prost::Message;

use crate::onnx::{self, element};
use crate::{GraphKind, Manifest};

/// Inputs and result of a graph. Caches come besides, and have no fixed number.
pub(crate) struct Contract {
    pub inputs: Vec<Port>,
    /// The first output that is no cache; its name is free.
    pub result: Vec<Size>,
}

/// An input.
pub(crate) struct Port {
    pub name: &'static str,
    pub kind: TensorKind,
    pub shape: Vec<Size>,
}

/// One size of a shape.
#[derive(Clone, Copy)]
pub(crate) enum Size {
    /// Chosen for each run.
    Free,
    /// Fixed, and which field of the manifest fixes it.
    Fixed(usize, &'static str),
}

use Size::{Fixed, Free};

/// What the graph `kind` of a package takes and gives. A family that is not known adds nothing to what all
/// transformers take; it is refused by its name elsewhere.
pub(crate) fn contract(kind: GraphKind, manifest: &Manifest) -> Contract {
    let channels = Fixed(manifest.latent.channels, "latent.channels");
    let latent = vec![Free, channels, Free, Free, Free];
    let frames = vec![Free, Fixed(3, "the three colours"), Free, Free, Free];
    match kind {
        GraphKind::TextEncoder => Contract {
            inputs: vec![integers("input_ids", 2), integers("attention_mask", 2)],
            result: text(manifest),
        },
        GraphKind::Transformer => {
            let mut inputs = vec![
                floats("hidden_states", latent.clone()),
                floats("encoder_hidden_states", text(manifest)),
            ];
            inputs.extend(of_family(manifest));
            Contract { inputs, result: latent }
        }
        GraphKind::VaeEncFirst | GraphKind::VaeEncNext => {
            Contract { inputs: vec![floats("frames", frames)], result: encoded(manifest) }
        }
        GraphKind::VaeMidFirst | GraphKind::VaeMidNext => {
            Contract { inputs: vec![floats("latent", latent)], result: vec![Free; 5] }
        }
        GraphKind::VaeDecFirst | GraphKind::VaeDecNext => {
            let mut inputs = vec![match manifest.graphs.vae_mid_first {
                Some(_) => floats("features", vec![Free; 5]),
                None => floats("latent", latent.clone()),
            }];
            if manifest.decode.is_some() {
                let one = || vec![Free];
                inputs.extend([
                    floats("timestep", one()),
                    floats("noise", latent),
                    floats("noise_scale", one()),
                ]);
            }
            Contract { inputs, result: frames }
        }
    }
}

/// What the transformer of a family takes besides.
fn of_family(manifest: &Manifest) -> Vec<Port> {
    let (latent, free) = (&manifest.latent, |rank: usize| vec![Free; rank]);
    match (manifest.family.as_str(), &manifest.control) {
        ("wan_vace", Some(control)) => {
            let taken = 2 * latent.channels + latent.spatial * latent.spatial;
            let channels = Fixed(taken, "2 · `latent.channels` + `latent.spatial`²");
            vec![
                floats("timestep", free(1)),
                floats("control_hidden_states", vec![Free, channels, Free, Free, Free]),
                floats("control_scale", vec![Fixed(control.layers, "control.layers")]),
            ]
        }
        ("wan_ti2v", _) => vec![floats("timestep", free(4))],
        ("ltx", _) => {
            let axes = Fixed(3, "time, row and column");
            let coordinates = vec![Free, axes, Free, Free, Free];
            vec![floats("timestep", free(4)), floats("video_coords", coordinates)]
        }
        _ => Vec::new(),
    }
}

/// A latent; where it comes as a distribution, which is where known frames are held, means and deviations.
fn encoded(manifest: &Manifest) -> Vec<Size> {
    let channels = match manifest.held {
        Some(_) => Fixed(2 * manifest.latent.channels, "2 · `latent.channels`"),
        None => Fixed(manifest.latent.channels, "latent.channels"),
    };
    vec![Free, channels, Free, Free, Free]
}

fn text(manifest: &Manifest) -> Vec<Size> {
    vec![Free, Free, Fixed(manifest.text.width, "text.width")]
}

fn floats(name: &'static str, shape: Vec<Size>) -> Port {
    Port { name, kind: TensorKind::Float, shape }
}

fn integers(name: &'static str, rank: usize) -> Port {
    Port { name, kind: TensorKind::Integer, shape: vec![Free; rank] }
}

/// A graph of `kind` as an ONNX file that declares what the format wants and computes nothing: the outline
/// of an export, or a stand-in where nothing is run.
pub fn outline(kind: GraphKind, manifest: &Manifest) -> Vec<u8> {
    let Contract { inputs, result } = contract(kind, manifest);
    let value = |name: &str, kind, shape: &[Size]| {
        let size = |size: &Size| onnx::Size {
            value: match *size {
                Free => None,
                Fixed(size, _) => i64::try_from(size).ok(),
            },
        };
        let element = if kind == TensorKind::Integer { element::INT64 } else { element::FLOAT };
        let shape = Some(onnx::Shape { size: shape.iter().map(size).collect() });
        let tensor = Some(onnx::TensorType { element, shape });
        onnx::Value { name: name.to_owned(), kind: Some(onnx::Type { tensor }) }
    };
    let graph = onnx::Graph {
        initializer: Vec::new(),
        input: inputs.iter().map(|port| value(port.name, port.kind, &port.shape)).collect(),
        output: vec![value("result", TensorKind::Float, &result)],
    };
    let opset = onnx::OperatorSet { domain: String::new(), version: manifest.opset.into() };
    onnx::Model { graph: Some(graph), opset_import: vec![opset] }.encode_to_vec()
}
