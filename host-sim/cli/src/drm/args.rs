//! Arguments of `barexe drm`.

use super::{Failure, Options};
use crate::args::PlatformName;
use crate::serve::faults;
use barexe_drm::Settings;
use barexe_sim::Platform;
use clap::Args;
use std::path::PathBuf;

/// What to serve, and where.
#[derive(Args, Debug)]
pub struct DrmArgs {
    /// Path of the socket to listen on; one that no server listens on any more is replaced
    #[arg(long, value_name = "PATH")]
    socket: PathBuf,
    /// Which GPU to simulate
    #[arg(long, value_enum, default_value_t)]
    platform: PlatformName,
    /// Tell on standard error what the simulated GPU complains of
    #[arg(long)]
    complain: bool,
    /// Engines of the simulated GPU take work and never run it: shows what rests on execution
    #[arg(long)]
    no_execution: bool,
    /// What goes wrong in the simulated GPU once it serves: a plan in JSON, as `barexe serve` takes it
    #[arg(long, value_name = "FILE")]
    faults: Option<PathBuf>,
    /// Ask the server that listens there what is in use, print it as a line of JSON, and end
    #[arg(long, conflicts_with_all = ["platform", "complain", "no_execution", "faults"])]
    state: bool,
}

impl DrmArgs {
    /// What they ask for.
    ///
    /// # Errors
    /// [`Failure::Unusable`] for what does not go together.
    pub fn options(&self) -> Result<Options, Failure> {
        let name = self.platform.name();
        let unusable = || Failure::Unusable(format!("platform {name} is not simulated"));
        let platform = Platform::by_name(name).ok_or_else(unusable)?;
        let faults = self.faults.as_deref().map(|path| faults::read(path).map_err(Failure::Unusable)).transpose()?;
        let (execution, faults) = (!self.no_execution, faults.unwrap_or_default());
        let settings = Settings { platform, execution, complain: self.complain, faults, record: None };
        Ok(Options { socket: self.socket.clone(), settings, ask: self.state })
    }
}
