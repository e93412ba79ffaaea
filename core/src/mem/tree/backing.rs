//! What lies behind a mapping, piece by piece.

use super::range::{is_aligned, round_down};
use crate::mem::format::{LeafBits, LeafLayout, Level};
use crate::mem::pages::Entries;
use crate::num::{low32, u32_capped, u64_of, usize_capped};
use barexe_hal::BusAddr;

pub(super) const PAGE_BYTES: u64 = 4096;
/// The block that a 64 KiB entry, or sixteen entries with the hint, maps.
pub(super) const GROUP_BYTES: u64 = 64 << 10;
/// What a table of level 0 covers.
pub(super) const SLOT_BYTES: u64 = 2 << 20;
const GROUP_PAGES: usize = 16;

/// One piece of the memory behind a mapping. Addresses and lengths are multiples of 4096.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Segment<'p> {
    /// Nothing, for as long as one likes: a null mapping.
    Null,
    /// Contiguous memory.
    Run {
        /// Where it begins.
        addr: BusAddr,
        /// Its length.
        bytes: u64,
    },
    /// One address for each page. Neighbours that continue each other count as one piece.
    Pages(&'p [BusAddr]),
}

/// The memory behind a mapping: its pieces in order, as often as one asks.
pub trait Backing<'p>: Iterator<Item = Segment<'p>> + Clone {}

impl<'p, T: Iterator<Item = Segment<'p>> + Clone> Backing<'p> for T {}

impl Segment<'_> {
    /// What follows the last segment.
    const END: Self = Self::Pages(&[]);

    /// Its length; of a null segment, more than any range has.
    #[must_use]
    pub const fn len_bytes(&self) -> u64 {
        match self {
            Self::Null => u64::MAX,
            Self::Run { bytes, .. } => *bytes,
            Self::Pages(pages) => u64_of(pages.len()).saturating_mul(PAGE_BYTES),
        }
    }

    /// How many leaves of `bytes` each fit from its start, at most `limit`: aligned, contiguous, whole (page-tables
    /// sheet §1.2). Not more than one of a list of pages.
    fn leaves(&self, bytes: u64, limit: u32) -> u32 {
        match self {
            Self::Null => limit,
            Self::Run { addr, bytes: left } if addr.is_aligned(bytes) => {
                low32(left.checked_div(bytes).unwrap_or(0).min(u64::from(limit)))
            }
            Self::Run { .. } => 0,
            Self::Pages(pages) => u32::from(is_block(pages, usize_capped(bytes / PAGE_BYTES))).min(limit),
        }
    }
}

/// Whether the first `count` pages are one block of memory, aligned to its size.
pub(super) fn is_block(pages: &[BusAddr], count: usize) -> bool {
    let Some((first, rest)) = pages.get(..count).and_then(<[BusAddr]>::split_first) else { return false };
    first.is_aligned(u64_of(count).wrapping_mul(PAGE_BYTES)) && continues(*first, rest)
}

fn continues(first: BusAddr, rest: &[BusAddr]) -> bool {
    (1u64..).zip(rest).all(|(n, page)| page.get() == first.get().wrapping_add(n.wrapping_mul(PAGE_BYTES)))
}

/// A position in the memory behind a mapping.
#[derive(Clone, Debug)]
pub(super) struct Cursor<'p, B> {
    here: Segment<'p>,
    rest: B,
}

