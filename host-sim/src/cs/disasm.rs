//! Commands as text: what the timeline shows.

use super::decode::{self, Family};
use super::table;
use crate::spec::EngineClass;
use core::fmt::Write as _;

/// Most elements of one command that are written out.
const SHOWN: usize = 4;

/// The dwords of a command; beyond its end it reads as zero.
struct Cmd<'a>(&'a [u32]);

impl Cmd<'_> {
    fn at(&self, index: usize) -> u32 {
        self.0.get(index).copied().unwrap_or(0)
    }

    fn wide(&self, low: usize) -> u64 {
        u64::from(self.at(low)) | u64::from(self.at(low + 1)) << 32
    }

    const fn len(&self) -> usize {
        self.0.len()
    }

    fn bit(&self, bit: u32) -> bool {
        self.at(0) >> bit & 1 != 0
    }

    fn tail(&self, from: usize) -> &[u32] {
        self.0.get(from..).unwrap_or_default()
    }
}

/// One command as text: name and operands that say something.
#[must_use]
pub fn disassemble(class: EngineClass, dwords: &[u32]) -> String {
    let Some(&header) = dwords.first() else { return String::from("(nothing)") };
    let cmd = Cmd(dwords);
    let operands = match decode::family(header) {
        Some(Family::Mi) => mi(&cmd),
        Some(Family::Pipe) if header >> 16 == 0x7A00 => pipe_control(&cmd),
        Some(Family::Blit) if class == EngineClass::Copy => blit(&cmd),
        Some(Family::Blit | Family::Pipe | Family::State | Family::Barrier) => format!("({header:#010x})"),
        None => format!("{header:#010x}"),
    };
    let name = table::name(class, header);
    if operands.is_empty() { String::from(name) } else { format!("{name} {operands}") }
}

/// An address with the space it belongs to, if that is the global table.
fn place(ggtt: bool, address: u64) -> String {
    if ggtt { format!("ggtt {address:#x}") } else { format!("{address:#x}") }
}

/// The first elements of a list, and how many there are.
fn list(items: impl ExactSizeIterator<Item = String>) -> String {
    let count = items.len();
    let mut text = items.take(SHOWN).collect::<Vec<_>>().join(", ");
    if count > SHOWN {
        let _ = write!(text, ", ... ({count} in all)");
    }
    text
}

fn mi(cmd: &Cmd<'_>) -> String {
    let (header, ggtt) = (cmd.at(0), cmd.bit(22));
    match decode::mi_opcode(header) {
        0x01 | 0x0C => format!("{:#x}", header & 0xFF),
        0x05 if cmd.bit(8) => String::from(if cmd.bit(0) { "pre-parser off" } else { "pre-parser on" }),
        0x08 => String::from(if cmd.bit(0) { "on" } else { "off" }),
        0x1A => format!("{} steps", cmd.len().saturating_sub(1)),
        0x1C if cmd.bit(16) => format!("[{:#x}] {} {:#x}", cmd.at(2), comparison(header), cmd.at(1)),
        0x1C => format!("{} {} {:#x}", place(ggtt, cmd.wide(2)), comparison(header), cmd.at(1)),
        0x20 => format!("{} <- {}", place(ggtt, cmd.wide(1)), stored(cmd)),
        0x21 => format!("status page + {:#x} <- {}", cmd.at(1) & 0xFFC, dword_list(cmd.tail(2))),
        0x22 => list(pairs(cmd.tail(1)).map(|[register, value]| format!("[{register:#x}] <- {value:#x}"))),
        0x23 => format!("from page {:#x}: {}", cmd.at(1) >> 12, qword_list(cmd.tail(2))),
        0x24 => format!("{} <- [{:#x}]", place(ggtt, cmd.wide(2)), cmd.at(1)),
        0x26 => flush_dw(cmd),
        0x28 => format!("{:#x}", cmd.wide(1) & !0x3F),
        0x29 => format!("[{:#x}] <- {}", cmd.at(1), place(ggtt, cmd.wide(2))),
        0x2A => format!("[{:#x}] <- [{:#x}]", cmd.at(2), cmd.at(1)),
        0x2E => format!("{} <- {}", place(cmd.bit(21), cmd.wide(1)), place(ggtt, cmd.wide(3))),
        0x2F => format!("operation {:#x} at {}", header >> 8 & 0xFF, place(ggtt, cmd.wide(1))),
        0x31 => place(!cmd.bit(8), cmd.wide(1)),
        0x36 => format!("go on if {} {} {:#x}", place(ggtt, cmd.wide(2)), comparison(header), cmd.at(1)),
        _ => String::new(),
    }
}

