//! Parameters: defined as data, read and set by their type.
#![expect(unsafe_code, reason = "calls the host's parameter suite, whose functions take C variadics")]

use crate::host::suites;
use crate::keys;
use crate::property::{PropertySet, c_string, copy_text, lossy};
use crate::status::{Error, Result, check};
use crate::sys::param as ofx;
use std::cell::Cell;
use std::ffi::{CStr, c_char, c_int};
use std::marker::PhantomData;
use std::ptr;

/// How a text parameter is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TextMode {
    /// One line.
    SingleLine,
    /// Several lines.
    MultiLine,
    /// Read-only text.
    Label,
    /// A path of a file that exists.
    FilePath,
    /// A path of a folder that exists.
    FolderPath,
}

impl TextMode {
    fn name(self) -> &'static CStr {
        match self {
            Self::SingleLine => ofx::kOfxParamStringIsSingleLine,
            Self::MultiLine => ofx::kOfxParamStringIsMultiLine,
            Self::Label => ofx::kOfxParamStringIsLabel,
            Self::FilePath => ofx::kOfxParamStringIsFilePath,
            Self::FolderPath => ofx::kOfxParamStringIsDirectoryPath,
        }
    }
}

/// A number's default, its limits, and the limits of its slider (which some hosts need on every number).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Range<T> {
    /// The default.
    pub default: T,
    /// Least and greatest value.
    pub limits: (T, T),
    /// The slider's ends.
    pub display: (T, T),
}

/// A parameter's type, with what only that type has.
///
/// Integer2D and Integer3D are left out on purpose: DaVinci Resolve crashes on them.
#[derive(Clone, Copy, Debug)]
pub enum ParamKind {
    /// Text.
    Text {
        /// How it is shown.
        mode: TextMode,
        /// The default.
        default: &'static str,
    },
    /// An integer.
    Int(Range<i32>),
    /// A double.
    Double {
        /// Default and limits.
        range: Range<f64>,
        /// The step of a click.
        increment: f64,
        /// Decimals shown.
        digits: i32,
    },
    /// Yes or no.
    Bool {
        /// The default.
        default: bool,
    },
    /// One of some options.
    Choice {
        /// The options' labels, in order.
        options: &'static [&'static str],
        /// The default's index.
        default: i32,
    },
    /// A button: pressing it is an InstanceChanged action.
    Button,
    /// A foldable group that parameters name as their parent.
    Group {
        /// Whether it starts unfolded.
        open: bool,
    },
    /// A page, and the ids of what is on it.
    Page {
        /// The ids, in order.
        children: &'static [&'static str],
    },
    /// Opaque text that only the plugin understands. Not every host has these.
    Custom {
        /// The default.
        default: &'static str,
    },
}

impl ParamKind {
    fn type_name(&self) -> &'static CStr {
        match self {
            Self::Text { .. } => ofx::kOfxParamTypeString,
            Self::Int(_) => ofx::kOfxParamTypeInteger,
            Self::Double { .. } => ofx::kOfxParamTypeDouble,
            Self::Bool { .. } => ofx::kOfxParamTypeBoolean,
            Self::Choice { .. } => ofx::kOfxParamTypeChoice,
            Self::Button => ofx::kOfxParamTypePushButton,
            Self::Group { .. } => ofx::kOfxParamTypeGroup,
            Self::Page { .. } => ofx::kOfxParamTypePage,
            Self::Custom { .. } => ofx::kOfxParamTypeCustom,
        }
    }

    /// Whether it has a value that is saved and can be animated.
    #[must_use]
    pub fn has_value(&self) -> bool {
        !matches!(self, Self::Button | Self::Group { .. } | Self::Page { .. })
    }
}

/// A parameter as data: everything a host is told about it.
#[derive(Clone, Copy, Debug)]
pub struct ParamDefinition {
    /// The stable id.
    pub id: &'static str,
    /// The name shown.
    pub label: &'static str,
    /// The tooltip.
    pub hint: &'static str,
    /// The group's id.
    pub parent: Option<&'static str>,
    /// Its type.
    pub kind: ParamKind,
    /// Whether it can be animated.
    pub animates: bool,
    /// Whether it is never shown.
    pub secret: bool,
    /// Whether it can be edited.
    pub enabled: bool,
    /// Whether a change asks for a render.
    pub evaluates: bool,
}

/// The parameters of a description or an instance.
#[derive(Clone, Copy, Debug)]
pub struct Params<'h> {
    handle: ofx::OfxParamSetHandle,
    life: PhantomData<&'h ()>,
}

thread_local! {
    /// How many of our own parameter sets are running on this thread.
    static SETTING: Cell<usize> = const { Cell::new(0) };
}

