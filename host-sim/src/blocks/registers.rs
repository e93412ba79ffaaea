//! Plain registers: storage, masked writes, values fixed at manufacture, bits that clear themselves.

use crate::spec::{EngineSpec, GT_RANGE, MEDIA_SHIFT, Platform};
use std::collections::BTreeMap;

/// Offsets in an engine's window whose upper half enables the bits of the lower (engines sheet §4.3, "M").
const MASKED_IN_WINDOW: [u32; 12] =
    [0x050, 0x09C, 0x0C0, 0x0C4, 0x0D4, 0x0D8, 0x0E0, 0x0EC, 0x200, 0x244, 0x29C, 0x580];
/// The same outside the windows.
const MASKED: [u32; 2] = [0x1_4800, 0x1_4804];
/// And those that nobody looks at: workarounds and tuning, as Linux's tables of registers name them (`XE_REG_OPTION_MASKED`).
const MASKED_UNUSED: [u32; 33] = [
    0x5588, 0x6204, 0x6208, 0x62A8, 0x7004, 0x7010, 0x7018, 0x703C, 0x7044, 0x7300, 0x7304, 0x731C, 0x83A4, 0x83A8,
    0x83B4, 0xB01C, 0xDAF8, 0xE188, 0xE18C, 0xE194, 0xE420, 0xE48C, 0xE49C, 0xE4C4, 0xE4CC, 0xE4F0, 0xE4F4, 0xE528,
    0xE52C, 0xE53C, 0xE5F0, 0xE5F4, 0xE7F0,
];
/// Invalidation of the auxiliary table: done at once, as far as anyone can see (commands sheet §1.9).
const DONE_AT_ONCE: [u32; 3] = [0x4208, 0x4218, 0x4238];
/// Bits that stand until a one is written to them: interrupts of units that are not simulated (PCU, `GU_MISC`; engines
/// sheet §9.1), the mark of a reset of the function (§1.5).
const CLEARED_BY_ONES: [u32; 3] = [0x4_44E8, 0x4_44F8, 0x10_1018];
/// Selector of replicated registers, and the semaphore around it.
pub(crate) const STEER_SEMAPHORE: u32 = 0xFD0;

/// Longest time an engine stays awake with nothing to do, in units of 640 ns (engines sheet §13.7): from 20.00 on.
const LONGEST_WAIT: u32 = 0x054;
const LONGEST_WAIT_INITIAL: u32 = 0x3F;

fn initial(platform: &Platform) -> BTreeMap<u32, u32> {
    let waits = platform.engines.iter().map(|engine| (engine.base + LONGEST_WAIT, LONGEST_WAIT_INITIAL));
    waits.filter(|_| platform.version >= 2000).collect()
}

/// Register contents.
#[derive(Clone, Debug)]
pub(crate) struct Registers {
    fixed: BTreeMap<u32, u32>,
    /// Values that registers have before anybody writes them, where that is not 0.
    initial: BTreeMap<u32, u32>,
    stored: BTreeMap<u32, u32>,
    engines: Vec<EngineSpec>,
    has_semaphore: bool,
    semaphore_taken: bool,
}

impl Registers {
    pub(crate) fn new(platform: &Platform) -> Self {
        Self {
            fixed: platform.fixed.iter().copied().collect(),
            initial: initial(platform),
            stored: BTreeMap::new(),
            engines: platform.engines.clone(),
            has_semaphore: platform.version >= 1270,
            semaphore_taken: false,
        }
    }

    /// Fixes a value at manufacture.
    pub(crate) fn fix(&mut self, offset: u32, value: u32) {
        self.fixed.insert(offset, value);
    }

    /// Whether a register is more than storage: what it holds was fixed at manufacture or power-on, or writes have rules.
    pub(crate) fn has_rule(&self, offset: u32) -> bool {
        self.fixed.contains_key(&offset)
            || self.initial.contains_key(&offset)
            || self.is_semaphore(offset)
            || DONE_AT_ONCE.contains(&offset)
            || CLEARED_BY_ONES.contains(&offset)
            || self.is_masked_and_used(offset)
    }

    /// What was written and is not zero: the part of the state that a driver is answerable for.
    pub(crate) fn written(&self) -> BTreeMap<u32, u32> {
        self.stored.iter().filter(|(_, value)| **value != 0).map(|(offset, value)| (*offset, *value)).collect()
    }

    pub(crate) fn read(&mut self, offset: u32) -> u32 {
        if self.is_semaphore(offset) {
            let free = !self.semaphore_taken;
            self.semaphore_taken = true;
            return u32::from(free);
        }
        self.value(offset)
    }

    fn value(&self, offset: u32) -> u32 {
        [&self.fixed, &self.stored, &self.initial].iter().find_map(|map| map.get(&offset)).copied().unwrap_or(0)
    }

    /// A look that changes nothing.
    pub(crate) fn peek(&self, offset: u32) -> u32 {
        self.value(offset)
    }

