//! Single pages far apart, each in a table of its own: 100,000 binds in random order.

use super::rig::Rig;
use super::{Case, limits};
use barexe_core::mem::pages::Need;
use barexe_core::mem::tree::{Segment, VaRange};
use barexe_hal::BusAddr;
use core::time::Duration;
use std::time::Instant;

const PAGES: u64 = 100_000;
const SLOT: u64 = 2 << 20;

struct Scattered {
    rig: Rig,
    /// Slots in the order in which they are bound.
    order: Vec<u32>,
    /// The words that the limit stores to, one in each table, in the same order.
    positions: Vec<u32>,
    need: Need,
    /// Where the next pass of ours begins.
    at: usize,
}

/// Pages of one pass: short enough that a pair sees the same noise.
const PASS: usize = 1000;

/// A table for each page, and the directories above them.
const NEED: Need = Need { leaf_tables: PAGES as u32, directories: 256 };

/// A page is bound beside one that is there.
pub(crate) fn present() -> Box<dyn Case> {
    let mut case = Scattered::new();
    case.rig.bind_all(NEED, (0..PAGES).map(|slot| mapping(slot, 0)));
    Box::new(case)
}

/// Every page takes a new table.
pub(crate) fn new_tables() -> Box<dyn Case> {
    let mut case = Scattered::new();
    // The directories above stay.
    case.rig.bind_all(NEED, (0..PAGES).step_by(512).map(|slot| mapping(slot + 511, 0)));
    case.need = Need { leaf_tables: PASS as u32, directories: 0 };
    Box::new(case)
}

fn mapping(slot: u64, page: u64) -> (VaRange, core::iter::Once<Segment<'static>>) {
    let start = slot * SLOT + page * 4096;
    let segment = Segment::Run { addr: BusAddr::new(start & ((1 << 38) - 1)).unwrap(), bytes: 4096 };
    (VaRange { start, end: start + 4096 }, core::iter::once(segment))
}

/// The page that is bound in a slot: another one in each table.
const fn page_of(slot: u32) -> u64 {
    1 + (slot & 0xFF) as u64
}

impl Scattered {
    fn new() -> Self {
        let mut order: Vec<u32> = (0..PAGES as u32).collect();
        let mut state = 1u64;
        for last in (1..order.len()).rev() {
            state = state.wrapping_mul(0x5851_F42D_4C95_7F2D).wrapping_add(0x1405_7B7E_F767_814F);
            order.swap(last, (state >> 33) as usize % (last + 1));
        }
        let positions = order.iter().map(|slot| 1024 + slot * 512 + page_of(*slot) as u32).collect();
        Self { rig: Rig::new(PAGES as usize + 1024, 1024, false), order, positions, need: Need::default(), at: 0 }
    }
}

impl Case for Scattered {
    fn limit(&mut self) -> Duration {
        // Half a round away from ours, so that neither warms the caches for the other.
        let at = (self.at + PAGES as usize / 2) % PAGES as usize;
        let begin = Instant::now();
        // Words that are empty between two rounds: they stay so.
        limits::store_at(self.rig.memory.base(), &self.positions[at..at + PASS], 0);
        begin.elapsed()
    }

    fn ours(&mut self) -> Duration {
        let order = &self.order[self.at..self.at + PASS];
        self.at = (self.at + PASS) % PAGES as usize;
        let time = self.rig.bind_all(self.need, order.iter().map(|slot| mapping((*slot).into(), page_of(*slot))));
        self.rig.unbind_all(order.iter().map(|slot| mapping((*slot).into(), page_of(*slot)).0));
        time
    }
}
