//! Register offsets, named as the manuals name them.
//!
//! Offsets are those of the primary GT; the media GT sees everything below 0x40000 shifted (engines sheet §2.2). A
//! name ending in `_OFFSET` is a distance from an engine's base. Sources: engines sheet, by section, unless said.
//!
//! | acronym | meaning |
//! |---|---|
//! | ATS, PTA | PAT entries for address translation service, and for page-table accesses |
//! | DSS | dual subslice: the block of execution units the fuses count |
//! | EMR, EIR | error mask and error identity of an engine |
//! | FUSE | what manufacture switched off |
//! | GGC | graphics control word: sizes of stolen memory and of the GGTT |
//! | GMD_ID | IP version of a GT |
//! | HWSTAM | mask of interrupt writes to the hardware status page |
//! | IMR, IER, IIR | interrupt mask, enable, identity |
//! | LNCF | the L3 side of a MOCS entry; GLOB is the other |
//! | MCR | multicast/replicated register, needs steering for reads |
//! | MOCS | memory object control state: cache policy by index |
//! | PAT | page attribute table: cache policy by index, from page-table entries |
//! | PSMI | power and state machine interface |
//! | RCU | render command unit |

use barexe_hal::RegOffset;

macro_rules! registers {
    ($($(#[$doc:meta])* $name:ident = $offset:literal;)+) => {
        $($(#[$doc])* pub const $name: RegOffset = RegOffset::at($offset);)+
    };
}

registers! {
    /// Tile count less one in bits 15:8, on tile 0 (§2.3).
    MTCFG = 0x101800;
    /// IP version of the GT (§2.5).
    GMD_ID = 0xD8C;
    /// Crystal and shift of the timestamp clock (§13.1).
    RPM_CONFIG0 = 0xD00;
    /// Any dword nobody reads: writing it flushes what an earlier write left pending (§2.1, 15015404425).
    PENDING_WRITE_FLUSH = 0x130030;
    /// Virtual-function capability; reading it is the barrier after GGTT updates (page-tables sheet §4.5).
    VF_CAP = 0x1901F8;

    /// Forcewake request, GT domain (§2.4).
    FORCEWAKE_GT = 0xA188;
    /// Forcewake acknowledge, GT domain, before 12.70.
    FORCEWAKE_ACK_GT_LEGACY = 0x130044;
    /// Forcewake acknowledge, GT domain, 12.70 and later.
    FORCEWAKE_ACK_GT = 0xDFC;
    /// Forcewake request, render domain.
    FORCEWAKE_RENDER = 0xA278;
    /// Forcewake acknowledge, render domain.
    FORCEWAKE_ACK_RENDER = 0xD84;
    /// Forcewake request, first video decoder; one dword each.
    FORCEWAKE_VDBOX0 = 0xA540;
    /// Forcewake acknowledge, first video decoder; one dword each.
    FORCEWAKE_ACK_VDBOX0 = 0xD50;
    /// Forcewake request, first video enhancer; one dword each.
    FORCEWAKE_VEBOX0 = 0xA560;
    /// Forcewake acknowledge, first video enhancer; one dword each.
    FORCEWAKE_ACK_VEBOX0 = 0xD70;

    /// MCR selector before 12.70 (§2.6).
    MCR_SELECTOR_LEGACY = 0xFDC;
    /// MCR selector, 12.70 and later.
    MCR_SELECTOR = 0xFD4;
    /// Hardware semaphore around MCR accesses, 12.70 and later.
    STEER_SEMAPHORE = 0xFD0;

    /// L3 banks and memory slices by fuse (§13.2).
    MIRROR_FUSE3 = 0x9118;
    /// Compute engines by fuse (§4.2).
    FUSE4 = 0x9114;
    /// Media engines by fuse (§4.2).
    MEDIA_FUSE = 0x9140;
    /// Execution units per DSS by fuse (§13.2).
    EU_ENABLE = 0x9134;
    /// Geometry DSS, bits 31:0.
    GEOMETRY_DSS0 = 0x913C;
    /// Geometry DSS, bits 63:32.
    GEOMETRY_DSS1 = 0x9150;
    /// Geometry DSS, bits 95:64.
    GEOMETRY_DSS2 = 0x9154;
    /// Compute DSS, bits 31:0.
    COMPUTE_DSS0 = 0x9144;
    /// Compute DSS, bits 63:32.
    COMPUTE_DSS1 = 0x9148;
    /// Compute DSS, bits 95:64.
    COMPUTE_DSS2 = 0x914C;
    /// Flat-CCS base, bit 0 says whether there is one (§1.5).
    FLAT_CCS_BASE = 0x8800;

    /// First GLOB MOCS register; one dword each (§13.4).
    GLOB_MOCS0 = 0x4000;
    /// First LNCF MOCS register; two entries each.
    LNCF_MOCS0 = 0xB020;

    /// Resets of a GT and of its engines; a bit clears when its reset is done (§10).
    GDRST = 0x941C;

    /// Compute enable and slice mode (§4.3).
    RCU_MODE = 0x14800;
    /// Which compute engine owns which slice (§4.3).
    CCS_MODE = 0x14804;

    /// Tile master interrupt, graphics 12.10 and later (§9.1).
    TILE_MASTER_IRQ = 0x190008;
    /// Master interrupt of a tile.
    GFX_MSTR_IRQ = 0x190010;
    /// Pending units, bank 0; bank 1 is one dword on.
    GT_INTR_DW0 = 0x190018;
    /// Identity of the selected unit, bank 0; bank 1 is one dword on.
    INTR_IDENTITY0 = 0x190060;
    /// Unit selector, bank 0; bank 1 is one dword on.
    IIR_REG_SELECTOR0 = 0x190070;
    /// Power controller interrupts: ISR, then IMR, IIR, IER one dword apart.
    PCU_ISR = 0x444E0;
    /// Miscellaneous interrupts: ISR, then IMR, IIR, IER one dword apart.
    GU_MISC_ISR = 0x444F0;

    /// Enables of render and copy engines (§9.3).
    RENDER_COPY_INTR_ENABLE = 0x190030;
    /// Enables of video engines.
    VCS_VECS_INTR_ENABLE = 0x190034;
    /// Enables of the GuC.
    GUC_SG_INTR_ENABLE = 0x190038;
    /// Enables of power management.
    GPM_WGBOXPERF_INTR_ENABLE = 0x19003C;
    /// Enables of content protection.
    CRYPTO_INTR_ENABLE = 0x190040;
    /// Enables of the GSC.
    GUNIT_GSC_INTR_ENABLE = 0x190044;
    /// Enables of compute engines.
    CCS_INTR_ENABLE = 0x190048;
    /// Mask of RCS0.
    RCS0_INTR_MASK = 0x190090;
    /// Mask of BCS0.
    BCS_INTR_MASK = 0x1900A0;
    /// Mask of VCS0 and VCS1; the later pairs follow, one dword each.
    VCS01_INTR_MASK = 0x1900A8;
    /// Mask of VECS0 and VECS1; the later pair follows.
    VECS01_INTR_MASK = 0x1900D0;
    /// Mask of the security engine's mailbox.
    HECI2_INTR_MASK = 0x1900E4;
    /// Mask of the GuC.
    GUC_SG_INTR_MASK = 0x1900E8;
    /// Mask of power management.
    GPM_WGBOXPERF_INTR_MASK = 0x1900EC;
    /// Mask of content protection.
    CRYPTO_INTR_MASK = 0x1900F0;
    /// Mask of the GSC.
    GUNIT_GSC_INTR_MASK = 0x1900F4;
    /// Mask of CCS0 and CCS1; the later pair follows.
    CCS01_INTR_MASK = 0x190100;
    /// Mask of BCS1 and BCS2.
    BCS12_INTR_MASK = 0x190110;
    /// Mask of BCS3 and BCS4.
    BCS34_INTR_MASK = 0x190114;
    /// Mask of BCS5 and BCS6.
    BCS56_INTR_MASK = 0x190118;
    /// Mask of BCS7 and BCS8.
    BCS78_INTR_MASK = 0x19011C;
}

/// Tail of the ring, from an engine's base (§4.3).
pub const RING_TAIL_OFFSET: u32 = 0x30;
/// Head of the ring, from an engine's base.
pub const RING_HEAD_OFFSET: u32 = 0x34;
/// Active head, upper half, from an engine's base.
pub const ACTHD_UDW_OFFSET: u32 = 0x5C;
/// Instruction that was parsed last, from an engine's base.
pub const IPEHR_OFFSET: u32 = 0x68;
/// Active head, from an engine's base.
pub const ACTHD_OFFSET: u32 = 0x74;
/// The context that runs, from an engine's base.
pub const CURRENT_LRCA_OFFSET: u32 = 0x240;
/// Idle wait time, unit 640 ns, from an engine's base.
pub const PWRCTX_MAXCNT_OFFSET: u32 = 0x54;
/// Mask of status-page interrupt writes, from an engine's base.
pub const HWSTAM_OFFSET: u32 = 0x98;
/// Stop and idle bits (masked), from an engine's base.
pub const MI_MODE_OFFSET: u32 = 0x9C;
/// Error identity, write one to clear, from an engine's base.
pub const EIR_OFFSET: u32 = 0xB0;
/// Error mask, 1 = masked, from an engine's base.
pub const EMR_OFFSET: u32 = 0xB4;
/// Default MOCS of the command streamer (masked), from an engine's base.
pub const CMD_CCTL_OFFSET: u32 = 0xC4;
/// Handshake before a reset (masked), from an engine's base (§10.2).
pub const RESET_CTL_OFFSET: u32 = 0xD0;
/// Front-end switches (masked), from an engine's base.
pub const CSFE_CHICKEN1_OFFSET: u32 = 0xD4;
/// Idle delay, from an engine's base.
pub const IDLEDLY_OFFSET: u32 = 0x23C;
/// Execlist mode and friends (masked), from an engine's base.
pub const GFX_MODE_OFFSET: u32 = 0x29C;
/// Timestamp that never stops, lower half, from an engine's base (§4.3).
pub const TIMESTAMP_OFFSET: u32 = 0x358;
/// Timestamp that never stops, upper half, from an engine's base.
pub const TIMESTAMP_UDW_OFFSET: u32 = 0x35C;
/// Ticks that the context on the engine has run, lower half, from an engine's base (§4.3).
pub const CTX_TIMESTAMP_OFFSET: u32 = 0x3A8;
/// Ticks that the context on the engine has run, upper half where there is one, from an engine's base.
pub const CTX_TIMESTAMP_UDW_OFFSET: u32 = 0x3AC;
/// First of twelve slots for registers that batches may touch, from an engine's base.
pub const FORCE_TO_NONPRIV_OFFSET: u32 = 0x4D0;
/// How many such slots there are.
pub const FORCE_TO_NONPRIV_SLOTS: u32 = 12;

/// A write to a masked register: the upper half says which bits of the lower half count (engines sheet §0).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Masked(u32);

impl Masked {
    /// Sets `bits`.
    #[must_use]
    pub const fn set(bits: u16) -> Self {
        Self::field(bits, bits)
    }

    /// Clears `bits`.
    #[must_use]
    pub const fn clear(bits: u16) -> Self {
        Self::field(bits, 0)
    }

    /// Makes the field `mask` equal to `value`; bits of `value` outside the field are dropped.
    #[must_use]
    pub const fn field(mask: u16, value: u16) -> Self {
        Self((mask as u32) << 16 | (value & mask) as u32)
    }

    /// The dword to write.
    #[must_use]
    pub const fn word(self) -> u32 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use crate::gt::regs::*;

    #[test]
    fn masked_writes_enable_exactly_the_bits_they_mean() {
        // engines sheet §4 and §2 checks.
        assert_eq!(Masked::set(1 << 7).word(), 0x0080_0080);
        assert_eq!(Masked::set(1 << 15 | 1 << 14 | 1 << 7).word(), 0xC080_C080);
        assert_eq!(Masked::set(1 << 8).word(), 0x0100_0100);
        assert_eq!(Masked::clear(1 << 8).word(), 0x0100_0000);
        assert_eq!(Masked::field(0x3F7E, 0x0306).word(), 0x3F7E_0306);
        assert_eq!(Masked::field(0x00F0, 0xFFFF).word(), 0x00F0_00F0);
    }
}
