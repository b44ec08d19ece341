//! One error type for everything that crosses a crate or process boundary.

use serde::{Deserialize, Serialize};

/// Shorthand for results with [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What sort of thing went wrong. It decides the CLI's exit code and the plugin's OFX status.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ErrorKind {
    /// The caller asked for something that makes no sense (a zero-length span, an unknown option).
    Usage,
    /// A frame, reference or other input could not be read or does not fit.
    Input,
    /// A model package is missing, damaged or cannot do this job.
    Model,
    /// ONNX Runtime, a provider or the worker process failed.
    Runtime,
    /// Not enough memory, on the device or the machine.
    Memory,
    /// The user cancelled.
    Cancelled,
    /// The take store could not be read or written (full disk, no permission, damage).
    Storage,
}

impl ErrorKind {
    /// The CLI's exit code for this kind. 0 is success; 1 is never used, so that a shell's or a
    /// Rust runtime's own failure can be told apart.
    pub const fn exit_code(self) -> u8 {
        match self {
            Self::Usage => 2,
            Self::Input => 3,
            Self::Model => 4,
            Self::Runtime => 5,
            Self::Memory => 6,
            Self::Cancelled => 7,
            Self::Storage => 8,
        }
    }
}

/// An error that says what was expected and what came, with advice in the user's words.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[error("{message}")]
pub struct Error {
    /// What sort of thing went wrong.
    pub kind: ErrorKind,
    /// One sentence: what was expected and what came.
    pub message: String,
    /// One sentence: what to do now. Empty when there is nothing to do.
    pub hint: String,
}

impl Error {
    /// An error of `kind`; add advice with [`Error::hint`].
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), hint: String::new() }
    }

    /// The same error with advice to the user.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = hint.into();
        self
    }

    /// The same error with `context: ` before its message.
    #[must_use]
    pub fn within(mut self, context: impl std::fmt::Display) -> Self {
        self.message = format!("{context}: {}", self.message);
        self
    }

    /// An error of kind [`ErrorKind::Usage`].
    pub fn usage(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Usage, message)
    }

    /// An error of kind [`ErrorKind::Input`].
    pub fn input(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Input, message)
    }

    /// An error of kind [`ErrorKind::Model`].
    pub fn model(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Model, message)
    }

    /// An error of kind [`ErrorKind::Runtime`].
    pub fn runtime(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Runtime, message)
    }

    /// An error of kind [`ErrorKind::Memory`].
    pub fn memory(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Memory, message)
    }

    /// An error of kind [`ErrorKind::Storage`].
    pub fn storage(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Storage, message)
    }

    /// The answer to a cancel.
    pub fn cancelled() -> Self {
        Self::new(ErrorKind::Cancelled, "cancelled")
    }

    /// Message and hint in one line, as a status line or a terminal shows them.
    pub fn line(&self) -> String {
        if self.hint.is_empty() { self.message.clone() } else { format!("{} {}", self.message, self.hint) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exit_codes_are_distinct_and_never_zero_or_one() {
        use ErrorKind::*;
        let codes = [Usage, Input, Model, Runtime, Memory, Cancelled, Storage].map(ErrorKind::exit_code);
        assert_eq!(codes, [2, 3, 4, 5, 6, 7, 8]);
    }

    #[test]
    fn survives_the_pipe() {
        let error = Error::memory("9.1 GB needed, 7.4 free.").hint("Try Draft.");
        let text = serde_json::to_string(&error).unwrap();
        assert_eq!(serde_json::from_str::<Error>(&text).unwrap(), error);
        assert_eq!(error.line(), "9.1 GB needed, 7.4 free. Try Draft.");
    }
}
