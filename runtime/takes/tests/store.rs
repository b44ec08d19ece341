//! The store from outside: what is put in comes out, what is damaged is told, what is dropped is gone.

#![expect(clippy::unwrap_used, reason = "a test says what is wrong by panicking")]

mod common;

use common::{files_in, image, record_for, request, store_with, take};
use half::f16;
use pickup_core::{ErrorKind, PlateId, TakeId};
use pickup_takes::{PlateImage, Store};
use proptest::prelude::*;
use std::path::Path;

#[test]
fn a_plate_comes_back_bit_for_bit_and_is_stored_once() {
    let (folder, store) = store_with();
    let pixels = image(5, 3, 1);
    let plate = PlateImage { width: 5, height: 3, pixels: &pixels };
    let id = store.put_plate(&plate).unwrap();
    assert_eq!(store.put_plate(&plate).unwrap(), id);
    let back = store.plate(&id).unwrap();
    assert_eq!((back.width(), back.height(), back.pixels()), (5, 3, pixels.as_slice()));
    assert_eq!(back.row(2), &pixels[40..60]);
    assert!(back.row(3).is_empty(), "there is no fourth row");
    let frame = back.to_frame().unwrap();
    assert_eq!(frame.pixels()[[2, 4, 1]], pixels[2 * 20 + 4 * 4 + 1].to_f32());
    assert_eq!(files_in(&folder.path().join("plates")).len(), 1);
    assert!(files_in(&folder.path().join("tmp")).is_empty());
}

#[test]
fn size_and_pixels_both_name_a_plate() {
    let pixels = image(4, 3, 1);
    let id = |width, height| PlateImage { width, height, pixels: &pixels }.id();
    assert_ne!(id(4, 3).unwrap(), id(3, 4).unwrap());
    assert_eq!(id(4, 4).unwrap_err().kind, ErrorKind::Input);
    let mut other = pixels.clone();
    other[7] = f16::from_f32(0.123);
    assert_ne!(PlateImage { width: 4, height: 3, pixels: &other }.id().unwrap(), id(4, 3).unwrap());
    other[7] = f16::NAN;
    assert_eq!(PlateImage { width: 4, height: 3, pixels: &other }.id().unwrap_err().kind, ErrorKind::Input);
}

#[test]
fn a_damaged_plate_is_told_and_written_again() {
    let (folder, store) = store_with();
    let pixels = image(4, 4, 2);
    let plate = PlateImage { width: 4, height: 4, pixels: &pixels };
    let id = store.put_plate(&plate).unwrap();
    let file = files_in(&folder.path().join("plates")).remove(0);
    flip(&file, 4100, 1);
    assert_eq!(store.plate(&id).err().unwrap().kind, ErrorKind::Storage);
    assert_eq!(store.put_plate(&plate).unwrap(), id);
    assert_eq!(store.plate(&id).unwrap().pixels(), pixels);
    let missing = store.plate(&PlateId::of(b"never put")).err().unwrap();
    assert_eq!(missing.kind, ErrorKind::Storage);
    assert!(!missing.hint.is_empty());
}

#[test]
fn a_take_comes_back_bit_for_bit_with_its_record() {
    let (_folder, store) = store_with();
    let id = take(&store, 6, 4, 3);
    let back = store.open_take(&id).unwrap();
    assert_eq!((back.width(), back.height(), back.frame_count()), (6, 4, 3));
    assert_eq!(back.record(), &record_for(&request(6, 4, 3), id));
    for frame in 0..3 {
        assert_eq!(back.checked_frame(frame).unwrap(), image(6, 4, frame as u16));
        assert_eq!(back.row(frame, 3), &image(6, 4, frame as u16)[72..]);
    }
    back.verify().unwrap();
    assert!(back.frame(3).is_empty() && back.row(0, 4).is_empty());
    assert_eq!(back.checked_frame(3).unwrap_err().kind, ErrorKind::Usage);
    assert!(store.has_take(&id));
    assert_eq!(store.list().unwrap()[0].id, id);
}

#[test]
fn what_is_not_committed_leaves_nothing() {
    let (folder, store) = store_with();
    let id = TakeId::of(b"dropped");
    let mut writer = store.begin_take(&id, 6, 4, 2).unwrap();
    writer.push_frame(&image(6, 4, 0)).unwrap();
    assert!(!files_in(&folder.path().join("tmp")).is_empty(), "control: it lies aside while it is written");
    drop(writer);
    assert!(files_in(&folder.path().join("tmp")).is_empty());
    assert!(!store.has_take(&id) && store.open_take(&id).is_err());
}

