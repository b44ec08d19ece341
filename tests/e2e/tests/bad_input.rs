//! What is wrong is told clearly; nothing is lost and nothing is left behind.

#![expect(clippy::unwrap_used, reason = "a test says what is wrong by panicking")]

use pickup_e2e::{Bench, Setup, copy_folder, figure, library, tiny_package};
use serde_json::Value;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

const SIZE: (u32, u32) = (64, 48);

/// A bench whose store holds one take and the plates of the job that is asked for again and again.
struct Desk {
    bench: Bench,
    shot: String,
    models: PathBuf,
}

impl Desk {
    fn new() -> Self {
        let bench = Bench::new();
        let shot = bench.footage("shot", 0..4, SIZE).folder();
        let models = bench.path("models");
        copy_folder(&tiny_package(), &models.join("tiny-wan-vace"));
        let desk = Self { bench, shot, models };
        let answer = desk.bench.pickup_with(&desk.job(&["--out", "first"]), &desk.setup());
        assert_eq!(answer.code, Some(0), "{}", answer.err);
        desk
    }

    /// The job, with `more` behind it. Another seed, so that it is not the take that is there.
    fn job<'a>(&'a self, more: &[&'a str]) -> Vec<&'a str> {
        let mut all = vec!["extend", "--clip", &self.shot, "--context", "4", "--steps", "1", "--frames", "5"];
        all.extend(["--model", "tiny-wan-vace", "--seed"]);
        all.push(if more.contains(&"first") { "1" } else { "2" });
        all.extend(more);
        all
    }

    fn setup(&self) -> Vec<(&'static str, Option<&OsStr>)> {
        vec![("PICKUP_MODELS", Some(self.models.as_os_str()))]
    }

    /// Runs a job that cannot be done: exit code and words as told, and every file as it was.
    #[track_caller]
    fn fails(&self, arguments: &[&str], more: Setup<'_>, code: i32, words: &[&str]) {
        let before = self.bench.store().snapshot();
        let setup = [self.setup(), more.to_vec()].concat();
        let answer = self.bench.pickup_with(&[arguments, &["--out", "made/out"]].concat(), &setup);
        answer.expect_failure(code, words);
        assert_eq!(self.bench.store().snapshot(), before, "the store is as it was");
        assert!(self.bench.store().unfinished().is_empty());
        assert!(!self.bench.path("made").exists(), "no folder is left for frames that are not there");
        // For programs the same, as an object.
        let arguments = [arguments, &["--out", "made/out", "--json"]].concat();
        let answer = self.bench.pickup_with(&arguments, &setup);
        let object: Value = serde_json::from_str(&answer.out).unwrap();
        assert_eq!(object["exit_code"], code);
        assert!(object["error"]["hint"].as_str().is_some_and(|hint| !hint.is_empty()));
    }

    /// Expects that the job can still be done.
    #[track_caller]
    fn works(&self) {
        let answer = self.bench.pickup_with(&self.job(&["--out", "last"]), &self.setup());
        assert_eq!(answer.code, Some(0), "{}", answer.err);
        assert_eq!(self.bench.store().takes().len(), 2);
    }

    fn manifest(&self) -> PathBuf {
        self.models.join("tiny-wan-vace/manifest.json")
    }
}

#[test]
fn acceptance_a_bad_model_package_is_told() {
    let desk = Desk::new();
    desk.fails(&replaced(&desk.job(&[]), "tiny-wan-vace", "no-such-model"), &[], 4, &["no-such-model"]);
    figure("missing model", "exit 4, named, nothing left", "the same");

    let whole = std::fs::read(desk.manifest()).unwrap();
    let text = String::from_utf8(whole.clone()).unwrap();
    for (bad, field) in [
        (text[..text.len() / 2].to_owned(), "manifest.json"),
        (text.replace("\"spatial\": 8", "\"spatial\": \"eight\""), "spatial"),
        (text.replace("\"max_tokens\": 24", "\"max_tokens\": 0"), "tokenizer.max_tokens"),
        (text.replace("\"opset\": 20", "\"opset\": 20, \"opsett\": 20"), "opsett"),
        (text.replace("vae/dec_next.onnx", "../../dec_next.onnx"), "dec_next.onnx"),
    ] {
        assert_ne!(bad, text, "{field}: nothing was changed");
        std::fs::write(desk.manifest(), bad).unwrap();
        desk.fails(&desk.job(&[]), &[], 4, &["manifest.json", field]);
    }
    std::fs::write(desk.manifest(), whole).unwrap();
    figure("corrupt manifest, 5 ways", "exit 4, file and field named, nothing left", "the same");

    let weights = desk.models.join("tiny-wan-vace/transformer/weights.bin");
    let whole = std::fs::read(&weights).unwrap();
    std::fs::write(&weights, &whole[..whole.len() - 100]).unwrap();
    desk.fails(&desk.job(&[]), &[], 4, &["transformer/weights.bin"]);
    let mut flipped = whole.clone();
    flipped[1000] ^= 1;
    std::fs::write(&weights, flipped).unwrap();
    desk.fails(&desk.job(&[]), &[], 4, &["transformer/weights.bin"]);
    std::fs::remove_file(&weights).unwrap();
    desk.fails(&desk.job(&[]), &[], 4, &["transformer/weights.bin"]);
    std::fs::write(&weights, whole).unwrap();
    figure("weights truncated, one bit changed, missing", "exit 4, file named, nothing left", "the same");
    desk.works();
}

fn replaced<'a>(arguments: &[&'a str], from: &str, to: &'a str) -> Vec<&'a str> {
    arguments.iter().map(|argument| if *argument == from { to } else { argument }).collect()
}

