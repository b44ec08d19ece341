//! Parameters: kinds, values, and their JSON form.

use std::ffi::{CStr, CString};

use openfx::sys::image_effect_v1::param::*;
use serde_json::{Value, json};

use super::handles::Handle;
use super::property_set::{Kind, PropertySet, Scalar, Values};

/// Parameter types of the standard, `Bytes` excepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ParamKind {
    /// One integer.
    Integer,
    /// Two integers.
    Integer2D,
    /// Three integers.
    Integer3D,
    /// One double.
    Double,
    /// Two doubles.
    Double2D,
    /// Three doubles.
    Double3D,
    /// Three doubles.
    Rgb,
    /// Four doubles.
    Rgba,
    /// An integer, 0 or 1.
    Boolean,
    /// The index of an option.
    Choice,
    /// An option by its text.
    StrChoice,
    /// A text.
    String,
    /// A text that only the plugin reads.
    Custom,
    /// A button, without value.
    PushButton,
    /// Holds other parameters, without value.
    Group,
    /// A page, without value.
    Page,
}

const KINDS: [(&CStr, ParamKind); 16] = [
    (kOfxParamTypeInteger, ParamKind::Integer),
    (kOfxParamTypeInteger2D, ParamKind::Integer2D),
    (kOfxParamTypeInteger3D, ParamKind::Integer3D),
    (kOfxParamTypeDouble, ParamKind::Double),
    (kOfxParamTypeDouble2D, ParamKind::Double2D),
    (kOfxParamTypeDouble3D, ParamKind::Double3D),
    (kOfxParamTypeRGB, ParamKind::Rgb),
    (kOfxParamTypeRGBA, ParamKind::Rgba),
    (kOfxParamTypeBoolean, ParamKind::Boolean),
    (kOfxParamTypeChoice, ParamKind::Choice),
    (kOfxParamTypeStrChoice, ParamKind::StrChoice),
    (kOfxParamTypeString, ParamKind::String),
    (kOfxParamTypeCustom, ParamKind::Custom),
    (kOfxParamTypePushButton, ParamKind::PushButton),
    (kOfxParamTypeGroup, ParamKind::Group),
    (kOfxParamTypePage, ParamKind::Page),
];

impl ParamKind {
    /// The kind of this name in the standard.
    #[must_use]
    pub fn named(name: &CStr) -> Option<Self> {
        KINDS.iter().find(|(known, _)| *known == name).map(|&(_, kind)| kind)
    }

    /// Its name in the standard.
    #[must_use]
    pub fn name(self) -> &'static CStr {
        KINDS.iter().find(|(_, kind)| *kind == self).map_or(c"", |&(name, _)| name)
    }

    /// How many scalars a value has; 0 without value.
    #[must_use]
    pub const fn arity(self) -> usize {
        match self {
            Self::PushButton | Self::Group | Self::Page => 0,
            Self::Integer2D | Self::Double2D => 2,
            Self::Integer3D | Self::Double3D | Self::Rgb => 3,
            Self::Rgba => 4,
            _ => 1,
        }
    }

    /// Whether it has a value at all.
    #[must_use]
    pub const fn has_value(self) -> bool {
        self.arity() > 0
    }

    /// Whether it needs a range (colours do not).
    #[must_use]
    pub const fn is_numeric(self) -> bool {
        matches!(
            self,
            Self::Integer
                | Self::Integer2D
                | Self::Integer3D
                | Self::Double
                | Self::Double2D
                | Self::Double3D
        )
    }

    /// The type of its scalars.
    #[must_use]
    pub const fn scalar_kind(self) -> Kind {
        match self {
            Self::Integer | Self::Integer2D | Self::Integer3D | Self::Boolean | Self::Choice => Kind::Int,
            Self::String | Self::Custom | Self::StrChoice => Kind::Text,
            _ => Kind::Double,
        }
    }
}

/// One parameter of a descriptor or instance.
#[derive(Clone, Debug)]
pub struct Parameter {
    /// Its name.
    pub name: CString,
    /// Its kind.
    pub kind: ParamKind,
    /// Its property set.
    pub props: Handle,
    /// The effect it belongs to.
    pub effect: Handle,
    /// Its value; blank while described.
    pub value: Values,
    /// Texts that were replaced while the plugin may still hold their addresses.
    pub retired: Vec<CString>,
}

impl Parameter {
    /// Sets the value, keeping replaced texts alive.
    pub fn set(&mut self, value: Values) {
        if let Values::Texts(old) = std::mem::replace(&mut self.value, value) {
            self.retired.extend(old);
        }
    }
}

/// A parameter set and whether an edit block is open.
#[derive(Clone, Debug)]
pub struct ParameterSet {
    /// Its property set.
    pub props: Handle,
    /// The effect it belongs to.
    pub effect: Handle,
    /// Parameters in the order of their definition.
    pub parameters: Vec<Handle>,
    /// Open `paramEditBegin`s.
    pub edits: usize,
}

