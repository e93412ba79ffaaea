//! What bring-up found out about the device.

use super::clock::GtClock;
use super::platform::Platform;
use super::platform::ip::IpVersion;
use super::platform::units::{EngineMask, IrqBit, UNIT_COUNT, Unit};
use super::registers::access::{GtIndex, MAX_TILES};
use super::registers::forcewake::Domains;
use super::topology::Topology;
use super::{EngineClass, format::GtFormat};
use crate::Error;
use crate::family::Family;
use crate::num::{low8, u64_of};
use barexe_hal::{BusAddr, RegOffset};

/// Memory regions of the device, a bit for each: system memory, which is all that the parts this core drives have.
pub const REGION_MASK: u32 = 1;

/// An engine that exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Engine {
    /// Bit in engine masks, see [`units`](super::platform::units).
    pub id: u8,
    /// Class.
    pub class: EngineClass,
    /// Hardware instance within the class.
    pub instance: u8,
    /// Position among the existing engines of its class on its tile.
    pub logical: u8,
    /// Tile it belongs to.
    pub tile: u8,
    /// GT of that tile it belongs to.
    pub gt_index: GtIndex,
    /// Id of its GT, as clients name it: see [`Gt`].
    pub gt: u8,
    /// Base of the ring registers; never shifted.
    pub base: RegOffset,
    /// Interrupt bit.
    pub irq: IrqBit,
    /// Not offered to clients: the driver's own copy engine, or a compute engine that the slice mode leaves idle.
    pub reserved: bool,
}

/// The engines of all tiles, tile by tile, each in id order.
pub type Engines = heapless::Vec<Engine, UNIT_COUNT>;

/// A GT.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gt {
    /// Id for clients: tile times the GTs a tile can have, plus the index (engines sheet §2.3).
    pub id: u8,
    /// Tile it is on.
    pub tile: u8,
    /// Which of the tile's.
    pub index: GtIndex,
}

/// What was found on one tile.
#[derive(Clone, Debug)]
pub struct TileInfo {
    /// Reference clocks, by GT.
    pub clocks: [GtClock; 2],
    /// Fused topology of its main GT.
    pub topology: Topology,
}

/// What must be put back when the device is given up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Held {
    /// The PCI command register as it was found.
    pub(crate) command: Option<u16>,
    /// Domains kept awake, by tile.
    pub(crate) awake: [Domains; MAX_TILES],
    /// How many tiles that may concern.
    pub(crate) tiles: u8,
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
    /// GTs of each tile: 1, or 2 with a media GT.
    pub gt_count: u8,
    /// Existing engines.
    pub engines: Engines,
    /// The tiles; nearly every device has one.
    pub tiles: heapless::Vec<TileInfo, MAX_TILES>,
    /// Highest bus address the device can drive.
    pub dma_last: BusAddr,
    /// GGTT entries each tile has, 4 KiB of address space each.
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

    /// How many tiles it has.
    #[must_use]
    pub fn tile_count(&self) -> u8 {
        low8(u64_of(self.tiles.len()))
    }

    /// Its GTs, tile by tile.
    pub fn gts(&self) -> impl Iterator<Item = Gt> + use<> {
        let (per_tile, present) = (self.platform.gts_per_tile(), self.gt_count);
        (0..self.tile_count())
            .flat_map(move |tile| (0..present).map(move |index| Gt { id: gt_id(per_tile, tile, index), tile, index }))
    }

    /// The first engine with this id.
    #[must_use]
    pub fn engine(&self, id: u8) -> Option<&Engine> {
        self.engines.iter().find(|engine| engine.id == id)
    }

    /// The engines clients may use.
    pub fn client_engines(&self) -> impl Iterator<Item = &Engine> {
        self.engines.iter().filter(|engine| !engine.reserved)
    }

    /// The copy engine the driver works with on a tile: its own where it reserved one, else the first.
    #[must_use]
    pub fn driver_copy_engine(&self, tile: u8) -> Option<&Engine> {
        let copies =
            || self.engines.iter().filter(move |engine| engine.tile == tile && engine.class == EngineClass::Copy);
        copies().find(|engine| engine.reserved).or_else(|| copies().next())
    }

    /// Mappings can be compressed by their PAT row (graphics 20 and later, page-tables sheet §2.4).
    #[must_use]
    pub fn compresses(&self) -> bool {
        self.platform.family.pat.entries.iter().any(|row| row.compressed)
    }

    /// Frequency of timestamps of the GT with this id in Hz; 0 if unknown.
    #[must_use]
    pub fn timestamp_hz(&self, gt: u8) -> u32 {
        let found = self.gts().find(|found| found.id == gt);
        let clock = found.and_then(|gt| self.tiles.get(usize::from(gt.tile))?.clocks.get(usize::from(gt.index)));
        clock.map_or(0, |clock| clock.timestamp_hz)
    }

    /// Bits of an engine's timestamp that count: 64 from graphics 20 on (bind-and-exec sheet §3.13, query 6).
    #[must_use]
    pub const fn timestamp_bits(&self) -> u32 {
        if self.platform.family.lrc.wide_timestamp { 64 } else { 36 }
    }

    /// The engines of the GT with this id, as a set.
    #[must_use]
    pub fn engine_mask(&self, gt: u8) -> EngineMask {
        mask_of(self.engines.iter().filter(|engine| engine.gt == gt))
    }

    /// The engines of one GT of a tile, as a set.
    pub(crate) fn engines_on(&self, tile: u8, index: GtIndex) -> EngineMask {
        mask_of(self.engines.iter().filter(|engine| (engine.tile, engine.gt_index) == (tile, index)))
    }
}

