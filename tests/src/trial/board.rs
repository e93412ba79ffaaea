//! Platforms that scenarios run on, and what they have.

use crate::rig::{all_platforms, rows};
use barexe_sim::Platform;
use barexe_sim::spec::EngineClass;

/// What a scenario needs of a platform or of how the driver is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// At least so many tiles.
    Tiles(u32),
    /// Recoverable page faults.
    FaultMode,
    /// No recoverable page faults.
    NoFaultMode,
    /// Exactly one memory region.
    OneRegion,
    /// A copy engine that only the driver uses.
    OwnCopyEngine,
    /// Two copy engines that clients use.
    TwoCopyEngines,
    /// Two video decoders, which run jobs together.
    TwoDecoders,
    /// The driver decides itself who writes page tables.
    AutoWriter,
    /// The copy engine writes them.
    EngineWriter,
    /// The calls of the RFC as agreed.
    DialectA,
    /// The calls of the merged driver.
    DialectU,
}

/// A platform as the simulator makes it, ordinary or for tests only.
#[derive(Clone, Debug)]
pub struct Board {
    /// What failures call it.
    pub name: &'static str,
    /// The part.
    pub platform: Platform,
    /// Its tiles.
    pub tiles: u32,
    /// It takes recoverable page faults.
    pub fault_mode: bool,
}

/// Every board there is.
#[must_use]
pub fn boards() -> Vec<Board> {
    let board = |platform: Platform| Board {
        name: platform.name,
        tiles: platform.tiles.into(),
        fault_mode: rows(&platform).iter().any(|row| row.name == platform.name && row.fault_mode),
        platform,
    };
    all_platforms().into_iter().map(board).collect()
}

impl Board {
    /// Whether it has what is needed, as far as that depends on it.
    #[must_use]
    pub fn has(&self, need: Need) -> bool {
        match need {
            Need::Tiles(tiles) => self.tiles >= tiles,
            Need::FaultMode => self.fault_mode,
            Need::NoFaultMode => !self.fault_mode,
            // Parts with memory of their own are not simulated.
            Need::OneRegion => true,
            // Where there are several, one of them is the driver's from 20.00 on.
            Need::OwnCopyEngine => self.platform.version >= 2000 && self.engines(EngineClass::Copy) > 1,
            Need::TwoCopyEngines => self.platform.version < 2000 && self.engines(EngineClass::Copy) > 1,
            Need::TwoDecoders => self.engines(EngineClass::VideoDecode) > 1,
            Need::AutoWriter | Need::EngineWriter | Need::DialectA | Need::DialectU => true,
        }
    }

    fn engines(&self, class: EngineClass) -> usize {
        self.platform.engines.iter().filter(|engine| engine.class == class).count()
    }
}
