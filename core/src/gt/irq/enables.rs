//! Switching interrupts off and on (engines sheet §9.3, §9.4).

use crate::gt::EngineClass;
use crate::gt::platform::units::EngineMask;
use crate::gt::registers::access::Registers;
use crate::gt::regs;
use barexe_hal::{Mmio, RegOffset};

/// Sources of an engine in execlist mode: user interrupt 0, error 3, context switch 8, semaphore wait 11.
pub const ENGINE_SOURCES: u32 = 0x0909;
/// The same for both halves of a register.
const BOTH: u32 = ENGINE_SOURCES << 16 | ENGINE_SOURCES;
/// The same for the upper half.
const UPPER: u32 = ENGINE_SOURCES << 16;
/// Enable bit of the top-level register.
pub const MASTER_ENABLE: u32 = 1 << 31;
/// The one unmasked source of GU_MISC: a request of the system firmware's graphics part.
const GU_MISC_GSE: u32 = 1 << 27;

/// An enable register: per class, one class in each half.
struct EnableRow {
    reg: RegOffset,
    upper: EngineClass,
    lower: Option<EngineClass>,
}

const ENABLES: [EnableRow; 3] = {
    use EngineClass::{Compute, Copy, Render, VideoDecode, VideoEnhance};
    [
        EnableRow { reg: regs::RENDER_COPY_INTR_ENABLE, upper: Render, lower: Some(Copy) },
        EnableRow { reg: regs::CCS_INTR_ENABLE, upper: Compute, lower: None },
        EnableRow { reg: regs::VCS_VECS_INTR_ENABLE, upper: VideoDecode, lower: Some(VideoEnhance) },
    ]
};

/// Mask registers: the engines (by id) they serve, and the bits that unmask them.
const MASKS: [(RegOffset, EngineMask, u32); 14] = [
    (regs::RCS0_INTR_MASK, EngineMask(1 << 0), UPPER),
    (regs::BCS_INTR_MASK, EngineMask(1 << 1), UPPER),
    (regs::BCS12_INTR_MASK, EngineMask(3 << 2), BOTH),
    (regs::BCS34_INTR_MASK, EngineMask(3 << 4), BOTH),
    (regs::BCS56_INTR_MASK, EngineMask(3 << 6), BOTH),
    (regs::BCS78_INTR_MASK, EngineMask(3 << 8), BOTH),
    (regs::CCS01_INTR_MASK, EngineMask(3 << 22), BOTH),
    (regs::CCS01_INTR_MASK.offset(4), EngineMask(3 << 24), BOTH),
    (regs::VCS01_INTR_MASK, EngineMask(3 << 10), BOTH),
    (regs::VCS01_INTR_MASK.offset(4), EngineMask(3 << 12), BOTH),
    (regs::VCS01_INTR_MASK.offset(8), EngineMask(3 << 14), BOTH),
    (regs::VCS01_INTR_MASK.offset(12), EngineMask(3 << 16), BOTH),
    (regs::VECS01_INTR_MASK, EngineMask(3 << 18), BOTH),
    (regs::VECS01_INTR_MASK.offset(4), EngineMask(3 << 20), BOTH),
];

/// Enable registers of what is not an engine.
const OTHER_ENABLES: [RegOffset; 4] =
    [regs::GUC_SG_INTR_ENABLE, regs::GPM_WGBOXPERF_INTR_ENABLE, regs::CRYPTO_INTR_ENABLE, regs::GUNIT_GSC_INTR_ENABLE];

/// Mask registers of what is not an engine.
const OTHER_MASKS: [RegOffset; 5] = [
    regs::GUC_SG_INTR_MASK,
    regs::GPM_WGBOXPERF_INTR_MASK,
    regs::CRYPTO_INTR_MASK,
    regs::GUNIT_GSC_INTR_MASK,
    regs::HECI2_INTR_MASK,
];

/// Quad of IMR, IIR and IER behind an ISR.
struct Quad {
    imr: RegOffset,
    iir: RegOffset,
    ier: RegOffset,
}

const fn quad(isr: RegOffset) -> Quad {
    Quad { imr: isr.offset(4), iir: isr.offset(8), ier: isr.offset(12) }
}

