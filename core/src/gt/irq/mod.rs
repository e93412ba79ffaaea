//! Interrupts: the side that records, and the side that looks (engines sheet §9.4).
//!
//! ```text
//!   top level -> bank bits -> unit bits -> identity (class, instance, vector)
//! ```
//!
//! The embedder's interrupt entry only calls [`IrqHandle::record`]; the call side sees the flag and runs [`service`],
//! which walks the tree, acknowledges in the order that loses nothing, and reports what to look at.

pub mod enables;
mod flag;

use super::info::DeviceInfo;
use super::platform::units;
use super::registers::access::{ALL_ONES, Registers};
use super::regs;
use barexe_hal::{Clock, Mmio, Nanos};
use enables::{MASTER_ENABLE, top_level};

pub use flag::{IrqFlag, IrqHandle};

/// What an interrupt said; engine sets are by engine id, of all tiles together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct IrqReport {
    /// The device had something to say.
    pub ours: bool,
    /// The device does not answer; interrupts were left off.
    pub gone: bool,
    /// Engines with a user interrupt (vector bit 0).
    pub user: u32,
    /// Engines whose command streamer met an error (vector bit 3).
    pub error: u32,
    /// Engines that switched contexts (vector bit 8).
    pub context_switch: u32,
    /// Engines waiting at a semaphore (vector bit 11).
    pub semaphore_wait: u32,
    /// Identities that name no engine of this device.
    pub foreign: u32,
    /// Pending units that gave no valid identity in time.
    pub silent: u32,
    /// Hardware error bits 28:26 of all tiles, shifted down: 1 correctable, 2 non-fatal, 4 fatal.
    pub hardware_errors: u8,
}

impl IrqReport {
    /// Engines that said anything.
    #[must_use]
    pub const fn engines(&self) -> u32 {
        self.user | self.error | self.context_switch | self.semaphore_wait
    }

    fn add_identity(&mut self, info: &DeviceInfo, identity: u32) {
        let class = (identity >> 16 & 7) as u8;
        let instance = (identity >> 20 & 0x3F) as u8;
        let present = units::by_identity(class, instance).filter(|unit| info.engine(unit.id).is_some());
        let Some(unit) = present else {
            self.foreign = self.foreign.saturating_add(1);
            return;
        };
        let bit = |vector_bit: u32| (identity >> vector_bit & 1).unbounded_shl(u32::from(unit.id));
        self.user |= bit(0);
        self.error |= bit(3);
        self.context_switch |= bit(8);
        self.semaphore_wait |= bit(11);
    }
}

const IDENTITY_VALID: u32 = 1 << 31;
/// Time a selected unit has to give its identity.
const IDENTITY_TIMEOUT: Nanos = Nanos::from_micros(100);
/// Pause between two looks.
const IDENTITY_PAUSE: Nanos = Nanos::from_micros(5);
/// Most looks, for clocks that stand still.
const IDENTITY_LOOKS: u32 = 64;
/// Summary bit of GU_MISC in the master register.
const MASTER_GU_MISC: u32 = 1 << 29;

/// Looks at everything pending, acknowledges it and switches interrupts on again.
///
/// Never fails and is bounded: a device that is gone is reported and left off.
pub fn service<H: Mmio + Clock>(hal: &mut H, info: &DeviceInfo) -> IrqReport {
    let mut regs = Registers::new(hal, info.format());
    let mut report = IrqReport::default();
    for tile in 0..info.tile_count() {
        let mut regs = regs.of_tile(tile);
        // On every tile, or on tile 0 for all of them.
        let Some(top) = top_level(&regs) else { break };
        regs.write(top, 0);
        if regs.format().has_tile_irq {
            service_tile_level(&mut regs, info, &mut report);
        } else {
            service_master(&mut regs, info, &mut report);
        }
        if report.gone {
            break;
        }
        regs.write(top, MASTER_ENABLE);
    }
    report
}

fn service_tile_level<H: Mmio + Clock>(regs: &mut Registers<'_, H>, info: &DeviceInfo, report: &mut IrqReport) {
    let tiles = regs.read(regs::TILE_MASTER_IRQ);
    if tiles == ALL_ONES {
        report.gone = true;
        return;
    }
    if tiles == 0 {
        return;
    }
    regs.write(regs::TILE_MASTER_IRQ, tiles);
    // Bits of tiles that there are not are acknowledged and mean nothing.
    for tile in (0..info.tile_count()).filter(|tile| tiles.unbounded_shr(u32::from(*tile)) & 1 != 0) {
        if !report.gone {
            service_master(&mut regs.of_tile(tile), info, report);
        }
    }
}

fn service_master<H: Mmio + Clock>(regs: &mut Registers<'_, H>, info: &DeviceInfo, report: &mut IrqReport) {
    let master = regs.read(regs::GFX_MSTR_IRQ);
    if master == ALL_ONES {
        report.gone = true;
        return;
    }
    if master == 0 {
        return;
    }
    report.ours = true;
    if regs.format().has_tile_irq {
        regs.write(regs::GFX_MSTR_IRQ, master);
    }
    for bank in 0..2u32 {
        if master >> bank & 1 != 0 && !report.gone {
            service_bank(regs, info, bank << 2, report);
        }
    }
    report.hardware_errors |= (master >> 26 & 7) as u8;
    if master & MASTER_GU_MISC != 0 && regs.tile() == 0 && !report.gone {
        acknowledge_gu_misc(regs);
    }
}

/// One bank; `at` is its distance from bank 0 in bytes. Identities first, then the bank's word in one write, so that
/// an edge that comes in between raises it again.
fn service_bank<H: Mmio + Clock>(regs: &mut Registers<'_, H>, info: &DeviceInfo, at: u32, report: &mut IrqReport) {
    let word = regs::GT_INTR_DW0.offset(at);
    let pending = regs.read(word);
    if pending == ALL_ONES {
        report.gone = true;
        return;
    }
    for bit in (0..32u32).filter(|bit| pending >> bit & 1 != 0) {
        match drain_identity(regs, at, bit) {
            Some(ALL_ONES) => {
                report.gone = true;
                return;
            }
            Some(identity) => report.add_identity(info, identity),
            None => report.silent = report.silent.saturating_add(1),
        }
    }
    regs.write(word, pending);
}

/// Selects a unit, waits for its identity and acknowledges it. An interruption of the wait only shortens it: the
/// number of looks is bounded and nothing may be left selected half way.
fn drain_identity<H: Mmio + Clock>(regs: &mut Registers<'_, H>, at: u32, bit: u32) -> Option<u32> {
    let identity_reg = regs::INTR_IDENTITY0.offset(at);
    regs.write(regs::IIR_REG_SELECTOR0.offset(at), 1u32.unbounded_shl(bit));
    let deadline = regs.hal().now().saturating_add(IDENTITY_TIMEOUT);
    for _ in 0..IDENTITY_LOOKS {
        let now = regs.hal().now();
        let identity = regs.read(identity_reg);
        if identity & IDENTITY_VALID != 0 {
            regs.write(identity_reg, identity);
            return Some(identity);
        }
        if now >= deadline {
            return None;
        }
        let _shortened = regs.hal().relax(now.saturating_add(IDENTITY_PAUSE).min(deadline));
    }
    None
}

fn acknowledge_gu_misc<H: Mmio>(regs: &mut Registers<'_, H>) {
    let identity = regs::GU_MISC_ISR.offset(8);
    let pending = regs.read(identity);
    if pending != 0 {
        regs.write(identity, pending);
    }
}
