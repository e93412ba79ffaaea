//! Invalidation in the ring, at the head of the next job (page-tables sheet §8.5).

use super::{AddressSpace, Invalidate};
use crate::mem::tree::VaRange;

/// Counts what the jobs of a VM still have to flush for.
///
/// A queue keeps the mark it saw when it last flushed; with an older mark its next job begins with a flush. That is
/// early enough for entries that no running job may use, and too late for memory that is to be reused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RingFlush {
    now: RingMark,
}

/// What a queue has flushed for. Only equality means something.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RingMark(u64);

impl RingFlush {
    /// What a job that flushes now has flushed for.
    #[must_use]
    pub const fn mark(&self) -> RingMark {
        self.now
    }

    /// Whether a queue that flushed at `mark` must flush again.
    #[must_use]
    pub const fn is_due(&self, mark: RingMark) -> bool {
        self.now.0 != mark.0
    }
}

impl Invalidate for RingFlush {
    type Proof = RingMark;

    fn invalidate(&mut self, _: AddressSpace, _: VaRange) -> RingMark {
        self.now = RingMark(self.now.0.wrapping_add(1));
        self.now
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_queue_flushes_once_for_all_that_happened_since_it_last_did() {
        let mut flush = RingFlush::default();
        let mut seen = flush.mark();
        assert!(!flush.is_due(seen));
        for _ in 0..2 {
            flush.invalidate(AddressSpace::NONE, VaRange { start: 0, end: 0x1000 });
        }
        assert!(flush.is_due(seen));
        seen = flush.mark();
        assert!(!flush.is_due(seen));
    }
}
