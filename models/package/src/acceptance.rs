//! Licences that the user has accepted: asked for once, and remembered.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use pickup_core::{Error, Result};
use serde::{Deserialize, Serialize};

use crate::Manifest;

/// A licence that was accepted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Accepted {
    /// SHA-256 of its text: another text has to be accepted anew.
    pub sha256: String,
    /// Its SPDX expression.
    pub spdx: String,
    /// The model for which it was accepted first.
    pub model: String,
    /// When, in seconds since 1970 (UTC).
    pub accepted_at: u64,
}

/// The user's record of accepted licences, a JSON file.
#[derive(Debug)]
pub struct Acceptances {
    path: PathBuf,
    accepted: Vec<Accepted>,
}

impl Acceptances {
    /// The record beside the folder `models` that packages are installed in.
    ///
    /// # Errors
    /// If it is there and cannot be read.
    pub fn beside(models: &Path) -> Result<Self> {
        let path = models.with_file_name("licences.json");
        let accepted = match fs::read(&path) {
            Ok(text) => serde_json::from_slice(&text).map_err(|error| unreadable(&path, &error))?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(unreadable(&path, &error)),
        };
        Ok(Self { path, accepted })
    }

    /// Whether the licence of this package must still be accepted.
    pub fn asks_for(&self, manifest: &Manifest) -> bool {
        let accepted = || self.accepted.iter().any(|accepted| Some(&accepted.sha256) == text_of(manifest));
        manifest.licence.acceptance_required && !accepted()
    }

    /// Remembers that the licence of this package was accepted now.
    ///
    /// # Errors
    /// If the record cannot be written.
    pub fn accept(&mut self, manifest: &Manifest) -> Result<()> {
        let Some(sha256) = text_of(manifest).cloned() else { return Ok(()) };
        let accepted_at = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs());
        let (spdx, model) = (manifest.licence.spdx.clone(), manifest.name.clone());
        self.accepted.push(Accepted { sha256, spdx, model, accepted_at });
        self.write().map_err(|error| {
            Error::storage(format!("{} cannot be written: {error}.", self.path.display()))
                .hint("Check free space and permissions of its folder.")
        })
    }

    /// Aside first: a record is there whole or not at all.
    fn write(&self) -> io::Result<()> {
        let folder = self.path.parent().unwrap_or(Path::new("."));
        fs::create_dir_all(folder)?;
        let mut aside = tempfile::NamedTempFile::new_in(folder)?;
        aside.write_all(&serde_json::to_vec_pretty(&self.accepted)?)?;
        aside.as_file().sync_all()?;
        aside.persist(&self.path)?;
        Ok(())
    }
}

/// The hash of the licence's text.
fn text_of(manifest: &Manifest) -> Option<&String> {
    manifest.files.get(&manifest.licence.file).map(|file| &file.sha256)
}

fn unreadable(path: &Path, error: &dyn std::fmt::Display) -> Error {
    Error::storage(format!("{}: expected the record of accepted licences: {error}.", path.display()))
        .hint("Move the file away; licences will be asked for again.")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;

    #[test]
    fn a_licence_is_asked_for_once_and_again_when_its_text_changes() {
        let home = tempfile::tempdir().unwrap();
        let models = home.path().join("models");
        let mut manifest: Manifest = serde_json::from_value(testing::manifest()).unwrap();
        assert!(!Acceptances::beside(&models).unwrap().asks_for(&manifest));
        manifest.licence.acceptance_required = true;
        let mut record = Acceptances::beside(&models).unwrap();
        assert!(record.asks_for(&manifest));
        record.accept(&manifest).unwrap();
        assert!(!Acceptances::beside(&models).unwrap().asks_for(&manifest));
        manifest.files.get_mut(&manifest.licence.file).unwrap().sha256 = "0".repeat(64);
        assert!(Acceptances::beside(&models).unwrap().asks_for(&manifest));
    }

    #[test]
    fn a_damaged_record_is_an_error_and_stays() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("licences.json");
        std::fs::write(&path, "[{").unwrap();
        let error = Acceptances::beside(&home.path().join("models")).unwrap_err();
        assert!(error.message.contains("licences.json"), "{}", error.message);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "[{");
    }
}
