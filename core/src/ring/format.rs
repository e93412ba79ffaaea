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
    render: PipeSteps,
    compute: PipeSteps,
}

/// What a family's flushes name beside what all of them do.
#[derive(Clone, Copy, Debug, Default)]
pub struct FlushQuirks {
    /// A depth flush of its own goes before each cache flush (workaround 14016712196).
    pub pre_flush: bool,
    /// A cache flush stalls the depth pipeline too (workaround 1409600907).
    pub depth_stall: bool,
    /// A cache flush has to name the untyped data port.
    pub data_port_flush: bool,
}

/// The flags of each PIPE_CONTROL in a job of one class: put together when this is compiled, for every job has them.
#[derive(Clone, Copy, Debug)]
pub struct PipeSteps {
    /// The flush that makes a batch's writes visible.
    pub flush: PipeFlags,
    /// The invalidation before a batch. Its post-sync write goes to an offset of the PPHWSP.
    pub invalidate: PipeFlags,
    /// The same, of translations too.
    pub invalidate_tlb: PipeFlags,
    /// The write that says a job is done.
    pub seqno: PipeFlags,
}

/// Drops what the engine of a class does not have. Every graphics GT of the families here has a render engine; one
/// without would drop more.
const fn masked(is_compute: bool, flags: PipeGroup1) -> PipeGroup1 {
    if is_compute { flags.difference(PipeGroup1::ONLY_3D) } else { flags }
}

impl PipeSteps {
    const fn new(is_compute: bool, quirks: FlushQuirks) -> Self {
        Self {
            flush: flush_flags(is_compute, quirks),
            invalidate: invalidate_flags(is_compute, PipeGroup1::empty()),
            invalidate_tlb: invalidate_flags(is_compute, PipeGroup1::TLB_INVALIDATE),
            seqno: seqno_flags(is_compute),
        }
    }
}

const fn flush_flags(is_compute: bool, quirks: FlushQuirks) -> PipeFlags {
    let group0 = if quirks.data_port_flush { PipeGroup0::DATA_PORT_FLUSH } else { PipeGroup0::empty() };
    let stall = if quirks.depth_stall { PipeGroup1::DEPTH_STALL } else { PipeGroup1::empty() };
    let group1 = PipeGroup1::TILE_FLUSH
        .union(PipeGroup1::RENDER_TARGET_FLUSH)
        .union(PipeGroup1::DEPTH_FLUSH)
        .union(PipeGroup1::DC_FLUSH)
        .union(PipeGroup1::FLUSH_ENABLE)
        .union(stall);
    PipeFlags(group0.union(PipeGroup0::HDC_FLUSH), masked(is_compute, group1).union(PipeGroup1::CS_STALL))
}

const fn invalidate_flags(is_compute: bool, more: PipeGroup1) -> PipeFlags {
    let group1 = PipeGroup1::COMMAND_INVALIDATE
        .union(PipeGroup1::INSTRUCTION_INVALIDATE)
        .union(PipeGroup1::TEXTURE_INVALIDATE)
        .union(PipeGroup1::VF_INVALIDATE)
        .union(PipeGroup1::CONSTANT_INVALIDATE)
        .union(PipeGroup1::STATE_INVALIDATE)
        .union(PipeGroup1::WRITE_QWORD)
        .union(PipeGroup1::STORE_INDEX)
        .union(PipeGroup1::CS_STALL)
        .union(more);
    let group1 = masked(is_compute, group1);
    // By the sheet this flag goes with vertex fetch: it is set exactly if that one survived the mask.
    let has_vf = group1.contains(PipeGroup1::VF_INVALIDATE);
    let group0 = if has_vf { PipeGroup0::L3_READ_ONLY_INVALIDATE } else { PipeGroup0::empty() };
    PipeFlags(group0, group1)
}

const fn seqno_flags(is_compute: bool) -> PipeFlags {
    let group1 = PipeGroup1::GGTT.union(PipeGroup1::WRITE_QWORD).union(PipeGroup1::FLUSH_ENABLE);
    PipeFlags(PipeGroup0::empty(), masked(is_compute, group1).union(PipeGroup1::CS_STALL))
}

impl RingFormat {
    /// The format of a family.
    #[must_use]
    pub const fn new(aux: Option<AuxRegisters>, quirks: FlushQuirks) -> Self {
        let (render, compute) = (PipeSteps::new(false, quirks), PipeSteps::new(true, quirks));
        Self { aux, pre_flush: quirks.pre_flush, render, compute }
    }

    /// The register of a class's auxiliary table, if jobs of the class must invalidate it.
    #[inline]
    #[must_use]
    pub fn aux_register(&self, class: EngineClass) -> Option<u32> {
        self.aux.and_then(|registers| registers.of(class))
    }

    /// The flags of a class's PIPE_CONTROLs. Only render and compute engines have that command.
    #[inline]
    #[must_use]
    pub const fn pipe_steps(&self, class: EngineClass) -> &PipeSteps {
        if matches!(class, EngineClass::Compute) { &self.compute } else { &self.render }
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
        let steps = format.pipe_steps(class);
        [steps.flush, steps.invalidate, steps.invalidate_tlb, steps.seqno].map(pair)
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
