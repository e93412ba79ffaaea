//! The 64 bits that name a context to the hardware.

use super::layout::LrcAddrs;
use crate::gt::EngineClass;
use crate::num::{high32, low32};

const VALID: u64 = 1 << 0;
const ADDRESSING_64_BIT: u64 = 3 << 3;
const FORCE_RESTORE: u64 = 1 << 2;
const PPGTT: u64 = 1 << 8;

/// Layout of a family's descriptors (engines sheet §6.9).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DescriptorFormat {
    /// Lowest bit of the software context id.
    pub id_shift: u32,
    /// Bits of the software context id.
    pub id_bits: u32,
    /// Whether engine class (63:61) and instance (53:48) are part of it.
    pub names_engine: bool,
}

impl DescriptorFormat {
    /// Largest id to give out: all ones is reserved for "no context", 0 for the idle context (engines sheet §7.2).
    #[must_use]
    pub const fn last_id(&self) -> u32 {
        self.id_mask().saturating_sub(1)
    }

    /// The id after `id`, from 1 to [`last_id`](Self::last_id), round again after that.
    #[must_use]
    pub const fn next_id(&self, id: u32) -> u32 {
        if id < self.last_id() { id.wrapping_add(1) } else { 1 }
    }

    const fn id_mask(&self) -> u32 {
        1u32.wrapping_shl(self.id_bits).wrapping_sub(1)
    }

    /// The descriptor of a context, without software id.
    #[must_use]
    pub const fn describe(&self, class: EngineClass, instance: u16, lrc: &LrcAddrs, has_vm: bool) -> Descriptor {
        let vm = if has_vm { PPGTT } else { 0 };
        let engine =
            if self.names_engine { (class.hardware_code() as u64) << 61 | (instance as u64 & 0x3F) << 48 } else { 0 };
        let pphwsp = lrc.pphwsp.get() as u64 & !0xFFF;
        Descriptor(pphwsp | VALID | ADDRESSING_64_BIT | vm | engine)
    }

    /// The same descriptor with a software id; bits past the field are dropped.
    #[must_use]
    pub const fn with_id(&self, descriptor: Descriptor, id: u32) -> Descriptor {
        let field = (self.id_mask() as u64).wrapping_shl(self.id_shift);
        let placed = ((id & self.id_mask()) as u64).wrapping_shl(self.id_shift);
        Descriptor(descriptor.0 & !field | placed)
    }
}

/// A context descriptor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Descriptor(u64);

impl Descriptor {
    /// All 64 bits.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The same, to be restored from memory even if the engine believes to have it: its tail has not moved, or its
    /// image was written anew (engines sheet §7.5).
    #[must_use]
    pub const fn forcing_restore(self) -> Self {
        Self(self.0 | FORCE_RESTORE)
    }

    /// Lower half: address and flags.
    #[must_use]
    pub const fn low(self) -> u32 {
        low32(self.0)
    }

    /// Upper half: software id, and the engine where families put it there.
    #[must_use]
    pub const fn high(self) -> u32 {
        high32(self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::family::{GEN12, XE2};
    use barexe_hal::GgttAddr;

    /// Addresses of a context whose PPHWSP lies at `pphwsp`.
    fn lrc(pphwsp: u32) -> LrcAddrs {
        let layout = XE2.lrc.layout(EngineClass::Copy, 0x4000).unwrap();
        layout.addrs(GgttAddr::new(pphwsp.checked_sub(0x4000).unwrap()).unwrap(), GgttAddr::ZERO).unwrap()
    }

    fn gen12(class: EngineClass, instance: u16, pphwsp: u32, has_vm: bool, id: u32) -> u64 {
        let format = GEN12.lrc.descriptor;
        format.with_id(format.describe(class, instance, &lrc(pphwsp), has_vm), id).get()
    }

    fn xe2(pphwsp: u32, has_vm: bool, id: u32) -> u64 {
        let format = XE2.lrc.descriptor;
        format.with_id(format.describe(EngineClass::Copy, 0, &lrc(pphwsp), has_vm), id).get()
    }

    /// Engines sheet §6, Checks.
    #[test]
    fn gen12_descriptors_name_the_engine() {
        use EngineClass::{Copy, Render, VideoDecode, VideoEnhance};
        assert_eq!(gen12(Render, 0, 0x0100_5000, true, 2), 0x0000_0040_0100_5119);
        assert_eq!(gen12(Copy, 0, 0x0100_5000, false, 0), 0x6000_0000_0100_5019);
        assert_eq!(gen12(VideoDecode, 2, 0x00A1_0000, true, 0x7FF), 0x2002_FFE0_00A1_0119);
        assert_eq!(gen12(VideoEnhance, 1, 0x00A1_0000, true, 5), 0x4001_00A0_00A1_0119);
    }

    /// Engines sheet §6, Checks.
    #[test]
    fn xe2_descriptors_hold_only_the_id() {
        assert_eq!(xe2(0x0100_5000, true, 2), 0x0000_0100_0100_5119);
        assert_eq!(xe2(0x00A1_0000, true, 0xFFFF), 0x007F_FF80_00A1_0119);
        assert_eq!(xe2(0x00A1_0000, false, 0), 0x0000_0000_00A1_0019);
    }

    #[test]
    fn ids_round_trip_from_one_to_the_last_and_avoid_the_reserved_ones() {
        for (format, last) in [(GEN12.lrc.descriptor, 0x7FE), (XE2.lrc.descriptor, 0xFFFE)] {
            assert_eq!(format.last_id(), last);
            assert_eq!((format.next_id(0), format.next_id(last - 1), format.next_id(last)), (1, last, 1));
            assert_eq!(format.next_id(u32::MAX), 1);
        }
    }

    #[test]
    fn an_id_too_large_cannot_reach_other_fields() {
        assert_eq!(xe2(0x00A1_0000, true, u32::MAX), xe2(0x00A1_0000, true, 0xFFFF));
        let format = GEN12.lrc.descriptor;
        let once = format.with_id(format.describe(EngineClass::Copy, 0, &lrc(0x00A1_0000), true), 0x7FF);
        assert_eq!(format.with_id(once, 1).get(), gen12(EngineClass::Copy, 0, 0x00A1_0000, true, 1));
    }
}
