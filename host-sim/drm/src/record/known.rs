//! What is known to be in memory: a copy of the pages that were ever written, and who wrote bytes that were not told yet.
//!
//! A page without a copy is zero. Stores of the device go into the copy as they are made, so whatever differs later was
//! written by the client.

use core::ops::Range;
use rangemap::RangeMap;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A job, by number.
pub(super) type JobId = u32;
/// The jobs of which one stored something: it counts once all of them are over.
pub(super) type Authors = Arc<[JobId]>;
/// Bytes at an address.
pub(super) type Run = (u64, Vec<u8>);

const PAGE: u64 = 4096;
const LEN: usize = 4096;
/// Memory is compared in words of so many bytes: nobody writes less of an instruction or an address.
const WORD: usize = 4;

/// One address space.
#[derive(Debug, Default)]
pub(super) struct Known {
    pages: BTreeMap<u64, Box<[u8; LEN]>>,
    untold: RangeMap<u64, Authors>,
}

/// The pieces of a range that lie in one page each: address of the page, and the part of it.
fn pieces(range: Range<u64>) -> impl Iterator<Item = (u64, Range<usize>)> {
    let first = range.start & !(PAGE - 1);
    (first..range.end).step_by(LEN).map(move |page| {
        let from = range.start.saturating_sub(page).min(PAGE);
        let to = range.end.saturating_sub(page).min(PAGE);
        (page, index(from)..index(to))
    })
}

/// An offset in a page.
fn index(offset: u64) -> usize {
    usize::try_from(offset).unwrap_or(LEN)
}

impl Known {
    /// Somebody other than the client wrote bytes, and nobody is to be told.
    pub(super) fn write(&mut self, at: u64, bytes: &[u8]) {
        let range = at..at.saturating_add(bytes.len() as u64);
        let mut rest = bytes;
        for (page, part) in pieces(range) {
            let (now, later) = rest.split_at(part.len().min(rest.len()));
            rest = later;
            let copy = self.pages.entry(page).or_insert_with(|| Box::new([0; LEN]));
            if let Some(place) = copy.get_mut(part).filter(|place| place.len() == now.len()) {
                place.copy_from_slice(now);
            }
        }
    }

    /// One of these jobs stored bytes.
    pub(super) fn store(&mut self, at: u64, bytes: &[u8], authors: &Authors) {
        self.write(at, bytes);
        if !bytes.is_empty() {
            self.untold.insert(at..at.saturating_add(bytes.len() as u64), Arc::clone(authors));
        }
    }

    /// A range is fresh memory from here on.
    pub(super) fn forget(&mut self, range: Range<u64>) {
        if range.is_empty() {
            return;
        }
        let touched = range.start & !(PAGE - 1)..range.end;
        let inside: Vec<u64> = self.pages.range(touched).map(|(page, _)| *page).collect();
        for page in inside {
            let from = index(range.start.saturating_sub(page));
            let to = index(range.end.saturating_sub(page).min(PAGE));
            if (from, to) == (0, LEN) {
                self.pages.remove(&page);
            } else if let Some(part) = self.pages.get_mut(&page).and_then(|copy| copy.get_mut(from..to)) {
                part.fill(0);
            }
        }
        self.untold.remove(range);
    }

    /// What the client wrote into a range since the last look: `now` is what is there. Second: whether any of it had been
    /// something other than zero.
    pub(super) fn changes(&mut self, at: u64, now: &[u8]) -> (Vec<Run>, bool) {
        let (mut runs, mut over): (Vec<Run>, bool) = (Vec::new(), false);
        let mut rest = now;
        for (page, part) in pieces(at..at.saturating_add(now.len() as u64)) {
            let (now, later) = rest.split_at(part.len().min(rest.len()));
            rest = later;
            let known = self.pages.get(&page).map_or(&[0; LEN], |copy| &**copy);
            let known = known.get(part.clone()).unwrap_or_default();
            if known == now {
                continue;
            }
            let start = page.saturating_add(part.start as u64);
            let words = known.chunks(WORD).zip(now.chunks(WORD)).zip((start..).step_by(WORD));
            for ((old, new), at) in words.filter(|((old, new), _)| old != new) {
                over |= old.iter().any(|byte| *byte != 0);
                match runs.last_mut().filter(|(start, run)| start.saturating_add(run.len() as u64) == at) {
                    Some((_, run)) => run.extend(new),
                    None => runs.push((at, new.to_vec())),
                }
            }
        }
        for (at, bytes) in &runs {
            self.write(*at, bytes);
            self.untold.remove(*at..at.saturating_add(bytes.len() as u64));
        }
        (runs, over)
    }

