//! Property suite, version 1.

use std::ffi::{CString, c_char, c_int, c_void};

use openfx::sys::generic::core::{OfxPropertySetHandle, OfxStatus, kOfxStatErrBadIndex};
use openfx::sys::generic::property::OfxPropertySuiteV1;

use super::{give, null, required, serve};
use crate::violation::ViolationKind;
use crate::world::handles::Handle;
use crate::world::property_set::Scalar;
use crate::world::{Answer, fault};

/// The suite as plugins get it.
pub static PROPERTY_SUITE: OfxPropertySuiteV1 = OfxPropertySuiteV1 {
    propSetPointer: Some(set_pointer),
    propSetString: Some(set_text),
    propSetDouble: Some(set_double),
    propSetInt: Some(set_int),
    propSetPointerN: Some(set_pointers),
    propSetStringN: Some(set_texts),
    propSetDoubleN: Some(set_doubles),
    propSetIntN: Some(set_ints),
    propGetPointer: Some(get_pointer),
    propGetString: Some(get_text),
    propGetDouble: Some(get_double),
    propGetInt: Some(get_int),
    propGetPointerN: Some(get_pointers),
    propGetStringN: Some(get_texts),
    propGetDoubleN: Some(get_doubles),
    propGetIntN: Some(get_ints),
    propReset: Some(reset),
    propGetDimension: Some(dimension),
};

/// A property type as C passes it.
trait Passed: Scalar {
    /// The C type in.
    type In: Copy;
    /// The C type out.
    type Out;
    /// Reads what came in.
    ///
    /// # Safety
    /// For texts, null or a C string.
    unsafe fn take(value: Self::In) -> Answer<Self>;
    /// What goes out. Texts stay where they are while the property's object lives.
    fn pass(&self) -> Self::Out;
}

impl Passed for i32 {
    type In = c_int;
    type Out = c_int;
    unsafe fn take(value: c_int) -> Answer<Self> {
        Ok(value)
    }
    fn pass(&self) -> c_int {
        *self
    }
}

impl Passed for f64 {
    type In = Self;
    type Out = Self;
    unsafe fn take(value: Self) -> Answer<Self> {
        Ok(value)
    }
    fn pass(&self) -> Self {
        *self
    }
}

impl Passed for CString {
    type In = *const c_char;
    type Out = *mut c_char;
    unsafe fn take(value: *const c_char) -> Answer<Self> {
        // SAFETY: the trait's promise.
        unsafe { required(value, "value") }
    }
    fn pass(&self) -> *mut c_char {
        self.as_ptr().cast_mut()
    }
}

impl Passed for usize {
    type In = *mut c_void;
    type Out = *mut c_void;
    unsafe fn take(value: *mut c_void) -> Answer<Self> {
        Ok(value.expose_provenance())
    }
    fn pass(&self) -> *mut c_void {
        std::ptr::with_exposed_provenance_mut(*self)
    }
}

/// # Safety
/// `name` is null or a C string; `value` is as its type says.
unsafe fn set<T: Passed>(
    call: &'static str,
    set: OfxPropertySetHandle,
    name: *const c_char,
    index: c_int,
    value: T::In,
) -> OfxStatus {
    serve(call, |world| {
        // SAFETY: the caller's promise.
        let (name, value) = unsafe { (required(name, "property")?, T::take(value)?) };
        world.props_mut(Handle::from_ptr(set))?.write(&name, index, value)
    })
}

/// # Safety
/// `name` is null or a C string; `values` is null or holds `count` values.
unsafe fn set_all<T: Passed>(
    call: &'static str,
    set: OfxPropertySetHandle,
    name: *const c_char,
    count: c_int,
    values: *const T::In,
) -> OfxStatus {
    serve(call, |world| {
        // SAFETY: the caller's promise.
        let name = unsafe { required(name, "property")? };
        let count = counted(count)?;
        if values.is_null() {
            return Err(null("values"));
        }
        // SAFETY: not null, so it holds `count` values by the caller's promise.
        let values: Answer<Vec<T>> =
            (0..count).map(|at| unsafe { T::take(values.add(at).read_unaligned()) }).collect();
        world.props_mut(Handle::from_ptr(set))?.write_all(&name, values?)
    })
}

/// # Safety
/// `name` is null or a C string; `place` is null or valid for one write.
unsafe fn get<T: Passed>(
    call: &'static str,
    set: OfxPropertySetHandle,
    name: *const c_char,
    index: c_int,
    place: *mut T::Out,
) -> OfxStatus {
    serve(call, |world| {
        // SAFETY: the caller's promise.
        let name = unsafe { required(name, "property")? };
        let value = world.props_mut(Handle::from_ptr(set))?.read::<T>(&name, index)?.pass();
        // SAFETY: the caller's promise.
        unsafe { give(place, value, "value") }
    })
}

