//! Parameter suite, version 1. Its variadic functions are in `shim.c`.

use std::ffi::{CString, c_char, c_int, c_uint, c_void};

use openfx::sys::generic::core::*;
use openfx::sys::image_effect_v1::image_effect::kOfxImageEffectTransitionParamName;
use openfx::sys::image_effect_v1::param::*;

use super::{give, give_if_wanted, null, optional, required, serve, serve_with};
use crate::host;
use crate::report::EditReport;
use crate::violation::ViolationKind;
use crate::world::calls::{self, Action};
use crate::world::handles::Handle;
use crate::world::parameter::{self, ParamKind, Parameter};
use crate::world::property_set::{Kind, PropertySet, Values};
use crate::world::{Answer, World, fault, property_table, refuse};

unsafe extern "C" {
    fn pickup_shim_param_get_value(param: OfxParamHandle, ...) -> OfxStatus;
    fn pickup_shim_param_get_value_at_time(param: OfxParamHandle, time: OfxTime, ...) -> OfxStatus;
    fn pickup_shim_param_get_derivative(param: OfxParamHandle, time: OfxTime, ...) -> OfxStatus;
    fn pickup_shim_param_get_integral(param: OfxParamHandle, from: OfxTime, to: OfxTime, ...) -> OfxStatus;
    fn pickup_shim_param_set_value(param: OfxParamHandle, ...) -> OfxStatus;
    fn pickup_shim_param_set_value_at_time(param: OfxParamHandle, time: OfxTime, ...) -> OfxStatus;
}

/// The suite as plugins get it.
pub static PARAMETER_SUITE: OfxParameterSuiteV1 = OfxParameterSuiteV1 {
    paramDefine: Some(define),
    paramGetHandle: Some(get_handle),
    paramSetGetPropertySet: Some(set_property_set),
    paramGetPropertySet: Some(property_set),
    paramGetValue: Some(pickup_shim_param_get_value),
    paramGetValueAtTime: Some(pickup_shim_param_get_value_at_time),
    paramGetDerivative: Some(pickup_shim_param_get_derivative),
    paramGetIntegral: Some(pickup_shim_param_get_integral),
    paramSetValue: Some(pickup_shim_param_set_value),
    paramSetValueAtTime: Some(pickup_shim_param_set_value_at_time),
    paramGetNumKeys: Some(number_of_keys),
    paramGetKeyTime: Some(key_time),
    paramGetKeyIndex: Some(key_index),
    paramDeleteKey: Some(delete_key),
    paramDeleteAllKeys: Some(delete_all_keys),
    paramCopy: Some(copy),
    paramEditBegin: Some(edit_begin),
    paramEditEnd: Some(edit_end),
};

unsafe extern "C" fn define(
    set: OfxParamSetHandle,
    kind: *const c_char,
    name: *const c_char,
    props: *mut OfxPropertySetHandle,
) -> OfxStatus {
    serve_with("paramDefine", |host, world| {
        // SAFETY: the standard obliges the plugin to give C strings.
        let (kind, name) = unsafe { (required(kind, "type")?, required(name, "name")?) };
        if ParamKind::named(&kind).is_some_and(|kind| host.manners().crashes_on.contains(&kind)) {
            world.report(ViolationKind::HostCrash, "paramDefine", format!("{name:?} of type {kind:?}"));
        }
        let handle = define_parameter(world, Handle::from_ptr(set), &kind, name)?;
        // SAFETY: the standard allows null, or else wants a place for one handle.
        unsafe { give_if_wanted(props, handle.as_ptr()) };
        Ok(())
    })
}

fn define_parameter(world: &mut World, set: Handle, kind: &CString, name: CString) -> Answer<Handle> {
    let effect = world.param_set(set)?.effect;
    let describing = world.current_call().is_some_and(|call| call.action == Action::DescribeInContext);
    if !describing || world.effect(effect)?.instance {
        let detail = format!("parameter {name:?} defined outside DescribeInContext");
        return Err(fault(ViolationKind::DefinedOutsideDescribe, kOfxStatFailed, detail));
    }
    let kind = ParamKind::named(kind).ok_or_else(|| {
        fault(ViolationKind::UnknownParameterType, kOfxStatErrUnsupported, format!("{kind:?} for {name:?}"))
    })?;
    if world.parameter_named(effect, &name).is_some() {
        return Err(fault(ViolationKind::DuplicateParameter, kOfxStatErrExists, format!("{name:?}")));
    }
    let props = world.add_props(descriptor(kind, &name));
    let value = Values::blank(Kind::Int, 0);
    world.add_parameter(set, Parameter { name, kind, props, effect, value, retired: Vec::new() });
    Ok(props)
}

