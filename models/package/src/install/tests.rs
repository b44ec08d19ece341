use super::*;
use crate::testing;
use serde_json::json;

#[test]
fn adds_a_whole_package_under_its_name() {
    let (from, to) = (testing::package(&testing::manifest()), tempfile::tempdir().unwrap());
    let to = to.path().join("models");
    let package = add(from.path(), &to).unwrap();
    assert!(package.dir().ends_with("small"));
    assert_eq!(fs::read_dir(&to).unwrap().count(), 1, "nothing is left beside it");
    assert_eq!(add(from.path(), &to).unwrap().hash(), package.hash(), "twice is once");
}

#[test]
fn another_of_the_same_name_is_kept() {
    let (from, to) = (testing::package(&testing::manifest()), tempfile::tempdir().unwrap());
    add(from.path(), to.path()).unwrap();
    let mut other = testing::manifest();
    other["version"] = json!("0.2.0");
    let error = add(testing::package(&other).path(), to.path()).unwrap_err();
    assert!(error.hint.contains("Remove"), "{}", error.line());
    assert_eq!(Package::open(&to.path().join("small")).unwrap().manifest().version, "0.1.0");
}

#[test]
fn a_damaged_package_leaves_nothing() {
    let (from, to) = (testing::package(&testing::manifest()), tempfile::tempdir().unwrap());
    fs::write(from.path().join("LICENSE"), "do what you lik?").unwrap();
    assert!(add(from.path(), to.path()).unwrap_err().message.contains("sha256"));
    assert_eq!(fs::read_dir(to.path()).unwrap().count(), 0);
}

#[test]
fn a_place_that_cannot_be_written_is_a_storage_error() {
    let from = testing::package(&testing::manifest());
    let to = from.path().join("LICENSE");
    assert_eq!(add(from.path(), &to).unwrap_err().kind, pickup_core::ErrorKind::Storage);
}
