//! The models that Pickup is made for, whether they are installed or not.

use pickup_core::{Error, Result};
use serde::{Deserialize, Serialize};

use crate::Source;

const TEXT: &str = include_str!("../../../resources/catalogue.json");

/// A model that Pickup is made for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Supported {
    /// The package's name.
    pub name: String,
    /// What a person reads.
    pub title: String,
    /// The code that feeds it.
    pub family: String,
    /// Where its weights are published, in diffusers' format. The package names the exact revision that it was made of.
    pub source: Source,
    /// What one may do with it.
    pub licence: Terms,
    /// Numbers in its networks.
    pub parameters: Parameters,
    /// What it can do, in a line.
    pub does: String,
    /// What it needs of a GPU. Computed from sizes; not measured.
    pub memory: Vec<Memory>,
    /// The exporter's word for it.
    pub exporter: String,
}

/// What one may do with a model, in a line.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Terms {
    /// SPDX expression, or `LicenseRef-…` for a licence without one.
    pub spdx: String,
    /// What an editor has to know of it.
    pub terms: String,
    /// Whether the user has to accept it before the model is installed.
    pub acceptance_required: bool,
}

/// Numbers in a model's networks.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Parameters {
    /// The diffusion transformer.
    pub transformer: f64,
    /// The text encoder.
    pub text_encoder: f64,
    /// Encoder and decoder of pictures.
    pub vae: f64,
}

/// A size of GPU and what fits it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Memory {
    /// Memory of the GPU in gigabytes.
    pub vram_gb: u32,
    /// How the model runs there.
    pub how: String,
}

impl Supported {
    /// Bytes of its package as the exporter writes it unless told otherwise: half precision; the text encoder
    /// with 8 bits and a scale to every 32 weights, its table of tokens in half precision.
    pub fn bytes(&self) -> u64 {
        let Parameters { transformer, text_encoder, vae } = self.parameters;
        (2.0 * (transformer + vae) + 1.3 * text_encoder) as u64
    }

    /// The command that makes its package, where the published weights lie in a folder of their name.
    pub fn export_command(&self) -> String {
        let folder = self.source.origin.rsplit('/').next().unwrap_or_default();
        format!("pickup-export {} --source {folder} --out {}", self.exporter, self.name)
    }
}

/// All of them, in the order in which one should try them.
///
/// # Errors
/// If the catalogue that this program was built with is not one.
pub fn catalogue() -> Result<Vec<Supported>> {
    serde_json::from_str(TEXT).map_err(|error| Error::model(format!("resources/catalogue.json: {error}.")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_catalogue_is_sound() {
        let models = catalogue().unwrap();
        assert!(!models.is_empty());
        for model in &models {
            assert!(model.bytes() > 1_000_000_000, "{}", model.name);
            assert!(!model.memory.is_empty() && model.does.len() < 140, "{}", model.name);
            assert!(model.export_command().contains(&model.exporter));
        }
        let mut names: Vec<_> = models.iter().map(|model| &model.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), models.len());
    }
}
