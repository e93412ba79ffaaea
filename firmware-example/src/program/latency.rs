//! How long it takes from a call to the interrupt handler.

use super::stage::{RESULTS, Stage, Wait};
use super::trouble::Trouble;
use crate::say;
use crate::say::Sink;
use barexe_core::gt::Engine;
use barexe_core::ring::command;
use barexe_hal::{Hal, Nanos};

/// Jobs that are timed.
const JOBS: u32 = 200;

/// Ticks of a counter that the interrupt handler can read, as time: the counter is held beside the HAL's clock.
struct Scale {
    ticks: u64,
    at: Nanos,
}

impl Scale {
    fn nanos(&self, span: u64, ticks: u64, now: Nanos) -> Option<Nanos> {
        let (passed, took) = (ticks.checked_sub(self.ticks)?, now.saturating_sub(self.at).get());
        // Of a second at most, in a run of minutes at most: no product overflows 128 bits.
        let nanos = u128::from(span).checked_mul(u128::from(took))?.checked_div(u128::from(passed))?;
        u64::try_from(nanos).ok().map(Nanos::new)
    }
}

/// Times jobs one by one, with a line. `ticks` is the counter that messages are stamped with.
///
/// # Errors
/// The first thing that went wrong.
pub fn run<H: Hal>(stage: &mut Stage<'_, '_, H>, ticks: fn() -> u64, out: &mut dyn Sink) -> Result<(), Trouble> {
    let engines = stage.device.info().engines.clone();
    let Some(engine) = engines.iter().find(|engine| !engine.reserved) else { return Ok(()) };
    let scale = Scale { ticks: ticks(), at: stage.device.now() };
    let spans = time_jobs(stage, engine, ticks)?;
    let (end, now) = (ticks(), stage.device.now());
    let [least, mean, most] = spans.map(|span| scale.nanos(span, end, now).unwrap_or(Nanos::ZERO));
    say!(out, "from exec to interrupt handler: least ", least, ", mean ", mean, ", most ", most);
    Ok(())
}

/// Least, mean and most ticks.
fn time_jobs<H: Hal>(stage: &mut Stage<'_, '_, H>, engine: &Engine, ticks: fn() -> u64) -> Result<[u64; 3], Trouble> {
    let queue = stage.queue(engine)?;
    let store = command::store_qword(Stage::<H>::va(RESULTS)?, 0);
    stage.write_batch(0, store.into_iter())?;
    let (mut least, mut sum, mut most, mut timed) = (u64::MAX, 0u64, 0u64, 0u64);
    for _ in 0..JOBS {
        stage.messages.forget_first();
        let began = ticks();
        let ticket = stage.exec(queue, 0, Wait::Message)?;
        stage.wait(ticket)?;
        stage.tally.jobs = stage.tally.jobs.saturating_add(1);
        if let Some(span) = stage.messages.first().and_then(|came| came.checked_sub(began)) {
            (least, sum, most) = (least.min(span), sum.saturating_add(span), most.max(span));
            timed = timed.saturating_add(1);
        }
    }
    stage.drop_queue(queue)?;
    Ok([least.min(most), sum.checked_div(timed).unwrap_or(0), most])
}
