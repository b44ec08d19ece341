//! What client and worker say to each other over the worker's stdin and stdout.
//!
//! Every message is one JSON value behind its length in bytes as a little-endian `u32`, at most
//! [`MAX_MESSAGE`]. Pictures never travel here: they lie in the store and are named by id.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::path::PathBuf;

use crate::{Error, Event, MemoryPlan, NodeCount, Provider, ProviderChoice, Request, TakeId};

/// The protocol that this version speaks. Client and worker must agree exactly.
pub const PROTOCOL: u32 = 4;

/// Largest message in bytes; anything longer is not ours.
pub const MAX_MESSAGE: u32 = 16 << 20;

/// From client to worker.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ToWorker {
    /// First message; the worker answers [`FromWorker::Hello`].
    Hello {
        /// [`PROTOCOL`] of the client.
        protocol: u32,
    },
    /// Run a request. One at a time; events follow, then `Done` or `Failed`.
    Run {
        /// Chosen by the client, echoed in every answer.
        job: u64,
        /// What to run.
        request: Box<Request>,
        /// Where to run it.
        provider: ProviderChoice,
    },
    /// Say what a run would cost, without running it. Answered by `Estimate` or `Failed`.
    Estimate {
        /// Chosen by the client, echoed in the answer.
        job: u64,
        /// What would be run.
        request: Box<Request>,
        /// Where it would be run.
        provider: ProviderChoice,
    },
    /// Run a package's golden values. Answered by `Verified` or `Failed`.
    Verify {
        /// Chosen by the client, echoed in the answer.
        job: u64,
        /// The package's folder.
        folder: PathBuf,
        /// Where to run them.
        provider: ProviderChoice,
    },
    /// Measure what a package's components hold in memory. Answered by `Measured` or `Failed`.
    Measure {
        /// Chosen by the client, echoed in the answer.
        job: u64,
        /// The package's folder.
        folder: PathBuf,
        /// Where to run it.
        provider: ProviderChoice,
    },
    /// Open each graph of a package and say where its nodes run. Answered by `Inspected` or `Failed`.
    Inspect {
        /// Chosen by the client, echoed in the answer.
        job: u64,
        /// The package's folder.
        folder: PathBuf,
        /// Where to open them.
        provider: ProviderChoice,
    },
    /// Say what this worker finds on the machine. Answered by `Report`.
    Doctor {
        /// Chosen by the client, echoed in the answer.
        job: u64,
    },
    /// Stop this job as soon as possible; it is answered by `Failed` of kind cancelled.
    Cancel {
        /// The job to stop.
        job: u64,
    },
    /// Exit.
    Shutdown,
}

/// From worker to client.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FromWorker {
    /// Answer to `Hello`.
    Hello {
        /// [`PROTOCOL`] of the worker.
        protocol: u32,
        /// Version of the worker.
        version: String,
    },
    /// Something about a running job.
    Event {
        /// The job.
        job: u64,
        /// What it says.
        event: Event,
    },
    /// The job is done and its take is in the store.
    Done {
        /// The job.
        job: u64,
        /// The take.
        take: TakeId,
        /// True if the take was there already and nothing was generated.
        reused: bool,
        /// The provider that made it.
        provider: Provider,
    },
    /// What a run would cost.
    Estimate {
        /// The job.
        job: u64,
        /// The cost.
        estimate: Estimate,
    },
    /// How far a package's components are from its golden values; empty if it has none.
    Verified {
        /// The job.
        job: u64,
        /// One for each component.
        deviations: Vec<Deviation>,
        /// Where they were run.
        provider: Provider,
    },
    /// What a package's components hold in memory.
    Measured {
        /// The job.
        job: u64,
        /// The manifest's field `memory`, or `gpu_memory` where it was a GPU's.
        memory: serde_json::Value,
        /// Where it was run.
        provider: Provider,
    },
    /// Where the nodes of a package's graphs run.
    Inspected {
        /// The job.
        job: u64,
        /// What was found.
        inspection: Inspection,
    },
    /// What this worker finds on the machine.
    Report {
        /// The job.
        job: u64,
        /// One line per finding.
        findings: Vec<Finding>,
    },
    /// The job ended without a take.
    Failed {
        /// The job.
        job: u64,
        /// Why.
        error: Error,
    },
}

/// What a run would cost and how it would be done.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Estimate {
    /// The take's id if it were run.
    pub take: TakeId,
    /// True if the take is there already.
    pub exists: bool,
    /// Seconds, from this machine's own past runs of the same model; `None` before the first.
    pub seconds: Option<f64>,
    /// Memory, as planned.
    pub memory: MemoryPlan,
    /// Width the model would work at, in pixels.
    pub model_width: u32,
    /// Height the model would work at, in pixels.
    pub model_height: u32,
    /// Frames of each window.
    pub windows: Vec<u32>,
    /// Denoising steps of each window.
    pub steps: u32,
    /// The provider that would be tried first.
    pub provider: Provider,
}

