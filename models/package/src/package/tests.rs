use super::*;
use crate::testing;
use serde_json::json;
use std::fs;

struct Case {
    dir: tempfile::TempDir,
    cache: tempfile::TempDir,
}

impl Case {
    fn new() -> Self {
        Self { dir: testing::package(&testing::manifest()), cache: tempfile::tempdir().unwrap() }
    }

    fn open(&self, full: bool) -> Result<Package> {
        Package::open_with(self.dir.path(), full, Some(self.cache.path()))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// The error on opening names all of `words`.
    fn refused(&self, words: &[&str]) {
        let error = self.open(false).expect_err(words[0]);
        assert_eq!(error.kind, pickup_core::ErrorKind::Model);
        for word in words {
            assert!(error.message.contains(word), "{word}: {error}");
        }
    }
}

#[test]
fn a_good_package_opens() {
    let case = Case::new();
    let package = case.open(true).unwrap();
    assert_eq!(package.bytes(), testing::files().values().map(|content| content.len() as u64).sum::<u64>());
    let graph = fs::read(package.graph(GraphKind::VaeEncNext).unwrap()).unwrap();
    assert_eq!(graph, testing::files()["vae/enc_next.onnx"]);
    let text = fs::read(case.path(MANIFEST)).unwrap();
    assert_eq!(package.hash(), folder::hash(&text));
    assert_eq!(folder::hash(b"abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

#[test]
fn damage_names_file_and_field() {
    let case = Case::new();
    let tokenizer = case.path("tokenizer/tokenizer.json");
    fs::write(&tokenizer, "longer").unwrap();
    case.refused(&["tokenizer.json", "bytes", "expected 2", "found 6"]);
    fs::write(&tokenizer, "[]").unwrap();
    case.refused(&["tokenizer.json", "sha256", "expected 44136fa3", "found 4f53cda1"]);
    fs::remove_file(&tokenizer).unwrap();
    case.refused(&["tokenizer.json", "missing"]);
    fs::remove_file(case.path(MANIFEST)).unwrap();
    case.refused(&["manifest.json", "expected a model package, found none"]);
    assert!(Package::open(Path::new("/no/such/folder")).is_err());
}

#[test]
fn what_is_not_listed_is_refused() {
    let case = Case::new();
    fs::write(case.path("vae/extra.bin"), "x").unwrap();
    case.refused(&["extra.bin", "does not list"]);
}

#[test]
fn a_folder_in_place_of_a_file_is_refused() {
    let case = Case::new();
    fs::remove_file(case.path("LICENSE")).unwrap();
    fs::create_dir(case.path("LICENSE")).unwrap();
    case.refused(&["LICENSE", "missing"]);
}

#[cfg(unix)]
#[test]
fn links_are_refused_wherever_they_point() {
    use std::os::unix::fs::symlink;
    let case = Case::new();
    fs::rename(case.path("LICENSE"), case.path("vae/x")).unwrap();
    symlink("vae/x", case.path("LICENSE")).unwrap();
    case.refused(&["LICENSE", "link"]);

    let case = Case::new();
    let outside = tempfile::tempdir().unwrap();
    fs::rename(case.path("vae"), outside.path().join("vae")).unwrap();
    symlink(outside.path().join("vae"), case.path("vae")).unwrap();
    case.refused(&["vae", "link"]);

    let case = Case::new();
    fs::rename(case.path(MANIFEST), outside.path().join("m")).unwrap();
    symlink(outside.path().join("m"), case.path(MANIFEST)).unwrap();
    case.refused(&["manifest.json", "link"]);
}

#[cfg(unix)]
#[test]
fn hard_links_are_taken() {
    let case = Case::new();
    let outside = tempfile::tempdir_in(case.dir.path().parent().unwrap()).unwrap();
    fs::hard_link(case.path("LICENSE"), outside.path().join("other")).unwrap();
    assert!(case.open(true).is_ok());
}

#[test]
fn a_verified_state_is_not_hashed_again() {
    let case = Case::new();
    case.open(false).unwrap();
    let stamps = || fs::read_dir(case.cache.path()).unwrap().count();
    assert_eq!(stamps(), 1);
    case.open(false).unwrap();

    // The same size and time of modification with other contents is what a stamp cannot see, except
    // on Unix by the time of change.
    let file = case.path("tokenizer/tokenizer.json");
    let before = fs::metadata(&file).unwrap().modified().unwrap();
    fs::write(&file, "[]").unwrap();
    fs::File::options().write(true).open(&file).unwrap().set_modified(before).unwrap();
    assert_eq!(case.open(false).is_err(), cfg!(unix));
    assert!(case.open(true).is_err(), "a full check sees it everywhere");
}

#[test]
fn a_changed_file_is_hashed_again() {
    let case = Case::new();
    case.open(false).unwrap();
    std::thread::sleep(std::time::Duration::from_millis(20));
    fs::write(case.path("tokenizer/tokenizer.json"), "[]").unwrap();
    case.refused(&["sha256"]);
    fs::write(case.path("tokenizer/tokenizer.json"), "{}").unwrap();
    assert!(case.open(false).is_ok());
}

#[test]
fn a_damaged_stamp_is_none() {
    let case = Case::new();
    case.open(false).unwrap();
    for entry in fs::read_dir(case.cache.path()).unwrap() {
        fs::write(entry.unwrap().path(), "{\"manifest\":").unwrap();
    }
    assert!(case.open(false).is_ok());
    let unwritable = case.path("LICENSE"); // a file where the cache's folder should be
    assert!(Package::open_with(case.dir.path(), false, Some(&unwritable)).is_ok());
}

#[test]
fn a_manifest_too_long_is_not_read() {
    let mut manifest = testing::manifest();
    manifest["title"] = json!("x".repeat(LARGEST as usize));
    let dir = testing::package(&manifest);
    let error = Package::open(dir.path()).unwrap_err();
    assert!(error.message.contains("at most"), "{error}");
}
