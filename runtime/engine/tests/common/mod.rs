//! A model whose answers are known in closed form, in a package like any other.
//!
//! Its VAE averages blocks of 8×8 pixels over 4 frames, and repeats them on the way back. Its
//! transformer's velocity leads straight to a clean latent: what is known where the mask says so,
//! between known latent frames the straight line from one to the other, and without any the colour
//! that the text encoder gives for the prompt.

#![allow(clippy::unwrap_used, dead_code, reason = "a test fails by panicking; not every test uses all of it")]

use ndarray::{Array3, Array5, ArrayD, Axis, Ix5, s};
use pickup_core::{
    Cancel, Canvas, Error, Event, FrameRate, Graph, PlateId, Progress, Provider, Request, Result, Tensor,
    TensorKind, TensorSpec,
};
use pickup_engine::{Engine, GraphSource, Outcome, Room};
use pickup_package::{GraphKind, Manifest};
use pickup_takes::{PlateImage, Store};
use serde_json::json;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};

/// Timeline and model size of the tests: flat pictures pass every resize exactly.
pub const SIZE: (u32, u32) = (80, 48);

/// Frames of the longest clip.
pub const MOST: u32 = 17;

/// The graphs that it has: its decoder is one.
fn kinds() -> impl Iterator<Item = GraphKind> {
    let has = |kind: &GraphKind| !matches!(kind, GraphKind::VaeMidFirst | GraphKind::VaeMidNext);
    GraphKind::ALL.into_iter().filter(has)
}

/// Writes the package.
pub fn write_package(folder: &Path) {
    let graph = |kind: GraphKind| format!("{}/model.onnx", kind.field());
    let mut fields = json!({
        "format": 1, "name": "closed-form", "title": "Closed form", "version": "1", "family": "wan_vace",
        "licence": { "spdx": "CC0-1.0", "file": "LICENSE", "acceptance_required": false },
        "source": { "origin": "tests", "revision": "1" },
        "dtype": "fp32", "opset": 20,
        "graphs": kinds().map(|kind| (kind.field(), graph(kind))).collect::<BTreeMap<_, _>>(),
        "tokenizer": { "file": "tokenizer.json", "max_tokens": 4, "pad_id": 0 },
        "text": { "width": 3 },
        "latent": { "channels": 3, "spatial": 8, "temporal": 4 },
        "control": { "layers": 1, "scale": 1.0, "max_references": 2 },
        "limits": {
            "size_multiple": 16, "frame_multiple": 4, "frame_offset": 1, "min_frames": 5, "max_frames": MOST,
            "max_pixels": 80 * 48, "native_pixels": 80 * 48, "min_side": 16, "max_side": 320
        },
        "frame_rate": { "native": [16, 1], "follows_timeline": true },
        "conditioning": ["first", "last", "clip_start", "clip_end", "keyframe", "reference"],
        "sampler": { "kind": "flow_euler", "shift": 3.0, "train_timesteps": 1000 },
        "presets": { "draft": { "steps": 2, "guidance": 1.0 }, "final": { "steps": 4, "guidance": 2.0 } },
        "guidance_default_negative": "grey",
        "files": {},
    });
    let manifest: Manifest = serde_json::from_value(fields.clone()).unwrap();
    let mut files: BTreeMap<String, Vec<u8>> =
        kinds().map(|kind| (graph(kind), pickup_package::outline(kind, &manifest))).collect();
    files.insert("tokenizer.json".into(), tokenizer().into());
    files.insert("LICENSE".into(), "CC0".into());
    for (path, content) in files {
        let place = folder.join(&path);
        std::fs::create_dir_all(place.parent().unwrap()).unwrap();
        std::fs::write(place, &content).unwrap();
        let sha256: String = Sha256::digest(&content).iter().map(|byte| format!("{byte:02x}")).collect();
        fields["files"][path] = json!({ "bytes": content.len(), "sha256": sha256 });
    }
    std::fs::write(folder.join("manifest.json"), fields.to_string()).unwrap();
}

fn tokenizer() -> String {
    json!({
        "version": "1.0", "truncation": null, "padding": null, "added_tokens": [], "normalizer": null,
        "pre_tokenizer": { "type": "Whitespace" }, "post_processor": null, "decoder": null,
        "model": { "type": "WordLevel", "unk_token": "grey", "vocab": { "<pad>": 0, "grey": 1, "bright": 2, "dark": 3 } }
    })
    .to_string()
}

/// What went on inside, seen from outside.
#[derive(Default)]
pub struct Seen {
    pub opened: Vec<GraphKind>,
    pub runs: usize,
    /// The transformer fails at this run.
    pub fails_at: Option<usize>,
}

/// Opens closed forms.
#[derive(Clone, Default)]
pub struct Source {
    pub seen: Arc<Mutex<Seen>>,
    pub free_memory: Option<u64>,
    pub gpu: bool,
    pub keyframes: bool,
}

impl GraphSource for Source {
    fn open(&self, path: &Path, kind: GraphKind, cancel: &Cancel) -> Result<Box<dyn Graph>> {
        cancel.check()?;
        assert!(path.is_file(), "{}", path.display());
        self.seen.lock().unwrap().opened.push(kind);
        Ok(Box::new(ClosedForm::new(kind, self)))
    }

