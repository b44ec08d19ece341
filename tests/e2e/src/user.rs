//! Somebody who works with the plugin by hand, and how many clicks that takes.

use serde_json::{Value, json};

use crate::scene::Scene;

/// Does on a scene what a user does. A click is one of: putting the effect on a clip, changing one parameter, pressing
/// one button. Typing the prompt is counted apart.
#[derive(Clone, Debug)]
pub struct User {
    /// What has been done so far.
    pub scene: Scene,
    /// Clicks so far.
    pub clicks: usize,
    /// Whether a prompt was typed.
    pub has_typed: bool,
}

impl User {
    /// Puts the effect on the clip: the first click.
    pub fn applies(scene: Scene) -> Self {
        Self { scene, clicks: 1, has_typed: false }
    }

    /// Changes one parameter.
    #[must_use]
    pub fn sets(self, parameter: &str, value: impl Into<Value>) -> Self {
        Self { scene: self.scene.set(parameter, value), clicks: self.clicks + 1, ..self }
    }

    /// Types the prompt.
    #[must_use]
    pub fn types(self, prompt: &str) -> Self {
        Self { scene: self.scene.set("prompt", prompt), has_typed: true, ..self }
    }

    /// Presses one button with the playhead at a frame.
    #[must_use]
    pub fn presses(self, button: &str, time: i64) -> Self {
        let scene = self.scene.step(json!({"press": button, "time": time, "expect": "ok"}));
        Self { scene, clicks: self.clicks + 1, ..self }
    }
}
