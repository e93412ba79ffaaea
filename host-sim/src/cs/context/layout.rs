//! Layout of the register page of context images: the simulator's own tables (engines sheet §6.3).

use crate::cs::{Stop, Streamer};
use crate::spec::{EngineClass, EngineSpec, Platform};

/// Dwords of the page that are looked at: up to the end of the longest table.
pub(in crate::cs) const DWORDS: usize = 0xC0;
pub(in crate::cs) type Image = [u32; DWORDS];

pub(in crate::cs) fn at(image: &Image, slot: usize) -> u32 {
    image.get(slot).copied().unwrap_or(0)
}

/// A load-register command of the page.
struct Group {
    header_slot: usize,
    header: u32,
    registers: &'static [u16],
}

/// What stands where.
struct Layout {
    groups: &'static [Group],
    end: usize,
}

const END_MARKER: u32 = 0x0500_0001;

const FIRST_GEN12: Group = Group {
    header_slot: 0x01,
    header: 0x1108_1019,
    registers: &[0x244, 0x034, 0x030, 0x038, 0x03C, 0x168, 0x140, 0x110, 0x1C0, 0x1C4, 0x1C8, 0x180, 0x2B4],
};
const SECOND_GEN12: Group = Group {
    header_slot: 0x21,
    header: 0x1108_1011,
    registers: &[0x3A8, 0x28C, 0x288, 0x284, 0x280, 0x27C, 0x278, 0x274, 0x270],
};
const FIRST_XE2: Group = Group {
    header_slot: 0x01,
    header: 0x1108_101D,
    registers: &[
        0x244, 0x034, 0x030, 0x038, 0x03C, 0x168, 0x140, 0x110, 0x1C0, 0x1C4, 0x1C8, 0x180, 0x2B4, 0x120, 0x124,
    ],
};
const SECOND_XE2: Group = Group {
    header_slot: 0x21,
    header: 0x1108_1011,
    registers: &[0x3A8, 0x3AC, 0x108, 0x284, 0x280, 0x27C, 0x278, 0x274, 0x270],
};
const SCHEDULING_GEN12: Group = Group { header_slot: 0x34, header: 0x1108_1005, registers: &[0x1B0, 0x5A8, 0x5AC] };
const SCHEDULING_XE2: Group = Group { header_slot: 0x36, header: 0x1108_1003, registers: &[0x5A8, 0x5AC] };
const POWER: Group = Group { header_slot: 0x41, header: 0x1108_0001, registers: &[0x0C8] };
const BLITTER: Group = Group { header_slot: 0x41, header: 0x1108_1003, registers: &[0x200, 0x204] };
const STATE_GEN12: Group = Group {
    header_slot: 0x51,
    header: 0x1108_1065,
    registers: &[
        0x588, 0x588, 0x588, 0x588, 0x588, 0x588, 0x028, 0x09C, 0x0C0, 0x178, 0x17C, 0x358, 0x170, 0x150, 0x154, 0x158,
        0x41C, 0x600, 0x604, 0x608, 0x60C, 0x610, 0x614, 0x618, 0x61C, 0x620, 0x624, 0x628, 0x62C, 0x630, 0x634, 0x638,
        0x63C, 0x640, 0x644, 0x648, 0x64C, 0x650, 0x654, 0x658, 0x65C, 0x660, 0x664, 0x668, 0x66C, 0x670, 0x674, 0x678,
        0x67C, 0x068, 0x084,
    ],
};

const OTHER_GEN12: Layout = Layout { groups: &[FIRST_GEN12, SECOND_GEN12], end: 0x34 };
const RENDER_GEN12: Layout =
    Layout { groups: &[FIRST_GEN12, SECOND_GEN12, SCHEDULING_GEN12, POWER, STATE_GEN12], end: 0xB9 };
const OTHER_XE2: Layout = Layout { groups: &[FIRST_XE2, SECOND_XE2], end: 0x34 };
const COPY_XE2: Layout = Layout { groups: &[FIRST_XE2, SECOND_XE2, BLITTER], end: 0x46 };
const RENDER_XE2: Layout = Layout { groups: &[FIRST_XE2, SECOND_XE2, SCHEDULING_XE2, POWER], end: 0x44 };

/// The page of the ring's registers, where the image keeps them apart.
const INDIRECT: Layout = Layout {
    groups: &[
        Group { header_slot: 0x01, header: 0x1108_1009, registers: &[0x034, 0x030, 0x038, 0x048, 0x03C] },
        Group {
            header_slot: 0x11,
            header: 0x1108_1011,
            registers: &[0x168, 0x140, 0x110, 0x588, 0x588, 0x588, 0x588, 0x588, 0x588],
        },
    ],
    end: 0x30,
};

const fn layout(class: EngineClass, xe2: bool) -> &'static Layout {
    match (class, xe2) {
        (EngineClass::Render, false) => &RENDER_GEN12,
        (_, false) => &OTHER_GEN12,
        (EngineClass::Render, true) => &RENDER_XE2,
        (EngineClass::Copy, true) => &COPY_XE2,
        (_, true) => &OTHER_XE2,
    }
}

fn wrong(slot: usize, found: u32, want: u32) -> Stop {
    Stop::Instruction(format!("context image: dword {slot:#x} is {found:#x}, not {want:#x}"))
}

/// Between the groups stand no-operations.
fn check_gap(image: &Image, from: usize, to: usize) -> Result<(), Stop> {
    let filled = (from..to).find(|slot| at(image, *slot) != 0);
    filled.map_or(Ok(()), |slot| Err(wrong(slot, at(image, slot), 0)))
}

impl Streamer {
    /// The commands of the page are relative to the engine: an image that was made on one instance runs on the others.
    fn is_of_my_class(&self, found: u32, register: u16) -> bool {
        let is_mine =
            |(engine, inside): (&EngineSpec, u32)| engine.class == self.class && inside == u32::from(register);
        Platform::owner(found).is_some_and(is_mine)
    }

    /// Holds the image against the fixed layout: headers, register names, nothing between the groups, end marker.
    pub(in crate::cs) fn check_layout(&self, image: &Image) -> Result<(), Stop> {
        self.check(layout(self.class, self.spec.version >= 2000), image)
    }

    /// The same for a page of ring registers.
    pub(in crate::cs) fn check_ring_page(&self, page: &Image) -> Result<(), Stop> {
        self.check(&INDIRECT, page)
    }

    fn check(&self, layout: &Layout, image: &Image) -> Result<(), Stop> {
        let mut slot = 0;
        for group in layout.groups {
            check_gap(image, slot, group.header_slot)?;
            let found = at(image, group.header_slot);
            if found != group.header {
                return Err(wrong(group.header_slot, found, group.header));
            }
            slot = group.header_slot + 1;
            for register in group.registers {
                let (found, want) = (at(image, slot), self.base + u32::from(*register));
                if found != want && !self.is_of_my_class(found, *register) {
                    return Err(wrong(slot, found, want));
                }
                slot += 2;
            }
        }
        check_gap(image, slot, layout.end)?;
        match at(image, layout.end) {
            END_MARKER => Ok(()),
            found => Err(wrong(layout.end, found, END_MARKER)),
        }
    }
}
