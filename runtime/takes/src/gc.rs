//! How much there is, and what goes first.

use pickup_core::{Result, TakeId};
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use crate::files::{grandchildren, last_use, plate_name, size};
use crate::store::Store;

/// A plate is put some moments before the worker reads it, and must still be there then.
const PLATE_GRACE: Duration = Duration::from_secs(600);

/// What is in a store.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Number of takes.
    pub takes: usize,
    /// Their bytes.
    pub take_bytes: u64,
    /// Number of plates.
    pub plates: usize,
    /// Their bytes.
    pub plate_bytes: u64,
}

impl Usage {
    /// Bytes in all.
    pub fn bytes(&self) -> u64 {
        self.take_bytes + self.plate_bytes
    }
}

/// What [`Store::gc`](crate::Store::gc) did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Collected {
    /// Takes removed.
    pub takes: usize,
    /// Plates removed.
    pub plates: usize,
    /// Bytes freed.
    pub freed: u64,
    /// Bytes left.
    pub left: u64,
}

enum What {
    Plate(PathBuf),
    Take(TakeId),
}

struct Item {
    what: What,
    bytes: u64,
    used: SystemTime,
}

impl Item {
    /// What goes first sorts first.
    fn order(&self) -> (bool, SystemTime) {
        (matches!(self.what, What::Take(_)), self.used)
    }
}

pub(crate) fn usage(store: &Store) -> Result<Usage> {
    let mut usage = Usage::default();
    for item in items(store)? {
        let (count, bytes) = match item.what {
            What::Take(_) => (&mut usage.takes, &mut usage.take_bytes),
            What::Plate(_) => (&mut usage.plates, &mut usage.plate_bytes),
        };
        *count += 1;
        *bytes += item.bytes;
    }
    Ok(usage)
}

pub(crate) fn collect(store: &Store, limit: u64) -> Result<Collected> {
    let mut items = items(store)?;
    items.sort_by_key(Item::order);
    let mut collected = Collected { left: items.iter().map(|item| item.bytes).sum(), ..Collected::default() };
    for item in items {
        if collected.left <= limit {
            break;
        }
        if remove(store, &item)? {
            collected.freed += item.bytes;
            collected.left -= item.bytes;
            match item.what {
                What::Take(_) => collected.takes += 1,
                What::Plate(_) => collected.plates += 1,
            }
        }
    }
    Ok(collected)
}

fn items(store: &Store) -> Result<Vec<Item>> {
    let takes = store.list()?.into_iter();
    let mut items: Vec<_> =
        takes.map(|take| Item { what: What::Take(take.id), bytes: take.bytes, used: take.used }).collect();
    for path in grandchildren(&store.root().join("plates"))? {
        if let (Some(_), Some(used)) = (plate_name(&path), last_use(&path)) {
            items.push(Item { bytes: size(&path), what: What::Plate(path), used });
        }
    }
    Ok(items)
}

/// False for what is in use, and stays.
fn remove(store: &Store, item: &Item) -> Result<bool> {
    match &item.what {
        What::Take(id) => {
            let Some(_lock) = store.try_lock_take(id)? else { return Ok(false) };
            Ok(kept_if_busy(store.remove(id)))
        }
        What::Plate(path) => {
            let fresh = item.used.elapsed().is_ok_and(|age| age < PLATE_GRACE);
            Ok(!fresh && std::fs::remove_file(path).is_ok())
        }
    }
}

fn kept_if_busy(removed: Result<bool>) -> bool {
    removed.unwrap_or_else(|error| {
        tracing::warn!(%error, "a take is kept");
        false
    })
}
