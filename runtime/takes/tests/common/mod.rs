//! Small takes for tests.

use half::f16;
use pickup_core::{Canvas, FrameRate, Provider, Request, TakeId, TakeRecord, Timing};
use pickup_takes::Store;
use std::path::{Path, PathBuf};

/// A store in a folder of its own.
pub fn store_with() -> (tempfile::TempDir, Store) {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(Some(folder.path())).unwrap();
    (folder, store)
}

/// A picture that differs in every pixel, channel and `number`.
pub fn image(width: u32, height: u32, number: u16) -> Vec<f16> {
    (0..width as u16 * height as u16 * 4).map(|at| f16::from_bits(0x3000 + number * 97 + at)).collect()
}

/// A request for `frames` frames and nothing known.
pub fn request(width: u32, height: u32, frames: usize) -> Request {
    let rate = FrameRate::new(25, 1).unwrap();
    Request::new(Canvas::around((width, height), rate, [], frames, []))
}

/// A record that fits the request.
pub fn record_for(request: &Request, id: TakeId) -> TakeRecord {
    TakeRecord {
        version: TakeRecord::VERSION,
        id,
        request: request.clone(),
        frames: request.canvas.unknown_count() as u32,
        model_hash: "0".repeat(64),
        steps: 4,
        guidance: 3.0,
        sampler: "euler".into(),
        model_width: 64,
        model_height: 48,
        windows: vec![5],
        runtime: "1.31.0".into(),
        provider: Provider::Cpu,
        warnings: vec![],
        timing: Timing::default(),
        peak_memory: None,
        phase_memory: pickup_core::PhaseBytes::default(),
        tile: None,
        made_by: "test".into(),
        made_at: 0,
        digital_source_type: "trainedAlgorithmicMedia".into(),
    }
}

/// Makes a take of [`image`]s.
pub fn take(store: &Store, width: u32, height: u32, frames: usize) -> TakeId {
    let request = request(width, height, frames);
    let id = request.take_id(&"test").unwrap();
    let mut writer = store.begin_take(&id, width, height, frames as u32).unwrap();
    for frame in 0..frames {
        writer.push_frame(&image(width, height, frame as u16)).unwrap();
    }
    writer.commit(&record_for(&request, id)).unwrap();
    id
}

/// Every file below `folder`.
pub fn files_in(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else { return vec![] };
    let paths = entries.map(|entry| entry.unwrap().path());
    paths.flat_map(|path| if path.is_dir() { files_in(&path) } else { vec![path] }).collect()
}
