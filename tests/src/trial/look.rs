//! What scenarios look at: mappings, page tables by the simulator's own walk, sync objects.
#![expect(clippy::panic, reason = "a helper of tests ends the test that it cannot help")]

use super::make::Bo;
use super::stage::Trial;
use barexe_core::device::SyncobjLook;
use barexe_core::device::request::BindFlags;
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
    /// Flags it was mapped with: 1 is READONLY.
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
        let told = BindFlags::READONLY;
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
