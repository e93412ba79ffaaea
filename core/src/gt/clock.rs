//! The timestamp clock (engines sheet §13.1).

/// A GT's reference clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct GtClock {
    /// Frequency of timestamps in Hz; 0 if the register names a crystal nobody documented.
    pub timestamp_hz: u32,
    /// Unit of the idle delay's base in picoseconds; 0 likewise.
    pub base_ps: u32,
}

impl GtClock {
    /// Decodes `RPM_CONFIG0`: crystal 5:3, shift 2:1.
    #[must_use]
    pub const fn from_rpm_config0(word: u32) -> Self {
        let (crystal_hz, base_ps) = match word >> 3 & 7 {
            0 => (24_000_000u32, 83_333),
            1 => (19_200_000, 52_083),
            2 => (38_400_000, 52_083),
            3 => (25_000_000, 80_000),
            _ => (0, 0),
        };
        let shift = 3u32.wrapping_sub(word >> 1 & 3);
        Self { timestamp_hz: crystal_hz >> (shift & 3), base_ps }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frequencies_match_the_sheet() {
        // engines sheet §13 checks.
        for (word, hz) in [(0x0E, 19_200_000), (0x14, 19_200_000), (0x06, 24_000_000), (0x1E, 25_000_000)] {
            assert_eq!(GtClock::from_rpm_config0(word).timestamp_hz, hz, "{word:#x}");
        }
    }

    #[test]
    fn an_unknown_crystal_gives_zero_and_never_divides() {
        assert_eq!(GtClock::from_rpm_config0(0x3E), GtClock::default());
        assert_eq!(GtClock::from_rpm_config0(u32::MAX), GtClock::default());
    }
}
