//! From a PCI function to engines that take work, and back (engines sheet §5.1).
//!
//! ```text
//!   config space -> versions, tiles -> per tile: GT domains awake -> PAT
//!       -> interrupts
//!       -> per tile: fuses -> all domains awake -> per GT: workarounds, clock, MOCS, engines
//! ```
//!
//! Forcewake is held until [`quiesce`]: powergating and RC6 stay off, the simplest policy that is right
//! (engines sheet §13.6).

use super::clock::GtClock;
use super::format::GtFormat;
use super::info::{DeviceInfo, Engines, Held, TileInfo, list_engines};
use super::irq::enables;
use super::platform::ip::{IpVersion, Stepping};
use super::platform::units::EngineMask;
use super::platform::{self, IpSource, PLATFORMS, Platform};
use super::registers::access::{ALL_ONES, GtIndex, MAX_TILES, Registers, on_gt};
use super::registers::forcewake::{self, Domains};
use super::registers::mcr::Steering;
use super::setup::cache_policy::{program_mocs, program_pat};
use super::setup::engine::{gt_list, start_engines};
use super::setup::workaround::RuleContext;
use super::topology::{self, Topology};
use super::{EngineClass, regs};
use crate::Error;
use barexe_hal::{BusAddr, ConfigSpace, Hal, Mmio};

/// Intel's PCI vendor id.
const VENDOR: u16 = 0x8086;
const CONFIG_ID: u16 = 0x00;
const CONFIG_COMMAND: u16 = 0x04;
const CONFIG_REVISION: u16 = 0x08;
/// Mirror of the graphics control word; GGTT size in bits 7:6.
const CONFIG_GGC: u16 = 0x50;
/// Command bits: memory decode, bus master.
const COMMAND_ON: u16 = 1 << 1 | BUS_MASTER;
const BUS_MASTER: u16 = 1 << 2;

/// What configuration space says.
pub(super) struct Identity {
    pub(super) platform: &'static Platform,
    pub(super) device_id: u16,
    pub(super) revision: u8,
}

/// What the GTs are.
pub(super) struct Versions {
    pub(super) graphics: IpVersion,
    pub(super) media: Option<IpVersion>,
    pub(super) gt_count: u8,
}

/// Brings up a device of one of the [`PLATFORMS`], on hardware a verified one.
///
/// # Errors
/// As [`bring_up_among`].
pub fn bring_up<H: Hal>(hal: &mut H) -> Result<DeviceInfo, Error> {
    bring_up_among(hal, &PLATFORMS, false)
}

/// Brings up a device of one of these platforms; on hardware, unless `allow_unverified`, only of a family of which nothing
/// is assumed.
///
/// Either everything is done, or everything that was begun is undone: interrupts off, forcewake released, the PCI
/// command register as it was.
///
/// # Errors
/// [`Error::Invalid`] for a vendor, device or graphics version this driver does not know, [`Error::DeviceGone`],
/// [`Error::TimedOut`] if a power domain does not wake, [`Error::Interrupted`], [`Error::DeviceBroken`] if there is no
/// GGTT or there are more tiles than the platform has, [`Error::Unsupported`] for more engines than there is room for,
/// [`Error::Unverified`], [`Error::Hal`] from configuration space and interrupts.
pub fn bring_up_among<H: Hal>(
    hal: &mut H,
    rows: &'static [Platform],
    allow_unverified: bool,
) -> Result<DeviceInfo, Error> {
    let identity = identify(hal, rows)?;
    let mut held = Held::default();
    let allowed = allow_unverified || hal.is_simulated();
    let result = start(hal, (&identity, allowed), &mut held);
    if result.is_err() {
        give_back(hal, identity.platform, held);
    }
    result.map(|info| DeviceInfo { held, ..info })
}

/// Gives the device up: interrupts off, forcewake released, bus mastering and the rest of the PCI command register as
/// they were found.
///
/// That the engines are idle is the caller's business. Never fails, is bounded, and works on a device that is gone.
pub fn quiesce<H: Hal>(hal: &mut H, info: &DeviceInfo) {
    give_back(hal, info.platform, info.held);
}

