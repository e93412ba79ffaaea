//! One node of the index: a short sorted array, searched without a branch.
//!
//! ```text
//! lines 0, 1    a sample of the keys, length and links
//! lines 2..32   fifteen blocks of two lines: 60 mappings of four words in leaves, 240 children of one in branches
//! ```
//!
//! The first word of an entry begins with its key: a mapping's first address, with something else below the page; or
//! where a child begins, as a number of a page, with the child's number in the 18 bits below. A search counts the samples
//! and then the keys of one block that are not above the address. Wide nodes pay: a tree of a million mappings has three
//! levels, all but the leaves stay in the cache.

use super::ADDRESS_END;
use crate::num::{low32, u64_of, usize_capped};
use crate::vm::slab::{Cell, NONE};
use crate::vm::vma::IN_PAGE;
use barexe_hal::slice::shift;

/// Words of a block.
const BLOCK: usize = 16;
const BLOCKS: usize = 15;
const WORDS: usize = BLOCK * BLOCKS;
/// Words of a leaf's entry: a mapping.
pub(super) const LEAF: usize = 4;
/// Words of a branch's entry: where the child begins, and its number.
pub(super) const BRANCH: usize = 1;
/// In a branch's entry, below the 45 bits of a page's number: the child.
const CHILD_BITS: u32 = 18;
const CHILD: u64 = (1 << CHILD_BITS) - 1;
/// From an address to the key of a child that begins there.
const PAGE_SHIFT: u32 = CHILD_BITS - IN_PAGE.count_ones();
/// Nodes that a branch can name: an entry of the last page and one more node would be [`FREE`].
pub(super) const MAX_NODES: u32 = (1 << CHILD_BITS) - 1;
/// Key of a free place: above every address, and so far that the difference of two keys has a sign.
pub(super) const FREE: u64 = u64::MAX >> 1;

/// A branch's entry. Addresses are those of pages, below [`ADDRESS_END`].
pub(super) const fn child(begins: u64, node: u32) -> [u64; BRANCH] {
    [begins << PAGE_SHIFT | node as u64 & CHILD]
}

/// Entries of `N` words that a node can hold.
pub(super) const fn width<const N: usize>() -> usize {
    const { WORDS / N }
}

/// A node with fewer entries is filled up from its neighbour or joined with it.
pub(super) const fn few<const N: usize>() -> usize {
    const { WORDS / N * 7 / 16 }
}

/// Two nodes with no more entries together become one.
pub(super) const fn joined<const N: usize>() -> usize {
    const { WORDS / N * 15 / 16 }
}

/// A full node passes entries on to its neighbour if they have no more together.
pub(super) const fn shared<const N: usize>() -> usize {
    const { WORDS / N * 7 / 4 }
}

/// A node of the index. Which kind it is, leaf or branch, its level says.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(2048))]
pub struct VmaNode {
    /// First keys of all blocks but the first.
    samples: [u64; BLOCKS - 1],
    /// Number of the tentative change that made it, and in the low eight bits how many entries it has.
    state: u64,
    link: u32,
    /// The next node that goes when the tentative change is accepted.
    pub(super) retired: u32,
    /// Entries, ascending; keys from the last on are [`FREE`]. A branch's first key is 0: its first child begins where
    /// the branch itself does, which the branch above knows.
    words: [u64; WORDS],
}

const _: () = assert!(size_of::<VmaNode>() == 2048);

impl Cell for VmaNode {
    fn link(&self) -> u32 {
        self.link
    }

    fn set_link(&mut self, link: u32) {
        self.link = link;
    }
}

/// 1 if `key` is not above `addr`, else 0; both are at most [`FREE`].
const fn reached(key: u64, addr: u64) -> u64 {
    addr.wrapping_sub(key) >> 63 ^ 1
}

impl VmaNode {
    /// Filler for lent storage.
    pub const EMPTY: Self =
        Self { samples: [FREE; BLOCKS - 1], state: 0, link: NONE, retired: NONE, words: [FREE; WORDS] };

