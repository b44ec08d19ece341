//! Where the worker is.

use pickup_core::{Error, Result};
use std::env;
use std::path::{Path, PathBuf};

/// Environment variable that names the worker's file.
pub const WORKER_VARIABLE: &str = "PICKUP_WORKER";

/// The worker's file: what [`WORKER_VARIABLE`] names, else `given`, else the one beside this
/// process's executable.
///
/// # Errors
/// Of kind runtime, naming every place that was looked at.
pub fn locate_worker(given: Option<&Path>) -> Result<PathBuf> {
    let named = env::var_os(WORKER_VARIABLE).filter(|value| !value.is_empty()).map(PathBuf::from);
    first_file(named, given, beside_this_executable())
}

fn first_file(named: Option<PathBuf>, given: Option<&Path>, beside: Option<PathBuf>) -> Result<PathBuf> {
    if let Some(named) = named {
        return if named.is_file() { absolute(&named) } else { Err(not_where_named(&named)) };
    }
    let places: Vec<_> = given.map(Path::to_owned).into_iter().chain(beside).collect();
    match places.iter().find(|place| place.is_file()) {
        Some(place) => absolute(place),
        None => Err(nowhere(&places)),
    }
}

fn beside_this_executable() -> Option<PathBuf> {
    let name = format!("pickup-worker{}", env::consts::EXE_SUFFIX);
    Some(env::current_exe().ok()?.parent()?.join(name))
}

fn absolute(path: &Path) -> Result<PathBuf> {
    std::path::absolute(path)
        .map_err(|error| Error::runtime(format!("resolving {} failed: {error}.", path.display())))
}

fn not_where_named(path: &Path) -> Error {
    Error::runtime(format!("the worker is not at {}, which {WORKER_VARIABLE} names.", path.display()))
        .hint(format!("Correct {WORKER_VARIABLE}, or unset it."))
}

fn nowhere(places: &[PathBuf]) -> Error {
    let places: Vec<_> = places.iter().map(|place| place.display().to_string()).collect();
    Error::runtime(format!("Pickup's worker was not found; looked at {}.", places.join(" and "))).hint(
        "Copy the whole folder Pickup.ofx.bundle, not only the plugin file in it, or set PICKUP_WORKER.",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_variable_wins_then_the_given_path_then_the_neighbour() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, b"").unwrap();
            path
        };
        let (named, given, beside) = (file("named"), file("given"), file("beside"));
        let gone = folder.path().join("gone");
        let find =
            |a: &PathBuf, b: &PathBuf, c: &PathBuf| first_file(Some(a.clone()), Some(b), Some(c.clone()));
        assert_eq!(find(&named, &given, &beside).unwrap(), named);
        assert!(find(&gone, &given, &beside).unwrap_err().message.contains("PICKUP_WORKER"));
        assert_eq!(first_file(None, Some(&given), Some(beside.clone())).unwrap(), given);
        assert_eq!(first_file(None, Some(&gone), Some(beside.clone())).unwrap(), beside);
        let error = first_file(None, Some(&gone), None).unwrap_err();
        assert!(error.message.contains("gone") && error.hint.contains("bundle"), "{error:?}");
    }
}
