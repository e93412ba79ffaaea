//! Page attribute tables: which caching each PAT index stands for.
//!
//! A page-table entry does not say how memory is cached; it names a row of a small table of registers that the driver
//! programs after each reset. Clients choose the row too, so rows have a public meaning (coherence, compression) that
//! binds are checked against. Source: page-tables sheet §2.4, §2.5.

use crate::Error;
use crate::num::usize_of;
use barexe_hal::RegOffset;

/// Index of a PAT row: 0 to 31, what the five index bits of an entry can say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PatIndex(u8);

impl PatIndex {
    /// The index with this number, `None` above 31. Whether the row exists is asked of [`PatTable::check`].
    #[must_use]
    pub const fn new(raw: u8) -> Option<Self> {
        if raw < 32 { Some(Self(raw)) } else { None }
    }

    /// The index with the low five bits of `raw`: for tables of constants.
    pub(crate) const fn row(raw: u8) -> Self {
        Self(raw & 31)
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> u8 {
        self.0
    }

    /// The register that holds the row: the first eight stand apart from the rest.
    #[must_use]
    pub const fn register(self) -> RegOffset {
        let base: u32 = if self.0 < 8 { 0x4800 } else { 0x4848 - 4 * 8 };
        RegOffset::at(base).offset((self.0 as u32) << 2)
    }
}

/// How far the GPU's accesses through a row are kept coherent with CPU caches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Coherence {
    /// Not at all.
    None,
    /// The GPU snoops CPU caches.
    OneWay,
    /// And the CPU snoops the GPU's.
    TwoWay,
}

/// One row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PatEntry {
    /// Value programmed into the row's register.
    pub register: u32,
    /// Whether mappings may use the row; reserved rows are programmed but refused.
    pub valid: bool,
    /// Coherence with CPU caches.
    pub coherence: Coherence,
    /// Whether the row compresses.
    pub compressed: bool,
}

impl PatEntry {
    /// A row of graphics 12.00 to 12.55: only write-back snoops.
    pub(crate) const fn gen12(register: u32) -> Self {
        let coherence = if register == 3 { Coherence::OneWay } else { Coherence::None };
        Self { register, valid: true, coherence, compressed: false }
    }

    /// A row of graphics 20 and later, whose register spells out coherence (1:0) and compression (9).
    pub(crate) const fn xe2(register: u32) -> Self {
        let coherence = match register & 3 {
            2 => Coherence::OneWay,
            3 => Coherence::TwoWay,
            _ => Coherence::None,
        };
        Self { register, valid: true, coherence, compressed: register & (1 << 9) != 0 }
    }

    /// A row that is programmed with 0 and refused for mappings.
    pub(crate) const fn reserved() -> Self {
        Self { register: 0, valid: false, coherence: Coherence::None, compressed: false }
    }
}

/// A family's table, and the rows the driver itself uses.
#[derive(Debug)]
pub struct PatTable {
    /// The rows; a row's place is its index.
    pub entries: &'static [PatEntry],
    /// Write-back.
    pub wb: PatIndex,
    /// Write-through.
    pub wt: PatIndex,
    /// Uncached.
    pub uc: PatIndex,
    /// Uncached with compression, where the family has it.
    pub uc_compressed: Option<PatIndex>,
    /// Value for the row that governs address-translation services, where the driver programs it.
    pub ats: Option<u32>,
    /// Whether the registers of the graphics GT are multicast ones. Those of a media GT never are.
    pub multicast: bool,
}

impl PatTable {
    /// Register of the row for address-translation services.
    pub const ATS_REGISTER: RegOffset = RegOffset::at(0x47FC);

