//! A tree of page tables with everything it needs.
#![expect(clippy::panic, reason = "a helper of tests ends the test that it cannot help")]

use super::{Arena, Leaf, Recorder, Update, walk};
use barexe_core::mem::Defect;
use barexe_core::mem::format::PtFormat;
use barexe_core::mem::pages::{Directory, Need, PtMemory, Reservation, TableNote};
use barexe_core::mem::tlb::Stale;
use barexe_core::mem::tree::{Attributes, Backing, Bound, Mapping, PageTree, Stage, VaRange, need, need_of_new};
use barexe_hal::{BusAddr, DmaBuffer, DmaCaching};

/// How much page-table memory there is.
#[derive(Clone, Copy, Debug)]
pub struct Room {
    /// Tables.
    pub tables: usize,
    /// Directories among them.
    pub directories: usize,
    /// The HAL's largest block.
    pub max_block_bytes: u64,
}

impl Room {
    /// Enough for most tests.
    pub const PLENTY: Self = Self { tables: 4096, directories: 256, max_block_bytes: 1 << 20 };
}

/// A tree, its memory and what became stale.
#[derive(Debug)]
pub struct Rig<'a> {
    /// The device's side.
    pub arena: Arena,
    /// The driver's side.
    pub pages: PtMemory<'a>,
    /// Entry encoding.
    pub format: &'static PtFormat,
    /// The tree.
    pub tree: PageTree,
}

/// Runs `test` on an empty tree; afterwards everything must have gone back.
///
/// # Panics
/// If `test` does, or tables or promises are left when the tree is gone.
pub fn with_tables<R>(format: &'static PtFormat, scratch: bool, room: Room, test: impl FnOnce(&mut Rig<'_>) -> R) -> R {
    let mut blocks: Vec<Option<DmaBuffer>> = (0..room.tables).map(|_| None).collect();
    let mut notes = vec![TableNote::EMPTY; room.tables];
    let mut directories = vec![Directory::EMPTY; room.directories];
    let (last, caching) = (BusAddr::new((1 << 39) - 1).unwrap_or(BusAddr::ZERO), DmaCaching::WriteBack);
    let block = room.max_block_bytes;
    let mut arena = Arena::new(block);
    let mut pages = PtMemory::new(&mut blocks, &mut notes, &mut directories, block, last, caching);
    let mut reservation = reserve(&mut pages, &mut arena, need_of_new(format, scratch));
    let mut sink = Recorder::new(&mut arena);
    let mut stage = Stage::new(&mut pages, &mut reservation, format, &mut sink);
    let tree = PageTree::new(&mut stage, scratch).unwrap_or_else(|defect| panic!("{defect}"));
    assert_eq!(stage.finish(), Stale::NONE);
    assert_eq!(reservation.left(), Need::default());
    let mut rig = Rig { arena, pages, format, tree };
    let result = test(&mut rig);
    let Rig { mut arena, mut pages, tree, .. } = rig;
    let dropped = tree.into_dropped(&mut pages);
    pages.release(dropped);
    assert_eq!((pages.tables_in_use(), pages.reserved()), (0, Need::default()), "tables, promises");
    pages.close(&mut arena);
    assert_eq!(arena.live_buffers(), 0);
    result
}

fn reserve(pages: &mut PtMemory<'_>, arena: &mut Arena, need: Need) -> Reservation {
    pages.reserve(arena, need).unwrap_or_else(|error| panic!("{need:?}: {error}"))
}

/// What one operation did.
#[derive(Debug)]
pub struct Done<R> {
    /// Its own answer.
    pub answer: R,
    /// Changes of live tables.
    pub updates: Vec<Update>,
    /// Tables taken.
    pub created: u32,
    /// Tables dropped, freed by now.
    pub freed: u32,
}

impl Rig<'_> {
    /// Stages one operation against `need`, frees what it dropped, and says what it did.
    ///
    /// # Errors
    /// What the operation says.
    pub fn stage<R>(
        &mut self,
        need: Need,
        operation: impl FnOnce(&PageTree, &mut Stage<'_, '_, Recorder<'_>>) -> Result<R, Defect>,
    ) -> Result<Done<R>, Defect> {
        let before = self.pages.tables_in_use();
        let mut reservation = reserve(&mut self.pages, &mut self.arena, need);
        let mut sink = Recorder::new(&mut self.arena);
        let mut stage = Stage::new(&mut self.pages, &mut reservation, self.format, &mut sink);
        let answer = operation(&self.tree, &mut stage);
        let stale = stage.finish();
        let updates = sink.updates;
        self.pages.unreserve(reservation);
        let during = self.pages.tables_in_use();
        self.release(stale);
        let after = self.pages.tables_in_use();
        let (created, freed) = (during.saturating_sub(before), during.saturating_sub(after));
        answer.map(|answer| Done { answer, updates, created, freed })
    }

    /// Frees what a change dropped, as if its invalidation were over.
    pub fn release(&mut self, stale: Stale) {
        let mut nobody = Nobody;
        let retired = stale.invalidate(&mut nobody, barexe_core::mem::tlb::AddressSpace::NONE);
        self.pages.release(retired.dropped);
    }

    /// Binds, out of exactly the tables that are needed at most.
    ///
    /// # Errors
    /// What [`PageTree::bind`] says.
    pub fn bind<'p>(
        &mut self,
        range: VaRange,
        backing: impl Backing<'p>,
        attributes: Attributes,
        rebind: bool,
    ) -> Result<Done<Bound>, Defect> {
        let need = need(self.format, range, backing.clone());
        self.stage(need, |tree, stage| tree.bind(stage, Mapping { range, backing, attributes, rebind }))
    }

    /// Unbinds.
    ///
    /// # Errors
    /// What [`PageTree::unbind`] says.
    pub fn unbind(&mut self, range: VaRange) -> Result<Done<VaRange>, Defect> {
        self.stage(Need::default(), |tree, stage| tree.unbind(stage, range))
    }

    /// What the device finds for a range.
    pub fn walk(&self, range: VaRange) -> impl Iterator<Item = Leaf> {
        let root = self.tree.root(&self.pages).map_or(0, BusAddr::get);
        walk(&self.arena, root, self.format.root_level.number(), range.start, range.end)
    }
}

/// An invalidation that is always over.
struct Nobody;

impl barexe_core::mem::tlb::Invalidate for Nobody {
    type Proof = ();

    fn invalidate(&mut self, _: barexe_core::mem::tlb::AddressSpace, _: VaRange) {}
}
