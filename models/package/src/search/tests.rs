use super::*;
use crate::testing;
use serde_json::json;

/// A folder with packages: `here` is called `small`, `b` is called `other`, `broken` has a broken manifest.
fn folder() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (name, called) in [("here", "small"), ("b", "other")] {
        let mut manifest = testing::manifest();
        manifest["name"] = json!(called);
        testing::write(&dir.path().join(name), &manifest);
    }
    testing::write(&dir.path().join("broken"), &json!({"format": 1}));
    fs::create_dir(dir.path().join("empty")).unwrap();
    dir
}

#[test]
fn found_by_name_whatever_the_folder() {
    let dir = folder();
    let dirs = [dir.path().join("empty"), dir.path().to_owned()];
    assert_eq!(find("small", &dirs).unwrap().manifest().name, "small");
    assert_eq!(find("other", &dirs).unwrap().manifest().name, "other");
    let itself = [dir.path().join("b")];
    assert!(find("other", &itself).is_ok(), "a search folder may be the package itself");
    assert!(find("small", &itself).is_err());
}

#[test]
fn what_is_not_found_says_where_it_was_looked_for() {
    let dir = folder();
    let error = find("nothing", &[dir.path().to_owned()]).unwrap_err();
    assert!(error.message.contains("nothing") && error.message.contains(&dir.path().display().to_string()));
    let error = find("broken", &[dir.path().to_owned()]).unwrap_err();
    assert!(error.message.contains("manifest.json") && error.message.contains("missing field"), "{error}");
}

#[test]
fn lists_good_and_broken_ones() {
    let dir = folder();
    let listed = list(&[dir.path().to_owned(), dir.path().join("nowhere")]);
    let names: Vec<_> = listed.iter().map(|l| l.manifest.as_ref().map(|m| m.name.as_str()).ok()).collect();
    assert_eq!(names, [Some("other"), None, Some("small")]);
}

#[test]
fn the_environment_comes_first() {
    assert!(default_search_dirs().iter().any(|dir| dir.ends_with("models")));
}
