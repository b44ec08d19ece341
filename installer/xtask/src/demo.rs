//! The three jobs on real footage, through the real bundle, in the test host.

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use crate::contact::{Cell, Kind, Row};
use crate::{bundle, contact, shell, suite};

/// Frame size of the footage and so of the demo's timeline.
const SIZE: (u32, u32) = (640, 360);

/// One job of the demo.
struct Job {
    /// Folder name of its frames.
    name: &'static str,
    title: &'static str,
    prompt: &'static str,
    plugin: &'static str,
    context: &'static str,
    /// Stretches of footage on the timeline, first and last frame included; frame n of the
    /// timeline is frame n of the footage.
    footage: &'static [(u32, u32)],
    /// The frames to be made, first and last included.
    span: (u32, u32),
    parameters: &'static [(&'static str, i64)],
    reference: Option<u32>,
    /// The frames shown on the contact sheet.
    shown: &'static [u32],
}

const JOBS: [Job; 4] = [
    Job {
        name: "fill",
        title: "Fill a gap",
        prompt: "",
        plugin: "studio.pickup.fill",
        context: "filter",
        footage: &[(0, 15), (25, 47)],
        span: (16, 24),
        parameters: &[("job", 1), ("contextFrames", 9)],
        reference: None,
        shown: &[14, 15, 16, 18, 20, 22, 24, 25],
    },
    Job {
        name: "extend",
        title: "Extend a shot",
        prompt: "",
        plugin: "studio.pickup.fill",
        context: "filter",
        footage: &[(48, 77)],
        span: (78, 89),
        parameters: &[("job", 2), ("contextFrames", 9)],
        reference: None,
        shown: &[74, 77, 78, 80, 82, 84, 86, 89],
    },
    Job {
        name: "generate-text",
        title: "Generate from text",
        prompt: "a red circle moving right quickly on a blue background, camera still",
        plugin: "studio.pickup.generate",
        context: "generator",
        footage: &[],
        span: (0, 16),
        parameters: &[("seed", 7)],
        reference: None,
        shown: &[0, 2, 4, 6, 8, 11, 14, 16],
    },
    Job {
        name: "generate-reference",
        title: "Generate from a reference and text",
        prompt: "a colourful patchwork background, camera pans right",
        plugin: "studio.pickup.generate",
        context: "generator",
        footage: &[],
        span: (0, 16),
        parameters: &[("seed", 3)],
        reference: Some(60),
        shown: &[0, 3, 6, 9, 11, 13, 16],
    },
];

/// Builds, runs every job, draws the contact sheet, prints the table.
pub fn run() -> Result<()> {
    let start = Instant::now();
    bundle::make()?;
    let built = start.elapsed().as_secs_f64();
    let folder = shell::target().join("demo");
    // Takes of an earlier run would be used again, and nothing would be seen to be made.
    if folder.exists() {
        std::fs::remove_dir_all(&folder)?;
    }
    std::fs::create_dir_all(&folder)?;
    let mut rows = Vec::new();
    let mut table = vec![format!(
        "| what | frames | size | seconds |\n|---|---|---|---|\n| build and bundle | | | {built:.1} |"
    )];
    for job in &JOBS {
        shell::say(&format!(
            "{}{}",
            job.title,
            if job.prompt.is_empty() { "" } else { ": " }.to_owned() + job.prompt
        ));
        let report = play(job, &folder)?;
        let seconds = report.generate_seconds()?;
        let status = report.status();
        println!("   {status}");
        let frames = job.span.1 - job.span.0 + 1;
        table.push(format!("| {} | {frames} | {}×{} | {seconds:.1} |", job.title, SIZE.0, SIZE.1));
        rows.push(row(job, &folder, &status, seconds));
    }
    table.push(format!("| all | | | {:.1} |", start.elapsed().as_secs_f64()));
    let note = "Starter model, embedded and trained from scratch on made-up clips; footage: Big Buck Bunny, \
                © Blender Foundation, CC BY 3.0";
    let sheet = folder.join("contact.png");
    contact::draw("Pickup", note, &rows, &sheet)?;
    let table = table.join("\n");
    std::fs::write(folder.join("table.md"), format!("{table}\n"))?;
    println!("\n{table}\n\ncontact sheet: {}", sheet.display());
    Ok(())
}

/// What the test host reported.
struct Report(Value);

impl Report {
    fn steps(&self) -> impl Iterator<Item = &Value> {
        self.0["steps"].as_array().into_iter().flatten()
    }