/// Comparison of a semaphore or conditional end, memory first.
const fn comparison(header: u32) -> &'static str {
    match header >> 12 & 7 {
        0 => ">",
        1 => ">=",
        2 => "<",
        3 => "<=",
        4 => "==",
        5 => "!=",
        _ => "?",
    }
}

fn pairs(dwords: &[u32]) -> impl ExactSizeIterator<Item = [u32; 2]> {
    dwords.as_chunks::<2>().0.iter().copied()
}

fn dword_list(dwords: &[u32]) -> String {
    list(dwords.iter().map(|dword| format!("{dword:#x}")))
}

fn qword_list(dwords: &[u32]) -> String {
    list(pairs(dwords).map(|[low, high]| format!("{:#x}", u64::from(low) | u64::from(high) << 32)))
}

/// Data of a store: dwords or qwords, as bit 21 says.
fn stored(cmd: &Cmd<'_>) -> String {
    if cmd.bit(21) { qword_list(cmd.tail(3)) } else { dword_list(cmd.tail(3)) }
}

fn flush_dw(cmd: &Cmd<'_>) -> String {
    let mut text = String::new();
    if cmd.bit(18) {
        text.push_str("TLB invalidate");
    }
    let target = if cmd.bit(21) {
        format!("context page + {:#x}", cmd.at(1) & 0xFF8)
    } else {
        place(cmd.at(1) & 4 != 0, cmd.wide(1) & !7)
    };
    let value = match cmd.at(0) >> 14 & 3 {
        0 => return text,
        1 if cmd.len() > 4 => format!("{:#x}", cmd.wide(3)),
        1 => format!("{:#x}", cmd.at(3)),
        _ => String::from("timestamp"),
    };
    let _ = write!(text, "{}{target} <- {value}", if text.is_empty() { "" } else { ", " });
    text
}

fn pipe_control(cmd: &Cmd<'_>) -> String {
    let flags = cmd.at(1);
    let mut text = format!("flags {flags:#x}");
    if flags >> 18 & 1 != 0 {
        text.push_str(", TLB invalidate");
    }
    let target = if flags >> 21 & 1 != 0 {
        format!("context page + {:#x}", cmd.at(2) & 0xFFC)
    } else {
        place(flags >> 24 & 1 != 0, cmd.wide(2))
    };
    match flags >> 14 & 3 {
        0 => {}
        1 => drop(write!(text, ", {target} <- {:#x}", cmd.wide(4))),
        _ => drop(write!(text, ", {target} <- timestamp")),
    }
    text
}

fn blit(cmd: &Cmd<'_>) -> String {
    let corner = |first: usize| {
        let (from, to) = (cmd.at(first), cmd.at(first + 1));
        let side = |shift: u32| (to >> shift & 0xFFFF).wrapping_sub(from >> shift & 0xFFFF) & 0xFFFF;
        format!("{} x {} pixels", side(0), side(16))
    };
    match decode::blit_opcode(cmd.at(0)) {
        0x41 => format!("{:#x} <- {:#x}, {}", cmd.wide(4), cmd.wide(9), corner(2)),
        0x42 | 0x53 => format!("{:#x} <- {:#x}, {}", cmd.wide(4), cmd.wide(8), corner(2)),
        0x44 => format!("{:#x} <- colour {:#x}, {}", cmd.wide(4), cmd.wide(7), corner(2)),
        0x48 => format!("{:#x} <- {:#x}", wide_25(cmd, 3), wide_25(cmd, 1)),
        0x5A => format!("{:#x} <- {:#x}, {}", cmd.wide(7), cmd.wide(5), rows(cmd)),
        0x5B => format!("{:#x} <- {:#04x}, {}", cmd.wide(4), cmd.at(6) >> 24, rows(cmd)),
        _ => String::new(),
    }
}

