//! A cell of the list of an object's mappings: one cache line.

use crate::num::{high32, low32};
use crate::vm::slab::{Cell, NONE};

/// A place that no mapping has.
pub(super) const EMPTY: u64 = u64::MAX;
/// Places of a cell; the first cell's first three words are something else and never [`EMPTY`].
pub(super) const WORDS: usize = 7;

/// A cell: 64 bytes.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(64))]
pub struct VmBoCell {
    pub(super) previous: u32,
    pub(super) next: u32,
    pub(super) words: [u64; WORDS],
}

const _: () = assert!(size_of::<VmBoCell>() == 64);

/// Two numbers in one word.
pub(super) const fn two(high: u32, low: u32) -> u64 {
    (high as u64) << 32 | low as u64
}

impl VmBoCell {
    /// Filler for lent storage.
    pub const EMPTY: Self = Self { previous: NONE, next: NONE, words: [EMPTY; WORDS] };

    /// Bit i set: word i is an empty place.
    #[inline]
    pub(super) fn empty(&self) -> u32 {
        self.words.iter().rev().fold(0, |mask, word| mask << 1 | u32::from(*word == EMPTY))
    }

    /// Whether all words are empty places.
    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.words.iter().fold(EMPTY, |all, word| all & word) == EMPTY
    }

    /// In a first cell: positions of VM and object, uses and next part of the object, current cell.
    #[inline]
    pub(super) const fn head(&mut self) -> [&mut u64; 3] {
        let [names, uses, current, ..] = &mut self.words;
        [names, uses, current]
    }

    #[inline]
    pub(super) const fn current(&self) -> u32 {
        let [_, _, current, ..] = self.words;
        low32(current)
    }

    pub(super) const fn next_of_bo(&self) -> u32 {
        let [_, uses, ..] = self.words;
        high32(uses)
    }
}

impl Cell for VmBoCell {
    fn link(&self) -> u32 {
        self.next
    }

    fn set_link(&mut self, link: u32) {
        self.next = link;
    }
}
