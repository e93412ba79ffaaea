//! Random operations: small and large, aligned and askew, beside and across what is mapped.

use super::space::{Op, Space, Target, ZONES, Zone};
use barexe_tests::random::Random;

/// What random operations can choose from.
#[derive(Debug)]
pub(crate) struct Choice<'c> {
    /// Pages of each object.
    pub(crate) bo_pages: &'c [u64],
    /// Objects that this VM may map.
    pub(crate) bos: &'c [usize],
    /// PAT indices for memory.
    pub(crate) pats: &'c [u8],
    /// PAT indices for null mappings.
    pub(crate) null_pats: &'c [u8],
}

/// First unit and number of units in a zone.
fn range(random: &mut Random, zone: &Zone, space: &Space) -> (u64, u64) {
    let units = zone.units;
    let (align, most) = match random.below(6) {
        0 => (512, 2),
        1 => (16, 8),
        2 => return beside(random, zone, space),
        _ => (1, 24),
    };
    let first = random.below(units / align) * align;
    let count = (1 + random.below(most)) * align;
    (first, count.min(units - first))
}

/// A range that begins or ends where something does, give or take a unit.
fn beside(random: &mut Random, zone: &Zone, space: &Space) -> (u64, u64) {
    let from = zone.base + random.below(zone.units) * zone.unit;
    let found = space.cells.range(from..zone.end()).next().map_or(from, |(va, _)| *va);
    let first = ((found - zone.base) / zone.unit + random.below(3)).saturating_sub(1).min(zone.units - 1);
    let count = [1, 2, 16, 512][random.below(4) as usize] + random.below(2);
    (first, count.min(zone.units - first))
}

/// One operation.
pub(crate) fn operation(random: &mut Random, space: &Space, choice: &Choice<'_>) -> Op {
    let zone = &ZONES[random.below(ZONES.len() as u64) as usize];
    let (first, count) = range(random, zone, space);
    let (va, bytes) = (zone.base + first * zone.unit, count * zone.unit);
    let read_only = random.one_in(5);
    match random.below(20) {
        0..8 if !zone.null_only => {
            let bo = choice.bos[random.below(choice.bos.len() as u64) as usize];
            let pages = choice.bo_pages[bo].min(count);
            let page = offset(random, va, choice.bo_pages[bo] - pages);
            let pat = choice.pats[random.below(choice.pats.len() as u64) as usize];
            Op::Map { bo, page, at: Target { va, bytes: pages * 4096, pat, read_only } }
        }
        0..12 => {
            let pat = choice.null_pats[random.below(choice.null_pats.len() as u64) as usize];
            Op::Null { at: Target { va, bytes, pat, read_only } }
        }
        12 if random.one_in(4) => Op::UnmapAll { bo: choice.bos[random.below(choice.bos.len() as u64) as usize] },
        13 | 14 if random.one_in(2) => Op::Prefetch { va, bytes },
        _ => Op::Unmap { va, bytes },
    }
}

/// First page of an object, up to `most`: any, or one that makes large leaves possible.
fn offset(random: &mut Random, va: u64, most: u64) -> u64 {
    let any = random.below(most + 1);
    let askew = (va >> 12) & 511;
    match random.below(3) {
        0 => any,
        1 if askew <= most => askew,
        _ => (any & !15 | askew & 15).min(most),
    }
}