    /// What a search looks at first.
    #[inline]
    pub(super) const fn head(&self) -> &[u64; BLOCKS - 1] {
        &self.samples
    }

    /// Entries it has.
    #[inline]
    pub(super) const fn len(&self) -> usize {
        usize_capped(self.state & 0xFF)
    }

    #[inline]
    const fn set_len(&mut self, len: usize) {
        self.state = self.state & !0xFF | u64_of(len) & 0xFF;
    }

    /// Number of the tentative change that made it.
    pub(super) const fn epoch(&self) -> u64 {
        self.state >> 8
    }

    /// Makes it an empty node, made by the tentative change with this number.
    pub(super) const fn make(&mut self, epoch: u64) {
        self.samples = [FREE; BLOCKS - 1];
        self.words = [FREE; WORDS];
        self.state = epoch << 8;
    }

    /// Makes it hold what `other` holds.
    pub(super) const fn copy_entries(&mut self, other: &Self) {
        self.samples = other.samples;
        self.words = other.words;
        self.set_len(other.len());
    }

    #[inline]
    const fn entries<const N: usize>(&self) -> &[[u64; N]] {
        self.words.as_chunks().0
    }

    #[inline]
    const fn entries_mut<const N: usize>(&mut self) -> &mut [[u64; N]] {
        self.words.as_chunks_mut().0
    }

    /// The highest first word of an entry that begins on the page of `addr` or before.
    const fn search_key<const N: usize>(addr: u64) -> u64 {
        if N == LEAF {
            return addr | IN_PAGE;
        }
        // Nothing is above the last page; and no child has the highest number, so this is below a free place's word.
        let addr = if addr < ADDRESS_END { addr } else { ADDRESS_END - 1 };
        (addr & !IN_PAGE) << PAGE_SHIFT | (CHILD - 1)
    }

    /// How many entries begin on the page of `addr` or before.
    #[inline]
    pub(super) fn rank<const N: usize>(&self, addr: u64) -> usize {
        let addr = Self::search_key::<N>(addr);
        let block = usize_capped(self.samples.iter().map(|key| reached(*key, addr)).sum());
        let (blocks, _) = self.words.as_chunks::<BLOCK>();
        let Some(block_words) = blocks.get(block) else { return 0 };
        if N == BRANCH {
            // Sixteen keys: that of the middle one halves the work.
            let (low, high) = block_words.split_at(BLOCK / 2);
            let upper = high.first().is_some_and(|key| reached(*key, addr) == 1);
            let half = if upper { high } else { low };
            let within: u64 = half.iter().map(|key| reached(*key, addr)).sum();
            let base = block.wrapping_mul(BLOCK).wrapping_add(if upper { BLOCK / 2 } else { 0 });
            return base.wrapping_add(usize_capped(within));
        }
        let within = block_words.as_chunks::<N>().0.iter().map(|entry| reached(entry[0], addr)).sum();
        block.wrapping_mul(const { BLOCK / N }).wrapping_add(usize_capped(within))
    }

    /// An entry, [`FREE`] past the last.
    #[inline]
    pub(super) fn entry<const N: usize>(&self, slot: usize) -> Option<&[u64; N]> {
        self.entries().get(slot)
    }

    /// The mappings `first..last` of a leaf.
    #[inline]
    pub(super) fn mappings(&self, first: usize, last: usize) -> &[[u64; LEAF]] {
        self.entries().get(first..last).unwrap_or_default()
    }

    /// The child of a branch that has `addr`: its place, its number, and where the next child begins.
    #[inline]
    pub(super) fn child_at(&self, addr: u64) -> (usize, u32, u64) {
        let next = self.rank::<BRANCH>(addr);
        let slot = next.wrapping_sub(1);
        (slot, self.child(slot), self.begins(next))
    }

    /// A child.
    #[inline]
    pub(super) fn child(&self, slot: usize) -> u32 {
        self.entry::<BRANCH>(slot).map_or(NONE, |[word]| low32(*word & CHILD))
    }

