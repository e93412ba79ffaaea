//! Time from the processor's own counter.

use crate::{Clock, Interrupted, Nanos, arch};
use core::num::NonZeroU64;

const NANOS_PER_SECOND: u64 = 1_000_000_000;

/// The processor's free-running counter as a [`Clock`]: the time-stamp counter of x86, the generic timer of Arm. It
/// begins when the processor does.
///
/// | processor | frequency comes from |
/// |---|---|
/// | x86 of the last ten years | the processor says it: [`new`](Self::new) |
/// | emulated x86 (QEMU's TCG), older ones | a measurement against the interval timer (`arch::x86_64`), or the embedder's own (UEFI's `Stall`, ACPI's timer): [`with_hz`](Self::with_hz) |
/// | Arm | boot firmware left it in a register: [`new`](Self::new) |
///
/// ```
/// use barexe_hal::clock::TickClock;
/// use barexe_hal::{Clock, Nanos};
/// use core::num::NonZeroU64;
///
/// // Where the processor does not say it, two gigahertz is a guess that only a test may make.
/// let two_ghz = NonZeroU64::new(2_000_000_000).unwrap();
/// if let Some(mut clock) = TickClock::new().or_else(|| TickClock::with_hz(two_ghz)) {
///     let began = clock.now();
///     clock.relax(began.saturating_add(Nanos::from_micros(10))).unwrap();
///     assert!(clock.now() >= began);
/// }
/// ```
#[derive(Clone, Debug)]
pub struct TickClock {
    hz: NonZeroU64,
    /// The highest count seen: counters of two processors may be a little apart.
    last: u64,
}

impl TickClock {
    /// The counter, if there is one and the processor says how fast it runs.
    #[must_use]
    pub fn new() -> Option<Self> {
        Self::with_hz(arch::ticks_hz()?)
    }

    /// The counter, which runs at `hz` ticks a second; `None` if the processor has none.
    #[must_use]
    pub const fn with_hz(hz: NonZeroU64) -> Option<Self> {
        if arch::HAS_COUNTER { Some(Self { hz, last: 0 }) } else { None }
    }

    /// Ticks a second.
    #[must_use]
    pub const fn hz(&self) -> NonZeroU64 {
        self.hz
    }
}

impl Clock for TickClock {
    fn now(&mut self) -> Nanos {
        self.last = self.last.max(arch::ticks());
        Nanos::new(nanos(self.last, self.hz))
    }

    /// Spins. Messages arrive meanwhile if the processor takes interrupts.
    fn relax(&mut self, until: Nanos) -> Result<(), Interrupted> {
        while self.now() < until {
            core::hint::spin_loop();
        }
        Ok(())
    }
}

/// Whole seconds and the rest apart, so that no product overflows for centuries.
fn nanos(ticks: u64, hz: NonZeroU64) -> u64 {
    let whole = (ticks / hz).saturating_mul(NANOS_PER_SECOND);
    let rest = (ticks % hz).saturating_mul(NANOS_PER_SECOND) / hz;
    whole.saturating_add(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_become_nanoseconds_without_overflow() {
        let hz = NonZeroU64::new(3_609_600_000).unwrap();
        assert_eq!(nanos(3_609_600, hz), 1_000_000);
        assert_eq!(nanos(3_609_600_000 * 86_400 * 365, hz), 86_400 * 365 * NANOS_PER_SECOND);
        assert_eq!(nanos(u64::MAX, NonZeroU64::new(1).unwrap()), u64::MAX);
    }

    #[test]
    fn a_wait_lasts_as_long_as_the_counter_says() {
        let Some(mut clock) = TickClock::with_hz(NonZeroU64::new(2_000_000_000).unwrap()) else {
            assert!(!arch::HAS_COUNTER && TickClock::new().is_none());
            return;
        };
        let until = clock.now().saturating_add(Nanos::from_micros(50));
        clock.relax(until).unwrap();
        assert!(clock.now() >= until);
        // An instant in the past is over.
        clock.relax(Nanos::ZERO).unwrap();
    }

    #[test]
    fn a_counter_that_steps_back_does_not_take_time_along() {
        let Some(mut clock) = TickClock::with_hz(NonZeroU64::MIN) else { return };
        clock.last = u64::MAX - 1;
        assert_eq!(clock.now(), Nanos::FOREVER);
        assert_eq!(clock.last, u64::MAX - 1);
    }
}
