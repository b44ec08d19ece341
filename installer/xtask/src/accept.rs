//! The acceptance figures: each measured value beside its bound.

use anyhow::{Context, Result, ensure};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::{bundle, full, melt, python, reference, shell, suite};

/// What is measured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Part {
    /// Plugin, runtime and command line, through the bundle (a few minutes)
    #[default]
    Product,
    /// The plugin in hosts: random actions, known frames, gaps, waits, clicks, saved projects, melt (ten minutes)
    Hosts,
    /// The starter model, by judges that see pixels only (a few minutes, after PyTorch is installed)
    Starter,
    /// Real models: components, pipelines and packages, on the tiny ones (a few minutes, after PyTorch is installed)
    Models,
    /// Time beside diffusers' in PyTorch: tiny and mid-size models on the processor, and a published one where there is a
    /// GPU for CUDA (a quarter of an hour, after PyTorch is installed)
    Bench,
    /// Published models at full size with random weights: export, memory, a short run (half an hour and up to 40 GB of
    /// disk for each)
    Full,
    /// The starter's recipe: trains for a tenth of its last sitting and compares the loss with the log
    Recipe,
}

/// Measures one part and prints its table; of the models at full size those that are named.
pub fn run(part: Part, names: &[String], keep: bool) -> Result<()> {
    ensure!(
        part == Part::Full || (names.is_empty() && !keep),
        "names and --keep go with `accept full` alone"
    );
    match part {
        Part::Product => product(),
        Part::Hosts => hosts(),
        Part::Starter => starter(),
        Part::Models => models(),
        Part::Bench => bench(),
        Part::Full => full::run(names, keep),
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

/// The folder in which figures, pictures and packages are left.
pub fn results() -> Result<PathBuf> {
    let folder = shell::target().join("accept");
    std::fs::create_dir_all(&folder)?;
    Ok(folder)
}

/// Runs every acceptance test that belongs to no other part and prints the table.
///
/// The tests named `acceptance…` measure, assert and print one line per figure:
/// `accept: <what> | <measured> | <bound>`. This runs them alone and lists the lines, so that a
/// figure and the assertion on it can never part.
fn product() -> Result<()> {
    bundle::make()?;
    tabulate(vec![rust_tests(&["--tests"], &["acceptance", "--skip", HOSTS])], &[])
}

/// How the tests of the plugin in hosts begin.
const HOSTS: &str = "acceptance_hosts";

/// What has to hold in hosts. Those tests that need melt, or measure time, are no part of the suite.
fn hosts() -> Result<()> {
    bundle::make()?;
    let melt = melt::program().inspect_err(|error| shell::say(&format!("melt is left out: {error:#}")));
    let (mut named, mut elsewhere) = (vec![HOSTS, "--include-ignored"], Vec::new());
    if melt.is_err() {
        named.extend(["--skip", "acceptance_hosts_melt"]);
        elsewhere.push(("melt: pixels of all cases", "the command line's", "not measured"));
    }
    let mut tests = rust_tests(&["--tests"], &named);
    tests.env("PICKUP_TEST_MELT", melt::launcher());
    tabulate(vec![tests], &elsewhere)
}

/// Times Pickup beside diffusers, both in one program.
fn bench() -> Result<()> {
    bundle::make()?;
    let mut compare = Command::new(python::reference_environment(&reference::lock())?);
    compare
        .arg(shell::root().join("tests/bench/compare.py"))
        .arg("--packages")
        .arg(results()?.join("bench"))
        .env("PYTHONPATH", reference::exporter());
    shell::run(suite::environment(&mut compare))
}

/// What has to hold of real models and is not measured here: its bound, and what measures it.
const ELSEWHERE: [(&str, &str, &str); 4] = [
    (
        "VACE-1.3B at its full configuration, 480×272×17, 2 steps",
        "≤ 9 GB; package within 24 GB",
        "`cargo xtask accept full`",
    ),
    (
        "TI2V-5B and LTX-2B at full configuration",
        "export and one step, peak stated",
        "`cargo xtask accept full`",
    ),
    ("time over diffusers' eager, CPU, tiny and mid-size", "≤ 0.6", "`cargo xtask accept bench`"),
    ("VACE-1.3B on CUDA, 832×480×81", "beside diffusers, kernel by name", "`cargo xtask accept bench`"),
];

/// What is measured of real models, and what is not.
fn models() -> Result<()> {
    bundle::make()?;
    let files = ["parity", "tiles", "memory", "bad_package", "fused"].map(|file| ["--test", file]).concat();
    let rust = rust_tests(&files, &["acceptance"]);
    tabulate(vec![rust, exporter_tests()?], &ELSEWHERE)
}

/// The tests that are `named` so, in the `files` that cargo is told of.
fn rust_tests(files: &[&str], named: &[&str]) -> Command {
    // The whole workspace, as the suite has built it: a part of it would be built with other features.
    let mut cargo = shell::cargo(&["test", "--workspace", "--release", "--locked"]);
    cargo.args(files).args(["--no-fail-fast", "--"]).args(named).args(["--nocapture", "--test-threads", "1"]);
    cargo.env("PICKUP_ACCEPT", "1"); // tests that the suite shortens run whole
    suite::environment(&mut cargo);
    cargo
}

/// The exporter's acceptance tests; they and their figures go to one stream, in order.
fn exporter_tests() -> Result<Command> {
    let run = "import sys, unittest; unittest.main('tests', argv=['tests', '-k', 'acceptance'], \
               testRunner=unittest.TextTestRunner(sys.stdout, verbosity=2))";
    let mut python = Command::new(python::reference_environment(&reference::lock())?);
    python.args(["-u", "-c", run]).current_dir(reference::exporter());
    Ok(python)
}

/// Runs acceptance tests and prints a table of their figures, and of what is measured `elsewhere`.
fn tabulate(tests: Vec<Command>, elsewhere: &[(&str, &str, &str)]) -> Result<()> {
    shell::say("measuring");
    let mut figures = Figures::default();
    let mut passed = true;
    for mut test in tests {
        let mut child = test.stdout(Stdio::piped()).spawn()?;
        for line in child.stdout.take().map(BufReader::new).into_iter().flat_map(BufRead::lines) {
            let line = line?;
            println!("{line}");
            figures.hear(&line);
        }
        passed &= child.wait()?.success();
    }
    let mut rows = figures.rows;
    ensure!(!rows.is_empty(), "no figure was measured");
    rows.extend(elsewhere.iter().map(|(what, bound, instead)| format!("| {what} | {instead} | {bound} | |")));
    println!("\n| what must hold | measured | bound | holds |\n|---|---|---|---|\n{}", rows.join("\n"));
    ensure!(passed, "at least one bound does not hold");
    Ok(())
}

/// Figures among what a test runner prints: Rust's, or Python's.
#[derive(Default)]
struct Figures {
    rows: Vec<String>,
    /// How many of the rows belong to tests that have ended.
    settled: usize,
}

impl Figures {
    /// A line of the runner's. Its own words may stand before a figure on the same line; how a test ended stands
    /// after its figures.
    fn hear(&mut self, line: &str) {
        if let Some((_, row)) = line.split_once("accept: ") {
            self.rows.push(format!("| {row} |"));
            return;
        }
        let ending = line.rsplit(' ').next().unwrap_or_default();
        let endings = [("ok", "yes"), ("FAILED", "no"), ("FAIL", "no"), ("ERROR", "no")];
        let Some(holds) = endings.into_iter().find(|(word, _)| *word == ending) else {
            return;
        };
        self.rows[self.settled..].iter_mut().for_each(|row| *row += &format!(" {} |", holds.1));
        self.settled = self.rows.len();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_holds_if_its_test_does() {
        let mut figures = Figures::default();
        let said = "test a ... accept: x | 1 | < 2\nnote\naccept: y | 3 | < 4\nok\n\
                    test b ... ok\ntest c ... accept: z | 9 | < 5\nthread panicked\nFAILED\n";
        said.lines().for_each(|line| figures.hear(line));
        assert_eq!(figures.rows, ["| x | 1 | < 2 | yes |", "| y | 3 | < 4 | yes |", "| z | 9 | < 5 | no |"]);
    }

    #[test]
    fn figures_of_python_are_heard_too() {
        let mut figures = Figures::default();
        let said = "test_a (tests.A.test_a) ... accept: x | 1 | < 2\nok\ntest_b (tests.B.test_b) ... accept: y | 3 | < 2\n\
                    FAIL\ntest_c (tests.B.test_c) ... accept: z | 1 | < 2\nERROR\n\nFAILED (failures=1, errors=1)\n";
        said.lines().for_each(|line| figures.hear(line));
        assert_eq!(figures.rows, ["| x | 1 | < 2 | yes |", "| y | 3 | < 2 | no |", "| z | 1 | < 2 | no |"]);
    }
}
