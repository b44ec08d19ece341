//! Work on several frames at once.

use std::sync::Mutex;

use pickup_core::{Error, Result};

/// `work` on every item, on as many threads as the machine has; results in the items' order.
///
/// # Errors
/// The first error in that order, or a runtime error if `work` panicked.
pub(crate) fn map<T: Send, R: Send>(
    items: impl ExactSizeIterator<Item = T> + Send,
    work: impl Fn(T) -> Result<R> + Sync,
) -> Result<Vec<R>> {
    let count = items.len();
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(count);
    let queue = Mutex::new(items.enumerate());
    let next = || queue.lock().ok().and_then(|mut queue| queue.next());
    let run = || {
        let mut done = Vec::new();
        while let Some((index, item)) = next() {
            done.push((index, work(item)));
        }
        done
    };
    let mut results = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(run)).collect();
        workers.into_iter().filter_map(|worker| worker.join().ok()).flatten().collect::<Vec<_>>()
    });
    if results.len() < count {
        return Err(Error::runtime("a thread that worked on frames failed."));
    }
    results.sort_by_key(|(index, _)| *index);
    results.into_iter().map(|(_, result)| result).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_is_kept_and_failures_are_told() {
        assert_eq!(map(0..100, |n| Ok(n * n)).unwrap(), (0..100).map(|n| n * n).collect::<Vec<_>>());
        assert_eq!(map(Vec::<u8>::new().into_iter(), Ok).unwrap(), Vec::<u8>::new());
        let fails = |n: usize| if n == 3 { Err(Error::input("three")) } else { Ok(n) };
        assert_eq!(map(0..5, fails).unwrap_err().message, "three");
    }
}
