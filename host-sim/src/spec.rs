//! What a simulated platform is made of. The simulator's own tables: nothing here comes from the driver.

pub use crate::engines::{Domain, EngineClass, EngineSpec};

use crate::blocks::hwconfig;
use crate::engines::{ENGINES, pick};

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
    /// Engines that exist on each tile.
    pub engines: Vec<EngineSpec>,
    /// Tiles, all alike.
    pub tiles: u8,
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

/// What the fuses below leave of 12.00.
const TGL_ENGINES: [(EngineClass, u8); 5] = {
    use EngineClass::{Copy, Render, VideoDecode, VideoEnhance};
    [(Render, 0), (Copy, 0), (VideoDecode, 0), (VideoDecode, 2), (VideoEnhance, 0)]
};

/// What the fuses below leave of 20.04 and 20.00. The GSC engine has no fuse; it idles without its firmware.
const LNL_ENGINES: [(EngineClass, u8); 7] = {
    use EngineClass::{Compute, Copy, Other, Render, VideoDecode, VideoEnhance};
    [(Render, 0), (Copy, 0), (Copy, 8), (Compute, 0), (VideoDecode, 0), (VideoEnhance, 0), (Other, 6)]
};

impl Platform {
    /// Tiger Lake: device 9A49, 12.00, two of eight video decoders.
    #[must_use]
    pub fn tgl() -> Self {
        Self {
            name: "tgl",
            version: 1200,
            device_id: 0x9A49,
            revision: 1,
            fixed: vec![
                (0x9140, 0x000E_00FA),   // media: set bits are absent: VCS0, VCS2, VECS0
                (0x9118, 0),             // no L3 bank is absent
                (0x9120, 1 << 2),        // a part that is sold
                (0x913C, 0x3F),          // six DSS
                (0x9134, 0xFFFF_FF00),   // all eight EU pairs
                (0x14_5998, 0x02_08_1A), // 100 to 1300 MHz
                (0x14_5EF0, 0x0800),     // best at 400 MHz
                (0xD00, 0x0E),           // 38.4 MHz crystal, shift 3: see the check of engines sheet §13.1
            ],
            engines: pick(&TGL_ENGINES),
            tiles: 1,
            media_gt: false,
            hwconfig: Vec::new(),
            ggms: Some(3),
        }
    }

    /// Lunar Lake: device 64A0, graphics 20.04 and media 20.00, both revision 4.
    #[must_use]
    pub fn lnl() -> Self {
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
                (0x9120, 1 << 2),
                (0x913C, 0xFF),
                (0x9144, 0xFF),
                (0x9134, 0xFF),
                (0x10_8040, 0xFFC0), // the GGTT has all its entries; a code that is no size: nothing is stolen
                (0x13_8000, 0x18_007B), // 400 to 2050 MHz
                (0x13_8008, 0x3C),   // reached at 1000 MHz
                (0x13_800C, 0x30),   // best at 800 MHz
                (0x13_8020, 0x18_0054), // media: 400 to 1400 MHz
                (0x13_8028, 0x30),
                (0x13_802C, 0x30),
                (0xD00, 0x14),
                (0x38_0D00, 0x14),
            ],
            engines: pick(&LNL_ENGINES),
            tiles: 1,
            media_gt: true,
            hwconfig: hwconfig::LNL.to_vec(),
            ggms: None,
        }
    }

    /// A Tiger Lake that nobody built: so many tiles, at most three. Before 12.10 there is no interrupt register for all
    /// tiles, so each sends its own messages.
    #[must_use]
    pub fn tgl_with_tiles(tiles: u8) -> Self {
        let (name, device_id) = if tiles < 3 { ("tgl-2t", 0xFF02) } else { ("tgl-3t", 0xFF03) };
        Self { name, device_id, tiles, ..Self::tgl() }
    }

    /// A Tiger Lake that nobody built: two copy engines.
    #[must_use]
    pub fn tgl_with_two_copy_engines() -> Self {
        let engines = [&TGL_ENGINES[..], &[(EngineClass::Copy, 1)]].concat();
        Self { name: "tgl-2bcs", device_id: 0xFF04, engines: pick(&engines), ..Self::tgl() }
    }

    /// A Lunar Lake on which recoverable faults are allowed.
    #[must_use]
    pub fn lnl_with_faults() -> Self {
        Self { name: "lnl-faults", device_id: 0xFF05, ..Self::lnl() }
    }

    /// Parts that nobody built, to test what no part of the others shows.
    #[must_use]
    pub fn for_tests() -> [Self; 4] {
        let [two, three] = [2, 3].map(Self::tgl_with_tiles);
        [two, three, Self::tgl_with_two_copy_engines(), Self::lnl_with_faults()]
    }

    /// The platform of a name; those for tests are not found.
    #[must_use]
    pub fn by_name(name: &str) -> Option<Self> {
        match name {
            "tgl" => Some(Self::tgl()),
            "lnl" => Some(Self::lnl()),
            _ => None,
        }
    }

    /// The engine whose registers an offset is one of, and the offset inside; also engines that are fused off.
    pub(crate) fn owner(offset: u32) -> Option<(&'static EngineSpec, u32)> {
        static ALL: [EngineSpec; 27] = ENGINES;
        ALL.iter().find_map(|engine| engine.inside(offset).map(|inside| (engine, inside)))
    }

    /// Position of an engine in the list of those that exist.
    pub(crate) fn position(&self, engine: &EngineSpec) -> Option<usize> {
        self.engines.iter().position(|own| own.base == engine.base)
    }

    /// Added to the offset of a register that each GT has, for the GT of an engine's class.
    pub(crate) const fn gt_shift(&self, class: EngineClass) -> u32 {
        if self.media_gt && class.is_media() { MEDIA_SHIFT } else { 0 }
    }

    /// Length of BAR 0 in bytes: a block for each tile, and a power of two.
    #[must_use]
    pub fn bar0_bytes(&self) -> u32 {
        u32::from(self.tiles.max(1)).next_power_of_two() * (16 << 20)
    }

    /// GGTT entries that exist (page-tables sheet §4.1).
    #[must_use]
    pub fn ggtt_entries(&self) -> u32 {
        self.ggms.map_or(1 << 20, |code| if code == 0 { 0 } else { (1 << 17) << code.min(3) })
    }
}
