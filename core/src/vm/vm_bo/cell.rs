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
pub(super) const ALL_PLACES: u32 = 0x7F;
const ALL: u64 = ALL_PLACES as u64;
/// Those of a first cell.
const ALL_OF_FIRST: u32 = ALL_PLACES << HEAD & ALL_PLACES;

/// Two numbers of cells, and a bit for each of seven places.
#[derive(Clone, Copy, Debug)]
#[repr(transparent)]
pub(super) struct Links(u64);

impl Links {
    /// Of no cell.
    pub(super) const NONE: Self = Self::new(u32::MAX, u32::MAX, 0);

    #[inline]
    pub(super) const fn new(previous: u32, next: u32, empty: u32) -> Self {
        Self(previous as u64 & NUMBER | (next as u64 & NUMBER) << NEXT_SHIFT | (empty as u64 & ALL) << EMPTY_SHIFT)
    }

    /// The cell before; in a hand, the cell where it stands.
    #[inline]
    pub(super) const fn previous(self) -> u32 {
        low32(self.0 & NUMBER)
    }

    /// The cell after.
    #[inline]
    pub(super) const fn next(self) -> u32 {
        low32(self.0 >> NEXT_SHIFT & NUMBER)
    }

    /// Bit i set: place i is empty.
    #[inline]
    pub(super) const fn empty(self) -> u32 {
        low32(self.0 >> EMPTY_SHIFT)
    }
}

/// A cell: 64 bytes.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(64))]
pub struct VmBoCell {
    links: Links,
    words: [u64; 7],
}

const _: () = assert!(size_of::<VmBoCell>() == 64);

/// Two numbers in one word.
pub(super) const fn two(high: u32, low: u32) -> u64 {
    (high as u64) << 32 | low as u64
}

impl VmBoCell {
    /// Filler for lent storage.
    pub const EMPTY: Self = Self { links: Links(0), words: [0; 7] };

    /// A cell between two, all of whose places the hand has taken.
    pub(super) const fn between(previous: u32, next: u32) -> Self {
        Self { links: Links::new(previous, next, 0), words: [0; 7] }
    }

    /// The first cell of an object, whose number is `id`. The hand stands there.
    pub(super) const fn first(id: u32, names: u64, uses: u64) -> Self {
        let Links(hand) = Links::new(id, id, ALL_OF_FIRST);
        Self { links: Links::new(id, id, 0), words: [names, uses, hand, 0, 0, 0, 0] }
    }

    /// The cells beside it, and its empty places but for those that the hand has taken.
    #[inline]
    pub(super) const fn links(&self) -> Links {
        self.links
    }

    pub(super) const fn set_previous(&mut self, previous: u32) {
        self.links = Links::new(previous, self.links.next(), self.links.empty());
    }

    pub(super) const fn set_next(&mut self, next: u32) {
        self.links = Links::new(self.links.previous(), next, self.links.empty());
    }

    /// Its empty places are the hand's from here on; which they were.
    #[inline]
    pub(super) const fn take_empty(&mut self) -> u32 {
        let empty = self.links.empty();
        self.links = Links(self.links.0 & ((1 << EMPTY_SHIFT) - 1));
        empty
    }

    /// Whether all words are empty places and none is the hand's; a first cell's never are.
    #[inline]
    pub(super) const fn is_empty(&self) -> bool {
        self.links.empty() == ALL_PLACES
    }

    /// Notes where the mapping at a place, below seven, begins.
    #[inline]
    pub(super) fn put(&mut self, place: u32, start: u64) {
        if let Some(word) = self.words.get_mut(usize_of(place)) {
            *word = start;
        }
    }

    /// Gives a place, below seven, to a mapping.
    pub(super) fn fill(&mut self, place: u32, start: u64) {
        self.links.0 &= !(1 << EMPTY_SHIFT << (place & 7));
        self.put(place, start);
    }

    /// Empties places.
    #[inline]
    pub(super) const fn clear(&mut self, places: u32) {
        self.links.0 |= (places as u64 & ALL) << EMPTY_SHIFT;
    }

    /// Has no empty place from here on.
    pub(super) const fn close(&mut self) {
        self.links.0 &= !(ALL << EMPTY_SHIFT);
    }

    /// Where the mapping at a place began, if there is one, or if the hand has taken the place.
    pub(super) fn began(&self, place: u32) -> Option<u64> {
        let word = self.words.get(usize_of(place))?;
        (self.links.empty() >> (place & 7) & 1 == 0).then_some(*word)
    }

    /// In a first cell: positions of VM and object, uses and next part of the object, the hand.
    #[inline]
    const fn head(&mut self) -> [&mut u64; 3] {
        let [names, uses, hand, ..] = &mut self.words;
        [names, uses, hand]
    }

    /// In a first cell: uses, and the next part of the object.
    #[inline]
    pub(super) const fn uses(&mut self) -> &mut u64 {
        let [_, uses, _] = self.head();
        uses
    }

    /// In a first cell: the cell where the hand stands, the one after it, and places that it has taken there and not
    /// given to anything yet.
    #[inline]
    pub(super) const fn hand(&self) -> Links {
        let [_, _, hand, ..] = self.words;
        Links(hand)
    }

    #[inline]
    pub(super) const fn set_hand(&mut self, hand: Links) {
        let [_, _, word] = self.head();
        *word = hand.0;
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
