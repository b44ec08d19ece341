//! Known frames leave bit for bit as they came, at every depth and row order.

#![expect(clippy::unwrap_used, reason = "a test says what is wrong by panicking")]

use half::f16;
use image::{ImageBuffer, Rgba};
use pickup_e2e::{Bench, Scene, figure, picture};
use std::path::{Path, PathBuf};

const SIZE: (u32, u32) = (64, 40);
const COUNT: u32 = 10;
const SPAN: (i64, i64) = (4, 6);
const ALL: (i64, i64) = (0, COUNT as i64 - 1);

/// A source with all the bits that the depth can hold, as files, and the bytes that a host of this
/// depth makes of them (OpenFX: white is 255, 65535, 1.0).
struct Source {
    depth: &'static str,
    extension: &'static str,
    write: fn(u32, &Path) -> Vec<u8>,
}

const SOURCES: [Source; 4] = [
    Source { depth: "byte", extension: "png", write: byte },
    Source { depth: "short", extension: "png", write: short },
    Source { depth: "half", extension: "exr", write: half },
    Source { depth: "float", extension: "exr", write: float },
];

/// Real colours; alpha that is not the same everywhere.
fn samples(frame: u32) -> Vec<u8> {
    let alpha = |x: u32| 128 + (x * 2 % 128) as u8;
    let picture = picture(frame, SIZE);
    picture
        .enumerate_pixels()
        .flat_map(|(x, _, pixel)| [pixel.0[0], pixel.0[1], pixel.0[2], alpha(x)])
        .collect()
}

fn save<T>(path: &Path, samples: Vec<T>)
where
    T: image::Primitive,
    Rgba<T>: image::PixelWithColorType<Subpixel = T>,
    [T]: image::EncodableLayout,
{
    ImageBuffer::<Rgba<T>, _>::from_raw(SIZE.0, SIZE.1, samples).unwrap().save(path).unwrap();
}

fn byte(frame: u32, path: &Path) -> Vec<u8> {
    save(path, samples(frame));
    samples(frame)
}

/// With low bits that 8-bit material does not have.
fn short(frame: u32, path: &Path) -> Vec<u8> {
    let deep =
        samples(frame).iter().zip(0u16..).map(|(s, n)| (u16::from(*s) * 257) ^ (n % 251)).collect::<Vec<_>>();
    save(path, deep.clone());
    deep.iter().flat_map(|sample| sample.to_ne_bytes()).collect()
}

/// Values below 0, above 1, and such as need every bit of the mantissa; alpha within 0 to 1.
fn floats(frame: u32) -> Vec<f32> {
    let sample = |(n, code): (usize, &u8)| {
        let value = f32::from(*code) / 255.0;
        if n % 4 == 3 { value } else { value * 1.7 - 0.11 + n as f32 * 1.234_567e-7 }
    };
    samples(frame).iter().enumerate().map(sample).collect()
}

fn float(frame: u32, path: &Path) -> Vec<u8> {
    save(path, floats(frame));
    floats(frame).iter().flat_map(|sample| sample.to_ne_bytes()).collect()
}

fn half(frame: u32, path: &Path) -> Vec<u8> {
    save(path, floats(frame));
    floats(frame).iter().flat_map(|sample| f16::from_f32(*sample).to_ne_bytes()).collect()
}

fn raw(folder: &Path, frame: i64) -> Vec<u8> {
    std::fs::read(folder.join(format!("{frame:06}.raw"))).unwrap()
}

fn scene(source: &Source, order: &str, pattern: &str) -> Scene {
    Scene::fill(SIZE, ALL)
        .project("depth", source.depth)
        .project("row_order", order)
        .project("premultiplication", "unpremultiplied")
        .pictures(0, pattern, 0, SPAN.0 as u32)
        .pictures(SPAN.1 + 1, pattern, SPAN.1 as u32 + 1, COUNT - SPAN.1 as u32 - 1)
}

/// Plays a scene and counts the known frames that came out as they went in, in the render before the
/// take and in the one after it.
fn known_frames(bench: &Bench, name: &str, scene: Scene, expected: &[Vec<u8>]) -> (usize, PathBuf) {
    let (before, after) = (bench.path(&format!("{name} before")), bench.path(&format!("{name} after")));
    let scene =
        scene.render(ALL, &before.join("%06d.raw")).press(SPAN.0).render(ALL, &after.join("%06d.raw"));
    let played = bench.play(&scene);
    // In the first render nothing is answered as identical: the plugin itself copies the pixels.
    assert!(played.renders()[0].frames.iter().all(|frame| frame.identity.is_none()));
    let outside = || (ALL.0..=ALL.1).filter(|frame| !(SPAN.0..=SPAN.1).contains(frame));
    let exact = |folder: &Path| outside().filter(|n| raw(folder, *n) == expected[*n as usize]).count();
    (exact(&before) + exact(&after), after)
}

#[test]
fn acceptance_known_frames_are_bit_exact() {
    let bench = Bench::new();
    for source in SOURCES {
        let folder = bench.path(&format!("source {}", source.depth));
        std::fs::create_dir_all(&folder).unwrap();
        let file = |n: u32| folder.join(format!("{n:06}.{}", source.extension));
        let expected: Vec<_> = (0..COUNT).map(|n| (source.write)(n + 20, &file(n))).collect();
        let pattern = folder.join(format!("%06d.{}", source.extension)).display().to_string();
        let mut made = Vec::new();
        for order in ["top_down", "bottom_up"] {
            let name = format!("{} {order}", source.depth);
            let (exact, after) = known_frames(&bench, &name, scene(&source, order, &pattern), &expected);
            let wanted = 2 * (COUNT as usize - 3);
            figure(&format!("known frames bit-exact, {name}"), format!("{exact} of {wanted}"), "all");
            assert_eq!(exact, wanted, "{name}");
            // The comparison sees a difference where there is one.
            for frame in SPAN.0..=SPAN.1 {
                assert!(
                    expected.iter().all(|known| *known != raw(&after, frame)),
                    "{name}: frame {frame} is no copy"
                );
            }
            made.push((SPAN.0..=SPAN.1).map(|frame| raw(&after, frame)).collect::<Vec<_>>());
        }
        assert!(made[0] == made[1], "{}: the order of rows changes nothing", source.depth);
    }
}

/// A host that gives no neighbouring frames: frames that were shown are remembered, so none is answered
/// as identical, and with a take in place every known frame is copied by the plugin itself.
#[test]
fn known_frames_are_bit_exact_where_nothing_is_identical() {
    let bench = Bench::new();
    let source = &SOURCES[3];
    let folder = bench.path("source");
    std::fs::create_dir_all(&folder).unwrap();
    let file = |n: u32| folder.join(format!("{n:06}.exr"));
    let expected: Vec<_> = (0..COUNT).map(|n| (source.write)(n + 20, &file(n))).collect();
    let pattern = folder.join("%06d.exr").display().to_string();
    let scene = scene(source, "bottom_up", &pattern)
        .project("temporal_access", false)
        .with("job", 2)
        .with("onRender", 1)
        .span(SPAN.0, SPAN.1);
    let out = bench.path("out");
    let played = bench.play(&scene.render(ALL, &out.join("%06d.raw")));
    assert!(played.frames().iter().all(|frame| frame.identity.is_none()));
    for frame in (ALL.0..SPAN.0).chain(SPAN.1 + 1..=ALL.1) {
        assert!(raw(&out, frame) == expected[frame as usize], "frame {frame}");
    }
    assert_eq!(bench.store().takes().len(), 1, "the frames that were shown were enough for a take");
}
