//! The engine's tensors (f32, i64) to and from a graph's own element types.

use half::slice::HalfFloatSliceExt;
use half::{bf16, f16};
use ndarray::{ArrayD, IxDyn};
use ort::value::{DynTensor, DynValue, Outlet, Tensor as OrtTensor, TensorElementType, ValueType};
use pickup_core::{Error, Result, Tensor, TensorKind, TensorSpec};

/// An input or output: as the engine sees it, and its element type inside.
pub(crate) struct Port {
    pub spec: TensorSpec,
    pub element: TensorElementType,
}

impl Port {
    /// Reads a graph's declaration.
    ///
    /// # Errors
    /// If it is not a tensor of floats or integers.
    pub fn of(outlet: &Outlet) -> Result<Self> {
        let ValueType::Tensor { ty, shape, .. } = outlet.dtype() else {
            return Err(Error::model(format!(
                "expected {} to be a tensor, got {}.",
                outlet.name(),
                outlet.dtype()
            )));
        };
        let kind = kind_of(*ty).ok_or_else(|| {
            Error::model(format!("expected {} to hold floats or integers, got {ty}.", outlet.name()))
        })?;
        let shape = shape.iter().map(|&size| usize::try_from(size).ok()).collect();
        Ok(Self { spec: TensorSpec { name: outlet.name().to_owned(), kind, shape }, element: *ty })
    }

    /// `tensor` as this input takes it.
    ///
    /// # Errors
    /// If kind or shape differ from the declaration, or memory runs out.
    pub fn encode(&self, tensor: &Tensor) -> Result<DynTensor> {
        self.check(tensor)?;
        encode(tensor, self.element)
            .map_err(|error| crate::failure::failure(format!("pass {}", self.spec.name), &error))
    }

    /// Whether `tensor` fits the declaration.
    ///
    /// # Errors
    /// If kind or shape differ.
    pub fn check(&self, tensor: &Tensor) -> Result<()> {
        let TensorSpec { name, kind, shape } = &self.spec;
        let got_kind = match tensor {
            Tensor::Float(_) => TensorKind::Float,
            Tensor::Integer(_) => TensorKind::Integer,
            // Of the element type of the output that it was; ONNX Runtime compares it with this input's.
            Tensor::Held(_) => *kind,
        };
        let got = tensor.shape();
        let fits = got.len() == shape.len()
            && shape.iter().zip(got).all(|(want, got)| want.is_none_or(|want| want == *got));
        if fits && got_kind == *kind {
            return Ok(());
        }
        Err(Error::model(format!(
            "expected input {name} to be {kind:?} of shape {}, got {got_kind:?} of {got:?}.",
            describe(shape)
        )))
    }

    /// An output's value as the engine holds it.
    ///
    /// # Errors
    /// If the value is not of the declared element type.
    pub fn decode(&self, value: &DynValue) -> Result<Tensor> {
        decode(value, self.element)
            .map_err(|error| crate::failure::failure(format!("read {}", self.spec.name), &error))
    }
}

fn describe(shape: &[Option<usize>]) -> String {
    let sizes: Vec<_> =
        shape.iter().map(|size| size.map_or("any".to_owned(), |size| size.to_string())).collect();
    format!("[{}]", sizes.join(", "))
}

fn kind_of(element: TensorElementType) -> Option<TensorKind> {
    use TensorElementType as T;
    match element {
        T::Float32 | T::Float16 | T::Bfloat16 => Some(TensorKind::Float),
        T::Int64 | T::Int32 => Some(TensorKind::Integer),
        _ => None,
    }
}

fn encode(tensor: &Tensor, element: TensorElementType) -> ort::Result<DynTensor> {
    use TensorElementType as T;
    let shape = tensor.shape().to_vec();
    Ok(match (tensor, element) {
        (Tensor::Float(array), T::Float16) => {
            let mut values = vec![f16::ZERO; array.len()];
            values.convert_from_f32_slice(&in_order(array));
            OrtTensor::from_array((shape, values))?.upcast()
        }
        (Tensor::Float(array), T::Bfloat16) => {
            let mut values = vec![bf16::ZERO; array.len()];
            values.convert_from_f32_slice(&in_order(array));
            OrtTensor::from_array((shape, values))?.upcast()
        }
        (Tensor::Float(array), _) => OrtTensor::from_array((shape, in_order(array).into_owned()))?.upcast(),
        (Tensor::Integer(array), T::Int32) => {
            // Saturates: token ids and masks are far below either limit.
            let narrow = |&value: &i64| value.clamp(i32::MIN.into(), i32::MAX.into()) as i32;
            OrtTensor::from_array((shape, array.iter().map(narrow).collect::<Vec<_>>()))?.upcast()
        }
        (Tensor::Integer(array), _) => OrtTensor::from_array((shape, in_order(array).into_owned()))?.upcast(),
        (Tensor::Held(held), _) => return Err(ort::Error::new(format!("{held:?} is not the engine's"))),
    })
}

/// The values in row-major order, copied only if they lie otherwise.
fn in_order<T: Clone>(array: &ArrayD<T>) -> std::borrow::Cow<'_, [T]> {
    match array.as_slice() {
        Some(values) => values.into(),
        None => array.iter().cloned().collect::<Vec<_>>().into(),
    }
}

fn decode(value: &DynValue, element: TensorElementType) -> ort::Result<Tensor> {
    use TensorElementType as T;
    Ok(match element {
        T::Float16 => Tensor::Float(widen::<f16>(value, HalfFloatSliceExt::convert_to_f32_slice)?),
        T::Bfloat16 => Tensor::Float(widen::<bf16>(value, HalfFloatSliceExt::convert_to_f32_slice)?),
        T::Int64 => Tensor::Integer(value.try_extract_array::<i64>()?.to_owned()),
        T::Int32 => Tensor::Integer(value.try_extract_array::<i32>()?.mapv(i64::from)),
        _ => Tensor::Float(value.try_extract_array::<f32>()?.to_owned()),
    })
}

fn widen<T: ort::value::PrimitiveTensorElementType>(
    value: &DynValue,
    convert: impl Fn(&[T], &mut [f32]),
) -> ort::Result<ArrayD<f32>> {
    let (shape, values) = value.try_extract_tensor::<T>()?;
    let mut wide = ArrayD::zeros(IxDyn(&shape.iter().map(|&size| size as usize).collect::<Vec<_>>()));
    if let Some(into) = wide.as_slice_mut() {
        convert(values, into);
    }
    Ok(wide)
}
