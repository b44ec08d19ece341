//! OpenFX status codes as a type, and this layer's errors.

use crate::sys::core as ofx;

/// What an OpenFX call or action answers (`ofxCore.h`, "Status Codes").
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// Done.
    Ok,
    /// Failed, without a more exact code.
    Failed,
    /// The plugin must be taken down.
    Fatal,
    /// An object or property name is not known.
    Unknown,
    /// The host lacks something that is needed.
    MissingHostFeature,
    /// The operation is not supported.
    Unsupported,
    /// It exists already.
    Exists,
    /// Wrong format.
    Format,
    /// Out of memory.
    Memory,
    /// The handle is not valid.
    BadHandle,
    /// The index is outside the property's dimension.
    BadIndex,
    /// The value is not acceptable.
    Value,
    /// Yes.
    ReplyYes,
    /// No.
    ReplyNo,
    /// The action is left to the host's default behaviour.
    ReplyDefault,
    /// The image has a format that cannot be used.
    ImageFormat,
    /// A code outside the standard.
    Other(i32),
}

const CODES: [(Status, i32); 16] = [
    (Status::Ok, ofx::kOfxStatOK),
    (Status::Failed, ofx::kOfxStatFailed),
    (Status::Fatal, ofx::kOfxStatErrFatal),
    (Status::Unknown, ofx::kOfxStatErrUnknown),
    (Status::MissingHostFeature, ofx::kOfxStatErrMissingHostFeature),
    (Status::Unsupported, ofx::kOfxStatErrUnsupported),
    (Status::Exists, ofx::kOfxStatErrExists),
    (Status::Format, ofx::kOfxStatErrFormat),
    (Status::Memory, ofx::kOfxStatErrMemory),
    (Status::BadHandle, ofx::kOfxStatErrBadHandle),
    (Status::BadIndex, ofx::kOfxStatErrBadIndex),
    (Status::Value, ofx::kOfxStatErrValue),
    (Status::ReplyYes, ofx::kOfxStatReplyYes),
    (Status::ReplyNo, ofx::kOfxStatReplyNo),
    (Status::ReplyDefault, ofx::kOfxStatReplyDefault),
    (Status::ImageFormat, crate::sys::image_effect::kOfxStatErrImageFormat),
];

impl Status {
    /// The status of a C code.
    #[must_use]
    pub fn from_code(code: i32) -> Self {
        CODES.iter().find(|(_, known)| *known == code).map_or(Self::Other(code), |(status, _)| *status)
    }

    /// The C code of a status.
    #[must_use]
    pub fn code(self) -> i32 {
        match self {
            Self::Other(code) => code,
            _ => CODES.iter().find(|(status, _)| *status == self).map_or(ofx::kOfxStatFailed, |(_, c)| *c),
        }
    }
}

/// An error of this layer, or one that the plugin hands to it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A call into the host did not answer OK.
    #[error("the host answered {status:?} to {call}({subject})")]
    Call {
        /// The suite function that was called.
        call: &'static str,
        /// The property, parameter or clip it was called for.
        subject: String,
        /// The host's answer.
        status: Status,
    },
    /// The host has no such suite or function, or gave a null handle.
    #[error("the host does not offer {0}")]
    Missing(&'static str),
    /// The host's image cannot be used; says what was expected and what came.
    #[error("the host's image cannot be used: {0}")]
    Image(String),
    /// A parameter has another type than it was defined with.
    #[error("parameter {id} was defined as {expected}, but the host holds a {found}")]
    ParamType {
        /// The parameter's id.
        id: String,
        /// The OpenFX type it is read as.
        expected: String,
        /// The OpenFX type the host reports.
        found: String,
    },
    /// The plugin refuses or fails an action.
    #[error("{message}")]
    Plugin {
        /// What the host is answered.
        status: Status,
        /// What went wrong.
        message: String,
    },
}

impl Error {
    /// The plugin's own failure of an action.
    pub fn failed(message: impl Into<String>) -> Self {
        Self::Plugin { status: Status::Failed, message: message.into() }
    }

    /// What the host is answered when an action ends in this error.
    ///
    /// Of the codes that suites answer, the standard knows few as answers to an action (`ofxCore.h`,
    /// `ofxImageEffect.h`): failed, out of memory, fatal, and while describing a missing feature. Whatever else a host
    /// answered to us is no answer to it.
    #[must_use]
    pub fn status(&self) -> Status {
        match self {
            Self::Call { status, .. } | Self::Plugin { status, .. } => match status {
                Status::Memory | Status::Fatal | Status::MissingHostFeature => *status,
                _ => Status::Failed,
            },
            Self::Missing(_) => Status::MissingHostFeature,
            Self::Image(_) | Self::ParamType { .. } => Status::Failed,
        }
    }
}

/// A result of this layer.
pub type Result<T> = std::result::Result<T, Error>;

/// Turns a host's answer into a result that names call and subject.
pub(crate) fn check(code: i32, call: &'static str, subject: impl FnOnce() -> String) -> Result<()> {
    match Status::from_code(code) {
        Status::Ok => Ok(()),
        status => Err(Error::Call { call, subject: subject(), status }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_those_of_the_header_and_come_back() {
        // ofxCore.h: OK 0, Failed 1, ... ReplyDefault 14; ofxImageEffect.h: ImageFormat 1000.
        assert_eq!(Status::Ok.code(), 0);
        assert_eq!(Status::ReplyNo.code(), 13);
        assert_eq!(Status::ReplyDefault.code(), 14);
        assert_eq!(Status::ImageFormat.code(), 1000);
        for code in (0..=14).chain([1000]) {
            assert_eq!(Status::from_code(code).code(), code);
            assert!(!matches!(Status::from_code(code), Status::Other(_)));
        }
    }

    #[test]
    fn a_code_outside_the_standard_is_kept_but_never_answered_to_the_host() {
        assert_eq!(Status::from_code(-7), Status::Other(-7));
        let error = check(-7, "propGetInt", || "x".into()).unwrap_err();
        assert_eq!(error.status(), Status::Failed);
    }

    #[test]
    fn what_a_host_answered_to_a_suite_call_is_no_answer_to_its_action() {
        let answered = |code: i32| check(code, "paramGetHandle", || "x".into()).unwrap_err().status();
        assert_eq!(answered(Status::Unknown.code()), Status::Failed);
        assert_eq!(answered(Status::BadHandle.code()), Status::Failed);
        assert_eq!(answered(Status::Memory.code()), Status::Memory);
    }

    #[test]
    fn an_error_names_call_and_subject() {
        let error = check(3, "propGetInt", || "OfxPropTime".into()).unwrap_err();
        assert_eq!(error.to_string(), "the host answered Unknown to propGetInt(OfxPropTime)");
    }
}
