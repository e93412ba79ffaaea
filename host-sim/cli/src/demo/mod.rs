//! One bind, one batch, one fence, with every result checked.
//!
//! [`script`] does what a client would do, [`batch`] is what the GPU is to do, [`checks`] holds what came of it
//! against what had to come of it, [`probe`] prints what was found.

pub mod batch;
pub mod checks;
pub mod probe;
pub mod script;

pub use checks::Check;

use crate::machine::with_device;
use barexe_core::device::Config;
use barexe_sim::{Platform, Sim, SimConfig};
use std::io::{self, Write};

/// What to show.
#[derive(Clone, Copy, Debug)]
pub struct Demo {
    /// Platform name.
    pub platform: &'static str,
    /// Engines of the simulated GPU execute.
    pub execution: bool,
}

/// Events kept for the timeline; the demo makes a few hundred.
const EVENTS: usize = 10_000;

/// Runs the demo and prints it; the checks that failed.
///
/// # Errors
/// What printing met.
pub fn run(demo: &Demo, out: &mut dyn Write) -> io::Result<Vec<Check>> {
    let Some(sim) = simulated(demo) else {
        return Ok(vec![Check::failed("simulated GPU", "one", format!("none for platform {}", demo.platform))]);
    };
    let name = if demo.platform == "lnl" { "Lunar Lake" } else { "Tiger Lake" };
    writeln!(out, "barexe demo: one bind, one batch, one fence on a simulated {name}\n")?;
    let mut printed = Ok(());
    let played = with_device(&sim, Config::default(), None, |device| {
        printed = probe::print(device.info(), out);
        script::play(&sim, device, &mut |_, _, _| ())
    });
    printed?;
    let mut checks = match played {
        Ok((Ok(result), leftover)) => checks::all(&result, &leftover),
        Ok((Err(error), leftover)) => {
            let mut checks = vec![Check::failed("calls", "accepted", error.to_string())];
            checks.extend(checks::of_leftover(&leftover));
            checks
        }
        Err(error) => vec![Check::failed("open", "a device", error.to_string())],
    };
    writeln!(
        out,
        "\nTimeline, in time of the device (call, client: the demo; driver: the core; rcs, bcs...: engines)"
    )?;
    writeln!(out, "{}", sim.timeline().text())?;
    checks::print(&checks, out)?;
    checks.retain(|check| !check.passed);
    Ok(checks)
}

/// The simulated GPU that the demo runs on.
pub(crate) fn simulated(demo: &Demo) -> Option<Sim> {
    let mut config = SimConfig::new(Platform::by_name(demo.platform)?);
    config.timeline_events = EVENTS;
    config.execution = demo.execution;
    Sim::new(&config)
}
