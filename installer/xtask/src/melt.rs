//! MLT's `melt`, a host that we did not write: Debian's build of it in a folder of its own, never installed.
//!
//! apt and dpkg do the fetching and unpacking, so that the machine's own mirror, proxy and keys are honoured.
//! Nothing needs root: the program is started by the loader that lies beside it, with the libraries beside it.

use anyhow::{Context, Result, ensure};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::{bundle, shell, suite};

/// The release whose MLT has its OpenFX module.
const RELEASE: &str = "forky";
/// The keys that the archive is signed with, as Debian installs them.
const KEYS: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";
/// MLT's modules that a test needs. The others look for a display, which sometimes ends a run before its first frame.
const MODULES: [&str; 3] = ["core", "avformat", "openfx"];
/// Beginnings of names of large packages that only other modules need.
const LEFT_OUT: [&str; 12] = [
    "glycin",
    "libgdal",
    "libgdcm",
    "libicu",
    "libllvm",
    "libopencv",
    "libpoppler",
    "libqt",
    "libspatialite",
    "libz3",
    "mesa-",
    "proj-",
];
/// Names what was unpacked.
const STAMP: &str = "packages.txt";

/// Runs the cases of `tests/e2e/tests/melt.rs`; says so where melt cannot be had.
pub fn test() -> Result<()> {
    if let Err(reason) = program() {
        shell::say(&format!("melt was NOT tested: {reason:#}"));
        return Ok(());
    }
    bundle::make()?;
    shell::say("testing in melt");
    let mut cargo = shell::cargo(&["test", "--workspace", "--release", "--locked", "--test", "melt", "--"]);
    cargo.args(["--ignored", "--nocapture", "--test-threads", "1"]).env("PICKUP_TEST_MELT", launcher());
    shell::run(suite::environment(&mut cargo))
}

fn folder() -> PathBuf {
    shell::target().join("melt")
}

/// The program that runs melt, after [`program`].
pub fn launcher() -> PathBuf {
    folder().join("melt")
}

/// Fetches melt unless it is there.
///
/// # Errors
/// Why it cannot be had on this machine.
pub fn program() -> Result<()> {
    if !folder().join(STAMP).is_file() {
        fetch(&folder())?;
    }
    let version = shell::output(Command::new(launcher()).arg("--version"));
    version.map(drop).context("melt was fetched, and does not run; remove target/melt to fetch it anew")
}

fn fetch(folder: &Path) -> Result<()> {
    ensure!(
        cfg!(all(target_os = "linux", target_arch = "x86_64")),
        "Debian's melt is fetched for Linux on x86-64 alone"
    );
    if folder.exists() {
        std::fs::remove_dir_all(folder)?;
    }
    let apt = Apt::new(&folder.join("apt"))?;
    shell::say(&format!("fetching melt from Debian {RELEASE}"));
    shell::run(apt.get().args(["update", "--quiet=2"]))?;
    let packages = apt.needed("melt")?;
    let downloads = folder.join("downloads");
    std::fs::create_dir_all(&downloads)?;
    shell::run(apt.get().args(["download", "--quiet=2"]).args(&packages).current_dir(&downloads))?;
    let root = folder.join("root");
    usr_merged(&root)?;
    for file in std::fs::read_dir(&downloads)? {
        shell::run(Command::new("dpkg-deb").arg("-x").arg(file?.path()).arg(&root))?;
    }
    lay_out(folder)?;
    std::fs::remove_dir_all(&downloads)?;
    std::fs::remove_dir_all(folder.join("apt"))?;
    std::fs::write(folder.join(STAMP), packages.join("\n"))?;
    Ok(())
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

    /// The packages that one needs, itself among them, without those that are left out.
    fn needed(&self, package: &str) -> Result<Vec<String>> {
        let said = shell::output(self.get().args(["install", "--simulate", "--quiet=2", package]))?;
        // Inst NAME (VERSION …)
        let named = said.lines().filter_map(|line| line.strip_prefix("Inst ")?.split(' ').next());
        let wanted = named.filter(|name| !LEFT_OUT.iter().any(|start| name.starts_with(start)));
        Ok(wanted.map(str::to_owned).collect())
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

/// Puts the modules and the launcher beside the unpacked packages.
fn lay_out(folder: &Path) -> Result<()> {
    let modules = folder.join("modules");
    std::fs::create_dir_all(&modules)?;
    for module in MODULES {
        let file = format!("libmlt{module}.so");
        shell::copy(&folder.join("root/usr/lib/x86_64-linux-gnu/mlt-7").join(&file), &modules.join(&file))?;
    }
    let launcher = launcher();
    std::fs::write(
        &launcher,
        "#!/bin/sh\n\
         here=${0%/*}\n\
         libraries=$here/root/usr/lib/x86_64-linux-gnu\n\
         export LC_ALL=C.UTF-8 MLT_REPOSITORY=$here/modules MLT_DATA=$here/root/usr/share/mlt-7\n\
         export MLT_PROFILES_PATH=$MLT_DATA/profiles\n\
         exec \"$here/root/usr/lib64/ld-linux-x86-64.so.2\" \
         --library-path \"$libraries:$libraries/blas:$libraries/lapack:$libraries/pulseaudio\" \
         \"$here/root/usr/bin/melt\" \"$@\"\n",
    )?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        std::fs::set_permissions(&launcher, std::fs::Permissions::from_mode(0o755))?;
    }
    Ok(())
}
