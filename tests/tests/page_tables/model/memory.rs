//! Random ranges and memory.

use super::super::range;
use barexe_core::mem::tree::{Segment, VaRange};
use barexe_hal::BusAddr;
use barexe_tests::random::Random;

const PAGE: u64 = 4096;
const MIB_2: u64 = 2 << 20;
const GIB: u64 = 1 << 30;

/// Places where tables of different levels meet.
const ZONES: [u64; 4] = [0, GIB - 8 * MIB_2, 512 * GIB - 8 * MIB_2, 5 * GIB];

/// A range near one of the zones: a few pages, some slots, or whole GiB.
pub(in super::super) fn random_range(random: &mut Random) -> VaRange {
    let zone = ZONES[random.below(4) as usize];
    let pages = |random: &mut Random, limit: u64| (1 + random.below(limit)) * PAGE;
    match random.below(8) {
        0 => {
            let start = 5 * GIB + random.below(4) * GIB;
            range(start, start + GIB * (1 + random.below(2)))
        }
        1 | 2 => {
            let start = zone + random.below(14) * MIB_2;
            range(start, start + MIB_2 * (1 + random.below(4)))
        }
        3 => {
            let start = zone + pages(random, 0x1800) - PAGE;
            range(start, start + pages(random, 0x1000))
        }
        _ => {
            let start = zone + pages(random, 0x1800) - PAGE;
            range(start, start + pages(random, 96))
        }
    }
}

/// The memory of a mapping.
#[derive(Clone, Debug)]
pub(super) enum Memory {
    Null,
    /// With the offset of each.
    Runs(Vec<(u64, Segment<'static>)>),
    Pages(Vec<BusAddr>),
}

/// Runs one after another.
fn runs(segments: impl IntoIterator<Item = (u64, u64)>) -> Memory {
    let mut offset = 0;
    let placed = segments.into_iter().map(|(addr, bytes)| {
        let start = offset;
        offset += bytes;
        (start, Segment::Run { addr: bus(addr), bytes })
    });
    Memory::Runs(placed.collect())
}

const fn bus(addr: u64) -> BusAddr {
    BusAddr::new(addr).unwrap()
}

const fn address(random: &mut Random, align: u64) -> u64 {
    (1 + random.below(((1 << 38) - 1) / align)) * align
}

/// Memory for a range, of any shape; whole GiB get memory of large pieces only.
pub(super) fn random_memory(random: &mut Random, span: VaRange) -> Memory {
    let bytes = span.len_bytes();
    if bytes >= GIB {
        let align = if random.one_in(2) { GIB } else { MIB_2 };
        let addr = address(random, align);
        return if random.one_in(3) { Memory::Null } else { runs([(addr, bytes)]) };
    }
    match random.below(8) {
        0 => Memory::Null,
        // Aligned as the addresses are, or askew.
        1 | 2 => {
            let addr = address(random, MIB_2) + span.start % MIB_2;
            runs([(addr, bytes)])
        }
        3 => runs([(address(random, PAGE), bytes)]),
        4 => runs(pieces(random, bytes, 64 << 10, 1)),
        5 => runs(pieces(random, bytes, PAGE, 600)),
        _ => Memory::Pages(random_pages(random, bytes)),
    }
}

/// Pieces of random length, `unit` times 1 to `most`.
fn pieces(random: &mut Random, bytes: u64, unit: u64, most: u64) -> Vec<(u64, u64)> {
    let mut left = bytes;
    let mut pieces = Vec::new();
    while left > 0 {
        let bytes = (unit * (1 + random.below(most))).min(left);
        pieces.push((address(random, unit), bytes));
        left -= bytes;
    }
    pieces
}

/// A list of pages in stretches that continue, some of them aligned.
pub(in super::super) fn random_pages(random: &mut Random, bytes: u64) -> Vec<BusAddr> {
    let mut pages = Vec::new();
    while (pages.len() as u64) < bytes / PAGE {
        let align = [PAGE, 64 << 10, MIB_2][random.below(3) as usize];
        let start = address(random, align);
        let count = [1, 16, 48, 512][random.below(4) as usize];
        pages.extend((0..count).map(|n| bus(start + n * PAGE)));
    }
    pages.truncate((bytes / PAGE) as usize);
    pages
}

impl Memory {
    /// The address behind a byte, none for null mappings.
    pub(super) fn at(&self, offset: u64) -> Option<u64> {
        match self {
            Self::Null => None,
            Self::Pages(pages) => Some(pages[(offset / PAGE) as usize].get() + offset % PAGE),
            Self::Runs(runs) => {
                let at = runs.partition_point(|(start, _)| *start <= offset) - 1;
                match runs[at] {
                    (start, Segment::Run { addr, bytes }) if offset - start < bytes => {
                        Some(addr.get() + offset - start)
                    }
                    other => panic!("offset {offset:#x} in {other:x?}"),
                }
            }
        }
    }

    /// The memory from `offset` on, `bytes` long.
    pub(super) fn part(&self, offset: u64, bytes: u64) -> Self {
        match self {
            Self::Null => Self::Null,
            Self::Pages(pages) => {
                Self::Pages(pages[(offset / PAGE) as usize..((offset + bytes) / PAGE) as usize].to_vec())
            }
            Self::Runs(all) => {
                let cut = |(start, segment): &(u64, Segment<'_>)| {
                    let Segment::Run { addr, bytes: len } = segment else { return None };
                    let (from, to) = (offset.max(*start), (offset + bytes).min(start + len));
                    (from < to).then(|| (addr.get() + from - start, to - from))
                };
                runs(all.iter().filter_map(cut))
            }
        }
    }

    /// Its segments.
    pub(super) fn segments(&self) -> Vec<Segment<'_>> {
        match self {
            Self::Null => vec![Segment::Null],
            Self::Runs(runs) => runs.iter().map(|(_, segment)| *segment).collect(),
            Self::Pages(pages) => vec![Segment::Pages(pages)],
        }
    }
}
