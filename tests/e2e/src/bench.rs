//! One test's own folder, store and environment.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::command::Answer;
use crate::footage::Footage;
use crate::places::{bundle, command_line, library, test_host};
use crate::play::Played;
use crate::scene::Scene;
use crate::store::StoreFiles;

/// A folder that is gone with the test, with a store of takes in it.
#[derive(Debug)]
pub struct Bench {
    folder: tempfile::TempDir,
}

/// Variables for one process, over those of the bench; `None` takes one away.
pub type Setup<'a> = &'a [(&'a str, Option<&'a OsStr>)];

/// Variables that would reach into a test from outside.
const FOREIGN: [&str; 9] = [
    "PICKUP_ONNXRUNTIME",
    "PICKUP_WORKER",
    "PICKUP_MODELS",
    "PICKUP_STORE",
    "PICKUP_CACHE",
    "PICKUP_FAULT",
    "PICKUP_LIBRARY_PATH",
    "PICKUP_IDLE_SECONDS",
    "OFX_PLUGIN_PATH",
];

impl Bench {
    /// An empty one.
    #[expect(clippy::new_without_default, reason = "it makes a folder")]
    pub fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    /// A path in the folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// What lies in the store.
    pub fn store(&self) -> StoreFiles {
        StoreFiles::new(&self.path("store"))
    }

    /// Frames of the real footage at a size, as 8-bit PNG files.
    pub fn footage(&self, name: &str, frames: std::ops::Range<u32>, size: (u32, u32)) -> Footage {
        Footage::cut(&self.path(name), frames, size)
    }

    /// The test host on a plan, in the environment of an editor: the bundle has all that it needs.
    pub fn host(&self, plan: &Path, report: &Path, setup: Setup<'_>) -> Command {
        let mut command = self.command(&test_host());
        command.arg(plan).arg("--report").arg(report);
        apply(&mut command, setup);
        command
    }

    /// Plays a scene, and expects that the host saw no rule broken and nothing fail that should not.
    pub fn play(&self, scene: &Scene) -> Played {
        self.play_with(scene, &[])
    }

    /// As [`Bench::play`], with variables set.
    pub fn play_with(&self, scene: &Scene, setup: Setup<'_>) -> Played {
        let played = self.try_play(scene, setup);
        played.expect_clean();
        played
    }

    /// Plays a scene, whatever comes of it.
    pub fn try_play(&self, scene: &Scene, setup: Setup<'_>) -> Played {
        let (plan, report) = self.plan(scene);
        let output = self.host(&plan, &report, setup).arg("--quiet").output().unwrap();
        Played::read(&report, &output)
    }

    /// Writes a scene's plan; returns it and where the report is to go.
    pub fn plan(&self, scene: &Scene) -> (PathBuf, PathBuf) {
        let folder = tempfile::Builder::new().prefix("play-").tempdir_in(self.folder.path()).unwrap().keep();
        let plan = folder.join("plan.json");
        std::fs::write(&plan, scene.plan(&bundle()).to_string()).unwrap();
        (plan, folder.join("report.json"))
    }

    /// The command line with these arguments, not started yet.
    pub fn pickup_command(&self, arguments: &[&str], setup: Setup<'_>) -> Command {
        let mut command = self.command(&command_line());
        command.args(arguments).env("PICKUP_ONNXRUNTIME", library());
        // The executable under test lies outside of a bundle, so it is told where one's models are.
        command.env("PICKUP_MODELS", bundle().join("Contents/Resources/models"));
        apply(&mut command, setup);
        command
    }

    /// Runs the command line.
    pub fn pickup(&self, arguments: &[&str]) -> Answer {
        self.pickup_with(arguments, &[])
    }

    /// Runs the command line with variables set.
    pub fn pickup_with(&self, arguments: &[&str], setup: Setup<'_>) -> Answer {
        Answer::of(&self.pickup_command(arguments, setup).output().unwrap())
    }

    fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        for name in FOREIGN {
            command.env_remove(name);
        }
        command.current_dir(self.folder.path()).stdin(Stdio::null());
        command.env("PICKUP_STORE", self.path("store")).env("PICKUP_CACHE", self.path("cache"));
        command
    }
}

fn apply(command: &mut Command, setup: Setup<'_>) {
    for (name, value) in setup {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
}
