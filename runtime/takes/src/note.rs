//! What a user noted for a take.

use pickup_core::{Result, TakeId};
use std::path::Path;

use crate::aside::Aside;
use crate::fault::{missing, while_};
use crate::files::{NOTE, take_folder};

/// Most letters of a note; what is beyond is left out.
const LONGEST: usize = 500;

/// The note of a take; empty without one.
pub(crate) fn read(root: &Path, id: &TakeId) -> String {
    std::fs::read_to_string(take_folder(root, &id.to_string()).join(NOTE)).unwrap_or_default()
}

/// Notes `text` for a take: one line of at most [`LONGEST`] letters, in place of what was noted before; nothing where it
/// is blank.
pub(crate) fn write(root: &Path, id: &TakeId, text: &str) -> Result<()> {
    let folder = take_folder(root, &id.to_string());
    if !folder.is_dir() {
        return Err(missing(root, id));
    }
    let words: Vec<&str> = text.split_whitespace().collect();
    let line: String = words.join(" ").chars().take(LONGEST).collect();
    let aside = Aside::new(root)?;
    let (written, note) = (aside.folder().join(NOTE), folder.join(NOTE));
    std::fs::write(&written, line).map_err(while_("writing", &written))?;
    std::fs::rename(&written, &note).map_err(while_("writing", &note))
}