#[test]
fn a_take_that_is_not_whole_is_not_committed() {
    let (folder, store) = store_with();
    let request = request(6, 4, 2);
    let id = request.take_id(&"test").unwrap();
    let record = record_for(&request, id);

    let mut short = store.begin_take(&id, 6, 4, 2).unwrap();
    short.push_frame(&image(6, 4, 0)).unwrap();
    assert_eq!(short.push_frame(&image(6, 3, 0)).unwrap_err().kind, ErrorKind::Input);
    assert_eq!(short.commit(&record).unwrap_err().kind, ErrorKind::Input);

    let mut other = store.begin_take(&id, 6, 4, 2).unwrap();
    other.push_frame(&image(6, 4, 0)).unwrap();
    other.push_frame(&image(6, 4, 1)).unwrap();
    assert_eq!(other.push_frame(&image(6, 4, 2)).unwrap_err().kind, ErrorKind::Input);
    let strangers = record_for(&request, TakeId::of(b"another"));
    assert_eq!(other.commit(&strangers).unwrap_err().kind, ErrorKind::Input);

    assert!(!store.has_take(&id));
    assert!(files_in(&folder.path().join("tmp")).is_empty());
}

#[test]
fn a_second_maker_gets_the_first_take_and_a_damaged_one_is_replaced() {
    let (folder, store) = store_with();
    let id = take(&store, 6, 4, 2);
    assert_eq!(take(&store, 6, 4, 2), id);
    let frames =
        folder.path().join("takes").join(&id.to_string()[..2]).join(id.to_string()).join("frames.bin");
    flip(&frames, 4096 + 5, 0x40);
    assert!(store.open_take(&id).unwrap().verify().is_err());
    assert_eq!(take(&store, 6, 4, 2), id);
    store.open_take(&id).unwrap().verify().unwrap();
}

#[test]
fn removing_takes_the_take_away_whole() {
    let (folder, store) = store_with();
    let id = take(&store, 6, 4, 2);
    assert!(store.remove(&id).unwrap());
    assert!(!store.remove(&id).unwrap());
    assert!(!store.has_take(&id));
    assert!(files_in(folder.path()).iter().all(|file| file.extension().is_some_and(|e| e == "lock")));
}

#[test]
fn a_note_is_kept_beside_the_take_and_goes_with_it() {
    let (folder, store) = store_with();
    let (id, other) = (take(&store, 8, 8, 1), take(&store, 8, 8, 2));
    assert_eq!(store.note(&id), "");
    store.set_note(&id, "  the one\nfor the trailer ").unwrap();
    assert_eq!((&*store.note(&id), &*store.note(&other)), ("the one for the trailer", ""));
    store.set_note(&id, &"é".repeat(900)).unwrap();
    assert_eq!(store.note(&id), "é".repeat(500));
    store.open_take(&id).unwrap().verify().unwrap();
    store.set_note(&id, "").unwrap();
    assert_eq!(store.note(&id), "");
    assert_eq!(store.set_note(&TakeId::of(b"none"), "x").unwrap_err().kind, ErrorKind::Storage);
    assert!(
        store.remove(&id).unwrap() && !files_in(folder.path()).iter().any(|file| file.ends_with("note.txt"))
    );
}

#[test]
fn one_maker_at_a_time() {
    let (_folder, store) = store_with();
    let id = TakeId::of(b"wanted twice");
    let lock = store.lock_take(&id).unwrap();
    assert!(store.try_lock_take(&id).unwrap().is_none());
    assert!(store.try_lock_take(&TakeId::of(b"another")).unwrap().is_some());
    store.gc(0).unwrap();
    assert!(store.try_lock_take(&id).unwrap().is_none(), "cleaning must not free a held lock");
    drop(lock);
    assert!(store.try_lock_take(&id).unwrap().is_some());
}

#[test]
fn eviction_takes_the_least_recently_used_and_keeps_what_is_being_made() {
    let (_folder, store) = store_with();
    let ids: Vec<_> = (1..=3).map(|frames| take(&store, 8, 8, frames)).collect();
    for (age, id) in [300, 200, 100].iter().zip(&ids) {
        age_take(&store, id, *age);
    }
    let all = store.usage().unwrap();
    assert_eq!((all.takes, all.plates), (3, 0));
    let held = store.lock_take(&ids[0]).unwrap();
    let collected = store.gc(all.bytes() - 1).unwrap();
    assert_eq!((collected.takes, collected.left), (1, store.usage().unwrap().bytes()));
    let left: Vec<_> = ids.iter().map(|id| store.has_take(id)).collect();
    assert_eq!(left, [true, false, true], "the oldest is being made, so the next goes");
    drop(held);
    store.open_take(&ids[0]).unwrap();
    store.gc(store.usage().unwrap().bytes() - 1).unwrap();
    assert!(store.has_take(&ids[0]), "opening a take counts as use");
    assert_eq!(store.gc(0).unwrap().left, 0);
}

#[test]
fn fresh_plates_survive_the_eviction() {
    let (folder, store) = store_with();
    let pixels = image(4, 4, 2);
    let id = store.put_plate(&PlateImage { width: 4, height: 4, pixels: &pixels }).unwrap();
    store.gc(0).unwrap();
    store.plate(&id).unwrap();
    let file = files_in(&folder.path().join("plates")).remove(0);
    age(&file, 3600);
    assert_eq!(store.gc(0).unwrap().plates, 1);
    assert!(store.plate(&id).is_err());
}

