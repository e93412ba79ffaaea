//! Executing one command after the other.

use super::access::Space;
use super::commands::transfer::Transfer;
use super::decode::{self, Family};
use super::disasm::disassemble;
use super::fetch::Fetched;
use super::streamer::{Frame, Place};
use super::table::Handling;
use super::{Flow, Stop, Streamer};
use crate::bus::Bus;
use crate::fault::Action;
use crate::trace::Event;

/// Most commands of one context batch: hardware has no limit, a test does.
const CONTEXT_BATCH_COMMANDS: u32 = 4096;

impl Streamer {
    /// Fetches and executes one command, or moves a piece of the one in progress.
    pub(super) fn step(&mut self, bus: &mut dyn Bus) -> Result<Flow, Stop> {
        if self.transfer.is_some() {
            return self.move_on(bus).map(|()| Flow::Next);
        }
        self.at_arbitration = false;
        let mut cmd = core::mem::take(&mut self.cmd);
        let flow = self.fetch_and_execute(bus, &mut cmd);
        self.cmd = cmd;
        flow
    }

    fn fetch_and_execute(&mut self, bus: &mut dyn Bus, cmd: &mut Vec<u32>) -> Result<Flow, Stop> {
        let (place, fetched) = match self.state.frames.last().copied() {
            None => match self.fetch_from_ring(bus, cmd)? {
                Some(fetched) => (Place::Ring, fetched),
                None => {
                    self.dry = true;
                    return Ok(Flow::Next);
                }
            },
            Some(Frame { addr, space }) => (Place::Batch(space), self.fetch_from_batch(bus, space, addr, cmd)?),
        };
        self.advance(cmd.len());
        // A wait that is looked at again is one command.
        let wrong = if self.waiting { None } else { bus.command_goes_wrong(self.engine(), fetched.row.name) };
        match wrong {
            None | Some(Action::AllOnes | Action::Value(_)) => {}
            Some(Action::Drop) => return Ok(Flow::Next),
            Some(Action::Delay(by)) => self.spend_ns(by.get()),
            Some(Action::Hang | Action::Gone) => {
                self.hang();
                self.rewind(fetched.at);
                return Ok(Flow::Next);
            }
        }
        let flow = self.execute(bus, cmd, place, fetched)?;
        if flow == Flow::Wait {
            self.rewind(fetched.at);
        }
        Ok(flow)
    }

    fn advance(&mut self, dwords: usize) {
        let bytes = dwords as u64 * 4;
        if let Some(frame) = self.state.frames.last_mut() {
            frame.addr = frame.addr.wrapping_add(bytes);
        } else if let Some(running) = &mut self.running {
            running.head = running.head.wrapping_add(bytes as u32) & (running.ring_bytes - 1);
        }
    }

    const fn rewind(&mut self, at: u64) {
        if let Some(frame) = self.state.frames.as_mut_slice().last_mut() {
            frame.addr = at;
        } else if let Some(running) = &mut self.running {
            running.head = at as u32;
        }
    }

    fn execute(&mut self, bus: &mut dyn Bus, cmd: &[u32], place: Place, fetched: Fetched) -> Result<Flow, Stop> {
        let header = cmd.first().copied().unwrap_or(0);
        let (began_ns, took_ns) = (self.elapsed_ns, cost_ns(header));
        self.spend_ns(took_ns);
        if header == 0 {
            return Ok(Flow::Next);
        }
        let first_look = !self.waiting;
        let done = self.carry_out(bus, cmd, place, fetched);
        // A wait that is looked at again is one command.
        if first_look && bus.tracing() {
            let took_ns = took_ns.saturating_add(self.transfer.as_ref().map_or(0, Transfer::total_ns));
            self.trace_command(bus, cmd, (place, fetched), (began_ns, took_ns));
        }
        done.map_err(|stop| stop.at(fetched.row.name, place.name(), fetched.at))
    }

    fn carry_out(&mut self, bus: &mut dyn Bus, cmd: &[u32], place: Place, fetched: Fetched) -> Result<Flow, Stop> {
        let header = cmd.first().copied().unwrap_or(0);
        if self.state.skipping && !matches!(header >> 23, 0x01 | 0x0A) {
            return Ok(Flow::Next);
        }
        match (fetched.row.handling, decode::family(header)) {
            (Handling::Executed, Some(Family::Mi)) => self.mi(bus, cmd, place),
            (Handling::Executed, Some(Family::Blit)) => self.blit(bus, cmd, place),
            (Handling::Executed, _) => self.pipe_control(bus, cmd, place),
            (Handling::Missing, _) => {
                let count = self.missing.entry(fetched.row.name).or_default();
                *count = count.saturating_add(1);
                Ok(Flow::Next)
            }
            (Handling::NoEffect | Handling::Refused, _) => Ok(Flow::Next),
        }
    }

    fn trace_command(
        &self,
        bus: &mut dyn Bus,
        cmd: &[u32],
        (place, fetched): (Place, Fetched),
        (began_ns, took_ns): (u64, u64),
    ) {
        let mut text = disassemble(self.class, cmd);
        if fetched.row.handling == Handling::Missing {
            text.push_str(" (left out: its unit is not simulated)");
        }
        let event = Event::Command { engine: self.engine(), text, from: place.name(), at: fetched.at, took_ns };
        bus.trace_at(began_ns, event);
    }

    /// Runs a batch of the context restore: `bound` is its length in bytes, or it ends itself.
    pub(super) fn run_context_batch(&mut self, bus: &mut dyn Bus, addr: u32, bound: Option<u32>) -> Result<(), Stop> {
        let mut at = u64::from(addr);
        let end = bound.map(|bytes| at + u64::from(bytes));
        let mut cmd = Vec::new();
        for _ in 0..CONTEXT_BATCH_COMMANDS {
            if end.is_some_and(|end| at >= end) {
                return Ok(());
            }
            let fetched = self.fetch_from_batch(bus, Space::Ggtt, at, &mut cmd)?;
            match cmd.first().map_or(0, |header| header >> 23) {
                0x0A => return Ok(()),
                0x31 => return Err(Stop::Instruction(format!("context batch at {at:#x} starts another batch"))),
                _ => {}
            }
            // A wait repeats the command: the registers waited for here finish by themselves.
            if self.execute(bus, &cmd, Place::Context, fetched)? != Flow::Wait {
                at += cmd.len() as u64 * 4;
            }
        }
        Err(Stop::Instruction(format!("context batch at {addr:#x} does not end")))
    }
}

/// Virtual time of a command, besides what it moves. Plausible, not measured.
const fn cost_ns(header: u32) -> u64 {
    match header >> 29 {
        0 if header == 0 => 2,
        0 => 40,
        2 => 400,
        _ => 100,
    }
}
