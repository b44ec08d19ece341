//! Threads at the worker's pipes: reading or writing one can block for ever, and a host's thread
//! must not.

use crossbeam::channel::{Receiver, Sender, bounded, unbounded};
use parking_lot::Mutex;
use pickup_core::protocol::{FromWorker, ToWorker, read_message, write_message};
use std::collections::VecDeque;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::sync::Arc;
use std::thread::{Builder, JoinHandle};

/// Lines of the worker's stderr that are kept.
const KEPT_LINES: usize = 20;
/// Bytes of one line that are kept.
const LINE_LIMIT: u64 = 1024;
/// Messages that may wait to be heard; a worker that floods is held back by its pipe.
const WAITING: usize = 256;

/// What comes out of the worker.
pub(crate) enum Heard {
    /// A message.
    Message(FromWorker),
    /// The end of its output: clean, or after something that is not a message.
    End(Option<io::Error>),
}

/// The last lines of the worker's stderr.
#[derive(Clone, Default)]
pub(crate) struct LastLines(Arc<Mutex<VecDeque<String>>>);

impl LastLines {
    fn push(&self, line: String) {
        let mut lines = self.0.lock();
        if lines.len() == KEPT_LINES {
            lines.pop_front();
        }
        lines.push_back(line);
    }

    /// The last line that says something.
    pub(crate) fn last(&self) -> Option<String> {
        self.0.lock().iter().rev().find(|line| !line.is_empty()).cloned()
    }
}

/// Reads messages until the output ends.
pub(crate) fn listen(output: impl Read + Send + 'static) -> io::Result<(Receiver<Heard>, JoinHandle<()>)> {
    let (sender, receiver) = bounded(WAITING);
    let thread = Builder::new().name("pickup-listen".into()).spawn(move || {
        let mut output = BufReader::new(output);
        loop {
            let heard = match read_message(&mut output) {
                Ok(Some(message)) => Heard::Message(message),
                Ok(None) => Heard::End(None),
                Err(error) => Heard::End(Some(error)),
            };
            let last = matches!(heard, Heard::End(_));
            if sender.send(heard).is_err() || last {
                return;
            }
        }
    })?;
    Ok((receiver, thread))
}

/// Writes messages until the sender is dropped, then closes the input. A broken pipe shows as the
/// end of the worker's output, so it is not told here.
pub(crate) fn speak(
    mut input: impl Write + Send + 'static,
) -> io::Result<(Sender<ToWorker>, JoinHandle<()>)> {
    let (sender, receiver) = unbounded::<ToWorker>();
    let thread = Builder::new().name("pickup-speak".into()).spawn(move || {
        for message in receiver {
            if let Err(error) = write_message(&mut input, &message) {
                tracing::debug!(%error, "the worker no longer listens");
                return;
            }
        }
    })?;
    Ok((sender, thread))
}

/// Keeps the last lines of the worker's stderr.
pub(crate) fn overhear(errors: impl Read + Send + 'static) -> io::Result<(LastLines, JoinHandle<()>)> {
    let lines = LastLines::default();
    let kept = lines.clone();
    let thread = Builder::new().name("pickup-overhear".into()).spawn(move || {
        let mut errors = BufReader::new(errors);
        while let Some(line) = read_line(&mut errors) {
            tracing::debug!(target: "pickup_worker", "{line}");
            kept.push(line);
        }
    })?;
    Ok((lines, thread))
}

/// One line, or as much of it as is kept.
fn read_line(from: &mut impl BufRead) -> Option<String> {
    let mut bytes = Vec::new();
    match from.take(LINE_LIMIT).read_until(b'\n', &mut bytes) {
        Ok(0) | Err(_) => None,
        Ok(_) => Some(String::from_utf8_lossy(&bytes).trim().to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_lines_are_kept_however_long_or_broken() {
        let mut text: Vec<u8> = (0..100).flat_map(|n| format!("line {n}\n").into_bytes()).collect();
        text.extend([0xff; 3000]);
        text.extend(b"\nlast words\n\n");
        let (lines, thread) = overhear(io::Cursor::new(text)).unwrap();
        thread.join().unwrap();
        assert_eq!(lines.last().as_deref(), Some("last words"));
        assert_eq!(lines.0.lock().len(), KEPT_LINES);
    }
}
