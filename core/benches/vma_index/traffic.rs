//! Random operations on a full address space.

use oorandom::Rand64;

const PAGE: u64 = 4096;
/// Longest range in pages: 2 MiB.
const LONGEST: u64 = 512;
/// Pages of the space for two live ranges. With so many, random overwriting keeps about the wanted number alive.
const PAGES_FOR_TWO: u64 = 257;

/// A range and what it is to hold.
#[derive(Clone, Copy)]
pub(crate) struct Put {
    pub(crate) start: u64,
    pub(crate) end: u64,
    pub(crate) value: u64,
}

pub(crate) struct Traffic {
    random: Rand64,
    pages: u64,
    live: u64,
}

impl Traffic {
    pub(crate) fn new(live: u64) -> Self {
        Self { random: Rand64::new(1), pages: live * PAGES_FOR_TWO / 2, live }
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.random.rand_range(0..limit)
    }

    /// Anything from 4 KiB to 2 MiB, anywhere.
    pub(crate) fn puts(&mut self, count: usize) -> Vec<Put> {
        let mut put = || {
            let len = 1 + self.below(LONGEST);
            let start = self.below(self.pages - len + 1);
            Put { start: start * PAGE, end: (start + len) * PAGE, value: self.random.rand_u64() }
        };
        (0..count).map(|_| put()).collect()
    }

    pub(crate) fn addresses(&mut self, count: usize) -> Vec<u64> {
        (0..count).map(|_| self.below(self.pages) * PAGE).collect()
    }

    /// The whole space in equal ranges, ascending.
    pub(crate) fn tiles(&mut self) -> Vec<Put> {
        let len = self.pages / self.live;
        let tile = |at| (at * len * PAGE, (at + 1) * len * PAGE);
        (0..self.live).map(tile).map(|(start, end)| Put { start, end, value: self.random.rand_u64() }).collect()
    }

    pub(crate) fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last as u64 + 1) as usize);
        }
    }
}
