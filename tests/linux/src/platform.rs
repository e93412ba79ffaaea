//! What depends on the part that is simulated.

use crate::firmware::Version;
use clap::ValueEnum;

/// A platform.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum PlatformName {
    /// Tiger Lake
    Tgl,
    /// Lunar Lake
    Lnl,
}

/// How the driver gives work to the device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Mode {
    /// By itself, to the execlist ports
    Execlists,
    /// Through the GuC
    Guc,
}

impl Mode {
    /// Its name.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Execlists => "execlists",
            Self::Guc => "guc",
        }
    }
}

/// Version of the interface for submissions that the containers claim.
pub(crate) const SUBMISSION: Version = (1, 21, 0);

impl PlatformName {
    /// Its short name.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Tgl => "tgl",
            Self::Lnl => "lnl",
        }
    }

    /// PCI device id of the simulated part, four digits.
    pub(crate) const fn device(self) -> &'static str {
        match self {
            Self::Tgl => "9a49",
            Self::Lnl => "64a0",
        }
    }

    /// The firmware that the driver asks for: path below the folder of firmware, and the release that it wants.
    pub(crate) const fn firmware(self) -> (&'static str, Version) {
        match self {
            Self::Tgl => ("i915/tgl_guc_70.bin", (70, 44, 1)),
            Self::Lnl => ("xe/lnl_guc_70.bin", (70, 53, 0)),
        }
    }

    /// How the guest reaches the GGTT: each entry is a message where the table can be short.
    pub(crate) const fn ggtt(self) -> &'static [&'static str] {
        match self {
            Self::Tgl => &["--ggtt", "messages", "--ggms", "1"],
            Self::Lnl => &["--ggtt", "mapped"],
        }
    }

    /// What the server is told besides. Without firmware the driver takes no forcewake around a submission and does not
    /// switch the power states of idle GTs off: it needs a machine whose firmware left them off. And it invalidates no
    /// translations of an address space: it needs engines that forget them when they restore a context.
    pub(crate) const fn leniency(self, mode: Mode) -> &'static [&'static str] {
        match mode {
            Mode::Execlists => &["--c6", "off", "--tlb", "dropped"],
            Mode::Guc => &[],
        }
    }

    /// Parameters of the module.
    pub(crate) fn parameters(self, mode: Mode) -> String {
        let id = self.device();
        // Without a display, of which nothing is simulated; the other firmware is not there either.
        let common = format!("probe_display=0 force_probe={id}");
        match mode {
            Mode::Execlists => format!("{common} force_execlist=1"),
            Mode::Guc => format!("{common} huc_firmware_path= gsc_firmware_path="),
        }
    }
}