/// The properties of a new parameter with the defaults of the standard.
fn descriptor(kind: ParamKind, name: &CString) -> PropertySet {
    let owner = format!("parameter {}", name.to_string_lossy());
    let mut props = PropertySet::new(owner, &property_table::parameter(kind));
    props.put_texts(kOfxPropType, &[kOfxTypeParameter]);
    for label in [kOfxPropName, kOfxPropLabel, kOfxPropShortLabel, kOfxPropLongLabel, kOfxParamPropScriptName]
    {
        props.put_texts(label, &[name]);
    }
    props.put_texts(kOfxParamPropType, &[kind.name()]);
    let yes = [
        kOfxParamPropEnabled,
        kOfxParamPropAnimates,
        kOfxParamPropPersistant,
        kOfxParamPropEvaluateOnChange,
        kOfxParamPropCanUndo,
        kOfxParamPropStringFilePathExists,
        kOfxParamPropGroupOpen,
    ];
    yes.into_iter().for_each(|name| props.put_ints(name, &[1]));
    props.put_texts(kOfxParamPropStringMode, &[kOfxParamStringIsSingleLine]);
    props.put_texts(kOfxParamPropCacheInvalidation, &[kOfxParamInvalidateValueChange]);
    props
}

unsafe extern "C" fn get_handle(
    set: OfxParamSetHandle,
    name: *const c_char,
    param: *mut OfxParamHandle,
    props: *mut OfxPropertySetHandle,
) -> OfxStatus {
    serve_with("paramGetHandle", |host, world| {
        // SAFETY: the standard obliges the plugin to give a C string.
        let name = unsafe { required(name, "name")? };
        let effect = world.param_set(Handle::from_ptr(set))?.effect;
        if chokes(host.manners().chokes_on, world, effect) {
            return Err(refuse(kOfxStatErrUnknown));
        }
        let handle = world.parameter_named(effect, &name).ok_or_else(|| {
            fault(ViolationKind::UnknownParameter, kOfxStatErrUnknown, format!("{name:?} was never defined"))
        })?;
        let set = world.param(handle)?.props;
        // SAFETY: the standard wants a place for one handle, and one or null.
        unsafe {
            give_if_wanted(props, set.as_ptr());
            give(param, handle.as_ptr(), "param")
        }
    })
}

/// Whether an effect has a parameter of a kind that lets the host find none.
fn chokes(kinds: &[ParamKind], world: &World, effect: Handle) -> bool {
    world.params.values().any(|param| param.effect == effect && kinds.contains(&param.kind))
}

unsafe extern "C" fn set_property_set(set: OfxParamSetHandle, props: *mut OfxPropertySetHandle) -> OfxStatus {
    serve("paramSetGetPropertySet", |world| {
        let handle = world.param_set(Handle::from_ptr(set))?.props;
        // SAFETY: the standard wants a place for one handle.
        unsafe { give(props, handle.as_ptr(), "propHandle") }
    })
}

unsafe extern "C" fn property_set(param: OfxParamHandle, props: *mut OfxPropertySetHandle) -> OfxStatus {
    serve("paramGetPropertySet", |world| {
        let handle = world.param(Handle::from_ptr(param))?.props;
        // SAFETY: the standard wants a place for one handle.
        unsafe { give(props, handle.as_ptr(), "propHandle") }
    })
}

/// For `shim.c`: the type of a parameter's scalars and how many there are.
#[unsafe(no_mangle)]
unsafe extern "C" fn pickup_host_param_signature(param: *const c_void, count: *mut c_int) -> c_int {
    let Some(host) = host::current() else { return 0 };
    let kind = host.world.lock().params.get(&Handle::from_ptr(param)).map(|param| param.kind);
    let Some(kind) = kind.filter(|kind| kind.has_value()) else { return 0 };
    // SAFETY: the shim gives the address of an int of its own.
    unsafe { give_if_wanted(count, c_int::try_from(kind.arity()).unwrap_or(0)) };
    c_int::from(match kind.scalar_kind() {
        Kind::Int => b'i',
        Kind::Text => b's',
        _ => b'd',
    })
}

const GET_CALLS: [&str; 4] =
    ["paramGetValue", "paramGetValueAtTime", "paramGetDerivative", "paramGetIntegral"];
const VALUE: c_int = 0;
const VALUE_AT: c_int = 1;
const DERIVATIVE: c_int = 2;
const INTEGRAL: c_int = 3;

