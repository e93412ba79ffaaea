//! Batches, predicates and semaphores (commands sheet §1.2, §1.4).
#![expect(clippy::indexing_slicing, reason = "`mi` checks the length of every command before it is looked into")]

use super::access::Space;
use super::streamer::{Frame, Place, vector};
use super::{Flow, Stop, Streamer, decode};
use crate::bus::Bus;

/// Deepest nesting: a batch and a second-level batch.
const LEVELS: usize = 2;

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
    let unknown = || Stop::Instruction(format!("{header:#010x}: no such comparison"));
    compare(header >> 12 & 7, memory, inline).ok_or_else(unknown)
}

impl Streamer {
    pub(super) fn flow(&mut self, bus: &mut dyn Bus, cmd: &[u32], place: Place) -> Result<Flow, Stop> {
        match decode::mi_opcode(cmd[0]) {
            0x01 => Ok(self.set_predicate(cmd[0])),
            0x0C => Ok(self.predicate(cmd[0])),
            0x1C => self.semaphore_wait(bus, cmd, place),
            0x31 => self.batch_start(cmd, place),
            0x36 => self.conditional_end(bus, cmd, place),
            _ => Ok(self.batch_end()),
        }
    }

    const fn set_predicate(&mut self, header: u32) -> Flow {
        let [result, _, result_2] = self.state.predicate_results;
        self.state.skipping = match header & 0xF {
            1 => result_2 & 1 == 0,
            2 => result_2 & 1 != 0,
            3 => result & 1 == 0,
            4 => result & 1 != 0,
            15 => true,
            _ => false,
        };
        Flow::Next
    }

    const fn predicate(&mut self, header: u32) -> Flow {
        let [first, second] = self.state.predicate_sources;
        let held = match header & 3 {
            0 => true,
            1 => false,
            // "Deltas equal" compares the differences of earlier loads, which nothing uses; it is taken as equality.
            _ => first == second,
        };
        let loaded = match header >> 6 & 3 {
            2 => held,
            3 => !held,
            _ => return Flow::Next,
        };
        let old = self.state.predicate_results[0] & 1 != 0;
        let new = match header >> 3 & 3 {
            0 => loaded,
            1 => old && loaded,
            2 => old || loaded,
            _ => old != loaded,
        };
        self.state.predicate_results[0] = new as u32;
        Flow::Next
    }

    fn batch_start(&mut self, cmd: &[u32], place: Place) -> Result<Flow, Stop> {
        let header = cmd[0];
        if header >> 15 & 1 != 0 && self.state.predicate_results[0] & 1 == 0 {
            return Ok(Flow::Next);
        }
        let mut addr = u64::from(cmd[1] & !3) | u64::from(cmd[2]) << 32;
        if header >> 18 & 1 != 0 {
            addr = self.state.gprs[0] & !3;
        }
        // Inside a client's batch the bit for the address space means nothing: it stays where it is.
        let space = match place {
            Place::Batch(Space::Ppgtt) => Space::Ppgtt,
            Place::Ring | Place::Batch(Space::Ggtt) | Place::Context if header >> 8 & 1 != 0 => Space::Ppgtt,
            Place::Ring | Place::Batch(Space::Ggtt) | Place::Context => Space::Ggtt,
        };
        let frame = Frame { addr, space };
        let calls = place == Place::Ring || header >> 22 & 1 != 0;
        let depth = self.state.frames.len();
        match self.state.frames.last_mut() {
            Some(top) if !calls => *top = frame,
            _ if depth < LEVELS => self.state.frames.push(frame),
            _ => return Err(Stop::Instruction(format!("batch start at {addr:#x} is nested too deeply"))),
        }
        Ok(Flow::Jumped)
    }

    /// At ring level the command means nothing.
    fn batch_end(&mut self) -> Flow {
        self.state.frames.pop();
        // A predicate does not outlive the batch that set it.
        self.state.skipping = false;
        Flow::Jumped
    }

    fn conditional_end(&mut self, bus: &mut dyn Bus, cmd: &[u32], place: Place) -> Result<Flow, Stop> {
        let header = cmd[0];
        let Some(space) = self.data_space(bus, header >> 22 & 1 != 0, place) else { return Ok(Flow::Next) };
        let va = u64::from(cmd[2] & !7) | u64::from(cmd[3]) << 32;
        // The operand's address is 8-byte aligned on paper; real clients give 4-byte aligned ones and mean them.
        let va = va | u64::from(cmd[2] & 4);
        let mut memory = self.read32(bus, space, va)?;
        if header >> 19 & 1 != 0 {
            memory &= self.read32(bus, space, va.wrapping_add(4))?;
        }
        Ok(if compared(header, memory, cmd[1])? { Flow::Next } else { self.batch_end() })
    }

    fn semaphore_wait(&mut self, bus: &mut dyn Bus, cmd: &[u32], place: Place) -> Result<Flow, Stop> {
        let header = cmd[0];
        let memory = if header >> 16 & 1 != 0 {
            self.fetch_register(bus, cmd[2] & 0x007F_FFFC)
        } else {
            let Some(space) = self.data_space(bus, header >> 22 & 1 != 0, place) else { return Ok(Flow::Next) };
            self.read32(bus, space, u64::from(cmd[2]) | u64::from(cmd[3]) << 32)?
        };
        if compared(header, memory, cmd[1])? {
            return Ok(Flow::Next);
        }
        if !self.is_waiting() {
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
