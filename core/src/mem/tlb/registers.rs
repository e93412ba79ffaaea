//! Invalidation through the registers of the engines (engines sheet §13.8).

use super::TlbBackend;
use crate::Error;
use crate::gt::registers::access::{ALL_ONES, on_gt};
use crate::gt::{DeviceInfo, Engine, EngineClass, GtFormat, MAX_TILES, Registers};
use barexe_hal::{Mmio, RegOffset};

/// What an invalidation register serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TlbTarget {
    /// One bit per instance of a class; plain, or masked with the bits repeated in the upper half.
    Engines {
        /// The class.
        class: EngineClass,
        /// The register takes masked writes.
        masked: bool,
    },
    /// The performance counters' TLB: written after the engines', never polled (2207587034).
    PerformanceCounters,
}

/// A register that starts an invalidation and shows, by a bit that clears, that it has finished.
#[derive(Clone, Copy, Debug)]
pub struct TlbRegister {
    /// Whom it serves.
    pub target: TlbTarget,
    /// The register, as its GT sees it.
    pub register: RegOffset,
}

/// One register of a round: what is written and which bits must clear.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Trigger {
    register: RegOffset,
    write: u32,
    wait: u32,
    tile: u8,
}

/// Most registers of a round: five classes and the performance counters, on each tile.
const MAX_TRIGGERS: usize = 6 * MAX_TILES;

/// Invalidation through the registers of every engine that exists, on all tiles.
///
/// Their power domains must be awake.
#[derive(Debug)]
pub struct EngineTlb {
    format: &'static GtFormat,
    triggers: heapless::Vec<Trigger, MAX_TRIGGERS>,
    /// Positions of triggers that have not answered yet.
    pending: u32,
}

impl EngineTlb {
    /// The backend for a device.
    #[must_use]
    pub fn new(info: &DeviceInfo) -> Self {
        let of_tile = |tile| info.format().tlb.iter().filter_map(move |row| trigger(row, &info.engines, tile));
        let mut triggers = heapless::Vec::new();
        for trigger in (0..info.tile_count()).flat_map(of_tile) {
            // There are as many places as rows and tiles.
            let _ = triggers.push(trigger);
        }
        Self { format: info.format(), triggers, pending: 0 }
    }

    /// Registers that have not answered, with the bits still set when they were last looked at.
    pub fn unanswered(&self) -> impl Iterator<Item = RegOffset> + '_ {
        let waits = |place: &u32| self.pending & bit(*place) != 0;
        (0u32..).zip(&self.triggers).filter(move |(n, _)| waits(n)).map(|(_, t)| t.register.on_tile(t.tile))
    }
}

/// The bit of a trigger by its position.
const fn bit(position: u32) -> u32 {
    1u32.unbounded_shl(position)
}

/// What a row means for these engines on one tile, `None` if it serves none of them.
fn trigger(row: &TlbRegister, engines: &[Engine], tile: u8) -> Option<Trigger> {
    match row.target {
        TlbTarget::PerformanceCounters => Some(Trigger { register: row.register, write: 1, wait: 0, tile }),
        TlbTarget::Engines { class, masked } => {
            let of_class = || engines.iter().filter(|engine| engine.tile == tile && engine.class == class);
            let gt = of_class().next()?.gt_index;
            let bits = of_class().fold(0u32, |bits, engine| bits | 1 << (engine.instance & 15));
            let write = if masked { bits << 16 | bits } else { bits };
            Some(Trigger { register: on_gt(gt, row.register), write, wait: bits, tile })
        }
    }
}

impl TlbBackend for EngineTlb {
    fn start<H: Mmio>(&mut self, hal: &mut H) {
        let mut regs = Registers::new(hal, self.format);
        self.pending = 0;
        for (position, trigger) in (0u32..).zip(&self.triggers) {
            regs.of_tile(trigger.tile).write(trigger.register, trigger.write);
            if trigger.wait != 0 {
                self.pending |= bit(position);
            }
        }
    }

    fn finished<H: Mmio>(&mut self, hal: &mut H) -> Result<bool, Error> {
        let mut regs = Registers::new(hal, self.format);
        for (position, trigger) in (0u32..).zip(&self.triggers) {
            let bit = bit(position);
            if self.pending & bit == 0 {
                continue;
            }
            match regs.of_tile(trigger.tile).read(trigger.register) {
                ALL_ONES => return Err(Error::DeviceGone),
                value if value & trigger.wait == 0 => self.pending &= !bit,
                _ => {}
            }
        }
        Ok(self.pending == 0)
    }
}
