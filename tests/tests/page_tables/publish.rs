//! What the device sees in between: the old translation or the new one, and as few calls of the HAL as there can be.

use super::{one, plain, range, scattered};
use barexe_core::family::{GEN12, XE2};
use barexe_core::mem::Defect;
use barexe_core::mem::pages::{Entries, PtMemory, TableRun};
use barexe_core::mem::tree::{CpuSink, Mapping, Sink, Slot, Stage, VaRange, need};
use barexe_tests::tables::{Arena, Leaf, Room, walk, with_tables};

/// Looks through the device's eyes after every step.
struct Watch<'d> {
    arena: &'d mut Arena,
    root: u64,
    root_level: u8,
    span: VaRange,
    seen: Vec<Vec<Leaf>>,
}

impl Watch<'_> {
    fn look(&mut self) {
        let leaves = walk(self.arena, self.root, self.root_level, self.span.start, self.span.end);
        self.seen.push(leaves.collect());
    }
}

impl Sink for Watch<'_> {
    fn built(&mut self, pages: &PtMemory<'_>, tables: TableRun) {
        CpuSink::new(self.arena).built(pages, tables);
        self.look();
    }

    fn update(&mut self, pages: &PtMemory<'_>, slot: Slot, entries: &Entries<'_, '_>) -> Result<(), Defect> {
        let mut cpu = CpuSink::new(self.arena);
        cpu.update(pages, slot, entries)?;
        cpu.finish(pages);
        self.look();
        Ok(())
    }
}

#[test]
fn at_every_moment_a_page_is_translated_as_before_or_as_after() {
    for format in super::FORMATS {
        with_tables(format, false, Room::PLENTY, |rig| {
            rig.bind(range(0, 0x1000), one(0x5000, 0x1000), plain(format), false).unwrap();
            let span = range(0x1F_F000, 0x80_1000);
            let pages = scattered(0x1000_0000, span.len_bytes());
            for rebind in [false, true, true] {
                let before: Vec<Leaf> = rig.walk(span).collect();
                let mut reservation =
                    rig.pages.reserve(&mut rig.arena, need(format, span, pages.iter().copied())).unwrap();
                let root = rig.tree.root(&rig.pages).unwrap().get();
                let mut watch = Watch {
                    arena: &mut rig.arena,
                    root,
                    root_level: format.root_level.number(),
                    span,
                    seen: Vec::new(),
                };
                let mut stage = Stage::new(&mut rig.pages, &mut reservation, format, &mut watch);
                let (backing, attributes) = (pages.iter().copied(), plain(format));
                rig.tree.bind(&mut stage, Mapping { range: span, backing, attributes, rebind }).unwrap();
                let stale = stage.finish();
                let seen = watch.seen;
                let after: Vec<Leaf> = rig.walk(span).collect();
                assert!(seen.len() >= 3, "{} steps", seen.len());
                for leaf in seen.iter().flatten() {
                    let page = |list: &[Leaf]| {
                        list.iter().any(|l| l.entry == leaf.entry && l.va <= leaf.va && leaf.va < l.end)
                    };
                    assert!(page(&before) || page(&after), "{leaf:x?}");
                }
                rig.pages.unreserve(reservation);
                rig.release(stale);
            }
        });
    }
}

/// A new subtree is published before the one entry that leads to it, block by block rather than table by table.
#[test]
fn neighbouring_tables_are_published_together() {
    for (format, deeper) in [(&GEN12.pt, 0), (&XE2.pt, 1)] {
        with_tables(format, false, Room::PLENTY, |rig| {
            let tables = 512 + 2 + deeper;
            let before = rig.arena.publishes;
            let bound = rig.bind(range(0, 1 << 30), one(0x1000, 1 << 30), plain(format), false).unwrap();
            assert_eq!(bound.created, tables);
            let publishes = rig.arena.publishes - before;
            assert!(publishes <= 18 + 2, "{publishes} calls for {tables} tables in blocks of 32");
            // The same tables come back in the opposite order.
            rig.unbind(range(0, 1 << 30)).unwrap();
            let before = rig.arena.publishes;
            rig.bind(range(0, 1 << 30), one(0x1000, 1 << 30), plain(format), false).unwrap();
            let publishes = rig.arena.publishes - before;
            assert!(publishes <= 18 + 2, "{publishes} calls the second time");
        });
    }
}

/// Hook-ups of neighbours are one change.
#[test]
fn pointers_to_new_neighbours_are_stored_as_one_run() {
    with_tables(&GEN12.pt, false, Room::PLENTY, |rig| {
        rig.bind(range(0, 0x1000), one(0x5000, 0x1000), plain(&GEN12.pt), false).unwrap();
        let before = rig.arena.publishes;
        let pages = scattered(0x1000_0000, 0x80_0000);
        rig.bind(range(0x20_0000, 0xA0_0000), pages.iter().copied(), plain(&GEN12.pt), false).unwrap();
        assert_eq!(rig.arena.publishes - before, 2, "four tables, then four pointers");
    });
}
