//! Command line.

use crate::platform::{Mode, PlatformName};
use barexe_clients::expected::Expected;
use barexe_clients::selection::Selection;
use clap::Parser;
use std::fs;
use std::io;
use std::path::PathBuf;

/// Runs Linux's own driver on the simulated GPU, and test programs in that guest.
#[derive(Clone, Debug, Parser)]
#[command(name = "run.sh")]
pub(crate) struct Args {
    /// Which GPU to simulate
    #[arg(long, value_enum, default_value = "tgl")]
    pub(crate) platform: PlatformName,
    /// How the driver gives work to the device
    #[arg(long, value_enum, default_value = "guc")]
    pub(crate) mode: Mode,
    /// Load, unload and load the driver, and nothing else
    #[arg(long, conflicts_with_all = ["programs", "ci"])]
    pub(crate) boot: bool,
    /// Run a representative part only
    #[arg(long, conflicts_with = "programs")]
    pub(crate) ci: bool,
    /// Run with this fault in the device, and hold the driver to what the file of that name says; may be given several
    /// times, `all` stands for every fault there is
    #[arg(long, value_name = "NAME", conflicts_with_all = ["platform", "mode", "boot", "ci", "programs", "shell"])]
    pub(crate) fault: Vec<String>,
    /// Longest time of one subtest in seconds
    #[arg(long, default_value_t = 120)]
    pub(crate) longest: u64,
    /// More parameters for the driver's module
    #[arg(long, default_value = "", allow_hyphen_values = true)]
    pub(crate) parameters: String,
    /// More for the kernel's command line
    #[arg(long, default_value = "")]
    pub(crate) append: String,
    /// One more argument for `barexe serve`, like `--serve=--faults=FILE`; may be given several times
    #[arg(long, allow_hyphen_values = true)]
    pub(crate) serve: Vec<String>,
    /// A command for the guest's shell when the driver is loaded; may be given several times
    #[arg(long, allow_hyphen_values = true)]
    pub(crate) shell: Vec<String>,
    /// Programs to run, with or without a subtest, in which `*` and `?` may stand; also such that no file of expected
    /// results names [default: all that the file names]
    #[arg(value_name = "PROGRAM[@SUBTEST]")]
    programs: Vec<Selection>,
    /// The folder that `fetch` made
    #[arg(long, hide = true)]
    pub(crate) linux: PathBuf,
    /// The program QEMU
    #[arg(long, hide = true)]
    pub(crate) qemu: PathBuf,
    /// The program barexe
    #[arg(long, hide = true)]
    pub(crate) server: PathBuf,
    /// Folder with the expected results
    #[arg(long, hide = true)]
    expected: PathBuf,
    /// Folder with the faults
    #[arg(long, hide = true)]
    pub(crate) faults: PathBuf,
    /// Where everything that was said is kept
    #[arg(long, hide = true)]
    pub(crate) logs: PathBuf,
}

impl Args {
    /// What is to run.
    pub(crate) fn chosen(&self, expected: &Expected) -> io::Result<Vec<Selection>> {
        if self.boot || !self.shell.is_empty() {
            return Ok(self.programs.clone());
        }
        if self.ci {
            return self.read(&format!("ci-{}.txt", self.mode.name()), Selection::read_all);
        }
        if !self.programs.is_empty() {
            return Ok(self.programs.clone());
        }
        Ok(expected.programs().map(|name| Selection { program: name.into(), subtests: None }).collect())
    }

    /// What is expected: nothing where there is no file.
    pub(crate) fn expected(&self) -> io::Result<Expected> {
        let name = format!("{}-{}.txt", self.platform.name(), self.mode.name());
        if self.expected.join(&name).is_file() { self.read(&name, Expected::parse) } else { Ok(Expected::default()) }
    }

    /// Where this run's logs are kept.
    pub(crate) fn folder(&self) -> PathBuf {
        self.logs.join(format!("{}-{}", self.platform.name(), self.mode.name()))
    }

    fn read<T>(&self, name: &str, parse: impl FnOnce(&str) -> Result<T, String>) -> io::Result<T> {
        let path = self.expected.join(name);
        let named = |error: &dyn core::fmt::Display| io::Error::other(format!("{}: {error}", path.display()));
        let text = fs::read_to_string(&path).map_err(|error| named(&error))?;
        parse(&text).map_err(|error| named(&error))
    }
}
