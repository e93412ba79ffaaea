//! Arguments of `barexe serve`.

use super::{Failure, Options, faults};
use crate::args::PlatformName;
use barexe_sim::{MsiWidth, Platform};
use clap::{Args, ValueEnum};
use std::path::PathBuf;

/// What to serve, and where.
#[derive(Args, Debug)]
pub struct ServeArgs {
    /// Path of the socket to listen on; one that no server listens on any more is replaced
    #[arg(long, value_name = "PATH")]
    socket: PathBuf,
    /// Which GPU to simulate
    #[arg(long, value_enum, default_value_t)]
    platform: PlatformName,
    /// A plan of what goes wrong in the device: a file of JSON
    #[arg(long, value_name = "FILE")]
    faults: Option<PathBuf>,
    /// Write what happened to this file when the peer leaves, in the trace format of Chrome and Perfetto
    #[arg(long, value_name = "FILE")]
    trace: Option<PathBuf>,
    /// Most events in the trace: the newest are kept
    #[arg(long, value_name = "N", default_value_t = 200_000, requires = "trace")]
    trace_events: usize,
    /// Address width of the MSI capability
    #[arg(long, value_name = "BITS", default_value = "64", value_parser = ["32", "64"])]
    msi: String,
    /// How the peer reaches the GGTT: the half of BAR 0 that it may map, or messages for every entry
    #[arg(long, value_enum, default_value_t)]
    ggtt: GgttAccess,
    /// Size code of the GGTT: 2^(17 + CODE) entries [default: 3]; platforms with a strap for it only
    #[arg(long, value_name = "CODE", value_parser = clap::value_parser!(u8).range(1..=3))]
    ggms: Option<u8>,
    /// Whether idle GTs sleep after power-on, as the machine's firmware left them: where nobody holds them awake, registers
    /// do not answer, and using them breaks a rule
    #[arg(long, value_enum, default_value_t)]
    c6: SleepAtBoot,
    /// Whether cached translations outlive the restore of a context: what hardware does is not known
    #[arg(long, value_enum, default_value_t)]
    tlb: Translations,
    /// When a peer has left, reset the device and wait for the next one
    #[arg(long)]
    keep: bool,
    /// Take only memory that the peer cannot shrink (a memfd with that seal); any other is slower, as it is reached by calls of
    /// the system
    #[arg(long)]
    sealed: bool,
    /// Exit with status 1 if the peer's driver broke rules of the hardware
    #[arg(long)]
    strict: bool,
}

/// How the peer reaches the GGTT.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum GgttAccess {
    /// As memory
    #[default]
    Mapped,
    /// By messages
    Messages,
}

/// Cached translations of an address space when one of its contexts is restored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Translations {
    /// They are used until the driver invalidates them
    #[default]
    Kept,
    /// They are forgotten
    Dropped,
}

/// Power states of idle GTs after power-on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum SleepAtBoot {
    /// They sleep
    #[default]
    On,
    /// They are awake until a driver lets them sleep
    Off,
}

impl ServeArgs {
    /// What they ask for.
    ///
    /// # Errors
    /// [`Failure::Unusable`] for what does not go together.
    pub fn options(&self) -> Result<Options, Failure> {
        let name = self.platform.name();
        let unusable = |why: &str| Failure::Unusable(format!("platform {name} {why}"));
        let mut platform = Platform::by_name(name).ok_or_else(|| unusable("is not simulated"))?;
        if let Some(code) = self.ggms {
            platform.ggms =
                Some(platform.ggms.map(|_| code).ok_or_else(|| unusable("has one size of GGTT: no --ggms"))?);
        }
        let faults = self.faults.as_deref().map(|path| faults::read(path).map_err(Failure::Unusable)).transpose()?;
        Ok(Options {
            faults: faults.unwrap_or_default(),
            socket: self.socket.clone(),
            platform,
            msi: if self.msi == "32" { MsiWidth::Bits32 } else { MsiWidth::Bits64 },
            map_ggtt: self.ggtt == GgttAccess::Mapped,
            c6: self.c6 == SleepAtBoot::On,
            tlb_outlives_restore: self.tlb == Translations::Kept,
            keep: self.keep,
            sealed: self.sealed,
            strict: self.strict,
            trace: self.trace.clone().map(|path| (path, self.trace_events)),
        })
    }
}
