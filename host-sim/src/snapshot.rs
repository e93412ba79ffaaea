//! The whole state of a device at one moment, for comparing before and after.

use crate::gpu::{BLOCK, Gpu};
use crate::shared::Shared;
use crate::spec::Domain;
use crate::tile::TileState;
use std::collections::BTreeMap;

/// A run of GGTT pages that hold the same entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GgttRun {
    /// First page.
    pub first: u32,
    /// Pages in it.
    pub pages: u32,
    /// What each of them holds.
    pub entry: u64,
}

/// A live buffer and what is in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BufferState {
    /// Bus address of the first byte.
    pub addr: u64,
    /// Length in bytes.
    pub len_bytes: u64,
    /// Hash of what the device sees.
    pub device_hash: u64,
    /// Hash of what the CPU sees.
    pub cpu_hash: u64,
}

/// Everything a driver can have changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceSnapshot {
    /// Registers that were written and are not zero, by offset in BAR 0.
    pub registers: BTreeMap<u32, u32>,
    /// GGTT entries that are not zero, in order; those of tile n from page n << 20 on.
    pub ggtt: Vec<GgttRun>,
    /// Domains that are asked to be awake, tile by tile.
    pub awake: Vec<Domain>,
    /// PCI command register.
    pub command: u32,
    /// Messages may arrive.
    pub interrupts: bool,
    /// Every live buffer.
    pub buffers: Vec<BufferState>,
    /// Client pages that are pinned: bus address, and how often.
    pub user_pins: Vec<(u64, u32)>,
}

impl DeviceSnapshot {
    pub(crate) fn of(gpu: &Gpu) -> Self {
        let shared = &gpu.shared;
        Self {
            registers: by_tile(shared).flat_map(|(base, tile)| written(tile, base)).collect(),
            ggtt: by_tile(shared).flat_map(|(base, tile)| runs(&tile.ggtt.entries(), base >> PAGES_PER_BYTE)).collect(),
            awake: shared.tiles.iter().flat_map(|tile| tile.forcewake.wanted()).collect(),
            command: shared.config.command(),
            interrupts: shared.irq_line,
            buffers: shared.memory.states().collect(),
            user_pins: shared.user.pins(),
        }
    }
}

/// From where a tile's block begins in BAR 0, in bytes, to its first page: there are a million pages to 16 MiB.
const PAGES_PER_BYTE: u32 = 4;

/// The tiles, with where their blocks begin in BAR 0.
fn by_tile(shared: &Shared) -> impl Iterator<Item = (u32, &TileState)> {
    (0u32..).step_by(BLOCK as usize).zip(shared.tiles.iter())
}

fn written(tile: &TileState, base: u32) -> impl Iterator<Item = (u32, u32)> {
    tile.registers.written().into_iter().map(move |(offset, value)| (base + offset, value))
}

fn runs(mut entries: &[u64], mut first: u32) -> Vec<GgttRun> {
    let mut runs = Vec::new();
    while let [entry, ..] = *entries {
        let len = entries.iter().position(|other| *other != entry).unwrap_or(entries.len());
        let pages = u32::try_from(len).unwrap_or(u32::MAX);
        if entry != 0 {
            runs.push(GgttRun { first, pages, entry });
        }
        first += pages;
        entries = entries.get(len..).unwrap_or_default();
    }
    runs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_entries_are_one_run_and_zeros_are_none() {
        let run = |first, pages, entry| GgttRun { first, pages, entry };
        assert_eq!(runs(&[0, 0, 7, 7, 8, 0, 8], 0), [run(2, 2, 7), run(4, 1, 8), run(6, 1, 8)]);
        assert_eq!((runs(&[], 0), runs(&[0, 9], 16)), (vec![], vec![run(17, 1, 9)]));
    }
}