    /// Where a child begins; past the last child, [`FREE`].
    #[inline]
    pub(super) fn begins(&self, slot: usize) -> u64 {
        let word = self.entry::<BRANCH>(slot).map_or(FREE, |[word]| *word);
        if word == FREE { FREE } else { (word & !CHILD) >> PAGE_SHIFT }
    }

    /// First address of the first entry.
    pub(super) const fn first_address(&self) -> u64 {
        let [first, ..] = self.words;
        first & !IN_PAGE
    }

    /// Makes a branch forget where it begins; where that was.
    pub(super) fn begin_at_zero(&mut self) -> u64 {
        let begins = self.begins(0);
        let [first, ..] = &mut self.words;
        *first &= CHILD;
        begins
    }

    /// Changes an entry.
    #[inline]
    pub(super) fn set<const N: usize>(&mut self, slot: usize, entry: [u64; N]) {
        if let Some(place) = self.entries_mut().get_mut(slot) {
            *place = entry;
        }
        self.sample();
    }

    /// Puts `new` where the entries `first..last` are; there is room.
    #[inline]
    pub(super) fn replace<const N: usize>(&mut self, first: usize, last: usize, new: &[[u64; N]]) {
        let len = self.len();
        let after = first.wrapping_add(new.len());
        if after != last {
            let tail = len.saturating_sub(last);
            shift(self.entries_mut::<N>(), last, after, tail);
            self.cut_off::<N>(after.wrapping_add(tail), len);
        }
        let places = self.entries_mut().get_mut(first..after).unwrap_or_default();
        for (place, entry) in places.iter_mut().zip(new) {
            *place = *entry;
        }
        self.sample();
    }

    /// Has `len` entries instead of `before`.
    #[inline]
    fn cut_off<const N: usize>(&mut self, len: usize, before: usize) {
        for entry in self.entries_mut::<N>().get_mut(len..before).unwrap_or_default() {
            entry[0] = FREE;
        }
        self.set_len(len);
    }

    /// Moves `count` entries of `other` from its `from` on to `at`, moving its own from there on up; there is room.
    pub(super) fn take<const N: usize>(&mut self, at: usize, other: &mut Self, from: usize, count: usize) {
        let (len, other_len) = (self.len(), other.len());
        shift(self.entries_mut::<N>(), at, at.wrapping_add(count), len.saturating_sub(at));
        let to = self.entries_mut::<N>().get_mut(at..at.wrapping_add(count)).unwrap_or_default();
        let source = other.entries::<N>().get(from..from.wrapping_add(count)).unwrap_or_default();
        for (to, source) in to.iter_mut().zip(source) {
            *to = *source;
        }
        self.set_len(len.wrapping_add(count));
        self.sample();
        let after = from.wrapping_add(count);
        shift(other.entries_mut::<N>(), after, from, other_len.saturating_sub(after));
        other.cut_off::<N>(other_len.wrapping_sub(count), other_len);
        other.sample();
    }

    /// Takes the samples anew.
    #[inline]
    fn sample(&mut self) {
        let (blocks, _) = self.words.as_chunks::<BLOCK>();
        for (sample, block) in self.samples.iter_mut().zip(blocks.iter().skip(1)) {
            *sample = block[0];
        }
    }

    /// Checks number and order of the entries, and the samples.
    ///
    /// # Errors
    /// What is wrong.
    pub(super) fn check<const N: usize>(&self, least: usize) -> Result<(), &'static str> {
        let (used, free) = self.entries::<N>().split_at_checked(self.len()).ok_or("too many entries")?;
        let key = |entry: &[u64; N]| entry[0];
        let below = if N == LEAF { IN_PAGE } else { CHILD };
        if used.len() < least {
            return Err("too few entries");
        }
        if !used.is_sorted_by(|a, b| key(a) | below < key(b)) || used.iter().any(|entry| key(entry) >= FREE) {
            return Err("order of keys");
        }
        if free.iter().any(|entry| key(entry) != FREE) {
            return Err("key of a free place");
        }
        let (blocks, _) = self.words.as_chunks::<BLOCK>();
        let sampled = blocks.iter().skip(1).map(|block| block[0]).eq(self.samples);
        if sampled { Ok(()) } else { Err("samples") }
    }
}
