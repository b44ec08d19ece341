//! The three jobs on real footage, through the bundle.

#![expect(clippy::unwrap_used, reason = "a test says what is wrong by panicking")]

use pickup_e2e::{Bench, Footage, Played, Scene, difference, figure, picture};
use std::path::PathBuf;

const SIZE: (u32, u32) = (96, 56);

/// A clip with a span to be made, and what is known of it.
struct Job {
    name: &'static str,
    /// Runs of footage on the timeline, first and last frame; frame n of the timeline is frame n of the
    /// footage.
    known: &'static [(i64, i64)],
    span: (i64, i64),
    all: (i64, i64),
    choice: i64,
}

const JOBS: [Job; 3] = [
    Job { name: "fill", known: &[(4, 11), (18, 25)], span: (12, 17), all: (4, 25), choice: 1 },
    Job { name: "extend after", known: &[(48, 58)], span: (59, 66), all: (48, 66), choice: 2 },
    Job { name: "extend before", known: &[(64, 74)], span: (56, 63), all: (56, 74), choice: 3 },
];

impl Job {
    fn scene(&self, footage: &Footage) -> Scene {
        let scene = Scene::fill(SIZE, self.all).with("job", self.choice).with("contextFrames", 8);
        let scene = self.known.iter().fold(scene, |scene, (first, last)| {
            scene.pictures(*first, &footage.pattern(), *first as u32, (last - first + 1) as u32)
        });
        let (first, last) = self.span;
        scene.span(first, last).with("steps", 8).with("guidance", 0.0)
    }

    fn is_known(&self, frame: i64) -> bool {
        self.known.iter().any(|(first, last)| (*first..=*last).contains(&frame))
    }
}

/// The rendered frames of a scene, by frame number.
fn rendered(folder: &std::path::Path, frame: i64) -> Vec<u8> {
    std::fs::read(folder.join(format!("{frame:06}.raw"))).unwrap()
}

fn render(bench: &Bench, name: &str, scene: Scene, all: (i64, i64)) -> (Played, PathBuf) {
    let folder = bench.path(name);
    let played = bench.play(&scene.render(all, &folder.join("%06d.raw")));
    (played, folder)
}

#[test]
fn acceptance_jobs_with_footage() {
    let bench = Bench::new();
    let footage = bench.footage("footage", 0..90, SIZE);
    for job in JOBS {
        let (played, folder) = render(&bench, job.name, job.scene(&footage).press(job.span.0), job.all);
        assert!(played.statuses()[0].starts_with("Take "), "{:?}", played.statuses());
        let frames = || job.all.0..=job.all.1;
        let exact = |frame: &i64| rendered(&folder, *frame) == footage.rgba(*frame as u32);
        let known = frames().filter(|frame| job.is_known(*frame)).count();
        let kept = frames().filter(|frame| job.is_known(*frame)).filter(exact).count();
        assert_eq!(kept, known, "{}: known frames must leave as they came", job.name);
        let wanted = (job.span.1 - job.span.0 + 1) as usize;
        let made = (job.span.0..=job.span.1).filter(|frame| is_made(&job, &folder, &footage, *frame)).count();
        figure(&format!("{}: known frames bit-exact", job.name), format!("{kept} of {known}"), "all");
        figure(&format!("{}: frames made", job.name), format!("{made} of {wanted}"), "all");
        assert_eq!(made, wanted, "{}", job.name);
        is_upright(&job, &folder, &footage);
    }
}

/// A frame of its own: no copy of a known frame, not one colour, and not its neighbour in the span.
fn is_made(job: &Job, folder: &std::path::Path, footage: &Footage, frame: i64) -> bool {
    let pixels = rendered(folder, frame);
    let copied = (job.all.0..=job.all.1)
        .filter(|frame| job.is_known(*frame))
        .any(|known| difference(&pixels, &footage.rgba(known as u32)) < 0.25);
    let frozen = frame > job.span.0 && rendered(folder, frame - 1) == pixels;
    let plain = pixels.chunks(4).all(|pixel| pixel == &pixels[..4]);
    !copied && !frozen && !plain
}

