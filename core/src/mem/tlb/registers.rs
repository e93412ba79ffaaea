//! Invalidation through the registers of the engines (engines sheet §13.8).

use super::TlbBackend;
use crate::Error;
use crate::gt::access::{ALL_ONES, on_gt};
use crate::gt::{DeviceInfo, Engine, EngineClass, GtFormat, Registers};
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
}

/// Most registers of a round: five classes, and the performance counters.
const MAX_TRIGGERS: usize = 8;

/// Invalidation through the registers of every engine that exists.
///
/// Their power domains must be awake.
#[derive(Debug)]
pub struct EngineTlb {
    format: &'static GtFormat,
    triggers: heapless::Vec<Trigger, MAX_TRIGGERS>,
    /// Positions of triggers that have not answered yet.
    pending: u8,
}

impl EngineTlb {
    /// The backend for a device.
    #[must_use]
    pub fn new(info: &DeviceInfo) -> Self {
        let rows = info.format().tlb.iter();
        let triggers = rows.filter_map(|row| trigger(row, &info.engines)).take(MAX_TRIGGERS).collect();
        Self { format: info.format(), triggers, pending: 0 }
    }

    /// Registers that have not answered, with the bits still set when they were last looked at.
    pub fn unanswered(&self) -> impl Iterator<Item = RegOffset> + '_ {
        (0u32..).zip(&self.triggers).filter(|(n, _)| self.pending >> (n & 7) & 1 != 0).map(|(_, t)| t.register)
    }
}

/// What a row means for these engines, `None` if it serves none of them.
fn trigger(row: &TlbRegister, engines: &[Engine]) -> Option<Trigger> {
    match row.target {
        TlbTarget::PerformanceCounters => Some(Trigger { register: row.register, write: 1, wait: 0 }),
        TlbTarget::Engines { class, masked } => {
            let of_class = || engines.iter().filter(|engine| engine.class == class);
            let gt = of_class().next()?.gt;
            let bits = of_class().fold(0u32, |bits, engine| bits | 1 << (engine.instance & 15));
            let write = if masked { bits << 16 | bits } else { bits };
            Some(Trigger { register: on_gt(gt, row.register), write, wait: bits })
        }
    }
}

impl TlbBackend for EngineTlb {
    fn start<H: Mmio>(&mut self, hal: &mut H) {
        let mut regs = Registers::new(hal, self.format);
        self.pending = 0;
        for (position, trigger) in (0u32..).zip(&self.triggers) {
            regs.write(trigger.register, trigger.write);
            if trigger.wait != 0 {
                self.pending |= 1 << (position & 7);
            }
        }
    }

    fn finished<H: Mmio>(&mut self, hal: &mut H) -> Result<bool, Error> {
        let mut regs = Registers::new(hal, self.format);
        for (position, trigger) in (0u32..).zip(&self.triggers) {
            let bit = 1 << (position & 7);
            if self.pending & bit == 0 {
                continue;
            }
            match regs.read(trigger.register) {
                ALL_ONES => return Err(Error::DeviceGone),
                value if value & trigger.wait == 0 => self.pending &= !bit,
                _ => {}
            }
        }
        Ok(self.pending == 0)
    }
}
