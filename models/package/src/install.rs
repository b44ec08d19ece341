//! Installing a package from a folder.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use pickup_core::{Error, Result};

use crate::{MANIFEST, Package};

/// Copies the package in `from` into the folder `to`, under its name, and returns it. The copy is
/// made aside, verified, and then renamed, so a package is there whole or not at all. A package that
/// is already there with the same manifest is verified and returned.
///
/// Where `licence.acceptance_required` is set, ask the user first.
///
/// # Errors
/// If the package is not as it should be, another one of its name is there, or the copy fails.
pub fn add(from: &Path, to: &Path) -> Result<Package> {
    let source = Package::open_verified(from, true)?;
    let place = to.join(&source.manifest().name);
    if place.symlink_metadata().is_ok() {
        return already_there(&source, &place);
    }
    fs::create_dir_all(to).map_err(|error| failed(to, &error))?;
    let aside = folder_aside(to).map_err(|error| failed(to, &error))?;
    copy(&source, aside.path())?;
    Package::open_with(aside.path(), true, None)?;
    fs::rename(aside.path(), &place).map_err(|error| failed(&place, &error))?;
    let _ = aside.keep(); // it is the package now
    Package::open(&place)
}

fn already_there(source: &Package, place: &Path) -> Result<Package> {
    let error = match Package::open_verified(place, true) {
        Ok(there) if there.hash() == source.hash() => return Ok(there),
        Ok(_) => Error::model(format!("{}: another package of this name is installed.", place.display())),
        Err(error) => error.within("a package of this name is installed and damaged"),
    };
    Err(error.hint(format!("Remove {} first.", place.display())))
}

fn copy(source: &Package, to: &Path) -> Result<()> {
    for path in source.manifest().files.keys().map(String::as_str).chain([MANIFEST]) {
        let place = to.join(path);
        copy_file(&source.path(path), &place).map_err(|error| failed(&place, &error))?;
    }
    Ok(())
}

/// A folder for the copy, as readable as any that the user makes.
fn folder_aside(to: &Path) -> io::Result<tempfile::TempDir> {
    let mut builder = tempfile::Builder::new();
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o777)); // less the umask
    builder.prefix(".adding-").tempdir_in(to)
}

/// Contents only: the copy is the user's own file, whatever the source's permissions were.
fn copy_file(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to.parent().map_or_else(PathBuf::new, Path::to_owned))?;
    let mut target = fs::File::create_new(to)?;
    io::copy(&mut fs::File::open(from)?, &mut target)?;
    target.sync_all()
}

fn failed(place: &Path, error: &io::Error) -> Error {
    Error::storage(format!("{} cannot be written: {error}.", place.display()))
        .hint("Check free space and permissions of the folder.")
}

#[cfg(test)]
mod tests;