/// For `shim.c`: reads a value into `count` places.
#[unsafe(no_mangle)]
unsafe extern "C" fn pickup_host_param_get(
    param: *const c_void,
    call: c_int,
    from: f64,
    to: f64,
    places: *const *mut c_void,
    count: c_int,
) -> OfxStatus {
    let name = usize::try_from(call).ok().and_then(|at| GET_CALLS.get(at)).copied().unwrap_or(GET_CALLS[0]);
    serve_with(name, |host, world| {
        let parameter = valued(world, Handle::from_ptr(param))?;
        let at = if call == VALUE { world.current_call().map_or(0.0, |call| call.time) } else { from };
        let value = match (call, &parameter.value) {
            (VALUE | VALUE_AT, _) if parameter.name.as_c_str() == kOfxImageEffectTransitionParamName => {
                Values::Doubles(vec![host.transition(at)])
            }
            // Values do not change with time here, so the slope is 0 and the integral a product.
            (DERIVATIVE, Values::Doubles(list)) => Values::Doubles(vec![0.0; list.len()]),
            (INTEGRAL, Values::Doubles(list)) => {
                Values::Doubles(list.iter().map(|v| v * (to - from)).collect())
            }
            (DERIVATIVE | INTEGRAL, _) => return Err(wrong_kind(parameter, "has no derivative or integral")),
            (_, value) => value.clone(),
        };
        let held = match (&value, &parameter.value) {
            (Values::Texts(_), original) => original.clone_addresses(),
            _ => Vec::new(),
        };
        for at in 0..usize::try_from(count).unwrap_or(0) {
            // SAFETY: the shim gives `count` places, each null or what the standard obliges the plugin to
            // give for this parameter's kind; texts stay alive with their parameter.
            unsafe { give_scalar(places.add(at).read(), &value, &held, at)? };
        }
        Ok(())
    })
}

impl Values {
    /// Addresses of texts where they are held, so that what the plugin gets stays valid.
    fn clone_addresses(&self) -> Vec<*const c_char> {
        if let Self::Texts(list) = self {
            list.iter().map(|text| text.as_ptr()).collect()
        } else {
            Vec::new()
        }
    }
}

/// # Safety
/// `place` is null or valid for a write of the value's scalar type.
unsafe fn give_scalar(place: *mut c_void, value: &Values, held: &[*const c_char], at: usize) -> Answer {
    // SAFETY: the caller's promise, by type.
    unsafe {
        match value {
            Values::Ints(list) => list.get(at).map_or(Ok(()), |&v| give(place.cast::<c_int>(), v, "value")),
            Values::Doubles(list) => list.get(at).map_or(Ok(()), |&v| give(place.cast::<f64>(), v, "value")),
            _ => held.get(at).map_or(Ok(()), |&v| give(place.cast::<*const c_char>(), v, "value")),
        }
    }
}

fn valued(world: &World, handle: Handle) -> Answer<&Parameter> {
    let parameter = world.param(handle)?;
    let instance = world.effect(parameter.effect)?.instance;
    match (parameter.kind.has_value(), instance) {
        (false, _) => Err(wrong_kind(parameter, "has no value")),
        (true, false) => Err(wrong_kind(parameter, "has no value while it is described")),
        (true, true) => Ok(parameter),
    }
}

fn wrong_kind(parameter: &Parameter, what: &str) -> crate::world::property_set::Fault {
    let detail = format!("{:?} of type {:?} {what}", parameter.name, parameter.kind.name());
    fault(ViolationKind::WrongParameterKind, kOfxStatErrUnsupported, detail)
}

/// For `shim.c`: sets a value, and announces it to the plugin where hosts do.
#[unsafe(no_mangle)]
unsafe extern "C" fn pickup_host_param_set(
    param: *const c_void,
    timed: c_int,
    _time: f64,
    ints: *const c_int,
    doubles: *const f64,
    text: *const c_char,
) -> OfxStatus {
    let call = if timed == 0 { "paramSetValue" } else { "paramSetValueAtTime" };
    let handle = Handle::from_ptr(param);
    edit(call, handle, |world| {
        let parameter = valued(world, handle)?;
        let arity = parameter.kind.arity();
        // SAFETY: the shim gives arrays of four; `arity` is at most four; the text is the plugin's C string.
        unsafe {
            Ok(match parameter.kind.scalar_kind() {
                Kind::Int => Values::Ints(std::slice::from_raw_parts(ints, arity).to_vec()),
                Kind::Text => Values::Texts(vec![plausible_text(parameter, text)?]),
                _ => Values::Doubles(std::slice::from_raw_parts(doubles, arity).to_vec()),
            })
        }
    })
}

/// No C string lies in the first page; an address there is a number passed for a text.
const FIRST_PAGE: usize = 4096;

/// # Safety
/// `text` is null, a number of the first page, or a C string.
unsafe fn plausible_text(parameter: &Parameter, text: *const c_char) -> Answer<CString> {
    if (1..FIRST_PAGE).contains(&text.addr()) {
        return Err(wrong_kind(parameter, "was set to a number"));
    }
    // SAFETY: null or a C string by the caller's promise.
    unsafe { optional(text) }.ok_or_else(|| null("value"))
}