    pub(crate) fn write(&mut self, offset: u32, value: u32) {
        if self.is_semaphore(offset) {
            self.semaphore_taken = value & 1 == 0;
        } else if self.fixed.contains_key(&offset) || DONE_AT_ONCE.contains(&offset) {
            // Read-only, or over before anyone can look.
        } else if CLEARED_BY_ONES.contains(&offset) {
            let old = self.peek(offset);
            self.stored.insert(offset, old & !value);
        } else if self.is_masked(offset) {
            let mask = value >> 16;
            let old = self.peek(offset);
            self.stored.insert(offset, old & !mask | value & mask);
        } else {
            self.stored.insert(offset, value);
        }
    }

    /// Puts a value in without the rules of a write: for bits that hardware sets and clears.
    pub(crate) fn put(&mut self, offset: u32, value: u32) {
        self.stored.insert(offset, value);
    }

    /// What the reset of engines loses: everything of theirs.
    pub(crate) fn forget_engines(&mut self, engines: &[EngineSpec]) {
        self.stored.retain(|offset, _| !engines.iter().any(|engine| engine.inside(*offset).is_some()));
    }

    /// What the full reset of a GT loses besides: everything of the GT's range that is no engine's.
    pub(crate) fn forget_gt(&mut self, media: bool) {
        let range = if media { MEDIA_SHIFT..MEDIA_SHIFT + GT_RANGE } else { 0..GT_RANGE };
        let engines = &self.engines;
        let owned = |offset: u32| engines.iter().any(|engine| engine.inside(offset).is_some());
        self.stored.retain(|offset, _| !range.contains(offset) || owned(*offset));
    }

    const fn is_semaphore(&self, offset: u32) -> bool {
        self.has_semaphore && (offset == STEER_SEMAPHORE || offset == MEDIA_SHIFT + STEER_SEMAPHORE)
    }

    fn is_masked(&self, offset: u32) -> bool {
        MASKED_UNUSED.contains(&offset) || self.is_masked_and_used(offset)
    }

    fn is_masked_and_used(&self, offset: u32) -> bool {
        MASKED.contains(&offset)
            || self
                .engines
                .iter()
                .any(|engine| engine.inside(offset).is_some_and(|inside| MASKED_IN_WINDOW.contains(&inside)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masked_writes_change_only_the_bits_they_enable() {
        let mut registers = Registers::new(&Platform::tgl());
        registers.write(0x2_229C, 0x0008_0008);
        registers.write(0x2_229C, 0x2000_2000);
        registers.write(0x2_229C, 0x0000_FFFF);
        assert_eq!(registers.read(0x2_229C), 0x2008);
        registers.write(0x2_2098, 0xFFFF_FFFF);
        assert_eq!(registers.read(0x2_2098), 0xFFFF_FFFF);
    }

    #[test]
    fn masked_registers_outside_of_windows_are_masked_and_those_that_nobody_reads_stay_unknown() {
        let mut registers = Registers::new(&Platform::tgl());
        for (offset, has_rule) in [(0x1_4800, true), (0xE18C, false), (0xE48C, false), (0xE4F4, false), (0xDAF8, false)]
        {
            registers.write(offset, 0x8020_8020);
            registers.write(offset, 0x8001_0001);
            assert_eq!((registers.read(offset), registers.has_rule(offset)), (0x21, has_rule), "{offset:#x}");
        }
        registers.write(0xE4F0 - 4, 0x8020_8020);
        assert_eq!(registers.read(0xE4F0 - 4), 0x8020_8020, "its neighbour is not");
    }

    #[test]
    fn what_a_one_clears_is_not_stored() {
        let mut registers = Registers::new(&Platform::tgl());
        registers.put(CLEARED_BY_ONES[1], 5);
        registers.write(CLEARED_BY_ONES[1], 0xFFFF_FFFE);
        assert_eq!(registers.read(CLEARED_BY_ONES[1]), 1);
    }

    #[test]
    fn fuses_cannot_be_written() {
        let mut registers = Registers::new(&Platform::lnl());
        registers.write(0xD8C, 0);
        assert_eq!(registers.read(0xD8C), 0x0501_0004);
    }

    #[test]
    fn the_steering_semaphore_is_taken_by_a_read_and_given_back_by_a_one() {
        let mut registers = Registers::new(&Platform::lnl());
        assert_eq!((registers.read(STEER_SEMAPHORE), registers.read(STEER_SEMAPHORE)), (1, 0));
        registers.write(STEER_SEMAPHORE, 1);
        assert_eq!(registers.read(STEER_SEMAPHORE), 1);
    }

    #[test]
    fn a_reset_gt_forgets_its_registers_and_no_others() {
        let mut registers = Registers::new(&Platform::lnl());
        for offset in [0x4000, 0x2098, 0x38_4000, 0x1C_0098, 0x19_0030] {
            registers.write(offset, 5);
        }
        registers.forget_gt(false);
        assert_eq!(registers.written().into_keys().collect::<Vec<_>>(), [0x2098, 0x19_0030, 0x1C_0098, 0x38_4000]);
        registers.forget_engines(&Platform::lnl().engines[..1]);
        assert_eq!(registers.written().into_keys().collect::<Vec<_>>(), [0x19_0030, 0x1C_0098, 0x38_4000]);
    }
}