impl<'p, B: Backing<'p>> Cursor<'p, B> {
    pub(super) fn new(mut rest: B) -> Self {
        Self { here: rest.next().unwrap_or(Segment::END), rest }
    }

    /// Moves on.
    #[inline]
    pub(super) fn advance(&mut self, bytes: u64) {
        let mut bytes = bytes;
        loop {
            let len = self.here.len_bytes();
            if bytes < len {
                self.here = after(self.here, bytes);
                return;
            }
            let Some(next) = self.rest.next() else {
                self.here = Segment::END;
                return;
            };
            self.here = next;
            bytes = bytes.wrapping_sub(len);
        }
    }

    /// A run of leaves of `bytes` each from here: at most `limit`, none if not one fits.
    #[inline]
    pub(super) fn leaves(
        &self,
        level: Level,
        layout: LeafLayout,
        bytes: u64,
        limit: u32,
        bits: LeafBits,
    ) -> Entries<'p, 'static> {
        let count = self.here.leaves(bytes, limit);
        match self.address() {
            None => Entries::fill(bits.of(level, layout, true), count),
            Some(addr) => Entries::Steps { first: addr.get() | bits.of(level, layout, false), step: bytes, count },
        }
    }

    /// A run of 4 KiB entries for `va` and what follows, within the next `left` bytes of one slot; and whether they
    /// carry the 64 KiB hint (page-tables sheet §1.4). No entry where the backing has ended.
    #[inline]
    pub(super) fn pages(&self, va: u64, left: u64, bits: LeafBits) -> (Entries<'p, 'static>, bool) {
        let steps = |first: u64, step, (bytes, group): (u64, bool), null| {
            let layout = if group { LeafLayout::Group64K } else { LeafLayout::Plain };
            let count = low32(bytes / PAGE_BYTES);
            (Entries::Steps { first: first | bits.of(Level::L0, layout, null), step, count }, group)
        };
        match self.here {
            Segment::Null => steps(0, 0, hinted(va, va, left), true),
            Segment::Run { addr, bytes } => {
                steps(addr.get(), PAGE_BYTES, hinted(va, addr.get(), left.min(bytes)), false)
            }
            Segment::Pages(pages) => {
                let pages = pages.get(..usize_capped(left / PAGE_BYTES)).unwrap_or(pages);
                match listed(va, pages) {
                    (count, true) => {
                        let first = self.address().map_or(0, BusAddr::get);
                        steps(first, PAGE_BYTES, (u64::from(u32_capped(count)).wrapping_mul(PAGE_BYTES), true), false)
                    }
                    (count, false) => {
                        let pages = pages.get(..count).unwrap_or(pages);
                        (Entries::Pages { pages, bits: bits.of(Level::L0, LeafLayout::Plain, false) }, false)
                    }
                }
            }
        }
    }

    /// Whether the next 2 MiB can be a compact table: 32 blocks of 64 KiB (page-tables sheet §1.4).
    pub(super) fn fits_compact(&self) -> bool {
        if let Segment::Run { addr, bytes: SLOT_BYTES.. } = self.here {
            return addr.is_aligned(GROUP_BYTES);
        }
        let mut cursor = self.clone();
        (0..SLOT_BYTES / GROUP_BYTES).all(|_| {
            let fits = cursor.here.leaves(GROUP_BYTES, 1) == 1;
            cursor.advance(GROUP_BYTES);
            fits
        })
    }

    const fn address(&self) -> Option<BusAddr> {
        match self.here {
            Segment::Null => None,
            Segment::Run { addr, .. } => Some(addr),
            Segment::Pages(pages) => pages.first().copied(),
        }
    }
}

/// What is left of a segment after `bytes`, fewer than it has.
#[inline]
fn after(segment: Segment<'_>, bytes: u64) -> Segment<'_> {
    match segment {
        Segment::Null => Segment::Null,
        Segment::Run { addr, bytes: left } => match addr.checked_add(bytes) {
            Some(addr) => Segment::Run { addr, bytes: left.wrapping_sub(bytes) },
            None => Segment::END,
        },
        Segment::Pages(pages) => Segment::Pages(pages.get(usize_capped(bytes / PAGE_BYTES)..).unwrap_or(&[])),
    }
}

/// How many of the next `bytes` form one run of equal kind, and whether they carry the hint: those up to the first
/// group, the groups, or those after the last group. Without an address, `addr` is `va`.
const fn hinted(va: u64, addr: u64, bytes: u64) -> (u64, bool) {
    if !is_aligned(va ^ addr, GROUP_BYTES) {
        return (bytes, false);
    }
    if !is_aligned(va, GROUP_BYTES) {
        let to_group = round_down(va, GROUP_BYTES).wrapping_add(GROUP_BYTES).wrapping_sub(va);
        return (if to_group < bytes { to_group } else { bytes }, false);
    }
    match round_down(bytes, GROUP_BYTES) {
        0 => (bytes, false),
        groups => (groups, true),
    }
}

/// The same for a list of pages, in pages: only heads of groups are looked at until one begins a block.
fn listed(va: u64, pages: &[BusAddr]) -> (usize, bool) {
    let in_group = usize_capped((va / PAGE_BYTES) & 15);
    let mut at = GROUP_PAGES.wrapping_sub(in_group) & 15;
    if at == 0 && is_block(pages, GROUP_PAGES) {
        return (blocks(pages), true);
    }
    while let Some(group) = pages.get(at..) {
        if is_block(group, GROUP_PAGES) {
            return (at, false);
        }
        at = at.saturating_add(GROUP_PAGES);
    }
    (pages.len(), false)
}

/// Pages of the groups at the start that continue each other. The first is known to be a group.
fn blocks(pages: &[BusAddr]) -> usize {
    let Some(first) = pages.first() else { return 0 };
    let groups = pages.chunks_exact(GROUP_PAGES);
    let heads = (0u64..).step_by(usize_capped(GROUP_BYTES));
    let continuing = groups.zip(heads).take_while(|(group, offset)| {
        let head = group.first().map_or(0, |page| page.get());
        head == first.get().wrapping_add(*offset) && is_block(group, GROUP_PAGES)
    });
    continuing.count().saturating_mul(GROUP_PAGES)
}

#[cfg(test)]
#[path = "backing_tests.rs"]
mod tests;
