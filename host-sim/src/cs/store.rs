//! MI commands that store, copy and count in memory, and the table of all MI commands.
#![expect(clippy::indexing_slicing, reason = "`mi` checks the length of every command before it is looked into")]

use super::access::Space;
use super::streamer::{Place, vector};
use super::{Flow, Stop, Streamer, decode, math};
use crate::bus::Bus;
use crate::ppgtt::Access;

/// Offset and length of the entries that `MI_UPDATE_GTT` may write.
const STATUS_PAGE: u32 = 0x080;

const fn address(low: u32, high: u32) -> u64 {
    (low & !3) as u64 | (high as u64) << 32
}

impl Streamer {
    /// Executes an MI command. The slice has the length the decoder gave, which each command checks first.
    pub(super) fn mi(&mut self, bus: &mut dyn Bus, cmd: &[u32], place: Place) -> Result<Flow, Stop> {
        let header = cmd.first().copied().unwrap_or(0);
        let opcode = decode::mi_opcode(header);
        let needs = match opcode {
            0x20 | 0x26 | 0x28 | 0x29 | 0x24 | 0x36 | 0x1C => 4,
            0x21 | 0x22 | 0x2A | 0x2F | 0x31 => 3,
            0x2E => 5,
            _ => 1,
        };
        if cmd.len() < needs {
            return Err(Stop::Instruction(format!("{header:#010x}: {} dwords are too few", cmd.len())));
        }
        match opcode {
            0x01 | 0x0C | 0x0A | 0x1C | 0x31 | 0x36 => self.flow(bus, cmd, place),
            0x02 => {
                self.raise(bus, vector::USER);
                Ok(Flow::Next)
            }
            0x05 => {
                self.at_arbitration = true;
                Ok(Flow::Next)
            }
            0x08 => {
                self.state.arbitration = header & 1 != 0;
                Ok(Flow::Next)
            }
            0x1A => {
                let shifts = self.spec.version >= 1250;
                math::run(&mut self.state.gprs, cmd.get(1..).unwrap_or_default(), shifts)?;
                Ok(Flow::Next)
            }
            0x20 => self.store_data_imm(bus, cmd, place),
            0x21 => self.store_data_index(bus, cmd),
            0x22 => self.load_register_imm(bus, cmd, place),
            0x23 => self.update_gtt(bus, cmd, place),
            0x24 | 0x29 => self.register_mem(bus, cmd, place),
            0x26 => self.flush_dw(bus, cmd, place),
            0x28 => self.report_perf_count(bus, cmd, place),
            0x2A => self.load_register_reg(bus, cmd, place),
            0x2E => self.copy_mem_mem(bus, cmd, place),
            0x2F => self.atomic(bus, cmd, place),
            // The rest orders, displays or wakes: nothing that this device has.
            _ => Ok(Flow::Next),
        }
    }

    fn store_data_imm(&mut self, bus: &mut dyn Bus, cmd: &[u32], place: Place) -> Result<Flow, Stop> {
        let Some(space) = self.data_space(bus, cmd[0] >> 22 & 1 != 0, place) else { return Ok(Flow::Next) };
        let va = address(cmd[1], cmd[2]);
        if cmd[0] >> 21 & 1 != 0 && (!va.is_multiple_of(8) || !cmd.len().is_multiple_of(2) && cmd.len() == 4) {
            return Err(Stop::Instruction(format!("MI_STORE_DATA_IMM: qword store to {va:#x} is not aligned")));
        }
        let bytes: Vec<u8> = cmd[3..].iter().flat_map(|dword| dword.to_le_bytes()).collect();
        self.write(bus, space, va, &bytes)?;
        Ok(Flow::Next)
    }

    /// Bit 21: the context's own status page; else the engine's.
    fn store_data_index(&mut self, bus: &mut dyn Bus, cmd: &[u32]) -> Result<Flow, Stop> {
        let page = if cmd[0] >> 21 & 1 != 0 { self.context_page() } else { self.status_page(bus) };
        for (index, dword) in cmd[2..].iter().enumerate() {
            let offset = u64::from(cmd[1] & 0xFFC) + index as u64 * 4;
            self.write32(bus, Space::Ggtt, page + offset, *dword)?;
        }
        Ok(Flow::Next)
    }

    /// GGTT address of the running context's status page.
    pub(super) fn context_page(&self) -> u64 {
        self.running.as_ref().map_or(0, |running| u64::from(running.lrca()))
    }

    fn status_page(&mut self, bus: &mut dyn Bus) -> u64 {
        u64::from(bus.mmio_read(self.base + STATUS_PAGE) & !0xFFF)
    }

    fn update_gtt(&mut self, bus: &mut dyn Bus, cmd: &[u32], place: Place) -> Result<Flow, Stop> {
        if cmd.len() < 2 || self.data_space(bus, true, place).is_none() {
            return Ok(Flow::Next);
        }
        let first = cmd[1] >> 12;
        for (page, entry) in (first..).zip(cmd[2..].as_chunks::<2>().0) {
            bus.set_ggtt_entry(page, u64::from(entry[0]) | u64::from(entry[1]) << 32);
        }
        Ok(Flow::Next)
    }

