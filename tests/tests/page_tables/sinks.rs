//! The same changes by commands: page-tables sheet §6 check 4, and equal results.

use super::{one, plain, range, scattered};
use barexe_core::family::{GEN12, XE2};
use barexe_core::mem::pages::Need;
use barexe_core::mem::tree::{Mapping, Segment, Stage, VaRange, need};
use barexe_tests::tables::{CommandSink, Leaf, Rig, Room, with_tables};

/// Binds by commands; the batch.
fn bind<'p>(rig: &mut Rig<'_>, span: VaRange, backing: impl Iterator<Item = Segment<'p>> + Clone) -> Vec<u32> {
    let format = rig.format;
    let mut reservation = rig.pages.reserve(&mut rig.arena, need(format, span, backing.clone())).unwrap();
    let mut sink = CommandSink::new(&mut rig.arena);
    let mut stage = Stage::new(&mut rig.pages, &mut reservation, format, &mut sink);
    let mapping = Mapping { range: span, backing, attributes: plain(format), rebind: false };
    rig.tree.bind(&mut stage, mapping).unwrap();
    let stale = stage.finish();
    let batch = sink.dwords.clone();
    sink.run(&rig.pages);
    rig.pages.unreserve(reservation);
    rig.release(stale);
    batch
}

fn unbind(rig: &mut Rig<'_>, span: VaRange) -> Vec<u32> {
    let mut none = rig.pages.reserve(&mut rig.arena, Need::default()).unwrap();
    let mut sink = CommandSink::new(&mut rig.arena);
    let mut stage = Stage::new(&mut rig.pages, &mut none, rig.format, &mut sink);
    rig.tree.unbind(&mut stage, span).unwrap();
    let stale = stage.finish();
    let batch = sink.dwords.clone();
    sink.run(&rig.pages);
    rig.release(stale);
    batch
}

#[test]
fn commands_leave_the_tables_that_stores_leave() {
    for format in super::FORMATS {
        let spans = [range(0, 0x1000), range(0x60_8000, 0x60_9000), range(0x1F_F000, 0x60_1000)];
        let look = |rig: &Rig<'_>| rig.walk(range(0, 1 << 30)).collect::<Vec<Leaf>>();
        let by_stores = with_tables(format, true, Room::PLENTY, |rig| {
            for span in spans {
                let pages = scattered(0x1000_0000, span.len_bytes());
                rig.bind(span, pages.iter().copied(), plain(format), false).unwrap();
            }
            let bound = look(rig);
            rig.unbind(spans[2]).unwrap();
            (bound, look(rig))
        });
        let by_commands = with_tables(format, true, Room::PLENTY, |rig| {
            for span in spans {
                let pages = scattered(0x1000_0000, span.len_bytes());
                bind(rig, span, pages.iter().copied());
            }
            let bound = look(rig);
            unbind(rig, spans[2]);
            (bound, look(rig))
        });
        assert_eq!(by_stores, by_commands);
    }
}

/// GPU path, check 4.
#[test]
fn a_run_longer_than_a_command_is_cut_into_two() {
    with_tables(&GEN12.pt, false, Room::PLENTY, |rig| {
        bind(rig, range(0, 0x1000), one(0x9000, 0x1000));
        bind(rig, range(0x1000, 0x20_0000), one(0x10_0000, 0x1F_F000));
        let batch = unbind(rig, range(0x1000, 0x20_0000));
        let second = 3 + 2 * 510;
        assert_eq!((batch[0], batch[1] & 0xFFF), (0x1020_03FD, 0x008));
        assert_eq!((batch[second], batch[second + 1] & 0xFFF), (0x1020_0003, 0xFF8));
        assert_eq!(batch.len(), second + 3 + 2);
    });
}

/// GPU path, check 1, with the address a table has here and the entries of system memory.
#[test]
fn two_large_leaves_are_one_command_of_two_qwords() {
    with_tables(&XE2.pt, false, Room::PLENTY, |rig| {
        bind(rig, range(0, 0x1000), one(0x9000, 0x1000));
        let batch = bind(rig, range(0x40_0000, 0x80_0000), one(0x4000_0000, 0x40_0000));
        assert_eq!((batch[0], batch[1] & 0xFFF), (0x1020_0005, 0x010));
        assert_eq!(batch[3..], [0x4000_0493, 0, 0x4020_0493, 0]);
    });
}
