//! Registers that mean nothing here: what a driver writes to them is kept, and nobody looks at it. Uses are counted, so
//! that whoever brings a new driver sees what it may be missing; none of them is a fault.

use crate::blocks::forcewake;
use crate::blocks::function_reset;
use crate::blocks::interrupts;
use crate::blocks::pcode;
use crate::blocks::self_clearing;
use crate::gpu::Gpu;
use crate::spec::{EngineSpec, GT_RANGE, MEDIA_SHIFT, Platform};
use crate::{guc, shared, tile};
use core::fmt;
use std::collections::BTreeMap;

/// A register that means nothing here, and how a driver used it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownRegister {
    /// Offset in BAR 0 in bytes.
    pub offset: u32,
    /// How often it was read.
    pub reads: u64,
    /// How often it was written.
    pub writes: u64,
}

impl fmt::Display for UnknownRegister {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { offset, reads, writes } = self;
        write!(f, "{offset:#x}: {reads} reads, {writes} writes")
    }
}

/// Uses of registers that mean nothing: reads and writes by offset in BAR 0.
#[derive(Clone, Debug, Default)]
pub(crate) struct Unknown {
    uses: BTreeMap<u32, (u64, u64)>,
}

impl Unknown {
    fn count(&mut self, in_bar: u32, written: bool) {
        let (reads, writes) = self.uses.entry(in_bar).or_default();
        let counter = if written { writes } else { reads };
        *counter = counter.saturating_add(1);
    }

    /// All of them, by offset.
    pub(crate) fn list(&self) -> Vec<UnknownRegister> {
        let register = |(offset, (reads, writes)): (&u32, &(u64, u64))| UnknownRegister {
            offset: *offset,
            reads: *reads,
            writes: *writes,
        };
        self.uses.iter().map(register).collect()
    }
}

impl Gpu {
    /// Counts an access that came as far as plain storage, if the register is of no use to anybody.
    pub(crate) fn count_unknown(&mut self, in_bar: u32, offset: u32, written: bool) {
        let known = self.shared.tiles.one().registers.has_rule(offset) || is_looked_at(&self.shared.platform, offset);
        if !known {
            self.shared.unknown.count(in_bar, written);
        }
    }
}

/// Whether some part of the device looks at what is stored in a register.
fn is_looked_at(platform: &Platform, offset: u32) -> bool {
    if let Some((_, inside)) = Platform::owner(offset) {
        return EngineSpec::is_looked_at(inside);
    }
    let relative = match offset.checked_sub(MEDIA_SHIFT) {
        Some(relative) if platform.media_gt && relative < GT_RANGE => relative,
        _ => offset,
    };
    guc::is_register(platform, offset)
        || interrupts::is_gate(offset)
        || function_reset::is_register(offset)
        || pcode::is_register(offset)
        || self_clearing::is_register(relative)
        || forcewake::is_policy(relative)
        || shared::is_fault_register(relative)
        || tile::is_flush(offset)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SimConfig;

    fn gpu(platform: Platform) -> Gpu {
        let mut config = SimConfig::new(platform);
        config.c6 = false;
        let mut gpu = Gpu::new(&config).unwrap();
        gpu.config_write(4, 6);
        gpu
    }

    #[test]
    fn what_nobody_looks_at_is_counted_and_breaks_no_rule() {
        let mut gpu = gpu(Platform::tgl());
        gpu.write32(0x9424, 5);
        gpu.write32(0x9424, 6);
        assert_eq!((gpu.read32(0x9424), gpu.read32(0xB158), gpu.read32(0x2_2340)), (6, 0, 0));
        let one = |offset, reads, writes| UnknownRegister { offset, reads, writes };
        assert_eq!(gpu.shared.unknown.list(), [one(0x9424, 1, 2), one(0xB158, 1, 0), one(0x2_2340, 1, 0)]);
        assert_eq!(gpu.shared.unknown.list()[0].to_string(), "0x9424: 1 reads, 2 writes");
        gpu.power_on();
        assert_eq!(gpu.shared.unknown.list().len(), 3, "what happened stays noted");
        assert!(gpu.shared.violations.is_empty(), "{:?}", gpu.shared.violations);
    }

    /// One of each kind that the device knows: by its rules of storage, by its units, by its engines.
    #[test]
    fn what_the_device_knows_is_not_counted() {
        let of_both = [
            0x9140, 0xD00, 0x941C, 0xCED8, 0xCEEC, 0xCEC4, 0xCEBC, 0xA090, 0xA188, 0x10_1010, 0x10_1018, 0x13_8124,
            0x13_8128, 0x19_0010, 0x19_0018, 0x19_0030, 0x19_0038, 0x19_00A8, 0x19_00E8, 0x19_01F0, 0x19_0240, 0xC000,
            0xC184, 0xC204, 0xC300, 0xC314, 0x2080, 0x229C, 0x2234, 0x2358, 0x24D4, 0x2510, 0x2_2600, 0x1_4800,
        ];
        for offset in of_both {
            let mut gpu = gpu(Platform::tgl());
            gpu.write32(offset, 0);
            gpu.read32(offset);
            assert_eq!(gpu.shared.unknown.list(), [], "{offset:#x}");
        }
        for offset in [0xD8C, 0xFD0, 0x2054, 0x38_941C, 0x38_CEDC, 0x38_A090, 0x38_C300, 0x38_0D8C, 0x13_0030] {
            let mut gpu = gpu(Platform::lnl());
            gpu.write32(offset, 0);
            gpu.read32(offset);
            assert_eq!(gpu.shared.unknown.list(), [], "{offset:#x}");
        }
    }
}
