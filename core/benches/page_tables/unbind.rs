//! Unbinds whose entries are cleared one by one, because others use the tables too.

use super::rig::Rig;
use super::{Case, limits};
use barexe_core::mem::Defect;
use barexe_core::mem::pages::{Entries, Need, PtMemory, TableRun};
use barexe_core::mem::tree::{Segment, Sink, Slot, Stage, VaRange};
use barexe_hal::BusAddr;
use core::time::Duration;
use std::time::Instant;

const SLOTS: u64 = 512;
const SLOT: u64 = 2 << 20;

fn once(addr: u64, bytes: u64) -> core::iter::Once<Segment<'static>> {
    core::iter::once(Segment::Run { addr: BusAddr::new(addr).unwrap(), bytes })
}

/// The pages of a slot but the first, which somebody else uses.
const fn part(slot: u64) -> VaRange {
    VaRange { start: slot * SLOT + 4096, end: (slot + 1) * SLOT }
}

struct Singly {
    rig: Rig,
}

pub(crate) fn singly() -> Box<dyn Case> {
    let mut rig = Rig::new(SLOTS as usize + 64, 16, false);
    for slot in 0..SLOTS {
        let start = slot * SLOT;
        rig.bind(VaRange { start, end: start + 4096 }, once(0x5000, 4096));
    }
    Box::new(Singly { rig })
}

impl Case for Singly {
    fn limit(&mut self) -> Duration {
        // Entries 1 to 511 of each table hold nothing between two rounds.
        let begin = Instant::now();
        for table in 3..3 + SLOTS as usize {
            limits::store_steps::<0>(self.rig.memory.base().wrapping_add(table * 512 + 1), 511, 0);
        }
        begin.elapsed()
    }

    fn ours(&mut self) -> Duration {
        self.rig.bind_all(Need::default(), (0..SLOTS).map(|slot| (part(slot), once(0x8000_1000, SLOT - 4096))));
        self.rig.unbind_all((0..SLOTS).map(part))
    }
}

/// Counts stores instead of making them.
#[derive(Default)]
struct Count {
    stores: u32,
}

impl Sink for Count {
    fn built(&mut self, _: &PtMemory<'_>, _: TableRun) {}

    fn update(&mut self, _: &PtMemory<'_>, _: Slot, entries: &Entries<'_, '_>) -> Result<(), Defect> {
        self.stores += entries.count();
        Ok(())
    }
}

/// Stores that unbinding 1 GiB of 4 KiB leaves takes where nobody else uses the tables.
pub(crate) fn report_stores() {
    let mut rig = Rig::new(600, 16, false);
    let range = VaRange { start: 0, end: 1 << 30 };
    rig.bind(range, once(0x8000_1000, 1 << 30));
    let mut none = rig.pages.reserve(&mut rig.memory, Need::default()).unwrap();
    let mut count = Count::default();
    let mut stage = Stage::new(&mut rig.pages, &mut none, super::rig::FORMAT, &mut count);
    let _ = rig.tree.unbind(&mut stage, range).unwrap();
    let _ = stage.finish();
    println!("unbind of 1 GiB of 4 KiB leaves in tables of its own: {} stores instead of {}", count.stores, 1 << 18);
    rig.pages.unreserve(none);
}