fn mask_of<'e>(engines: impl Iterator<Item = &'e Engine>) -> EngineMask {
    EngineMask(engines.fold(0, |mask, engine| mask | 1u32.unbounded_shl(u32::from(engine.id))))
}

/// Lists the engines of a tile, given by the sets of its GTs, in id order, with logical instances and reservations.
/// `gts_per_tile` is how many GTs a tile can have.
///
/// # Errors
/// [`Error::Unsupported`] if there are more engines than the list has places: as many as one tile can have.
pub fn list_engines(
    engines: &mut Engines,
    (tile, gts_per_tile): (u8, u8),
    by_gt: [EngineMask; 2],
    reserves_copy_engine: bool,
) -> Result<(), Error> {
    let [main, media] = by_gt;
    let highest_copy = main.units().filter(|unit| unit.class == EngineClass::Copy).last().map(|unit| unit.id);
    for unit in main.union(media).units() {
        let below = engines.iter().filter(|other| other.tile == tile && other.class == unit.class).count();
        let logical = low8(u64_of(below));
        let own_copy = reserves_copy_engine && highest_copy == Some(unit.id);
        // The slice mode gives all slices to CCS0 (engines sheet §5.3).
        let idle_compute = unit.class == EngineClass::Compute && logical > 0;
        let index = u8::from(!main.has(unit.id));
        let gt = Gt { id: gt_id(gts_per_tile, tile, index), tile, index };
        let engine = engine(unit, logical, gt, own_copy || idle_compute);
        engines.push(engine).map_err(|_| Error::Unsupported { what: "number of engines" })?;
    }
    Ok(())
}

/// A GT's id for clients.
const fn gt_id(per_tile: u8, tile: u8, index: GtIndex) -> u8 {
    tile.wrapping_mul(per_tile).wrapping_add(index)
}

const fn engine(unit: &Unit, logical: u8, gt: Gt, reserved: bool) -> Engine {
    let Unit { id, class, instance, base, irq } = *unit;
    let Gt { id: gt, tile, index: gt_index } = gt;
    Engine { id, class, instance, logical, tile, gt_index, gt, base, irq, reserved }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    fn listed(gts_per_tile: u8, tiles: &[[EngineMask; 2]], reserves_copy_engine: bool) -> Engines {
        let mut engines = Engines::new();
        for (tile, by_gt) in (0..).zip(tiles) {
            list_engines(&mut engines, (tile, gts_per_tile), *by_gt, reserves_copy_engine).unwrap();
        }
        engines
    }

    #[test]
    fn lnl_clients_see_what_the_recordings_see() {
        // RCS0, BCS0, CCS0 on GT 0; VCS0, VECS0 on GT 1.
        let main = EngineMask(1 << 0 | 1 << 1 | 1 << 9 | 1 << 22);
        let engines = listed(2, &[[main, EngineMask(1 << 10 | 1 << 18)]], true);
        let seen = |reserved| engines.iter().filter(move |e| e.reserved == reserved).map(|e| (e.id, e.logical, e.gt));
        assert_eq!(seen(false).collect::<Vec<_>>(), [(0, 0, 0), (1, 0, 0), (10, 0, 1), (18, 0, 1), (22, 0, 0)]);
        assert_eq!(seen(true).collect::<Vec<_>>(), [(9, 1, 0)]);
    }

    #[test]
    fn logical_instances_count_existing_engines_only() {
        let engines = listed(1, &[[EngineMask(1 << 10 | 1 << 12), EngineMask(0)]], false);
        assert_eq!(engines.iter().map(|e| (e.instance, e.logical)).collect::<Vec<_>>(), [(0, 0), (2, 1)]);
    }

    #[test]
    fn with_one_compute_slice_owner_the_other_compute_engines_are_not_offered() {
        let engines = listed(2, &[[EngineMask(0x03C0_0001), EngineMask(0)]], false);
        assert_eq!(engines.iter().filter(|e| !e.reserved).map(|e| e.id).collect::<Vec<_>>(), [0, 22]);
    }

    #[test]
    fn each_tile_counts_its_engines_and_its_gts_anew() {
        let tile = [EngineMask(1 << 1 | 1 << 2), EngineMask(1 << 10)];
        let engines = listed(2, &[tile, tile], true);
        let seen: Vec<_> = engines.iter().map(|e| (e.tile, e.gt, e.gt_index, e.logical, e.reserved)).collect();
        let of_tile = |t| [(t, 2 * t, 0, 0, false), (t, 2 * t, 0, 1, true), (t, 2 * t + 1, 1, 0, false)];
        assert_eq!(seen, [of_tile(0), of_tile(1)].concat());
    }

    #[test]
    fn more_engines_than_places_are_refused() {
        let (mut engines, all) = (Engines::new(), EngineMask((1 << 26) - 1));
        assert_eq!(list_engines(&mut engines, (0, 1), [all, EngineMask(0)], false), Ok(()));
        let refused = list_engines(&mut engines, (1, 1), [EngineMask(3), EngineMask(0)], false);
        assert_eq!(refused, Err(Error::Unsupported { what: "number of engines" }));
    }
}