#[test]
fn a_dead_writer_s_leavings_are_cleaned_and_a_living_one_s_are_not() {
    let (folder, store) = store_with();
    let id = TakeId::of(b"living");
    let living = store.begin_take(&id, 6, 4, 2).unwrap();
    let dead = folder.path().join("tmp").join("wdead");
    std::fs::create_dir_all(&dead).unwrap();
    std::fs::write(dead.join("frames.bin"), b"half").unwrap();
    std::fs::write(dead.with_extension("lock"), b"").unwrap();
    let orphan = folder.path().join("tmp").join("worphan");
    std::fs::create_dir_all(&orphan).unwrap();
    store.gc(u64::MAX).unwrap();
    assert!(!dead.exists() && !orphan.exists() && !dead.with_extension("lock").exists());
    assert_eq!(files_in(&folder.path().join("tmp")).len(), 2, "the living writer's frames and lock");
    drop(living);
}

#[test]
fn a_store_that_cannot_be_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, b"not a folder").unwrap();
    for place in [file.clone(), file.join("below")] {
        let error = Store::open(Some(&place)).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Storage);
        assert!(error.hint.contains("PICKUP_STORE"), "{error:?}");
    }
}

/// The superuser writes anywhere, so the file system itself has to be read-only here.
#[cfg(target_os = "linux")]
#[test]
fn a_read_only_place_is_told() {
    let error = Store::open(Some(Path::new("/proc/pickup-store"))).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Storage);
    assert!(!error.hint.is_empty());
}

#[cfg(unix)]
#[test]
fn a_store_that_may_only_be_read_still_serves_its_takes() {
    use std::os::unix::fs::PermissionsExt;
    let (folder, store) = store_with();
    let id = take(&store, 6, 4, 2);
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o555)).unwrap();
    let served = Store::open(Some(folder.path())).and_then(|store| store.open_take(&id)?.verify());
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    served.unwrap();
}

#[test]
fn many_writers_of_one_take_and_readers_beside_them_agree() {
    let (folder, store) = store_with();
    let request = request(16, 16, 4);
    let id = request.take_id(&"test").unwrap();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| (0..8).for_each(|_| assert_eq!(take(&store, 16, 16, 4), id)));
            scope.spawn(|| {
                for _ in 0..50 {
                    if store.has_take(&id) {
                        store.open_take(&id).unwrap().verify().unwrap();
                    }
                }
            });
        }
    });
    assert!(files_in(&folder.path().join("tmp")).is_empty());
}

fn flip(file: &Path, at: usize, bits: u8) {
    // A new file: mapped ones are never changed in place.
    let mut bytes = std::fs::read(file).unwrap();
    bytes[at] ^= bits;
    std::fs::remove_file(file).unwrap();
    std::fs::write(file, bytes).unwrap();
}

fn age(file: &Path, seconds: u64) {
    let then = std::time::SystemTime::now() - std::time::Duration::from_secs(seconds);
    std::fs::File::options().append(true).open(file).unwrap().set_modified(then).unwrap();
}

fn age_take(store: &Store, id: &TakeId, seconds: u64) {
    age(&store.open_take(id).unwrap().path().join("take.json"), seconds);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn no_changed_byte_goes_unnoticed(which in 0usize..3, at in any::<prop::sample::Index>(), bits in 1u8..) {
        let (folder, store) = store_with();
        let pixels = image(5, 3, 9);
        let plate = store.put_plate(&PlateImage { width: 5, height: 3, pixels: &pixels }).unwrap();
        let id = take(&store, 5, 3, 2);
        let take_folder = store.open_take(&id).unwrap().path().to_owned();
        let file = match which {
            0 => files_in(&folder.path().join("plates")).remove(0),
            1 => take_folder.join("frames.bin"),
            _ => take_folder.join("take.json"),
        };
        flip(&file, at.index(std::fs::metadata(&file).unwrap().len() as usize), bits);
        let read = if which == 0 {
            store.plate(&plate).map(drop)
        } else {
            store.open_take(&id).and_then(|take| take.verify())
        };
        prop_assert_eq!(read.unwrap_err().kind, ErrorKind::Storage);
    }

    #[test]
    fn no_other_length_goes_unnoticed(which in 0usize..3, length in any::<prop::sample::Index>()) {
        let (folder, store) = store_with();
        let pixels = image(5, 3, 9);
        let plate = store.put_plate(&PlateImage { width: 5, height: 3, pixels: &pixels }).unwrap();
        let id = take(&store, 5, 3, 2);
        let take_folder = store.open_take(&id).unwrap().path().to_owned();
        let file = match which {
            0 => files_in(&folder.path().join("plates")).remove(0),
            1 => take_folder.join("frames.bin"),
            _ => take_folder.join("take.json"),
        };
        let mut bytes = std::fs::read(&file).unwrap();
        let whole = bytes.len();
        let other = length.index(whole + 100);
        prop_assume!(other != whole);
        bytes.resize(other, 0);
        std::fs::remove_file(&file).unwrap();
        std::fs::write(&file, bytes).unwrap();
        let read = if which == 0 {
            store.plate(&plate).map(drop)
        } else {
            store.open_take(&id).and_then(|take| take.verify())
        };
        prop_assert_eq!(read.unwrap_err().kind, ErrorKind::Storage);
    }
}
