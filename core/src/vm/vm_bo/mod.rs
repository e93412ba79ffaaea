//! Which mappings of a VM show which buffer object.
//!
//! The part that a VM has in an object is a cell, one cache line; once it has more mappings than fit, a ring of such
//! cells. Each holds where a few mappings began when they were put there. A mapping knows its place, so taking it out is
//! one store to one line, and cutting its front none at all: it begins where its place says or later.
//!
//! ```text
//! first cell   links | owner, vm, bo | uses, next of bo | current | start start start start
//! others       links | start start start start start start start
//! ```
//!
//! `current` goes round the ring like the hand of a clock: places are taken in its cell, then in the next one if that
//! has lost a few mappings since, else in a new one.

mod cell;

pub use cell::VmBoCell;

use super::slab::{NONE, Slab};
use crate::num::{high32, low32};
use crate::shares::{Ledger, Owner};
use barexe_hal::cache::prefetch;
use cell::{HEAD, WORDS, two};

/// Empty places that make the next cell worth going to, so that the hand does not stop at every cell.
const WORTH: u32 = 3;
/// Place of a mapping that has none: 30 bits.
pub(super) const NO_PLACE: u32 = u32::MAX >> 2;
/// Cells that places can name.
const MAX_CELLS: u32 = NO_PLACE >> 3;
/// Of the word that names a VM: its position in its pool below, its owner above.
const VM_BITS: u32 = 16;
const VM_MASK: u32 = (1 << VM_BITS) - 1;
/// Mappings that are still to be taken out, see [`VmBos::leave`].
const LEAVING: usize = 4;

/// In [`Made`], above the bits of a place.
const HAND_MOVED: u32 = 1 << 30;

/// A place that was taken, with what it takes to undo that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Made(u32);

impl Made {
    /// No place was.
    pub(super) const NOTHING: Self = Self(NO_PLACE);

    /// The place.
    pub(super) const fn place(self) -> u32 {
        self.0 & NO_PLACE
    }

    /// Whether the cell before it was the current one.
    const fn has_moved_hand(self) -> bool {
        self.0 & HAND_MOVED != 0
    }
}

/// Names the part that a VM has in a buffer object. It exists while there are mappings of the object, in the VM or in
/// binds that are not over.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct VmBoId(pub(super) u32);

impl VmBoId {
    /// Names no part.
    pub const NONE: Self = Self(NONE);
}

impl core::fmt::Debug for VmBoId {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "object {}", self.0)
    }
}

/// The parts in one buffer object, one for each VM that maps it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VmBoList(u32);

impl VmBoList {
    /// No part.
    pub const EMPTY: Self = Self(NONE);
}

/// The parts of all VMs in all objects.
pub(super) struct VmBos<'a> {
    cells: Slab<'a, VmBoCell>,
    leaving: [(u32, VmBoId); LEAVING],
    turn: usize,
}

impl<'a> VmBos<'a> {
    pub(super) const fn new(cells: &'a mut [VmBoCell]) -> Self {
        Self { cells: Slab::new(cells, MAX_CELLS), leaving: [(NO_PLACE, VmBoId(NONE)); LEAVING], turn: 0 }
    }

