//! What the interrupt entry leaves for the program.

use barexe_core::gt::IrqFlag;
use core::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

/// Where interrupt messages of the device leave their mark.
#[derive(Debug, Default)]
pub struct Messages {
    /// For the driver.
    pub flag: IrqFlag,
    count: AtomicU32,
    first: AtomicU64,
    ignored: AtomicBool,
}

impl Messages {
    /// Nothing has come.
    #[must_use]
    pub const fn new() -> Self {
        let (count, first, ignored) = (AtomicU32::new(0), AtomicU64::new(0), AtomicBool::new(false));
        Self { flag: IrqFlag::new(), count, first, ignored }
    }

    /// A message has come, at instant `ticks` of any clock. For the interrupt side, which may be any context.
    pub fn record(&self, ticks: u64) {
        if self.ignored.load(Ordering::Relaxed) {
            return;
        }
        let _later = self.first.compare_exchange(0, ticks, Ordering::Relaxed, Ordering::Relaxed);
        // Ordering: Release pairs with the Acquire in `count`: who sees the message sees its instant.
        self.count.fetch_add(1, Ordering::Release);
        self.flag.handle().record();
    }

    /// How many have come (wrapping).
    pub fn count(&self) -> u32 {
        // Ordering: Acquire pairs with the Release in `record`.
        self.count.load(Ordering::Acquire)
    }

    /// Messages are taken, or dropped as if they had never come.
    pub fn listen(&self, listen: bool) {
        self.ignored.store(!listen, Ordering::Relaxed);
    }

    /// Forgets the instant of the first message.
    pub fn forget_first(&self) {
        self.first.store(0, Ordering::Relaxed);
    }

    /// The instant of the first message since [`forget_first`](Self::forget_first), if one has come.
    pub fn first(&self) -> Option<u64> {
        Some(self.first.load(Ordering::Relaxed)).filter(|ticks| *ticks != 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_message_keeps_its_instant_and_ignored_ones_leave_nothing() {
        let messages = Messages::new();
        messages.record(7);
        messages.record(9);
        assert_eq!((messages.count(), messages.first(), messages.flag.take()), (2, Some(7), 2));
        messages.forget_first();
        messages.listen(false);
        messages.record(11);
        assert_eq!((messages.count(), messages.first(), messages.flag.take()), (2, None, 0));
        messages.listen(true);
        messages.record(13);
        assert_eq!((messages.count(), messages.first()), (3, Some(13)));
    }
}