/// Takes the bus away from the device, so that nothing it may still be doing reaches memory. Registers and the GGTT
/// stay reachable until [`quiesce`].
pub fn stop_dma<H: ConfigSpace>(hal: &mut H, info: &DeviceInfo) {
    if let Some(command) = info.held.command {
        // As in `give_back`: nothing is left to do about a configuration space that fails now.
        let _gone = write_command(hal, (command | COMMAND_ON) & !BUS_MASTER);
    }
}

pub(super) fn give_back<H: Hal>(hal: &mut H, platform: &'static Platform, mut held: Held) {
    let mut regs = Registers::new(hal, &platform.family.gt);
    if held.interrupts {
        reset_interrupts(&mut regs, platform, held.tiles);
    }
    for (tile, awake) in (0..).zip(&mut held.awake) {
        forcewake::release(&mut regs.of_tile(tile), awake);
    }
    if held.interrupts {
        hal.irq_disable();
    }
    if let Some(command) = held.command {
        // Nothing is left to do about a configuration space that fails now.
        let _gone = write_command(hal, command);
    }
}

/// The lower half of a configuration dword.
const fn low16(dword: u32) -> u16 {
    (dword & 0xFFFF) as u16
}

pub(super) fn identify<H: ConfigSpace>(hal: &mut H, rows: &'static [Platform]) -> Result<Identity, Error> {
    let id = hal.config_read32(CONFIG_ID)?;
    if id == ALL_ONES {
        return Err(Error::DeviceGone);
    }
    if low16(id) != VENDOR {
        return Err(Error::invalid("PCI vendor id", u64::from(low16(id))));
    }
    let device_id = low16(id >> 16);
    let platform = platform::probe(rows, device_id)?;
    let [revision, ..] = hal.config_read32(CONFIG_REVISION)?.to_le_bytes();
    Ok(Identity { platform, device_id, revision })
}

/// Writes the command half of the dword; zeros in the status half clear nothing.
fn write_command<H: ConfigSpace>(hal: &mut H, command: u16) -> Result<(), Error> {
    Ok(hal.config_write32(CONFIG_COMMAND, u32::from(command))?)
}

/// Turns memory decode and bus mastering on, and remembers what was there.
pub(super) fn enable_bus<H: ConfigSpace>(hal: &mut H, held: &mut Held) -> Result<(), Error> {
    let before = low16(hal.config_read32(CONFIG_COMMAND)?);
    write_command(hal, before | COMMAND_ON)?;
    held.command = Some(before);
    Ok(())
}

/// With `allowed` a part of which something is assumed is as good as any.
fn start<H: Hal>(hal: &mut H, (identity, allowed): (&Identity, bool), held: &mut Held) -> Result<DeviceInfo, Error> {
    let Identity { platform, device_id, revision } = *identity;
    enable_bus(hal, held)?;
    let ggtt_entries = ggtt_entries(hal, platform)?;
    let mut regs = Registers::new(hal, &platform.family.gt);
    let Versions { graphics, media, gt_count } = read_versions(&mut regs, platform, revision)?;
    match platform.family.unverified {
        Some(what) if !allowed => return Err(Error::Unverified { graphics: graphics.verx100(), what }),
        _ => held.tiles = read_tile_count(&mut regs, platform)?,
    }

    for (tile, awake) in (0..held.tiles).zip(&mut held.awake) {
        wake_tile(&mut regs.of_tile(tile), gt_count, awake)?;
    }
    let flat_ccs = probe_flat_ccs(&mut regs)?;
    start_interrupts(&mut regs, platform, held)?;

    let mut info = DeviceInfo {
        platform,
        device_id,
        revision,
        graphics,
        media,
        gt_count,
        engines: Engines::new(),
        tiles: heapless::Vec::new(),
        dma_last: last_address(platform.dma_bits),
        ggtt_entries,
        flat_ccs,
        held: *held,
    };
    for (tile, awake) in (0..held.tiles).zip(&mut held.awake) {
        start_tile(&mut regs.of_tile(tile), &mut info, awake)?;
    }
    Ok(DeviceInfo { held: *held, ..info })
}

/// What a tile needs before its fuses can be read.
fn wake_tile<H: Hal>(regs: &mut Registers<'_, H>, gt_count: u8, awake: &mut Domains) -> Result<(), Error> {
    forcewake::wake(regs, Domains::gt_only(gt_count), awake)?;
    (0..gt_count).try_for_each(|gt| program_pat(regs, gt))
}