/// How far a component of a package is from its golden values.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Deviation {
    /// Which, as the manifest calls it.
    pub component: String,
    /// Root mean square of the error over the deviation of the expected values; `None` if the component gave a
    /// number that is not finite.
    pub error: Option<f64>,
    /// Largest `error` that is let pass.
    pub bound: f64,
}

impl Deviation {
    /// Whether the component gives what it has to.
    pub fn holds(&self) -> bool {
        self.error.is_some_and(|error| error <= self.bound)
    }
}

/// Where the graphs of a package run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Inspection {
    /// One for each graph.
    pub graphs: Vec<Placement>,
    /// Kernels of attention by ONNX Runtime's names, and how often each has run in this worker. Empty where they are not
    /// told: on the processor, or unless the worker was started with `ORT_ENABLE_ATTENTION_KERNEL_DEBUG_INFO`.
    pub kernels: BTreeMap<String, u64>,
}

/// Where the nodes of a graph run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Placement {
    /// Which graph, as the manifest calls it.
    pub graph: String,
    /// One for each provider, as its nodes are dealt out when the graph is opened, before they are fused.
    pub counts: Vec<NodeCount>,
}

/// One line of `pickup doctor`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// What was looked at ("ONNX Runtime", "CUDA", "Take store" …).
    pub subject: String,
    /// Whether it is as it should be.
    pub good: bool,
    /// What was found.
    pub found: String,
    /// What to do if it is not good; empty otherwise.
    pub remedy: String,
}

/// Writes one message and flushes.
///
/// # Errors
/// If the pipe is closed, or the message is longer than [`MAX_MESSAGE`].
pub fn write_message(to: &mut impl Write, message: &impl Serialize) -> io::Result<()> {
    let body = serde_json::to_vec(message)?;
    let length = u32::try_from(body.len()).ok().filter(|length| *length <= MAX_MESSAGE);
    let length = length.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "message too long"))?;
    to.write_all(&length.to_le_bytes())?;
    to.write_all(&body)?;
    to.flush()
}

/// Reads one message; `None` at a clean end of the pipe.
///
/// # Errors
/// If the pipe ends inside a message, or what comes is not one.
pub fn read_message<T: for<'de> Deserialize<'de>>(from: &mut impl Read) -> io::Result<Option<T>> {
    let Some(length) = read_length(from)? else { return Ok(None) };
    if length > MAX_MESSAGE {
        return Err(io::Error::new(
            io::ErrorKind::InvalidData,
            format!("message of {length} bytes is too long"),
        ));
    }
    // Grown as bytes arrive: a wrong length must not cost its size in memory.
    let mut body = Vec::new();
    from.take(u64::from(length)).read_to_end(&mut body)?;
    if body.len() != length as usize {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(Some(serde_json::from_slice(&body)?))
}

fn read_length(from: &mut impl Read) -> io::Result<Option<u32>> {
    let mut bytes = [0; 4];
    let mut filled = 0;
    while filled < bytes.len() {
        match from.read(&mut bytes[filled..]) {
            Ok(0) if filled == 0 => return Ok(None),
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(Some(u32::from_le_bytes(bytes)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn messages_survive_any_chunking(jobs in prop::collection::vec(any::<u64>(), 0..20), chunk in 1usize..9) {
            let mut bytes = Vec::new();
            for job in &jobs {
                write_message(&mut bytes, &ToWorker::Cancel { job: *job }).unwrap();
            }
            let mut pipe = Trickle { bytes: &bytes, chunk };
            let mut back = Vec::new();
            while let Some(ToWorker::Cancel { job }) = read_message(&mut pipe).unwrap() {
                back.push(job);
            }
            prop_assert_eq!(back, jobs);
        }

        #[test]
        fn noise_never_panics_or_allocates_its_length(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            let _ = read_message::<FromWorker>(&mut bytes.as_slice());
        }
    }

    #[test]
    fn a_cut_message_is_an_error_and_a_clean_end_is_not() {
        let mut bytes = Vec::new();
        write_message(&mut bytes, &ToWorker::Shutdown).unwrap();
        for cut in 1..bytes.len() {
            assert!(read_message::<ToWorker>(&mut &bytes[..cut]).is_err(), "cut at {cut}");
        }
        assert!(read_message::<ToWorker>(&mut &bytes[..0]).unwrap().is_none());
    }

    struct Trickle<'a> {
        bytes: &'a [u8],
        chunk: usize,
    }

    impl Read for Trickle<'_> {
        fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
            let count = self.chunk.min(into.len()).min(self.bytes.len());
            let (head, tail) = self.bytes.split_at(count);
            into[..count].copy_from_slice(head);
            self.bytes = tail;
            Ok(count)
        }
    }
}
