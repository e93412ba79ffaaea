//! MI commands that store and copy, and the way from an MI opcode to what executes it.
#![expect(clippy::indexing_slicing, reason = "the table of commands allows each only with dwords for all its fields")]

use super::math;
use crate::bus::Bus;
use crate::cs::access::Space;
use crate::cs::spec::ticks;
use crate::cs::streamer::{Place, vector};
use crate::cs::{Flow, Stop, Streamer, decode};

/// Register that names the engine's status page.
const STATUS_PAGE: u32 = 0x080;

/// A dword address out of two dwords; the bits below are flags and reserved bits that nobody sets.
pub(in crate::cs) fn address(low: u32, high: u32) -> Result<u64, Stop> {
    if low & 3 != 0 {
        return Err(Stop::Instruction(format!("address {low:#x} is not a multiple of 4")));
    }
    Ok(u64::from(low) | u64::from(high) << 32)
}

fn unaligned(what: &str, va: u64, bytes: u64) -> Result<(), Stop> {
    if va.is_multiple_of(bytes) {
        return Ok(());
    }
    Err(Stop::Instruction(format!("{what} to {va:#x}, which is not a multiple of {bytes}")))
}

/// Refuses a qword store to an address that is not one of a qword.
pub(in crate::cs) fn qword_address(va: u64) -> Result<(), Stop> {
    unaligned("qword store", va, 8)
}

impl Streamer {
    /// Executes an MI command. The slice has one of the lengths that the table of commands allows.
    pub(in crate::cs) fn mi(&mut self, bus: &mut dyn Bus, cmd: &[u32], place: Place) -> Result<Flow, Stop> {
        match decode::mi_opcode(cmd[0]) {
            0x01 | 0x0A | 0x0C | 0x1C | 0x31 | 0x36 => self.flow(bus, cmd, place),
            0x1A => {
                let shifts = self.spec.version >= 1250;
                math::run(&mut self.state.gprs, &cmd[1..], shifts).map(|()| Flow::Next)
            }
            0x20 => self.store_data_imm(bus, cmd, place),
            0x21 => self.store_data_index(bus, cmd, place),
            0x22 => self.load_register_imm(bus, cmd, place),
            0x23 => self.update_gtt(bus, cmd, place),
            0x24 | 0x29 => self.register_mem(bus, cmd, place),
            0x26 => self.flush_dw(bus, cmd, place),
            0x28 => self.report_perf_count(bus, cmd, place),
            0x2A => self.load_register_reg(bus, cmd, place),
            0x2E => self.copy_mem_mem(bus, cmd, place),
            0x2F => self.atomic(bus, cmd, place),
            _ => self.one_dword(bus, cmd[0]),
        }
    }

    /// Commands that are only a header.
    fn one_dword(&mut self, bus: &mut dyn Bus, header: u32) -> Result<Flow, Stop> {
        match decode::mi_opcode(header) {
            0x00 if header >> 22 & 1 != 0 => self.nop_id = header & 0x3F_FFFF,
            0x00 => {}
            0x02 => self.raise(bus, vector::USER),
            0x05 => self.at_arbitration = true,
            0x08 => self.state.arbitration = header & 1 != 0,
            // A row of the table says that it is executed, and nothing does.
            _ => return Err(Stop::Instruction(format!("{header:#010x} is not simulated"))),
        }
        Ok(Flow::Next)
    }

    fn store_data_imm(&mut self, bus: &mut dyn Bus, cmd: &[u32], place: Place) -> Result<Flow, Stop> {
        let va = address(cmd[1], cmd[2])?;
        let data = &cmd[3..];
        if cmd[0] >> 21 & 1 != 0 {
            qword_address(va)?;
            if !data.len().is_multiple_of(2) {
                return Err(Stop::Instruction(format!("{} dwords are no whole number of qwords", data.len())));
            }
        }
        let Some(space) = self.data_space(bus, cmd[0] >> 22 & 1 != 0, place) else { return Ok(Flow::Next) };
        if let [value] = *data {
            return self.write32(bus, space, va, value).map(|()| Flow::Next);
        }
        let bytes: Vec<u8> = data.iter().flat_map(|dword| dword.to_le_bytes()).collect();
        self.write(bus, space, va, &bytes).map(|()| Flow::Next)
    }

    /// Bit 21: the context's own status page; else the engine's, which clients do not reach.
    fn store_data_index(&mut self, bus: &mut dyn Bus, cmd: &[u32], place: Place) -> Result<Flow, Stop> {
        let own = cmd[0] >> 21 & 1 != 0;
        if !own && self.data_space(bus, true, place).is_none() {
            return Ok(Flow::Next);
        }
        let page = if own { self.context_page() } else { self.status_page(bus) };
        for (index, dword) in cmd[2..].iter().enumerate() {
            let offset = (u64::from(cmd[1] & 0xFFC) + index as u64 * 4) & 0xFFC;
            self.write32(bus, Space::Ggtt, page + offset, *dword)?;
        }
        Ok(Flow::Next)
    }

    /// GGTT address of the running context's status page.
    pub(in crate::cs) fn context_page(&self) -> u64 {
        self.running.as_ref().map_or(0, |running| u64::from(running.lrca()))
    }

    fn status_page(&mut self, bus: &mut dyn Bus) -> u64 {
        u64::from(bus.mmio_read(self.base + STATUS_PAGE) & !0xFFF)
    }

    fn update_gtt(&mut self, bus: &mut dyn Bus, cmd: &[u32], place: Place) -> Result<Flow, Stop> {
        if self.data_space(bus, true, place).is_none() {
            return Ok(Flow::Next);
        }
        let first = cmd[1] >> 12;
        for (page, entry) in (first..).zip(cmd[2..].as_chunks::<2>().0) {
            if !bus.set_ggtt_entry(page, u64::from(entry[0]) | u64::from(entry[1]) << 32) {
                return Err(Stop::Instruction(format!("GGTT page {page:#x} lies beyond the table")));
            }
        }
        Ok(Flow::Next)
    }

    /// Writes a report with its id and the time; the counters of a report are not simulated.
    fn report_perf_count(&mut self, bus: &mut dyn Bus, cmd: &[u32], place: Place) -> Result<Flow, Stop> {
        let Some(space) = self.data_space(bus, cmd[1] & 1 != 0, place) else { return Ok(Flow::Next) };
        let va = u64::from(cmd[1] & !0x3F) | u64::from(cmd[2]) << 32;
        let stamp = ticks(self.now_ns(bus)) as u32;
        self.write32(bus, space, va, cmd[3])?;
        self.write32(bus, space, va.wrapping_add(4), stamp)?;
        Ok(Flow::Next)
    }

    /// Copies one dword: destination first; bit 21 and bit 22 say which goes through the GGTT.
    fn copy_mem_mem(&mut self, bus: &mut dyn Bus, cmd: &[u32], place: Place) -> Result<Flow, Stop> {
        let (to, from) = (address(cmd[1], cmd[2])?, address(cmd[3], cmd[4])?);
        let target = self.data_space(bus, cmd[0] >> 21 & 1 != 0, place);
        let source = self.data_space(bus, cmd[0] >> 22 & 1 != 0, place);
        if let (Some(target), Some(source)) = (target, source) {
            let value = self.read32(bus, source, from)?;
            self.write32(bus, target, to, value)?;
        }
        Ok(Flow::Next)
    }
}
