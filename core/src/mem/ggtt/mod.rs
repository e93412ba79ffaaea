//! The global GTT: on each tile one table of 4 KiB pages for everything the hardware itself addresses (page-tables
//! sheet §4).
//!
//! Present entries found at set-up are the firmware's (a boot display, say) and stay as they are. Holes get the
//! scratch page, so that a stray access reads zeros instead of somebody's memory. What the driver wrote it takes back
//! at close.
//!
//! The ranges in use of a tile form one list, ordered by address, through nodes in lent storage; holes are what lies between.

mod nodes;

use crate::gt::{DeviceInfo, GtFormat, MAX_TILES, Registers};
use crate::mem::format::{GgttCaching, PtFormat};
use crate::num::{low8, u64_of};
use crate::shares::{Ledger, Owner};
use crate::{Capacity, Error, Handle, Pool, Slot};
use barexe_hal::{BusAddr, DmaBuffer, DmaCaching, DmaMemory, DmaOwner, DmaRequest, GgttAddr, Mmio, RegOffset};
use core::num::NonZeroU32;
use core::ops::Range;
use nodes::{User, find_firmware_of_all, insert_after};

pub use nodes::GgttNode;

/// Bytes of a GGTT page.
pub const PAGE_BYTES: u64 = 4096;
/// End of what the GuC can reach: nothing is placed at or above (engines sheet §1.3).
const TOP: u32 = 0xFEE0_0000;
/// A limit on entry writes under way (22019338487).
#[derive(Clone, Copy, Debug)]
pub struct WriteFence {
    /// Most entries between two fences.
    pub entries: NonZeroU32,
    /// The register whose write is the fence.
    pub register: RegOffset,
}

/// How a family's GGTT is written; what its entries look like is [`PtFormat`]'s business.
#[derive(Debug)]
pub struct GgttRegisters {
    /// The table's size is in the graphics control word (graphics before 12.50).
    pub sized_by_ggc: bool,
    /// Limit on writes under way, where there is one.
    pub write_fence: Option<WriteFence>,
    /// Writes that invalidate the GGTT's TLB, on each GT (page-tables sheet §8.4).
    pub invalidate: &'static [(RegOffset, u32)],
}

/// A range of the GGTT that belongs to its holder. Give it back with [`Ggtt::free`].
#[derive(Debug, PartialEq, Eq)]
#[must_use = "a range that is dropped stays taken until the GGTT is closed"]
pub struct GgttRange {
    node: Handle<GgttNode>,
    addr: GgttAddr,
    pages: u32,
    tile: u8,
}

impl GgttRange {
    /// Address of the first byte.
    #[must_use]
    pub const fn addr(&self) -> GgttAddr {
        self.addr
    }

    /// Length in pages of 4 KiB.
    #[must_use]
    pub const fn pages(&self) -> u32 {
        self.pages
    }
}

/// A hole: first page, end page.
type Hole = (u32, u32);

/// The global GTT of a device: a table for each tile, which the GTs of the tile share.
#[derive(Debug)]
pub struct Ggtt<'a> {
    nodes: Pool<'a, GgttNode>,
    /// The first range in use of each tile.
    heads: heapless::Vec<Option<Handle<GgttNode>>, MAX_TILES>,
    /// Usable pages: first, end.
    window: Hole,
    scratch: DmaBuffer,
    scratch_entry: u64,
    format: &'static GtFormat,
    entries: &'static PtFormat,
    gt_count: u8,
    dma_last: BusAddr,
}

/// The pages that may be used: above the WOPCM, below the table's end and the GuC's reach.
#[must_use]
pub fn window(wopcm_bytes: u32, entries: u32) -> (u32, u32) {
    (wopcm_bytes >> 12, entries.min(TOP >> 12))
}

impl<'a> Ggtt<'a> {
    /// Takes the GGTT over: learns the firmware's ranges, fills the holes with the scratch page.
    ///
    /// # Errors
    /// [`Error::DeviceGone`] on an all-ones entry, [`Error::Exhausted`] with [`Capacity::GgttNodes`] if the
    /// firmware's ranges outnumber the slots, [`Error::Hal`] if there is no scratch page. Nothing is written then, and
    /// the slots come back.
    pub fn set_up<H: Mmio + DmaMemory>(
        hal: &mut H,
        info: &DeviceInfo,
        slots: &'a mut [Slot<GgttNode>],
    ) -> Result<Self, (Error, &'a mut [Slot<GgttNode>])> {
        let (format, entries) = (info.format(), &info.family().pt);
        let window = window(info.platform.wopcm_bytes, info.ggtt_entries);
        let mut nodes = Pool::new(slots);
        let found = find_firmware_of_all(&mut Registers::new(hal, format), info.tile_count(), window, &mut nodes);
        let found = found.and_then(|heads| Ok((heads, hal.alloc(scratch_request(info.dma_last))?)));
        let (heads, scratch) = match found {
            Ok(found) => found,
            Err(error) => return Err((error, nodes.into_slots())),
        };
        let scratch_entry = entries.ggtt_entry(scratch.bus(), GgttCaching::Cached);
        let (gt_count, dma_last) = (info.gt_count, info.dma_last);
        let ggtt = Self { nodes, heads, window, scratch, scratch_entry, format, entries, gt_count, dma_last };
        ggtt.clear(hal);
        Ok(ggtt)
    }

