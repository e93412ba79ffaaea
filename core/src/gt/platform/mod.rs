//! Which devices this driver knows, by PCI id (engines sheet §1.1, §1.2, §3).
//!
//! A new part is a new row.

mod engine;
pub mod for_tests;
pub mod ip;
pub mod units;

pub use engine::EngineClass;

use crate::Error;
use crate::family::{Family, GEN12, XE2};
use ip::{IpVersion, Stepping};
use units::EngineMask;

/// Where a platform's IP versions come from.
#[derive(Debug)]
pub enum IpSource {
    /// From the PCI id; the stepping from the PCI revision.
    Fixed {
        /// Graphics version.
        graphics: IpVersion,
        /// Media version.
        media: IpVersion,
        /// Stepping by PCI revision, ascending.
        steps: &'static [(u8, Stepping)],
    },
    /// From `GMD_ID`. Versions as one number, see [`IpVersion::verx100`].
    GmdId {
        /// Graphics versions this row covers. Any other is refused.
        graphics: &'static [u32],
        /// Media versions this row covers. With any other the device runs without media.
        media: &'static [u32],
    },
}

/// A level of a firmware interface, in the numbers of the client interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FirmwareLevel {
    /// Major number.
    pub major: u32,
    /// Minor number.
    pub minor: u32,
    /// Patch number.
    pub patch: u32,
}

/// What clients are told when they ask for the versions of firmware (bind-and-exec sheet §3.13, query 7).
///
/// **Not firmware that was loaded**: this core loads none. Clients ask in order to know what they can submit, so they
/// are told the level of the interface that they are offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FirmwareLevels {
    /// Of submission.
    pub submission: FirmwareLevel,
    /// Of the commands for media that firmware would carry out; `None`: clients are told that there is none.
    pub media: Option<FirmwareLevel>,
}

/// The level of submission that is offered on every platform: the one whose calls the client interface describes.
pub const SUBMISSION_LEVEL: FirmwareLevel = FirmwareLevel { major: 1, minor: 22, patch: 0 };

/// One row: a platform.
#[derive(Debug)]
pub struct Platform {
    /// Short name that others script against.
    pub name: &'static str,
    /// PCI device ids.
    pub ids: &'static [u16],
    /// Hardware family.
    pub family: &'static Family,
    /// Where the IP versions come from.
    pub ip: IpSource,
    /// Engines the graphics IP can have, before fuses.
    pub graphics_engines: EngineMask,
    /// Engines the media IP can have, before fuses.
    pub media_engines: EngineMask,
    /// Bytes at the start of the GGTT that firmware cannot reach and nobody uses.
    pub wopcm_bytes: u32,
    /// Address bits the device drives on the bus.
    pub dma_bits: u8,
    /// Bits of a GPU virtual address.
    pub va_bits: u8,
    /// Most tiles a device has. How many it has says `MTCFG`, which is read only if there can be more than one.
    pub max_tiles: u8,
    /// Recoverable faults are allowed.
    pub fault_mode: bool,
    /// Firmware interfaces that clients are offered.
    pub firmware: FirmwareLevels,
}

/// The platforms, in order of release.
pub static PLATFORMS: [Platform; 2] = [TGL, LNL];

/// Tiger Lake.
pub(in crate::gt) const TGL: Platform = Platform {
    name: "tgl",
    ids: &[0x9A60, 0x9A68, 0x9A70, 0x9A40, 0x9A49, 0x9A59, 0x9A78, 0x9AC0, 0x9AC9, 0x9AD9, 0x9AF8],
    family: &GEN12,
    ip: IpSource::Fixed {
        graphics: IpVersion::fixed(12, 0),
        media: IpVersion::fixed(12, 0),
        steps: &[(0, Stepping::A0), (1, Stepping::B0)],
    },
    graphics_engines: EngineMask(0x0000_0003),
    media_engines: EngineMask(0x003F_FC00),
    wopcm_bytes: 2 << 20,
    dma_bits: 39,
    va_bits: 48,
    max_tiles: 1,
    fault_mode: false,
    // What recorded clients of this part were told.
    firmware: FirmwareLevels {
        submission: SUBMISSION_LEVEL,
        media: Some(FirmwareLevel { major: 7, minor: 9, patch: 3 }),
    },
};

