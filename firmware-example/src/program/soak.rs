//! Many small jobs: each stores its own number, and none may be missing.

use super::stage::{RESULTS, Stage, Wait};
use super::trouble::Trouble;
use crate::say;
use crate::say::Sink;
use barexe_core::Error;
use barexe_core::device::Ticket;
use barexe_core::gt::Engine;
use barexe_core::ring::command;
use barexe_hal::Hal;

/// Jobs on their way at once. Each has a place for its batch and one for its result.
const IN_FLIGHT: usize = 4;

/// Shares `count` jobs among the engines, with a line at the end.
///
/// # Errors
/// The first thing that went wrong.
pub fn run<H: Hal>(stage: &mut Stage<'_, '_, H>, count: u32, out: &mut dyn Sink) -> Result<(), Trouble> {
    let engines = stage.device.info().engines.clone();
    let mut left = count;
    let mut others = engines.iter().filter(|engine| !engine.reserved).count();
    for engine in engines.iter().filter(|engine| !engine.reserved) {
        // The last one takes the rest.
        let share = left.checked_div(u32::try_from(others).unwrap_or(1)).unwrap_or(left);
        run_on(stage, engine, left.wrapping_sub(share)..left)?;
        left = left.wrapping_sub(share);
        others = others.saturating_sub(1);
    }
    say!(out, "jobs: ", count, " sent, ", count.wrapping_sub(left), " done, ", left, " lost");
    Ok(())
}

/// Runs the jobs with these numbers on an engine.
fn run_on<H: Hal>(
    stage: &mut Stage<'_, '_, H>,
    engine: &Engine,
    numbers: core::ops::Range<u32>,
) -> Result<(), Trouble> {
    let queue = stage.queue(engine)?;
    let mut flying: [Option<(Ticket, u32)>; IN_FLIGHT] = [None; IN_FLIGHT];
    for (number, slot) in numbers.zip((0..IN_FLIGHT).cycle()) {
        let Some(place) = flying.get_mut(slot) else { continue };
        if let Some((ticket, earlier)) = place.take() {
            finish(stage, ticket, slot, earlier)?;
        }
        *place = Some((send(stage, queue, slot, number)?, number));
    }
    for (slot, place) in flying.iter().enumerate() {
        if let Some((ticket, number)) = *place {
            finish(stage, ticket, slot, number)?;
        }
    }
    stage.drop_queue(queue)
}

const fn offset(slot: usize) -> u64 {
    RESULTS.saturating_add(barexe_core::num::u64_of(slot).saturating_mul(8))
}

/// What job `number` stores: never what lies there already.
const fn value(number: u32) -> u64 {
    (number as u64) << 32 | !number as u64
}

fn send<H: Hal>(stage: &mut Stage<'_, '_, H>, queue: u32, slot: usize, number: u32) -> Result<Ticket, Error> {
    let store = command::store_qword(Stage::<H>::va(offset(slot))?, value(number));
    let slot = barexe_core::num::u64_of(slot);
    stage.write_batch(slot, store.into_iter())?;
    stage.exec(queue, slot, Wait::MessageIfPending)
}

fn finish<H: Hal>(stage: &mut Stage<'_, '_, H>, ticket: Ticket, slot: usize, number: u32) -> Result<(), Trouble> {
    stage.wait(ticket)?;
    stage.check_qword(offset(slot), value(number))?;
    stage.tally.jobs = stage.tally.jobs.saturating_add(1);
    Ok(())
}
