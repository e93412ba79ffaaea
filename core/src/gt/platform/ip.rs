//! IP versions and steppings.
//!
//! From 12.70 on each GT says in `GMD_ID` what it is; earlier parts are known by PCI id and PCI revision
//! (engines sheet §1.2, §2.5).

use core::fmt;

/// Stepping of a part: four revisions per letter, A0 = 0, A1 = 1, B0 = 4, C0 = 8.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Stepping(pub u8);

impl Stepping {
    /// First silicon.
    pub const A0: Self = Self(0);
    /// Second letter.
    pub const B0: Self = Self(4);
    /// Newer than every stepping a rule names.
    pub const FUTURE: Self = Self(u8::MAX);

    /// The stepping of a PCI revision id: the row with that id, else the next higher one, else [`FUTURE`](Self::FUTURE).
    /// `rows` ascend.
    #[must_use]
    pub fn from_pci_revision(revision: u8, rows: &[(u8, Self)]) -> Self {
        rows.iter().find(|(listed, _)| *listed >= revision).map_or(Self::FUTURE, |(_, step)| *step)
    }
}

/// Version of a graphics or media IP: 20.04 is major 20, minor 4.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IpVersion {
    /// Architecture.
    pub major: u16,
    /// Release.
    pub minor: u16,
    /// Stepping.
    pub step: Stepping,
}

impl IpVersion {
    /// A version known without asking the hardware.
    #[must_use]
    pub const fn fixed(major: u16, minor: u16) -> Self {
        Self { major, minor, step: Stepping::A0 }
    }

    /// Decodes `GMD_ID`: architecture 31:22, release 21:14, revision 5:0.
    #[must_use]
    pub const fn from_gmd_id(word: u32) -> Self {
        // The masks keep every field inside its type.
        Self {
            major: (word >> 22 & 0x3FF) as u16,
            minor: (word >> 14 & 0xFF) as u16,
            step: Stepping((word & 0x3F) as u8),
        }
    }

    /// The version as one number: 12.55 is 1255, 20.04 is 2004.
    #[must_use]
    pub const fn verx100(self) -> u32 {
        (self.major as u32).saturating_mul(100).saturating_add(self.minor as u32)
    }
}

#[cfg(feature = "defmt")]
impl defmt::Format for IpVersion {
    fn format(&self, f: defmt::Formatter<'_>) {
        defmt::write!(f, "{}.{:02}", self.major, self.minor);
    }
}

impl fmt::Display for IpVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:02}", self.major, self.minor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gmd_id_decodes_as_the_sheet_checks() {
        // engines sheet §2 checks.
        let cases = [
            (0x0311_8004, 1270, 4),
            (0x0312_8000, 1274, 0),
            (0x0500_4000, 2001, 0),
            (0x0501_0004, 2004, 4),
            (0x0780_0000, 3000, 0),
            (0x0340_0004, 1300, 4),
            (0x0340_4000, 1301, 0),
        ];
        for (word, version, step) in cases {
            let ip = IpVersion::from_gmd_id(word);
            assert_eq!((ip.verx100(), ip.step), (version, Stepping(step)), "{word:#x}");
        }
    }

    #[test]
    fn an_unlisted_revision_takes_the_next_higher_row_and_beyond_the_last_is_future() {
        let adl_s = [(0, Stepping::A0), (1, Stepping::A0), (4, Stepping::B0), (8, Stepping(8)), (0xC, Stepping(12))];
        let step = |revision| Stepping::from_pci_revision(revision, &adl_s);
        assert_eq!(
            (step(1), step(2), step(4), step(0xC), step(0xD)),
            (Stepping::A0, Stepping::B0, Stepping::B0, Stepping(12), Stepping::FUTURE)
        );
    }
}
