//! Which mappings of a VM show which buffer object.
//!
//! The part that a VM has in an object is a cell, one cache line; once it has more mappings than fit, a ring of such
//! cells. Each holds where a few mappings began when they were put there. A mapping knows its place, so taking it out is
//! one store to one line, and cutting its front none at all: it begins where its place says or later.
//!
//! ```text
//! first cell   links | owner, vm, bo | uses, next of bo | hand | start start start start
//! others       links | start start start start start start start
//! ```
//!
//! The hand goes round the ring like that of a clock. It takes what is empty in its cell; when that is given away, in the
//! next one if that has lost a few mappings since, else in a new one. What it has taken and not given yet stands in the
//! first cell, which every change of the object's mappings writes to anyway: so a place is known without waiting for the
//! cell that it is in, and that cell is only written to. A cell stays while the hand has places in it.

mod cell;
mod hand;

pub use cell::VmBoCell;
pub(super) use hand::Made;

use super::slab::{NONE, Slab};
use crate::num::{high32, low32};
use crate::shares::{Ledger, Owner};
use barexe_hal::cache::prefetch;
use cell::{HEAD, Links, WORDS, two};

/// Place of a mapping that has none: 30 bits.
pub(super) const NO_PLACE: u32 = u32::MAX >> 2;
/// Cells that places can name.
const MAX_CELLS: u32 = NO_PLACE >> 3;
/// Of the word that names a VM: its position in its pool below, its owner above.
const VM_BITS: u32 = 16;
const VM_MASK: u32 = (1 << VM_BITS) - 1;
/// Mappings that are still to be taken out, see [`VmBos::leave`].
const LEAVING: usize = 4;

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

    /// The empty places of a cell of a part that its hand has taken.
    fn taken(&self, index: u32, id: VmBoId) -> u32 {
        let hand = self.cells.get(id.0).map_or(Links::NONE, VmBoCell::hand);
        if hand.previous() == index { hand.empty() } else { 0 }
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
        let Some((next_of_bo, mut cell)) = self.cells.get(id.0).map(|cell| (cell.next_of_bo(), cell.links().next()))
        else {
            return;
        };
        let owner = self.owner_of(id);
        while cell != id.0 {
            let Some(next) = self.cells.get(cell).map(|cell| cell.links().next()) else { break };
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
            let uses = cell.uses();
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
        let uses = cell.uses();
        let now = low32(*uses).wrapping_add_signed(change);
        *uses = two(high32(*uses), now);
        now
    }

    /// A mapping of the part is going to be asked a place for: its first cell is asked for.
    #[inline]
    pub(super) fn expect(&self, id: VmBoId) {
        let _ = self.cells.get(id.0).map(prefetch);
    }

    /// The cells of mappings that are leaving are asked for.
    #[inline]
    pub(super) fn expect_leaving(&self) {
        for (place, _) in &self.leaving {
            let _ = self.cells.get(place >> 3).map(prefetch);
        }
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
        cell.clear(1 << (place & 7));
        if cell.is_empty() {
            self.unlink(place >> 3, id);
        }
    }

    /// Empties a place. It may be set again; until [`tidy`](Self::tidy) its cell stays.
    #[inline]
    pub(super) fn clear(&mut self, place: u32) {
        if let Some(cell) = self.cells.get_mut(place >> 3) {
            cell.clear(1 << (place & 7));
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
        let (previous, next) = (cell.links().previous(), cell.links().next());
        self.cells.give(self.owner_of(id), index);
        if let Some(cell) = self.cells.get_mut(previous) {
            cell.set_next(next);
        }
        if let Some(cell) = self.cells.get_mut(next) {
            cell.set_previous(previous);
        }
        let Some(first) = self.cells.get_mut(id.0) else { return };
        let hand = first.hand();
        if hand.previous() == index {
            first.set_hand(Links::new(previous, next, 0));
        } else if hand.next() == index {
            first.set_hand(Links::new(hand.previous(), next, hand.empty()));
        }
    }

    /// The places that mappings of the part have, and where those began; after a place, if one is given.
    pub(super) fn places(&self, id: VmBoId, after: Option<u32>) -> impl Iterator<Item = (u32, u64)> {
        let (first, mut skipped) = after.map_or((id.0, HEAD), |place| (place >> 3, (place & 7).wrapping_add(1)));
        let mut at = Some(first);
        let cells = core::iter::from_fn(move || {
            let index = at?;
            let cell = self.cells.get(index)?;
            at = Some(cell.links().next()).filter(|next| *next != id.0);
            Some((index, cell, core::mem::take(&mut skipped)))
        });
        let places = cells.flat_map(move |(index, cell, skipped)| {
            let taken = self.taken(index, id);
            let is_given = move |word: &u32| taken >> word & 1 == 0;
            let words = (skipped..WORDS).filter(is_given);
            words.filter_map(move |word| Some((index << 3 | word, cell.began(word)?)))
        });
        places.filter(|(place, _)| self.leaving.iter().all(|(leaving, _)| leaving != place))
    }
}
