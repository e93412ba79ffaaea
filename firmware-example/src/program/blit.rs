//! Copies and fills of linear memory, as the copy engines of both families take them (commands sheet §1.7).
//!
//! Rectangles of dwords: [`ROW_BYTES`] wide, as high as it takes. Both parts take XY_FAST_COPY; Xe2 has the memory
//! commands beside it, which the Linux driver prefers there.

use barexe_core::num::{high32, low32};
use barexe_hal::GpuVa;

/// Bytes of a row.
pub const ROW_BYTES: u32 = 256;
/// 32 bits per pixel, where XY_FAST_COPY wants it.
const FAST_COPY_DEPTH: u32 = 3 << 24;
/// 32 bits per pixel, where XY_FAST_COLOR wants it, in its header.
const FAST_COLOR: u32 = 0x5110_0009;
/// The surface is in system memory.
const IN_SYSTEM_MEMORY: u32 = 1 << 31;
/// Cache policy 3, uncached for the engine, in MEM_COPY: of source and destination.
const MEM_COPY_POLICIES: u32 = 3 << 28 | 3 << 3;
/// The same in MEM_SET.
const MEM_SET_POLICY: u32 = 3 << 3;
/// Most dwords one of the commands has.
pub const MAX_DWORDS: usize = 11;

/// A command and how much of it there is.
pub type Command = heapless::Vec<u32, MAX_DWORDS>;

/// The lower right corner, exclusive, in pixels of 32 bits.
const fn corner(rows: u32) -> u32 {
    (rows << 16) | (ROW_BYTES / 4)
}

/// Copies `rows` rows. `memory_commands`: the part has MEM_COPY and MEM_SET.
#[must_use]
pub fn copy(memory_commands: bool, to: GpuVa, from: GpuVa, rows: u32) -> Command {
    let (to, from, last) = (to.get(), from.get(), ROW_BYTES.saturating_sub(1));
    let [to_low, to_high, from_low, from_high] = [low32(to), high32(to), low32(from), high32(from)];
    if memory_commands {
        let matrix = [0x5682_0008, last, rows.saturating_sub(1), last, last];
        return dwords(&[&matrix, &[from_low, from_high, to_low, to_high, MEM_COPY_POLICIES]]);
    }
    let target = [0x5080_0008, FAST_COPY_DEPTH | ROW_BYTES, 0, corner(rows), to_low, to_high];
    dwords(&[&target, &[0, ROW_BYTES, from_low, from_high]])
}

/// Fills `rows` rows with a byte.
#[must_use]
pub fn fill(memory_commands: bool, to: GpuVa, byte: u8, rows: u32) -> Command {
    let (low, high, last) = (low32(to.get()), high32(to.get()), ROW_BYTES.saturating_sub(1));
    if memory_commands {
        let value = u32::from(byte) << 24 | MEM_SET_POLICY;
        return dwords(&[&[0x56C2_0005, last, rows.saturating_sub(1), last, low, high, value]]);
    }
    let colour = u32::from_le_bytes([byte; 4]);
    dwords(&[&[FAST_COLOR, last, 0, corner(rows), low, high, IN_SYSTEM_MEMORY], &[colour, 0, 0, 0]])
}

fn dwords(parts: &[&[u32]]) -> Command {
    let mut command = Command::new();
    for part in parts {
        // None is longer than the longest.
        let _fits = command.extend_from_slice(part);
    }
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    const TO: GpuVa = match GpuVa::new(0x1_0020_0000) {
        Some(va) => va,
        None => GpuVa::ZERO,
    };
    const FROM: GpuVa = match GpuVa::new(0x1_0010_0000) {
        Some(va) => va,
        None => GpuVa::ZERO,
    };

    /// The rows of the sheet's §1.7 table, with our widths.
    #[test]
    fn commands_are_those_of_the_sheet() {
        let copy12 = [0x5080_0008, 0x0300_0100, 0, 0x0004_0040, 0x0020_0000, 1, 0, 0x100, 0x0010_0000, 1];
        assert_eq!(copy(false, TO, FROM, 4), copy12);
        let copy20 = [0x5682_0008, 0xFF, 3, 0xFF, 0xFF, 0x0010_0000, 1, 0x0020_0000, 1, 0x3000_0018];
        assert_eq!(copy(true, TO, FROM, 4), copy20);
        let fill12 = [0x5110_0009, 0xFF, 0, 0x0004_0040, 0x0020_0000, 1, 1 << 31, 0x7777_7777, 0, 0, 0];
        assert_eq!(fill(false, TO, 0x77, 4), fill12);
        assert_eq!(fill(true, TO, 0x77, 4), [0x56C2_0005, 0xFF, 3, 0xFF, 0x0020_0000, 1, 0x7700_0018]);
    }
}
