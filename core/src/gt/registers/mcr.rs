//! Steering of multicast/replicated registers (engines sheet §2.6).
//!
//! A replicated register exists once per slice, bank or node. A plain write reaches all copies; a read must name one
//! copy, and naming one that is fused off reads 0. Writes never touch the selector, which rests in multicast mode.

use super::access::{GtIndex, Registers, on_gt};
use crate::Error;
use crate::gt::topology::Topology;
use barexe_hal::{Clock, Mmio, Nanos, RegOffset};

/// How long the hardware semaphore may take (engines sheet §2.6).
const SEMAPHORE_TIMEOUT: Nanos = Nanos::from_micros(10);
/// Selector bit that keeps writes multicast.
const MULTICAST: u32 = 1 << 31;

/// Names one copy of a replicated register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Steering {
    /// Slice or group.
    pub group: u8,
    /// Subslice or instance.
    pub instance: u8,
}

/// What the copies of a register belong to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Replication {
    /// One per L3 bank.
    L3Bank,
    /// One per L3 node.
    Node,
    /// One per DSS.
    Dss,
    /// One per media slice with engines.
    Gpmxmt,
    /// One per memory slice.
    SqidiPsmi,
    /// Copy (0, 0) always lives.
    Instance0,
}

/// An inclusive range of replicated registers, at absolute offsets.
#[derive(Clone, Copy, Debug)]
pub struct McrRange {
    /// What its copies belong to.
    pub replication: Replication,
    /// First offset in bytes.
    pub first: u32,
    /// Last offset in bytes.
    pub last: u32,
}

/// Steering of a family. Ranges of one GT do not overlap.
#[derive(Debug)]
pub struct McrFormat {
    /// Selector register of the primary GT.
    pub selector: RegOffset,
    /// Hardware semaphore, where there is one.
    pub semaphore: Option<RegOffset>,
    /// Lowest bit of the group field.
    pub group_shift: u8,
    /// Lowest bit of the instance field.
    pub instance_shift: u8,
    /// How to find a live copy per L3 bank.
    pub l3_bank: fn(&Topology) -> Steering,
    /// DSS per group.
    pub dss_per_group: u8,
    /// Ranges of both GTs.
    pub ranges: &'static [McrRange],
}

impl McrFormat {
    /// The selector word that reads copy `steering`; the multicast bit stays set on purpose (22013088509).
    #[must_use]
    pub fn read_selector(&self, steering: Steering) -> u32 {
        MULTICAST | self.fields(steering)
    }

    fn fields(&self, Steering { group, instance }: Steering) -> u32 {
        u32::from(group).unbounded_shl(u32::from(self.group_shift))
            | u32::from(instance).unbounded_shl(u32::from(self.instance_shift))
    }

    /// What the copies of a register (absolute offset) belong to, or `None` if it is not replicated.
    #[must_use]
    pub fn replication(&self, reg: RegOffset) -> Option<Replication> {
        let hit = self.ranges.iter().find(|range| (range.first..=range.last).contains(&reg.get()));
        hit.map(|range| range.replication)
    }

    /// A live copy of the register; (0, 0) for one that no range names.
    #[must_use]
    pub fn live_copy(&self, reg: RegOffset, topology: &Topology) -> Steering {
        match self.replication(reg) {
            Some(Replication::L3Bank) => (self.l3_bank)(topology),
            Some(Replication::Node) => node_of_first_bank(topology),
            Some(Replication::Dss) => split(topology.first_dss(), self.dss_per_group),
            Some(Replication::Gpmxmt) => Steering { group: u8::from(!topology.first_media_slice_lives), instance: 0 },
            Some(Replication::SqidiPsmi) => split(topology.first_memory_node(), 2),
            Some(Replication::Instance0) | None => Steering { group: 0, instance: 0 },
        }
    }
}

fn split(number: u8, per_group: u8) -> Steering {
    Steering { group: number.checked_div(per_group).unwrap_or(0), instance: number.checked_rem(per_group).unwrap_or(0) }
}

/// Graphics 20 and later: four banks per node, two nodes per group.
fn node_of_first_bank(topology: &Topology) -> Steering {
    split(topology.first_l3_bank() >> 2, 2)
}

/// Graphics 20 and later: the bank's number, cut in fours.
#[must_use]
pub fn l3_bank_in_fours(topology: &Topology) -> Steering {
    split(topology.first_l3_bank(), 4)
}

/// Graphics up to 12.10: group 0, first live bank of the low four.
#[must_use]
pub const fn l3_bank_in_group_0(topology: &Topology) -> Steering {
    Steering { group: 0, instance: topology.first_l3_bank() & 3 }
}

impl<H: Mmio + Clock> Registers<'_, H> {
    /// Runs `work` under the hardware semaphore of GT `gt`, where the family has one.
    ///
    /// A semaphore that does not come within 10 us is passed over, as the sheet says: nobody else runs.
    ///
    /// # Errors
    /// [`Error::DeviceGone`], [`Error::Interrupted`]; those of `work`.
    pub fn with_mcr_lock<T>(
        &mut self,
        gt: GtIndex,
        work: impl FnOnce(&mut Self) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let Some(semaphore) = self.format().mcr.semaphore else { return work(self) };
        let semaphore = on_gt(gt, semaphore);
        match self.poll_until(semaphore, 1, 1, SEMAPHORE_TIMEOUT) {
            Ok(_) | Err(Error::TimedOut) => {}
            Err(error) => return Err(error),
        }
        let result = work(self);
        self.write(semaphore, 1);
        result
    }

    /// Reads one live copy of a replicated register. Call it under [`with_mcr_lock`](Self::with_mcr_lock).
    pub fn read_copy(&mut self, gt: GtIndex, reg: RegOffset, steering: Steering) -> u32 {
        let mcr = &self.format().mcr;
        self.write_gt(gt, mcr.selector, mcr.read_selector(steering));
        self.read(reg)
    }
}
