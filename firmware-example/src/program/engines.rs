//! The first run: each engine stores, and those that copy fill and copy. Every byte is looked at.

use super::blit::{self, ROW_BYTES};
use super::stage::{AREA_BYTES, RESULTS, SOURCE, Stage, TARGET, Wait};
use super::trouble::Trouble;
use crate::say;
use crate::say::{Show, Sink};
use barexe_core::Error;
use barexe_core::gt::{Engine, EngineClass};
use barexe_core::num::low8;
use barexe_core::ring::command;
use barexe_hal::Hal;

/// Bytes of the page of results.
const PAGE_BYTES: u64 = 4096;
/// What lies where nothing is to be stored.
const BACKGROUND: u8 = 0x5A;
/// What is filled in.
const FILLED: u8 = 0xC3;
/// Where in the page qwords are stored: its ends, and places between.
const STORES: [u64; 5] = [0, 8, 0x7F8, 0x800, 0xFF8];
/// Rows of the target before and behind the rectangle, which must stay as they are.
const MARGIN_ROWS: u32 = 16;
const ROWS: u32 = 224;

impl Show for EngineClass {
    fn show(&self, out: &mut dyn Sink) {
        out.text(match self {
            Self::Render => "render",
            Self::Copy => "copy",
            Self::VideoDecode => "video",
            Self::VideoEnhance => "video-enhance",
            Self::Compute => "compute",
            Self::Gsc => "gsc",
        });
    }
}

/// Runs over all engines that clients may use, with a line for each.
///
/// # Errors
/// The first thing that went wrong.
pub fn run<H: Hal>(stage: &mut Stage<'_, '_, H>, out: &mut dyn Sink) -> Result<(), Trouble> {
    let engines = stage.device.info().engines.clone();
    for engine in engines.iter().filter(|engine| !engine.reserved) {
        store(stage, engine, Wait::Message, out)?;
        store(stage, engine, Wait::Polling, out)?;
        let also = if engine.class == EngineClass::Copy {
            fill_and_copy(stage, engine, out)?;
            "; 57344 bytes filled, 57344 copied"
        } else {
            ""
        };
        say!(out, engine.class, " ", engine.logical, ": stores waited for by interrupt and by polling", also);
    }
    Ok(())
}

/// Five qwords into a page, which keeps its other bytes.
fn store<H: Hal>(stage: &mut Stage<'_, '_, H>, engine: &Engine, how: Wait, out: &mut dyn Sink) -> Result<(), Trouble> {
    stage.paint(RESULTS, PAGE_BYTES, |_| BACKGROUND)?;
    let seed = u64::from(engine.id) << 8 | u64::from(how == Wait::Polling);
    let mut batch = heapless::Vec::<u32, 25>::new();
    for place in STORES {
        let command = command::store_qword(Stage::<H>::va(RESULTS.saturating_add(place))?, value(seed, place));
        batch.extend_from_slice(&command).map_err(|_| Error::invalid("batch length", place))?;
    }
    stage.write_batch(0, batch.iter().copied())?;
    run_once(stage, engine, how, out)?;
    stage.check(RESULTS, PAGE_BYTES, |at| {
        let place = at & !7;
        if STORES.contains(&place) { byte_of(value(seed, place), at) } else { BACKGROUND }
    })
}

/// What is stored at a place: every byte another.
const fn value(seed: u64, place: u64) -> u64 {
    seed.wrapping_add(place).wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15)
}

const fn byte_of(value: u64, at: u64) -> u8 {
    low8(value.unbounded_shr(((at & 7) as u32) << 3))
}

/// A pattern without a period that copies could hide behind.
const fn pattern(at: u64) -> u8 {
    byte_of(value(0xC0, at & !7), at)
}

fn fill_and_copy<H: Hal>(stage: &mut Stage<'_, '_, H>, engine: &Engine, out: &mut dyn Sink) -> Result<(), Trouble> {
    let memory_commands = stage.device.info().graphics.major >= 20;
    let margin = u64::from(MARGIN_ROWS.saturating_mul(ROW_BYTES));
    let inside = margin..margin.saturating_add(u64::from(ROWS.saturating_mul(ROW_BYTES)));
    let to = Stage::<H>::va(TARGET.saturating_add(margin))?;
    let from = Stage::<H>::va(SOURCE.saturating_add(margin))?;

    stage.paint(SOURCE, AREA_BYTES, pattern)?;
    stage.paint(TARGET, AREA_BYTES, |_| BACKGROUND)?;
    stage.write_batch(0, blit::fill(memory_commands, to, FILLED, ROWS).iter().copied())?;
    run_once(stage, engine, Wait::Message, out)?;
    stage.check(TARGET, AREA_BYTES, |at| if inside.contains(&at) { FILLED } else { BACKGROUND })?;
    stage.write_batch(0, blit::copy(memory_commands, to, from, ROWS).iter().copied())?;
    run_once(stage, engine, Wait::Message, out)?;
    stage.check(TARGET, AREA_BYTES, |at| if inside.contains(&at) { pattern(at) } else { BACKGROUND })?;
    stage.check(SOURCE, AREA_BYTES, pattern)
}

/// Runs the batch in place 0 on a queue of its own. An engine that hung is reset, and the batch run once more.
fn run_once<H: Hal>(
    stage: &mut Stage<'_, '_, H>,
    engine: &Engine,
    how: Wait,
    out: &mut dyn Sink,
) -> Result<(), Trouble> {
    match attempt(stage, engine, how) {
        Err(Trouble::Refused(error @ Error::Engine(_))) => {
            say!(out, engine.class, " ", engine.logical, ": ", error, "; reset, and run once more");
            stage.tally.resets = stage.tally.resets.saturating_add(1);
            attempt(stage, engine, how)
        }
        other => other,
    }
}

fn attempt<H: Hal>(stage: &mut Stage<'_, '_, H>, engine: &Engine, how: Wait) -> Result<(), Trouble> {
    let queue = stage.queue(engine)?;
    let ticket = stage.exec(queue, 0, how)?;
    let ended = stage.wait(ticket);
    if ended.is_ok() {
        stage.tally.jobs = stage.tally.jobs.saturating_add(1);
    }
    // A device that is gone takes nothing back; its storage comes back when it is closed.
    let dropped = stage.drop_queue(queue);
    ended.and(dropped)
}
