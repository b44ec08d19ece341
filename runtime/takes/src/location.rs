//! Where the store lies.

use pickup_core::{Error, Result};
use std::path::{Path, PathBuf};

use crate::fault::while_;

/// Environment variable that names the store's folder.
pub const STORE_VARIABLE: &str = "PICKUP_STORE";

/// The store's folder as an absolute path: `explicit`, else what [`STORE_VARIABLE`] says, else a
/// folder in the user's data folder. Nothing is created.
///
/// # Errors
/// Of kind storage, if the system names no data folder for this user.
pub fn locate(explicit: Option<&Path>) -> Result<PathBuf> {
    let from_environment = || std::env::var_os(STORE_VARIABLE).filter(|value| !value.is_empty());
    let folder = match explicit {
        Some(folder) => folder.to_owned(),
        None => match from_environment() {
            Some(folder) => PathBuf::from(folder),
            None => in_user_data()?,
        },
    };
    // The worker may run in another folder than the one a relative path was meant in.
    std::path::absolute(&folder).map_err(while_("resolving", &folder))
}

fn in_user_data() -> Result<PathBuf> {
    directories::ProjectDirs::from("", "", "Pickup")
        .map(|folders| folders.data_local_dir().join("store"))
        .ok_or_else(|| {
            Error::storage("the system names no data folder for this user.")
                .hint("Set PICKUP_STORE to a folder for Pickup's takes.")
        })
}
