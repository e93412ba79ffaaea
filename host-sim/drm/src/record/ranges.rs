//! Ordinary memory of the client that matters.

use super::objects::Objects;
use core::ops::Range;
use rangemap::RangeSet;

/// Why it matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reason {
    /// VMs map it.
    Bound,
    /// A bind stores a user fence there.
    Fence,
    /// The running call waits for it.
    Wait,
}

/// A range of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Tracked {
    pub(super) at: Range<u64>,
    pub(super) reason: Reason,
}

/// All that is tracked.
#[derive(Debug, Default)]
pub(super) struct Ranges {
    pub(super) all: Vec<Tracked>,
}

impl Ranges {
    /// The parts of a range that are neither tracked nor an object.
    pub(super) fn untracked(&self, range: Range<u64>, objects: &Objects) -> Vec<Range<u64>> {
        let mut left = RangeSet::new();
        if !range.is_empty() {
            left.insert(range.clone());
        }
        let tracked = self.all.iter().map(|tracked| tracked.at.clone());
        tracked.chain(objects.shown_in(&range)).for_each(|known| left.remove(known));
        left.iter().cloned().collect()
    }

    /// Whether an address is tracked.
    pub(super) fn has(&self, addr: u64) -> bool {
        self.all.iter().any(|tracked| tracked.at.contains(&addr))
    }

    /// The parts of tracked ranges that lie in a range.
    pub(super) fn inside(&self, range: &Range<u64>) -> Vec<Range<u64>> {
        let parts = self.all.iter().map(|tracked| tracked.at.start.max(range.start)..tracked.at.end.min(range.end));
        parts.filter(|part| !part.is_empty()).collect()
    }

    /// A range is gone with everything in it.
    pub(super) fn remove(&mut self, gone: &Range<u64>) {
        let left = |tracked: &Tracked| {
            let (at, reason) = (tracked.at.clone(), tracked.reason);
            let parts = [at.start..at.end.min(gone.start), at.start.max(gone.end)..at.end];
            parts.into_iter().filter(|part| !part.is_empty()).map(move |at| Tracked { at, reason }).collect::<Vec<_>>()
        };
        self.all = self.all.iter().flat_map(left).collect();
    }

    /// Takes out those that matter no longer.
    pub(super) fn take(&mut self, ends: impl Fn(&Tracked) -> bool) -> Vec<Range<u64>> {
        let (ended, kept) = core::mem::take(&mut self.all).into_iter().partition(ends);
        self.all = kept;
        let ended: Vec<Tracked> = ended;
        ended.into_iter().map(|tracked| tracked.at).collect()
    }
}
