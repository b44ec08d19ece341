//! Stdout belongs to the protocol alone: what a library prints there would be taken for a message.

use parking_lot::Mutex;
use pickup_core::protocol::{FromWorker, write_message};
use std::collections::BTreeMap;
use std::io::{self, Write};
use std::sync::OnceLock;

/// Where messages go.
static PROTOCOL: OnceLock<Mutex<Box<dyn Write + Send>>> = OnceLock::new();

/// Kernels of attention that ONNX Runtime said it ran, and how often.
static KERNELS: Mutex<BTreeMap<String, u64>> = Mutex::new(BTreeMap::new());

/// Takes stdout for the protocol. What is printed there from now on goes to the log.
///
/// # Errors
/// If the system gives no pipe.
pub(crate) fn claim() -> io::Result<()> {
    let protocol = platform::claim()?;
    // Claimed once: a second claim would find the pipe of the first, and changes nothing.
    let _ = PROTOCOL.set(Mutex::new(protocol));
    Ok(())
}

/// Writes one message to the parent.
///
/// # Errors
/// If the parent is gone.
pub(crate) fn say(message: &FromWorker) -> io::Result<()> {
    let protocol = PROTOCOL.get().ok_or_else(|| io::Error::other("stdout was not claimed"))?;
    write_message(&mut *protocol.lock(), message)
}

/// Kernels of attention that were heard of, and how often.
pub(crate) fn kernels() -> BTreeMap<String, u64> {
    KERNELS.lock().clone()
}

/// A line that a library printed.
#[cfg_attr(windows, expect(dead_code, reason = "Windows's stdout is not listened to"))]
fn hear(line: &str) {
    tracing::debug!(target: "stdout", "{line}");
    if let Some(kernel) = kernel(line) {
        *KERNELS.lock().entry(kernel.to_owned()).or_default() += 1;
    }
}

/// The kernel in a line such as `Operator=MultiHeadAttention Node=n DataType=fp16 SdpaKernel=FLASH_ATTENTION`, as ONNX
/// Runtime 1.31 prints it (`AttentionKernelDebugInfo::Print`).
fn kernel(line: &str) -> Option<&str> {
    let (_, name) = line.split_once(" SdpaKernel=")?;
    let end = name.find(|letter: char| !letter.is_ascii_uppercase() && letter != '_').unwrap_or(name.len());
    Some(&name[..end]).filter(|name| !name.is_empty())
}

#[cfg(unix)]
mod platform {
    use std::fs::File;
    use std::io::{self, BufRead, BufReader, Write};
    use std::os::fd::AsFd;

    /// The stdout that the parent reads, under another number; under its own there is a pipe to this process.
    pub(super) fn claim() -> io::Result<Box<dyn Write + Send>> {
        let protocol = File::from(io::stdout().as_fd().try_clone_to_owned()?);
        let (printed, print) = io::pipe()?;
        rustix::stdio::dup2_stdout(&print)?;
        let listen = move || {
            for line in BufReader::new(printed).split(b'\n').map_while(Result::ok) {
                super::hear(&String::from_utf8_lossy(&line));
            }
        };
        std::thread::Builder::new().name("stdout".into()).spawn(listen)?;
        Ok(Box::new(protocol))
    }
}

#[cfg(windows)]
mod platform {
    use std::io::{self, Write};

    /// Stdout as it is: nothing that Pickup starts on Windows prints there.
    pub(super) fn claim() -> io::Result<Box<dyn Write + Send>> {
        Ok(Box::new(io::stdout()))
    }
}

#[cfg(test)]
mod tests {
    use super::kernel;

    #[test]
    fn kernels_are_told_from_other_words() {
        let line = "Operator=MultiHeadAttention Node=node_1 DataType=fp16 SdpaKernel=FLASH_ATTENTION";
        assert_eq!(kernel(line), Some("FLASH_ATTENTION"));
        assert_eq!(kernel(&format!("{line} NumSplits=2")), Some("FLASH_ATTENTION"));
        assert_eq!(kernel("AttentionKernelOptions: FLASH_ATTENTION=1"), None);
        assert_eq!(kernel("Operator=x SdpaKernel= "), None);
    }
}
