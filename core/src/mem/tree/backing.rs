//! What lies behind a mapping, piece by piece.

use super::column::Column;
use super::list::{is_block, listed};
use super::range::{is_aligned, round_down};
use crate::mem::format::{LeafBits, LeafLayout, Level};
use crate::mem::pages::Entries;
use crate::num::{low32, u64_of, usize_capped};
use barexe_hal::BusAddr;

pub(super) const PAGE_BYTES: u64 = 4096;
/// The block that a 64 KiB entry, or sixteen entries with the hint, maps.
pub(super) const GROUP_BYTES: u64 = 64 << 10;
/// What a table of level 0 covers.
pub(super) const SLOT_BYTES: u64 = 2 << 20;

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
}

/// What a cursor stands in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Null,
    Run,
    Pages,
}

/// A position in the memory behind a mapping.
///
/// The segment it stands in is taken apart, so that moving on changes single words.
#[derive(Clone, Debug)]
pub(super) struct Cursor<'p, B> {
    kind: Kind,
    /// Of a run.
    addr: u64,
    /// Bytes left of the segment.
    left: u64,
    /// Pages left of a list.
    pages: &'p [BusAddr],
    rest: B,
}

impl<'p, B: Backing<'p>> Cursor<'p, B> {
    #[inline]
    pub(super) fn new(mut rest: B) -> Self {
        let first = rest.next();
        Self::after(first, rest)
    }

    /// A cursor in a segment that was taken out of the backing already.
    pub(super) fn after(first: Option<Segment<'p>>, rest: B) -> Self {
        let mut cursor = Self { kind: Kind::Pages, addr: 0, left: 0, pages: &[], rest };
        cursor.enter(first);
        if cursor.left == 0 {
            cursor.advance_past(0);
        }
        cursor
    }

    /// Steps into the next segment, and says whether there was one; past the last there are no pages.
    fn fetch(&mut self) -> bool {
        let next = self.rest.next();
        self.enter(next);
        next.is_some()
    }

    #[inline]
    fn enter(&mut self, next: Option<Segment<'p>>) {
        match next.unwrap_or(Segment::END) {
            Segment::Null => (self.kind, self.left) = (Kind::Null, u64::MAX),
            Segment::Run { addr, bytes } => (self.kind, self.addr, self.left) = (Kind::Run, addr.get(), bytes),
            Segment::Pages(pages) => {
                let bytes = u64_of(pages.len()).saturating_mul(PAGE_BYTES);
                (self.kind, self.pages, self.left) = (Kind::Pages, pages, bytes);
            }
        }
    }

    /// Moves on.
    #[inline]
    pub(super) fn advance(&mut self, bytes: u64) {
        if bytes < self.left {
            self.advance_inside(bytes);
        } else {
            self.advance_past(bytes);
        }
    }

    #[inline]
    fn advance_inside(&mut self, bytes: u64) {
        self.left = self.left.wrapping_sub(bytes);
        match self.kind {
            Kind::Null => self.left = u64::MAX,
            Kind::Run => self.addr = self.addr.wrapping_add(bytes),
            Kind::Pages => self.pages = self.pages.get(usize_capped(bytes / PAGE_BYTES)..).unwrap_or(&[]),
        }
    }

    fn advance_past(&mut self, bytes: u64) {
        let mut bytes = bytes;
        while bytes >= self.left {
            bytes = bytes.wrapping_sub(self.left);
            if !self.fetch() {
                return;
            }
        }
        self.advance_inside(bytes);
    }

    /// How many leaves of `bytes` each fit from here, at most `limit`: aligned, contiguous, whole (page-tables sheet
    /// §1.2). Not more than one of a list of pages.
    #[inline]
    fn fitting(&self, bytes: u64, limit: u32) -> u32 {
        match self.kind {
            Kind::Null => limit,
            Kind::Run if is_aligned(self.addr, bytes) => {
                low32((self.left >> bytes.trailing_zeros()).min(u64::from(limit)))
            }
            Kind::Run => 0,
            Kind::Pages => u32::from(is_block(self.pages, usize_capped(bytes / PAGE_BYTES))).min(limit),
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
        let count = self.fitting(bytes, limit);
        match self.address() {
            None => Entries::fill(bits.of(level, layout, true), count),
            Some(addr) => Entries::Steps { first: addr | bits.of(level, layout, false), step: bytes, count },
        }
    }

    /// The tables of level 0 for up to `most` whole slots from here, as far as they look alike: one run of entries each,
    /// but for [`groups`](super::list::groups) of a list of pages. None if the first slot of a list of pages could
    /// be one leaf, or compact; whether a run makes a leaf was asked before.
    pub(super) fn column(&self, most: u32, compact_tables: bool, bits: LeafBits) -> Option<Column<'p>> {
        let most = low32((self.left >> SLOT_BYTES.trailing_zeros()).min(u64::from(most)));
        let column = match self.kind {
            Kind::Null => return None,
            Kind::Run => Column::of_run(self.addr, most, compact_tables, bits),
            Kind::Pages => {
                let block = if compact_tables { GROUP_BYTES } else { SLOT_BYTES };
                if self.pages.first()?.is_aligned(block) {
                    return None;
                }
                Column::of_pages(self.pages, most, block, bits)
            }
        };
        if column.tables == 0 { None } else { Some(column) }
    }

    /// A run of 4 KiB entries for `va` and what follows, within the next `left` bytes of one slot; and whether they
    /// carry the 64 KiB hint (page-tables sheet §1.4). No entry where the backing has ended.
    #[inline]
    pub(super) fn small(&self, va: u64, left: u64, bits: LeafBits) -> (Entries<'p, 'static>, bool) {
        let steps = |first: u64, step, (bytes, group): (u64, bool), null| {
            let layout = if group { LeafLayout::Group64K } else { LeafLayout::Plain };
            let count = low32(bytes / PAGE_BYTES);
            (Entries::Steps { first: first | bits.of(Level::L0, layout, null), step, count }, group)
        };
        match self.kind {
            Kind::Null => steps(0, 0, hinted(va, va, left), true),
            Kind::Run => steps(self.addr, PAGE_BYTES, hinted(va, self.addr, left.min(self.left)), false),
            Kind::Pages => {
                let pages = self.pages.get(..usize_capped(left / PAGE_BYTES)).unwrap_or(self.pages);
                let (count, group) = listed(va, pages);
                if group {
                    let bytes = u64_of(count).wrapping_mul(PAGE_BYTES);
                    return steps(self.address().unwrap_or(0), PAGE_BYTES, (bytes, true), false);
                }
                let pages = pages.get(..count).unwrap_or(pages);
                (Entries::Pages { pages, bits: bits.of(Level::L0, LeafLayout::Plain, false) }, false)
            }
        }
    }

    /// Whether the next 2 MiB can be a compact table: 32 blocks of 64 KiB (page-tables sheet §1.4).
    pub(super) fn fits_compact(&self) -> bool {
        if self.kind == Kind::Run && self.left >= SLOT_BYTES {
            return is_aligned(self.addr, GROUP_BYTES);
        }
        let mut cursor = self.clone();
        (0..SLOT_BYTES / GROUP_BYTES).all(|_| {
            let fits = cursor.fitting(GROUP_BYTES, 1) == 1;
            cursor.advance(GROUP_BYTES);
            fits
        })
    }

    const fn address(&self) -> Option<u64> {
        match (self.kind, self.pages) {
            (Kind::Null, _) => None,
            (Kind::Run, _) => Some(self.addr),
            (Kind::Pages, [first, ..]) => Some(first.get()),
            (Kind::Pages, []) => Some(0),
        }
    }
}

/// How many of the next `bytes` form one run of equal kind, and whether they carry the hint: those up to the first
/// group, the groups, or those after the last group. Without an address, `addr` is `va`.
#[inline]
pub(super) const fn hinted(va: u64, addr: u64, bytes: u64) -> (u64, bool) {
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

#[cfg(test)]
#[path = "backing_tests.rs"]
mod tests;