/// The described default of a parameter.
#[must_use]
pub fn default_value(kind: ParamKind, props: &PropertySet) -> Values {
    match kind.scalar_kind() {
        _ if !kind.has_value() => Values::blank(Kind::Int, 0),
        Kind::Text => Values::Texts(props.values(kOfxParamPropDefault).to_vec()),
        Kind::Int => Values::Ints(props.values(kOfxParamPropDefault).to_vec()),
        _ => Values::Doubles(props.values(kOfxParamPropDefault).to_vec()),
    }
}

/// A value from JSON: a number, a list of numbers, a text, true or false, or an option's text.
///
/// # Errors
/// In words, what was expected.
pub fn from_json(kind: ParamKind, props: &PropertySet, value: &Value) -> Result<Values, String> {
    let wrong = || format!("a value for {} cannot be {value}", kind.name().to_string_lossy());
    match kind.scalar_kind() {
        _ if !kind.has_value() => Err(wrong()),
        Kind::Text => {
            let text = value.as_str().ok_or_else(wrong)?;
            Ok(Values::Texts(vec![CString::new(text).map_err(|_| wrong())?]))
        }
        Kind::Int => integers(kind, props, value).map(Values::Ints).ok_or_else(wrong),
        _ => scalars(kind, value, Value::as_f64).map(Values::Doubles).ok_or_else(wrong),
    }
}

fn integers(kind: ParamKind, props: &PropertySet, value: &Value) -> Option<Vec<i32>> {
    if let (ParamKind::Choice, Some(label)) = (kind, value.as_str()) {
        let at = props.texts(kOfxParamPropChoiceOption).iter().position(|option| option == label)?;
        return i32::try_from(at).ok().map(|index| vec![index]);
    }
    if let (ParamKind::Boolean, Some(on)) = (kind, value.as_bool()) {
        return Some(vec![i32::from(on)]);
    }
    scalars(kind, value, |v| v.as_i64().and_then(|v| i32::try_from(v).ok()))
}

fn scalars<T>(kind: ParamKind, value: &Value, read: impl Fn(&Value) -> Option<T>) -> Option<Vec<T>> {
    let list = value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice);
    let values: Option<Vec<T>> = list.iter().map(read).collect();
    values.filter(|values| values.len() == kind.arity())
}

/// A value as JSON: choices as their index, booleans as true and false.
#[must_use]
pub fn to_json(kind: ParamKind, value: &Values) -> Value {
    fn shape<T: Clone + Into<Value>>(list: &[T]) -> Value {
        if let [one] = list {
            one.clone().into()
        } else {
            json!(list.iter().cloned().map(Into::into).collect::<Vec<Value>>())
        }
    }
    match value {
        _ if !kind.has_value() => Value::Null,
        Values::Ints(list) if kind == ParamKind::Boolean => json!(list.first().is_some_and(|&v| v != 0)),
        Values::Ints(list) => shape(list),
        Values::Doubles(list) => shape(list),
        Values::Texts(list) => {
            json!(list.first().map(|text| text.to_string_lossy().into_owned()).unwrap_or_default())
        }
        Values::Pointers(_) => Value::Null,
    }
}

/// Why a value does not fit a parameter; none where it fits.
#[must_use]
pub fn misfit(kind: ParamKind, props: &PropertySet, value: &Values) -> Option<String> {
    match (kind, value) {
        (ParamKind::Choice, Values::Ints(list)) => {
            let options = props.values::<CString>(kOfxParamPropChoiceOption).len();
            let index = list.first().copied().unwrap_or(-1);
            (usize::try_from(index).ok().is_none_or(|at| at >= options))
                .then(|| format!("option {index} of {options}"))
        }
        (ParamKind::Boolean, Values::Ints(list)) => {
            list.iter().find(|v| !(0..=1).contains(*v)).map(|v| format!("{v} is neither 0 nor 1"))
        }
        (_, Values::Ints(list)) if kind.is_numeric() => outside(props, list),
        (_, Values::Doubles(list)) if kind.is_numeric() => outside(props, list)
            .or_else(|| list.iter().find(|v| v.is_nan()).map(|_| "not a number".to_owned())),
        _ => None,
    }
}

fn outside<T: Scalar + PartialOrd + std::fmt::Display>(props: &PropertySet, values: &[T]) -> Option<String> {
    let (low, high) = (props.values::<T>(kOfxParamPropMin), props.values::<T>(kOfxParamPropMax));
    let beyond = |at: usize, v: &T| low.get(at).is_some_and(|l| v < l) || high.get(at).is_some_and(|h| v > h);
    let ranged = props.touched(kOfxParamPropMin) && props.touched(kOfxParamPropMax);
    let (at, value) = values.iter().enumerate().find(|(at, v)| ranged && beyond(*at, v))?;
    Some(format!("{value} is outside {}..={}", low.get(at)?, high.get(at)?))
}
