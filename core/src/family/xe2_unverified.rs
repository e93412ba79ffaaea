//! Graphics 20.04 without GuC: what no source settles.
//!
//! The Xe driver drives these parts through the GuC firmware, and the older driver does not know them, so nobody has
//! published how the following registers behave there. Each constant says which value was chosen and why. All of them
//! are the values of the last generations known to have them, because the register blocks around them did not move.
//! A porter with the hardware should look here first (engines sheet §14).
//!
//! On hardware such a part is refused, unless [`Config::allow_unverified`](crate::device::Config::allow_unverified) is set.

use crate::gt::EngineClass;
use crate::gt::EngineClass::{Compute, Copy, Render, VideoDecode, VideoEnhance};
use crate::gt::reset::engine_error::FaultRegisters;
use crate::mem::tlb::{TlbRegister, TlbTarget};
use barexe_hal::RegOffset;

/// All of it in a line, for who is refused because of it.
pub const WHAT: &str =
    "TLB invalidation registers, reset of single engines, where faults are kept, length of the submit queue";

const fn tlb(class: EngineClass, register: u32, masked: bool) -> TlbRegister {
    TlbRegister { target: TlbTarget::Engines { class, masked }, register: RegOffset::at(register) }
}

/// Unverified: registers of TLB invalidation.
///
/// Those of 12.70 with media 13.00, the last generation they are documented for (engines sheet §13.8), video engines
/// in the media GT's view. Replicated registers are written in multicast mode, in which the selector rests.
pub const TLB: [TlbRegister; 5] = [
    tlb(Render, 0xCED8, false),
    tlb(VideoDecode, 0xCEDC, true),
    tlb(VideoEnhance, 0xCEE0, true),
    tlb(Copy, 0xCEE4, false),
    tlb(Compute, 0xCF04, true),
];

/// Unknown: where the first memory fault is kept. The registers of 12.00 to 12.70 (0xCEC4, 0xCEB8, 0xCEBC) may be there
/// (engines sheet §11.2), but an address that may be wrong is worse than none.
pub const FAULT: Option<FaultRegisters> = None;

/// Unverified for single engines: reset domains of the GT. Bit 0, the whole GT, is what Xe itself uses here; the
/// bits per engine are those of gen11 to 12.70 (engines sheet §10.2).
pub const GDRST: RegOffset = RegOffset::at(0x941C);
/// Unverified: reset handshake of an engine, from its base. Semantics of 12.00 to 12.70 are assumed unchanged
/// (engines sheet §10.2, §14).
pub const RESET_CTL_OFFSET: u32 = 0xD0;

/// Unverified: entries of the submit queue that may be used.
///
/// Whether entry 1 is honoured from graphics 20 on is not determined; Xe writes entry 0 only, which every source
/// agrees on, so one is the safe number (engines sheet §7.1, §14).
pub const SUBMIT_QUEUE_ENTRIES: u8 = 1;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::family::GEN12;

    #[test]
    fn assumed_tlb_registers_are_the_documented_ones_of_the_family_before() {
        for row in &TLB {
            let known = GEN12.gt.tlb.iter().find(|other| other.target == row.target);
            assert_eq!(known.map(|other| other.register), Some(row.register));
        }
    }
}
