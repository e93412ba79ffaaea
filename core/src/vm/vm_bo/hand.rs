//! Giving mappings places among those of their object: the hand that goes round the object's cells.

use super::cell::{ALL_PLACES, Links, VmBoCell};
use super::{NO_PLACE, VmBoId, VmBos};
use barexe_hal::cache::prefetch;

/// Empty places that make the next cell worth going to, so that the hand does not stop at every cell.
const WORTH: u32 = 3;
/// In [`Made`], above the bits of a place.
const HAND_MOVED: u32 = 1 << 30;
/// The hand stayed in its cell, and took places there.
const HAND_FILLED: u32 = 1 << 31;

/// A place that was taken, with what it takes to undo that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::vm) struct Made(u32);

impl Made {
    /// No place was.
    pub(in crate::vm) const NOTHING: Self = Self(NO_PLACE);

    /// The place.
    pub(in crate::vm) const fn place(self) -> u32 {
        self.0 & NO_PLACE
    }

    /// Whether the hand stood at the cell before.
    const fn has_moved_hand(self) -> bool {
        self.0 & HAND_MOVED != 0
    }

    /// Whether the hand was empty before.
    const fn has_filled_hand(self) -> bool {
        self.0 & (HAND_MOVED | HAND_FILLED) != 0
    }
}

impl VmBos<'_> {
    /// Cells that up to three more places can take.
    pub(in crate::vm) fn cells_needed(&self, id: VmBoId, places: u32) -> u32 {
        let Some(hand) = self.cells.get(id.0).map(VmBoCell::hand) else { return 0 };
        let empty = |cell: u32| self.cells.get(cell).map_or(0, |cell| cell.links().empty().count_ones());
        let here = hand.empty().count_ones().wrapping_add(empty(hand.previous()));
        u32::from(here < places && empty(hand.next()) < WORTH)
    }

    /// It is going to be soon: the cells that the place can come from are asked for.
    #[inline]
    pub(in crate::vm) fn expect_soon(&self, id: VmBoId) {
        let Some(hand) = self.cells.get(id.0).map(VmBoCell::hand) else { return };
        let _ = self.cells.get(hand.previous()).map(prefetch);
        // Without a branch: that would wait for the first cell, and what comes after with it.
        let second = if hand.empty() == 0 { hand.next() } else { hand.previous() };
        let _ = self.cells.get(second).map(prefetch);
    }

    /// Gives a new mapping that begins at `start` a place.
    #[inline]
    pub(in crate::vm) fn insert(&mut self, id: VmBoId, start: u64) -> Option<Made> {
        let mut moved = 0;
        if self.cells.get(id.0)?.hand().empty() == 0 {
            moved = self.refill(id)?;
        }
        let first = self.cells.get_mut(id.0)?;
        let hand = first.hand();
        let (cell, word) = (hand.previous(), hand.empty().trailing_zeros());
        first.set_hand(Links::new(cell, hand.next(), hand.empty() & hand.empty().wrapping_sub(1)));
        *first.uses() = first.uses().wrapping_add(1);
        self.cells.get_mut(cell)?.put(word, start);
        Some(Made(cell << 3 | word | moved))
    }

    /// Undoes an [`insert`](Self::insert), whatever was inserted since being undone already.
    pub(in crate::vm) fn take_back(&mut self, id: VmBoId, made: Made) {
        if made == Made::NOTHING {
            return;
        }
        let Some(first) = self.cells.get_mut(id.0) else { return };
        *first.uses() = first.uses().wrapping_sub(1);
        let hand = first.hand();
        let (cell, empty) = (hand.previous(), hand.empty() | 1 << (made.place() & 7));
        first.set_hand(Links::new(cell, hand.next(), empty));
        if !made.has_filled_hand() {
            return;
        }
        // The hand was empty then, and one cell further back if it has moved.
        let Some(left) = self.cells.get_mut(cell) else { return };
        left.clear(empty);
        let before = Links::new(left.links().previous(), cell, 0);
        if let Some(first) = self.cells.get_mut(id.0) {
            first.set_hand(if made.has_moved_hand() { before } else { Links::new(cell, hand.next(), 0) });
        }
    }

    /// Gives the cell back that an insertion took, all of it since being undone. The newest is first, so that free cells
    /// come to be in the order they were in.
    pub(in crate::vm) fn tidy_made(&mut self, id: VmBoId, made: Made) {
        if made != Made::NOTHING && made.has_moved_hand() {
            self.tidy(made.place(), id);
        }
    }

    /// Gives the hand, which has none, places: those that have become empty where it stands, or it moves.
    #[cold]
    fn refill(&mut self, id: VmBoId) -> Option<u32> {
        let hand = self.cells.get(id.0)?.hand();
        let (here, next) = (hand.previous(), hand.next());
        let empty = self.cells.get_mut(here)?.take_empty();
        if empty != 0 {
            self.cells.get_mut(id.0)?.set_hand(Links::new(here, next, empty));
            return Some(HAND_FILLED);
        }
        let its = self.cells.get(next)?.links();
        let hand = if its.empty().count_ones() >= WORTH {
            Links::new(next, its.next(), self.cells.get_mut(next)?.take_empty())
        } else {
            Links::new(self.link(id, here, next)?, next, ALL_PLACES)
        };
        self.cells.get_mut(id.0)?.set_hand(hand);
        Some(HAND_MOVED)
    }

    /// Puts a new cell between two that follow each other.
    fn link(&mut self, id: VmBoId, previous: u32, next: u32) -> Option<u32> {
        let index = self.cells.take(self.owner_of(id))?;
        *self.cells.get_mut(index)? = VmBoCell::between(previous, next);
        self.cells.get_mut(previous)?.set_next(index);
        self.cells.get_mut(next)?.set_previous(index);
        Some(index)
    }
}
