//! Files seen as memory: the only unsafe code of this crate.

use half::f16;
use pickup_core::Result;
use std::fs::File;
use std::path::Path;

use crate::fault::while_;

/// A whole file, mapped for reading.
///
/// Invariant: every file that is mapped was complete before it got its name, and no code of this
/// crate opens a named file for writing data or changes its length; replacing or removing one
/// unlinks the name and leaves the mapped pages alone. A *stranger* that truncates a mapped file
/// still can make a read fault (SIGBUS); systems offer no defence but copying, and Windows refuses
/// the truncation.
pub(crate) struct Mapped(memmap2::Mmap);

impl Mapped {
    /// Maps the whole file.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let file = File::open(path).map_err(while_("opening", path))?;
        Self::map(&file).map_err(while_("mapping", path))
    }

    #[expect(unsafe_code, reason = "mapping a file is how frames reach the host without a copy")]
    fn map(file: &File) -> std::io::Result<Self> {
        // SAFETY: files of the store are immutable once they have a name (the type's invariant).
        unsafe { memmap2::Mmap::map(file) }.map(Self)
    }

    /// The file's bytes. They start on a page, so halves at even offsets are aligned.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// The halves in `from..from + 2 * count` bytes; empty where the file has no such range.
    pub(crate) fn halves(&self, from: usize, count: usize) -> &[f16] {
        let bytes = count.checked_mul(2).and_then(|size| self.0.get(from..from.checked_add(size)?));
        bytes.and_then(|bytes| bytemuck::try_cast_slice(bytes).ok()).unwrap_or_default()
    }
}
