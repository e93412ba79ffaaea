//! An index over storage of a given size, with some objects.

use crate::PAGE;
use barexe_core::chain::LinkSlot;
use barexe_core::device::request::BindFlags;
use barexe_core::mem::pages::Need;
use barexe_core::mem::pat::PatIndex;
use barexe_core::vm::apply::Step;
use barexe_core::vm::change::{Change, Mappings};
use barexe_core::vm::index::{VmaIndex, VmaNode};
use barexe_core::vm::plan::{Request, SubOp};
use barexe_core::vm::steps::StepPool;
use barexe_core::vm::store::VmaStore;
use barexe_core::vm::vm_bo::{VmBoCell, VmBoId, VmBoList};
use barexe_core::vm::vma::{VaRange, Vma, VmaBacking};
use barexe_core::{Capacity, Error, Pool, Slot};

/// Lengths of the storage.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Room {
    pub(crate) nodes: usize,
    pub(crate) cells: usize,
    pub(crate) steps: usize,
}

/// More than any test needs.
pub(crate) const PLENTY: Room = Room { nodes: 2048, cells: 8192, steps: 20_000 };
pub(crate) const OBJECTS: usize = 5;

pub(crate) struct Space<'a> {
    pub(crate) index: VmaIndex,
    pub(crate) store: VmaStore<'a>,
    pub(crate) steps: StepPool<'a>,
    pub(crate) objects: Vec<VmBoId>,
    parts: [VmBoList; OBJECTS],
}

/// Everything that a refused change leaves as it was.
#[derive(Debug, PartialEq)]
pub(crate) struct Snapshot {
    index: VmaIndex,
    mappings: Vec<Vma>,
    /// In the order of the lists: it shows the places of mappings in them.
    by_object: Vec<Vec<Vma>>,
    nodes: u32,
    cells: u32,
    steps: u32,
}

