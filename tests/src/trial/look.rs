//! What scenarios look at: mappings, page tables by the simulator's own walk, sync objects.
#![expect(clippy::panic, reason = "a helper of tests ends the test that it cannot help")]

use super::calls::{OPS, SYNCS};
use super::dialect::{Dialect, requests};
use super::make::Bo;
use super::stage::Trial;
use crate::wire::Bytes;
use barexe_core::device::SyncobjLook;
use barexe_core::device::request::BindFlags;
use barexe_hal::Nanos;
use barexe_sim::ppgtt::Leaf;

/// A mapping as the driver lists it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mapping {
    /// First address.
    pub start: u64,
    /// One past the last address.
    pub end: u64,
    /// GEM handle and offset; none for a null mapping.
    pub bo: Option<(u32, u64)>,
    /// Flags it was mapped with: 1 is READONLY, 8 DUMPABLE.
    pub flags: u32,
    /// PAT index.
    pub pat: u16,
}

impl Mapping {
    /// A mapping of an object without flags.
    #[must_use]
    pub const fn of(bo: Bo, offset: u64, start: u64, end: u64) -> Self {
        Self { start, end, bo: Some((bo.handle, offset)), flags: 0, pat: bo.pat }
    }

    /// The same with flags and PAT index.
    #[must_use]
    pub const fn with(self, flags: u32, pat: u16) -> Self {
        Self { flags, pat, ..self }
    }

    /// A null mapping with PAT index 0.
    #[must_use]
    pub const fn null(start: u64, end: u64) -> Self {
        Self { start, end, bo: None, flags: 0, pat: 0 }
    }
}