    /// Writes a report with its id and the time; the counters of a report are not simulated.
    fn report_perf_count(&mut self, bus: &mut dyn Bus, cmd: &[u32], place: Place) -> Result<Flow, Stop> {
        let Some(space) = self.data_space(bus, cmd[1] & 1 != 0, place) else { return Ok(Flow::Next) };
        let va = address(cmd[1] & !0x3F, cmd[2]);
        let stamp = super::spec::ticks(self.now_ns(bus)) as u32;
        self.write32(bus, space, va, cmd[3])?;
        self.write32(bus, space, va.wrapping_add(4), stamp)?;
        Ok(Flow::Next)
    }

    /// Copies one dword: destination first; bit 21 and bit 22 say which goes through the GGTT.
    fn copy_mem_mem(&mut self, bus: &mut dyn Bus, cmd: &[u32], place: Place) -> Result<Flow, Stop> {
        let target = self.data_space(bus, cmd[0] >> 21 & 1 != 0, place);
        let source = self.data_space(bus, cmd[0] >> 22 & 1 != 0, place);
        if let (Some(target), Some(source)) = (target, source) {
            let value = self.read32(bus, source, address(cmd[3], cmd[4]))?;
            self.write32(bus, target, address(cmd[1], cmd[2]), value)?;
        }
        Ok(Flow::Next)
    }

    fn atomic(&mut self, bus: &mut dyn Bus, cmd: &[u32], place: Place) -> Result<Flow, Stop> {
        let header = cmd[0];
        let Some(space) = self.data_space(bus, header >> 22 & 1 != 0, place) else { return Ok(Flow::Next) };
        let operation = header >> 8 & 0xFF;
        let width = if operation & 0x20 != 0 { 8 } else { 4 };
        let va = address(cmd[1], cmd[2]) & !(width as u64 - 1);
        let mut bytes = [0; 8];
        self.read(bus, space, va, &mut bytes[..width])?;
        let old = u64::from_le_bytes(bytes);
        let inline = (header >> 18 & 1 != 0 && cmd.len() >= 7)
            .then(|| (u64::from(cmd[3]) | u64::from(cmd[5]) << 32, u64::from(cmd[4]) | u64::from(cmd[6]) << 32));
        let Some(new) = atomic_result(operation, width, old, inline) else {
            return Err(Stop::Instruction(format!("MI_ATOMIC {header:#010x}: operation or operands are not modelled")));
        };
        self.write_as(bus, space, va, &new.to_le_bytes()[..width], Access::Atomic)?;
        if header >> 16 & 1 != 0 {
            self.state.gprs[0] = old;
        }
        Ok(Flow::Next)
    }
}

/// New value of an atomic on `width` bytes. Which registers hold the operands of the short form is not determined
/// (commands sheet §8), so only operations without operands exist there.
fn atomic_result(operation: u32, width: usize, old: u64, inline: Option<(u64, u64)>) -> Option<u64> {
    let code = operation & !0x20;
    match code {
        5 => return Some(old.wrapping_add(1)),
        6 | 0xF => return Some(old.wrapping_sub(1)),
        _ => {}
    }
    let (first, second) = inline?;
    let mask = if width == 8 { u64::MAX } else { 0xFFFF_FFFF };
    let operand = first & mask;
    let signed = |value: u64| if width == 8 { value.cast_signed() } else { i64::from(value as i32) };
    Some(match code {
        1 => old & operand,
        2 => old | operand,
        3 => old ^ operand,
        4 => operand,
        7 => old.wrapping_add(operand),
        8 => old.wrapping_sub(operand),
        9 => operand.wrapping_sub(old),
        0xA if signed(old) >= signed(operand) => old,
        0xB if signed(old) <= signed(operand) => old,
        0xA | 0xB => operand,
        0xC => old.max(operand),
        0xD => old.min(operand),
        // Compare with the first operand, write the second.
        0xE if old == operand => second & mask,
        0xE => old,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn atomics_count_compare_and_refuse() {
        assert_eq!(atomic_result(5, 4, 0x0012_3456, None), Some(0x0012_3457));
        assert_eq!(atomic_result(6, 4, 0x0012_3456, None), Some(0x0012_3455));
        assert_eq!(atomic_result(7, 4, 1, None), None, "operands of the short form are not determined");
        assert_eq!(atomic_result(0x2E, 8, 7, Some((7, 1 << 40))), Some(1 << 40));
        assert_eq!(atomic_result(0x0A, 4, 0xFFFF_FFFF, Some((1, 0))), Some(1), "signed");
        assert_eq!(atomic_result(0x0C, 4, 0xFFFF_FFFF, Some((1, 0))), Some(0xFFFF_FFFF), "unsigned");
        assert_eq!(atomic_result(0x4E, 8, 0, Some((0, 0))), None, "16 bytes");
    }
}