/// Whether this thread is inside one of our own parameter sets: a host that calls InstanceChanged now does so
/// because of us, whatever reason it gives.
pub(crate) fn is_setting() -> bool {
    SETTING.get() > 0
}

/// Marks one set for its duration.
struct Setting;

impl Setting {
    fn begin() -> Self {
        SETTING.set(SETTING.get() + 1);
        Self
    }
}

impl Drop for Setting {
    fn drop(&mut self) {
        SETTING.set(SETTING.get() - 1);
    }
}

impl<'h> Params<'h> {
    /// # Safety
    /// A handle that is not null must be a parameter set of the host, valid for `'h`.
    pub(crate) unsafe fn from_raw(handle: ofx::OfxParamSetHandle) -> Result<Self> {
        if handle.is_null() {
            return Err(Error::Missing("the parameter set"));
        }
        Ok(Self { handle, life: PhantomData })
    }

    /// Defines a parameter while describing. Properties that a host does not know are passed over.
    ///
    /// # Errors
    /// The host's answer to the definition itself.
    pub fn define(&self, definition: &ParamDefinition) -> Result<()> {
        let set = self.define_bare(definition)?;
        // Every property has a sensible default, so a host that lacks one is no reason to fail.
        let _ = set.set(&keys::LABEL, definition.label);
        let _ = set.set(&keys::PARAM_HINT, definition.hint);
        let _ = set.set(&keys::PARAM_SCRIPT_NAME, definition.id);
        if let Some(parent) = definition.parent {
            let _ = set.set(&keys::PARAM_PARENT, parent);
        }
        if !matches!(definition.kind, ParamKind::Page { .. }) {
            let _ = set.set(&keys::PARAM_SECRET, definition.secret);
            let _ = set.set(&keys::PARAM_ENABLED, definition.enabled);
        }
        if definition.kind.has_value() {
            let _ = set.set(&keys::PARAM_ANIMATES, definition.animates);
            let _ = set.set(&keys::PARAM_EVALUATES, definition.evaluates);
            let _ = set.set(&keys::PARAM_PERSISTENT, true);
        }
        define_kind(set, &definition.kind);
        Ok(())
    }

