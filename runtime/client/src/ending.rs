//! Why a worker ended, in words.

use std::process::ExitStatus;

/// "exit code 3", "killed by signal 11 (segmentation fault)" …
pub(crate) fn describe(status: ExitStatus) -> String {
    #[cfg(unix)]
    if let Some(signal) = std::os::unix::process::ExitStatusExt::signal(&status) {
        return format!("killed by signal {signal}{}", signal_name(signal));
    }
    match status.code() {
        Some(code) => format!("exit code {}", exit_code(code)),
        None => "no exit code".to_owned(),
    }
}

/// What to do about it.
pub(crate) fn advice(status: Option<ExitStatus>) -> &'static str {
    match status.map(cause) {
        Some(Cause::Killed) => {
            "Generate again. If nobody ended the worker, the machine ran out of memory: try Draft, or fewer frames."
        }
        Some(Cause::MissingLibrary) => {
            "Copy the whole folder Pickup.ofx.bundle again: a library beside the worker is missing."
        }
        _ => {
            "Generate again: the worker starts anew. If it stops again, run `pickup doctor`, or set the provider to CPU."
        }
    }
}

enum Cause {
    Killed,
    MissingLibrary,
    Other,
}

#[cfg(unix)]
fn cause(status: ExitStatus) -> Cause {
    // 9 is SIGKILL, the kernel's answer to exhausted memory; 127 is what the loader leaves with.
    match (std::os::unix::process::ExitStatusExt::signal(&status), status.code()) {
        (Some(9), _) => Cause::Killed,
        (_, Some(127)) => Cause::MissingLibrary,
        _ => Cause::Other,
    }
}

#[cfg(not(unix))]
fn cause(status: ExitStatus) -> Cause {
    // STATUS_DLL_NOT_FOUND and STATUS_ENTRYPOINT_NOT_FOUND.
    match status.code().map(|code| code as u32) {
        Some(0xC000_0135 | 0xC000_0139) => Cause::MissingLibrary,
        _ => Cause::Other,
    }
}

#[cfg(unix)]
fn signal_name(signal: i32) -> &'static str {
    // The numbers that are the same on every system we build for.
    match signal {
        4 => " (illegal instruction)",
        6 => " (abort)",
        7 | 10 => " (bus error)",
        8 => " (arithmetic error)",
        9 => " (kill)",
        11 => " (segmentation fault)",
        15 => " (terminate)",
        _ => "",
    }
}

/// Windows reports faults as large negative codes, which are read in hexadecimal.
fn exit_code(code: i32) -> String {
    if (0..1 << 16).contains(&code) { code.to_string() } else { format!("{:#010x}", code as u32) }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use std::os::unix::process::ExitStatusExt;

    #[test]
    fn signals_and_codes_are_named() {
        assert_eq!(describe(ExitStatus::from_raw(11)), "killed by signal 11 (segmentation fault)");
        assert_eq!(describe(ExitStatus::from_raw(3 << 8)), "exit code 3");
        assert_eq!(exit_code(0xC000_0005_u32 as i32), "0xc0000005");
        assert!(advice(Some(ExitStatus::from_raw(9))).contains("memory"));
        assert!(advice(Some(ExitStatus::from_raw(127 << 8))).contains("bundle"));
    }
}
