//! What each tile has for itself: one block of BAR 0.

use crate::blocks::forcewake::Forcewake;
use crate::blocks::interrupts::Interrupts;
use crate::blocks::registers::Registers;
use crate::ggtt::table::GgttTable;
use crate::spec::{MEDIA_SHIFT, Platform};

/// Tile count less one in bits 15:8; on tile 0 alone (engines sheet §2.3).
const MTCFG: u32 = 0x10_1800;
/// Writes to this register flush pending writes (engines sheet §2.1, 15015404425).
const PENDING_WRITE_FLUSH: u32 = 0x13_0030;
/// Version register of the media GT; a write is the fence of GGTT writes.
const MEDIA_GMD_ID: u32 = MEDIA_SHIFT + 0xD8C;

/// Whether a register is written to flush what is under way.
pub(crate) const fn is_flush(offset: u32) -> bool {
    offset == PENDING_WRITE_FLUSH
}

/// One tile's block, without its engines.
#[derive(Debug)]
pub(crate) struct TileState {
    pub(crate) registers: Registers,
    pub(crate) ggtt: GgttTable,
    pub(crate) forcewake: Forcewake,
    pub(crate) interrupts: Interrupts,
    /// Flushes of pending writes since the last access that was none.
    pub(crate) flushes: u32,
    /// GGTT entries written since the last fence.
    pub(crate) ggtt_writes: u32,
}

impl TileState {
    fn new(platform: &Platform, number: u8, c6: bool) -> Self {
        let mut registers = Registers::new(platform);
        if number == 0 && platform.tiles > 1 {
            registers.fix(MTCFG, u32::from(platform.tiles - 1) << 8);
        }
        Self {
            registers,
            ggtt: GgttTable::new(platform.ggtt_entries()),
            forcewake: Forcewake::new(platform, c6),
            interrupts: Interrupts::new(platform),
            flushes: 0,
            ggtt_writes: 0,
        }
    }

    pub(crate) const fn count_flush(&mut self, offset: u32) {
        if offset == PENDING_WRITE_FLUSH {
            self.flushes = self.flushes.saturating_add(1);
        } else {
            self.flushes = 0;
        }
        if offset == MEDIA_GMD_ID {
            self.ggtt_writes = 0;
        }
    }
}

/// All tiles, one of which is being looked at.
#[derive(Debug)]
pub(crate) struct Tiles {
    all: Vec<TileState>,
    at: usize,
}

impl Tiles {
    pub(crate) fn new(platform: &Platform, c6: bool) -> Self {
        Self { all: (0..platform.tiles.max(1)).map(|number| TileState::new(platform, number, c6)).collect(), at: 0 }
    }

    /// Looks at another tile; whether there is one.
    pub(crate) const fn select(&mut self, tile: usize) -> bool {
        let exists = tile < self.all.len();
        if exists {
            self.at = tile;
        }
        exists
    }

    pub(crate) const fn selected(&self) -> usize {
        self.at
    }

    #[expect(clippy::indexing_slicing, reason = "only a tile that exists is ever selected, and there is always one")]
    pub(crate) fn one(&self) -> &TileState {
        &self.all[self.at]
    }

    #[expect(clippy::indexing_slicing, reason = "only a tile that exists is ever selected, and there is always one")]
    pub(crate) fn one_mut(&mut self) -> &mut TileState {
        &mut self.all[self.at]
    }

    pub(crate) fn iter(&self) -> core::slice::Iter<'_, TileState> {
        self.all.iter()
    }

    pub(crate) fn iter_mut(&mut self) -> core::slice::IterMut<'_, TileState> {
        self.all.iter_mut()
    }

    pub(crate) fn messages(&self) -> u32 {
        self.all.iter().map(|tile| tile.interrupts.messages).sum()
    }
}