    pub(super) const fn into_cells(self) -> &'a mut [VmBoCell] {
        self.cells.into_cells()
    }

    /// Cells in use; those that only [`settle`](Self::settle) has to give back are not.
    pub(super) fn live(&self) -> u32 {
        let is_leaving = |place: u32| self.leaving.iter().any(|(leaving, _)| *leaving == place);
        let goes = |index: u32, cell: &VmBoCell| {
            (0..WORDS).all(|word| cell.began(word).is_none() || is_leaving(index << 3 | word))
        };
        let mut live = self.cells.live();
        for (at, (place, _)) in (0..).zip(&self.leaving) {
            let index = *place >> 3;
            let seen = self.leaving.iter().take(at).any(|(before, _)| *before >> 3 == index);
            if !seen && self.cells.get(index).is_some_and(|cell| goes(index, cell)) {
                live = live.saturating_sub(1);
            }
        }
        live
    }

    /// From here on cells are counted in `ledger`. None is in use.
    pub(super) const fn count_in(&mut self, ledger: Ledger<'a>) {
        self.cells.count_in(ledger);
    }

    /// Where cells are counted: those too that only [`settle`](Self::settle) has to give back.
    pub(super) const fn counted(&self) -> (&Ledger<'a>, u32) {
        (self.cells.ledger(), self.cells.live())
    }

    /// Cells that are left for an owner.
    #[inline]
    pub(super) fn room(&self, owner: Owner) -> u32 {
        self.cells.room(owner)
    }

    /// To whom the cells of a part are charged.
    fn owner_of(&self, id: VmBoId) -> Owner {
        self.cells.get(id.0).map_or(Owner::NOBODY, |cell| Owner::from_bits(high32(cell.names()) >> VM_BITS))
    }

    /// The part of the VM at position `vm` in the object whose parts are `list`.
    pub(super) fn find(&self, list: VmBoList, vm: u32) -> Option<VmBoId> {
        let mut at = list.0;
        while let Some(cell) = self.cells.get(at) {
            if high32(cell.names()) & VM_MASK == vm {
                return Some(VmBoId(at));
            }
            at = cell.next_of_bo();
        }
        None
    }

    /// A new part, without mappings, whose cells are charged to `owner`; `None` when cells are used up.
    pub(super) fn add(&mut self, list: &mut VmBoList, (vm, owner): (u32, Owner), bo: u32) -> Option<VmBoId> {
        let id = self.cells.take(owner)?;
        let vm = vm & VM_MASK | owner.bits() << VM_BITS;
        *self.cells.get_mut(id)? = VmBoCell::first(id, two(vm, bo), two(list.0, 0));
        list.0 = id;
        Some(VmBoId(id))
    }

    /// Ends a part that has no uses.
    pub(super) fn end(&mut self, list: &mut VmBoList, id: VmBoId) {
        self.settle_those(|of| of == id);
        let Some((next_of_bo, mut cell)) = self.cells.get(id.0).map(|cell| (cell.next_of_bo(), cell.next())) else {
            return;
        };
        let owner = self.owner_of(id);
        while cell != id.0 {
            let Some(next) = self.cells.get(cell).map(VmBoCell::next) else { break };
            self.cells.give(owner, cell);
            cell = next;
        }
        self.cells.give(owner, id.0);
        if list.0 == id.0 {
            list.0 = next_of_bo;
            return;
        }
        let mut at = list.0;
        while let Some(cell) = self.cells.get_mut(at) {
            at = cell.next_of_bo();
            let [_, uses, _] = cell.head();
            if at == id.0 {
                *uses = two(next_of_bo, low32(*uses));
                return;
            }
        }
    }

    /// The position of the object in its pool.
    pub(super) fn bo_of(&self, id: VmBoId) -> u32 {
        self.cells.get(id.0).map_or(NONE, |cell| low32(cell.names()))
    }

    /// Counts the uses of a part up or down; how many there are then.
    #[inline]
    pub(super) fn count(&mut self, id: VmBoId, change: i32) -> u32 {
        let Some(cell) = self.cells.get_mut(id.0) else { return 0 };
        let [_, uses, _] = cell.head();
        let now = low32(*uses).wrapping_add_signed(change);
        *uses = two(high32(*uses), now);
        now
    }

    /// Cells that up to three more places can take.
    pub(super) fn cells_needed(&self, id: VmBoId, places: u32) -> u32 {
        let current = self.cells.get(id.0).and_then(|first| self.cells.get(first.current()));
        let Some(current) = current else { return 0 };
        let next = self.cells.get(current.next()).map_or(0, |next| next.empty().count_ones());
        u32::from(current.empty().count_ones() < places && next < WORTH)
    }

    /// A mapping of the part is going to be asked a place for: its first cell is asked for.
    #[inline]
    pub(super) fn expect(&self, id: VmBoId) {
        let _ = self.cells.get(id.0).map(prefetch);
    }

    /// It is going to be soon: the current cell is asked for.
    #[inline]
    pub(super) fn expect_soon(&self, id: VmBoId) {
        let current = self.cells.get(id.0).map(VmBoCell::current);
        let _ = current.and_then(|current| self.cells.get(current)).map(prefetch);
    }

    /// The cells of mappings that are leaving are asked for.
    #[inline]
    pub(super) fn expect_leaving(&self) {
        for (place, _) in &self.leaving {
            let _ = self.cells.get(place >> 3).map(prefetch);
        }
    }

    /// Gives a new mapping that begins at `start` a place.
    #[inline]
    pub(super) fn insert(&mut self, id: VmBoId, start: u64) -> Option<Made> {
        let mut cell = self.cells.get(id.0)?.current();
        let mut empty = self.cells.get(cell)?.empty();
        let mut moved = 0;
        if empty == 0 {
            cell = self.go_on(id, cell)?;
            empty = self.cells.get(cell)?.empty();
            moved = HAND_MOVED;
        }
        let word = empty.trailing_zeros();
        let found = self.cells.get_mut(cell)?;
        found.fill(word, start);
        let next = found.next();
        if empty & empty.wrapping_sub(1) == 0 {
            // That was the last place here: the next cell is asked for now.
            let _ = self.cells.get(next).map(prefetch);
        }
        self.count(id, 1);
        Some(Made(cell << 3 | word | moved))
    }

    /// Undoes an [`insert`](Self::insert), whatever was inserted since being undone already.
    pub(super) fn take_back(&mut self, id: VmBoId, made: Made) {
        if made == Made::NOTHING {
            return;
        }
        self.clear(made.place());
        self.count(id, -1);
        // The hand was one cell further back then.
        let before = self.cells.get(made.place() >> 3).map(VmBoCell::previous).filter(|_| made.has_moved_hand());
        if let (Some(before), Some(first)) = (before, self.cells.get_mut(id.0)) {
            let [_, _, hand] = first.head();
            *hand = u64::from(before);
        }
    }

    /// Gives the cell back that an insertion took, all of it since being undone. The newest is first, so that free cells
    /// come to be in the order they were in.
    pub(super) fn tidy_made(&mut self, id: VmBoId, made: Made) {
        if made != Made::NOTHING && made.has_moved_hand() {
            self.tidy(made.place(), id);
        }
    }

    /// Moves the hand to a cell with empty places.
    fn go_on(&mut self, id: VmBoId, current: u32) -> Option<u32> {
        let next = self.cells.get(current)?.next();
        let cell =
            if self.cells.get(next)?.empty().count_ones() >= WORTH { next } else { self.link(id, current, next)? };
        let [_, _, hand] = self.cells.get_mut(id.0)?.head();
        *hand = u64::from(cell);
        Some(cell)
    }

    /// Puts a new cell between two that follow each other.
    fn link(&mut self, id: VmBoId, previous: u32, next: u32) -> Option<u32> {
        let index = self.cells.take(self.owner_of(id))?;
        *self.cells.get_mut(index)? = VmBoCell::between(previous, next);
        self.cells.get_mut(previous)?.set_next(index);
        self.cells.get_mut(next)?.set_previous(index);
        Some(index)
    }

    /// Takes a mapping out, but not at once: its cell is asked for by the next plan, see
    /// [`expect_leaving`](Self::expect_leaving), and looked at when a few more have left.
    #[inline]
    pub(super) fn leave(&mut self, place: u32, id: VmBoId) {
        // The use that goes with the mapping will be counted down.
        let _ = self.cells.get(id.0).map(prefetch);
        self.turn = self.turn.wrapping_add(1) % LEAVING;
        if let Some(slot) = self.leaving.get_mut(self.turn) {
            let (place, id) = core::mem::replace(slot, (place, id));
            self.remove(place, id);
        }
    }

    /// Takes every mapping out that is still to be.
    pub(super) fn settle(&mut self) {
        self.settle_those(|_| true);
    }

    fn settle_those(&mut self, those: impl Fn(VmBoId) -> bool) {
        for slot in 0..LEAVING {
            let Some(slot) = self.leaving.get_mut(slot).filter(|(_, id)| those(*id)) else { continue };
            let (place, id) = core::mem::replace(slot, (NO_PLACE, VmBoId(NONE)));
            self.remove(place, id);
        }
    }

    #[inline]
    fn remove(&mut self, place: u32, id: VmBoId) {
        let Some(cell) = self.cells.get_mut(place >> 3) else { return };
        cell.clear(place & 7);
        if cell.is_empty() {
            self.unlink(place >> 3, id);
        }
    }

    /// Empties a place. It may be set again; until [`tidy`](Self::tidy) its cell stays.
    #[inline]
    pub(super) fn clear(&mut self, place: u32) {
        if let Some(cell) = self.cells.get_mut(place >> 3) {
            cell.clear(place & 7);
        }
    }

    /// Gives a place back to a mapping that begins at `start`.
    pub(super) fn set(&mut self, place: u32, start: u64) {
        if let Some(cell) = self.cells.get_mut(place >> 3) {
            cell.fill(place & 7, start);
        }
    }

    /// Where the mapping at a place began; none if nothing has the place.
    pub(super) fn began(&self, place: u32) -> Option<u64> {
        self.cells.get(place >> 3)?.began(place & 7)
    }

    /// Gives the cell of a place back if all its places are empty. A first cell's never are.
    #[inline]
    pub(super) fn tidy(&mut self, place: u32, id: VmBoId) {
        let index = place >> 3;
        if self.cells.get(index).is_some_and(VmBoCell::is_empty) {
            self.unlink(index, id);
        }
    }

    #[cold]
    fn unlink(&mut self, index: u32, id: VmBoId) {
        let Some(cell) = self.cells.get_mut(index) else { return };
        // So that it is not given back twice.
        cell.close();
        let (previous, next) = (cell.previous(), cell.next());
        self.cells.give(self.owner_of(id), index);
        if let Some(cell) = self.cells.get_mut(previous) {
            cell.set_next(next);
        }
        if let Some(cell) = self.cells.get_mut(next) {
            cell.set_previous(previous);
        }
        if let Some(first) = self.cells.get_mut(id.0).filter(|first| first.current() == index) {
            let [_, _, hand] = first.head();
            *hand = u64::from(previous);
        }
    }

    /// The places that mappings of the part have, and where those began; after a place, if one is given.
    pub(super) fn places(&self, id: VmBoId, after: Option<u32>) -> impl Iterator<Item = (u32, u64)> {
        let (first, mut skipped) = after.map_or((id.0, HEAD), |place| (place >> 3, (place & 7).wrapping_add(1)));
        let mut at = Some(first);
        let cells = core::iter::from_fn(move || {
            let index = at?;
            let cell = self.cells.get(index)?;
            at = Some(cell.next()).filter(|next| *next != id.0);
            Some((index, cell, core::mem::take(&mut skipped)))
        });
        let places = cells.flat_map(|(index, cell, skipped)| {
            (skipped..WORDS).filter_map(move |word| Some((index << 3 | word, cell.began(word)?)))
        });
        places.filter(|(place, _)| self.leaving.iter().all(|(leaving, _)| leaving != place))
    }
}
