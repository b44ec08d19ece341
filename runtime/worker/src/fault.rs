//! A hook for tests: the worker fails on purpose, once, at a chosen phase of a run.
//!
//! `PICKUP_FAULT=<how>@<phase>` with `how` one of
//! - `abort`: the process aborts, as a driver or an out-of-memory killer would end it;
//! - `stall`: the phase never ends and hears no cancel, as a hung driver would;
//! - `panic`: the thread panics, as an error in this program would;
//! - `print`: a line on stdout, as libraries write there, in ONNX Runtime's words about attention,
//!
//! and `phase` one of load, text, encode, denoise, decode, join, store. Unset, nothing happens.

use pickup_core::{Error, Phase, Result};
use std::time::Duration;

/// The variable that asks for a fault.
const VARIABLE: &str = "PICKUP_FAULT";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum How {
    Abort,
    Stall,
    Panic,
    Print,
}

/// The fault that is asked for, if any.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Fault(Option<(How, Phase)>);

impl Fault {
    /// What the environment asks for.
    ///
    /// # Errors
    /// If it asks for something that does not exist: a test would then test nothing.
    pub fn from_environment() -> Result<Self> {
        Self::parse(&std::env::var(VARIABLE).unwrap_or_default())
    }

    fn parse(text: &str) -> Result<Self> {
        if text.is_empty() {
            return Ok(Self::default());
        }
        let unknown =
            || Error::usage(format!("expected {VARIABLE} to be such as abort@denoise, got {text:?}."));
        let (how, phase) = text.split_once('@').ok_or_else(unknown)?;
        let how = match how {
            "abort" => How::Abort,
            "stall" => How::Stall,
            "panic" => How::Panic,
            "print" => How::Print,
            _ => return Err(unknown()),
        };
        let phase = serde_json::from_value(phase.into()).map_err(|_| unknown())?;
        Ok(Self(Some((how, phase))))
    }

    /// Called whenever `phase` is reported.
    #[expect(clippy::panic, reason = "a fault that tests ask for")]
    pub fn strike(&mut self, phase: Phase) {
        let Some((how, _)) = self.0.take_if(|(_, at)| *at == phase) else { return };
        tracing::warn!("{how:?} at {phase:?}, as {VARIABLE} asks");
        match how {
            How::Abort => std::process::abort(),
            How::Stall => loop {
                std::thread::sleep(Duration::from_secs(3600));
            },
            How::Panic => panic!("{VARIABLE} asked for it"),
            How::Print => {
                println!("Operator=MultiHeadAttention Node=n DataType=fp16 SdpaKernel=FLASH_ATTENTION")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_for_is_understood_or_refused() {
        assert_eq!(Fault::parse("").unwrap(), Fault(None));
        assert_eq!(Fault::parse("abort@denoise").unwrap(), Fault(Some((How::Abort, Phase::Denoise))));
        assert_eq!(Fault::parse("stall@store").unwrap(), Fault(Some((How::Stall, Phase::Store))));
        for bad in ["abort", "abort@lunch", "explode@load", "@"] {
            assert!(Fault::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    #[should_panic(expected = "asked for it")]
    fn it_strikes_at_its_phase_alone() {
        let mut fault = Fault::parse("panic@decode").unwrap();
        fault.strike(Phase::Load);
        fault.strike(Phase::Denoise);
        fault.strike(Phase::Decode);
    }
}
