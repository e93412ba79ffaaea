//! What a user would pick instead.

use super::contender::Ranges;
use super::traffic::Put;
use nodit::interval::ie;
use nodit::{Interval, NoditMap};
use rangemap::RangeMap;
use std::collections::BTreeMap;

pub(crate) type Nodit = NoditMap<u64, Interval<u64>, u64>;
pub(crate) type Rangemap = RangeMap<u64, u64>;

impl Ranges for Nodit {
    fn empty(_: u64) -> Self {
        Self::new()
    }

    #[inline]
    fn put(&mut self, put: &Put) {
        // What it replaced is an iterator that may be dropped.
        drop(self.insert_overwrite(ie(put.start, put.end), put.value));
    }

    #[inline]
    fn cut(&mut self, start: u64, end: u64) {
        drop(Self::cut(self, &ie(start, end)));
    }

    #[inline]
    fn find(&self, addr: u64) -> Option<u64> {
        self.get_at_point(&addr).copied()
    }

    fn len(&self) -> usize {
        Self::len(self)
    }
}

impl Ranges for Rangemap {
    fn empty(_: u64) -> Self {
        Self::new()
    }

    #[inline]
    fn put(&mut self, put: &Put) {
        self.insert(put.start..put.end, put.value);
    }

    #[inline]
    fn cut(&mut self, start: u64, end: u64) {
        self.remove(start..end);
    }

    #[inline]
    fn find(&self, addr: u64) -> Option<u64> {
        self.get(&addr).copied()
    }

    fn len(&self) -> usize {
        Self::len(self)
    }
}

/// First address to end and value, with splits done by hand.
pub(crate) struct Btree(BTreeMap<u64, (u64, u64)>);

impl Ranges for Btree {
    fn empty(_: u64) -> Self {
        Self(BTreeMap::new())
    }

    #[inline]
    fn put(&mut self, put: &Put) {
        Ranges::cut(self, put.start, put.end);
        self.0.insert(put.start, (put.end, put.value));
    }

    #[inline]
    fn cut(&mut self, start: u64, end: u64) {
        if let Some((_, before)) = self.0.range_mut(..start).next_back() {
            let (before_end, value) = *before;
            if before_end > start {
                before.0 = start;
            }
            if before_end > end {
                self.0.insert(end, (before_end, value));
                return;
            }
        }
        while let Some((first, &(its_end, value))) = self.0.range(start..end).next() {
            let first = *first;
            self.0.remove(&first);
            if its_end > end {
                self.0.insert(end, (its_end, value));
                return;
            }
        }
    }

    #[inline]
    fn find(&self, addr: u64) -> Option<u64> {
        let (_, &(end, value)) = self.0.range(..=addr).next_back()?;
        (addr < end).then_some(value)
    }

    fn len(&self) -> usize {
        self.0.len()
    }
}