/// Address whose upper dword has 25 bits; policy bits lie above.
fn wide_25(cmd: &Cmd<'_>, low: usize) -> u64 {
    cmd.wide(low) & 0x01FF_FFFF_FFFF_FFFF
}

fn rows(cmd: &Cmd<'_>) -> String {
    let unit = if cmd.bit(19) { 256 } else { 1 };
    let width = (u64::from(cmd.at(1) & 0xFF_FFFF) + 1) * unit;
    if cmd.bit(17) {
        format!("{} rows of {width} bytes", u64::from(cmd.at(2) & 0x3_FFFF) + 1)
    } else {
        format!("{width} bytes")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use EngineClass::{Copy, Other, Render, VideoDecode};

    #[test]
    fn disassembly_of_a_cut_off_command_does_not_fail() {
        for header in (0..=u32::MAX).step_by(0x0013_5711) {
            for class in [Copy, Render, VideoDecode, Other] {
                assert!(!disassemble(class, &[header]).is_empty());
            }
        }
    }

    #[test]
    fn every_value_of_a_store_is_shown() {
        let rows: [(&[u32], &str); 5] = [
            (&[0x1000_0002, 0x0010_0048, 0, 0xC0_FFEE], "MI_STORE_DATA_IMM 0x100048 <- 0xc0ffee"),
            (
                &[0x1020_0003, 0x0010_0048, 1, 0xC0_FFEE, 0x0BAD_CAFE],
                "MI_STORE_DATA_IMM 0x100100048 <- 0xbadcafe00c0ffee",
            ),
            (&[0x1040_0003, 0x48, 0, 1, 2], "MI_STORE_DATA_IMM ggtt 0x48 <- 0x1, 0x2"),
            (&[0x1000_0006, 0x48, 0, 1, 2, 3, 4, 5], "MI_STORE_DATA_IMM 0x48 <- 0x1, 0x2, 0x3, 0x4, ... (5 in all)"),
            (&[0x1300_4003, 0xFE_0004, 0, 7, 8], "MI_FLUSH_DW ggtt 0xfe0000 <- 0x800000007"),
        ];
        for (dwords, want) in rows {
            assert_eq!(disassemble(Copy, dwords), want);
        }
    }

    #[test]
    fn operands_that_say_where_and_what_are_shown() {
        let rows: [(EngineClass, &[u32], &str); 9] = [
            (Copy, &[0x1108_0003, 0x600, 1, 0x604, 2], "MI_LOAD_REGISTER_IMM [0x600] <- 0x1, [0x604] <- 0x2"),
            (Copy, &[0x1B20_5002, 4, 0x10_0048, 0], "MI_CONDITIONAL_BATCH_BUFFER_END go on if 0x100048 != 0x4"),
            (Copy, &[0x0E01_C003, 0, 0x4208, 0, 0], "MI_SEMAPHORE_WAIT [0x4208] == 0x0"),
            (Copy, &[0x1880_0001, 0x1000, 0], "MI_BATCH_BUFFER_START ggtt 0x1000"),
            (Copy, &[0x56C2_0005, 0xFFF, 3, 0xFFF, 0x20_0000, 1, 0x7700_0018], {
                "MEM_SET 0x100200000 <- 0x77, 4 rows of 4096 bytes"
            }),
            (Copy, &[0x5080_0008, 0x0300_1000, 0, 0x0004_0400, 0x1000, 0, 0, 0x1000, 0x2000, 0], {
                "XY_FAST_COPY_BLT 0x1000 <- 0x2000, 1024 x 4 pixels"
            }),
            (Render, &[0x7A00_0004, 0x0110_4080, 0xFE_0000, 0, 0xFFFF_FF81, 0], {
                "PIPE_CONTROL flags 0x1104080, ggtt 0xfe0000 <- 0xffffff81"
            }),
            (Render, &[0x784C_0000, 0], "3DSTATE (0x784c0000)"),
            (Copy, &[0x0200_0000], "MI unknown"),
        ];
        for (class, dwords, want) in rows {
            assert_eq!(disassemble(class, dwords), want);
        }
    }
}
