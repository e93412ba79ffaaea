//! Bus addresses that belonged to buffers which are gone.

use std::collections::BTreeMap;

/// Ranges, by start; neighbours are one.
#[derive(Debug, Default)]
pub(super) struct Freed {
    ranges: BTreeMap<u64, u64>,
}

impl Freed {
    /// Adds a range that is not in it.
    pub(super) fn add(&mut self, start: u64, end: u64) {
        let (mut start, mut end) = (start, end);
        if let Some((&before, &touches)) = self.ranges.range(..start).next_back()
            && touches == start
        {
            start = before;
        }
        if let Some(after) = self.ranges.remove(&end) {
            end = after;
        }
        self.ranges.insert(start, end);
    }

    /// Takes out what of it lies in a range.
    pub(super) fn remove(&mut self, start: u64, end: u64) {
        let overlapping: Vec<(u64, u64)> =
            self.ranges.range(..end).rev().map(|(from, to)| (*from, *to)).take_while(|(_, to)| *to > start).collect();
        for (from, to) in overlapping {
            self.ranges.remove(&from);
            if from < start {
                self.ranges.insert(from, start);
            }
            if to > end {
                self.ranges.insert(end, to);
            }
        }
    }

    pub(super) fn has(&self, addr: u64) -> bool {
        self.ranges.range(..=addr).next_back().is_some_and(|(_, end)| addr < *end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_join_and_what_is_used_again_leaves() {
        let mut freed = Freed::default();
        for (start, end) in [(0x1000, 0x2000), (0x3000, 0x4000), (0x2000, 0x3000), (0x6000, 0x7000)] {
            freed.add(start, end);
        }
        assert_eq!(freed.ranges.len(), 2);
        assert_eq!(
            [0xFFF, 0x1000, 0x3FFF, 0x4000, 0x6FFF].map(|addr| freed.has(addr)),
            [false, true, true, false, true]
        );
        freed.remove(0x2000, 0x6800);
        assert_eq!(
            [0x1FFF, 0x2000, 0x3FFF, 0x67FF, 0x6800].map(|addr| freed.has(addr)),
            [true, false, false, false, true]
        );
    }
}