    /// The row, or `None` past the end of the table.
    #[must_use]
    pub fn entry(&self, index: PatIndex) -> Option<&'static PatEntry> {
        self.entries.get(usize_of(u32::from(index.get())))
    }

    /// The row a client named, checked for use in a mapping.
    ///
    /// # Errors
    /// [`Error::Invalid`] with `pat_index` past the end of the table and for reserved rows.
    pub fn check(&self, index: u16) -> Result<(PatIndex, &'static PatEntry), Error> {
        let refused = Error::Invalid { what: "pat_index", value: u64::from(index) };
        let index = u8::try_from(index).ok().and_then(PatIndex::new).ok_or(refused)?;
        match self.entry(index) {
            Some(entry) if entry.valid => Ok((index, entry)),
            _ => Err(refused),
        }
    }

    /// The register writes that program the table, reserved rows included, in the order of the sheet.
    pub fn programming(&self) -> impl Iterator<Item = (RegOffset, u32)> {
        let rows = (0u8..32).map(PatIndex::row).zip(self.entries).map(|(index, e)| (index.register(), e.register));
        rows.chain(self.ats.map(|value| (Self::ATS_REGISTER, value)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::family::{GEN12, XE2};

    /// Page-tables sheet §2.4.
    #[test]
    fn rows_past_the_eighth_live_in_a_second_block_of_registers() {
        let offsets = [0, 7, 8, 31].map(|i| PatIndex::new(i).unwrap().register().get());
        assert_eq!(offsets, [0x4800, 0x481C, 0x4848, 0x48A4]);
        assert!(PatIndex::new(32).is_none());
    }

    #[test]
    fn gen12_programs_four_rows_and_only_write_back_snoops() {
        let written: [(u32, u32); 4] = [(0x4800, 3), (0x4804, 1), (0x4808, 2), (0x480C, 0)];
        assert!(GEN12.pat.programming().map(|(r, v)| (r.get(), v)).eq(written));
        let coherence = |i| GEN12.pat.check(i).unwrap().1.coherence;
        assert_eq!([0, 1, 2, 3].map(coherence), [Coherence::OneWay, Coherence::None, Coherence::None, Coherence::None]);
        assert!(GEN12.pat.check(4).is_err());
    }

    #[test]
    fn xe2_programs_thirty_two_rows_and_the_ats_row() {
        let value = |reg| XE2.pat.programming().find(|(r, _)| r.get() == reg).unwrap().1;
        assert_eq!(XE2.pat.programming().count(), 33);
        assert_eq!((value(0x4800), value(0x481C), value(0x4848), value(0x48A4)), (0x00C, 0x033, 0x030, 0x0CF));
        assert_eq!(value(0x47FC), 0x00F);
    }

    #[test]
    fn reserved_rows_and_rows_past_the_end_are_refused_with_their_number() {
        for index in [16, 17, 18, 19, 32, 255, 256, u16::MAX] {
            let want = Error::Invalid { what: "pat_index", value: u64::from(index) };
            assert_eq!(XE2.pat.check(index).unwrap_err(), want);
        }
        for index in (0..16).chain(20..32) {
            assert!(XE2.pat.check(index).is_ok(), "{index}");
        }
    }

    #[test]
    fn xe2_coherence_and_compression_follow_the_register() {
        let row = |i| XE2.pat.check(i).unwrap().1;
        assert_eq!((row(2).coherence, row(2).compressed), (Coherence::TwoWay, false));
        assert_eq!((row(1).coherence, row(1).compressed), (Coherence::OneWay, false));
        assert_eq!((row(12).coherence, row(12).compressed), (Coherence::None, true));
        let compressed = (0..32).filter(|i| XE2.pat.check(*i).is_ok_and(|(_, e)| e.compressed));
        assert!(compressed.eq([9, 10, 11, 12, 14, 15, 21, 25, 29]), "rows with bit 9 set");
    }

    /// Page-tables sheet §2.5.
    #[test]
    fn rows_by_use_are_those_of_the_sheet() {
        let uses = |p: &PatTable| (p.wb.get(), p.wt.get(), p.uc.get(), p.uc_compressed.map(PatIndex::get));
        assert_eq!(uses(GEN12.pat), (0, 2, 3, None));
        assert_eq!(uses(XE2.pat), (2, 15, 3, Some(12)));
    }
}
