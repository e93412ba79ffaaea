//! What a simulated platform is made of. The simulator's own tables: nothing here comes from the driver.

use crate::hwconfig;

/// Hardware engine class, by its hardware code (engines sheet §4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EngineClass {
    /// RCS, code 0.
    Render,
    /// VCS, code 1.
    VideoDecode,
    /// VECS, code 2.
    VideoEnhance,
    /// BCS, code 3.
    Copy,
    /// GSCCS, code 4.
    Other,
    /// CCS, code 5.
    Compute,
}

impl EngineClass {
    /// The hardware's code.
    #[must_use]
    pub const fn code(self) -> u64 {
        match self {
            Self::Render => 0,
            Self::VideoDecode => 1,
            Self::VideoEnhance => 2,
            Self::Copy => 3,
            Self::Other => 4,
            Self::Compute => 5,
        }
    }

    /// The hardware's short name.
    #[must_use]
    pub const fn short_name(self) -> &'static str {
        match self {
            Self::Render => "rcs",
            Self::VideoDecode => "vcs",
            Self::VideoEnhance => "vecs",
            Self::Copy => "bcs",
            Self::Other => "gsccs",
            Self::Compute => "ccs",
        }
    }
}

/// A power domain that forcewake holds (engines sheet §2.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Domain {
    /// The common part of the main GT.
    Gt,
    /// The common part of the media GT.
    MediaGt,
    /// Render and compute engines.
    Render,
    /// A video decoder.
    Vdbox(u8),
    /// A video enhancer.
    Vebox(u8),
}

/// One engine that exists in the simulated part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EngineSpec {
    /// Class.
    pub class: EngineClass,
    /// Instance within the class.
    pub instance: u8,
    /// First register of its window.
    pub base: u32,
    /// Bank and bit of its interrupt.
    pub irq: (u8, u8),
    /// The domain its registers need.
    pub domain: Domain,
}

/// A simulated part. Tests may edit a copy.
#[derive(Clone, Debug)]
pub struct Platform {
    /// `tgl`, `lnl`.
    pub name: &'static str,
    /// Graphics version times 100.
    pub version: u32,
    /// PCI device id.
    pub device_id: u16,
    /// PCI revision.
    pub revision: u8,
    /// Register offset and value of what is fixed at manufacture: fuses, versions, clocks.
    pub fixed: Vec<(u32, u32)>,
    /// Engines that exist.
    pub engines: Vec<EngineSpec>,
    /// There is a media GT, whose registers lie 0x380000 further on.
    pub media_gt: bool,
    /// What its firmware tells about it: keys and values, none if it tells nothing.
    pub hwconfig: Vec<(u32, u32)>,
    /// GGTT size code of the configuration word 0x50, bits 7:6; none where the size is fixed.
    pub ggms: Option<u8>,
}

/// How far the media GT's registers are shifted.
pub const MEDIA_SHIFT: u32 = 0x38_0000;
/// Registers below this offset belong to a GT and are shifted.
pub const GT_RANGE: u32 = 0x4_0000;

const fn engine(class: EngineClass, instance: u8, base: u32, irq: (u8, u8), domain: Domain) -> EngineSpec {
    EngineSpec { class, instance, base, irq, domain }
}

impl Platform {
    /// Tiger Lake: device 9A49, 12.00, two of eight video decoders.
    #[must_use]
    pub fn tgl() -> Self {
        use EngineClass::{Copy, Render, VideoDecode, VideoEnhance};
        Self {
            name: "tgl",
            version: 1200,
            device_id: 0x9A49,
            revision: 1,
            fixed: vec![
                (0x9140, 0x000E_00FA), // media: set bits are absent: VCS0, VCS2, VECS0
                (0x9118, 0),           // no L3 bank is absent
                (0x913C, 0x3F),        // six DSS
                (0x9134, 0xFFFF_FF00), // all eight EU pairs
                (0xD00, 0x0E),         // 38.4 MHz crystal, shift 3: see the check of engines sheet §13.1
            ],
            engines: vec![
                engine(Render, 0, 0x2000, (0, 0), Domain::Render),
                engine(Copy, 0, 0x2_2000, (0, 15), Domain::Gt),
                engine(VideoDecode, 0, 0x1C_0000, (1, 0), Domain::Vdbox(0)),
                engine(VideoDecode, 2, 0x1D_0000, (1, 2), Domain::Vdbox(2)),
                engine(VideoEnhance, 0, 0x1C_8000, (1, 31), Domain::Vebox(0)),
            ],
            media_gt: false,
            hwconfig: Vec::new(),
            ggms: Some(3),
        }
    }

    /// Lunar Lake: device 64A0, graphics 20.04 and media 20.00, both revision 4.
    #[must_use]
    pub fn lnl() -> Self {
        use EngineClass::{Compute, Copy, Render, VideoDecode, VideoEnhance};
        Self {
            name: "lnl",
            version: 2004,
            device_id: 0x64A0,
            revision: 4,
            fixed: vec![
                (0xD8C, 0x0501_0004),
                (0x38_0D8C, 0x0500_0004),
                (0x38_9140, 0x0001_0001), // media: set bits are present: VCS0, VECS0
                (0x9114, 0x0001_0000),    // CCS0
                (0x9118, 0x0001_00F0),    // one node, four L3 banks
                (0x913C, 0xFF),
                (0x9144, 0xFF),
                (0x9134, 0xFF),
                (0xD00, 0x14),
                (0x38_0D00, 0x14),
            ],
            engines: vec![
                engine(Render, 0, 0x2000, (0, 0), Domain::Render),
                engine(Copy, 0, 0x2_2000, (0, 15), Domain::Gt),
                engine(Copy, 8, 0x3E_E000, (0, 23), Domain::Gt),
                engine(VideoDecode, 0, 0x1C_0000, (1, 0), Domain::Vdbox(0)),
                engine(VideoEnhance, 0, 0x1C_8000, (1, 31), Domain::Vebox(0)),
                engine(Compute, 0, 0x1_A000, (0, 4), Domain::Render),
            ],
            media_gt: true,
            hwconfig: hwconfig::LNL.to_vec(),
            ggms: None,
        }
    }

    /// The platform of a name.
    #[must_use]
    pub fn by_name(name: &str) -> Option<Self> {
        match name {
            "tgl" => Some(Self::tgl()),
            "lnl" => Some(Self::lnl()),
            _ => None,
        }
    }

    /// GGTT entries that exist (page-tables sheet §4.1).
    #[must_use]
    pub fn ggtt_entries(&self) -> u32 {
        self.ggms.map_or(1 << 20, |code| if code == 0 { 0 } else { (1 << 17) << code.min(3) })
    }
}
