//! Platforms that scenarios run on, and what they have.

use barexe_sim::Platform;
use barexe_sim::spec::EngineClass;

/// What a scenario needs of a platform or of how the driver is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// At least so many tiles.
    Tiles(u32),
    /// Recoverable page faults.
    FaultMode,
    /// Exactly one memory region.
    OneRegion,
    /// A copy engine that only the driver uses.
    OwnCopyEngine,
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
    let plain = |name, platform| Board { name, platform, tiles: 1, fault_mode: false };
    vec![plain("tgl", Platform::tgl()), plain("lnl", Platform::lnl())]
}

impl Board {
    /// Whether it has what is needed, as far as that depends on it.
    #[must_use]
    pub fn has(&self, need: Need) -> bool {
        match need {
            Need::Tiles(tiles) => self.tiles >= tiles,
            Need::FaultMode => self.fault_mode,
            // Parts with memory of their own are not simulated.
            Need::OneRegion => true,
            Need::OwnCopyEngine => self.platform.engines.iter().filter(|e| e.class == EngineClass::Copy).count() > 1,
            Need::AutoWriter | Need::EngineWriter | Need::DialectA | Need::DialectU => true,
        }
    }
}
