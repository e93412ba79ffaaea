//! What the fuses left: engines, DSS, execution units, L3 banks (engines sheet §4.2, §13.2).

use super::platform::units::{EngineMask, Unit};
use super::registers::access::{GtIndex, Registers};
use super::{EngineClass, regs};
use barexe_hal::{Mmio, RegOffset};

/// How a family's fuses read.
#[derive(Debug)]
pub struct FuseFormat {
    /// A set bit of the media fuse means absent (graphics before 12.50).
    pub media_bits_mean_absent: bool,
    /// Compute engines are listed in `FUSE4` bits 19:16 (graphics 20 and later).
    pub compute_in_fuse4: bool,
    /// Registers of the geometry DSS mask.
    pub geometry_dss: &'static [RegOffset],
    /// Registers of the compute DSS mask.
    pub compute_dss: &'static [RegOffset],
    /// EU mask of a DSS from the fuse word.
    pub eu_mask: fn(u32) -> EuMask,
    /// L3 bank mask from `MIRROR_FUSE3`.
    pub l3_banks: fn(u32) -> u64,
}

/// Execution units of each DSS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EuMask {
    /// One bit per SIMD8 unit.
    Simd8(u16),
    /// One bit per SIMD16 unit.
    Simd16(u16),
}

/// Fused topology of the primary GT.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Topology {
    /// DSS with geometry, 32 per word.
    pub geometry_dss: [u32; 3],
    /// DSS with compute, 32 per word.
    pub compute_dss: [u32; 3],
    /// Execution units per DSS.
    pub eus: EuMask,
    /// L3 banks.
    pub l3_banks: u64,
    /// `MIRROR_FUSE3` as read: memory nodes in 31:16.
    pub mirror_fuse3: u32,
    /// VCS0 or VECS0 exists: where to steer media registers.
    pub first_media_slice_lives: bool,
}

impl Topology {
    /// Reads the fuses of the primary GT; its GT domain must be awake.
    pub fn read<H: Mmio>(regs: &mut Registers<'_, H>, engines: EngineMask) -> Self {
        let format = &regs.format().fuses;
        let mirror_fuse3 = regs.read(regs::MIRROR_FUSE3);
        Self {
            geometry_dss: read_mask(regs, format.geometry_dss),
            compute_dss: read_mask(regs, format.compute_dss),
            eus: (format.eu_mask)(regs.read(regs::EU_ENABLE)),
            l3_banks: (format.l3_banks)(mirror_fuse3),
            mirror_fuse3,
            first_media_slice_lives: engines.units().any(is_first_media),
        }
    }

    /// Lowest DSS of either kind; 0 if the fuses name none.
    #[must_use]
    pub fn first_dss(&self) -> u8 {
        first_set(self.geometry_dss).min(first_set(self.compute_dss)).min(95)
    }

    /// Lowest L3 bank; 0 if the fuses name none.
    #[must_use]
    pub const fn first_l3_bank(&self) -> u8 {
        if self.l3_banks == 0 { 0 } else { small(self.l3_banks.trailing_zeros()) }
    }

    /// Lowest memory node; 0 if the fuses name none.
    #[must_use]
    pub const fn first_memory_node(&self) -> u8 {
        let nodes = self.mirror_fuse3 >> 16;
        if nodes == 0 { 0 } else { small(nodes.trailing_zeros()) }
    }

    /// Whether a group of `per_group` DSS is empty between two that are not (18041344222).
    #[must_use]
    pub fn has_group_gap(&self, per_group: u8) -> bool {
        let mut groups = 0u32;
        for number in 0..96u8 {
            if self.has_dss(number) {
                groups |= 1u32.unbounded_shl(u32::from(number.checked_div(per_group).unwrap_or(0)));
            }
        }
        // Without its trailing zeros a run of ones plus one is a power of two.
        let run = groups.unbounded_shr(groups.trailing_zeros());
        run & run.wrapping_add(1) != 0
    }

    fn has_dss(&self, number: u8) -> bool {
        let word = usize::from(number >> 5);
        let has = |mask: &[u32; 3]| mask.get(word).is_some_and(|bits| bits >> (number & 31) & 1 != 0);
        has(&self.geometry_dss) || has(&self.compute_dss)
    }
}

const fn is_first_media(unit: &Unit) -> bool {
    matches!(unit.class, EngineClass::VideoDecode | EngineClass::VideoEnhance) && unit.instance == 0
}

/// A bit number as a byte: callers pass at most 63.
const fn small(bit: u32) -> u8 {
    (bit & 0x7F) as u8
}

fn first_set(mask: [u32; 3]) -> u8 {
    let wide = mask.iter().rev().fold(0u128, |wide, word| wide << 32 | u128::from(*word));
    if wide == 0 { u8::MAX } else { small(wide.trailing_zeros()) }
}

fn read_mask<H: Mmio>(regs: &mut Registers<'_, H>, words: &[RegOffset]) -> [u32; 3] {
    let mut mask = [0; 3];
    for (word, reg) in mask.iter_mut().zip(words) {
        *word = regs.read(*reg);
    }
    mask
}

/// The media engines the fuse word leaves: VDBOX 7:0, VEBOX 19:16.
#[must_use]
pub fn media_engines(possible: EngineMask, fuse: u32, bits_mean_absent: bool) -> EngineMask {
    let present = if bits_mean_absent { !fuse } else { fuse };
    possible.filtered(|unit| match unit.class {
        EngineClass::VideoDecode => present >> (unit.instance & 7) & 1 != 0,
        EngineClass::VideoEnhance => present >> 16 >> (unit.instance & 3) & 1 != 0,
        EngineClass::Render | EngineClass::Copy | EngineClass::Compute | EngineClass::Gsc => true,
    })
}