/// Brings the engines of a tile up and adds what was found to `info`.
fn start_tile<H: Hal>(regs: &mut Registers<'_, H>, info: &mut DeviceInfo, awake: &mut Domains) -> Result<(), Error> {
    let (platform, gt_count) = (info.platform, info.gt_count);
    let by_gt = [0, 1].map(|gt| engines_of_gt(regs, platform, gt, gt_count));
    let topology = Topology::read(regs, by_gt[0].union(by_gt[1]));
    for gt in 0..gt_count {
        enables::enable_engines(regs, platform.possible_engines(gt));
    }
    forcewake::wake(regs, domains(by_gt, gt_count), awake)?;
    let (graphics, media, flat_ccs) = (info.graphics, info.media, info.flat_ccs);
    let clocks = start_gts(regs, &Ground { graphics, media, gt_count, by_gt, topology: &topology, flat_ccs })?;
    let place = (regs.tile(), platform.gts_per_tile());
    list_engines(&mut info.engines, place, by_gt, platform.family.gt.reserves_copy_engine)?;
    // There are no more tiles than places.
    drop(info.tiles.push(TileInfo { clocks, topology }));
    Ok(())
}

/// How many tiles there are (engines sheet §2.3).
pub(super) fn read_tile_count<H: Mmio>(regs: &mut Registers<'_, H>, platform: &Platform) -> Result<u8, Error> {
    if platform.max_tiles <= 1 {
        return Ok(1);
    }
    let word = regs.read(regs::MTCFG);
    let [_, less_one, ..] = word.to_le_bytes();
    match less_one.checked_add(1) {
        _ if word == ALL_ONES => Err(Error::DeviceGone),
        Some(tiles) if tiles <= platform.max_tiles && usize::from(tiles) <= MAX_TILES => Ok(tiles),
        _ => Err(Error::DeviceBroken { what: "tile count", value: u64::from(word) }),
    }
}

/// GGTT entries: up to 12.10 by the GGMS field, 1 MiB of entries shifted; else the whole table
/// (page-tables sheet §4.1).
fn ggtt_entries<H: ConfigSpace>(hal: &mut H, platform: &Platform) -> Result<u32, Error> {
    if !platform.family.gt.ggtt.sized_by_ggc {
        return Ok(barexe_hal::RegOffset::GGTT_ENTRIES);
    }
    let ggc = hal.config_read32(CONFIG_GGC)?;
    match ggc >> 6 & 3 {
        0 => Err(Error::DeviceBroken { what: "graphics control word without GGTT", value: u64::from(ggc) }),
        ggms => Ok((1u32 << 20 << ggms) >> 3),
    }
}

pub(super) fn read_versions<H: Mmio>(
    regs: &mut Registers<'_, H>,
    platform: &Platform,
    revision: u8,
) -> Result<Versions, Error> {
    match platform.ip {
        IpSource::Fixed { graphics, media, steps } => {
            let step = Stepping::from_pci_revision(revision, steps);
            let at_step = |ip| IpVersion { step, ..ip };
            Ok(Versions { graphics: at_step(graphics), media: Some(at_step(media)), gt_count: 1 })
        }
        IpSource::GmdId { graphics, media } => {
            let word = regs.read_gt(0, regs::GMD_ID);
            if word == ALL_ONES {
                return Err(Error::DeviceGone);
            }
            let found = IpVersion::from_gmd_id(word);
            if !graphics.contains(&found.verx100()) {
                return Err(Error::invalid("graphics version", u64::from(found.verx100())));
            }
            let media_found = IpVersion::from_gmd_id(regs.read_gt(1, regs::GMD_ID));
            let media = Some(media_found).filter(|ip| media.contains(&ip.verx100()));
            Ok(Versions { graphics: found, media, gt_count: if media.is_some() { 2 } else { 1 } })
        }
    }
}

/// Whether flat CCS is on; its register is replicated, and copy (0, 0) lives before any fuse is read.
fn probe_flat_ccs<H: Hal>(regs: &mut Registers<'_, H>) -> Result<bool, Error> {
    if !regs.format().may_have_flat_ccs {
        return Ok(false);
    }
    regs.with_mcr_lock(0, |regs| match regs.read_copy(0, regs::FLAT_CCS_BASE, Steering { group: 0, instance: 0 }) {
        ALL_ONES => Err(Error::DeviceGone),
        word => Ok(word & 1 != 0),
    })
}

