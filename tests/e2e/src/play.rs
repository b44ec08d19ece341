//! What the test host reported.

use pickup_test_host::Report;
use pickup_test_host::report::{FrameReport, StepReport};
use serde_json::Value;
use std::path::Path;
use std::process::Output;

/// A scene that was played.
#[derive(Clone, Debug)]
pub struct Played {
    /// The host's report.
    pub report: Report,
    /// The host's exit code; `None` if a signal ended it.
    pub code: Option<i32>,
    /// What the host wrote to standard error.
    pub err: String,
}

impl Played {
    /// Reads the report of a host that has ended.
    #[track_caller]
    pub fn read(report: &Path, output: &Output) -> Self {
        let err = String::from_utf8_lossy(&output.stderr).into_owned();
        let text = std::fs::read(report)
            .unwrap_or_else(|_| panic!("the host did not live to report ({}): {err}", output.status));
        Self { report: serde_json::from_slice(&text).unwrap(), code: output.status.code(), err }
    }

    /// Expects no broken rule, and no failure that the plan did not name.
    #[track_caller]
    pub fn expect_clean(&self) {
        let Report { violations, failures, steps, .. } = &self.report;
        assert!(violations.is_empty(), "{violations:#?}");
        let said: Vec<_> = steps.iter().flat_map(|step| &step.messages).collect();
        assert!(failures.is_empty(), "{failures:#?}\n{said:#?}");
        assert_eq!(self.code, Some(0), "{}", self.err);
    }

    /// The steps that pressed a button.
    pub fn presses(&self) -> Vec<&StepReport> {
        self.named("press")
    }

    /// The steps that rendered.
    pub fn renders(&self) -> Vec<&StepReport> {
        self.report.steps.iter().filter(|step| !step.frames.is_empty()).collect()
    }

    fn named(&self, word: &str) -> Vec<&StepReport> {
        self.report.steps.iter().filter(|step| step.step.contains(word)).collect()
    }

    /// Every frame that was rendered, in order of the steps.
    pub fn frames(&self) -> Vec<&FrameReport> {
        self.report.steps.iter().flat_map(|step| &step.frames).collect()
    }

    /// Every status line that was asked for.
    pub fn statuses(&self) -> Vec<&str> {
        self.values("status").filter_map(Value::as_str).collect()
    }

    /// Every take that was asked for: the state as the project keeps it; null without one.
    pub fn states(&self) -> Vec<Value> {
        let texts = self.values("takeState").filter_map(Value::as_str);
        texts.map(|text| serde_json::from_str(text).unwrap_or(Value::Null)).collect()
    }

    /// The ids of [`Played::states`], empty without a take.
    pub fn takes(&self) -> Vec<String> {
        self.states().iter().map(|state| state["take"].as_str().unwrap_or_default().to_owned()).collect()
    }

    fn values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Value> {
        self.report.steps.iter().filter_map(move |step| step.values.get(name))
    }
}
