//! Cells of lent storage, named by plain 32-bit numbers.
//!
//! For what only the core itself names: such numbers never leave the driver, so unlike a [`Handle`](crate::Handle) they
//! carry no generation, and a slab can hold as many cells as 32 bits can count. Cells that were never used are not
//! touched, so a large slab costs nothing to set up.

use crate::num::{u32_capped, usize_of};
use crate::shares::{Ledger, Owner};

/// Names no cell.
pub const NONE: u32 = u32::MAX;

/// What a slab is made of.
pub trait Cell {
    /// The free cell after this free one.
    fn link(&self) -> u32;

    /// Sets it.
    fn set_link(&mut self, link: u32);
}

/// Cells, and which of them are free: those on a list, and those from `fresh` on.
#[derive(Debug)]
pub struct Slab<'a, T> {
    cells: &'a mut [T],
    /// Cells that are used at most.
    limit: u32,
    first_free: u32,
    fresh: u32,
    live: u32,
    ledger: Ledger<'a>,
}

/// Which cells of a slab were free at a moment.
#[derive(Clone, Copy, Debug)]
pub struct SlabMark {
    first_free: u32,
    fresh: u32,
    live: u32,
}

impl<'a, T: Cell> Slab<'a, T> {
    /// A slab of which every cell is free, and which uses no more than `limit` of them.
    #[must_use]
    pub const fn new(cells: &'a mut [T], limit: u32) -> Self {
        let len = u32_capped(cells.len());
        let limit = if len < limit { len } else { limit };
        Self { cells, limit, first_free: NONE, fresh: 0, live: 0, ledger: Ledger::NONE }
    }

    /// From here on cells are counted in `ledger`. None is taken.
    pub const fn count_in(&mut self, ledger: Ledger<'a>) {
        self.ledger = ledger;
    }

    /// Where its cells are counted.
    #[must_use]
    pub const fn ledger(&self) -> &Ledger<'a> {
        &self.ledger
    }

    /// The lent cells back.
    #[must_use]
    pub const fn into_cells(self) -> &'a mut [T] {
        self.cells
    }

    /// Cells taken.
    #[must_use]
    pub const fn live(&self) -> u32 {
        self.live
    }

    /// Cells that can still be taken for an owner.
    #[must_use]
    #[inline]
    pub fn room(&self, owner: Owner) -> u32 {
        self.ledger.room(self.limit.saturating_sub(self.live), owner)
    }

    /// Takes a cell for an owner, `None` if there is no [room](Self::room). It still holds whatever it held before.
    #[must_use]
    #[inline]
    pub fn take(&mut self, owner: Owner) -> Option<u32> {
        if self.room(owner) == 0 {
            return None;
        }
        let reused = self.first_free;
        let index = if reused == NONE { self.fresh } else { reused };
        let cell = self.cells.get(usize_of(index)).filter(|_| index < self.limit)?;
        if reused == NONE {
            self.fresh = self.fresh.wrapping_add(1);
        } else {
            self.first_free = cell.link();
        }
        self.live = self.live.wrapping_add(1);
        self.ledger.charge(owner, 1);
        Some(index)
    }

    /// Gives back a cell that was taken for the owner.
    #[inline]
    pub fn give(&mut self, owner: Owner, index: u32) {
        let next = self.first_free;
        if let Some(cell) = self.get_mut(index) {
            cell.set_link(next);
            self.first_free = index;
            self.live = self.live.wrapping_sub(1);
            self.ledger.credit(owner, 1);
        }
    }

    /// A cell.
    #[must_use]
    #[inline]
    pub fn get(&self, index: u32) -> Option<&T> {
        self.cells.get(usize_of(index))
    }

    /// A cell, for change.
    #[must_use]
    #[inline]
    pub fn get_mut(&mut self, index: u32) -> Option<&mut T> {
        self.cells.get_mut(usize_of(index))
    }

    /// Two different cells, for change.
    #[must_use]
    pub fn pair_mut(&mut self, one: u32, other: u32) -> Option<(&mut T, &mut T)> {
        let [one, other] = self.cells.get_disjoint_mut([usize_of(one), usize_of(other)]).ok()?;
        Some((one, other))
    }

    /// For [`rewind`](Self::rewind).
    #[must_use]
    pub const fn mark(&self) -> SlabMark {
        SlabMark { first_free: self.first_free, fresh: self.fresh, live: self.live }
    }

    /// Gives back every cell taken since, provided that all were for the owner, none was given back since and no link was
    /// set.
    pub fn rewind(&mut self, owner: Owner, mark: SlabMark) {
        self.ledger.credit(owner, self.live.wrapping_sub(mark.live));
        self.first_free = mark.first_free;
        self.fresh = mark.fresh;
        self.live = mark.live;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Plain(u32);

    impl Cell for Plain {
        fn link(&self) -> u32 {
            self.0
        }

        fn set_link(&mut self, link: u32) {
            self.0 = link;
        }
    }

    #[test]
    fn a_slab_gives_every_cell_once_and_then_none() {
        let mut cells = [const { Plain(7) }; 3];
        let mut slab = Slab::new(&mut cells, NONE);
        let mut taken: std::vec::Vec<_> = core::iter::from_fn(|| slab.take(Owner::NOBODY)).collect();
        taken.sort_unstable();
        assert_eq!((taken.as_slice(), slab.room(Owner::NOBODY), slab.live()), ([0, 1, 2].as_slice(), 0, 3));
        slab.give(Owner::NOBODY, 1);
        assert_eq!((slab.take(Owner::NOBODY), slab.take(Owner::NOBODY)), (Some(1), None));
    }

    #[test]
    fn rewinding_gives_back_what_was_taken_since_in_the_same_order() {
        let mut cells = [const { Plain(7) }; 4];
        let mut slab = Slab::new(&mut cells, NONE);
        for _ in 0..3 {
            let _ = slab.take(Owner::NOBODY);
        }
        slab.give(Owner::NOBODY, 0);
        slab.give(Owner::NOBODY, 2);
        let mark = slab.mark();
        let first: std::vec::Vec<_> = core::iter::from_fn(|| slab.take(Owner::NOBODY)).collect();
        slab.rewind(Owner::NOBODY, mark);
        assert_eq!(slab.room(Owner::NOBODY), 3);
        assert_eq!(core::iter::from_fn(|| slab.take(Owner::NOBODY)).collect::<std::vec::Vec<_>>(), first);
    }

    #[test]
    fn a_slab_uses_no_more_cells_than_it_may() {
        let mut cells = [const { Plain(7) }; 3];
        let mut slab = Slab::new(&mut cells, 2);
        assert_eq!(
            (slab.take(Owner::NOBODY), slab.take(Owner::NOBODY), slab.take(Owner::NOBODY), slab.room(Owner::NOBODY)),
            (Some(0), Some(1), None, 0)
        );
        slab.give(Owner::NOBODY, 0);
        assert_eq!(slab.take(Owner::NOBODY), Some(0));
    }

    #[test]
    fn a_slab_over_nothing_is_full() {
        let mut slab = Slab::<Plain>::new(&mut [], NONE);
        assert_eq!((slab.take(Owner::NOBODY), slab.room(Owner::NOBODY)), (None, 0));
    }
}
