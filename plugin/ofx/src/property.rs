//! Property sets, and keys that know a property's kind and dimension.
#![expect(unsafe_code, reason = "calls the host's property suite")]

use crate::host::suites;
use crate::status::{Result, check};
use crate::sys::core::OfxPropertySetHandle;
use crate::{Error, Status};
use std::borrow::Cow;
use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::marker::PhantomData;
use std::ptr;

/// A property's name, its kind `K` and its dimension `N` (0: any number of values).
#[derive(Debug)]
pub struct Key<K, const N: usize> {
    name: Cow<'static, CStr>,
    kind: PhantomData<fn() -> K>,
}

impl<K, const N: usize> Key<K, N> {
    /// A key of a fixed name.
    #[must_use]
    pub const fn new(name: &'static CStr) -> Self {
        Self { name: Cow::Borrowed(name), kind: PhantomData }
    }

    /// A key whose name ends in a clip's name, as `OfxImageClipPropRoI_Source`.
    #[must_use]
    pub fn of_clip(stem: &str, clip: &str) -> Self {
        Self { name: Cow::Owned(c_string(&format!("{stem}{clip}"))), kind: PhantomData }
    }

    /// The property's name.
    #[must_use]
    pub fn name(&self) -> &CStr {
        &self.name
    }
}

/// One of the value types that OpenFX properties have.
pub trait Kind {
    /// What reading gives.
    type Get;
    /// What writing takes.
    type Set<'v>: Copy;
    /// Reads value `index` of the property `name`.
    ///
    /// # Errors
    /// The host's answer, when it is not OK.
    fn read(set: PropertySet<'_>, name: &CStr, index: c_int) -> Result<Self::Get>;
    /// Writes value `index` of the property `name`.
    ///
    /// # Errors
    /// The host's answer, when it is not OK.
    fn write(set: PropertySet<'_>, name: &CStr, index: c_int, value: Self::Set<'_>) -> Result<()>;
}

/// 32-bit integers.
#[derive(Debug)]
pub struct Int;
/// Integers that mean no (0) or yes (anything else).
#[derive(Debug)]
pub struct Flag;
/// 64-bit floating point.
#[derive(Debug)]
pub struct Double;
/// UTF-8 text.
#[derive(Debug)]
pub struct Text;
/// Addresses.
#[derive(Debug)]
pub struct Pointer;

/// An address that the host holds. Passing one on is safe; following one is not, and only this crate can.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Address(pub(crate) *mut c_void);

impl Address {
    /// An address that is never followed: a number for the host to keep.
    #[must_use]
    pub fn from_number(number: usize) -> Self {
        Self(ptr::without_provenance_mut(number))
    }

    /// The address as a number.
    #[must_use]
    pub fn number(self) -> usize {
        self.0 as usize
    }
}

/// A property set of the host, alive for `'h`.
#[derive(Clone, Copy, Debug)]
pub struct PropertySet<'h> {
    handle: OfxPropertySetHandle,
    life: PhantomData<&'h ()>,
}

impl<'h> PropertySet<'h> {
    /// Wraps a handle; a null handle is `None`.
    ///
    /// # Safety
    /// A handle that is not null must belong to the host and stay valid for `'h`.
    pub(crate) unsafe fn from_raw(handle: OfxPropertySetHandle) -> Option<Self> {
        (!handle.is_null()).then_some(Self { handle, life: PhantomData })
    }

    pub(crate) fn raw(&self) -> OfxPropertySetHandle {
        self.handle
    }

    /// Value `index` of a property.
    ///
    /// # Errors
    /// [`Status::BadIndex`] when the key's dimension is smaller; the host's answer otherwise.
    pub fn get_at<K: Kind, const N: usize>(&self, key: &Key<K, N>, index: usize) -> Result<K::Get> {
        K::read(*self, key.name(), bounded::<N>(key.name(), index)?)
    }

    /// The value of a one-dimensional property.
    ///
    /// # Errors
    /// The host's answer, when it is not OK.
    pub fn get<K: Kind>(&self, key: &Key<K, 1>) -> Result<K::Get> {
        K::read(*self, key.name(), 0)
    }

