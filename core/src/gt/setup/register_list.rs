//! A list of register changes: merged, then applied in order (engines sheet §5.3).

use super::workaround::Change;
use crate::Error;
use crate::gt::platform::units::Unit;
use crate::gt::registers::access::{ALL_ONES, GtIndex, Registers, on_gt};
use crate::gt::topology::Topology;
use barexe_hal::{Clock, Mmio, RegOffset};

/// Most registers of one list. The largest, eight video decoders with three workarounds each and the tunings of
/// their GT, needs 29; a test holds the tables to it.
pub const LIST_CAPACITY: usize = 48;

/// Changes to registers of one GT, one per register.
#[derive(Debug, Default)]
pub struct RegisterList {
    changes: heapless::Vec<(RegOffset, Change), LIST_CAPACITY>,
}

impl RegisterList {
    /// An empty list.
    #[must_use]
    pub const fn new() -> Self {
        Self { changes: heapless::Vec::new() }
    }

    /// Adds a change; one to a register that is listed already is merged into it.
    ///
    /// # Errors
    /// [`Error::Unsupported`] past [`LIST_CAPACITY`].
    pub fn add(&mut self, change: Change, unit: Option<&Unit>) -> Result<(), Error> {
        let reg = change.place.register(unit);
        if let Some((_, listed)) = self.changes.iter_mut().find(|(other, _)| *other == reg) {
            listed.clear |= change.clear;
            listed.set |= change.set;
            return Ok(());
        }
        self.changes.push((reg, change)).map_err(|_| Error::Unsupported { what: "a longer register list" })
    }

    /// The merged changes, in order.
    pub fn iter(&self) -> impl Iterator<Item = &(RegOffset, Change)> {
        self.changes.iter()
    }

    /// Applies the list to GT `gt`; the domains of its registers must be awake.
    ///
    /// # Errors
    /// [`Error::DeviceGone`], [`Error::Interrupted`]; registers up to there are changed.
    pub fn apply<H: Mmio + Clock>(
        &self,
        regs: &mut Registers<'_, H>,
        gt: GtIndex,
        topology: &Topology,
    ) -> Result<(), Error> {
        for (reg, change) in &self.changes {
            let reg = on_gt(gt, *reg);
            if change.steered {
                regs.with_mcr_lock(gt, |regs| apply_one(regs, gt, reg, change, topology))?;
            } else {
                apply_one(regs, gt, reg, change, topology)?;
            }
        }
        Ok(())
    }
}

fn apply_one<H: Mmio + Clock>(
    regs: &mut Registers<'_, H>,
    gt: GtIndex,
    reg: RegOffset,
    change: &Change,
    topology: &Topology,
) -> Result<(), Error> {
    let Change { steered, masked, clear, set, .. } = *change;
    let value = if masked {
        clear << 16 | set & 0xFFFF
    } else if clear == u32::MAX {
        set
    } else {
        let copy = regs.format().mcr.live_copy(reg, topology);
        let old = if steered { regs.read_copy(gt, reg, copy) } else { regs.read(reg) };
        if old == ALL_ONES {
            return Err(Error::DeviceGone);
        }
        old & !clear | set
    };
    regs.write(reg, value);
    Ok(())
}
