//! Property sets: named, typed arrays that host and plugin share.

use std::collections::BTreeMap;
use std::ffi::{CStr, CString};

use openfx::sys::generic::core::{OfxStatus, kOfxStatErrBadIndex, kOfxStatErrUnknown, kOfxStatErrValue};

use crate::violation::ViolationKind;

/// The four types of the property suite.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// C `int`.
    Int,
    /// C `double`.
    Double,
    /// C string.
    Text,
    /// Pointer.
    Pointer,
}

/// Values of one property.
#[derive(Clone, Debug, PartialEq)]
pub enum Values {
    /// Integers.
    Ints(Vec<i32>),
    /// Doubles.
    Doubles(Vec<f64>),
    /// Texts; the plugin may hold pointers to their bytes.
    Texts(Vec<CString>),
    /// Addresses or handles.
    Pointers(Vec<usize>),
}

impl Values {
    /// `count` blank values.
    #[must_use]
    pub fn blank(kind: Kind, count: usize) -> Self {
        match kind {
            Kind::Int => Self::Ints(vec![0; count]),
            Kind::Double => Self::Doubles(vec![0.0; count]),
            Kind::Text => Self::Texts(vec![CString::default(); count]),
            Kind::Pointer => Self::Pointers(vec![0; count]),
        }
    }

    const fn kind(&self) -> Kind {
        match self {
            Self::Ints(_) => Kind::Int,
            Self::Doubles(_) => Kind::Double,
            Self::Texts(_) => Kind::Text,
            Self::Pointers(_) => Kind::Pointer,
        }
    }

    const fn len(&self) -> usize {
        match self {
            Self::Ints(values) => values.len(),
            Self::Doubles(values) => values.len(),
            Self::Texts(values) => values.len(),
            Self::Pointers(values) => values.len(),
        }
    }
}

/// A type that a property can hold.
pub trait Scalar: Clone + Default {
    /// Its kind.
    const KIND: Kind;
    /// The values, if they are of this type.
    fn of(values: &Values) -> Option<&Vec<Self>>;
    /// The values for change, if they are of this type.
    fn of_mut(values: &mut Values) -> Option<&mut Vec<Self>>;
}

macro_rules! scalar {
    ($type:ty, $variant:ident, $kind:ident) => {
        impl Scalar for $type {
            const KIND: Kind = Kind::$kind;
            fn of(values: &Values) -> Option<&Vec<Self>> {
                if let Values::$variant(values) = values { Some(values) } else { None }
            }
            fn of_mut(values: &mut Values) -> Option<&mut Vec<Self>> {
                if let Values::$variant(values) = values { Some(values) } else { None }
            }
        }
    };
}
scalar!(i32, Ints, Int);
scalar!(f64, Doubles, Double);
scalar!(CString, Texts, Text);
scalar!(usize, Pointers, Pointer);

/// What the standard says of one property of one sort of object.
#[derive(Clone, Copy, Debug)]
pub struct Spec {
    /// Its name.
    pub name: &'static CStr,
    /// Its type.
    pub kind: Kind,
    /// How many values; 0 for any number.
    pub size: usize,
    /// Whether the plugin may set it.
    pub writable: bool,
}

#[derive(Clone, Debug)]
struct Entry {
    values: Values,
    default: Values,
    size: usize,
    writable: bool,
    touched: bool,
}

/// Why a call on a property failed.
#[derive(Clone, Debug)]
pub struct Fault {
    /// The rule it breaks; none where asking is allowed and the answer is just no.
    pub kind: Option<ViolationKind>,
    /// What the plugin gets.
    pub status: OfxStatus,
    /// Expected and got.
    pub detail: String,
}

/// The properties of one object.
#[derive(Clone, Debug)]
pub struct PropertySet {
    /// The object in words, for reports.
    pub owner: String,
    entries: BTreeMap<CString, Entry>,
    /// Texts that were replaced while the plugin may still hold their addresses.
    retired: Vec<CString>,
}

impl PropertySet {
    /// A set with blank values.
    #[must_use]
    pub fn new(owner: impl Into<String>, specs: &[Spec]) -> Self {
        let mut set = Self { owner: owner.into(), entries: BTreeMap::new(), retired: Vec::new() };
        for spec in specs {
            set.define(spec.name, spec.kind, spec.size, spec.writable);
        }
        set
    }

