//! Programs that we did not write: Debian's packages, unpacked in a folder of their own, never installed.
//!
//! apt and dpkg do the fetching and unpacking, so that the machine's own mirror, proxy and keys are honoured.

use anyhow::{Context, Result, ensure};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::shell;

/// The release whose MLT has its OpenFX module.
const RELEASE: &str = "forky";
/// The keys that the archive is signed with, as Debian installs them.
const KEYS: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";
/// Names what was unpacked.
const STAMP: &str = "packages.txt";
/// Where libraries lie: the main folder, then those of packages that an installation would link into it.
pub const LIBRARIES: [&str; 4] = [
    "/usr/lib/x86_64-linux-gnu",
    "/usr/lib/x86_64-linux-gnu/blas",
    "/usr/lib/x86_64-linux-gnu/lapack",
    "/usr/lib/x86_64-linux-gnu/pulseaudio",
];

/// Packages in a folder.
pub struct Packages<'a> {
    /// The folder of what is made here; the packages lie in `root` in it.
    pub folder: PathBuf,
    /// What is wanted; what it depends on comes with it.
    pub wanted: &'a [&'a str],
    /// Beginnings of names of packages that are left out.
    pub left_out: &'a [&'a str],
}

impl Packages<'_> {
    /// The folder that is to the programs what `/` is where they are installed.
    pub fn root(&self) -> PathBuf {
        self.folder.join("root")
    }

    /// Fetches and unpacks them unless they are there; `finish` then does what no package brings.
    ///
    /// # Errors
    /// Why they cannot be had on this machine.
    pub fn fetch(&self, finish: impl FnOnce() -> Result<()>) -> Result<()> {
        if self.folder.join(STAMP).is_file() {
            return Ok(());
        }
        ensure!(
            cfg!(all(target_os = "linux", target_arch = "x86_64")),
            "Debian's programs are fetched for Linux on x86-64 alone"
        );
        shell::remove(&self.folder)?;
        let apt = Apt::new(&self.folder.join("apt"))?;
        shell::say(&format!("fetching {} from Debian {RELEASE}", self.wanted.join(", ")));
        shell::run(apt.get().args(["update", "--quiet=2"]))?;
        let packages = self.needed(&apt)?;
        self.unpack(&apt, &packages)?;
        std::fs::remove_dir_all(self.folder.join("apt"))?;
        finish()?;
        Ok(std::fs::write(self.folder.join(STAMP), packages.join("\n"))?)
    }

    /// What is wanted and what that needs, without what is left out.
    fn needed(&self, apt: &Apt) -> Result<Vec<String>> {
        let said = shell::output(apt.get().args(["install", "--simulate", "--quiet=2"]).args(self.wanted))?;
        // Inst NAME (VERSION …)
        let named = said.lines().filter_map(|line| line.strip_prefix("Inst ")?.split(' ').next());
        let kept = named.filter(|name| !self.left_out.iter().any(|start| name.starts_with(start)));
        Ok(kept.map(str::to_owned).collect())
    }

    fn unpack(&self, apt: &Apt, packages: &[String]) -> Result<()> {
        let downloads = self.folder.join("downloads");
        std::fs::create_dir_all(&downloads)?;
        shell::run(apt.get().args(["download", "--quiet=2"]).args(packages).current_dir(&downloads))?;
        usr_merged(&self.root())?;
        for file in std::fs::read_dir(&downloads)? {
            shell::run(Command::new("dpkg-deb").arg("-x").arg(file?.path()).arg(self.root()))?;
        }
        Ok(std::fs::remove_dir_all(&downloads)?)
    }
}

/// apt with a state of its own: it knows of one release, and of nothing that is installed.
struct Apt {
    configuration: PathBuf,
}

impl Apt {
    fn new(folder: &Path) -> Result<Self> {
        for empty in ["state/lists/partial", "cache/archives/partial"] {
            std::fs::create_dir_all(folder.join(empty))?;
        }
        std::fs::write(folder.join("status"), "")?;
        let source = format!("deb [signed-by={KEYS}] {} {RELEASE} main\n", archive()?);
        std::fs::write(folder.join("sources.list"), source)?;
        let place = |name: &str| folder.join(name).display().to_string();
        let configuration = folder.join("apt.conf");
        let lines = [
            ("Dir::State", place("state")),
            ("Dir::State::status", place("status")),
            ("Dir::Cache", place("cache")),
            ("Dir::Etc::sourcelist", place("sources.list")),
            ("Dir::Etc::sourceparts", "/dev/null".into()),
            ("Dir::Etc::preferences", "/dev/null".into()),
            ("Dir::Etc::preferencesparts", "/dev/null".into()),
            ("APT::Architecture", "amd64".into()),
            ("APT::Install-Recommends", "false".into()),
            ("APT::Sandbox::User", "root".into()),
            ("Acquire::Languages", "none".into()),
            ("Acquire::Check-Valid-Until", "false".into()),
            ("Acquire::Retries", "3".into()),
        ];
        let text: String = lines.iter().map(|(name, value)| format!("{name} \"{value}\";\n")).collect();
        std::fs::write(&configuration, text)?;
        Ok(Self { configuration })
    }

    fn get(&self) -> Command {
        let mut command = Command::new("apt-get");
        command.env("APT_CONFIG", &self.configuration).env("LC_ALL", "C");
        command
    }
}

/// Where this machine gets Debian's packages.
fn archive() -> Result<String> {
    let list = ["indextargets", "--format", "$(REPO_URI)", "Created-By: Packages"];
    let known = shell::output(Command::new("apt-get").args(list))?;
    let debian = known.lines().map(|line| line.trim_end_matches('/')).find(|line| line.ends_with("/debian"));
    debian.map(str::to_owned).context("this machine's apt knows no archive of Debian's")
}

/// The links by which Debian's folders of old lie in `usr`; no package brings them.
fn usr_merged(root: &Path) -> Result<()> {
    for name in ["bin", "lib", "lib64", "sbin"] {
        std::fs::create_dir_all(root.join("usr").join(name))?;
        #[cfg(unix)]
        std::os::unix::fs::symlink(Path::new("usr").join(name), root.join(name))?;
    }
    Ok(())
}