impl Trial<'_> {
    /// Every mapping of a VM.
    ///
    /// # Panics
    /// For an unknown VM.
    #[must_use]
    pub fn mappings(&self, vm: u32) -> Vec<Mapping> {
        let found = self.device.vm_mappings(self.client, vm);
        let found = found.unwrap_or_else(|error| panic!("{self}: {error}"));
        // Whether entries were to be made at once says nothing about the mapping.
        let told = BindFlags::all().difference(BindFlags::IMMEDIATE);
        let mapping = |info: barexe_core::device::MappingInfo| Mapping {
            start: info.range.start,
            end: info.range.end,
            bo: info.bo,
            flags: info.flags.intersection(told).bits(),
            pat: info.pat_index,
        };
        found.map(mapping).collect()
    }

    /// Checks that a VM has these mappings and no others.
    ///
    /// # Panics
    /// If it has not.
    #[track_caller]
    pub fn check_mappings(&mut self, vm: u32, want: &[Mapping]) {
        let found = self.mappings(vm);
        self.check("mappings", found, want.to_vec());
    }

    /// Where an address leads as the page tables stand in memory now; none if nowhere.
    ///
    /// # Panics
    /// For an unknown VM, and if tiles disagree: each has page tables of its own.
    #[must_use]
    pub fn leaf(&self, vm: u32, va: u64) -> Option<Leaf> {
        let of_tile = |tile| {
            let root = self.device.vm_root_on(self.client, vm, tile).unwrap_or_else(|error| panic!("{self}: {error}"));
            self.sim.walk(root, va)
        };
        let first = of_tile(0);
        for tile in 1..self.board.platform.tiles {
            assert_eq!(of_tile(tile), first, "{self}: {va:#x} on tile {tile}");
        }
        first
    }

    /// The dword that the GPU would read at an address: none if that faults, 0 from a null page.
    ///
    /// # Panics
    /// For an unknown VM, and for a page where no memory is.
    #[must_use]
    pub fn seen(&self, vm: u32, va: u64) -> Option<u32> {
        let leaf = self.leaf(vm, va)?;
        let Some(page) = leaf.page else { return Some(0) };
        let inside = va.checked_rem(leaf.bytes).unwrap_or(0);
        let bytes = self.sim.peek(page.wrapping_add(inside), 4);
        let bytes = bytes.unwrap_or_else(|| panic!("{self}: {va:#x} leads to no memory"));
        bytes.first_chunk().map(|bytes| u32::from_le_bytes(*bytes))
    }

    /// Checks what the pages of a range hold: `first`, and one more in each page after it; or that nothing is there.
    ///
    /// # Panics
    /// If it is otherwise.
    #[track_caller]
    pub fn check_pages(&mut self, vm: u32, range: core::ops::Range<u64>, first: Option<u32>) {
        for (number, va) in (0u32..).zip(range.step_by(4096)) {
            let (got, want) = (self.seen(vm, va), first.map(|first| first.wrapping_add(number)));
            self.check(&format!("what is seen at {va:#x}"), got, want);
        }
    }

    /// Lets driver and device work in small steps until all sync objects have signalled, and checks at each that none
    /// has before those in front of it.
    ///
    /// # Panics
    /// If one has, or they do not signal.
    #[track_caller]
    pub fn signalled_in_order(&mut self, handles: &[u32]) {
        for _ in 0..5000 {
            let now: Vec<bool> = handles.iter().map(|handle| self.is_signalled(*handle)).collect();
            self.check("order of signals", now.is_sorted_by(|earlier, later| earlier >= later), true);
            if now.iter().all(|signalled| *signalled) {
                return;
            }
            let _ = self.sim.run(16);
            self.sim.advance(Nanos::from_micros(1));
            self.poll();
        }
        self.check("signalled in the end", false, true);
    }

    /// Checks the newest signalled point of a timeline.
    ///
    /// # Panics
    /// If it is another.
    #[track_caller]
    pub fn check_point(&mut self, what: &str, timeline: u32, want: u64) {
        let got = self.device.syncobj_value(self.client, timeline, false);
        self.check(what, got, Ok(want));
    }

    /// Buffers that the driver has of the HAL.
    #[must_use]
    pub fn live_buffers(&self) -> u64 {
        let (given, taken) = self.sim.buffers();
        given.wrapping_sub(taken)
    }

    /// Whether a sync object holds a fence that has signalled.
    ///
    /// # Panics
    /// For an unknown handle.
    #[must_use]
    pub fn is_signalled(&mut self, handle: u32) -> bool {
        let look = SyncobjLook { all: true, for_submit: true };
        let seen = self.device.syncobj_look(self.client, &mut &[handle][..], look);
        seen.unwrap_or_else(|error| panic!("{self}: look: {error}")).is_some()
    }

    /// The newest point of a timeline up to which all have signalled, or, of those that were `submitted`, the newest.
    ///
    /// # Panics
    /// For an unknown handle.
    #[must_use]
    pub fn timeline_value(&mut self, handle: u32, submitted: bool) -> u64 {
        self.put(OPS, &handle.to_le_bytes());
        self.put(SYNCS, &[0xEE; 8]);
        let arg = Bytes::new(Dialect::size(requests::SYNCOBJ_QUERY)).u64(0, OPS).u64(8, SYNCS).u32(16, 1);
        self.accepted(requests::SYNCOBJ_QUERY, &arg.u32(20, submitted.into()));
        let bytes = self.memory.at(SYNCS).first_chunk();
        u64::from_le_bytes(*bytes.unwrap_or_else(|| panic!("{self}: no value")))
    }

    /// Checks [`timeline_value`](Self::timeline_value).
    ///
    /// # Panics
    /// If it is another.
    #[track_caller]
    pub fn check_value(&mut self, what: &str, handle: u32, submitted: bool, want: u64) {
        let got = self.timeline_value(handle, submitted);
        self.check(&format!("{what}, newest point"), got, want);
    }

    /// Checks whether a sync object has signalled.
    ///
    /// # Panics
    /// If it is otherwise.
    #[track_caller]
    pub fn check_signalled(&mut self, what: &str, handle: u32, want: bool) {
        let got = self.is_signalled(handle);
        self.check(&format!("{what} signalled"), got, want);
    }
}
