//! Command line.

use crate::process::Setting;
use crate::server::Server;
use barexe_clients::expected::Expected;
use barexe_clients::selection::Selection;
use clap::{Parser, ValueEnum};
use core::time::Duration;
use std::fs;
use std::io;
use std::path::PathBuf;

/// Packages of the programs themselves.
pub(crate) const CLIENTS: [&str; 5] =
    ["igt-gpu-tools-tests", "mesa-vulkan-drivers", "vulkan-tools", "intel-opencl-icd", "libze-intel-gpu1"];

/// Runs client programs that nobody here wrote on the core and the simulated GPU, and compares the results with those that
/// are expected.
#[derive(Debug, Parser)]
#[command(name = "run.sh")]
pub(crate) struct Args {
    /// Which GPU to simulate [default: one after the other]
    #[arg(long, value_enum)]
    platform: Option<PlatformName>,
    /// Run a representative part only
    #[arg(long, conflicts_with = "programs")]
    ci: bool,
    /// Engines take work and never run it: shows which results rest on execution; nothing is compared
    #[arg(long = "no-execution", action = clap::ArgAction::SetFalse)]
    pub(crate) execution: bool,
    /// All programs are clients of one server, as many at a time as there are jobs, instead of each having a GPU of its own
    #[arg(long)]
    pub(crate) server: bool,
    /// Record what each process does into this folder, one file each, for `barexe replay`
    #[arg(long, value_name = "FOLDER", conflicts_with = "server")]
    record: Option<PathBuf>,
    /// How many processes at a time
    #[arg(long, default_value_t = 2)]
    pub(crate) jobs: usize,
    /// Longest time of one process in seconds
    #[arg(long, default_value_t = 120)]
    longest: u64,
    /// Programs to run, with or without a subtest, in which `*` and `?` may stand; also such that no file of expected
    /// results names [default: all that the file names]
    #[arg(value_name = "PROGRAM[@SUBTEST]")]
    programs: Vec<Selection>,
    /// Folder with the expected results
    #[arg(long, hide = true, default_value = "/run/barexe/expected")]
    expected: PathBuf,
    /// The library to preload
    #[arg(long, hide = true, default_value = "/run/barexe/bin/libbarexe_drm_shim.so")]
    library: PathBuf,
    /// The command that serves
    #[arg(long, hide = true, default_value = "/run/barexe/bin/barexe")]
    command: PathBuf,
    /// Where what programs print is kept
    #[arg(long, hide = true, default_value = "/run/barexe/logs")]
    logs: PathBuf,
}

/// A platform.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum PlatformName {
    /// Tiger Lake
    Tgl,
    /// Lunar Lake
    Lnl,
}

impl PlatformName {
    /// Its short name.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Tgl => "tgl",
            Self::Lnl => "lnl",
        }
    }

    /// Its name.
    pub(crate) const fn title(self) -> &'static str {
        match self {
            Self::Tgl => "Tiger Lake",
            Self::Lnl => "Lunar Lake",
        }
    }

    /// PCI device id of the simulated part, four digits.
    pub(crate) const fn device(self) -> &'static str {
        match self {
            Self::Tgl => "9a49",
            Self::Lnl => "64a0",
        }
    }
}

impl Args {
    /// The library must be there: programs would run without it, and find no device.
    pub(crate) fn check(&self) -> io::Result<()> {
        if self.library.is_file() {
            Ok(())
        } else {
            Err(io::Error::other(format!("{} is no file", self.library.display())))
        }
    }

    /// The platforms to run on.
    pub(crate) fn platforms(&self) -> Vec<PlatformName> {
        self.platform.map_or_else(|| PlatformName::value_variants().to_vec(), |one| vec![one])
    }

    /// What is to run.
    pub(crate) fn chosen(&self, expected: &Expected) -> io::Result<Vec<Selection>> {
        if self.ci {
            return self.read("ci.txt", Selection::read_all);
        }
        if !self.programs.is_empty() {
            return Ok(self.programs.clone());
        }
        Ok(expected.programs().map(|name| Selection { program: name.into(), subtests: None }).collect())
    }

    /// The server of a platform, if there is to be one.
    pub(crate) fn server(&self, platform: PlatformName) -> io::Result<Option<Server>> {
        let start = || Server::start(&self.command, platform.name(), self.execution, &self.logs);
        self.server.then(start).transpose()
    }

    /// What the programs are given.
    pub(crate) fn setting(&self, platform: PlatformName, server: Option<&Server>) -> Setting {
        Setting {
            socket: server.map(|server| server.socket().to_path_buf()),
            library: self.library.clone(),
            platform: platform.name(),
            execution: self.execution,
            trees: "/run/barexe/trees".into(),
            longest: Duration::from_secs(self.longest),
            logs: self.logs.clone(),
            // The folder itself is outside; it is mounted here.
            recordings: self.record.as_ref().map(|_| "/run/barexe/recordings".into()),
        }
    }

    /// Reads a file of the folder with the expected results.
    pub(crate) fn read<T>(&self, name: &str, parse: impl FnOnce(&str) -> Result<T, String>) -> io::Result<T> {
        let path = self.expected.join(name);
        let named = |error: &dyn core::fmt::Display| io::Error::other(format!("{}: {error}", path.display()));
        let text = fs::read_to_string(&path).map_err(|error| named(&error))?;
        parse(&text).map_err(|error| named(&error))
    }
}
