//! The register writes that submit one context to an engine, as data.

use super::descriptor::Descriptor;
use barexe_hal::{GgttAddr, RegOffset};

/// HWS_PGA: GGTT address of the engine's status page; offset from the engine base.
pub const HWS_PGA: u32 = 0x080;
/// Lower half of entry 0 of the submission queue; offset from the engine base.
pub const SQ_CONTENTS_LOW: u32 = 0x510;
/// Upper half of entry 0 of the submission queue; offset from the engine base.
pub const SQ_CONTENTS_HIGH: u32 = 0x514;
/// EXECLIST_CONTROL: bit 0 loads the submission queue; offset from the engine base.
pub const EXECLIST_CONTROL: u32 = 0x550;

/// The writes, in order, that make the engine at `engine_base` run a context (engines sheet §7.1 steps 4 to 6).
///
/// The caller has stored the tail in the image and published it before, holds forcewake, and reads the status page
/// register back after the first write.
#[must_use]
pub const fn submission(engine_base: u32, status_page: GgttAddr, context: Descriptor) -> [(RegOffset, u32); 4] {
    let base = RegOffset::at(engine_base);
    [
        (base.offset(HWS_PGA), status_page.get()),
        (base.offset(SQ_CONTENTS_LOW), context.low()),
        (base.offset(SQ_CONTENTS_HIGH), context.high()),
        (base.offset(EXECLIST_CONTROL), 1),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::context::LrcAddrs;
    use crate::family::{Family, GEN12, XE2};
    use crate::gt::EngineClass;

    fn writes(family: &Family, class: EngineClass, base: u32, has_vm: bool, id: u32) -> [(u32, u32); 4] {
        let layout = XE2.lrc.layout(EngineClass::Copy, 0x4000).unwrap();
        let lrc: LrcAddrs = layout.addrs(GgttAddr::new(0x0100_0000).unwrap(), GgttAddr::ZERO).unwrap();
        let format = family.lrc.descriptor;
        let context = format.with_id(format.describe(class, 0, &lrc, has_vm), id);
        submission(base, GgttAddr::new(0x90_0000).unwrap(), context).map(|(reg, value)| (reg.get(), value))
    }

    /// Engines sheet §7, Checks.
    #[test]
    fn submissions_are_those_of_the_sheet() {
        let lnl = writes(&XE2, EngineClass::Copy, 0x22000, true, 2);
        assert_eq!(lnl, [(0x22080, 0x90_0000), (0x22510, 0x0100_4119), (0x22514, 0x100), (0x22550, 1)]);
        let tgl = writes(&GEN12, EngineClass::Render, 0x2000, true, 2);
        assert_eq!(tgl[1..], [(0x2510, 0x0100_4119), (0x2514, 0x40), (0x2550, 1)]);
        let idle = writes(&GEN12, EngineClass::Copy, 0x22000, false, 0);
        assert_eq!(idle[1..3], [(0x22510, 0x0100_4019), (0x22514, 0x6000_0000)]);
    }
}
