//! A tree in plain memory.

use super::memory::Memory;
use barexe_core::family::GEN12;
use barexe_core::mem::format::PtFormat;
use barexe_core::mem::pages::{Directory, Need, PtMemory, TableNote};
use barexe_core::mem::tlb::{AddressSpace, Invalidate, Stale};
use barexe_core::mem::tree::{
    Attributes, Backing, CpuSink, Mapping, PageTree, Sizes, Stage, VaRange, need, need_of_new,
};
use barexe_hal::{BusAddr, DmaBuffer, DmaCaching};
use core::hint::black_box;
use core::time::Duration;
use std::time::Instant;

pub(crate) const FORMAT: &PtFormat = &GEN12.pt;
pub(crate) const ATTRIBUTES: Attributes = Attributes { pat: FORMAT.scratch_pat, read_only: false };

pub(crate) struct Rig {
    pub(crate) memory: Memory,
    pub(crate) pages: PtMemory<'static>,
    pub(crate) tree: PageTree,
}

/// An invalidation that is over at once.
struct Over;

impl Invalidate for Over {
    type Proof = ();

    fn invalidate(&mut self, _: AddressSpace, _: VaRange) {}
}

impl Rig {
    /// An empty tree with room for `tables`, all of it taken from the memory.
    pub(crate) fn new(tables: usize, directories: usize, flushed: bool) -> Self {
        let tables = (tables + 32).next_multiple_of(32);
        let mut memory = Memory::new(tables * 4096, flushed);
        let blocks: Vec<Option<DmaBuffer>> = (0..tables / 32).map(|_| None).collect();
        let (last, caching) = (BusAddr::new((1 << 39) - 1).unwrap(), DmaCaching::WriteBack);
        let mut pages = PtMemory::new(
            blocks.leak(),
            vec![TableNote::EMPTY; tables].leak(),
            vec![Directory::EMPTY; directories].leak(),
            1 << 20,
            last,
            caching,
        );
        let all = pages.reserve(&mut memory, Need { leaf_tables: tables as u32, directories: 0 }).unwrap();
        pages.unreserve(all);
        let mut reservation = pages.reserve(&mut memory, need_of_new(FORMAT, false)).unwrap();
        let mut sink = CpuSink::new(&mut memory);
        let mut stage = Stage::new(&mut pages, &mut reservation, FORMAT, &mut sink);
        let tree = PageTree::new(&mut stage, false).unwrap();
        assert_eq!(stage.finish(), Stale::NONE);
        Self { memory, pages, tree }
    }

    /// Binds one mapping out of a reservation made before; the time from plan to last store.
    #[inline(never)]
    pub(crate) fn bind<'p>(&mut self, range: VaRange, backing: impl Backing<'p>) -> Duration {
        self.bind_all(need(FORMAT, range, backing.clone()), [(range, backing)])
    }

    /// Binds mappings one after another, all out of one reservation of `need`; the time for all of them.
    #[inline(never)]
    pub(crate) fn bind_all<'p, B: Backing<'p>>(
        &mut self,
        need: Need,
        mappings: impl IntoIterator<Item = (VaRange, B)>,
    ) -> Duration {
        let mut reservation = self.pages.reserve(&mut self.memory, need).unwrap();
        let mut sink = CpuSink::new(&mut self.memory);
        let begin = Instant::now();
        let mut stage = Stage::new(&mut self.pages, &mut reservation, FORMAT, &mut sink);
        let mut sizes = Sizes::empty();
        for (range, backing) in mappings {
            let mapping = Mapping { range, backing, attributes: ATTRIBUTES, rebind: false };
            sizes |= self.tree.bind(&mut stage, mapping).unwrap().sizes;
        }
        let stale = stage.finish();
        let time = begin.elapsed();
        black_box(sizes);
        self.pages.unreserve(reservation);
        self.release(stale);
        time
    }

    /// Unbinds ranges one after another; the time without the release of tables.
    #[inline(never)]
    pub(crate) fn unbind_all(&mut self, ranges: impl IntoIterator<Item = VaRange>) -> Duration {
        let mut none = self.pages.reserve(&mut self.memory, Need::default()).unwrap();
        let mut sink = CpuSink::new(&mut self.memory);
        let begin = Instant::now();
        let mut stage = Stage::new(&mut self.pages, &mut none, FORMAT, &mut sink);
        for range in ranges {
            let _ = self.tree.unbind(&mut stage, range).unwrap();
        }
        let stale = stage.finish();
        let time = begin.elapsed();
        self.pages.unreserve(none);
        self.release(stale);
        time
    }

    fn release(&mut self, stale: Stale) {
        let retired = stale.invalidate(&mut Over, AddressSpace::NONE);
        self.pages.release(retired.dropped);
    }
}
