//! What queries answer: facts that the probe found, in the layouts of bind-and-exec sheet §2.5.

use crate::Error;
use crate::device::request::QueueProperties;
use crate::device::{ClientId, Device};
use crate::gt::registers::access::GtIndex;
use crate::gt::topology::EuMask;
use crate::gt::{DeviceInfo, Engine, EngineClass, Gt, REGION_MASK};
use crate::num::u64_of;
use crate::uapi::wire::payload::Payload;
use crate::uapi::wire::{Field, write};
use barexe_hal::Hal;

/// Bytes of a CPU page, the smallest unit of system memory and of a mapping.
const PAGE_BYTES: u32 = 4096;

/// Layout of `engine_class_instance`.
mod instance {
    use super::Field;

    pub(super) const CLASS: Field<u16> = Field::at(0);
    pub(super) const INSTANCE: Field<u16> = Field::at(2);
    pub(super) const GT_ID: Field<u16> = Field::at(4);
}

/// Writes the name by which clients know an engine.
fn name(record: &mut [u8], engine: &Engine) {
    // What clients never see is reserved, and not listed.
    write(record, instance::CLASS, engine.class.client_code().unwrap_or(u16::MAX));
    write(record, instance::INSTANCE, u16::from(engine.logical));
    write(record, instance::GT_ID, u16::from(engine.gt));
}

/// Engines that clients may use, GT by GT.
fn client_engines(info: &DeviceInfo) -> impl Iterator<Item = &Engine> {
    info.gts().flat_map(|gt| info.client_engines().filter(move |engine| engine.gt == gt.id))
}

/// Query 0.
pub(super) fn engines(info: &DeviceInfo) -> Payload {
    let mut payload = Payload::new();
    payload.count(client_engines(info).count());
    for engine in client_engines(info) {
        payload.record::<32>(|record| name(record, engine));
    }
    payload
}

/// Layout of `mem_region`, without the fields for what the CPU cannot reach: of system memory there is none.
mod region {
    use super::Field;

    pub(super) const LEN: usize = 88;
    pub(super) const MIN_PAGE_SIZE: Field<u32> = Field::at(4);
    pub(super) const TOTAL_SIZE: Field<u64> = Field::at(8);
    pub(super) const USED: Field<u64> = Field::at(16);
}

/// Query 1: system memory alone, which is class 0, instance 0. What is in use is told to privileged clients.
pub(super) fn mem_regions<H: Hal>(device: &Device<'_, H>, client: ClientId) -> Result<Payload, Error> {
    let used = if device.client_is_privileged(client)? { device.bo_bytes() } else { 0 };
    let mut payload = Payload::new();
    payload.count(1);
    payload.record::<{ region::LEN }>(|record| {
        write(record, region::MIN_PAGE_SIZE, PAGE_BYTES);
        write(record, region::TOTAL_SIZE, device.config().system_memory_bytes);
        write(record, region::USED, used);
    });
    Ok(payload)
}

/// CONFIG flag: queues take a low-latency hint. Every driver of the interface says so.
const HAS_LOW_LATENCY: u64 = 2;
/// CONFIG flag: buffer objects take a promise not to be compressed.
const HAS_NO_COMPRESSION_HINT: u64 = 8;

/// Query 2.
pub(super) fn config<H: Hal>(device: &Device<'_, H>, client: ClientId) -> Result<Payload, Error> {
    let info = device.info();
    let hint = if info.compresses() { HAS_NO_COMPRESSION_HINT } else { 0 };
    let params: [u64; 5] = [
        u64::from(info.revision) << 16 | u64::from(info.device_id),
        HAS_LOW_LATENCY | hint,
        u64::from(PAGE_BYTES),
        u64::from(info.platform.va_bits),
        u64::from(QueueProperties::max_priority(device.client_is_privileged(client)?)),
    ];
    let mut payload = Payload::new();
    payload.count(params.len());
    for param in params {
        payload.word(param);
    }
    Ok(payload)
}

/// Layout of `gt`.
mod gt {
    use super::Field;

    pub(super) const LEN: usize = 96;
    pub(super) const TYPE: Field<u16> = Field::at(0);
    pub(super) const TILE_ID: Field<u16> = Field::at(2);
    pub(super) const GT_ID: Field<u16> = Field::at(4);
    pub(super) const REFERENCE_CLOCK: Field<u32> = Field::at(12);
    pub(super) const NEAR_MEM_REGIONS: Field<u64> = Field::at(16);
    pub(super) const IP_VER_MAJOR: Field<u16> = Field::at(32);
    pub(super) const IP_VER_MINOR: Field<u16> = Field::at(34);
    pub(super) const IP_VER_REV: Field<u16> = Field::at(36);

