//! What bring-up found out about the device.

use super::access::GtIndex;
use super::clock::GtClock;
use super::forcewake::Domains;
use super::ip::IpVersion;
use super::platform::Platform;
use super::topology::Topology;
use super::units::{EngineMask, IrqBit, UNIT_COUNT, Unit};
use super::{EngineClass, format::GtFormat};
use crate::family::Family;
use barexe_hal::{BusAddr, RegOffset};

/// Memory regions of the device, a bit for each: system memory, which is all that the parts this core drives have.
pub const REGION_MASK: u32 = 1;

/// An engine that exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Engine {
    /// Bit in engine masks, see [`units`](super::units).
    pub id: u8,
    /// Class.
    pub class: EngineClass,
    /// Hardware instance within the class.
    pub instance: u8,
    /// Position among the existing engines of its class.
    pub logical: u8,
    /// GT it belongs to: 0 main, 1 media.
    pub gt: GtIndex,
    /// Base of the ring registers; never shifted.
    pub base: RegOffset,
    /// Interrupt bit.
    pub irq: IrqBit,
    /// Not offered to clients: the driver's own copy engine, or a compute engine that the slice mode leaves idle.
    pub reserved: bool,
}

/// What must be put back when the device is given up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Held {
    /// The PCI command register as it was found.
    pub(crate) command: Option<u16>,
    /// Domains kept awake.
    pub(crate) awake: Domains,
    /// Interrupt registers were touched.
    pub(crate) interrupts: bool,
}

/// A device that has been brought up.
#[derive(Clone, Debug)]
pub struct DeviceInfo {
    /// Row of the platform table.
    pub platform: &'static Platform,
    /// PCI device id.
    pub device_id: u16,
    /// PCI revision id.
    pub revision: u8,
    /// Graphics version.
    pub graphics: IpVersion,
    /// Media version, unless the device runs without media.
    pub media: Option<IpVersion>,
    /// GTs: 1, or 2 with a media GT.
    pub gt_count: u8,
    /// Existing engines, in id order.
    pub engines: heapless::Vec<Engine, UNIT_COUNT>,
    /// Reference clocks, by GT.
    pub clocks: [GtClock; 2],
    /// Fused topology of the main GT.
    pub topology: Topology,
    /// Highest bus address the device can drive.
    pub dma_last: BusAddr,
    /// GGTT entries the device has, 4 KiB of address space each.
    pub ggtt_entries: u32,
    /// Compression metadata lies beside memory.
    pub flat_ccs: bool,
    pub(crate) held: Held,
}

impl DeviceInfo {
    /// The device's family.
    #[must_use]
    pub const fn family(&self) -> &'static Family {
        self.platform.family
    }

    /// The family's values for this room.
    #[must_use]
    pub const fn format(&self) -> &'static GtFormat {
        &self.platform.family.gt
    }

    /// The engine with this id.
    #[must_use]
    pub fn engine(&self, id: u8) -> Option<&Engine> {
        self.engines.iter().find(|engine| engine.id == id)
    }

    /// The engine clients name by class and logical instance, on GT `gt`; reserved engines are not found.
    #[must_use]
    pub fn client_engine(&self, class: EngineClass, logical: u8, gt: GtIndex) -> Option<&Engine> {
        self.client_engines().find(|e| (e.class, e.logical, e.gt) == (class, logical, gt))
    }

    /// The engines clients may use, in id order.
    pub fn client_engines(&self) -> impl Iterator<Item = &Engine> {
        self.engines.iter().filter(|engine| !engine.reserved)
    }

    /// The copy engine the driver works with: its own where it reserved one, else the first.
    #[must_use]
    pub fn driver_copy_engine(&self) -> Option<&Engine> {
        let copies = || self.engines.iter().filter(|engine| engine.class == EngineClass::Copy);
        copies().find(|engine| engine.reserved).or_else(|| copies().next())
    }

    /// Mappings can be compressed by their PAT row (graphics 20 and later, page-tables sheet §2.4).
    #[must_use]
    pub fn compresses(&self) -> bool {
        self.platform.family.pat.entries.iter().any(|row| row.compressed)
    }

    /// Frequency of timestamps of GT `gt` in Hz; 0 if unknown.
    #[must_use]
    pub fn timestamp_hz(&self, gt: GtIndex) -> u32 {
        self.clocks.get(usize::from(gt)).map_or(0, |clock| clock.timestamp_hz)
    }

    /// The engines of GT `gt` as a set.
    #[must_use]
    pub fn engine_mask(&self, gt: GtIndex) -> EngineMask {
        let of_gt = self.engines.iter().filter(|engine| engine.gt == gt);
        EngineMask(of_gt.fold(0, |mask, engine| mask | 1u32.unbounded_shl(u32::from(engine.id))))
    }
}

/// Lists the engines of the given sets (one per GT), in id order, with logical instances and reservations.
#[must_use]
pub fn list_engines(by_gt: [EngineMask; 2], reserves_copy_engine: bool) -> heapless::Vec<Engine, UNIT_COUNT> {
    let [main, media] = by_gt;
    let highest_copy = main.units().filter(|unit| unit.class == EngineClass::Copy).last().map(|unit| unit.id);
    let mut engines = heapless::Vec::<Engine, UNIT_COUNT>::new();
    for unit in main.union(media).units() {
        let below = engines.iter().filter(|other| other.class == unit.class).count();
        let logical = u8::try_from(below).unwrap_or(u8::MAX);
        let own_copy = reserves_copy_engine && highest_copy == Some(unit.id);
        // The slice mode gives all slices to CCS0 (engines sheet §5.3).
        let idle_compute = unit.class == EngineClass::Compute && logical > 0;
        let gt = u8::from(!main.has(unit.id));
        // There are as many places as units, and each unit comes once.
        let _full = engines.push(engine(unit, logical, gt, own_copy || idle_compute));
    }
    engines
}

const fn engine(unit: &Unit, logical: u8, gt: GtIndex, reserved: bool) -> Engine {
    let Unit { id, class, instance, base, irq } = *unit;
    Engine { id, class, instance, logical, gt, base, irq, reserved }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    #[test]
    fn lnl_clients_see_what_the_recordings_see() {
        // RCS0, BCS0, CCS0 on GT 0; VCS0, VECS0 on GT 1.
        let main = EngineMask(1 << 0 | 1 << 1 | 1 << 9 | 1 << 22);
        let engines = list_engines([main, EngineMask(1 << 10 | 1 << 18)], true);
        let seen = |reserved| engines.iter().filter(move |e| e.reserved == reserved).map(|e| (e.id, e.logical, e.gt));
        assert_eq!(seen(false).collect::<Vec<_>>(), [(0, 0, 0), (1, 0, 0), (10, 0, 1), (18, 0, 1), (22, 0, 0)]);
        assert_eq!(seen(true).collect::<Vec<_>>(), [(9, 1, 0)]);
    }

    #[test]
    fn logical_instances_count_existing_engines_only() {
        let engines = list_engines([EngineMask(1 << 10 | 1 << 12), EngineMask(0)], false);
        assert_eq!(engines.iter().map(|e| (e.instance, e.logical)).collect::<Vec<_>>(), [(0, 0), (2, 1)]);
    }

    #[test]
    fn with_one_compute_slice_owner_the_other_compute_engines_are_not_offered() {
        let engines = list_engines([EngineMask(0x03C0_0001), EngineMask(0)], false);
        assert_eq!(engines.iter().filter(|e| !e.reserved).map(|e| e.id).collect::<Vec<_>>(), [0, 22]);
    }
}