#[test]
fn acceptance_a_wrong_library_is_told() {
    let desk = Desk::new();
    let text = desk.bench.path("library.txt");
    std::fs::write(&text, "This is no library.\n".repeat(50)).unwrap();
    let cut = desk.bench.path("libonnxruntime.so.1.32.0");
    let whole = std::fs::read(library()).unwrap();
    std::fs::write(&cut, &whole[..whole.len() / 2]).unwrap();
    let absent = desk.bench.path("absent.so");
    let mut wrong = vec![(text, "library.txt"), (cut, "libonnxruntime"), (absent, "absent.so")];
    wrong.extend(other_library().map(|path| (path, "libz")));
    let count = wrong.len();
    for (path, word) in wrong {
        desk.fails(&desk.job(&[]), &[("PICKUP_ONNXRUNTIME", Some(path.as_os_str()))], 5, &[word]);
    }
    figure(&format!("wrong library, {count} ways"), "exit 5, file named, nothing left", "the same");
    desk.works();
}

/// A whole shared library that is not ONNX Runtime.
fn other_library() -> Option<PathBuf> {
    let folders = ["/lib/x86_64-linux-gnu", "/usr/lib/x86_64-linux-gnu", "/usr/lib64", "/usr/lib", "/lib"];
    let found = folders.iter().map(|folder| Path::new(folder).join("libz.so.1")).find(|path| path.is_file());
    if found.is_none() {
        println!("note: this machine has no libz.so.1, so it was not tried as ONNX Runtime");
    }
    found.map(|path| path.canonicalize().unwrap())
}

#[test]
fn acceptance_unreadable_references_and_shots_are_told() {
    let desk = Desk::new();
    let picture = std::fs::read(desk.bench.path("shot/000001.png")).unwrap();
    std::fs::write(desk.bench.path("cut.png"), &picture[..picture.len() / 2]).unwrap();
    std::fs::write(desk.bench.path("text.png"), "no picture").unwrap();
    for file in ["cut.png", "text.png", "absent.png"] {
        desk.fails(&desk.job(&["--reference", file]), &[], 3, &[file]);
    }
    figure("unreadable reference, 3 ways", "exit 3, file named, nothing left", "the same");
    for file in ["cut.png", "text.png", "absent", "absent-%04d.png"] {
        desk.fails(&replaced(&desk.job(&[]), &desk.shot, file), &[], 3, &[file]);
    }
    let small = desk.bench.footage("small", 0..4, (32, 24)).folder();
    let two_sizes = ["fill", "--before", &desk.shot, "--after", &small, "--frames", "3"];
    desk.fails(&two_sizes, &[], 3, &["64×48", "32×24"]);
    desk.works();
}

#[test]
fn acceptance_spans_and_sizes_that_nobody_means_are_told() {
    let desk = Desk::new();
    let generate = ["generate", "--model", "tiny-wan-vace", "--frames"];
    desk.fails(&[&generate[..], &["0"]].concat(), &[], 2, &["frames"]);
    figure("zero-length span", "exit 2, told, nothing left", "the same");
    let cases: [(&[&str], i32, &str); 6] = [
        (&["100000"], 2, "4096"),
        (&["5", "--size", "0x0"], 3, "0×0"),
        (&["5", "--size", "8x8"], 3, "8×8"),
        (&["5", "--size", "100000x100000"], 3, "100000×100000"),
        (&["5", "--size", "640x360", "--steps", "100000"], 2, "steps"),
        // More than any disk here: 4 096 frames of 2 GB.
        (&["4096", "--size", "16384x16384"], 8, "needed"),
    ];
    for (more, code, word) in cases {
        desk.fails(&[&generate[..], more].concat(), &[], code, &[word]);
    }
    figure("absurd sizes and lengths, 6 ways", "exit 2, 3 or 8, told, nothing left", "the same");
    desk.works();
}

#[test]
fn acceptance_a_place_that_cannot_be_written_is_told() {
    let desk = Desk::new();
    let file = desk.bench.path("file");
    std::fs::write(&file, "a file").unwrap();
    let below = file.join("store");
    desk.fails(&desk.job(&[]), &[("PICKUP_STORE", Some(below.as_os_str()))], 8, &["file"]);
    // What can be made again is not worth a failure: it is made, with a warning.
    let cache = [desk.setup(), vec![("PICKUP_CACHE", Some(below.as_os_str()))]].concat();
    let arguments = desk.job(&["--out", "cacheless", "--json", "--prompt", "never kept"]);
    let answer = desk.bench.pickup_with(&arguments, &cache).json();
    let warnings = answer["warnings"].as_array().unwrap();
    let told = |warning: &Value| warning.as_str().is_some_and(|text| text.contains("could not be kept"));
    assert!(warnings.iter().any(told), "{warnings:?}");
    // A folder that has something else in it is not written over.
    std::fs::create_dir_all(desk.bench.path("made/out")).unwrap();
    std::fs::write(desk.bench.path("made/out/notes.txt"), "mine").unwrap();
    let arguments = desk.job(&["--out", "made/out"]);
    desk.bench.pickup_with(&arguments, &desk.setup()).expect_failure(2, &["not empty"]);
    assert_eq!(std::fs::read(desk.bench.path("made/out/notes.txt")).unwrap(), b"mine");
    assert_eq!(std::fs::read(&file).unwrap(), b"a file");
    figure("store below a file", "exit 8, named, nothing left", "the same");
    figure("cache that cannot be written", "the take is made, with a warning", "the same");
}