/// The compute engines `FUSE4` leaves: bits 19:16.
#[must_use]
pub fn compute_engines(possible: EngineMask, fuse4: u32) -> EngineMask {
    possible.filtered(|unit| unit.class != EngineClass::Compute || fuse4 >> 16 >> (unit.instance & 3) & 1 != 0)
}

/// The engines of GT `gt` that exist, out of those the platform can have. GSCCS is dropped: it only serves firmware
/// that this driver does not load.
pub fn existing_engines<H: Mmio>(regs: &mut Registers<'_, H>, gt: GtIndex, possible: EngineMask) -> EngineMask {
    let fuses = &regs.format().fuses;
    let mut engines = possible.filtered(|unit| unit.class != EngineClass::Gsc);
    if engines.has_class(EngineClass::VideoDecode) || engines.has_class(EngineClass::VideoEnhance) {
        let fuse = regs.read_gt(gt, regs::MEDIA_FUSE);
        engines = media_engines(engines, fuse, fuses.media_bits_mean_absent);
    }
    if fuses.compute_in_fuse4 && engines.has_class(EngineClass::Compute) {
        let fuse4 = regs.read_gt(gt, regs::FUSE4);
        engines = compute_engines(engines, fuse4);
    }
    engines
}

/// Before 12.50: a set bit means absent, one bit stands for two SIMD8 units.
#[must_use]
pub fn eus_absent_in_pairs(fuse: u32) -> EuMask {
    let pairs = !fuse & 0xFF;
    let mask = (0..8u32).filter(|pair| pairs >> pair & 1 != 0).fold(0u16, |mask, pair| mask | 3 << (pair << 1 & 15));
    EuMask::Simd8(mask)
}

/// Graphics 20 and later: one bit is one SIMD16 unit.
#[must_use]
pub const fn eus_one_by_one(fuse: u32) -> EuMask {
    EuMask::Simd16((fuse & 0xFFFF) as u16)
}

/// Graphics up to 12.10: a set bit of 7:0 means absent.
#[must_use]
pub fn l3_banks_absent(mirror_fuse3: u32) -> u64 {
    u64::from(!mirror_fuse3 & 0xFF)
}

/// Graphics 20: pattern 7:4 repeated every four banks, for each node of 31:16.
#[must_use]
pub fn l3_banks_by_node(mirror_fuse3: u32) -> u64 {
    let pattern = u64::from(mirror_fuse3 >> 4 & 0xF);
    let nodes = mirror_fuse3 >> 16;
    (0..16u32).filter(|node| nodes >> node & 1 != 0).fold(0, |banks, node| banks | pattern << (node << 2 & 63))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOPOLOGY: Topology = Topology {
        geometry_dss: [0; 3],
        compute_dss: [0; 3],
        eus: EuMask::Simd8(0),
        l3_banks: 0,
        mirror_fuse3: 0,
        first_media_slice_lives: true,
    };

    fn ids(mask: EngineMask) -> std::vec::Vec<u8> {
        mask.units().map(|unit| unit.id).collect()
    }

    #[test]
    fn media_fuses_decode_in_both_senses() {
        // engines sheet §4 checks: VCS0, VCS2, VECS0 and VCS0, VCS2, VECS0, VECS1.
        assert_eq!(ids(media_engines(EngineMask(0x003F_FC00), 0x000E_00FA, true)), [10, 12, 18]);
        assert_eq!(ids(media_engines(EngineMask(0x003F_FC00), 0x0003_0005, false)), [10, 12, 18, 19]);
    }

    #[test]
    fn compute_fuse_leaves_the_engines_it_names() {
        assert_eq!(ids(compute_engines(EngineMask(0x03C0_0203), 0x0003_0000)), [0, 1, 9, 22, 23]);
    }

    #[test]
    fn eu_fuses_expand_to_units() {
        assert_eq!(eus_absent_in_pairs(0xFFFF_FF00), EuMask::Simd8(0xFFFF));
        assert_eq!(eus_absent_in_pairs(0x81), EuMask::Simd8(0x3FFC));
        assert_eq!(eus_one_by_one(0x00FF), EuMask::Simd16(0xFF));
    }

    #[test]
    fn l3_masks_follow_the_family() {
        assert_eq!(l3_banks_absent(0xFFFF_FFF0), 0x0F);
        assert_eq!(l3_banks_by_node(0x0002_00C0), 0xC0);
        assert_eq!(l3_banks_by_node(0x8001_0010), 1 | 1 << 60);
    }

    #[test]
    fn the_first_dss_is_the_lower_of_both_masks() {
        let topology = Topology { geometry_dss: [0, 1, 0], compute_dss: [1 << 9, 0, 0], ..TOPOLOGY };
        assert_eq!(topology.first_dss(), 9);
        assert_eq!(Topology { geometry_dss: [0, 0, 2], ..TOPOLOGY }.first_dss(), 65);
    }

    #[test]
    fn a_group_gap_is_an_empty_group_between_live_ones() {
        let with = |mask| Topology { geometry_dss: [mask, 0, 0], ..TOPOLOGY };
        assert!(!with(0x0000_00FF).has_group_gap(4));
        assert!(!with(0x0000_0FF0).has_group_gap(4));
        assert!(with(0x0000_0F0F).has_group_gap(4));
        assert!(!with(0).has_group_gap(4));
    }
}
