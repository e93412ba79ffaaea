//! The PAT table of bind-and-exec sheet §3.4, index by index, as bind calls meet it.

use crate::form::{Form, op, unmap};
use crate::table::{Row, accepts, refuses, row};
use barexe_core::Errno::EINVAL;
use barexe_core::device::TableWriter;
use barexe_core::device::request::{BoRequest, CpuCaching};
use barexe_tests::rig::{Rig, on_each_platform_by};
use barexe_tests::wire::{Bytes, Ram};

/// What the sheet says of an index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Entry {
    /// Reserved, or past the end.
    Reserved,
    /// Whether the CPU's caches are seen, and whether memory is compressed.
    Valid { coherent: bool, compressed: bool },
}

/// The table, written down a second time.
fn entry(platform: &str, index: u16) -> Entry {
    let valid = |coherent, compressed| Entry::Valid { coherent, compressed };
    match (platform, index) {
        ("tgl", 0) => valid(true, false),
        ("tgl", 1..=3) => valid(false, false),
        ("lnl", 0 | 3 | 6 | 8 | 13 | 20 | 24 | 28) => valid(false, false),
        ("lnl", 1 | 4 | 5 | 22 | 26 | 30 | 2 | 7 | 23 | 27 | 31) => valid(true, false),
        ("lnl", 9..=12 | 14 | 15 | 21 | 25 | 29) => valid(false, true),
        _ => Entry::Reserved,
    }
}

/// Indices that are looked at: the whole table, and beyond.
fn indices() -> impl Iterator<Item = u16> {
    (0..40).chain([63, 64, 255, 256, 257, 999, u16::MAX])
}

fn object(rig: &mut Rig<'_>, caching: CpuCaching, no_compression: bool) -> Option<u32> {
    let request = BoRequest { size_bytes: 0x1000, caching, scanout: false, no_compression, vm: None };
    rig.device.bo_create(rig.client, &request).ok()
}

/// A call for each index: refused as the table has it, or accepted. How many were which.
fn each_index(
    rig: &mut Rig<'_>,
    (form, vm, what): (Form, u32, &'static str),
    op: &Bytes,
    fits: impl Fn(Entry) -> bool,
) -> (usize, usize) {
    let platform = rig.name();
    let call = |index: u16| form.bind(vm, &op.clone().u16(12, index));
    let (right, wrong): (Vec<u16>, Vec<u16>) = indices().partition(|index| fits(entry(platform, *index)));
    // Which check decided: of the index by itself, or against the object.
    let says = |index: u16| if entry(platform, index) == Entry::Reserved { "pat_index" } else { "PAT index" };
    let rows: Vec<Row> = wrong.iter().map(|index| row(what, call(*index), EINVAL, says(*index))).collect();
    let counts = (right.len(), rows.len());
    refuses(rig, form.request(), rows);
    for index in right {
        accepts(rig, form.request(), &call(index), &Ram::new());
    }
    counts
}

#[test]
fn every_index_is_taken_where_the_table_has_it() {
    on_each_platform_by(TableWriter::Cpu, |rig| {
        let vm = rig.vm();
        let cached = object(rig, CpuCaching::WriteBack, false).unwrap();
        let uncached = object(rig, CpuCaching::WriteCombining, false).unwrap();
        let plain = object(rig, CpuCaching::WriteCombining, true);
        let valid = |entry| entry != Entry::Reserved;
        let (all, some_coherent) = if rig.name() == "tgl" { (4, 1) } else { (28, 11) };
        for form in Form::BOTH {
            // An index must be right also where nothing is mapped by it.
            let on = |what| (form, vm, what);
            assert_eq!(each_index(rig, on("10a UNMAP"), &unmap(), valid).0, all);
            let prefetch = unmap().u32(40, 4);
            assert_eq!(each_index(rig, on("10a PREFETCH"), &prefetch, valid).0, all);
            let unmap_all = op(uncached).u32(40, 3).u64(24, 0).u64(32, 0);
            assert_eq!(each_index(rig, on("10a UNMAP_ALL"), &unmap_all, valid).0, all);
            assert_eq!(each_index(rig, on("10a NULL"), &op(0).u32(44, 4), valid).0, all);
            assert_eq!(each_index(rig, on("10a MAP"), &op(uncached), valid).0, all);
            let coherent = |entry| matches!(entry, Entry::Valid { coherent: true, .. });
            assert_eq!(each_index(rig, on("3.3-4"), &op(cached), coherent).0, some_coherent);
            if let Some(plain) = plain {
                let uncompressed = |entry| matches!(entry, Entry::Valid { compressed: false, .. });
                assert_eq!(each_index(rig, on("3.3-1"), &op(plain), uncompressed).0, all - 9);
            }
        }
        assert_eq!(plain.is_some(), rig.name() == "lnl", "compression can be forbidden where there is some");
    });
}