    /// All values of a property of known dimension.
    ///
    /// # Errors
    /// The host's answer, when it is not OK for one of them.
    pub fn get_all<K: Kind, const N: usize>(&self, key: &Key<K, N>) -> Result<[K::Get; N]>
    where
        K::Get: Default + Copy,
    {
        let mut values = [K::Get::default(); N];
        for (index, value) in values.iter_mut().enumerate() {
            *value = self.get_at(key, index)?;
        }
        Ok(values)
    }

    /// Sets value `index` of a property.
    ///
    /// # Errors
    /// [`Status::BadIndex`] when the key's dimension is smaller; the host's answer otherwise.
    pub fn set_at<K: Kind, const N: usize>(
        &self,
        key: &Key<K, N>,
        index: usize,
        value: K::Set<'_>,
    ) -> Result<()> {
        K::write(*self, key.name(), bounded::<N>(key.name(), index)?, value)
    }

    /// Sets a one-dimensional property.
    ///
    /// # Errors
    /// The host's answer, when it is not OK.
    pub fn set<K: Kind>(&self, key: &Key<K, 1>, value: K::Set<'_>) -> Result<()> {
        K::write(*self, key.name(), 0, value)
    }

    /// Sets the values of a property, from index 0 on.
    ///
    /// # Errors
    /// [`Status::BadIndex`] when the key's dimension is smaller; the host's answer otherwise.
    pub fn set_all<'v, K: Kind, const N: usize>(
        &self,
        key: &Key<K, N>,
        values: impl IntoIterator<Item = K::Set<'v>>,
    ) -> Result<()> {
        values.into_iter().enumerate().try_for_each(|(index, value)| self.set_at(key, index, value))
    }

    /// The number of values that a property holds now.
    ///
    /// # Errors
    /// The host's answer, when it is not OK.
    pub fn dimension<K: Kind, const N: usize>(&self, key: &Key<K, N>) -> Result<usize> {
        let call = suites()?.property.propGetDimension.ok_or(Error::Missing("propGetDimension"))?;
        let mut count: c_int = 0;
        // SAFETY: a `PropertySet` holds a handle that is valid for its lifetime; `count` outlives the call.
        let code = unsafe { call(self.handle, key.name().as_ptr(), &raw mut count) };
        check(code, "propGetDimension", || lossy(key.name()))?;
        Ok(usize::try_from(count).unwrap_or(0))
    }
}

fn bounded<const N: usize>(name: &CStr, index: usize) -> Result<c_int> {
    let inside = N == 0 || index < N;
    c_int::try_from(index).ok().filter(|_| inside).ok_or_else(|| Error::Call {
        call: "property access",
        subject: format!("{}[{index}]", lossy(name)),
        status: Status::BadIndex,
    })
}

/// Writes the two accessors of a plain value kind.
macro_rules! plain_kind {
    ($kind:ty, $value:ty, $raw:ty, $get:ident, $set:ident, $from:expr, $into:expr) => {
        impl Kind for $kind {
            type Get = $value;
            type Set<'v> = $value;

            fn read(set: PropertySet<'_>, name: &CStr, index: c_int) -> Result<$value> {
                let call = suites()?.property.$get.ok_or(Error::Missing(stringify!($get)))?;
                let mut value = <$raw>::default();
                // SAFETY: a `PropertySet` holds a handle that is valid for its lifetime; `value` has the type
                // that this function of the suite writes, and outlives the call.
                let code = unsafe { call(set.handle, name.as_ptr(), index, &raw mut value) };
                check(code, stringify!($get), || lossy(name))?;
                Ok($from(value))
            }

            fn write(set: PropertySet<'_>, name: &CStr, index: c_int, value: $value) -> Result<()> {
                let call = suites()?.property.$set.ok_or(Error::Missing(stringify!($set)))?;
                // SAFETY: a `PropertySet` holds a handle that is valid for its lifetime; the value is passed
                // by copy.
                let code = unsafe { call(set.handle, name.as_ptr(), index, $into(value)) };
                check(code, stringify!($set), || lossy(name))
            }
        }
    };
}

