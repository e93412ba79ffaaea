//! The driver's index, with all that the driver does for an operation: plan, room, steps, lists by object, uses.

use super::contender::Ranges;
use super::traffic::Put;
use barexe_core::device::request::BindFlags;
use barexe_core::mem::pat::PatIndex;
use barexe_core::vm::apply::Step;
use barexe_core::vm::index::{VmaIndex, VmaNode};
use barexe_core::vm::plan::Request;
use barexe_core::vm::store::VmaStore;
use barexe_core::vm::vm_bo::{VmBoCell, VmBoId, VmBoList};
use barexe_core::vm::vma::{VaRange, Vma, VmaBacking};
use core::cell::RefCell;

/// Buffer objects that the mappings are of.
const OBJECTS: usize = 1024;
const PAT: PatIndex = PatIndex::new(3).unwrap();

/// Storage that is lent to one index after another.
type Storage = (&'static mut [VmaNode], &'static mut [VmBoCell]);

thread_local! {
    static STORAGE: RefCell<Vec<Storage>> = const { RefCell::new(Vec::new()) };
}

/// Storage with room for so many ranges and some more.
fn storage(live: u64) -> Storage {
    let (nodes, cells) = (live as usize / 24 + 64, live as usize / 3 + 2 * OBJECTS);
    let known = STORAGE.with_borrow_mut(|all| {
        let at = all.iter().position(|(those, _)| those.len() == nodes)?;
        Some(all.swap_remove(at))
    });
    known.unwrap_or_else(|| (vec![VmaNode::EMPTY; nodes].leak(), vec![VmBoCell::EMPTY; cells].leak()))
}

pub(crate) struct Ours {
    index: VmaIndex,
    store: VmaStore<'static>,
    objects: Vec<VmBoId>,
    /// What the newest operation did: the driver brings it into the page tables.
    steps: Vec<Step>,
}

impl Ours {
    #[inline]
    fn ask(&mut self, request: Request) {
        let plan = self.index.plan(&self.store, request);
        self.index.check_room(&mut self.store, &plan).unwrap();
        self.steps.clear();
        self.index.apply(&mut self.store, &plan, |step| self.steps.push(step)).unwrap();
        for vma in self.steps.iter().filter_map(Step::unmapped) {
            let _ = self.store.release(vma);
        }
    }
}

impl Drop for Ours {
    fn drop(&mut self) {
        let store = core::mem::replace(&mut self.store, VmaStore::new(&mut [], &mut []));
        STORAGE.with_borrow_mut(|all| all.push(store.into_parts()));
    }
}

impl Ranges for Ours {
    fn empty(live: u64) -> Self {
        let (nodes, cells) = storage(live);
        let mut store = VmaStore::new(nodes, cells);
        let objects =
            (0..OBJECTS).map(|bo| store.add_object(&mut { VmBoList::EMPTY }, 0, bo as u32).unwrap()).collect();
        Self { index: VmaIndex::EMPTY, store, objects, steps: Vec::with_capacity(4096) }
    }

    #[inline]
    fn put(&mut self, put: &Put) {
        let object = self.objects[put.value as usize % OBJECTS];
        let backing = VmaBacking::Bo { object, offset_bytes: put.value >> 16 & !0xFFF };
        let range = VaRange { start: put.start, end: put.end };
        self.ask(Request::map(Vma::new(range, backing, PAT, BindFlags::empty())));
    }

    #[inline]
    fn cut(&mut self, start: u64, end: u64) {
        self.ask(Request::unmap(VaRange { start, end }));
    }

    #[inline]
    fn find(&self, addr: u64) -> Option<u64> {
        let found = self.index.find(&self.store, addr)?;
        Some(found.end())
    }

    fn len(&self) -> usize {
        self.index.len() as usize
    }

    fn bytes(&self) -> Option<u64> {
        let (nodes, cells) = (u64::from(self.store.nodes_live()), u64::from(self.store.cells_live()));
        Some(nodes * size_of::<VmaNode>() as u64 + cells * size_of::<VmBoCell>() as u64)
    }
}
