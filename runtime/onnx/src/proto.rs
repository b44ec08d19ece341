//! Reading and writing ONNX models (protobuf) without a model's weights: fields that nobody here knows stay as they are.

use prost::Message;
use prost::encoding::{
    DecodeContext, WireType, decode_key, decode_varint, encode_key, encode_varint, skip_field,
};

/// Field numbers of `onnx.proto` (IR version 10).
pub mod field {
    pub const MODEL_GRAPH: u32 = 7;
    pub const MODEL_OPERATORS: u32 = 8;
    pub const GRAPH_NODE: u32 = 1;
    pub const GRAPH_INITIALIZER: u32 = 5;
    pub const GRAPH_OUTPUT: u32 = 12;
    /// What a value between nodes is.
    pub const GRAPH_VALUE: u32 = 13;
    pub const NODE_INPUT: u32 = 1;
    pub const NODE_OUTPUT: u32 = 2;
    pub const NODE_OPERATOR: u32 = 4;
    pub const NODE_DOMAIN: u32 = 7;
}

/// Types of elements, and of attributes.
pub mod kind {
    pub const FLOAT: i64 = 1;
    pub const HALF: i64 = 10;
    pub const INTEGER: i32 = 2;
}

#[derive(Clone, PartialEq, Message)]
pub struct Weights {
    #[prost(int64, repeated, tag = "1")]
    pub dims: Vec<i64>,
    #[prost(int32, tag = "2")]
    pub element: i32,
    #[prost(string, tag = "8")]
    pub name: String,
}

/// An operator set that a model uses; ONNX's own has no domain.
#[derive(Clone, PartialEq, Message)]
pub struct Operators {
    #[prost(string, tag = "1")]
    pub domain: String,
    #[prost(int64, tag = "2")]
    pub version: i64,
}

/// A graph's output or a value between its nodes, of which the name and the type of elements are read.
#[derive(Clone, PartialEq, Message)]
pub struct Value {
    #[prost(string, tag = "1")]
    pub name: String,
    #[prost(message, optional, tag = "2")]
    pub kind: Option<ValueKind>,
}

#[derive(Clone, PartialEq, Message)]
pub struct ValueKind {
    #[prost(message, optional, tag = "1")]
    pub tensor: Option<TensorKind>,
}

#[derive(Clone, PartialEq, Message)]
pub struct TensorKind {
    #[prost(int32, tag = "1")]
    pub element: i32,
}

#[derive(Clone, PartialEq, Message)]
pub struct Node {
    #[prost(string, repeated, tag = "1")]
    pub input: Vec<String>,
    #[prost(string, repeated, tag = "2")]
    pub output: Vec<String>,
    #[prost(string, tag = "3")]
    pub name: String,
    #[prost(string, tag = "4")]
    pub operator: String,
    #[prost(string, tag = "7")]
    pub domain: String,
    #[prost(message, repeated, tag = "5")]
    pub attribute: Vec<Attribute>,
}

#[derive(Clone, PartialEq, Message)]
pub struct Attribute {
    #[prost(string, tag = "1")]
    pub name: String,
    #[prost(int64, tag = "3")]
    pub integer: i64,
    #[prost(string, tag = "4")]
    pub text: String,
    /// A graph inside the node.
    #[prost(bytes = "vec", optional, tag = "6")]
    pub graph: Option<Vec<u8>>,
    #[prost(int64, repeated, tag = "8")]
    pub integers: Vec<i64>,
    #[prost(int32, tag = "20")]
    pub kind: i32,
}

impl Node {
    /// Turns the value `from` into `to`, of another type of elements.
    pub fn cast(from: &str, to: &str, element: i64) -> Self {
        let attribute =
            Attribute { name: "to".into(), integer: element, kind: kind::INTEGER, ..Attribute::default() };
        Self {
            input: vec![from.into()],
            output: vec![to.into()],
            name: format!("{to}/cast"),
            operator: "Cast".into(),
            attribute: vec![attribute],
            domain: String::new(),
        }
    }
}

/// A field of a message.
pub struct Field<'a> {
    pub number: u32,
    /// Its bytes, the number's included.
    pub whole: &'a [u8],
    /// Its value, if that has a length.
    pub content: &'a [u8],
}

/// The fields of the message in `bytes`, in order; `None` if it is none.
pub fn fields(bytes: &[u8]) -> Option<Vec<Field<'_>>> {
    let (mut rest, mut fields) = (bytes, Vec::new());
    while !rest.is_empty() {
        let start = rest;
        let (number, wire) = decode_key(&mut rest).ok()?;
        let content = match wire {
            WireType::LengthDelimited => {
                let length = usize::try_from(decode_varint(&mut rest).ok()?).ok()?;
                let content = rest.get(..length)?;
                rest = &rest[length..];
                content
            }
            _ => {
                skip_field(wire, number, &mut rest, DecodeContext::default()).ok()?;
                &[]
            }
        };
        fields.push(Field { number, whole: &start[..start.len() - rest.len()], content });
    }
    Some(fields)
}

/// The model in the bytes `model` with the graph that `change` makes of its own; `None` if that makes none, or this is no model.
pub fn with_graph(model: &[u8], change: impl Fn(&[u8]) -> Option<Vec<u8>>) -> Option<Vec<u8>> {
    let (mut changed, mut out) = (false, Vec::with_capacity(model.len()));
    for part in fields(model)? {
        match part.number {
            field::MODEL_GRAPH => {
                put(&mut out, part.number, &change(part.content)?);
                changed = true;
            }
            _ => out.extend_from_slice(part.whole),
        }
    }
    changed.then_some(out)
}

/// Appends a field whose value has a length.
pub fn put(out: &mut Vec<u8>, number: u32, content: &[u8]) {
    encode_key(number, WireType::LengthDelimited, out);
    encode_varint(content.len() as u64, out);
    out.extend_from_slice(content);
}