pub(crate) fn in_space<T>(room: Room, f: impl FnOnce(&mut Space<'_>) -> T) -> T {
    let (mut nodes, mut cells) = (vec![VmaNode::EMPTY; room.nodes], vec![VmBoCell::EMPTY; room.cells]);
    let mut steps: Vec<LinkSlot<Step>> = (0..room.steps).map(|_| Slot::EMPTY).collect();
    let mut store = VmaStore::new(&mut nodes, &mut cells);
    let mut parts = [VmBoList::EMPTY; OBJECTS];
    let objects = (0..).zip(&mut parts).map(|(bo, parts)| store.add_object(parts, 7, bo).unwrap()).collect();
    let steps = Pool::new(&mut steps);
    f(&mut Space { index: VmaIndex::EMPTY, store, steps, objects, parts })
}

impl<'a> Space<'a> {
    pub(crate) fn mappings<'p>(&'p mut self) -> Mappings<'p, 'a> {
        Mappings { index: &mut self.index, store: &mut self.store, steps: &mut self.steps }
    }

    /// A mapping of an object from a page of it on.
    pub(crate) fn bo(&self, object: usize, page: u64, range: VaRange) -> Vma {
        let backing = VmaBacking::Bo { object: self.objects[object], offset_bytes: page * PAGE };
        Vma::new(range, backing, PatIndex::new(3).unwrap(), BindFlags::DUMPABLE)
    }

    /// A null mapping.
    pub(crate) fn null(range: VaRange) -> Vma {
        Vma::new(range, VmaBacking::Null, PatIndex::new(1).unwrap(), BindFlags::READONLY)
    }

    /// One request, planned and carried out.
    pub(crate) fn ask(&mut self, request: Request) -> Result<Vec<SubOp>, Capacity> {
        let plan = self.index.plan(&self.store, request);
        let planned: Vec<SubOp> = plan.sub_ops(&self.store).collect();
        self.index.check_room(&mut self.store, &plan)?;
        let mut steps = Vec::new();
        // Room was made sure of.
        self.index.apply(&mut self.store, &plan, |step| steps.push(step)).unwrap();
        self.release(&steps);
        assert_eq!(steps.iter().map(Step::sub_op).collect::<Vec<_>>(), planned, "what is planned is what is done");
        Ok(planned)
    }

    /// The same of null mappings, without a look at what it comes to: for very many.
    pub(crate) fn ask_only(&mut self, request: Request) {
        let plan = self.index.plan(&self.store, request);
        self.index.check_room(&mut self.store, &plan).unwrap();
        self.index.apply(&mut self.store, &plan, |_| ()).unwrap();
    }

    pub(crate) fn map(&mut self, vma: Vma) -> Vec<SubOp> {
        self.ask(Request::map(vma)).unwrap()
    }

    pub(crate) fn unmap(&mut self, range: VaRange) -> Vec<SubOp> {
        self.ask(Request::unmap(range)).unwrap()
    }

    /// All requests of a call as a change, or back to before.
    pub(crate) fn plan_call(
        &mut self,
        requests: &[Request],
        check: impl Fn(&SubOp) -> Result<(), Error>,
    ) -> Result<Change, Error> {
        let mut change = Change::default();
        for request in requests {
            if let Err(error) = change.add(&mut self.mappings(), *request, &check, |_, _, _| Need::default()) {
                change.refuse(&mut self.mappings());
                return Err(error);
            }
        }
        Ok(change)
    }

    /// A call that unmaps everything of an object, or back to before.
    pub(crate) fn plan_unmap_all(
        &mut self,
        change: &mut Change,
        object: usize,
        check: impl Fn(&SubOp) -> Result<(), Error>,
    ) -> Result<(), Error> {
        change.carry_on(&mut self.mappings())?;
        let mut last = None;
        while let Some(vma) = self.index.next_of_object(&self.store, self.objects[object], last.as_ref()) {
            let request = Request::unmap(vma.range());
            change.add(&mut self.mappings(), request, &check, |_, _, _| Need::default())?;
            last = Some(vma);
        }
        Ok(())
    }

    /// Accepts a change; what it did.
    pub(crate) fn accept(&mut self, change: Change) -> Vec<SubOp> {
        let mut chain = change.accept(&mut self.mappings());
        let steps: Vec<Step> = core::iter::from_fn(|| chain.pop(&mut self.steps)).collect();
        self.release(&steps);
        steps.iter().map(Step::sub_op).collect()
    }

    /// Unmapped mappings are over.
    fn release(&mut self, steps: &[Step]) {
        for vma in steps.iter().filter_map(Step::unmapped) {
            let _ = self.store.release(vma);
        }
    }

    pub(crate) fn all(&self) -> Vec<Vma> {
        self.index.iter(&self.store).collect()
    }

    /// The mappings of an object, ascending.
    pub(crate) fn of_object(&self, object: usize) -> Vec<Vma> {
        let mut found: Vec<Vma> = self.index.of_object(&self.store, self.objects[object]).collect();
        found.sort_by_key(|vma| vma.range().start);
        found
    }

    pub(crate) fn snapshot(&self) -> Snapshot {
        Snapshot {
            index: self.index,
            mappings: self.all(),
            by_object: self.objects.iter().map(|object| self.index.of_object(&self.store, *object).collect()).collect(),
            nodes: self.store.nodes_live(),
            cells: self.store.cells_live(),
            steps: self.steps.live(),
        }
    }

    /// Looks at the whole structure.
    pub(crate) fn check(&self) {
        let census = self.index.check(&self.store).unwrap();
        assert_eq!(census.nodes, self.store.nodes_live(), "every node in use is in the tree");
        assert_eq!(census.mappings, self.index.len());
        let listed: usize = (0..OBJECTS).map(|object| self.of_object(object).len()).sum();
        let with_object = self.all().iter().filter(|vma| vma.object().is_some()).count();
        assert_eq!(listed, with_object, "every mapping is listed once by its object");
    }

    /// Unmaps everything; nothing may be left in use.
    pub(crate) fn end(&mut self) {
        while let Some(vma) = self.index.take_first(&mut self.store) {
            let _ = self.store.release(&vma);
        }
        assert_eq!((self.index, self.store.nodes_live()), (VmaIndex::EMPTY, 0), "nodes are left");
        for (parts, object) in self.parts.iter_mut().zip(&self.objects) {
            assert!(self.store.end_object(parts, *object), "{object:?} has uses left");
            assert_eq!(*parts, VmBoList::EMPTY);
        }
        assert_eq!((self.store.cells_live(), self.steps.live()), (0, 0), "cells or steps are left");
    }
}