    fn provider(&self) -> Provider {
        Provider::Cpu
    }

    fn runtime_version(&self) -> String {
        "closed form".into()
    }

    fn warnings(&self) -> Vec<String> {
        vec!["Running on paper.".into()]
    }

    fn take_peak_memory(&self) -> Option<u64> {
        None
    }

    fn room(&self) -> Room {
        Room { own: 0, most: self.free_memory, gpu: self.gpu }
    }
}

struct ClosedForm {
    kind: GraphKind,
    inputs: Vec<TensorSpec>,
    outputs: Vec<TensorSpec>,
    bound: BTreeMap<String, Tensor>,
    seen: Arc<Mutex<Seen>>,
    keyframes: bool,
}

impl ClosedForm {
    fn new(kind: GraphKind, source: &Source) -> Self {
        let names: &[&str] = match kind {
            GraphKind::TextEncoder => &["input_ids", "attention_mask"],
            GraphKind::Transformer => &[
                "hidden_states",
                "timestep",
                "encoder_hidden_states",
                "control_hidden_states",
                "control_scale",
            ],
            GraphKind::VaeEncFirst | GraphKind::VaeEncNext => &["frames"],
            GraphKind::VaeDecFirst | GraphKind::VaeDecNext => &["latent"],
            GraphKind::VaeMidFirst | GraphKind::VaeMidNext => unreachable!("the decoder is one"),
        };
        let spec = |name: &&str| TensorSpec {
            name: (*name).to_owned(),
            kind: TensorKind::Float,
            shape: vec![None; 5],
        };
        let outputs = vec![spec(&"out")];
        let (seen, keyframes) = (source.seen.clone(), source.keyframes);
        Self {
            kind,
            inputs: names.iter().map(spec).collect(),
            outputs,
            bound: BTreeMap::new(),
            seen,
            keyframes,
        }
    }
}

impl Graph for ClosedForm {
    fn inputs(&self) -> &[TensorSpec] {
        &self.inputs
    }

    fn outputs(&self) -> &[TensorSpec] {
        &self.outputs
    }

    fn bind(&mut self, name: &str, tensor: &Tensor) -> Result<()> {
        self.bound.insert(name.to_owned(), tensor.clone());
        Ok(())
    }

    fn unbind(&mut self) {
        self.bound.clear();
    }

    fn run(&mut self, inputs: &[(&str, &Tensor)], cancel: &Cancel) -> Result<Vec<Tensor>> {
        cancel.check()?;
        let all: BTreeMap<&str, &Tensor> = self
            .bound
            .iter()
            .map(|(name, tensor)| (name.as_str(), tensor))
            .chain(inputs.iter().copied())
            .collect();
        let five = |name: &str| float(all[name]).into_dimensionality::<Ix5>().unwrap();
        let out = match self.kind {
            GraphKind::TextEncoder => text(all["input_ids"]),
            GraphKind::VaeEncFirst => pool(&five("frames"), 1, self.keyframes).into(),
            GraphKind::VaeEncNext => pool(&five("frames"), 4, self.keyframes).into(),
            GraphKind::VaeDecFirst => repeat(&five("latent"), 1).into(),
            GraphKind::VaeDecNext => repeat(&five("latent"), 4).into(),
            GraphKind::VaeMidFirst | GraphKind::VaeMidNext => unreachable!("the decoder is one"),
            GraphKind::Transformer => {
                let mut seen = self.seen.lock().unwrap();
                seen.runs += 1;
                if seen.fails_at == Some(seen.runs) {
                    return Err(Error::runtime("the device is gone."));
                }
                let sigma = float(all["timestep"])[0] / 1000.0;
                let latent = five("hidden_states");
                let clean = clean(
                    &five("control_hidden_states"),
                    &float(all["encoder_hidden_states"]),
                    self.keyframes,
                );
                ((&latent - &clean) / sigma).into()
            }
        };
        Ok(vec![out])
    }
}

fn float(tensor: &Tensor) -> ArrayD<f32> {
    tensor.clone().into_float().unwrap()
}

/// Level of a token: grey 0, bright 0.5, dark −0.5.
fn text(ids: &Tensor) -> Tensor {
    let Tensor::Integer(ids) = ids else { unreachable!("token ids are integers") };
    let level = |id: i64| [0.0, 0.0, 0.5, -0.5][id as usize];
    Array3::from_shape_fn((1, ids.len(), 3), |(_, token, _)| level(ids[[0, token]])).into()
}

fn pool(frames: &Array5<f32>, temporal: usize, keyframes: bool) -> Array5<f32> {
    let (_, c, t, h, w) = frames.dim();
    let stronger = |a: f32, b: f32| if b.abs() > a.abs() { b } else { a };
    Array5::from_shape_fn((1, c, t / temporal, h / 8, w / 8), |(_, c, t, y, x)| {
        let block =
            frames.slice(s![0, c, t * temporal..(t + 1) * temporal, y * 8..y * 8 + 8, x * 8..x * 8 + 8]);
        let means = block.outer_iter().map(|frame| frame.mean().unwrap());
        if keyframes { means.fold(0.0, stronger) } else { means.sum::<f32>() / temporal as f32 }
    })
}

