//! The one client of this process, and the takes it keeps open.
//!
//! Nothing is started before the first job. The worker lies beside the plugin's own file in the bundle, unless
//! `PICKUP_WORKER` names another.

use parking_lot::Mutex;
use pickup_client::{Client, ClientOptions};
use pickup_core::{Result, TakeId};
use pickup_takes::{Store, Take};
use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::Arc;

use crate::{background, history};

/// Open takes that are kept for the next instance: some hosts make one for every frame.
const OPEN_TAKES: usize = 8;

static SHARED: Mutex<Shared> = Mutex::new(Shared { client: None, takes: VecDeque::new() });

struct Shared {
    client: Option<Arc<Client>>,
    takes: VecDeque<Arc<Take>>,
}

/// The client that all instances share.
pub fn client() -> Arc<Client> {
    let mut shared = SHARED.lock();
    let fresh =
        || Arc::new(Client::new(ClientOptions { worker: beside_plugin(), ..ClientOptions::default() }));
    shared.client.get_or_insert_with(fresh).clone()
}

fn beside_plugin() -> Option<PathBuf> {
    let name = format!("pickup-worker{}", std::env::consts::EXE_SUFFIX);
    Some(pickup_ofx::library_path()?.parent()?.join(name))
}

/// Calls `use_store` with the store that the worker writes to. Starts no worker.
///
/// # Errors
/// Of kind storage if there is no store.
pub fn with_store<T>(use_store: impl FnOnce(&Store) -> Result<T>) -> Result<T> {
    use_store(client().store()?)
}

/// A take, opened once and shared by all that show it.
///
/// # Errors
/// Of kind storage if it is not there or damaged.
pub fn open_take(id: &TakeId) -> Result<Arc<Take>> {
    if let Some(take) = SHARED.lock().takes.iter().find(|take| take.id() == *id) {
        return Ok(take.clone());
    }
    let take = Arc::new(with_store(|store| store.open_take(id))?);
    let mut shared = SHARED.lock();
    shared.takes.push_front(take.clone());
    shared.takes.truncate(OPEN_TAKES);
    Ok(take)
}

/// Closes takes that nobody shows.
pub fn close_takes() {
    SHARED.lock().takes.clear();
}

/// Ends the worker and closes everything, before the library goes. The worker is given a moment to leave, for which
/// the host does not wait.
pub fn end() {
    if let Some(client) = SHARED.lock().client.take() {
        background::run("pickup-farewell", move || drop(client));
    }
    close_takes();
    let remembered = history::take_all();
    background::run("pickup-forgetting", move || drop(remembered));
}
