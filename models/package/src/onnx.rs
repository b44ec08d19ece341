//! What is read of an ONNX file: its operator sets, what goes in and out, and where its weights lie.
//!
//! Field numbers are those of `onnx.proto` (IR version 10); what is not listed here is passed over.

use pickup_core::TensorKind;
use prost::Message;

/// A file.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Model {
    #[prost(message, optional, tag = "7")]
    pub graph: Option<Graph>,
    #[prost(message, repeated, tag = "8")]
    pub opset_import: Vec<OperatorSet>,
}

/// A version of a set of operators; ONNX's own has no domain.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct OperatorSet {
    #[prost(string, tag = "1")]
    pub domain: String,
    #[prost(int64, tag = "2")]
    pub version: i64,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Graph {
    #[prost(message, repeated, tag = "5")]
    pub initializer: Vec<Weights>,
    #[prost(message, repeated, tag = "11")]
    pub input: Vec<Value>,
    #[prost(message, repeated, tag = "12")]
    pub output: Vec<Value>,
}

/// An input or output.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Value {
    #[prost(string, tag = "1")]
    pub name: String,
    #[prost(message, optional, tag = "2")]
    pub kind: Option<Type>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Type {
    #[prost(message, optional, tag = "1")]
    pub tensor: Option<TensorType>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct TensorType {
    #[prost(int32, tag = "1")]
    pub element: i32,
    #[prost(message, optional, tag = "2")]
    pub shape: Option<Shape>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Shape {
    #[prost(message, repeated, tag = "1")]
    pub size: Vec<Size>,
}

/// One size of a shape; without a value the caller chooses it.
#[derive(Clone, Copy, PartialEq, Message)]
pub(crate) struct Size {
    #[prost(int64, optional, tag = "1")]
    pub value: Option<i64>,
}

/// A tensor that is part of the model.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Weights {
    #[prost(int64, repeated, tag = "1")]
    pub shape: Vec<i64>,
    #[prost(int32, tag = "2")]
    pub element: i32,
    #[prost(float, repeated, tag = "4")]
    pub floats: Vec<f32>,
    #[prost(string, tag = "8")]
    pub name: String,
    #[prost(bytes = "vec", tag = "9")]
    pub raw: Vec<u8>,
    /// `location`, `offset` and `length` of the numbers, where they lie in another file.
    #[prost(message, repeated, tag = "13")]
    pub external: Vec<Entry>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Entry {
    #[prost(string, tag = "1")]
    pub key: String,
    #[prost(string, tag = "2")]
    pub value: String,
}

/// Types of elements (`TensorProto.DataType`).
pub(crate) mod element {
    pub const FLOAT: i32 = 1;
    pub const INT32: i32 = 6;
    pub const INT64: i32 = 7;
    pub const FLOAT16: i32 = 10;
    pub const DOUBLE: i32 = 11;
    pub const BFLOAT16: i32 = 16;
}

impl Value {
    /// Kind and shape of a tensor of floats or integers; of nothing else.
    pub fn tensor(&self) -> Option<(TensorKind, Vec<Option<usize>>)> {
        let tensor = self.kind.as_ref()?.tensor.as_ref()?;
        let kind = match tensor.element {
            element::FLOAT | element::FLOAT16 | element::BFLOAT16 => TensorKind::Float,
            element::INT32 | element::INT64 => TensorKind::Integer,
            _ => return None,
        };
        let size = |size: &Size| size.value.and_then(|value| usize::try_from(value).ok());
        Some((kind, tensor.shape.as_ref()?.size.iter().map(size).collect()))
    }
}

impl Weights {
    /// What `key` says of where the numbers lie.
    pub fn external(&self, key: &str) -> Option<&str> {
        self.external.iter().find(|entry| entry.key == key).map(|entry| entry.value.as_str())
    }
}
