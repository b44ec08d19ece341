//! Messages to the user: version 2, else version 1, else only the log.
#![expect(unsafe_code, reason = "calls the host's message suites, which take C variadics")]

use crate::effect::Effect;
use crate::host::suites;
use crate::property::c_string;
use crate::status::Status;
use crate::sys::message as ofx;
use std::ffi::CStr;

/// How grave a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gravity {
    /// Something failed.
    Error,
    /// Something went otherwise than asked.
    Warning,
    /// Something to know.
    Message,
    /// For the log alone.
    Log,
}

impl Gravity {
    fn name(self) -> &'static CStr {
        match self {
            Self::Error => ofx::kOfxMessageError,
            Self::Warning => ofx::kOfxMessageWarning,
            Self::Message => ofx::kOfxMessageMessage,
            Self::Log => ofx::kOfxMessageLog,
        }
    }
}

impl Effect<'_> {
    /// Shows a message; false if the host has no way to. `id` names the message, not this instance of it.
    pub fn message(&self, gravity: Gravity, id: &str, text: &str) -> bool {
        tracing::info!(?gravity, id, text, "message to the user");
        let Ok(suites) = suites() else { return false };
        let version_2 = suites.message_v2.and_then(|suite| suite.message);
        let Some(call) = version_2.or_else(|| suites.message_v1.and_then(|suite| suite.message)) else {
            return false;
        };
        let (id, text) = (c_string(id), c_string(text));
        // SAFETY: the instance is valid during the action; the text goes through `%s`, so no character of
        // it is taken for a format; all of it outlives the call.
        let code =
            unsafe { call(self.raw(), gravity.name().as_ptr(), id.as_ptr(), c"%s".as_ptr(), text.as_ptr()) };
        Status::from_code(code) == Status::Ok
    }

    /// Keeps a message on the instance until it is cleared; false if the host has no way to.
    pub fn persistent_message(&self, gravity: Gravity, id: &str, text: &str) -> bool {
        let call = suites().ok().and_then(|suites| suites.message_v2?.setPersistentMessage);
        let Some(call) = call else { return false };
        let (id, text) = (c_string(id), c_string(text));
        // SAFETY: as in `message`.
        let code =
            unsafe { call(self.raw(), gravity.name().as_ptr(), id.as_ptr(), c"%s".as_ptr(), text.as_ptr()) };
        Status::from_code(code) == Status::Ok
    }

    /// Takes the kept message away.
    pub fn clear_persistent_message(&self) {
        if let Some(call) = suites().ok().and_then(|suites| suites.message_v2?.clearPersistentMessage) {
            // SAFETY: the instance is valid during the action.
            unsafe { call(self.raw()) };
        }
    }
}