fn start_interrupts<H: Hal>(regs: &mut Registers<'_, H>, platform: &Platform, held: &mut Held) -> Result<(), Error> {
    held.interrupts = true;
    reset_interrupts(regs, platform, held.tiles);
    regs.hal().irq_enable()?;
    for tile in (0..held.tiles).rev() {
        enables::install(&mut regs.of_tile(tile));
    }
    Ok(())
}

pub(super) fn reset_interrupts<H: Mmio>(regs: &mut Registers<'_, H>, platform: &Platform, tiles: u8) {
    for tile in 0..tiles {
        enables::reset(&mut regs.of_tile(tile), platform.possible_engines(0).union(platform.possible_engines(1)));
    }
}

fn engines_of_gt<H: Mmio>(regs: &mut Registers<'_, H>, platform: &Platform, gt: GtIndex, gt_count: u8) -> EngineMask {
    if gt < gt_count { topology::existing_engines(regs, gt, platform.possible_engines(gt)) } else { EngineMask(0) }
}

fn domains(by_gt: [EngineMask; 2], gt_count: u8) -> Domains {
    let [main, media] = by_gt;
    let domains = Domains::of_gt(0, main);
    if gt_count > 1 { domains.union(Domains::of_gt(1, media)) } else { domains }
}

/// What the registers of the GTs are computed from.
pub(super) struct Ground<'a> {
    pub(super) graphics: IpVersion,
    pub(super) media: Option<IpVersion>,
    pub(super) gt_count: u8,
    pub(super) by_gt: [EngineMask; 2],
    pub(super) topology: &'a Topology,
    pub(super) flat_ccs: bool,
}

/// Programs workarounds, MOCS and engines of every GT, and reads their clocks; all domains must be awake.
pub(super) fn start_gts<H: Hal>(regs: &mut Registers<'_, H>, ground: &Ground<'_>) -> Result<[GtClock; 2], Error> {
    let mut clocks = [GtClock::default(); 2];
    for ((gt, engines), clock) in (0..ground.gt_count).zip(ground.by_gt).zip(&mut clocks) {
        let context = rule_context(regs.format(), ground, gt, engines);
        gt_list(regs.format(), &context, engines)?.apply(regs, gt, ground.topology)?;
        let word = regs.read(on_gt(gt, regs::RPM_CONFIG0));
        if word == ALL_ONES {
            return Err(Error::DeviceGone);
        }
        *clock = GtClock::from_rpm_config0(word);
        program_mocs(regs, gt)?;
        start_engines(regs, gt, &context, (engines, engines), (ground.topology, *clock))?;
    }
    Ok(clocks)
}

pub(super) fn rule_context(format: &GtFormat, ground: &Ground<'_>, gt: GtIndex, engines: EngineMask) -> RuleContext {
    let is_first_kind = |class| matches!(class, EngineClass::Render | EngineClass::Compute);
    RuleContext {
        is_media_gt: gt != 0,
        has_media_gt: format.has_media_gt,
        graphics: ground.graphics,
        media: ground.media,
        first_render_or_compute: engines.units().find(|unit| is_first_kind(unit.class)).map(|unit| unit.id),
        flat_ccs: ground.flat_ccs,
        dss_group_gap: ground.topology.has_group_gap(format.mcr.dss_per_group),
    }
}

/// The highest address of a bus with this many address bits; a bus address has at most 52.
fn last_address(bits: u8) -> BusAddr {
    let last = 1u64.unbounded_shl(u32::from(bits.min(52))).wrapping_sub(1);
    BusAddr::new(last).unwrap_or(BusAddr::ZERO)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_bus_address_follows_the_mask_width() {
        // engines sheet §3 checks.
        let cases = [(39, 0x7F_FFFF_FFFF), (46, 0x3FFF_FFFF_FFFF), (52, 0xF_FFFF_FFFF_FFFF)];
        for (bits, last) in cases {
            assert_eq!(last_address(bits).get(), last);
        }
    }
}