/// # Safety
/// `name` is null or a C string; `places` is null or valid for `count` writes.
unsafe fn get_all<T: Passed>(
    call: &'static str,
    set: OfxPropertySetHandle,
    name: *const c_char,
    count: c_int,
    places: *mut T::Out,
) -> OfxStatus {
    serve(call, |world| {
        // SAFETY: the caller's promise.
        let name = unsafe { required(name, "property")? };
        if places.is_null() {
            return Err(null("values"));
        }
        for at in 0..counted(count)? {
            let index = c_int::try_from(at).unwrap_or(c_int::MAX);
            let value = world.props_mut(Handle::from_ptr(set))?.read::<T>(&name, index)?.pass();
            // SAFETY: `at` is below `count`, for which `places` is valid by the caller's promise.
            unsafe { give(places.add(at), value, "values")? };
        }
        Ok(())
    })
}

fn counted(count: c_int) -> Answer<usize> {
    usize::try_from(count)
        .map_err(|_| fault(ViolationKind::WrongDimension, kOfxStatErrBadIndex, format!("count is {count}")))
}

macro_rules! of_type {
    ($type:ty, $set:ident $set_name:literal, $set_all:ident $set_all_name:literal,
     $get:ident $get_name:literal, $get_all:ident $get_all_name:literal) => {
        unsafe extern "C" fn $set(
            props: OfxPropertySetHandle,
            name: *const c_char,
            index: c_int,
            value: <$type as Passed>::In,
        ) -> OfxStatus {
            // SAFETY: the standard obliges the plugin to what the function wants.
            unsafe { set::<$type>($set_name, props, name, index, value) }
        }
        unsafe extern "C" fn $set_all(
            props: OfxPropertySetHandle,
            name: *const c_char,
            count: c_int,
            values: *const <$type as Passed>::In,
        ) -> OfxStatus {
            // SAFETY: the standard obliges the plugin to what the function wants.
            unsafe { set_all::<$type>($set_all_name, props, name, count, values) }
        }
        unsafe extern "C" fn $get(
            props: OfxPropertySetHandle,
            name: *const c_char,
            index: c_int,
            place: *mut <$type as Passed>::Out,
        ) -> OfxStatus {
            // SAFETY: the standard obliges the plugin to what the function wants.
            unsafe { get::<$type>($get_name, props, name, index, place) }
        }
        unsafe extern "C" fn $get_all(
            props: OfxPropertySetHandle,
            name: *const c_char,
            count: c_int,
            places: *mut <$type as Passed>::Out,
        ) -> OfxStatus {
            // SAFETY: the standard obliges the plugin to what the function wants.
            unsafe { get_all::<$type>($get_all_name, props, name, count, places) }
        }
    };
}
of_type!(i32, set_int "propSetInt", set_ints "propSetIntN", get_int "propGetInt", get_ints "propGetIntN");
of_type!(f64, set_double "propSetDouble", set_doubles "propSetDoubleN",
         get_double "propGetDouble", get_doubles "propGetDoubleN");
of_type!(CString, set_text "propSetString", set_texts "propSetStringN",
         get_text "propGetString", get_texts "propGetStringN");
of_type!(usize, set_pointer "propSetPointer", set_pointers "propSetPointerN",
         get_pointer "propGetPointer", get_pointers "propGetPointerN");

unsafe extern "C" fn reset(props: OfxPropertySetHandle, name: *const c_char) -> OfxStatus {
    serve("propReset", |world| {
        // SAFETY: the standard obliges the plugin to give a C string.
        let name = unsafe { required(name, "property")? };
        world.props_mut(Handle::from_ptr(props))?.reset(&name)
    })
}

unsafe extern "C" fn dimension(
    props: OfxPropertySetHandle,
    name: *const c_char,
    count: *mut c_int,
) -> OfxStatus {
    serve("propGetDimension", |world| {
        // SAFETY: the standard obliges the plugin to give a C string.
        let name = unsafe { required(name, "property")? };
        let size = world.props_mut(Handle::from_ptr(props))?.dimension(&name)?;
        // SAFETY: the standard obliges the plugin to give a place for one int.
        unsafe { give(count, c_int::try_from(size).unwrap_or(c_int::MAX), "count") }
    })
}
