//! Page tables: the numbered checks of the page-tables sheet, defects, capacities, and a model.
#![expect(
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    clippy::indexing_slicing,
    clippy::missing_const_for_fn,
    clippy::panic,
    clippy::unwrap_used,
    reason = "tests: numbers are small, an overflow is a failed test, helpers fail by panicking"
)]

mod binds;
mod capacity;
mod defects;
mod lists;
mod model;
mod publish;
mod scratch;
mod sinks;
mod unbinds;

use barexe_core::family::{GEN12, XE2};
use barexe_core::mem::format::PtFormat;
use barexe_core::mem::pat::PatIndex;
use barexe_core::mem::tree::{Attributes, Segment, VaRange};
use barexe_hal::BusAddr;
use barexe_tests::tables::Update;

/// Formats of four and five levels.
const FORMATS: [&PtFormat; 2] = [&GEN12.pt, &XE2.pt];

fn range(start: u64, end: u64) -> VaRange {
    VaRange { start, end }
}

/// Write-back, writable.
fn plain(format: &PtFormat) -> Attributes {
    Attributes { pat: format.scratch_pat, read_only: false }
}

fn indexed(pat: u8) -> Attributes {
    Attributes { pat: PatIndex::new(pat).unwrap(), read_only: false }
}

fn run(addr: u64, bytes: u64) -> Segment<'static> {
    Segment::Run { addr: BusAddr::new(addr).unwrap(), bytes }
}

/// One contiguous piece as a backing.
fn one(addr: u64, bytes: u64) -> core::iter::Once<Segment<'static>> {
    core::iter::once(run(addr, bytes))
}

/// Pages that never make a larger leaf: every second one.
fn scattered(addr: u64, bytes: u64) -> Vec<Segment<'static>> {
    (0..bytes / 4096).map(|n| run(addr + n * 0x2000, 4096)).collect()
}

/// Records as level, base, first entry and count.
fn shape(updates: &[Update]) -> Vec<(u8, u64, u32, usize)> {
    updates.iter().map(|update| (update.level, update.base, update.first, update.values.len())).collect()
}
