//! The commands that move registers.
#![expect(clippy::indexing_slicing, reason = "the table of commands allows each only with dwords for all its fields")]

use super::store::address;
use crate::bus::Bus;
use crate::cs::access::Space;
use crate::cs::streamer::Place;
use crate::cs::window::WINDOW;
use crate::cs::{Flow, Stop, Streamer};

/// Register operands have these bits.
const REGISTER: u32 = 0x007F_FFFC;

impl Streamer {
    /// Full offset of a register operand: relative to the engine, remapped from the render base, or absolute.
    const fn operand(&self, offset: u32, relative: bool, remap: bool) -> u32 {
        let offset = offset & REGISTER;
        if relative || (remap && offset >> 12 == 2) { self.base + (offset & (WINDOW - 1)) } else { offset }
    }

    pub(in crate::cs) fn load_register(&mut self, bus: &mut dyn Bus, place: Place, register: u32, value: u32) {
        if !place.is_privileged() && !self.is_open_to_clients(bus, register, true) {
            // Hardware turns such a write into nothing.
            self.remark(bus, || format!("a client's batch writes register {register:#x}: ignored"));
            return;
        }
        if let Some(offset) = self.own_offset(register)
            && self.write_register(offset, value)
        {
            return;
        }
        bus.mmio_write(register, value);
    }

    pub(in crate::cs) fn fetch_register(&mut self, bus: &mut dyn Bus, place: Place, register: u32) -> u32 {
        if !place.is_privileged() && !self.is_open_to_clients(bus, register, false) {
            self.remark(bus, || format!("a client's batch reads register {register:#x}: gives 0"));
            return 0;
        }
        let own = self.own_offset(register).and_then(|offset| self.read_register(bus, offset));
        own.unwrap_or_else(|| bus.mmio_read(register))
    }

    /// A register that a semaphore polls.
    pub(in crate::cs) fn polled_register(&mut self, bus: &mut dyn Bus, place: Place, operand: u32) -> u32 {
        self.fetch_register(bus, place, operand & REGISTER)
    }

    /// `MI_LOAD_REGISTER_IMM`: bit 19 relative to the engine, bit 17 remapped.
    pub(in crate::cs) fn load_register_imm(
        &mut self,
        bus: &mut dyn Bus,
        cmd: &[u32],
        place: Place,
    ) -> Result<Flow, Stop> {
        let header = cmd[0];
        if header >> 8 & 0xF != 0 {
            return Err(Stop::Instruction(String::from("byte write disables are not simulated")));
        }
        for pair in cmd[1..].as_chunks::<2>().0 {
            let register = self.operand(pair[0], header >> 19 & 1 != 0, header >> 17 & 1 != 0);
            self.load_register(bus, place, register, pair[1]);
        }
        Ok(Flow::Next)
    }

    /// `MI_LOAD_REGISTER_REG`: first operand is the source.
    pub(in crate::cs) fn load_register_reg(
        &mut self,
        bus: &mut dyn Bus,
        cmd: &[u32],
        place: Place,
    ) -> Result<Flow, Stop> {
        let header = cmd[0];
        let source = self.operand(cmd[1], header >> 18 & 1 != 0, header >> 16 & 1 != 0);
        let target = self.operand(cmd[2], header >> 19 & 1 != 0, header >> 17 & 1 != 0);
        let value = self.fetch_register(bus, place, source);
        self.load_register(bus, place, target, value);
        Ok(Flow::Next)
    }

    /// `MI_LOAD_REGISTER_MEM` and `MI_STORE_REGISTER_MEM`: bit 22 goes through the GGTT.
    pub(in crate::cs) fn register_mem(&mut self, bus: &mut dyn Bus, cmd: &[u32], place: Place) -> Result<Flow, Stop> {
        let header = cmd[0];
        let register = self.operand(cmd[1], header >> 19 & 1 != 0, header >> 17 & 1 != 0);
        let va = address(cmd[2], cmd[3])?;
        let Some(space) = self.data_space(bus, header >> 22 & 1 != 0, place) else { return Ok(Flow::Next) };
        if header >> 23 == 0x29 {
            let value = self.read32(bus, space, va)?;
            self.load_register(bus, place, register, value);
        } else if header >> 21 & 1 == 0 || self.state.predicate_results[0] & 1 != 0 {
            let value = self.fetch_register(bus, place, register);
            self.write32(bus, space, va, value)?;
        }
        Ok(Flow::Next)
    }

    /// Address space of a command's data. None for a client's batch that asks for the global table: a privilege
    /// violation, after which the command does nothing (engines sheet §11.3).
    pub(in crate::cs) fn data_space(&mut self, bus: &mut dyn Bus, ggtt: bool, place: Place) -> Option<Space> {
        if !ggtt {
            return Some(Space::Ppgtt);
        }
        if place.is_privileged() {
            return Some(Space::Ggtt);
        }
        self.eir |= 1 << 2;
        self.remark(bus, || String::from("a client's batch asks for the global table: ignored"));
        None
    }
}