    /// What was stored in a range by jobs that are all over, and was not told yet.
    pub(super) fn take_over(&mut self, range: Range<u64>, is_over: impl Fn(&Authors) -> bool) -> Vec<Run> {
        if range.is_empty() {
            return Vec::new();
        }
        let inside = self.untold.overlapping(&range).filter(|(_, authors)| is_over(authors));
        let clipped = inside.map(|(at, _)| at.start.max(range.start)..at.end.min(range.end));
        let mut runs: Vec<Run> = Vec::new();
        for at in clipped.collect::<Vec<_>>() {
            self.untold.remove(at.clone());
            let bytes = self.bytes(at.clone());
            match runs.last_mut().filter(|(start, run)| start.saturating_add(run.len() as u64) == at.start) {
                Some((_, run)) => run.extend(bytes),
                None => runs.push((at.start, bytes)),
            }
        }
        runs
    }

    fn bytes(&self, range: Range<u64>) -> Vec<u8> {
        let of = |(page, part): (u64, Range<usize>)| {
            let known = self.pages.get(&page).and_then(|copy| copy.get(part.clone()));
            known.map_or_else(|| vec![0; part.len()], <[u8]>::to_vec)
        };
        pieces(range).flat_map(of).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn authors(jobs: &[JobId]) -> Authors {
        Arc::from(jobs)
    }

    #[test]
    fn what_the_device_stored_is_not_the_clients_and_what_the_client_wrote_is_told_once() {
        let mut known = Known::default();
        known.store(0x1FFE, &[1, 2, 3, 4], &authors(&[1]));
        let mut now = vec![0; 0x2000];
        now[0xFFE..0x1002].copy_from_slice(&[1, 2, 3, 4]);
        assert_eq!(known.changes(0x1000, &now), (vec![], false));
        now[0x1800] = 7;
        now[0x1804] = 8;
        assert_eq!(known.changes(0x1000, &now), (vec![(0x2800, vec![7, 0, 0, 0, 8, 0, 0, 0])], false));
        assert_eq!(known.changes(0x1000, &now), (vec![], false));
        now[0x1800] = 9;
        assert!(known.changes(0x1000, &now).1, "it was something before");
    }

    #[test]
    fn stores_are_told_once_and_only_when_all_who_may_have_made_them_are_over() {
        let mut known = Known::default();
        known.store(0x100, &[1; 8], &authors(&[1]));
        known.store(0x104, &[2; 8], &authors(&[1, 2]));
        assert_eq!(known.take_over(0..0x1000, |jobs| **jobs == [1]), [(0x100, vec![1; 4])]);
        assert_eq!(known.take_over(0x108..0x1000, |_| true), [(0x108, vec![2; 4])]);
        assert_eq!(known.take_over(0..0x1000, |_| true), [(0x104, vec![2; 4])]);
        assert_eq!(known.take_over(0..0x1000, |_| true), []);
    }

    #[test]
    fn what_the_client_wrote_over_is_nobody_elses_result() {
        let mut known = Known::default();
        known.store(0x100, &[5; 8], &authors(&[1]));
        let mut now = [5; 8];
        now[4] = 0;
        assert_eq!(known.changes(0x100, &now).0, [(0x104, vec![0, 5, 5, 5])]);
        assert_eq!(known.take_over(0..0x1000, |_| true), [(0x100, vec![5; 4])]);
    }

    #[test]
    fn fresh_memory_is_zero() {
        let mut known = Known::default();
        known.store(0, &[1; 0x3000], &authors(&[1]));
        known.forget(0x800..0x2800);
        let zeros = vec![0; 0x3000];
        let lengths: Vec<_> = known.changes(0, &zeros).0.iter().map(|(at, bytes)| (*at, bytes.len())).collect();
        assert_eq!(lengths, [(0, 0x800), (0x2800, 0x800)]);
        assert_eq!(known.take_over(0..0x3000, |_| true), []);
    }
}