plain_kind!(Int, i32, c_int, propGetInt, propSetInt, |raw: c_int| raw, |value: i32| value);
plain_kind!(Flag, bool, c_int, propGetInt, propSetInt, |raw: c_int| raw != 0, c_int::from);
plain_kind!(Double, f64, f64, propGetDouble, propSetDouble, |raw: f64| raw, |value: f64| value);

impl Kind for Pointer {
    type Get = Address;
    type Set<'v> = Address;

    fn read(set: PropertySet<'_>, name: &CStr, index: c_int) -> Result<Address> {
        let call = suites()?.property.propGetPointer.ok_or(Error::Missing("propGetPointer"))?;
        let mut value = ptr::null_mut();
        // SAFETY: a `PropertySet` holds a handle that is valid for its lifetime; `value` outlives the call.
        let code = unsafe { call(set.handle, name.as_ptr(), index, &raw mut value) };
        check(code, "propGetPointer", || lossy(name))?;
        Ok(Address(value))
    }

    fn write(set: PropertySet<'_>, name: &CStr, index: c_int, value: Address) -> Result<()> {
        let call = suites()?.property.propSetPointer.ok_or(Error::Missing("propSetPointer"))?;
        // SAFETY: a `PropertySet` holds a handle that is valid for its lifetime; the host only keeps the address.
        let code = unsafe { call(set.handle, name.as_ptr(), index, value.0) };
        check(code, "propSetPointer", || lossy(name))
    }
}

impl Kind for Text {
    type Get = String;
    type Set<'v> = &'v str;

    fn read(set: PropertySet<'_>, name: &CStr, index: c_int) -> Result<String> {
        let call = suites()?.property.propGetString.ok_or(Error::Missing("propGetString"))?;
        let mut value: *mut c_char = ptr::null_mut();
        // SAFETY: a `PropertySet` holds a handle that is valid for its lifetime; `value` outlives the call.
        let code = unsafe { call(set.handle, name.as_ptr(), index, &raw mut value) };
        check(code, "propGetString", || lossy(name))?;
        // SAFETY: after OK the host's pointer is null or a C string that lives until the next call on this set.
        Ok(unsafe { copy_text(value) })
    }

    fn write(set: PropertySet<'_>, name: &CStr, index: c_int, value: &str) -> Result<()> {
        let call = suites()?.property.propSetString.ok_or(Error::Missing("propSetString"))?;
        let text = c_string(value);
        // SAFETY: a `PropertySet` holds a handle that is valid for its lifetime; the host copies the text
        // before it returns.
        let code = unsafe { call(set.handle, name.as_ptr(), index, text.as_ptr()) };
        check(code, "propSetString", || lossy(name))
    }
}

/// Copies a host's text; null is empty, bytes that are not UTF-8 are replaced.
///
/// # Safety
/// `text` must be null or a C string that lives through the call.
pub(crate) unsafe fn copy_text(text: *const c_char) -> String {
    if text.is_null() {
        return String::new();
    }
    // SAFETY: not null, hence a C string by this function's contract.
    unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned()
}

/// Text for the host. A NUL inside, which C text cannot hold, is left out.
pub(crate) fn c_string(text: &str) -> CString {
    let bytes: Vec<u8> = text.bytes().filter(|byte| *byte != 0).collect();
    CString::new(bytes).unwrap_or_default()
}

pub(crate) fn lossy(name: &CStr) -> String {
    name.to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_index_outside_the_dimension_is_refused_before_the_host_is_asked() {
        assert_eq!(bounded::<2>(c"Size", 1).unwrap(), 1);
        assert_eq!(bounded::<0>(c"List", 40).unwrap(), 40);
        let outside = bounded::<2>(c"Size", 2).unwrap_err();
        assert!(matches!(outside, Error::Call { status: Status::BadIndex, .. }), "{outside}");
        assert!(bounded::<0>(c"List", usize::MAX).is_err());
    }

    #[test]
    fn text_for_the_host_cannot_be_cut_short_by_a_nul() {
        assert_eq!(c_string("a\0b").as_c_str(), c"ab");
    }

    #[test]
    fn a_clip_key_ends_in_the_clip_name() {
        assert_eq!(
            Key::<Double, 4>::of_clip("OfxImageClipPropRoI_", "Source").name(),
            c"OfxImageClipPropRoI_Source"
        );
    }
}