    fn define_bare(&self, definition: &ParamDefinition) -> Result<PropertySet<'h>> {
        let call = suites()?.param.paramDefine.ok_or(Error::Missing("paramDefine"))?;
        let (id, kind) = (c_string(definition.id), definition.kind.type_name());
        let mut set = ptr::null_mut();
        // SAFETY: a `Params` holds a handle that is valid for its lifetime; both names are C strings that
        // outlive the call, as does `set`.
        let code = unsafe { call(self.handle, kind.as_ptr(), id.as_ptr(), &raw mut set) };
        check(code, "paramDefine", || definition.id.into())?;
        // SAFETY: the new parameter's properties live as long as the description.
        unsafe { PropertySet::from_raw(set) }.ok_or(Error::Missing("the new parameter's properties"))
    }

    /// The parameter of an id, if it has the type.
    fn find(&self, id: &str, kind: &CStr) -> Result<Param<'h>> {
        let call = suites()?.param.paramGetHandle.ok_or(Error::Missing("paramGetHandle"))?;
        let name = c_string(id);
        let (mut handle, mut set) = (ptr::null_mut(), ptr::null_mut());
        // SAFETY: a `Params` holds a handle that is valid for its lifetime; everything else outlives the call.
        let code = unsafe { call(self.handle, name.as_ptr(), &raw mut handle, &raw mut set) };
        check(code, "paramGetHandle", || id.into())?;
        if handle.is_null() {
            return Err(Error::Missing("the parameter"));
        }
        // SAFETY: the properties live as long as the parameter, hence for `'h`.
        let properties = unsafe { PropertySet::from_raw(set) };
        let found =
            properties.and_then(|set| set.get(&keys::PARAM_TYPE).ok()).filter(|found| !found.is_empty());
        // The values go through C variadics: a wrong type would write over other memory.
        match found {
            Some(found) if found.as_bytes() != kind.to_bytes() => {
                Err(Error::ParamType { id: id.into(), expected: lossy(kind), found })
            }
            _ => Ok(Param { handle, properties, life: PhantomData }),
        }
    }

    /// The value of a text parameter.
    ///
    /// # Errors
    /// The host's answer; [`Error::ParamType`] if it is no text.
    pub fn text(&self, id: &str) -> Result<String> {
        self.find(id, ofx::kOfxParamTypeString)?.read_text(id)
    }

    /// The value of a custom parameter.
    ///
    /// # Errors
    /// The host's answer; [`Error::ParamType`] if it is no custom parameter.
    pub fn custom(&self, id: &str) -> Result<String> {
        self.find(id, ofx::kOfxParamTypeCustom)?.read_text(id)
    }

    /// The value of an integer parameter.
    ///
    /// # Errors
    /// The host's answer; [`Error::ParamType`] if it is no integer.
    pub fn int(&self, id: &str) -> Result<i32> {
        self.find(id, ofx::kOfxParamTypeInteger)?.read_int(id)
    }

    /// The index of a choice parameter's option.
    ///
    /// # Errors
    /// The host's answer; [`Error::ParamType`] if it is no choice.
    pub fn choice(&self, id: &str) -> Result<i32> {
        self.find(id, ofx::kOfxParamTypeChoice)?.read_int(id)
    }

    /// The value of a boolean parameter.
    ///
    /// # Errors
    /// The host's answer; [`Error::ParamType`] if it is no boolean.
    pub fn bool(&self, id: &str) -> Result<bool> {
        Ok(self.find(id, ofx::kOfxParamTypeBoolean)?.read_int(id)? != 0)
    }

    /// The value of a double parameter.
    ///
    /// # Errors
    /// The host's answer; [`Error::ParamType`] if it is no double.
    pub fn double(&self, id: &str) -> Result<f64> {
        let param = self.find(id, ofx::kOfxParamTypeDouble)?;
        let call = suites()?.param.paramGetValue.ok_or(Error::Missing("paramGetValue"))?;
        let mut value = 0f64;
        // SAFETY: the parameter is a double, so the host writes one double to the one address passed.
        let code = unsafe { call(param.handle, &raw mut value) };
        check(code, "paramGetValue", || id.into())?;
        Ok(value)
    }

    /// The value of a double parameter at a time; the present one in a host that gives no others.
    ///
    /// # Errors
    /// The host's answer; [`Error::ParamType`] if it is no double.
    pub fn double_at(&self, id: &str, time: f64) -> Result<f64> {
        let Some(call) = suites()?.param.paramGetValueAtTime else { return self.double(id) };
        let param = self.find(id, ofx::kOfxParamTypeDouble)?;
        let mut value = 0f64;
        // SAFETY: the parameter is a double, so the host writes one double to the one address passed.
        let code = unsafe { call(param.handle, time, &raw mut value) };
        check(code, "paramGetValueAtTime", || id.into())?;
        Ok(value)
    }

    /// Sets a text parameter.
    ///
    /// # Errors
    /// The host's answer; [`Error::ParamType`] if it is no text.
    pub fn set_text(&self, id: &str, value: &str) -> Result<()> {
        self.find(id, ofx::kOfxParamTypeString)?.write_text(id, value)
    }

    /// Sets a custom parameter.
    ///
    /// # Errors
    /// The host's answer; [`Error::ParamType`] if it is no custom parameter.
    pub fn set_custom(&self, id: &str, value: &str) -> Result<()> {
        self.find(id, ofx::kOfxParamTypeCustom)?.write_text(id, value)
    }

    /// Sets an integer parameter.
    ///
    /// # Errors
    /// The host's answer; [`Error::ParamType`] if it is no integer.
    pub fn set_int(&self, id: &str, value: i32) -> Result<()> {
        let param = self.find(id, ofx::kOfxParamTypeInteger)?;
        let call = suites()?.param.paramSetValue.ok_or(Error::Missing("paramSetValue"))?;
        let _setting = Setting::begin();
        // SAFETY: the parameter is an integer, so the host reads one C int.
        let code = unsafe { call(param.handle, value) };
        check(code, "paramSetValue", || id.into())
    }

    /// Tells the host whether it must ask with SyncPrivateData before it saves or copies parameters.
    ///
    /// # Errors
    /// The host's answer.
    pub fn set_needs_syncing(&self, needed: bool) -> Result<()> {
        let call = suites()?.param.paramSetGetPropertySet.ok_or(Error::Missing("paramSetGetPropertySet"))?;
        let mut set = ptr::null_mut();
        // SAFETY: a `Params` holds a handle that is valid for its lifetime; `set` outlives the call.
        let code = unsafe { call(self.handle, &raw mut set) };
        check(code, "paramSetGetPropertySet", String::new)?;
        // SAFETY: the properties live as long as the parameter set.
        let set =
            unsafe { PropertySet::from_raw(set) }.ok_or(Error::Missing("the parameter set's properties"))?;
        set.set(&keys::NEEDS_SYNCING, needed)
    }

    /// Allows or forbids editing of a parameter of any type, while it is shown.
    ///
    /// # Errors
    /// The host's answer.
    pub fn set_enabled(&self, id: &str, kind: &ParamKind, enabled: bool) -> Result<()> {
        let param = self.find(id, kind.type_name())?;
        let properties = param.properties.ok_or(Error::Missing("the parameter's properties"))?;
        let _setting = Setting::begin();
        properties.set(&keys::PARAM_ENABLED, enabled)
    }
}