/// The register that switches all interrupts of the tile; where tile 0 has one for all tiles, of tile 0 alone.
#[must_use]
pub const fn top_level<H: Mmio>(regs: &Registers<'_, H>) -> Option<RegOffset> {
    match (regs.format().has_tile_irq, regs.tile()) {
        (true, 0) => Some(regs::TILE_MASTER_IRQ),
        (true, _) => None,
        (false, _) => Some(regs::GFX_MSTR_IRQ),
    }
}

/// What an enable register gets for these engines; `None` if it concerns none of them.
fn enable_value(row: &EnableRow, engines: EngineMask) -> Option<u32> {
    let lower = row.lower.is_some_and(|class| engines.has_class(class));
    let any = lower || engines.has_class(row.upper);
    let value = if row.lower.is_some() { BOTH } else { UPPER };
    if any { Some(value) } else { None }
}

/// Switches everything off: top level, enables, masks, PCU and GU_MISC, and what is latched. GU_MISC is on tile 0 alone.
///
/// `possible` are the engines the device can have. Never fails.
pub fn reset<H: Mmio>(regs: &mut Registers<'_, H>, possible: EngineMask) {
    let format = regs.format();
    if let Some(top) = top_level(regs) {
        regs.write(top, 0);
    }
    for row in ENABLES.iter().filter(|row| enable_value(row, possible).is_some()) {
        regs.write(row.reg, 0);
    }
    for reg in OTHER_ENABLES {
        regs.write(reg, 0);
    }
    for (reg, engines, _) in &MASKS {
        if engines.0 & possible.0 != 0 {
            regs.write(*reg, u32::MAX);
        }
    }
    for reg in OTHER_MASKS {
        regs.write(reg, u32::MAX);
    }
    reset_quad(regs, &quad(regs::PCU_ISR));
    if regs.tile() == 0 {
        reset_quad(regs, &quad(regs::GU_MISC_ISR));
    }
    if format.has_tile_irq {
        // So that no bit latches again before the next install.
        regs.write(regs::GFX_MSTR_IRQ, u32::MAX);
    }
}

/// The identity register queues one more event behind the visible one, hence the second clear.
fn reset_quad<H: Mmio>(regs: &mut Registers<'_, H>, quad: &Quad) {
    regs.write(quad.imr, u32::MAX);
    regs.read(quad.imr);
    regs.write(quad.ier, 0);
    for _ in 0..2 {
        regs.write(quad.iir, u32::MAX);
        regs.read(quad.iir);
    }
}

/// Unmasks GU_MISC, then the top level; the read makes sure it has arrived.
pub fn install<H: Mmio>(regs: &mut Registers<'_, H>) {
    if regs.tile() == 0 {
        let gu_misc = quad(regs::GU_MISC_ISR);
        regs.write(gu_misc.ier, GU_MISC_GSE);
        regs.write(gu_misc.imr, !GU_MISC_GSE);
    }
    if let Some(top) = top_level(regs) {
        regs.write(top, MASTER_ENABLE);
        regs.read(top);
    }
}

/// Enables and unmasks the engines a GT can have; fuses need not be known, enables are per class.
pub fn enable_engines<H: Mmio>(regs: &mut Registers<'_, H>, possible: EngineMask) {
    for row in &ENABLES {
        if let Some(value) = enable_value(row, possible) {
            regs.write(row.reg, value);
        }
    }
    for (reg, engines, sources) in &MASKS {
        if engines.0 & possible.0 != 0 {
            regs.write(*reg, !sources);
        }
    }
    if possible.has_class(EngineClass::Gsc) {
        // Its firmware is not loaded, so it must stay silent (engines sheet §4.2).
        regs.write(regs::GUNIT_GSC_INTR_ENABLE, 0);
        regs.write(regs::GUNIT_GSC_INTR_MASK, u32::MAX);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn enable_and_mask_words_match_the_sheet() {
        // engines sheet §9 checks.
        assert_eq!((BOTH, !UPPER, !BOTH), (0x0909_0909, 0xF6F6_FFFF, 0xF6F6_F6F6));
    }

    #[test]
    fn every_engine_but_gsc_has_one_mask_register() {
        for id in 0..26u32 {
            assert_eq!(MASKS.iter().filter(|(_, engines, _)| engines.0 >> id & 1 != 0).count(), 1, "engine {id}");
        }
    }
}
