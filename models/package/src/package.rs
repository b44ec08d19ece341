//! A package whose files are what its manifest says.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use pickup_core::{Error, Result};

use crate::folder::{self, unreadable};
use crate::graphs;
use crate::read::{self, LARGEST, manifest_name};
use crate::stamp::{Stamp, default_cache};
use crate::{MANIFEST, Manifest};

/// Which graph of a package.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum GraphKind {
    /// Prompt to embedding.
    TextEncoder,
    /// The denoiser.
    Transformer,
    /// First frame to latent.
    VaeEncFirst,
    /// Later frames to latents.
    VaeEncNext,
    /// First latent to what the decoder's last stage takes, where it has two.
    VaeMidFirst,
    /// Later latents likewise.
    VaeMidNext,
    /// First latent to frame.
    VaeDecFirst,
    /// Later latents to frames.
    VaeDecNext,
}

impl GraphKind {
    /// Every kind.
    pub const ALL: [Self; 8] = [
        Self::TextEncoder,
        Self::Transformer,
        Self::VaeEncFirst,
        Self::VaeEncNext,
        Self::VaeMidFirst,
        Self::VaeMidNext,
        Self::VaeDecFirst,
        Self::VaeDecNext,
    ];

    /// The stages of a VAE: the graph of the first frame and that of the next ones.
    pub const STAGES: [(Self, Self); 3] = [
        (Self::VaeEncFirst, Self::VaeEncNext),
        (Self::VaeMidFirst, Self::VaeMidNext),
        (Self::VaeDecFirst, Self::VaeDecNext),
    ];

    /// Its field of `graphs` in the manifest.
    pub const fn field(self) -> &'static str {
        match self {
            Self::TextEncoder => "text_encoder",
            Self::Transformer => "transformer",
            Self::VaeEncFirst => "vae_enc_first",
            Self::VaeEncNext => "vae_enc_next",
            Self::VaeMidFirst => "vae_mid_first",
            Self::VaeMidNext => "vae_mid_next",
            Self::VaeDecFirst => "vae_dec_first",
            Self::VaeDecNext => "vae_dec_next",
        }
    }
}

/// A verified package.
#[derive(Clone, Debug)]
pub struct Package {
    dir: PathBuf,
    manifest: Manifest,
    hash: String,
}

impl Package {
    /// Opens the package in `dir`. Contents are hashed, graphs and weights looked at, unless the same files, by
    /// size and time, were verified before.
    ///
    /// # Errors
    /// If the manifest or a file is not as it should be; it names file and field.
    pub fn open(dir: &Path) -> Result<Self> {
        Self::open_verified(dir, false)
    }

    /// Opens the package in `dir`; with `full`, contents are looked at in any case.
    ///
    /// # Errors
    /// As [`Package::open`].
    pub fn open_verified(dir: &Path, full: bool) -> Result<Self> {
        Self::open_with(dir, full, default_cache().as_deref())
    }

    /// As [`Package::open_verified`], with verified states remembered in `cache`.
    pub(crate) fn open_with(dir: &Path, full: bool, cache: Option<&Path>) -> Result<Self> {
        // Resolved once, so that the same files are looked at, remembered and loaded.
        let dir = dir.canonicalize().map_err(|error| missing(dir, &error))?;
        let (manifest, hash) = read_manifest(&dir)?;
        let files = folder::survey(&dir, &manifest)?;
        let stamp = Stamp::of(&hash, &files);
        let known = |stamp: &Stamp| cache.is_some_and(|cache| stamp.is_known(cache, &dir));
        if full || !stamp.as_ref().is_some_and(known) {
            folder::verify(&files, &manifest)?;
            graphs::check(&dir, &manifest)?;
            if let (Some(stamp), Some(cache)) = (stamp, cache) {
                stamp.remember(cache, &dir);
            }
        }
        Ok(Self { dir, manifest, hash })
    }

    /// Its folder, absolute and without links.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// What it says of itself.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// SHA-256 of `manifest.json` in lower-case hex. As the manifest holds the hashes of all files, it
    /// stands for the whole package.
    pub fn hash(&self) -> &str {
        &self.hash
    }

    /// Where a file of the manifest is.
    pub fn path(&self, relative: &str) -> PathBuf {
        self.dir.join(relative)
    }

    /// Where a graph is.
    ///
    /// # Errors
    /// If the package does without it, as one whose VAE is not stepped does without the next graphs.
    pub fn graph(&self, kind: GraphKind) -> Result<PathBuf> {
        let path = self.manifest.graphs.path(kind);
        let name = &self.manifest.name;
        let path = path.ok_or_else(|| Error::model(format!("{name} has no graph of the kind {kind:?}.")))?;
        Ok(self.path(path))
    }

    /// Length of all files together, in bytes.
    pub fn bytes(&self) -> u64 {
        self.manifest.files.values().map(|record| record.bytes).sum()
    }
}

/// The manifest of the package in `dir` and its SHA-256; nothing else of the folder is looked at.
pub(crate) fn read_manifest(dir: &Path) -> Result<(Manifest, String)> {
    let place = dir.join(MANIFEST);
    let kind = place.symlink_metadata().map_err(|error| missing(&place, &error))?.file_type();
    if !kind.is_file() {
        return Err(Error::model(format!("{}: expected a file, found a link or folder.", place.display())));
    }
    let mut text = Vec::new();
    let file = File::open(&place).map_err(|error| unreadable(&place, &error))?;
    file.take(LARGEST + 1).read_to_end(&mut text).map_err(|error| unreadable(&place, &error))?;
    let name = manifest_name(dir);
    if text.len() as u64 > LARGEST {
        return Err(read::bad(&name, ".", &format!("expected at most {LARGEST} bytes, found more")));
    }
    Ok((read::parse(&name, &text)?, folder::hash(&text)))
}

fn missing(place: &Path, error: &std::io::Error) -> Error {
    Error::model(format!("{}: expected a model package, found none: {error}.", place.display()))
        .hint("Name the folder that holds manifest.json.")
}

#[cfg(test)]
mod tests;