    /// Adds one property with blank values.
    pub fn define(&mut self, name: &CStr, kind: Kind, size: usize, writable: bool) {
        let values = Values::blank(kind, size);
        let entry = Entry { default: values.clone(), values, size, writable, touched: false };
        self.entries.insert(name.to_owned(), entry);
    }

    /// Takes a property away, as a host that does not have it.
    pub fn remove(&mut self, name: &CStr) {
        self.entries.remove(name);
    }

    /// A copy for an instance of a described object: only `writable` names stay open to the plugin.
    #[must_use]
    pub fn instantiate(&self, owner: impl Into<String>, writable: &[&CStr]) -> Self {
        let mut copy = self.clone();
        copy.owner = owner.into();
        copy.retired.clear();
        for (name, entry) in &mut copy.entries {
            entry.writable = writable.contains(&name.as_c_str());
            entry.default = entry.values.clone();
        }
        copy
    }

    /// Sets a property as the host; also its default.
    pub fn put(&mut self, name: &CStr, values: Values) {
        if let Some(entry) = self.entries.get_mut(name) {
            debug_assert!(entry.values.kind() == values.kind(), "{name:?}");
            entry.default = values.clone();
            if let Values::Texts(old) = std::mem::replace(&mut entry.values, values) {
                self.retired.extend(old);
            }
        }
    }

    /// Sets integers as the host.
    pub fn put_ints(&mut self, name: &CStr, values: &[i32]) {
        self.put(name, Values::Ints(values.to_vec()));
    }

    /// Sets doubles as the host.
    pub fn put_doubles(&mut self, name: &CStr, values: &[f64]) {
        self.put(name, Values::Doubles(values.to_vec()));
    }

    /// Sets texts as the host.
    pub fn put_texts(&mut self, name: &CStr, values: &[&CStr]) {
        self.put(name, Values::Texts(values.iter().map(|&text| text.to_owned()).collect()));
    }

    /// Sets a pointer as the host.
    pub fn put_pointer(&mut self, name: &CStr, value: usize) {
        self.put(name, Values::Pointers(vec![value]));
    }

    /// The values as the host; empty where there is no such property of this type.
    #[must_use]
    pub fn values<T: Scalar>(&self, name: &CStr) -> &[T] {
        self.entries.get(name).and_then(|entry| T::of(&entry.values)).map_or(&[], Vec::as_slice)
    }

    /// The first text as the host; empty where there is none.
    #[must_use]
    pub fn text(&self, name: &CStr) -> String {
        self.values::<CString>(name)
            .first()
            .map(|text| text.to_string_lossy().into_owned())
            .unwrap_or_default()
    }

    /// All texts as the host.
    #[must_use]
    pub fn texts(&self, name: &CStr) -> Vec<String> {
        self.values::<CString>(name).iter().map(|text| text.to_string_lossy().into_owned()).collect()
    }

    /// The first integer as the host, or 0.
    #[must_use]
    pub fn int(&self, name: &CStr) -> i32 {
        self.values::<i32>(name).first().copied().unwrap_or(0)
    }

    /// Whether the plugin has set the property.
    #[must_use]
    pub fn touched(&self, name: &CStr) -> bool {
        self.entries.get(name).is_some_and(|entry| entry.touched)
    }

    /// Reads one value for the plugin.
    ///
    /// # Errors
    /// Unknown name, wrong type or index.
    pub fn read<T: Scalar>(&self, name: &CStr, index: i32) -> Result<&T, Fault> {
        let entry = self.entries.get(name).ok_or_else(|| self.unknown(name, None))?;
        let values = T::of(&entry.values).ok_or_else(|| self.wrong_type(name, entry, T::KIND))?;
        usize::try_from(index)
            .ok()
            .and_then(|at| values.get(at))
            .ok_or_else(|| self.wrong_index(name, index, values.len()))
    }

    /// Writes one value for the plugin.
    ///
    /// # Errors
    /// Unknown name, wrong type or index, or not the plugin's to set.
    pub fn write<T: Scalar>(&mut self, name: &CStr, index: i32, value: T) -> Result<(), Fault> {
        let size = self.check_write(name, T::KIND)?;
        let len = self.values::<T>(name).len();
        let at = usize::try_from(index).unwrap_or(usize::MAX);
        let limit = if size == 0 { len } else { size.saturating_sub(1) };
        if at > limit {
            return Err(self.wrong_index(name, index, if size == 0 { len } else { size }));
        }
        self.change(name, |values: &mut Vec<T>| {
            if at == values.len() {
                values.push(value);
                return None;
            }
            values.get_mut(at).map(|slot| std::mem::replace(slot, value))
        });
        Ok(())
    }

