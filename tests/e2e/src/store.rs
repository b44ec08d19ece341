//! The store's files, seen from outside: `takes/<aa>/<id>/{take.json, frames.bin}` and what else lies there.

use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// A store's folder.
#[derive(Clone, Debug)]
pub struct StoreFiles {
    root: PathBuf,
}

/// A take in a store.
#[derive(Clone, Debug)]
pub struct StoredTake {
    /// Its id.
    pub id: String,
    /// Its record, `take.json`.
    pub record: Value,
    /// Its folder.
    pub folder: PathBuf,
}

impl StoreFiles {
    pub(crate) fn new(root: &Path) -> Self {
        Self { root: root.to_owned() }
    }

    /// The takes, by id. Anything under `takes` that is not a whole take fails the test.
    #[track_caller]
    pub fn takes(&self) -> Vec<StoredTake> {
        let shelves = list(&self.root.join("takes"));
        let mut takes: Vec<_> = shelves.iter().flat_map(|shelf| list(shelf)).map(StoredTake::read).collect();
        takes.sort_by(|a, b| a.id.cmp(&b.id));
        takes
    }

    /// The take of an id.
    #[track_caller]
    pub fn take(&self, id: &str) -> StoredTake {
        self.takes().into_iter().find(|take| take.id == id).unwrap_or_else(|| panic!("no take {id}"))
    }

    /// What writers left in `tmp`.
    pub fn unfinished(&self) -> Vec<PathBuf> {
        list(&self.root.join("tmp"))
    }

    /// Path and contents' hash of every file. Lock files are left out: the system frees the lock, and
    /// the empty file stays for the next one.
    pub fn snapshot(&self) -> BTreeMap<PathBuf, String> {
        let mut files = BTreeMap::new();
        gather(&self.root, &mut files);
        files
    }
}

impl StoredTake {
    #[track_caller]
    fn read(folder: PathBuf) -> Self {
        let mut names: Vec<_> =
            list(&folder).iter().filter_map(|path| Some(path.file_name()?.to_owned())).collect();
        names.retain(|name| name != "note.txt");
        assert_eq!(names, ["frames.bin", "take.json"], "half a take in {}", folder.display());
        let record = std::fs::read(folder.join("take.json")).unwrap();
        let id = folder.file_name().unwrap().to_string_lossy().into_owned();
        Self { id, record: serde_json::from_slice(&record).unwrap(), folder }
    }

    /// The bytes of `frames.bin` behind its header, by which two takes of other records are compared.
    pub fn pixels(&self) -> Vec<u8> {
        let canvas = &self.record["request"]["canvas"];
        let number = |value: &Value| usize::try_from(value.as_u64().unwrap()).unwrap();
        // Half floats, red, green, blue and alpha.
        let size = number(&canvas["width"]) * number(&canvas["height"]) * 8 * number(&self.record["frames"]);
        let all = std::fs::read(self.folder.join("frames.bin")).unwrap();
        all[all.len() - size..].to_vec()
    }
}

fn list(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten();
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}

fn gather(folder: &Path, files: &mut BTreeMap<PathBuf, String>) {
    for path in list(folder) {
        if path.is_dir() {
            gather(&path, files);
        } else if path.extension().is_none_or(|extension| extension != "lock") {
            let hash = blake3::hash(&std::fs::read(&path).unwrap()).to_string();
            files.insert(path, hash);
        }
    }
}
