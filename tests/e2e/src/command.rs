//! What the command line answered.

use serde_json::Value;
use std::process::Output;

/// Exit code and words of one run.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Exit code; `None` if a signal ended it.
    pub code: Option<i32>,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
}

impl Answer {
    /// The answer in a finished process's output.
    pub fn of(output: &Output) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Self { code: output.status.code(), out: text(&output.stdout), err: text(&output.stderr) }
    }

    /// The JSON object of a run that went well.
    #[track_caller]
    pub fn json(&self) -> Value {
        assert_eq!(self.code, Some(0), "{}{}", self.out, self.err);
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {}", self.out))
    }

    /// Expects an exit code, and at the end of standard error two lines: what is wrong, with all of
    /// `words`, and what to do. Nothing on standard output.
    #[track_caller]
    pub fn expect_failure(&self, code: i32, words: &[&str]) {
        assert_eq!(self.code, Some(code), "{}{}", self.out, self.err);
        assert!(self.out.is_empty(), "standard output: {}", self.out);
        let lines: Vec<_> = self.err.lines().collect();
        let what = lines.iter().position(|line| line.starts_with("error: "));
        let what = what.unwrap_or_else(|| panic!("no line says what is wrong: {}", self.err));
        assert_eq!(lines.len() - what, 2, "expected what is wrong and what to do, got {}", self.err);
        for word in words {
            assert!(lines[what].contains(word), "expected {word:?} in: {}", lines[what]);
        }
        assert!(lines[what + 1].len() >= 10, "no advice: {}", lines[what + 1]);
        for leak in ["panicked", "RUST_BACKTRACE", "Error {"] {
            assert!(!self.err.contains(leak), "{}", self.err);
        }
    }
}
