//! From bytes to a manifest whose every field has been looked at.

use pickup_core::{Error, Result};
use serde::Deserialize;

use crate::{FORMAT, MANIFEST, Manifest, check};

/// Largest manifest that is read, in bytes: room for some ten thousand files.
pub(crate) const LARGEST: u64 = 4 << 20;

/// Reads and checks the text of a manifest. `file` is what errors call it.
///
/// # Errors
/// If it is no JSON, of another format, has an unknown, missing or wrong field; each names the field.
pub fn parse(file: &str, text: &[u8]) -> Result<Manifest> {
    check_format(file, text)?;
    let mut json = serde_json::Deserializer::from_slice(text);
    let manifest: Manifest = serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let field = error.path().to_string();
        bad(file, &field, &error.inner().to_string())
    })?;
    json.end().map_err(|error| bad(file, ".", &format!("expected nothing after the manifest: {error}")))?;
    check::check(&manifest).map_err(|wrong| bad(file, &wrong.field, &wrong.what))?;
    Ok(manifest)
}

/// A newer format may have other fields: it is told apart before they are looked at.
fn check_format(file: &str, text: &[u8]) -> Result<()> {
    #[derive(Deserialize)]
    struct Head {
        format: Option<serde_json::Value>,
    }
    let head: Head = serde_json::from_slice(text).map_err(|error| bad(file, ".", &error.to_string()))?;
    let found =
        head.format.ok_or_else(|| bad(file, "format", &format!("expected {FORMAT}, found nothing")))?;
    if found == FORMAT {
        return Ok(());
    }
    let error = bad(file, "format", &format!("expected {FORMAT}, found {found}"));
    let newer = found.as_u64().is_some_and(|number| number > u64::from(FORMAT));
    Err(if newer { error.hint("The package was made for a newer version of Pickup.") } else { error })
}

/// An error that names file and field.
pub(crate) fn bad(file: &str, field: &str, what: &str) -> Error {
    let place = if field == "." { String::new() } else { format!("field `{field}`: ") };
    Error::model(format!("{file}: {place}{what}.")).hint("Install the model package again.")
}

/// What errors call the manifest of the package in `dir`.
pub(crate) fn manifest_name(dir: &std::path::Path) -> String {
    dir.join(MANIFEST).display().to_string()
}

#[cfg(test)]
mod tests;