/// Sets a parameter to what `value` says, then tells the plugin of its own edit.
fn edit(call: &'static str, handle: Handle, value: impl FnOnce(&mut World) -> Answer<Values>) -> OfxStatus {
    let mut changed = None;
    let status = serve(call, |world| {
        let value = value(world)?;
        changed = Some(store(world, handle, value)?);
        Ok(())
    });
    if let (Some((effect, name)), Some(host)) = (changed, host::current()) {
        host.plugin_edited(effect, &name);
    }
    status
}

fn store(world: &mut World, handle: Handle, value: Values) -> Answer<(Handle, CString)> {
    let (kind, name, effect, props) = {
        let parameter = world.param(handle)?;
        (parameter.kind, parameter.name.clone(), parameter.effect, parameter.props)
    };
    let action = calls::on_this_thread().or_else(|| world.current_call()).map(|call| call.action);
    if !action.is_some_and(Action::may_set_parameters) {
        let detail = format!("{name:?} set in {}", action.map_or("no action", Action::label));
        return Err(fault(ViolationKind::ParameterSetOutsideEdit, kOfxStatFailed, detail));
    }
    if let Some(why) = world.props.get(&props).and_then(|props| parameter::misfit(kind, props, &value)) {
        let detail = format!("{name:?}: {why}");
        return Err(fault(ViolationKind::WrongParameterKind, kOfxStatErrValue, detail));
    }
    let shown = parameter::to_json(kind, &value);
    world.journal.edits.push(EditReport { name: name.to_string_lossy().into_owned(), value: shown });
    if let Some(parameter) = world.params.get_mut(&handle) {
        parameter.set(value);
    }
    Ok((effect, name))
}

unsafe extern "C" fn number_of_keys(param: OfxParamHandle, count: *mut c_uint) -> OfxStatus {
    serve("paramGetNumKeys", |world| {
        valued(world, Handle::from_ptr(param))?;
        // SAFETY: the standard wants a place for one number.
        unsafe { give(count, 0, "numberOfKeys") }
    })
}

unsafe extern "C" fn key_time(param: OfxParamHandle, _nth: c_uint, _time: *mut OfxTime) -> OfxStatus {
    serve("paramGetKeyTime", |world| no_key(world, param, kOfxStatErrBadIndex))
}

unsafe extern "C" fn key_index(
    param: OfxParamHandle,
    _time: OfxTime,
    _direction: c_int,
    _index: *mut c_int,
) -> OfxStatus {
    serve("paramGetKeyIndex", |world| no_key(world, param, kOfxStatFailed))
}

unsafe extern "C" fn delete_key(param: OfxParamHandle, _time: OfxTime) -> OfxStatus {
    serve("paramDeleteKey", |world| no_key(world, param, kOfxStatErrBadIndex))
}

/// Parameters have no keys here: their values do not change with time.
fn no_key(world: &World, param: OfxParamHandle, status: OfxStatus) -> Answer {
    valued(world, Handle::from_ptr(param))?;
    Err(refuse(status))
}

unsafe extern "C" fn delete_all_keys(param: OfxParamHandle) -> OfxStatus {
    serve("paramDeleteAllKeys", |world| valued(world, Handle::from_ptr(param)).map(|_| ()))
}

unsafe extern "C" fn copy(
    to: OfxParamHandle,
    from: OfxParamHandle,
    _offset: OfxTime,
    _range: *const OfxRangeD,
) -> OfxStatus {
    edit("paramCopy", Handle::from_ptr(to), |world| {
        let (source, target) = (valued(world, Handle::from_ptr(from))?, valued(world, Handle::from_ptr(to))?);
        if source.kind != target.kind {
            return Err(wrong_kind(target, &format!("copied from {:?}", source.kind.name())));
        }
        Ok(source.value.clone())
    })
}

unsafe extern "C" fn edit_begin(set: OfxParamSetHandle, _name: *const c_char) -> OfxStatus {
    serve("paramEditBegin", |world| {
        world.param_set(Handle::from_ptr(set))?.edits += 1;
        Ok(())
    })
}

unsafe extern "C" fn edit_end(set: OfxParamSetHandle) -> OfxStatus {
    serve("paramEditEnd", |world| {
        let set = world.param_set(Handle::from_ptr(set))?;
        set.edits = set.edits.checked_sub(1).ok_or_else(|| {
            fault(ViolationKind::UnbalancedEdit, kOfxStatFailed, "paramEditEnd without paramEditBegin")
        })?;
        Ok(())
    })
}
