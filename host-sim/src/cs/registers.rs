//! The engine's register window as commands and the host see it, and the commands that move registers.
#![expect(clippy::indexing_slicing, reason = "`mi` checks the length of every command before it is looked into")]

use super::access::Space;
use super::spec::ticks;
use super::streamer::Place;
use super::{Flow, Stop, Streamer};
use crate::bus::Bus;
use crate::trace::Event;

/// Offsets in the window (commands sheet §1.9, engines sheet §4.3).
mod reg {
    pub(super) const TAIL: u32 = 0x030;
    pub(super) const HEAD: u32 = 0x034;
    pub(super) const START: u32 = 0x038;
    pub(super) const CTL: u32 = 0x03C;
    pub(super) const ACTHD_HIGH: u32 = 0x05C;
    pub(super) const IPEHR: u32 = 0x068;
    pub(super) const ACTHD: u32 = 0x074;
    pub(super) const ENGINE_ID: u32 = 0x08C;
    pub(super) const EIR: u32 = 0x0B0;
    pub(super) const ESR: u32 = 0x0B8;
    pub(super) const RESET_CTL: u32 = 0x0D0;
    pub(super) const BBADDR: u32 = 0x140;
    pub(super) const BBADDR_HIGH: u32 = 0x168;
    pub(super) const CURRENT_LRCA: u32 = 0x240;
    pub(super) const TIMESTAMP: u32 = 0x358;
    pub(super) const TIMESTAMP_HIGH: u32 = 0x35C;
    pub(super) const CTX_TIMESTAMP: u32 = 0x3A8;
    pub(super) const CTX_TIMESTAMP_HIGH: u32 = 0x3AC;
    pub(super) const PREDICATE_RESULT_2: u32 = 0x3BC;
    pub(super) const PREDICATE_SRC0: u32 = 0x400;
    pub(super) const PREDICATE_SRC1_HIGH: u32 = 0x40C;
    pub(super) const PREDICATE_RESULT: u32 = 0x418;
    pub(super) const PREDICATE_RESULT_1: u32 = 0x41C;
    pub(super) const GPR: u32 = 0x600;
    pub(super) const GPR_END: u32 = 0x680;
}

const WINDOW: u32 = 0x1000;

/// The half of a 64-bit register that a dword offset names.
const fn half(value: u64, offset: u32) -> u32 {
    if offset & 4 == 0 { value as u32 } else { (value >> 32) as u32 }
}

const fn with_half(value: u64, offset: u32, part: u32) -> u64 {
    if offset & 4 == 0 { value & !0xFFFF_FFFF | part as u64 } else { value & 0xFFFF_FFFF | (part as u64) << 32 }
}

impl Streamer {
    /// A register of the window that is more than storage.
    pub fn read_register(&self, bus: &mut dyn Bus, offset: u32) -> Option<u32> {
        let running = self.running.as_ref();
        let batch = self.state.frames.last().map(|frame| frame.addr);
        let active = batch.or_else(|| running.map(|running| u64::from(running.head))).unwrap_or(0);
        Some(match offset {
            reg::TAIL => running.map_or(0, |running| running.tail),
            reg::HEAD => running.map_or(0, |running| running.head),
            reg::START => running.map_or(0, |running| running.ring_start),
            reg::CTL => running.map_or(0, |running| (running.ring_bytes - 0x1000) | 1),
            reg::ACTHD => active as u32,
            reg::ACTHD_HIGH => (active >> 32) as u32,
            reg::BBADDR => batch.map_or(0, |batch| batch as u32 | 1),
            reg::BBADDR_HIGH => batch.map_or(0, |batch| (batch >> 32) as u32),
            reg::IPEHR => self.ipehr,
            reg::ENGINE_ID => self.class.code() as u32 | u32::from(self.instance) << 4,
            reg::EIR | reg::ESR => self.eir,
            reg::RESET_CTL => self.reset_ctl,
            reg::CURRENT_LRCA => running.map_or(0, |running| running.lrca()),
            reg::TIMESTAMP | reg::TIMESTAMP_HIGH => half(ticks(self.now_ns(bus)), offset - reg::TIMESTAMP),
            reg::CTX_TIMESTAMP | reg::CTX_TIMESTAMP_HIGH => {
                half(self.context_timestamp(bus), offset - reg::CTX_TIMESTAMP)
            }
            _ => return self.read_state(offset),
        })
    }

    /// Registers that belong to the context.
    const fn read_state(&self, offset: u32) -> Option<u32> {
        let state = &self.state;
        Some(match offset {
            reg::PREDICATE_RESULT => state.predicate_results[0],
            reg::PREDICATE_RESULT_1 => state.predicate_results[1],
            reg::PREDICATE_RESULT_2 => state.predicate_results[2],
            reg::PREDICATE_SRC0..=reg::PREDICATE_SRC1_HIGH => {
                half(state.predicate_sources[(offset >> 3 & 1) as usize], offset)
            }
            reg::GPR..reg::GPR_END => half(state.gprs[(offset >> 3 & 15) as usize], offset),
            _ => return None,
        })
    }

