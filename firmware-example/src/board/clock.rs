//! Time from the processor's time-stamp counter.
#![expect(unsafe_code, reason = "reads the processor's counter and identification")]

use barexe_hal::Nanos;
use core::arch::asm;
use core::num::NonZeroU64;

const NANOS_PER_SECOND: u64 = 1_000_000_000;
/// Leaf that gives the highest leaf.
const LEAF_HIGHEST: u32 = 0;
/// Leaf with the counter's ratio to its crystal, and the crystal's frequency.
const LEAF_COUNTER: u32 = 0x15;
/// Leaf with the base frequency in MHz: the counter's, to within a percent.
const LEAF_FREQUENCY: u32 = 0x16;

/// The counter, and how fast it runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeStampCounter {
    hz: NonZeroU64,
}

impl TimeStampCounter {
    /// The counter, if the processor says how fast it runs.
    #[must_use]
    pub fn new() -> Option<Self> {
        let [highest, ..] = cpuid(LEAF_HIGHEST);
        let leaf = |number| if number <= highest { cpuid(number) } else { [0; 4] };
        let hz = hz_of_ratio(leaf(LEAF_COUNTER)).or_else(|| hz_of_base(leaf(LEAF_FREQUENCY)))?;
        Some(Self { hz })
    }

    /// Time since the processor was reset.
    #[must_use]
    pub fn now(self) -> Nanos {
        Nanos::new(nanos(ticks(), self.hz))
    }
}

/// Leaf 0x15: crystal frequency times numerator over denominator. `None` where the processor leaves one of them out.
fn hz_of_ratio([denominator, numerator, crystal_hz, _]: [u32; 4]) -> Option<NonZeroU64> {
    let product = u64::from(crystal_hz).checked_mul(u64::from(numerator))?;
    NonZeroU64::new(product.checked_div(u64::from(denominator))?)
}

/// Leaf 0x16: megahertz in the lower half of the first register.
fn hz_of_base([megahertz, ..]: [u32; 4]) -> Option<NonZeroU64> {
    NonZeroU64::new(u64::from(megahertz & 0xFFFF).saturating_mul(1_000_000))
}

/// Whole seconds and the rest apart, so that no product overflows for centuries.
fn nanos(ticks: u64, hz: NonZeroU64) -> u64 {
    let whole = (ticks / hz).saturating_mul(NANOS_PER_SECOND);
    let rest = (ticks % hz).saturating_mul(NANOS_PER_SECOND) / hz;
    whole.saturating_add(rest)
}

fn ticks() -> u64 {
    // SAFETY: every 64-bit processor has the counter; reading it touches no memory.
    unsafe { core::arch::x86_64::_rdtsc() }
}

/// Registers a, b, c, d of a leaf, sub-leaf 0.
fn cpuid(leaf: u32) -> [u32; 4] {
    let (a, b, c, d): (u32, u64, u32, u32);
    // SAFETY: every 64-bit processor has the instruction; it touches no memory. The compiler keeps `rbx` for itself,
    // so it is put back.
    unsafe {
        asm!(
            "mov {b:r}, rbx",
            "cpuid",
            "xchg {b:r}, rbx",
            b = out(reg) b,
            inout("eax") leaf => a,
            inout("ecx") 0 => c,
            out("edx") d,
            options(nomem, nostack, preserves_flags),
        );
    }
    [a, barexe_core::num::low32(b), c, d]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_frequency_is_the_crystals_times_the_ratio() {
        // A Tiger Lake part: 38.4 MHz, 188 / 2.
        assert_eq!(hz_of_ratio([2, 188, 38_400_000, 0]).map(NonZeroU64::get), Some(3_609_600_000));
        for missing in [[0, 188, 38_400_000, 0], [2, 0, 38_400_000, 0], [2, 188, 0, 0]] {
            assert_eq!(hz_of_ratio(missing), None);
        }
        assert_eq!(hz_of_base([0xFFFF_0000 | 2_800, 0, 0, 0]).map(NonZeroU64::get), Some(2_800_000_000));
        assert_eq!(hz_of_base([0; 4]), None);
    }

    #[test]
    fn ticks_become_nanoseconds_without_overflow() {
        let hz = NonZeroU64::new(3_609_600_000).unwrap();
        assert_eq!(nanos(3_609_600, hz), 1_000_000);
        assert_eq!(nanos(3_609_600_000 * 86_400 * 365, hz), 86_400 * 365 * NANOS_PER_SECOND);
        assert_eq!(nanos(u64::MAX, NonZeroU64::new(1).unwrap()), u64::MAX);
    }

    #[test]
    fn the_counter_counts() {
        let before = ticks();
        assert!(ticks() >= before);
        assert_ne!(cpuid(LEAF_HIGHEST)[1], 0, "the vendor's name begins there");
    }
}