    /// Writes values 0.. for the plugin; a property of any number then holds just these.
    ///
    /// # Errors
    /// As [`Self::write`].
    pub fn write_all<T: Scalar>(&mut self, name: &CStr, new: Vec<T>) -> Result<(), Fault> {
        let size = self.check_write(name, T::KIND)?;
        if size != 0 && new.len() > size {
            return Err(self.wrong_index(name, i32::try_from(new.len()).unwrap_or(i32::MAX), size));
        }
        if size == 0 {
            self.clear::<T>(name);
        }
        for (index, value) in (0..).zip(new) {
            self.write(name, index, value)?;
        }
        Ok(())
    }

    /// Puts a property back to its default for the plugin.
    ///
    /// # Errors
    /// Unknown name, or not the plugin's to set.
    pub fn reset(&mut self, name: &CStr) -> Result<(), Fault> {
        let kind = self.entries.get(name).map(|e| e.values.kind()).ok_or_else(|| self.unknown_set(name))?;
        self.check_write(name, kind)?;
        if let Some(entry) = self.entries.get_mut(name) {
            let old = std::mem::replace(&mut entry.values, entry.default.clone());
            if let Values::Texts(texts) = old {
                self.retired.extend(texts);
            }
        }
        Ok(())
    }

    /// How many values a property has, for the plugin.
    ///
    /// # Errors
    /// Unknown name.
    pub fn dimension(&self, name: &CStr) -> Result<usize, Fault> {
        self.entries.get(name).map(|entry| entry.values.len()).ok_or_else(|| self.unknown(name, None))
    }

    /// Replaces or drops values of one property, keeping replaced texts alive.
    fn change<T: Scalar>(&mut self, name: &CStr, edit: impl FnOnce(&mut Vec<T>) -> Option<T>) {
        let Some(entry) = self.entries.get_mut(name) else { return };
        entry.touched = true;
        let Some(old) = T::of_mut(&mut entry.values).and_then(edit) else { return };
        let mut kept = Values::blank(T::KIND, 0);
        if let Some(list) = T::of_mut(&mut kept) {
            list.push(old);
        }
        if let Values::Texts(texts) = kept {
            self.retired.extend(texts);
        }
    }

    fn clear<T: Scalar>(&mut self, name: &CStr) {
        let Some(entry) = self.entries.get_mut(name) else { return };
        entry.touched = true;
        if let Values::Texts(texts) = std::mem::replace(&mut entry.values, Values::blank(T::KIND, 0)) {
            self.retired.extend(texts);
        }
    }

    fn check_write(&self, name: &CStr, kind: Kind) -> Result<usize, Fault> {
        let entry = self.entries.get(name).ok_or_else(|| self.unknown_set(name))?;
        if entry.values.kind() != kind {
            return Err(self.wrong_type(name, entry, kind));
        }
        if !entry.writable {
            return Err(self.fault(
                Some(ViolationKind::ReadOnlyProperty),
                kOfxStatErrValue,
                name,
                "is not the plugin's to set here",
            ));
        }
        Ok(entry.size)
    }

    fn unknown_set(&self, name: &CStr) -> Fault {
        self.unknown(name, Some(ViolationKind::UnknownProperty))
    }

    fn unknown(&self, name: &CStr, kind: Option<ViolationKind>) -> Fault {
        self.fault(kind, kOfxStatErrUnknown, name, "is no property of this object")
    }

    fn wrong_type(&self, name: &CStr, entry: &Entry, asked: Kind) -> Fault {
        let what = format!("is of type {:?}, used as {asked:?}", entry.values.kind());
        self.fault(Some(ViolationKind::WrongPropertyType), kOfxStatErrValue, name, &what)
    }

    fn wrong_index(&self, name: &CStr, index: i32, size: usize) -> Fault {
        let what = format!("has {size} values, asked for {index}");
        self.fault(Some(ViolationKind::WrongDimension), kOfxStatErrBadIndex, name, &what)
    }

    fn fault(&self, kind: Option<ViolationKind>, status: OfxStatus, name: &CStr, what: &str) -> Fault {
        Fault { kind, status, detail: format!("{}: {} {what}", self.owner, name.to_string_lossy()) }
    }
}
