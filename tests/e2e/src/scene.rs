//! A timeline and what is done on it, as the test host's plan.

use serde_json::{Value, json};
use std::path::Path;

/// The filter's identifier.
pub const FILL: &str = "studio.pickup.fill";
/// The generator's identifier.
pub const GENERATE: &str = "studio.pickup.generate";

/// A plan being written. Byte depth, 25 frames per second, one step of denoising.
#[derive(Clone, Debug)]
pub struct Scene {
    plan: Value,
}

impl Scene {
    /// The filter on a clip without pictures on frames `first` to `last`.
    pub fn fill(size: (u32, u32), (first, last): (i64, i64)) -> Self {
        Self::within("filter", &["Source"], size, (first, last))
    }

    /// The filter's plugin in another context, each of `clips` without pictures on frames `first` to `last`.
    pub fn within(context: &str, clips: &[&str], size: (u32, u32), (first, last): (i64, i64)) -> Self {
        let mut scene = Self::new(FILL, context, size);
        for clip in clips {
            scene.plan["clips"][clip] = json!({"range": [first, last], "segments": [], "between": "null"});
        }
        scene
    }

    /// The generator.
    pub fn generate(size: (u32, u32)) -> Self {
        Self::new(GENERATE, "generator", size)
    }

    fn new(plugin: &str, context: &str, (width, height): (u32, u32)) -> Self {
        let project = json!({"width": width, "height": height, "rate": [25, 1], "depth": "byte"});
        let plan = json!({
            "plugin": plugin, "context": context, "project": project, "clips": {},
            "parameters": {"steps": 1, "guidance": 1.0, "contextFrames": 4}, "steps": [],
        });
        Self { plan }
    }

    /// Sets a field of the project, such as `depth`.
    #[must_use]
    pub fn project(mut self, field: &str, value: impl Into<Value>) -> Self {
        self.plan["project"][field] = value.into();
        self
    }

    /// The host to be, such as `resolve`.
    #[must_use]
    pub fn profile(mut self, name: impl Into<Value>) -> Self {
        self.plan["profile"] = name.into();
        self
    }

    /// `count` files of a pattern, from number `first`, at frame `at`.
    #[must_use]
    pub fn pictures(self, at: i64, pattern: &str, first: u32, count: u32) -> Self {
        self.pictures_of("Source", at, pattern, first, count)
    }

    /// [`Self::pictures`] of another clip.
    #[must_use]
    pub fn pictures_of(mut self, clip: &str, at: i64, pattern: &str, first: u32, count: u32) -> Self {
        let segment = json!({"at": at, "frames": pattern, "first": first, "count": count});
        self.plan["clips"][clip]["segments"].as_array_mut().unwrap().push(segment);
        self
    }

    /// What the clip gives where it has no picture: `null`, `ok_null`, `black`, `transparent`.
    #[must_use]
    pub fn between(mut self, what: &str) -> Self {
        self.plan["clips"]["Source"]["between"] = json!(what);
        self
    }

    /// A parameter's value before the instance is made.
    #[must_use]
    pub fn with(mut self, parameter: &str, value: impl Into<Value>) -> Self {
        self.plan["parameters"][parameter] = value.into();
        self
    }

    /// The span that the user set.
    #[must_use]
    pub fn span(self, first: i64, last: i64) -> Self {
        self.with("spanStart", first).with("spanEnd", last)
    }

    /// Puts the time of every call into the report.
    #[must_use]
    pub fn measured(mut self) -> Self {
        self.plan["measure"] = json!(true);
        self
    }

    /// Takes the steps of `then` while another instance makes a take, after so many seconds of it.
    #[must_use]
    pub fn meanwhile(self, time: i64, after: f64, then: &Self) -> Self {
        let steps = &then.plan["steps"];
        self.step(json!({"meanwhile": steps, "press": "generate", "time": time, "after": after}))
    }

    /// Another step.
    #[must_use]
    pub fn step(mut self, step: Value) -> Self {
        self.plan["steps"].as_array_mut().unwrap().push(step);
        self
    }

    /// Presses Generate at a frame and expects that it goes well, then puts status and take into the report.
    #[must_use]
    pub fn press(self, time: i64) -> Self {
        self.step(json!({"press": "generate", "time": time, "expect": "ok"})).get()
    }

    /// Presses Generate and expects an error, then puts status and take into the report.
    #[must_use]
    pub fn press_in_vain(self, time: i64) -> Self {
        self.step(json!({"press": "generate", "time": time, "expect": "failed"})).get()
    }

    /// Puts status and take into the report.
    #[must_use]
    pub fn get(self) -> Self {
        self.step(json!({"get": ["status", "takeState"]}))
    }

    /// Sets a parameter as the user would.
    #[must_use]
    pub fn set(self, parameter: &str, value: impl Into<Value>) -> Self {
        self.step(json!({"set": {parameter: value.into()}}))
    }

    /// Renders frames to raw files of the pattern.
    #[must_use]
    pub fn render(self, (from, to): (i64, i64), raw: &Path) -> Self {
        self.step(json!({"render": {"from": from, "to": to, "raw": raw, "expect": "ok"}}))
    }

    /// Renders frames without writing them.
    #[must_use]
    pub fn look(self, (from, to): (i64, i64)) -> Self {
        self.step(json!({"render": {"from": from, "to": to, "expect": "ok"}}))
    }

    /// The finished plan for a bundle.
    pub fn plan(&self, bundle: &Path) -> Value {
        let mut plan = self.plan.clone();
        plan["bundle"] = json!(bundle);
        plan
    }
}
