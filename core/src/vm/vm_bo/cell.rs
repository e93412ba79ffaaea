//! A cell of the list of an object's mappings: one cache line.

use crate::num::{high32, low32, usize_of};
use crate::vm::slab::Cell;

/// Words of a cell beside its links.
pub(super) const WORDS: u32 = 7;
/// Words of an object's first cell that are no places.
pub(super) const HEAD: u32 = 3;

/// In the links: numbers of cells have 27 bits, and above them is a bit for each empty place.
const NUMBER: u64 = (1 << 27) - 1;
const NEXT_SHIFT: u32 = 27;
const EMPTY_SHIFT: u32 = 57;
/// All places are empty.
const ALL: u64 = 0x7F;
/// Those of a first cell.
const ALL_OF_FIRST: u64 = ALL << HEAD & ALL;

/// A cell: 64 bytes.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(64))]
pub struct VmBoCell {
    links: u64,
    words: [u64; 7],
}

const _: () = assert!(size_of::<VmBoCell>() == 64);

/// Two numbers in one word.
pub(super) const fn two(high: u32, low: u32) -> u64 {
    (high as u64) << 32 | low as u64
}

impl VmBoCell {
    /// Filler for lent storage.
    pub const EMPTY: Self = Self { links: 0, words: [0; 7] };

    /// A cell of empty places between two.
    pub(super) fn between(previous: u32, next: u32) -> Self {
        let links = u64::from(previous) & NUMBER | u64::from(next) << NEXT_SHIFT | ALL << EMPTY_SHIFT;
        Self { links, words: [0; 7] }
    }

    /// The first cell of an object, whose number is `id`.
    pub(super) fn first(id: u32, names: u64, uses: u64) -> Self {
        let links = u64::from(id) & NUMBER | u64::from(id) << NEXT_SHIFT | ALL_OF_FIRST << EMPTY_SHIFT;
        let mut cell = Self { links, words: [0; 7] };
        let [its_names, its_uses, current] = cell.head();
        (*its_names, *its_uses, *current) = (names, uses, u64::from(id));
        cell
    }

    #[inline]
    pub(super) const fn previous(&self) -> u32 {
        low32(self.links & NUMBER)
    }

    #[inline]
    pub(super) const fn next(&self) -> u32 {
        low32(self.links >> NEXT_SHIFT & NUMBER)
    }

    pub(super) fn set_previous(&mut self, previous: u32) {
        self.links = self.links & !NUMBER | u64::from(previous) & NUMBER;
    }

    pub(super) fn set_next(&mut self, next: u32) {
        self.links = self.links & !(NUMBER << NEXT_SHIFT) | (u64::from(next) & NUMBER) << NEXT_SHIFT;
    }

    /// Bit i set: place i is empty.
    #[inline]
    pub(super) const fn empty(&self) -> u32 {
        low32(self.links >> EMPTY_SHIFT)
    }

    /// Whether all words are empty places; a first cell's never are.
    #[inline]
    pub(super) const fn is_empty(&self) -> bool {
        self.links >> EMPTY_SHIFT == ALL
    }

    /// Gives a place, below seven, to a mapping.
    #[inline]
    pub(super) fn fill(&mut self, place: u32, start: u64) {
        self.links &= !(1 << EMPTY_SHIFT << (place & 7));
        if let Some(word) = self.words.get_mut(usize_of(place)) {
            *word = start;
        }
    }

    /// Empties a place, below seven.
    #[inline]
    pub(super) const fn clear(&mut self, place: u32) {
        self.links |= 1 << EMPTY_SHIFT << (place & 7);
    }

    /// Has no empty place from here on.
    pub(super) const fn close(&mut self) {
        self.links &= !(ALL << EMPTY_SHIFT);
    }

    /// Where the mapping at a place began, if there is one.
    pub(super) fn began(&self, place: u32) -> Option<u64> {
        let word = self.words.get(usize_of(place))?;
        (self.empty() >> (place & 7) & 1 == 0).then_some(*word)
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

    /// In a first cell: positions of VM and object.
    pub(super) const fn names(&self) -> u64 {
        let [names, ..] = self.words;
        names
    }

    pub(super) const fn next_of_bo(&self) -> u32 {
        let [_, uses, ..] = self.words;
        high32(uses)
    }
}

impl Cell for VmBoCell {
    fn link(&self) -> u32 {
        let [link, ..] = self.words;
        low32(link)
    }

    fn set_link(&mut self, link: u32) {
        let [word, ..] = &mut self.words;
        *word = u64::from(link);
    }
}
