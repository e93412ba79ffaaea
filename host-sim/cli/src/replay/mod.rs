//! Replaying a recording: the driver core and the simulated GPU answer a recorded client.
//!
//! Every call of the client is made again through the core's byte interface, every byte the GPU wrote is looked at
//! through the client's mappings, and what differs is reported.
//!
//! | file | what it knows |
//! |---|---|
//! | [`calls`] | tables: where ids stand in which call, what it creates, how outputs are judged |
//! | [`ids`] | recorded ids and own ones |
//! | [`mappings`], [`client_memory`] | the client's memory |
//! | [`queries`] | which bytes of a query's answer are facts about the device |
//! | [`outputs`] | judging a call |
//! | `objects` | buffer objects by their numbers |
//! | `engine` | one event after the other |
//! | `user_pages` | ordinary memory that the device reaches |
//! | `calling` | making a call and noting what it created |
//! | [`report`] | what came of it |

mod calling;
pub mod calls;
pub mod client_memory;
mod engine;
pub mod ids;
pub mod mappings;
mod objects;
pub mod outputs;
pub mod queries;
pub mod report;
mod user_pages;

pub use engine::{LiveVm, Look};
pub use report::{Difference, Report};

use crate::machine::{Leftover, SimDevice, with_device};
use crate::recording::{ReadError, Recording};
use barexe_core::Error;
use barexe_core::device::Config;
use barexe_sim::{Platform, Sim, SimConfig};
use core::fmt;

/// How to replay.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Engines of the simulated GPU execute. Tests switch this off to see that it matters.
    pub execution: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self { execution: true }
    }
}

/// Why a recording cannot be replayed at all.
#[derive(Clone, Debug)]
pub enum ReplayError {
    /// The file cannot be read.
    Io(String),
    /// It is no recording that holds together.
    Read(ReadError),
    /// There is no simulated GPU of its kind.
    Foreign(String),
    /// The core does not open its device.
    Open(Error),
}

impl fmt::Display for ReplayError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => f.write_str(error),
            Self::Read(error) => write!(f, "{error}"),
            Self::Foreign(what) => write!(f, "there is no simulated GPU for it: {what}"),
            Self::Open(error) => write!(f, "its device cannot be opened: {error}"),
        }
    }
}

impl core::error::Error for ReplayError {}

/// Replays the recording in `text`.
///
/// # Errors
/// [`ReplayError`].
pub fn replay_text(text: &str, options: &Options) -> Result<Report, ReplayError> {
    replay(&text.parse().map_err(ReplayError::Read)?, options)
}

/// Replays the recording in a file.
///
/// # Errors
/// [`ReplayError`].
pub fn replay_file(path: &std::path::Path, options: &Options) -> Result<Report, ReplayError> {
    let text = std::fs::read_to_string(path).map_err(|error| ReplayError::Io(error.to_string()))?;
    replay_text(&text, options)
}

/// Replays a recording.
///
/// # Errors
/// [`ReplayError::Foreign`], [`ReplayError::Open`].
pub fn replay(recording: &Recording, options: &Options) -> Result<Report, ReplayError> {
    replay_and_look(recording, options, |_, _, _, _| ())
}

/// Replays a recording; `look` looks at simulator and device behind every event, see [`Look`].
///
/// # Errors
/// As [`replay`].
pub fn replay_and_look(
    recording: &Recording,
    options: &Options,
    mut look: impl FnMut(&Sim, usize, &SimDevice<'_>, &[LiveVm]),
) -> Result<Report, ReplayError> {
    let sim = simulated(recording, options)?;
    let config = Config { system_memory_bytes: recording.header.system_memory, ..Config::default() };
    let played = with_device(&sim, config, recording.hwconfig(), |device| {
        engine::play(recording, &sim, device, &mut |event, device, vms| look(&sim, event, device, vms))
    });
    let (mut report, leftover) = played.map_err(ReplayError::Open)?;
    judge_leftover(recording.events.len(), &leftover, &mut report);
    Ok(report)
}

/// Commands that one relaxing of the device may execute: enough for any batch that ends, little for one that does not.
const RELAX_COMMANDS: u64 = 10_000;

/// A GPU as in the recording's header.
fn simulated(recording: &Recording, options: &Options) -> Result<Sim, ReplayError> {
    let header = &recording.header;
    let foreign = |what: String| ReplayError::Foreign(what);
    let name = || format!("platform `{}`", header.platform);
    let mut platform = Platform::by_name(&header.platform).ok_or_else(|| foreign(name()))?;
    let id = header.device.device_id;
    platform.device_id = u16::try_from(id.0).map_err(|_| foreign(format!("PCI device id {id}")))?;
    platform.revision = header.device.revision;
    let mut config = SimConfig::new(platform);
    config.execution = options.execution;
    config.memory_bytes = header.system_memory;
    config.relax_commands = RELAX_COMMANDS;
    Sim::new(&config).ok_or_else(|| foreign(name()))
}

/// A driver that broke rules of the hardware on the way, or kept memory, did not do as the recorded one.
fn judge_leftover(event: usize, leftover: &Leftover, report: &mut Report) {
    for violation in &leftover.violations {
        report.differs(event, "hardware rule", "kept", violation);
    }
    if leftover.buffers_given != leftover.buffers_returned {
        report.differs(event, "buffers after close", leftover.buffers_given, leftover.buffers_returned);
    }
}
