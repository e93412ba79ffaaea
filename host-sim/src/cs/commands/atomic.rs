//! `MI_ATOMIC` (commands sheet §1.4).
#![expect(clippy::indexing_slicing, reason = "the table of commands allows it only with dwords for all its fields")]

use super::store::address;
use crate::bus::Bus;
use crate::cs::streamer::Place;
use crate::cs::{Flow, Stop, Streamer};
use crate::ppgtt::Access;

/// First and second operand.
type Operands = Option<(u64, u64)>;

/// Operands that stand in the command: words of the first and of the second in turn.
const fn inline(cmd: &[u32]) -> Operands {
    match *cmd {
        [_, _, _, first, second, first_high, second_high, ..] => {
            Some((first as u64 | (first_high as u64) << 32, second as u64 | (second_high as u64) << 32))
        }
        _ => None,
    }
}

impl Streamer {
    pub(in crate::cs) fn atomic(&mut self, bus: &mut dyn Bus, cmd: &[u32], place: Place) -> Result<Flow, Stop> {
        let header = cmd[0];
        let wrong = |text: &str| Err(Stop::Instruction(format!("{header:#010x}: {text}")));
        let operation = header >> 8 & 0xFF;
        let width = if operation & 0x20 != 0 { 8 } else { 4 };
        if (header >> 18 & 1 != 0) != (cmd.len() == 11) {
            return wrong("the flag for inline operands does not fit the length");
        }
        if header >> 19 & 3 != u32::from(width == 8) {
            return wrong("the size of the data does not fit the operation");
        }
        let va = address(cmd[1], cmd[2])?;
        if !va.is_multiple_of(width as u64) {
            return wrong("the address is not a multiple of the size");
        }
        let Some(space) = self.data_space(bus, header >> 22 & 1 != 0, place) else { return Ok(Flow::Next) };
        let mut bytes = [0; 8];
        self.read(bus, space, va, &mut bytes[..width])?;
        let old = u64::from_le_bytes(bytes);
        let Some(new) = atomic_result(operation, width, old, inline(cmd)) else {
            return wrong("the operation, or where its operands are, is not simulated");
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
fn atomic_result(operation: u32, width: usize, old: u64, inline: Operands) -> Option<u64> {
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