    /// Writes a register of the window that is more than storage; whether it was one.
    pub const fn write_register(&mut self, offset: u32, value: u32) -> bool {
        let state = &mut self.state;
        match offset {
            reg::EIR => self.eir &= !value,
            reg::RESET_CTL => self.write_reset_ctl(value),
            // In execlist mode the ring registers belong to the context.
            reg::TAIL | reg::HEAD | reg::START | reg::CTL | reg::CURRENT_LRCA => {}
            reg::PREDICATE_RESULT => state.predicate_results[0] = value,
            reg::PREDICATE_RESULT_1 => state.predicate_results[1] = value,
            reg::PREDICATE_RESULT_2 => state.predicate_results[2] = value,
            reg::PREDICATE_SRC0..=reg::PREDICATE_SRC1_HIGH => {
                let source = &mut state.predicate_sources[(offset >> 3 & 1) as usize];
                *source = with_half(*source, offset, value);
            }
            reg::GPR..reg::GPR_END => {
                let gpr = &mut state.gprs[(offset >> 3 & 15) as usize];
                *gpr = with_half(*gpr, offset, value);
            }
            reg::CTX_TIMESTAMP => {
                if let Some(running) = &mut self.running {
                    running.ticks_before = running.ticks_before & !0xFFFF_FFFF | value as u64;
                }
            }
            _ => return false,
        }
        true
    }

    /// Bit 0 asks for readiness, which comes at once (bit 1); writing bit 2 takes back a catastrophic error.
    const fn write_reset_ctl(&mut self, value: u32) {
        let (mask, bits) = (value >> 16, value & 0xFFFF);
        if mask & 1 != 0 {
            self.reset_ctl = self.reset_ctl & !3 | if bits & 1 != 0 { 3 } else { 0 };
        }
        if mask & bits & 4 != 0 {
            self.reset_ctl &= !4;
        }
    }

    /// Full offset of a register operand: relative to the engine, remapped from the render base, or absolute.
    const fn operand(&self, offset: u32, relative: bool, remap: bool) -> u32 {
        let offset = offset & 0x007F_FFFC;
        if relative || (remap && offset >> 12 == 2) { self.base + (offset & (WINDOW - 1)) } else { offset }
    }

    fn own_offset(&self, register: u32) -> Option<u32> {
        register.checked_sub(self.base).filter(|offset| *offset < WINDOW)
    }

    /// What a client's batch may write: its own context's registers.
    fn is_open_to_clients(&self, register: u32) -> bool {
        self.own_offset(register).is_some_and(|offset| {
            matches!(offset, reg::GPR..reg::GPR_END | reg::PREDICATE_SRC0..=reg::PREDICATE_RESULT_1)
                || offset == reg::PREDICATE_RESULT_2
        })
    }

    pub(super) fn load_register(&mut self, bus: &mut dyn Bus, place: Place, register: u32, value: u32) {
        if !place.is_privileged() && !self.is_open_to_clients(register) {
            // Hardware turns such a write into nothing.
            bus.trace(Event::Fault { text: format!("a client's batch writes register {register:#x}: ignored") });
            return;
        }
        if let Some(offset) = self.own_offset(register)
            && self.write_register(offset, value)
        {
            return;
        }
        bus.mmio_write(register, value);
    }

    pub(super) fn fetch_register(&mut self, bus: &mut dyn Bus, register: u32) -> u32 {
        let own = self.own_offset(register).and_then(|offset| self.read_register(bus, offset));
        own.unwrap_or_else(|| bus.mmio_read(register))
    }

    /// `MI_LOAD_REGISTER_IMM`: bit 19 relative to the engine, bit 17 remapped.
    pub(super) fn load_register_imm(&mut self, bus: &mut dyn Bus, cmd: &[u32], place: Place) -> Result<Flow, Stop> {
        let header = cmd[0];
        for pair in cmd[1..].as_chunks::<2>().0 {
            let register = self.operand(pair[0], header >> 19 & 1 != 0, header >> 17 & 1 != 0);
            self.load_register(bus, place, register, pair[1]);
        }
        Ok(Flow::Next)
    }

    /// `MI_LOAD_REGISTER_REG`: first operand is the source.
    pub(super) fn load_register_reg(&mut self, bus: &mut dyn Bus, cmd: &[u32], place: Place) -> Result<Flow, Stop> {
        let header = cmd[0];
        let source = self.operand(cmd[1], header >> 18 & 1 != 0, header >> 16 & 1 != 0);
        let target = self.operand(cmd[2], header >> 19 & 1 != 0, header >> 17 & 1 != 0);
        let value = self.fetch_register(bus, source);
        self.load_register(bus, place, target, value);
        Ok(Flow::Next)
    }

    /// `MI_LOAD_REGISTER_MEM` and `MI_STORE_REGISTER_MEM`: bit 22 goes through the GGTT.
    pub(super) fn register_mem(&mut self, bus: &mut dyn Bus, cmd: &[u32], place: Place) -> Result<Flow, Stop> {
        let header = cmd[0];
        let register = self.operand(cmd[1], header >> 19 & 1 != 0, header >> 17 & 1 != 0);
        let Some(space) = self.data_space(bus, header >> 22 & 1 != 0, place) else { return Ok(Flow::Next) };
        let va = u64::from(cmd[2]) | u64::from(cmd[3]) << 32;
        if header >> 23 == 0x29 {
            let value = self.read32(bus, space, va)?;
            self.load_register(bus, place, register, value);
        } else if header >> 21 & 1 == 0 || self.state.predicate_results[0] & 1 != 0 {
            let value = self.fetch_register(bus, register);
            self.write32(bus, space, va, value)?;
        }
        Ok(Flow::Next)
    }

    /// Address space of a command's data. None for a client's batch that asks for the global table: a privilege
    /// violation, after which the command does nothing (engines sheet §11.3).
    pub(super) fn data_space(&mut self, bus: &mut dyn Bus, ggtt: bool, place: Place) -> Option<Space> {
        if !ggtt {
            return Some(Space::Ppgtt);
        }
        if place.is_privileged() {
            return Some(Space::Ggtt);
        }
        self.eir |= 1 << 2;
        bus.trace(Event::Fault { text: String::from("a client's batch asks for the global table: ignored") });
        None
    }
}