    fn generate_seconds(&self) -> Result<f64> {
        let is_press = |step: &&Value| step["step"].as_str().is_some_and(|step| step.contains("\"press\""));
        self.steps()
            .find(is_press)
            .and_then(|step| step["seconds"].as_f64())
            .context("the report has no seconds for generate")
    }

    fn status(&self) -> String {
        let values = self.steps().filter_map(|step| step["values"]["status"].as_str());
        values.last().unwrap_or_default().to_owned()
    }
}

fn play(job: &Job, folder: &Path) -> Result<Report> {
    let plan = folder.join(format!("{}.plan.json", job.name));
    let report = folder.join(format!("{}.report.json", job.name));
    std::fs::write(&plan, serde_json::to_vec_pretty(&describe(job, folder))?)?;
    let mut host = Command::new(shell::executable("pickup-test-host"));
    host.arg(&plan).arg("--report").arg(&report).env("PICKUP_STORE", folder.join("store"));
    shell::run(suite::environment(&mut host))?;
    let report: Value = serde_json::from_slice(&std::fs::read(&report)?)?;
    let violations = report["violations"].as_array().map_or(0, Vec::len);
    ensure!(violations == 0, "the host saw {violations} violations: {}", report["violations"]);
    Ok(Report(report))
}

/// The plan that the test host runs: set the parameters, press Generate, render.
fn describe(job: &Job, folder: &Path) -> Value {
    let first = job.footage.iter().map(|(first, _)| *first).chain([job.span.0]).min().unwrap_or(0);
    let last = job.footage.iter().map(|(_, last)| *last).chain([job.span.1]).max().unwrap_or(0);
    let segments: Vec<_> = job
        .footage
        .iter()
        .map(|(first, last)| json!({"at": first, "frames": footage("%06d.webp"), "first": first, "count": last - first + 1}))
        .collect();
    let mut parameters = json!({"prompt": job.prompt, "spanStart": job.span.0, "spanEnd": job.span.1});
    for (name, value) in job.parameters {
        parameters[name] = json!(value);
    }
    if let Some(frame) = job.reference {
        parameters["reference1"] = json!(footage(&format!("{frame:06}.webp")));
    }
    let clips = if segments.is_empty() {
        json!({})
    } else {
        json!({"Source": {"range": [first, last], "segments": segments, "between": "null"}})
    };
    json!({
        "bundle": bundle::folder(),
        "plugin": job.plugin,
        "context": job.context,
        "project": {
            "width": SIZE.0, "height": SIZE.1, "rate": [25, 1], "pixel_aspect": 1.0, "depth": "byte",
            "row_order": "bottom_up", "temporal_access": true, "name": "DaVinciResolve"
        },
        "clips": clips,
        "parameters": parameters,
        "steps": [
            {"press": "generate", "time": job.span.0},
            {"get": ["status", "takeState"]},
            {"render": {"from": first, "to": last, "out": folder.join(job.name).join("%06d.png")}}
        ]
    })
}

fn footage(name: &str) -> PathBuf {
    shell::root().join("tests/media/bunny").join(name)
}

fn row(job: &Job, folder: &Path, status: &str, seconds: f64) -> Row {
    let reference = job.reference.map(|frame| Cell {
        picture: footage(&format!("{frame:06}.webp")),
        kind: Kind::Reference,
        label: "reference".to_owned(),
    });
    let rendered = job.shown.iter().map(|frame| {
        let kind = if (job.span.0..=job.span.1).contains(frame) { Kind::Generated } else { Kind::Known };
        let picture = folder.join(job.name).join(format!("{frame:06}.png"));
        Cell { picture, kind, label: format!("{frame:06}") }
    });
    let mut cells: Vec<_> = reference.into_iter().chain(rendered).collect();
    if !job.footage.is_empty() {
        cells.extend(job.shown.iter().map(|frame| Cell {
            picture: footage(&format!("{frame:06}.webp")),
            kind: if (job.span.0..=job.span.1).contains(frame) { Kind::Truth } else { Kind::Known },
            label: format!("{frame:06}"),
        }));
    }
    let prompt = if job.prompt.is_empty() { String::new() } else { format!("  “{}”", job.prompt) };
    let frames = job.span.1 - job.span.0 + 1;
    let note = format!("{frames} frames in {seconds:.1} s.  {status}");
    Row { title: format!("{}{prompt}", job.title), note, cells }
}
