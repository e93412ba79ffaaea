//! Every engine the architecture knows, by id.
//!
//! The id is the bit of the engine masks in the platform table (engines sheet §4.1).

use crate::gt::EngineClass;
use barexe_hal::RegOffset;

/// Which interrupt bit announces an engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IrqBit {
    /// Bank, 0 or 1.
    pub bank: u8,
    /// Bit in the bank's dword.
    pub bit: u8,
}

/// One architectural engine.
#[derive(Clone, Copy, Debug)]
pub struct Unit {
    /// Bit in the engine masks.
    pub id: u8,
    /// Class.
    pub class: EngineClass,
    /// Hardware instance within the class.
    pub instance: u8,
    /// Base of the ring registers; never shifted for the media GT.
    pub base: RegOffset,
    /// Interrupt bit.
    pub irq: IrqBit,
}

const fn unit(id: u8, class: EngineClass, instance: u8, base: u32, bank: u8, bit: u8) -> Unit {
    Unit { id, class, instance, base: RegOffset::at(base), irq: IrqBit { bank, bit } }
}

/// How many engines there can be.
pub const UNIT_COUNT: usize = 27;

/// All engines, in id order.
pub const UNITS: [Unit; UNIT_COUNT] = {
    use EngineClass::{Compute, Copy, Gsc, Render, VideoDecode, VideoEnhance};
    [
        unit(0, Render, 0, 0x00_2000, 0, 0),
        unit(1, Copy, 0, 0x02_2000, 0, 15),
        unit(2, Copy, 1, 0x3E_0000, 0, 14),
        unit(3, Copy, 2, 0x3E_2000, 0, 13),
        unit(4, Copy, 3, 0x3E_4000, 0, 12),
        unit(5, Copy, 4, 0x3E_6000, 0, 11),
        unit(6, Copy, 5, 0x3E_8000, 0, 10),
        unit(7, Copy, 6, 0x3E_A000, 0, 9),
        unit(8, Copy, 7, 0x3E_C000, 0, 8),
        unit(9, Copy, 8, 0x3E_E000, 0, 23),
        unit(10, VideoDecode, 0, 0x1C_0000, 1, 0),
        unit(11, VideoDecode, 1, 0x1C_4000, 1, 1),
        unit(12, VideoDecode, 2, 0x1D_0000, 1, 2),
        unit(13, VideoDecode, 3, 0x1D_4000, 1, 3),
        unit(14, VideoDecode, 4, 0x1E_0000, 1, 4),
        unit(15, VideoDecode, 5, 0x1E_4000, 1, 5),
        unit(16, VideoDecode, 6, 0x1F_0000, 1, 6),
        unit(17, VideoDecode, 7, 0x1F_4000, 1, 7),
        unit(18, VideoEnhance, 0, 0x1C_8000, 1, 31),
        unit(19, VideoEnhance, 1, 0x1D_8000, 1, 30),
        unit(20, VideoEnhance, 2, 0x1E_8000, 1, 29),
        unit(21, VideoEnhance, 3, 0x1F_8000, 1, 28),
        unit(22, Compute, 0, 0x01_A000, 0, 4),
        unit(23, Compute, 1, 0x01_C000, 0, 5),
        unit(24, Compute, 2, 0x01_E000, 0, 6),
        unit(25, Compute, 3, 0x02_6000, 0, 7),
        unit(26, Gsc, 6, 0x11_A000, 0, 31),
    ]
};

/// A set of engines by id.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EngineMask(pub u32);

impl EngineMask {
    /// Whether the engine with this id is in the set.
    #[must_use]
    pub const fn has(self, id: u8) -> bool {
        self.0.unbounded_shr(id as u32) & 1 != 0
    }

    /// The engines of both sets.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// The engines of the set, in id order.
    pub fn units(self) -> impl Iterator<Item = &'static Unit> {
        const ALL: &[Unit; UNIT_COUNT] = &UNITS;
        ALL.iter().filter(move |unit| self.has(unit.id))
    }

    /// Whether any engine of `class` is in the set.
    #[must_use]
    pub fn has_class(self, class: EngineClass) -> bool {
        self.units().any(|unit| unit.class == class)
    }

    /// The set without the engines that `keep` refuses.
    #[must_use]
    pub fn filtered(self, keep: impl Fn(&Unit) -> bool) -> Self {
        let gone = self.units().filter(|unit| !keep(unit)).fold(0, |bits, unit| bits | 1 << unit.id);
        Self(self.0 & !gone)
    }
}

/// The engine an interrupt identity names by hardware class code and instance.
#[must_use]
pub fn by_identity(class_code: u8, instance: u8) -> Option<&'static Unit> {
    EngineMask(u32::MAX).units().find(|unit| unit.class.hardware_code() == class_code && unit.instance == instance)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_positions_and_interrupt_bits_are_distinct() {
        for (position, unit) in UNITS.iter().enumerate() {
            assert_eq!(usize::from(unit.id), position);
            assert_eq!(UNITS.iter().filter(|other| other.irq == unit.irq || other.base == unit.base).count(), 1);
        }
    }

    #[test]
    fn masks_of_the_platform_table_name_the_engines_of_the_sheet() {
        // engines sheet §3 checks.
        let names = |mask| EngineMask(mask).units().map(|u| (u.class, u.instance)).collect::<std::vec::Vec<_>>();
        use EngineClass::{Compute, Copy, Render};
        let lnl = [(Render, 0), (Copy, 0), (Copy, 8), (Compute, 0), (Compute, 1), (Compute, 2), (Compute, 3)];
        assert_eq!(names(0x03C0_0203), lnl);
        assert_eq!(names(0x043F_FC00).len(), 13);
        assert_eq!(names(0x03C0_03FE).len(), 13);
    }

    #[test]
    fn an_identity_names_one_engine_or_none() {
        assert_eq!(by_identity(3, 8).map(|u| u.id), Some(9));
        assert_eq!(by_identity(5, 1).map(|u| u.id), Some(23));
        assert!(by_identity(3, 9).is_none());
        assert!(by_identity(7, 63).is_none());
    }
}