    /// GT 0 of a tile is the main one, GT 1 the one for media: their types have the same numbers.
    pub(super) const fn kind(index: u8) -> u16 {
        index as u16
    }
}

/// Query 3. Everything is near to an integrated part, and nothing far.
pub(super) fn gt_list(info: &DeviceInfo) -> Payload {
    let mut payload = Payload::new();
    payload.count(info.gts().count());
    for found in info.gts() {
        payload.record::<{ gt::LEN }>(|record| {
            write(record, gt::TYPE, gt::kind(found.index));
            write(record, gt::TILE_ID, u16::from(found.tile));
            write(record, gt::GT_ID, u16::from(found.id));
            write(record, gt::REFERENCE_CLOCK, info.timestamp_hz(found.id));
            write(record, gt::NEAR_MEM_REGIONS, u64::from(REGION_MASK));
            write_version(record, info, found.index);
        });
    }
    payload
}

/// The IP version where the hardware says it; parts without the register leave the fields zero.
fn write_version(record: &mut [u8], info: &DeviceInfo, index: GtIndex) {
    let version = if index == 0 { Some(info.graphics) } else { info.media };
    if let Some(version) = version.filter(|_| info.platform.has_gmd_id()) {
        write(record, gt::IP_VER_MAJOR, version.major);
        write(record, gt::IP_VER_MINOR, version.minor);
        write(record, gt::IP_VER_REV, u16::from(version.step.0));
    }
}

/// Types of topology masks.
mod mask {
    pub(super) const GEOMETRY_DSS: u16 = 1;
    pub(super) const COMPUTE_DSS: u16 = 2;
    pub(super) const L3_BANKS: u16 = 3;
    pub(super) const EUS_PER_DSS: u16 = 4;
    pub(super) const SIMD16_EUS_PER_DSS: u16 = 5;
}

/// Query 5. A media GT has neither DSS nor units; its L3 banks are not known.
pub(super) fn topology(info: &DeviceInfo) -> Payload {
    let mut payload = Payload::new();
    for Gt { id, tile, index } in info.gts() {
        let Some(topology) = info.tiles.get(usize::from(tile)).map(|tile| &tile.topology) else { continue };
        let (eu_type, eus) = match topology.eus {
            EuMask::Simd8(eus) => (mask::EUS_PER_DSS, eus),
            EuMask::Simd16(eus) => (mask::SIMD16_EUS_PER_DSS, eus),
        };
        let is_main = index == 0;
        let of_main = |words| if is_main { words } else { [0; 3] };
        dss_mask(&mut payload, id, mask::GEOMETRY_DSS, of_main(topology.geometry_dss));
        dss_mask(&mut payload, id, mask::COMPUTE_DSS, of_main(topology.compute_dss));
        if is_main {
            mask_header(&mut payload, id, mask::L3_BANKS, 8);
            payload.word(topology.l3_banks);
        }
        mask_header(&mut payload, id, eu_type, 8);
        payload.word(if is_main { u64::from(eus) } else { 0 });
    }
    payload
}

fn mask_header(payload: &mut Payload, gt: u8, kind: u16, num_bytes: u32) {
    payload.word(u16::from(gt));
    payload.word(kind);
    payload.word(num_bytes);
}

/// 96 bits in a mask of 16 bytes.
fn dss_mask(payload: &mut Payload, gt: u8, kind: u16, words: [u32; 3]) {
    mask_header(payload, gt, kind, 16);
    for word in words {
        payload.word(word);
    }
    payload.word(0u32);
}

/// Layout of the OA list's header and of a unit, which is followed by the engines it observes. Type and id of the
/// general unit are 0.
mod oa {
    use super::Field;

    pub(super) const HEADER_LEN: usize = 16;
    pub(super) const NUM_UNITS: Field<u32> = Field::at(8);
    pub(super) const UNIT_LEN: usize = 72;
    pub(super) const TIMESTAMP_HZ: Field<u64> = Field::at(24);
    pub(super) const NUM_ENGINES: Field<u64> = Field::at(64);
}

/// Query 8: the general unit of a part that renders, without any capability, since this core opens no observation
/// streams.
pub(super) fn oa_units(info: &DeviceInfo) -> Payload {
    let observed = || info.client_engines().filter(|engine| engine.class == EngineClass::Render);
    let units = u32::from(observed().next().is_some());
    let mut payload = Payload::new();
    payload.record::<{ oa::HEADER_LEN }>(|record| write(record, oa::NUM_UNITS, units));
    if units > 0 {
        payload.record::<{ oa::UNIT_LEN }>(|record| {
            write(record, oa::TIMESTAMP_HZ, u64::from(info.timestamp_hz(0)));
            write(record, oa::NUM_ENGINES, u64_of(observed().count()));
        });
        for engine in observed() {
            payload.record::<8>(|record| name(record, engine));
        }
    }
    payload
}