/// Lunar Lake.
pub(in crate::gt) const LNL: Platform = Platform {
    name: "lnl",
    ids: &[0x6420, 0x64A0, 0x64B0],
    family: &XE2,
    ip: IpSource::GmdId { graphics: &[2004], media: &[2000] },
    graphics_engines: EngineMask(0x03C0_0203),
    media_engines: EngineMask(0x043F_FC00),
    wopcm_bytes: 8 << 20,
    dma_bits: 46,
    va_bits: 48,
    max_tiles: 1,
    fault_mode: false,
    firmware: FirmwareLevels { submission: SUBMISSION_LEVEL, media: None },
};

impl Platform {
    /// Whether `GMD_ID` says what the parts are.
    #[must_use]
    pub const fn has_gmd_id(&self) -> bool {
        matches!(self.ip, IpSource::GmdId { .. })
    }

    /// GTs a tile can have.
    #[must_use]
    pub const fn gts_per_tile(&self) -> u8 {
        if self.family.gt.has_media_gt { 2 } else { 1 }
    }

    /// Engines GT `gt` of a tile can have, before fuses.
    #[must_use]
    pub const fn possible_engines(&self, gt: u8) -> EngineMask {
        match (self.family.gt.has_media_gt, gt) {
            (false, 0) => self.graphics_engines.union(self.media_engines),
            (true, 0) => self.graphics_engines,
            (true, 1) => self.media_engines,
            _ => EngineMask(0),
        }
    }
}

/// The platform with this PCI device id.
#[must_use]
pub fn by_device_id(id: u16) -> Option<&'static Platform> {
    PLATFORMS.iter().find(|platform| platform.ids.contains(&id))
}

/// The platform with this short name.
#[must_use]
pub fn by_name(name: &str) -> Option<&'static Platform> {
    PLATFORMS.iter().find(|platform| platform.name == name)
}

/// As [`by_device_id`], among these rows, for probing.
///
/// # Errors
/// [`Error::Invalid`] with the id, if no row has it.
pub fn probe(rows: &'static [Platform], id: u16) -> Result<&'static Platform, Error> {
    let found = rows.iter().find(|platform| platform.ids.contains(&id));
    found.ok_or(Error::invalid("PCI device id", u64::from(id)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_id_and_every_name_belongs_to_one_platform() {
        for platform in &PLATFORMS {
            assert!(core::ptr::eq(by_name(platform.name).unwrap(), platform));
            for id in platform.ids {
                assert!(core::ptr::eq(by_device_id(*id).unwrap(), platform), "{id:#x}");
                assert_eq!(PLATFORMS.iter().flat_map(|p| p.ids).filter(|other| *other == id).count(), 1);
            }
        }
    }

    #[test]
    fn an_unknown_id_is_refused_with_the_id() {
        assert_eq!(probe(&PLATFORMS, 0x1234).err(), Some(Error::invalid("PCI device id", 0x1234)));
        assert!(by_device_id(0xFFFF).is_none() && by_name("hsw").is_none());
    }

    #[test]
    fn media_engines_belong_to_the_gt_the_family_gives_them() {
        let tgl = by_name("tgl").unwrap();
        let lnl = by_name("lnl").unwrap();
        assert_eq!((tgl.possible_engines(0).0, tgl.possible_engines(1).0), (0x003F_FC03, 0));
        assert_eq!((lnl.possible_engines(0).0, lnl.possible_engines(1).0), (0x03C0_0203, 0x043F_FC00));
        assert_eq!(lnl.possible_engines(2).0, 0);
    }
}