fn define_kind(set: PropertySet<'_>, kind: &ParamKind) {
    match kind {
        ParamKind::Text { mode, default } => {
            let _ = set.set(&keys::PARAM_STRING_MODE, mode.name().to_str().unwrap_or_default());
            if matches!(mode, TextMode::FilePath | TextMode::FolderPath) {
                let _ = set.set(&keys::PARAM_FILE_EXISTS, true);
            }
            let _ = set.set(&keys::PARAM_DEFAULT_TEXT, default);
        }
        ParamKind::Custom { default } => {
            let _ = set.set(&keys::PARAM_DEFAULT_TEXT, default);
        }
        ParamKind::Int(range) => {
            let _ = set.set(&keys::PARAM_MIN_INT, range.limits.0);
            let _ = set.set(&keys::PARAM_MAX_INT, range.limits.1);
            let _ = set.set(&keys::PARAM_DISPLAY_MIN_INT, range.display.0);
            let _ = set.set(&keys::PARAM_DISPLAY_MAX_INT, range.display.1);
            let _ = set.set(&keys::PARAM_DEFAULT_INT, range.default);
        }
        ParamKind::Double { range, increment, digits } => {
            let _ = set.set(&keys::PARAM_MIN_DOUBLE, range.limits.0);
            let _ = set.set(&keys::PARAM_MAX_DOUBLE, range.limits.1);
            let _ = set.set(&keys::PARAM_DISPLAY_MIN_DOUBLE, range.display.0);
            let _ = set.set(&keys::PARAM_DISPLAY_MAX_DOUBLE, range.display.1);
            let _ = set.set(&keys::PARAM_INCREMENT, *increment);
            let _ = set.set(&keys::PARAM_DIGITS, *digits);
            let _ = set.set(&keys::PARAM_DEFAULT_DOUBLE, range.default);
        }
        ParamKind::Bool { default } => {
            let _ = set.set(&keys::PARAM_DEFAULT_INT, i32::from(*default));
        }
        ParamKind::Choice { options, default } => {
            let _ = set.set_all(&keys::PARAM_OPTIONS, options.iter().copied());
            let _ = set.set(&keys::PARAM_DEFAULT_INT, *default);
        }
        ParamKind::Group { open } => {
            let _ = set.set(&keys::PARAM_GROUP_OPEN, *open);
        }
        ParamKind::Page { children } => {
            let _ = set.set_all(&keys::PARAM_PAGE_CHILDREN, children.iter().copied());
        }
        ParamKind::Button => {}
    }
}

/// One parameter, its type checked.
struct Param<'h> {
    handle: ofx::OfxParamHandle,
    properties: Option<PropertySet<'h>>,
    life: PhantomData<&'h ()>,
}

impl Param<'_> {
    fn read_text(&self, id: &str) -> Result<String> {
        let call = suites()?.param.paramGetValue.ok_or(Error::Missing("paramGetValue"))?;
        let mut value: *const c_char = ptr::null();
        // SAFETY: the parameter holds text, so the host writes one address of text to the one address passed.
        let code = unsafe { call(self.handle, &raw mut value) };
        check(code, "paramGetValue", || id.into())?;
        // SAFETY: after OK the host's pointer is null or a C string that lives until the next call.
        Ok(unsafe { copy_text(value) })
    }

    fn read_int(&self, id: &str) -> Result<i32> {
        let call = suites()?.param.paramGetValue.ok_or(Error::Missing("paramGetValue"))?;
        let mut value: c_int = 0;
        // SAFETY: the parameter is an integer, boolean or choice, so the host writes one C int to the one
        // address passed.
        let code = unsafe { call(self.handle, &raw mut value) };
        check(code, "paramGetValue", || id.into())?;
        Ok(value)
    }

    fn write_text(&self, id: &str, value: &str) -> Result<()> {
        let call = suites()?.param.paramSetValue.ok_or(Error::Missing("paramSetValue"))?;
        let text = c_string(value);
        let _setting = Setting::begin();
        // SAFETY: the parameter holds text, so the host reads one address of a C string, and copies it before
        // it returns.
        let code = unsafe { call(self.handle, text.as_ptr()) };
        check(code, "paramSetValue", || id.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_own_sets_are_marked_while_they_run_and_only_then() {
        assert!(!is_setting());
        {
            let _outer = Setting::begin();
            let _inner = Setting::begin();
            assert!(is_setting());
            assert!(!std::thread::spawn(is_setting).join().unwrap(), "another thread is not ours");
        }
        assert!(!is_setting());
    }

    #[test]
    fn buttons_groups_and_pages_have_no_value() {
        assert!(!ParamKind::Button.has_value());
        assert!(!ParamKind::Group { open: true }.has_value());
        assert!(ParamKind::Bool { default: true }.has_value());
    }
}