/// Closer to the true frames than these are to their own mirror images, or with red and blue changed
/// over: rows, columns and channels arrive where they belong.
fn is_upright(job: &Job, folder: &std::path::Path, footage: &Footage) {
    let mean = |change: &dyn Fn(&image::RgbaImage) -> image::RgbaImage| {
        let of = |frame: i64| {
            let truth = footage.rgba(frame as u32);
            let truth = change(&image::RgbaImage::from_raw(SIZE.0, SIZE.1, truth).unwrap());
            difference(&rendered(folder, frame), &truth)
        };
        let span = job.span.0..=job.span.1;
        span.clone().map(of).sum::<f64>() / span.count() as f64
    };
    let truth = mean(&Clone::clone);
    let swapped = |picture: &image::RgbaImage| {
        let mut picture = picture.clone();
        picture.pixels_mut().for_each(|pixel| pixel.0.swap(0, 2));
        picture
    };
    let wrong = [
        ("upside down", mean(&|picture| image::imageops::flip_vertical(picture))),
        ("left to right", mean(&|picture| image::imageops::flip_horizontal(picture))),
        ("with red and blue changed over", mean(&swapped)),
    ];
    for (how, difference) in wrong {
        assert!(truth < difference, "{}: {truth:.2} to the truth, {difference:.2} to it {how}", job.name);
    }
    let black = mean(&|picture| image::RgbaImage::new(picture.width(), picture.height()));
    figure(
        &format!("{}: mean difference to the frames that were held out, in 8-bit codes", job.name),
        format!("{truth:.1}"),
        format!("< {:.1} (the same upside down)", wrong[0].1),
    );
    assert!(truth < black / 2.0);
}

#[test]
fn acceptance_generate_from_text_and_reference() {
    let bench = Bench::new();
    let frames = (0, 8);
    let reference = bench.path("reference.png");
    picture(60, (160, 90)).save(&reference).unwrap();
    let scene = || Scene::generate(SIZE).with("steps", 4).with("guidance", 0.0).span(0, 8).with("seed", 3);
    let red = "a red circle moving right quickly on a blue background, camera still";
    let takes = [
        ("text", scene().with("prompt", red)),
        ("other text", scene().with("prompt", "a green square moving left on a black background")),
        ("reference", scene().with("prompt", red).with("reference1", reference.display().to_string())),
    ];
    let mut all = Vec::new();
    for (name, scene) in takes {
        let (played, folder) = render(&bench, name, scene.press(0), frames);
        assert!(played.statuses()[0].starts_with("Take "), "{:?}", played.statuses());
        let pixels: Vec<_> = (0..=8).map(|frame| rendered(&folder, frame)).collect();
        assert!(pixels.windows(2).all(|pair| pair[0] != pair[1]), "{name}: time stands still");
        assert!(pixels.iter().flat_map(|frame| frame.chunks(4)).all(|pixel| pixel[3] == 255));
        let detail =
            pixels[4].chunks(4).map(|pixel| pixel[..3].to_vec()).collect::<std::collections::HashSet<_>>();
        assert!(detail.len() > 50, "{name}: {} colours", detail.len());
        figure(&format!("generate from {name}: frames made"), format!("{} of 9", pixels.len()), "all");
        all.push(pixels);
    }
    let apart = |a: usize, b: usize| difference(&all[a][4], &all[b][4]);
    figure(
        "generate: difference that other words make, in 8-bit codes",
        format!("{:.1}", apart(0, 1)),
        "> 0.5",
    );
    figure(
        "generate: difference that a reference makes, in 8-bit codes",
        format!("{:.1}", apart(0, 2)),
        "> 0.5",
    );
    assert!(apart(0, 1) > 0.5 && apart(0, 2) > 0.5);
}
