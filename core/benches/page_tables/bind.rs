//! Binds of one range into new tables, again and again.

use super::rig::Rig;
use super::{Case, limits};
use barexe_core::mem::pages::Need;
use barexe_core::mem::tree::{Segment, VaRange};
use barexe_hal::BusAddr;
use core::time::Duration;
use std::time::Instant;

const GIB: u64 = 1 << 30;

/// What is bound.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    bytes: u64,
    /// Where the memory lies, if in one piece.
    addr: Option<u64>,
    /// Tables that are written.
    tables: usize,
    /// Binds of that size, one after another.
    times: u64,
}

impl Shape {
    /// Contiguous, but aligned to pages only.
    pub(crate) const PAGES: Self = Self { bytes: GIB, addr: Some(0x8000_1000), tables: 512, times: 1 };
}

/// A bind, and its limit: stores over as many bytes of the same memory.
pub(crate) struct Bind {
    rig: Rig,
    shape: Shape,
    pages: Vec<BusAddr>,
}

pub(crate) fn pages() -> Box<dyn Case> {
    Box::new(Bind::new(Shape::PAGES, false))
}

pub(crate) fn groups() -> Box<dyn Case> {
    Box::new(Bind::new(Shape { addr: Some(0x8001_0000), ..Shape::PAGES }, false))
}

pub(crate) fn listed() -> Box<dyn Case> {
    Box::new(Bind::new(Shape { addr: None, ..Shape::PAGES }, false))
}

pub(crate) fn large_1g() -> Box<dyn Case> {
    Box::new(Bind::new(Shape { bytes: GIB, addr: Some(0x8020_0000), tables: 64, times: 64 }, false))
}

pub(crate) fn large_64g() -> Box<dyn Case> {
    Box::new(Bind::new(Shape { bytes: 64 * GIB, addr: Some(0x8020_0000), tables: 64, times: 1 }, false))
}

/// One address for each page of 1 GiB, in no order: as random as memory that is taken page by page gets.
fn addresses() -> Vec<BusAddr> {
    let page = |n: u64| (n + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 39;
    (0..GIB >> 12).map(|n| BusAddr::new(page(n) << 12).unwrap()).collect()
}

impl Bind {
    pub(crate) fn new(shape: Shape, flushed: bool) -> Self {
        let pages = if shape.addr.is_none() { addresses() } else { Vec::new() };
        let mut rig = Rig::new(shape.tables + 128, 128, flushed);
        // The directory above stays, so that each round takes the same tables.
        let neighbour = Segment::Run { addr: BusAddr::new(0x5000).unwrap(), bytes: 4096 };
        rig.bind(VaRange { start: 0, end: 4096 }, core::iter::once(neighbour));
        Self { rig, shape, pages }
    }

    fn ranges(shape: Shape) -> impl Iterator<Item = VaRange> {
        (0..shape.times).map(move |n| {
            let start = 64 * GIB + n * shape.bytes;
            VaRange { start, end: start + shape.bytes }
        })
    }

    /// The memory of the tables that a bind takes next: what the limit stores to.
    pub(crate) const fn free_tables(&self) -> (*mut u64, usize) {
        // The first four tables are those of the tree as it is.
        (self.rig.memory.base().wrapping_add(4 * 512), self.shape.tables * 512)
    }
}

impl Case for Bind {
    fn limit(&mut self) -> Duration {
        let (base, words) = self.free_tables();
        let begin = Instant::now();
        if self.shape.addr.is_some() {
            // As many loops as there are binds.
            let each = words / self.shape.times as usize;
            for n in 0..self.shape.times as usize {
                limits::store_steps::<4096>(base.wrapping_add(n * each), each, 3);
            }
        } else {
            limits::copy(base, &self.pages, 3);
        }
        begin.elapsed()
    }

    fn ours(&mut self) -> Duration {
        let segment = match self.shape.addr {
            Some(addr) => Segment::Run { addr: BusAddr::new(addr).unwrap(), bytes: self.shape.bytes },
            None => Segment::Pages(&self.pages),
        };
        let need = Need { leaf_tables: self.shape.tables as u32, directories: 65 };
        let mappings = Self::ranges(self.shape).map(|range| (range, core::iter::once(segment)));
        let time = self.rig.bind_all(need, mappings);
        self.rig.unbind_all(Self::ranges(self.shape));
        time
    }
}
