//! Programming of PAT and MOCS (engines sheet §13.4, §13.5).
//!
//! Both are lost by a GT reset and must be there before the first entry or command that names an index.

use crate::Error;
use crate::gt::format::{MocsEntry, MocsFormat};
use crate::gt::registers::access::{GtIndex, Registers};
use crate::gt::regs;
use barexe_hal::{Clock, Mmio};

/// Programs the PAT of GT `gt`; its GT domain must be awake.
///
/// # Errors
/// [`Error::DeviceGone`], [`Error::Interrupted`].
pub fn program_pat<H: Mmio + Clock>(regs: &mut Registers<'_, H>, gt: GtIndex) -> Result<(), Error> {
    if regs.format().pat.multicast && gt == 0 {
        regs.with_mcr_lock(gt, |regs| {
            write_pat(regs, gt);
            Ok(())
        })
    } else {
        write_pat(regs, gt);
        Ok(())
    }
}

fn write_pat<H: Mmio>(regs: &mut Registers<'_, H>, gt: GtIndex) {
    for (register, value) in regs.format().pat.programming() {
        regs.write_gt(gt, register, value);
    }
}

impl MocsFormat {
    /// The entry of an index; unlisted ones have the values of the "unused" entry.
    #[must_use]
    pub fn entry(&self, index: u8) -> MocsEntry {
        let listed = |wanted| self.entries.iter().find(|entry| entry.index == wanted);
        let found = listed(index).or_else(|| listed(self.unused));
        found.map_or(MocsEntry { index, glob: 0, lncf: 0 }, |entry| MocsEntry { index, ..*entry })
    }

    /// The word of LNCF register `number`: entry `2 number` below, the next one above.
    #[must_use]
    pub fn lncf_word(&self, number: u8) -> u32 {
        let half = |index| u32::from(self.entry(index).lncf);
        let low = number.saturating_mul(2);
        half(low.saturating_add(1)) << 16 | half(low)
    }
}

/// Programs the MOCS of GT `gt`; all its domains must be awake.
///
/// # Errors
/// [`Error::DeviceGone`], [`Error::Interrupted`].
pub fn program_mocs<H: Mmio + Clock>(regs: &mut Registers<'_, H>, gt: GtIndex) -> Result<(), Error> {
    regs.with_mcr_lock(gt, |regs| {
        let format = &regs.format().mocs;
        for index in 0..format.count {
            regs.write_gt(gt, regs::GLOB_MOCS0.offset(u32::from(index) << 2), format.entry(index).glob);
        }
        let pairs = if format.has_lncf { format.count.div_ceil(2) } else { 0 };
        for number in 0..pairs {
            regs.write_gt(gt, regs::LNCF_MOCS0.offset(u32::from(number) << 2), format.lncf_word(number));
        }
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use crate::family::{GEN12, XE2};

    #[test]
    fn tgl_lncf_words_match_the_sheet() {
        // engines sheet §13 checks.
        let checks = [
            (0xB020, 0x0030_0030),
            (0xB024, 0x0010_0030),
            (0xB028, 0x0010_0030),
            (0xB02C, 0x0030_0010),
            (0xB084, 0x0010_0010),
            (0xB098, 0x0030_0010),
            (0xB09C, 0x0010_0010),
        ];
        for (offset, word) in checks {
            let number = u8::try_from((offset - 0xB020) / 4).unwrap();
            assert_eq!(GEN12.gt.mocs.lncf_word(number), word, "{offset:#x}");
        }
    }

    #[test]
    fn lnl_glob_words_match_the_sheet() {
        let words: std::vec::Vec<u32> = (0..16).map(|index| XE2.gt.mocs.entry(index).glob).collect();
        assert_eq!(words[..4], [0x0C, 0x10C, 0x130, 0x13C]);
        assert!(words[4..].iter().all(|word| *word == 0x100));
    }
}
