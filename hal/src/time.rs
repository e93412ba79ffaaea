//! Time as the driver sees it: nanoseconds on one monotonic clock.

/// Nanoseconds, as an instant of the HAL's monotonic clock or as a length of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Nanos(u64);

impl Nanos {
    /// The zero length, and the clock's origin.
    pub const ZERO: Self = Self(0);
    /// An instant that never comes.
    pub const FOREVER: Self = Self(u64::MAX);

    /// `ns` nanoseconds.
    #[must_use]
    pub const fn new(ns: u64) -> Self {
        Self(ns)
    }

    /// `us` microseconds; saturates.
    #[must_use]
    pub const fn from_micros(us: u64) -> Self {
        Self(us.saturating_mul(1_000))
    }

    /// `ms` milliseconds; saturates.
    #[must_use]
    pub const fn from_millis(ms: u64) -> Self {
        Self(ms.saturating_mul(1_000_000))
    }

    /// The count of nanoseconds.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }

    /// `self + other`, or [`FOREVER`](Self::FOREVER) when the sum is out of range.
    #[must_use]
    pub const fn saturating_add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }

    /// `self - other`, or zero.
    #[must_use]
    pub const fn saturating_sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

/// Clocks by which clients ask for the time, as operating systems tell them apart (bind-and-exec sheet §3.13, query 6).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ClockKind {
    /// Time of day, since 1970.
    Realtime,
    /// Never set, never goes backwards: the clock of [`now`](crate::Clock::now).
    Monotonic,
    /// As monotonic, without corrections of its speed.
    MonotonicRaw,
    /// As monotonic, and goes on while the machine sleeps.
    BootTime,
    /// Time of day without leap seconds.
    Tai,
}

/// The caller's environment asked that the current wait be given up (a signal, a cancelled request).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Interrupted;

impl core::fmt::Display for Interrupted {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("wait interrupted")
    }
}

impl core::error::Error for Interrupted {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arithmetic_saturates_at_both_ends() {
        assert_eq!(Nanos::FOREVER.saturating_add(Nanos::new(1)), Nanos::FOREVER);
        assert_eq!(Nanos::ZERO.saturating_sub(Nanos::new(1)), Nanos::ZERO);
        assert_eq!(Nanos::from_millis(u64::MAX), Nanos::FOREVER);
    }
}