    /// Undoes [`set_up`](Self::set_up): clears every entry that is not the firmware's, frees the scratch page and gives
    /// the storage back. Ranges still held lose their meaning. Never fails.
    pub fn close<H: Mmio + DmaMemory>(self, hal: &mut H) -> &'a mut [Slot<GgttNode>] {
        self.fill(hal, 0);
        hal.free(self.scratch);
        self.nodes.into_slots()
    }

    /// Fills everything that is not the firmware's with the scratch page, on a device whose table was lost. Holders
    /// of ranges then [`map`](Self::map) theirs again; what the firmware had is for the firmware to bring back.
    pub fn clear<H: Mmio>(&self, hal: &mut H) {
        self.fill(hal, self.scratch_entry);
    }

    /// Gives every entry that is not the firmware's this value.
    fn fill<H: Mmio>(&self, hal: &mut H, entry: u64) {
        for tile in self.tiles() {
            let mut regs = Registers::on_tile(hal, self.format, tile);
            let (mut cursor, last) = self.window;
            for (first, end) in self.firmware_ranges(tile).chain([(last, last)]) {
                if first > cursor {
                    regs.write_entries(cursor, entry, 0, first.wrapping_sub(cursor));
                }
                cursor = end;
            }
            regs.invalidate_ggtt(self.gt_count);
        }
    }

    fn tiles(&self) -> Range<u8> {
        0..low8(u64_of(self.heads.len()))
    }

    /// Usable pages: first, end.
    #[must_use]
    pub const fn usable(&self) -> (u32, u32) {
        self.window
    }

    /// Ranges that can still be taken.
    pub(crate) fn room(&self) -> u32 {
        self.nodes.room()
    }

    /// The same, with ranges counted in `ledger`: those that are taken from here on.
    pub(crate) fn counted(self, ledger: Ledger<'a>) -> Self {
        Self { nodes: self.nodes.counted(ledger), ..self }
    }

    /// The ranges in use.
    pub(crate) const fn nodes(&self) -> &Pool<'a, GgttNode> {
        &self.nodes
    }

    /// Ranges in use, the firmware's included.
    #[must_use]
    pub const fn ranges_in_use(&self) -> u32 {
        self.nodes.live()
    }

    /// Takes the first hole of tile 0 that holds `pages` pages at an alignment of `align_pages`, a power of two. Its
    /// entries go on showing the scratch page until [`map`](Self::map).
    ///
    /// # Errors
    /// As [`alloc_on`](Self::alloc_on).
    pub fn alloc(&mut self, pages: u32, align_pages: u32) -> Result<GgttRange, Error> {
        self.alloc_on(0, pages, align_pages)
    }

    /// As [`alloc`](Self::alloc), of any tile.
    ///
    /// # Errors
    /// [`Error::Invalid`] for no pages, a bad alignment or a tile that there is not, [`Error::Exhausted`] with
    /// [`Capacity::GgttSpace`] or [`Capacity::GgttNodes`].
    pub fn alloc_on(&mut self, tile: u8, pages: u32, align_pages: u32) -> Result<GgttRange, Error> {
        self.alloc_for(Owner::NOBODY, tile, pages, align_pages)
    }

    /// As [`alloc_on`](Self::alloc_on), charged to `owner`.
    ///
    /// # Errors
    /// As that.
    pub fn alloc_for(&mut self, owner: Owner, tile: u8, pages: u32, align_pages: u32) -> Result<GgttRange, Error> {
        if pages == 0 {
            return Err(Error::invalid("GGTT range in pages", 0));
        }
        if !align_pages.is_power_of_two() {
            return Err(Error::invalid("GGTT alignment in pages", u64::from(align_pages)));
        }
        let fit = self.first_fit(tile, pages, align_pages);
        let (first, previous) = fit.ok_or(Error::Exhausted(Capacity::GgttSpace))?;
        let addr = first.checked_mul(1 << 12).and_then(GgttAddr::new).ok_or(Error::Exhausted(Capacity::GgttSpace))?;
        let head = self.heads.get_mut(usize::from(tile)).ok_or(Error::invalid("tile", u64::from(tile)))?;
        let node = insert_after((&mut self.nodes, owner), head, previous, (first, pages, User::Driver))?;
        Ok(GgttRange { node, addr, pages, tile })
    }

    fn first_fit(&self, tile: u8, pages: u32, align_pages: u32) -> Option<(u32, Option<Handle<GgttNode>>)> {
        self.gaps(tile).find_map(|((first, end), previous)| {
            let start = first.checked_next_multiple_of(align_pages)?;
            if start.checked_add(pages)? <= end { Some((start, previous)) } else { None }
        })
    }

    /// Maps a whole range to consecutive bus pages from `bus` on.
    ///
    /// # Errors
    /// [`Error::Invalid`] if `bus` is not page-aligned or the device cannot drive the last address. Nothing is
    /// written then.
    pub fn map<H: Mmio>(
        &mut self,
        hal: &mut H,
        range: &GgttRange,
        bus: BusAddr,
        caching: GgttCaching,
    ) -> Result<(), Error> {
        self.map_part(hal, range, (0, range.pages), bus, caching)
    }

    /// Maps pages of a range, `(first, count)` counted from its start, to consecutive bus pages from `bus` on: for
    /// objects built from several buffers.
    ///
    /// # Errors
    /// As [`map`](Self::map); [`Error::Invalid`] also for pages outside the range.
    pub fn map_part<H: Mmio>(
        &mut self,
        hal: &mut H,
        range: &GgttRange,
        (first, count): (u32, u32),
        bus: BusAddr,
        caching: GgttCaching,
    ) -> Result<(), Error> {
        let outside = Error::invalid("GGTT page", u64::from(first));
        let end = first.checked_add(count).filter(|end| *end <= range.pages);
        let base = self.nodes.get(range.node).filter(|_| end.is_some()).ok_or(outside)?.first;
        self.check_bus(bus, count)?;
        let mut regs = Registers::on_tile(hal, self.format, range.tile);
        let entry = self.entries.ggtt_entry(bus, caching);
        regs.write_entries(base.saturating_add(first), entry, PAGE_BYTES, count);
        regs.invalidate_ggtt(self.gt_count);
        Ok(())
    }

    fn check_bus(&self, bus: BusAddr, pages: u32) -> Result<(), Error> {
        let last = u64::from(pages).checked_mul(PAGE_BYTES).and_then(|bytes| bus.checked_add(bytes.saturating_sub(1)));
        let reachable = last.is_some_and(|last| last <= self.dma_last);
        if bus.is_aligned(PAGE_BYTES) && reachable {
            Ok(())
        } else {
            Err(Error::invalid("bus address of a GGTT page", bus.get()))
        }
    }

    /// Gives a range back; its entries show the scratch page again.
    pub fn free<H: Mmio>(&mut self, hal: &mut H, range: GgttRange) {
        let Some(node) = self.nodes.remove(range.node) else { return };
        match node.previous.and_then(|previous| self.nodes.get_mut(previous)) {
            Some(previous) => previous.next = node.next,
            None => {
                if let Some(head) = self.heads.get_mut(usize::from(range.tile)) {
                    *head = node.next;
                }
            }
        }
        if let Some(next) = node.next.and_then(|next| self.nodes.get_mut(next)) {
            next.previous = node.previous;
        }
        let mut regs = Registers::on_tile(hal, self.format, range.tile);
        regs.write_entries(node.first, self.scratch_entry, 0, node.pages);
        regs.invalidate_ggtt(self.gt_count);
    }

    /// A tile's list in order, bounded by the number of nodes.
    fn list(&self, tile: u8) -> impl Iterator<Item = (Handle<GgttNode>, &GgttNode)> {
        let mut cursor = self.heads.get(usize::from(tile)).copied().flatten();
        (0..self.nodes.live()).map_while(move |_| {
            let handle = cursor?;
            let node = self.nodes.get(handle)?;
            cursor = node.next;
            Some((handle, node))
        })
    }

    /// Each gap with the node before it; empty gaps included.
    fn gaps(&self, tile: u8) -> impl Iterator<Item = (Hole, Option<Handle<GgttNode>>)> {
        let ends = self.list(tile).map(|(handle, node)| (node.end(), Some(handle)));
        let starts = self.list(tile).map(|(_, node)| node.first).chain([self.window.1]);
        [(self.window.0, None)].into_iter().chain(ends).zip(starts).map(|((end, handle), start)| ((end, start), handle))
    }

    fn firmware_ranges(&self, tile: u8) -> impl Iterator<Item = Hole> {
        self.list(tile).filter(|(_, node)| node.user == User::Firmware).map(|(_, node)| (node.first, node.end()))
    }
}

const fn scratch_request(last_addr: BusAddr) -> DmaRequest {
    DmaRequest {
        len_bytes: PAGE_BYTES,
        align_bytes: PAGE_BYTES,
        last_addr,
        caching: DmaCaching::WriteBack,
        owner: DmaOwner::Driver,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_window_matches_the_sheet() {
        // page-tables sheet §4 checks 1 and 2, in pages.
        assert_eq!(window(2 << 20, 1 << 20), (0x200, 0xFEE00));
        assert_eq!(window(2 << 20, 1 << 19), (0x200, 0x80000));
        assert_eq!(window(8 << 20, 1 << 20), (0x800, 0xFEE00));
    }
}
