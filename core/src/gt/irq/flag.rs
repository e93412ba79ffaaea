//! The mark that interrupts leave for the call side.
//!
//! The one thing in the core that two threads touch at once. All interleavings of it are tried: `.ci/run` runs the tests
//! below under `--cfg loom`.

#[cfg(not(all(test, loom)))]
use core::sync::atomic::{AtomicU32, Ordering};
#[cfg(all(test, loom))]
use loom::sync::atomic::{AtomicU32, Ordering};

/// Where the interrupt side leaves its mark: lent by the embedder, shared by both sides.
#[derive(Debug, Default)]
pub struct IrqFlag {
    recorded: AtomicU32,
}

impl IrqFlag {
    /// A flag with nothing recorded.
    #[must_use]
    #[cfg(not(all(test, loom)))]
    pub const fn new() -> Self {
        Self { recorded: AtomicU32::new(0) }
    }

    /// The same for the model checker, whose atomics are not made by constants.
    #[cfg(all(test, loom))]
    fn new() -> Self {
        Self { recorded: AtomicU32::new(0) }
    }

    /// The handle for the interrupt side.
    #[must_use]
    pub const fn handle(&self) -> IrqHandle<'_> {
        IrqHandle { flag: self }
    }

    /// How many interrupts were recorded since the last call (wrapping); 0 = none.
    pub fn take(&self) -> u32 {
        // Ordering: Acquire pairs with the Release in `IrqHandle::record`: what the interrupt side did before is seen.
        self.recorded.swap(0, Ordering::Acquire)
    }
}

/// The interrupt side: may be called from any context, takes no lock, only records.
#[derive(Clone, Copy, Debug)]
pub struct IrqHandle<'a> {
    flag: &'a IrqFlag,
}

impl IrqHandle<'_> {
    /// Notes that a message arrived. A full counter stays full rather than wrapping to "none".
    pub fn record(self) {
        // Ordering: Release pairs with the Acquire in `IrqFlag::take`.
        let _full = self
            .flag
            .recorded
            .fetch_update(Ordering::Release, Ordering::Relaxed, |count| Some(count.saturating_add(1)));
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_recorded_interrupt_is_taken_once() {
        let flag = IrqFlag::new();
        let handle = flag.handle();
        assert_eq!(flag.take(), 0);
        handle.record();
        handle.record();
        assert_eq!((flag.take(), flag.take()), (2, 0));
    }

    #[test]
    fn the_interrupt_side_may_live_on_another_thread() {
        const fn shareable<T: Send + Sync + Copy>(_: &T) {}
        let flag = IrqFlag::new();
        shareable(&flag.handle());
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..100).for_each(|_| flag.handle().record()));
            }
        });
        assert_eq!(flag.take(), 400);
    }

    #[test]
    fn a_full_counter_never_reads_as_none() {
        let flag = IrqFlag { recorded: AtomicU32::new(u32::MAX) };
        flag.handle().record();
        assert_eq!(flag.take(), u32::MAX);
    }
}

/// Every interleaving, and every value that the memory model lets a load see.
#[cfg(all(test, loom))]
mod interleavings {
    use super::*;
    use loom::sync::Arc;
    use loom::thread;

    /// Two interrupts on other processors, and a call side that looks meanwhile.
    #[test]
    fn no_interrupt_is_lost_and_none_is_counted_twice() {
        loom::model(|| {
            let flag = Arc::new(IrqFlag::new());
            let entries = [(); 2].map(|()| {
                let flag = Arc::clone(&flag);
                thread::spawn(move || flag.handle().record())
            });
            let early = flag.take();
            entries.into_iter().for_each(|entry| entry.join().unwrap());
            assert_eq!(early + flag.take(), 2);
            assert_eq!(flag.take(), 0);
        });
    }

    /// What the interrupt side wrote before it recorded is there for whoever takes the record.
    #[test]
    fn what_was_written_before_the_record_is_seen_after_the_take() {
        loom::model(|| {
            let shared = Arc::new((IrqFlag::new(), AtomicU32::new(0)));
            let entry = {
                let shared = Arc::clone(&shared);
                thread::spawn(move || {
                    shared.1.store(1, Ordering::Relaxed);
                    shared.0.handle().record();
                })
            };
            let taken = shared.0.take();
            assert!(taken <= shared.1.load(Ordering::Relaxed), "{taken} taken before it was written");
            entry.join().unwrap();
        });
    }

    /// A counter that is nearly full: whatever comes first, it never reads as none.
    #[test]
    fn a_full_counter_stays_full_from_two_sides() {
        loom::model(|| {
            let flag = Arc::new(IrqFlag { recorded: AtomicU32::new(u32::MAX - 1) });
            let entries = [(); 2].map(|()| {
                let flag = Arc::clone(&flag);
                thread::spawn(move || flag.handle().record())
            });
            entries.into_iter().for_each(|entry| entry.join().unwrap());
            assert_eq!(flag.take(), u32::MAX);
        });
    }
}
