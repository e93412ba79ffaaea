//! Batches, predicates and semaphores (commands sheet §1.2, §1.4).
#![expect(clippy::indexing_slicing, reason = "the table of commands allows each only with dwords for all its fields")]

use super::store::address;
use crate::bus::Bus;
use crate::cs::access::{PAGE, Space};
use crate::cs::context::kept::LEVELS;
use crate::cs::streamer::{Frame, Place, vector};
use crate::cs::{Flow, Stop, Streamer, decode};

/// The comparison of a semaphore or conditional end: the memory operand comes first.
const fn compare(code: u32, memory: u32, inline: u32) -> Option<bool> {
    Some(match code {
        0 => memory > inline,
        1 => memory >= inline,
        2 => memory < inline,
        3 => memory <= inline,
        4 => memory == inline,
        5 => memory != inline,
        _ => return None,
    })
}

fn compared(header: u32, memory: u32, inline: u32) -> Result<bool, Stop> {
    compare(header >> 12 & 7, memory, inline).ok_or_else(|| not_simulated(header, "this comparison"))
}

fn not_simulated(header: u32, what: &str) -> Stop {
    Stop::Instruction(format!("{header:#010x}: {what} is not simulated"))
}

impl Streamer {
    pub(in crate::cs) fn flow(&mut self, bus: &mut dyn Bus, cmd: &[u32], place: Place) -> Result<Flow, Stop> {
        match decode::mi_opcode(cmd[0]) {
            0x01 => self.set_predicate(cmd[0]),
            0x0C => self.predicate(cmd[0]),
            0x1C => self.semaphore_wait(bus, cmd, place),
            0x31 => self.batch_start(bus, cmd, place),
            0x36 => self.conditional_end(bus, cmd, place),
            _ => self.batch_end(),
        }
    }

    fn set_predicate(&mut self, header: u32) -> Result<Flow, Stop> {
        let [result, _, result_2] = self.state.predicate_results.map(|word| word & 1 != 0);
        self.state.skipping = match header & 0xF {
            0 => false,
            1 => !result_2,
            2 => result_2,
            3 => !result,
            4 => result,
            15 => true,
            _ => return Err(not_simulated(header, "this condition")),
        };
        Ok(Flow::Next)
    }

    fn predicate(&mut self, header: u32) -> Result<Flow, Stop> {
        let [first, second] = self.state.predicate_sources;
        let held = match header & 3 {
            0 => true,
            1 => false,
            2 => first == second,
            // "Deltas equal" compares the differences of earlier loads.
            _ => return Err(not_simulated(header, "the comparison of differences")),
        };
        let loaded = match header >> 6 & 3 {
            0 => return Ok(Flow::Next),
            2 => held,
            3 => !held,
            _ => return Err(not_simulated(header, "this way to load")),
        };
        let old = self.state.predicate_results[0] & 1 != 0;
        let new = match header >> 3 & 3 {
            0 => loaded,
            1 => old && loaded,
            2 => old || loaded,
            _ => old != loaded,
        };
        self.state.predicate_results[0] = u32::from(new);
        Ok(Flow::Next)
    }

    fn batch_start(&mut self, bus: &dyn Bus, cmd: &[u32], place: Place) -> Result<Flow, Stop> {
        let header = cmd[0];
        if header >> 9 & 1 != 0 {
            return Err(not_simulated(header, "an encrypted batch"));
        }
        if header >> 15 & 1 != 0 && self.state.predicate_results[0] & 1 == 0 {
            return Ok(Flow::Next);
        }
        let mut addr = address(cmd[1], cmd[2])?;
        if header >> 18 & 1 != 0 {
            let [target, ..] = self.state.gprs;
            addr = target & !3;
        }
        // Inside a client's batch the bit for the address space means nothing: it stays where it is.
        let space = match place {
            Place::Batch(Space::Ppgtt) => Space::Ppgtt,
            Place::Ring | Place::Batch(Space::Ggtt) | Place::Context if header >> 8 & 1 != 0 => Space::Ppgtt,
            Place::Ring | Place::Batch(Space::Ggtt) | Place::Context => Space::Ggtt,
        };
        let frame = Frame { addr, space };
        let calls = place == Place::Ring || header >> 22 & 1 != 0;
        if place == Place::Ring && bus.is_watched() {
            self.note_batch(addr);
        }
        let back = |top: &Frame| !calls && top.space == space && (addr..addr.saturating_add(PAGE)).contains(&top.addr);
        let goes_round = self.state.frames.last().is_some_and(back);
        self.rounds = if goes_round { self.rounds.saturating_add(1) } else { 0 };
        let depth = self.state.frames.len();
        match self.state.frames.last_mut() {
            Some(top) if !calls => *top = frame,
            _ if depth < LEVELS => self.state.frames.push(frame),
            _ => return Err(Stop::Instruction(format!("batch start at {addr:#x} is nested too deeply"))),
        }
        Ok(Flow::Jumped)
    }

    fn batch_end(&mut self) -> Result<Flow, Stop> {
        if self.state.frames.pop().is_none() {
            return Err(Stop::Instruction(String::from("there is no batch to end")));
        }
        // A predicate does not outlive the batch that set it.
        self.state.skipping = false;
        Ok(Flow::Jumped)
    }

    fn conditional_end(&mut self, bus: &mut dyn Bus, cmd: &[u32], place: Place) -> Result<Flow, Stop> {
        let header = cmd[0];
        if header >> 21 & 1 == 0 {
            return Err(not_simulated(header, "an end without comparison"));
        }
        // The operand's address is 8-byte aligned on paper; real clients give 4-byte aligned ones and mean them.
        let va = address(cmd[2], cmd[3])?;
        let Some(space) = self.data_space(bus, header >> 22 & 1 != 0, place) else { return Ok(Flow::Next) };
        let mut memory = self.read32(bus, space, va)?;
        if header >> 19 & 1 != 0 {
            memory &= self.read32(bus, space, va.wrapping_add(4))?;
        }
        if compared(header, memory, cmd[1])? { Ok(Flow::Next) } else { self.batch_end() }
    }

    fn semaphore_wait(&mut self, bus: &mut dyn Bus, cmd: &[u32], place: Place) -> Result<Flow, Stop> {
        let header = cmd[0];
        if header >> 15 & 1 == 0 || header >> 17 & 3 != 0 {
            return Err(not_simulated(header, "a semaphore that does not poll for the command's own number"));
        }
        let memory = if header >> 16 & 1 != 0 {
            self.polled_register(bus, place, cmd[2])
        } else {
            let va = address(cmd[2], cmd[3])?;
            let Some(space) = self.data_space(bus, header >> 22 & 1 != 0, place) else { return Ok(Flow::Next) };
            self.read32(bus, space, va)?
        };
        if compared(header, memory, cmd[1])? {
            return Ok(Flow::Next);
        }
        if !self.waiting {
            self.raise(bus, vector::SEMAPHORE);
        }
        Ok(Flow::Wait)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comparisons_put_memory_first() {
        let rows = [(0, 2, 1), (1, 1, 1), (2, 0, 1), (3, 1, 1), (4, 1, 1), (5, 2, 1)];
        for (code, memory, inline) in rows {
            assert_eq!(compare(code, memory, inline), Some(true), "{code}");
        }
        assert_eq!(compare(0, 1, 1), Some(false));
        assert_eq!(compare(6, 1, 1), None);
    }
}