fn repeat(latent: &Array5<f32>, temporal: usize) -> Array5<f32> {
    let (_, c, t, h, w) = latent.dim();
    Array5::from_shape_fn((1, c, t * temporal, h * 8, w * 8), |(_, c, t, y, x)| {
        latent[[0, c, t / temporal, y / 8, x / 8]]
    })
}

/// The clean latent that `control` `(1, 6 + 64, f, h, w)` and the text mean.
fn clean(control: &Array5<f32>, text: &ArrayD<f32>, keyframes: bool) -> Array5<f32> {
    let frames = control.len_of(Axis(2));
    let is_known = |frame: usize| match keyframes {
        true => control.slice(s![0, ..3, frame, .., ..]).iter().any(|level| *level != 0.0),
        false => control.slice(s![0, 6.., frame, .., ..]).iter().all(|mask| *mask == 0.0),
    };
    let known: Vec<usize> = (0..frames).filter(|&frame| is_known(frame)).collect();
    let (_, _, _, h, w) = control.dim();
    Array5::from_shape_fn((1, 3, frames, h, w), |(_, c, frame, y, x)| {
        let level = |frame: usize| control[[0, c, frame, y, x]];
        let before = known.iter().rev().find(|at| **at <= frame);
        let after = known.iter().find(|at| **at >= frame);
        match (before, after) {
            (Some(&before), Some(&after)) if before == after => level(before),
            (Some(&before), Some(&after)) => {
                let share = (frame - before) as f32 / (after - before) as f32;
                level(before) * (1.0 - share) + level(after) * share
            }
            (Some(&one), None) | (None, Some(&one)) => level(one),
            (None, None) => text[[0, 0, 0]],
        }
    })
}

/// A store, a package and an engine in a folder of their own.
pub struct Studio {
    pub folder: tempfile::TempDir,
    pub store: Store,
    pub source: Source,
}

impl Studio {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        write_package(&folder.path().join("models/closed-form"));
        let store = Store::open(Some(&folder.path().join("store"))).unwrap();
        Self { folder, store, source: Source::default() }
    }

    pub fn engine(&self) -> Engine {
        let root = self.folder.path();
        Engine::new(self.store.clone(), Some(root.join("cache")), vec![root.join("models")])
    }

    /// A plate of one grey level, 0..1.
    pub fn plate(&self, level: f32) -> PlateId {
        let (width, height) = SIZE;
        let pixel = [level, level, level, 1.0].map(half::f16::from_f32);
        let pixels: Vec<_> = std::iter::repeat_n(pixel, (width * height) as usize).flatten().collect();
        self.store.put_plate(&PlateImage { width, height, pixels: &pixels }).unwrap()
    }

    /// `before` frames of level ¼, `unknown` to be made, `after` frames of level ¾.
    pub fn request(&self, before: usize, unknown: usize, after: usize) -> Request {
        let rate = FrameRate::new(24000, 1001).unwrap();
        let (dark, bright) = (self.plate(0.25), self.plate(0.75));
        let canvas = Canvas::around(SIZE, rate, vec![dark; before], unknown, vec![bright; after]);
        Request { model: "closed-form".into(), ..Request::new(canvas) }
    }

    pub fn run(&self, request: &Request) -> Result<Outcome> {
        self.run_heard(&mut self.engine(), request, &Cancel::new(), &mut |_| {})
    }

    pub fn run_heard(
        &self,
        engine: &mut Engine,
        request: &Request,
        cancel: &Cancel,
        hear: &mut dyn FnMut(Event),
    ) -> Result<Outcome> {
        let connect = || Ok(Box::new(self.source.clone()) as Box<dyn GraphSource>);
        engine.run(request, &connect, cancel, hear)
    }

    /// The middle level of each frame of a take; every pixel of a frame must agree.
    pub fn levels(&self, outcome: &Outcome) -> Vec<f32> {
        let take = self.store.open_take(&outcome.take).unwrap();
        take.verify().unwrap();
        let frame = |index: usize| {
            let pixels = take.frame(index);
            let level = pixels[0].to_f32();
            assert!(
                pixels
                    .chunks(4)
                    .all(|pixel| (pixel[1].to_f32() - level).abs() < 2e-3 && pixel[3] == half::f16::ONE)
            );
            level
        };
        (0..take.frame_count() as usize).map(frame).collect()
    }

    /// Files that are being written.
    pub fn left_behind(&self) -> usize {
        std::fs::read_dir(self.store.root().join("tmp")).map_or(0, |entries| entries.count())
    }

    pub fn runs(&self) -> usize {
        self.source.seen.lock().unwrap().runs
    }
}

/// The progress among `events`.
pub fn progress(events: &[Event]) -> Vec<Progress> {
    let only = |event: &Event| match event {
        Event::Progress(progress) => Some(*progress),
        Event::Warning(_) => None,
    };
    events.iter().filter_map(only).collect()
}
