//! Register tables of context images: which register stands where.
//!
//! The register page is a stream of load-register commands that the hardware executes on each restore; its layout is
//! fixed per family and class. Offsets are relative to the engine base. Source: engines sheet §6.3, whose names the
//! tables carry.

/// Dwords of the longest register table, rounded up to a qword.
pub const REGISTER_DWORDS: usize = 192;

/// One load-register command of the page.
#[derive(Clone, Copy, Debug)]
pub struct RegisterGroup {
    /// Dword of its header.
    pub at: usize,
    /// Whether the command is marked as posted.
    pub force_posted: bool,
    /// Its registers, offsets from the engine base.
    pub registers: &'static [u16],
}

/// A whole table.
#[derive(Debug)]
pub struct RegisterTable {
    /// The commands, in order.
    pub groups: &'static [RegisterGroup],
    /// Dword of the end marker.
    pub end: usize,
}

impl RegisterTable {
    /// Where each register's address stands, and its offset from the engine base.
    pub fn registers(&self) -> impl Iterator<Item = (usize, u16)> {
        self.groups.iter().flat_map(|group| {
            let first = group.at.wrapping_add(1);
            group
                .registers
                .iter()
                .enumerate()
                .map(move |(n, register)| (first.wrapping_add(n.wrapping_mul(2)), *register))
        })
    }
}

impl RegisterGroup {
    /// Header of the command: length, relative to the engine base, posted or not.
    #[must_use]
    pub const fn header(&self) -> u32 {
        let length = crate::num::u32_capped(self.registers.len()).wrapping_mul(2).wrapping_sub(1);
        let posted = if self.force_posted { 1 << 12 } else { 0 };
        0x1108_0000 | posted | length & 0xFF
    }
}

const fn posted(at: usize, registers: &'static [u16]) -> RegisterGroup {
    RegisterGroup { at, force_posted: true, registers }
}

const fn unposted(at: usize, registers: &'static [u16]) -> RegisterGroup {
    RegisterGroup { at, force_posted: false, registers }
}

const GEN12_RING: RegisterGroup =
    posted(0x01, &[0x244, 0x034, 0x030, 0x038, 0x03C, 0x168, 0x140, 0x110, 0x1C0, 0x1C4, 0x1C8, 0x180, 0x2B4]);
const GEN12_CONTEXT: RegisterGroup = posted(0x21, &[0x3A8, 0x28C, 0x288, 0x284, 0x280, 0x27C, 0x278, 0x274, 0x270]);
const GEN12_POWER: RegisterGroup = posted(0x34, &[0x1B0, 0x5A8, 0x5AC]);
const GEN12_STATE: RegisterGroup = posted(
    0x51,
    &[
        0x588, 0x588, 0x588, 0x588, 0x588, 0x588, 0x028, 0x09C, 0x0C0, 0x178, 0x17C, 0x358, 0x170, 0x150, 0x154, 0x158,
        0x41C, 0x600, 0x604, 0x608, 0x60C, 0x610, 0x614, 0x618, 0x61C, 0x620, 0x624, 0x628, 0x62C, 0x630, 0x634, 0x638,
        0x63C, 0x640, 0x644, 0x648, 0x64C, 0x650, 0x654, 0x658, 0x65C, 0x660, 0x664, 0x668, 0x66C, 0x670, 0x674, 0x678,
        0x67C, 0x068, 0x084,
    ],
);
const XE2_RING: RegisterGroup = posted(
    0x01,
    &[0x244, 0x034, 0x030, 0x038, 0x03C, 0x168, 0x140, 0x110, 0x1C0, 0x1C4, 0x1C8, 0x180, 0x2B4, 0x120, 0x124],
);
const XE2_CONTEXT: RegisterGroup = posted(0x21, &[0x3A8, 0x3AC, 0x108, 0x284, 0x280, 0x27C, 0x278, 0x274, 0x270]);
const XE2_POWER: RegisterGroup = posted(0x36, &[0x5A8, 0x5AC]);
const XE2_COPY: RegisterGroup = posted(0x41, &[0x200, 0x204]);
const RENDER_POWER: RegisterGroup = unposted(0x41, &[0x0C8]);

/// T12X: all classes but render, graphics below 12.50.
pub static GEN12_OTHER: RegisterTable = RegisterTable { groups: &[GEN12_RING, GEN12_CONTEXT], end: 0x34 };
/// T12R: render, graphics below 12.50.
pub static GEN12_RENDER: RegisterTable =
    RegisterTable { groups: &[GEN12_RING, GEN12_CONTEXT, GEN12_POWER, RENDER_POWER, GEN12_STATE], end: 0xB9 };
/// T20R: render, graphics 20.
pub static XE2_RENDER: RegisterTable =
    RegisterTable { groups: &[XE2_RING, XE2_CONTEXT, XE2_POWER, RENDER_POWER], end: 0x44 };
/// T20B: copy, graphics 20.
pub static XE2_COPIER: RegisterTable = RegisterTable { groups: &[XE2_RING, XE2_CONTEXT, XE2_COPY], end: 0x46 };
/// T20X: the other classes, graphics 20.
pub static XE2_OTHER: RegisterTable = RegisterTable { groups: &[XE2_RING, XE2_CONTEXT], end: 0x34 };

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [&RegisterTable; 5] = [&GEN12_OTHER, &GEN12_RENDER, &XE2_RENDER, &XE2_COPIER, &XE2_OTHER];

    /// Engines sheet §6, Checks.
    #[test]
    fn headers_are_those_of_the_sheet() {
        assert_eq!(GEN12_RING.header(), 0x1108_1019);
        assert_eq!(XE2_RING.header(), 0x1108_101D);
        assert_eq!(GEN12_CONTEXT.header(), 0x1108_1011);
        assert_eq!(GEN12_POWER.header(), 0x1108_1005);
        assert_eq!(XE2_POWER.header(), 0x1108_1003);
        assert_eq!(RENDER_POWER.header(), 0x1108_0001);
        assert_eq!(GEN12_STATE.header(), 0x1108_1065);
    }

    #[test]
    fn groups_do_not_overlap_and_end_before_the_marker() {
        for table in ALL {
            let mut free_from = 0;
            for group in table.groups {
                assert!(group.at >= free_from, "group at {:#x}", group.at);
                free_from = group.at + 1 + 2 * group.registers.len();
            }
            assert!(free_from <= table.end && table.end < REGISTER_DWORDS);
        }
    }

    /// The tables were typed from one list; the common value slots must carry the registers they are named after.
    #[test]
    fn common_slots_hold_the_registers_of_their_names() {
        use super::super::slot;
        let register_at = |table: &RegisterTable, slot: usize| {
            let group = table.groups.iter().rev().find(|g| g.at < slot).unwrap();
            group.registers[(slot - group.at - 2) / 2]
        };
        for table in ALL {
            let at = |slot| register_at(table, slot);
            assert_eq!(at(slot::CONTEXT_CONTROL), 0x244);
            assert_eq!((at(slot::RING_HEAD), at(slot::RING_TAIL)), (0x034, 0x030));
            assert_eq!((at(slot::RING_START), at(slot::RING_CTL)), (0x038, 0x03C));
            assert_eq!((at(slot::BB_PER_CTX_PTR), at(slot::INDIRECT_CTX)), (0x1C0, 0x1C4));
            assert_eq!((at(slot::CTX_TIMESTAMP), at(slot::ASID)), (0x3A8, 0x278));
            assert_eq!((at(slot::ROOT_UPPER), at(slot::ROOT_LOWER)), (0x274, 0x270));
        }
    }
}
