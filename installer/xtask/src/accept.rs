//! The acceptance figures: each measured value beside its bound.

use anyhow::{Context, Result, ensure};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::{bundle, python, reference, runtime, shell, suite};

/// What is measured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Part {
    /// Plugin, runtime and command line, through the bundle (a few minutes)
    #[default]
    Product,
    /// The starter model, by judges that see pixels only (a few minutes, after PyTorch is installed)
    Starter,
    /// The starter's recipe: trains for a tenth of its last sitting and compares the loss with the log
    Recipe,
}

/// Measures one part and prints its table.
pub fn run(part: Part) -> Result<()> {
    match part {
        Part::Product => product(),
        Part::Starter => starter(),
        Part::Recipe => recipe(),
    }
}

/// Judges the package in the bundle, and times it through the bundle's command line.
fn starter() -> Result<()> {
    let bundle = bundle::make()?;
    let contents = bundle.join("Contents");
    let cli = contents.join(bundle::architecture()).join(format!("pickup{}", std::env::consts::EXE_SUFFIX));
    let out = results()?;
    shell::run(
        script("judge.py")?
            .arg("--package")
            .arg(contents.join("Resources/models/starter"))
            .arg("--cli")
            .arg(cli)
            .arg("--out")
            .arg(out.join("starter.json"))
            .arg("--sheet")
            .arg(out.join("starter.webp")),
    )
}

/// What the last sitting of the starter's training began with: the package that this repository held
/// before, named by the content of its folder.
const STARTED_FROM: &str = "398d6d2810e564b7313882ec0b26f53abc5892de";

/// Trains for a tenth of the last sitting and compares the loss with the log.
fn recipe() -> Result<()> {
    let out = results()?.join("recipe");
    // A checkpoint of an earlier try would be gone on from.
    if out.exists() {
        std::fs::remove_dir_all(&out)?;
    }
    let start = out.join("start");
    take_from_history(STARTED_FROM, &start)?;
    shell::run(
        script("train.py")?.arg("--out").arg(&out).arg("--start").arg(&start).args(["--share", "0.1"]),
    )?;
    shell::run(script("compare_logs.py")?.arg(out.join("train.csv")))
}

/// Writes a folder that the repository once held, named by its tree, to `target`.
fn take_from_history(tree: &str, target: &Path) -> Result<()> {
    std::fs::create_dir_all(target)?;
    let archive = target.with_extension("tar");
    let mut git = Command::new("git");
    git.current_dir(shell::root()).args(["archive", "--output"]).arg(&archive).arg(tree);
    shell::run(&mut git).with_context(|| {
        format!("the clone lacks {tree}; a shallow clone gets it with `git fetch --unshallow`")
    })?;
    shell::run(Command::new("tar").arg("-xf").arg(&archive).arg("-C").arg(target))
}

/// A script of the starter's folder, under the Python that has PyTorch.
fn script(name: &str) -> Result<Command> {
    let mut command = Command::new(python::reference_environment(&reference::lock())?);
    command.arg(shell::root().join("models/starter").join(name));
    Ok(command)
}

/// The folder in which figures and pictures are left.
fn results() -> Result<PathBuf> {
    let folder = shell::target().join("accept");
    std::fs::create_dir_all(&folder)?;
    Ok(folder)
}

/// Runs every acceptance test and prints the table.
///
/// The tests named `acceptance…` measure, assert and print one line per figure:
/// `accept: <what> | <measured> | <bound>`. This runs them alone and lists the lines, so that a
/// figure and the assertion on it can never part.
fn product() -> Result<()> {
    runtime::setup()?;
    bundle::build()?;
    bundle::lay_out()?;
    shell::say("measuring");
    // The whole workspace, as the suite has built it: a part of it would be built with other features.
    let mut cargo = shell::cargo(&["test", "--workspace", "--tests", "--release", "--locked"]);
    cargo.args(["--no-fail-fast", "--", "acceptance", "--nocapture", "--test-threads", "1"]);
    cargo.env("PICKUP_ACCEPT", "1"); // tests that the suite shortens run whole
    let mut child = suite::environment(&mut cargo).stdout(Stdio::piped()).spawn()?;
    let mut rows = Vec::new();
    for line in child.stdout.take().map(BufReader::new).into_iter().flat_map(BufRead::lines) {
        let line = line?;
        println!("{line}");
        // The test runner may print its own words before ours on the same line.
        if let Some((_, row)) = line.split_once("accept: ") {
            rows.push(format!("| {row} |"));
        }
    }
    let passed = child.wait()?.success();
    println!("\n| what must hold | measured | bound |\n|---|---|---|\n{}", rows.join("\n"));
    ensure!(!rows.is_empty(), "no figure was measured");
    ensure!(passed, "at least one bound does not hold");
    Ok(())
}
