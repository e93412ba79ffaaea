//! What a family changes about the contents of rings.

use super::command::AuxRegisters;
use super::pipe::{PipeFlags, PipeGroup0, PipeGroup1};
use crate::gt::EngineClass;

/// A family's ring contents (commands sheet §0, §2.5).
#[derive(Clone, Copy, Debug)]
pub struct RingFormat {
    /// Registers of the auxiliary compression table, where each job must invalidate it.
    pub aux: Option<AuxRegisters>,
    /// Whether a depth flush of its own goes before each cache flush (workaround 14016712196).
    pub pre_flush: bool,
    /// Whether a cache flush stalls the depth pipeline too (workaround 1409600907).
    pub depth_stall: bool,
    /// Whether a cache flush has to name the untyped data port.
    pub data_port_flush: bool,
}

/// Drops what the engine of a class does not have. Every graphics GT of the families here has a render engine; one
/// without would drop more.
const fn masked(class: EngineClass, flags: PipeGroup1) -> PipeGroup1 {
    match class {
        EngineClass::Compute => flags.difference(PipeGroup1::ONLY_3D),
        EngineClass::Render
        | EngineClass::Copy
        | EngineClass::VideoDecode
        | EngineClass::VideoEnhance
        | EngineClass::Gsc => flags,
    }
}

impl RingFormat {
    /// The register of a class's auxiliary table, if jobs of the class must invalidate it.
    #[must_use]
    pub fn aux_register(&self, class: EngineClass) -> Option<u32> {
        self.aux.and_then(|registers| registers.of(class))
    }

    /// Flags of the flush that makes a batch's writes visible.
    #[must_use]
    pub fn flush_flags(&self, class: EngineClass) -> PipeFlags {
        let mut group0 = PipeGroup0::HDC_FLUSH;
        group0.set(PipeGroup0::DATA_PORT_FLUSH, self.data_port_flush);
        let mut group1 = PipeGroup1::TILE_FLUSH
            | PipeGroup1::RENDER_TARGET_FLUSH
            | PipeGroup1::DEPTH_FLUSH
            | PipeGroup1::DC_FLUSH
            | PipeGroup1::FLUSH_ENABLE;
        group1.set(PipeGroup1::DEPTH_STALL, self.depth_stall);
        PipeFlags(group0, masked(class, group1) | PipeGroup1::CS_STALL)
    }

    /// Flags of the invalidation before a batch. Its post-sync write goes to an offset of the PPHWSP.
    #[must_use]
    pub fn invalidate_flags(&self, class: EngineClass, tlb: bool) -> PipeFlags {
        let mut group1 = PipeGroup1::COMMAND_INVALIDATE
            | PipeGroup1::INSTRUCTION_INVALIDATE
            | PipeGroup1::TEXTURE_INVALIDATE
            | PipeGroup1::VF_INVALIDATE
            | PipeGroup1::CONSTANT_INVALIDATE
            | PipeGroup1::STATE_INVALIDATE
            | PipeGroup1::WRITE_QWORD
            | PipeGroup1::STORE_INDEX
            | PipeGroup1::CS_STALL;
        group1.set(PipeGroup1::TLB_INVALIDATE, tlb);
        let group1 = masked(class, group1);
        let mut group0 = PipeGroup0::empty();
        // By the sheet this flag goes with vertex fetch: it is set exactly if that one survived the mask.
        group0.set(PipeGroup0::L3_READ_ONLY_INVALIDATE, group1.contains(PipeGroup1::VF_INVALIDATE));
        PipeFlags(group0, group1)
    }

    /// Flags of the write that says a job is done.
    #[must_use]
    pub fn seqno_flags(&self, class: EngineClass) -> PipeFlags {
        let group1 = PipeGroup1::GGTT | PipeGroup1::WRITE_QWORD | PipeGroup1::FLUSH_ENABLE;
        PipeFlags(PipeGroup0::empty(), masked(class, group1) | PipeGroup1::CS_STALL)
    }
}

#[cfg(test)]
mod tests {
    use super::super::pipe::pipe_control;
    use super::*;
    use crate::family::{GEN12, XE2};

    fn pair(flags: PipeFlags) -> (u32, u32) {
        let [header, group1, ..] = pipe_control(flags, 0, 0);
        (header, group1)
    }

    fn row(format: &RingFormat, class: EngineClass) -> [(u32, u32); 4] {
        [
            pair(format.flush_flags(class)),
            pair(format.invalidate_flags(class, false)),
            pair(format.invalidate_flags(class, true)),
            pair(format.seqno_flags(class)),
        ]
    }

    /// Commands sheet §2.5, resulting pairs.
    #[test]
    fn pipe_control_flags_are_those_of_the_table() {
        let render_invalidate = [(0x7A00_0404, 0x2030_4C1C), (0x7A00_0404, 0x2034_4C1C)];
        let compute_invalidate = [(0x7A00_0004, 0x2030_4C0C), (0x7A00_0004, 0x2034_4C0C)];
        let seqno = (0x7A00_0004, 0x0110_4080);
        let want = |flush, [plain, tlb]: [(u32, u32); 2]| [flush, plain, tlb, seqno];
        assert_eq!(
            row(&GEN12.ring, EngineClass::Render),
            want((0x7A00_0204, 0x1010_30A1), render_invalidate),
            "TGL render"
        );
        assert_eq!(
            row(&XE2.ring, EngineClass::Render),
            want((0x7A00_0A04, 0x1010_10A1), render_invalidate),
            "LNL render"
        );
        assert_eq!(
            row(&XE2.ring, EngineClass::Compute),
            want((0x7A00_0A04, 0x0010_00A0), compute_invalidate),
            "LNL compute"
        );
    }

    #[test]
    fn aux_registers_exist_on_gen12_only_and_not_for_copy() {
        let of = |class| GEN12.ring.aux_register(class);
        assert_eq!(of(EngineClass::Render), Some(0x4208));
        assert_eq!(of(EngineClass::VideoDecode), Some(0x4218));
        assert_eq!(of(EngineClass::VideoEnhance), Some(0x4238));
        assert_eq!(of(EngineClass::Copy), None);
        assert_eq!(XE2.ring.aux_register(EngineClass::Render), None);
    }
}
