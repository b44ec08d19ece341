//! A running worker.

use crossbeam::channel::{Receiver, RecvTimeoutError, Sender};
use pickup_core::protocol::ToWorker;
use pickup_core::{Error, Result};
use std::ffi::OsString;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::ending;
use crate::options::{ClientOptions, LIBRARY_VARIABLE, Patience};
use crate::pipes::{Heard, LastLines, listen, overhear, speak};

/// How often a worker that should exit is looked at.
const EXIT_POLL: Duration = Duration::from_millis(10);
/// How long after its output ended a worker may take to exit before that is called a fault.
const CRASH_EXIT: Duration = Duration::from_secs(2);

/// A worker and the threads at its pipes. Dropping it ends all of them: a thread that outlived the
/// plugin's library would run unloaded code.
pub(crate) struct Worker {
    child: Child,
    sender: Option<Sender<ToWorker>>,
    receiver: Option<Receiver<Heard>>,
    errors: LastLines,
    threads: Vec<JoinHandle<()>>,
    patience: Patience,
}

impl Worker {
    /// Starts the worker; it has not been spoken to yet.
    pub(crate) fn start(file: &Path, store: &Path, options: &ClientOptions) -> Result<Self> {
        let child = command(file, store, &options.environment).spawn().map_err(|error| {
            Error::runtime(format!("the worker {} did not start: {error}.", file.display()))
                .hint("Check that the file may be run, and that no virus scanner holds it.")
        })?;
        Self::attach(child, options.patience)
            .map_err(|error| Error::runtime(format!("the worker cannot be spoken to: {error}.")))
    }

    fn attach(mut child: Child, patience: Patience) -> std::io::Result<Self> {
        let piped = || std::io::Error::other("a pipe is missing");
        let input = child.stdin.take().ok_or_else(piped)?;
        let output = child.stdout.take().ok_or_else(piped)?;
        let errors = child.stderr.take().ok_or_else(piped)?;
        let (sender, speaking) = speak(input)?;
        let (receiver, listening) = listen(output)?;
        let (errors, overhearing) = overhear(errors)?;
        let threads = vec![speaking, listening, overhearing];
        Ok(Self { child, sender: Some(sender), receiver: Some(receiver), errors, threads, patience })
    }

    /// Says something; never waits. If the worker is gone, [`Worker::hear`] tells.
    pub(crate) fn say(&self, message: ToWorker) {
        if let Some(sender) = &self.sender {
            let _ = sender.send(message);
        }
    }

    /// What the worker says next; `None` if nothing came in time.
    pub(crate) fn hear(&self, within: Duration) -> Option<Heard> {
        match self.receiver.as_ref()?.recv_timeout(within) {
            Ok(heard) => Some(heard),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => Some(Heard::End(None)),
        }
    }

    /// Whether it has exited.
    pub(crate) fn is_gone(&mut self) -> bool {
        !matches!(self.child.try_wait(), Ok(None))
    }

    /// Waits for the exit of a worker whose output has ended. `None` if it lives on.
    pub(crate) fn exit_status(&mut self) -> Option<ExitStatus> {
        wait(&mut self.child, CRASH_EXIT)
    }

    /// Why a worker ended that should not have, while it was `doing` something.
    pub(crate) fn explain(&mut self, doing: &str, garbage: Option<std::io::Error>) -> Error {
        // What is not a message leaves a worker running that nobody understands any more.
        let status = if garbage.is_some() { None } else { self.exit_status() };
        self.kill();
        let how = match (&status, garbage) {
            (_, Some(error)) => format!("it sent what is not Pickup's protocol: {error}"),
            (Some(status), None) => ending::describe(*status),
            (None, None) => "it closed its output".to_owned(),
        };
        let mut message = format!("the worker stopped while {doing} ({how}).");
        // Joined, so that its last words are in.
        self.join();
        if let Some(line) = self.errors.last() {
            message += &format!(" It last said: {line}");
        }
        Error::runtime(message).hint(ending::advice(status))
    }

    /// Ends it at once.
    pub(crate) fn kill(&mut self) {
        if let Err(error) = self.child.kill() {
            tracing::debug!(%error, "the worker could not be killed");
        }
        let _ = self.child.wait();
    }

    fn join(&mut self) {
        // Both ends let go first: a listener that waits for room would never end.
        self.sender = None;
        self.receiver = None;
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.sender = None;
        self.receiver = None;
        if wait(&mut self.child, self.patience.exit).is_none() {
            self.kill();
        }
        self.join();
    }
}

/// The exit status, or `None` if there is none in time.
fn wait(child: &mut Child, within: Duration) -> Option<ExitStatus> {
    let deadline = Instant::now() + within;
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return Some(status),
            Ok(None) if Instant::now() < deadline => std::thread::sleep(EXIT_POLL),
            _ => return None,
        }
    }
}

fn command(file: &Path, store: &Path, environment: &[(OsString, OsString)]) -> Command {
    let mut command = Command::new(file);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    separate(&mut command, file);
    command.env(pickup_takes::STORE_VARIABLE, store).envs(environment.iter().cloned());
    command
}

/// Keeps the host's libraries, and the terminal's Ctrl-C, from the worker.
#[cfg(unix)]
fn separate(command: &mut Command, _file: &Path) {
    use std::os::unix::process::CommandExt;
    for name in ["LD_PRELOAD", "LD_LIBRARY_PATH", "LD_AUDIT", "DYLD_INSERT_LIBRARIES", "DYLD_LIBRARY_PATH"] {
        command.env_remove(name);
    }
    if let Some(folders) = std::env::var_os(LIBRARY_VARIABLE) {
        command.env("LD_LIBRARY_PATH", folders);
    }
    command.process_group(0);
}

/// Keeps the host's libraries, and a console window, from the worker. Libraries are searched in
/// the current folder and then on the PATH, where hosts put their own folder.
#[cfg(windows)]
fn separate(command: &mut Command, file: &Path) {
    use std::os::windows::process::CommandExt;
    const CREATE_NO_WINDOW: u32 = 0x0800_0000;
    command.creation_flags(CREATE_NO_WINDOW);
    if let Some(folder) = file.parent() {
        command.current_dir(folder);
        if let Some(path) = clean_path(folder) {
            command.env("PATH", path);
        }
    }
}

/// The PATH with the worker's folder, and [`LIBRARY_VARIABLE`]'s, first and the host's own left out.
#[cfg(windows)]
fn clean_path(worker: &Path) -> Option<OsString> {
    let host = std::env::current_exe().ok()?.parent()?.to_owned();
    let path = std::env::var_os("PATH").unwrap_or_default();
    let libraries = std::env::var_os(LIBRARY_VARIABLE).unwrap_or_default();
    let first = std::iter::once(worker.to_owned()).chain(std::env::split_paths(&libraries));
    let rest = std::env::split_paths(&path).filter(|folder| !folder.starts_with(&host));
    std::env::join_paths(first.chain(rest)).ok()
}
