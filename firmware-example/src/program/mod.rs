//! What the firmware does with the GPU: every engine stores, copies and fills, every byte is looked at, and each part of
//! the run leaves a line.
//!
//! | module | holds |
//! |---|---|
//! | [`plan`] | what is asked for, as words |
//! | [`bus`] | what is done with the bare HAL |
//! | [`stage`] | what the rest works with: one client, one buffer object, waits |
//! | [`engines`] | the first run, over all engines |
//! | [`soak`], [`latency`] | many jobs; how long one takes |
//! | [`blit`] | commands of the copy engine |
//! | [`trouble`], [`reason`] | how a run may end, and errors as words |

pub mod blit;
pub mod bus;
pub mod engines;
pub mod latency;
pub mod plan;
pub mod reason;
pub mod soak;
pub mod stage;
pub mod trouble;

use crate::messages::Messages;
use crate::say;
use crate::say::Sink;
use barexe_core::device::{Config, Device};
use barexe_core::gt::DeviceInfo;
use barexe_core::{Error, Storage};
use barexe_hal::{Hal, Nanos};
use plan::Plan;
use stage::{Stage, Tally};
use trouble::Trouble;

/// Longest time a job may run. None of ours takes a hundredth of it, even in a virtual machine on a busy one.
const JOB_TIMEOUT: Nanos = Nanos::from_millis(3_000);

/// What is around the program.
pub struct Around<'o, 'a> {
    /// Where lines go.
    pub out: &'o mut dyn Sink,
    /// Where the interrupt entry leaves its mark.
    pub messages: &'a Messages,
    /// The counter that it stamps messages with.
    pub ticks: fn() -> u64,
    /// What to do.
    pub plan: Plan,
}

impl core::fmt::Debug for Around<'_, '_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Around")
    }
}

/// What is left when the program is over: all that was lent, and how it went.
#[derive(Debug)]
pub struct Finished<'a, H> {
    /// The HAL, with the device as it was found.
    pub hal: H,
    /// The storage.
    pub storage: Storage<'a>,
    /// How it went.
    pub verdict: Result<(), Trouble>,
}

/// Runs the plan: opens the device, gives work to its engines, closes it.
pub fn run<'a, H: Hal>(mut hal: H, storage: Storage<'a>, around: &mut Around<'_, 'a>) -> Finished<'a, H> {
    let before = match bus::with_decode(&mut hal, |hal| before_open(hal, around)) {
        Ok(before) => before,
        Err(trouble) => return Finished { hal, storage, verdict: Err(trouble) },
    };
    let Finished { mut hal, storage, verdict } = open_and_run(hal, storage, around);
    let after = match verdict {
        // Nothing more is to be heard from it.
        Err(Trouble::Refused(Error::DeviceGone)) => Ok(()),
        _ => bus::with_decode(&mut hal, |hal| bus::compare(hal, &before, around.out)),
    };
    Finished { hal, storage, verdict: verdict.and(after) }
}

fn before_open<H: Hal>(hal: &mut H, around: &mut Around<'_, '_>) -> Result<bus::Found, Trouble> {
    if around.plan.rules {
        bus::rules(hal, around.out)?;
    }
    Ok(bus::find(hal, around.plan.display))
}

/// The device stays where it was opened until it is closed: it is large, and a copy of it for each step would be the most
/// that the program keeps on its stack.
fn open_and_run<'a, H: Hal>(hal: H, storage: Storage<'a>, around: &mut Around<'_, 'a>) -> Finished<'a, H> {
    let config = Config {
        system_memory_bytes: 1 << 20,
        job_timeout: JOB_TIMEOUT,
        allow_unverified: around.plan.unverified,
        ..Config::default()
    };
    let mut opened = Device::open(hal, storage, config, Some(&around.messages.flag));
    let verdict = match &mut opened {
        Ok(device) => {
            say_found(device.info(), around.out);
            use_gpu(device, around)
        }
        Err(refused) => Err(Trouble::Refused(refused.error)),
    };
    let (hal, storage) = match opened {
        Ok(device) => device.close(),
        Err(refused) => (refused.hal, refused.storage),
    };
    Finished { hal, storage, verdict }
}

fn say_found(info: &DeviceInfo, out: &mut dyn Sink) {
    let engines = info.client_engines().count();
    let entries = info.ggtt_entries;
    let [major, minor] = [info.graphics.major, info.graphics.minor];
    let pad = if minor < 10 { "0" } else { "" };
    say!(
        out,
        info.platform.name,
        ": graphics ",
        major,
        ".",
        pad,
        minor,
        ", ",
        engines,
        " engines, ",
        entries,
        " GGTT entries"
    );
}

fn use_gpu<H: Hal>(device: &mut Device<'_, H>, around: &mut Around<'_, '_>) -> Result<(), Trouble> {
    let mut stage = Stage::set(device, around.messages)?;
    engines::run(&mut stage, around.out)?;
    if around.plan.measure {
        bus::measure(stage.device, around.out);
        latency::run(&mut stage, around.ticks, around.out)?;
    }
    if around.plan.jobs > 0 {
        soak::run(&mut stage, around.plan.jobs, around.out)?;
    }
    let Tally { jobs, by_message, lost, resets } = stage.tally;
    say!(around.out, "in all: ", jobs, " jobs, ", lost, " interrupts lost, ", resets, " engine resets");
    if by_message == 0 { Err(Trouble::NoMessages) } else { Ok(()) }
}
