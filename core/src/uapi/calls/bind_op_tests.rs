//! The table "per op" of bind-and-exec sheet §3.2, row by row.

use super::*;
use crate::Errno;
use crate::family::{GEN12, XE2};
use crate::uapi::wire::write;
use std::vec::Vec;

/// What a field is set to.
#[derive(Clone, Copy)]
enum Set {
    Obj(u32),
    Pat(u16),
    Offset(u64),
    Range(u64),
    Addr(u64),
    Op(u32),
    Flags(u32),
    Region(u32),
}
use Set::*;

/// MAP of one page of object 1, changed.
fn op(changes: &[Set]) -> [u8; LEN] {
    let mut bytes = [0; LEN];
    for change in [Obj(1), Range(0x1000), Addr(0x1A_0000)].iter().chain(changes) {
        match *change {
            Obj(value) => write(&mut bytes, OBJ, value),
            Pat(value) => write(&mut bytes, PAT_INDEX, value),
            Offset(value) => write(&mut bytes, OFFSET, value),
            Range(value) => write(&mut bytes, RANGE, value),
            Addr(value) => write(&mut bytes, ADDR, value),
            Op(value) => write(&mut bytes, OP, value),
            Flags(value) => write(&mut bytes, FLAGS, value),
            Region(value) => write(&mut bytes, REGION, value),
        }
    }
    bytes
}

/// Every row, in order: its number, an operation it refuses, what the error names, and its value.
fn rows() -> Vec<(&'static str, Vec<Set>, &'static str, u64)> {
    let pfn = Offset(0x7000);
    std::vec![
        ("10a1", std::vec![Obj(0), Flags(CPU_ADDR_MIRROR)], "flag CPU_ADDR_MIRROR", 32),
        ("10a2", std::vec![Pat(32)], "pat_index", 32),
        ("10a3", std::vec![Pat(16)], "pat_index", 16),
        ("10b1", std::vec![Op(5)], "bind operation", 5),
        ("10b2", std::vec![Flags(1 << 30)], "bind flags", 1 << 30),
        ("10b4 object", std::vec![Flags(NULL)], "object of a null mapping", 1),
        ("10b4 offset", std::vec![Flags(NULL), Obj(0), pfn], "offset of a null mapping", 0x7000),
        ("10b5", std::vec![Flags(NULL), Obj(0), Op(UNMAP)], "map flags on another operation", 4),
        ("10b5 decompress", std::vec![Flags(DECOMPRESS), Obj(0), Op(UNMAP)], "map flags on another operation", 128),
        ("10b6", std::vec![Flags(DECOMPRESS), Pat(9)], "pat_index for decompression", 9),
        ("10b7", std::vec![Obj(0)], "object to map", 0),
        ("10b8 object", std::vec![Op(UNMAP_ALL), Obj(0), Addr(0), Range(0)], "object to unmap everywhere", 0),
        ("10b8 address", std::vec![Op(UNMAP_ALL), Addr(0x1A_0000), Range(0)], "address to unmap everywhere", 0x1A_0000),
        ("10b8 range", std::vec![Op(UNMAP_ALL), Addr(0), Range(0x1000)], "range to unmap everywhere", 0x1000),
        ("10b9", std::vec![Op(MAP_USERPTR)], "object of a user pointer", 1),
        ("10b10", std::vec![Op(MAP_USERPTR), Obj(0), Pat(3)], "pat_index of a user pointer", 3),
        ("10b10 compressed", std::vec![Op(MAP_USERPTR), Obj(0), Pat(9)], "pat_index of a user pointer", 9),
        ("10b13", std::vec![Op(PREFETCH)], "object to prefetch", 1),
        ("10b14", std::vec![Op(UNMAP)], "object to unmap", 1),
        ("10b15", std::vec![Region(1)], "prefetch region on another operation", 1),
        ("10b16", std::vec![Op(PREFETCH), Obj(0), Region(32)], "prefetch region", 32),
        ("10b16 mask", std::vec![Op(PREFETCH), Obj(0), Region(1)], "prefetch region", 1),
        ("10b17", std::vec![Flags(MADVISE_AUTORESET)], "flag MADVISE_AUTORESET", 64),
        ("10c1 offset", std::vec![Offset(0x800)], "object offset", 0x800),
        ("10c1 address", std::vec![Addr(0x1A_0010)], "bind address", 0x1A_0010),
        ("10c1 range", std::vec![Range(0xFFF)], "bind range", 0xFFF),
        ("10c1 unmap", std::vec![Op(UNMAP), Obj(0), Offset(1)], "object offset", 1),
        ("10c2", std::vec![Range(0)], "bind range", 0),
    ]
}

#[test]
fn every_row_refuses_what_it_names() {
    for (row, changes, what, value) in rows() {
        let refused = decode(&op(&changes), Dialect::U, XE2.pat);
        assert_eq!(refused, Err(Error::Invalid { what, value }), "row {row}");
    }
}

#[test]
fn an_earlier_row_decides_before_a_later_one() {
    // Each row against those after it, where what makes both true does not make one of them false.
    let rows = rows();
    let mut compared = 0;
    for (at, (row, changes, ..)) in rows.iter().enumerate() {
        for (later, more, ..) in rows.iter().skip(at + 1).filter(|(_, more, ..)| !collide(changes, more)) {
            let both: Vec<Set> = changes.iter().chain(more).copied().collect();
            let Err(Error::Invalid { what: refused, .. }) = decode(&op(&both), Dialect::U, XE2.pat) else {
                panic!("{row} and {later} are accepted");
            };
            // Both together may be what a still earlier row is about, never only what a later one is.
            let decided = rows.iter().position(|(_, _, what, _)| *what == refused);
            assert!(decided.is_some_and(|decided| decided <= at), "{row} before {later}: {refused}");
            compared += 1;
        }
    }
    assert!(compared > 100, "{compared}");
}

/// Whether both set one field, or the second changes what the first row depends on being as it was.
fn collide(first: &[Set], second: &[Set]) -> bool {
    let field = core::mem::discriminant::<Set>;
    let shared = first.iter().any(|one| second.iter().any(|other| field(one) == field(other)));
    // Most rows ask for the kind of operation or for the object.
    let reinterprets = second.iter().any(|set| matches!(set, Op(_) | Obj(_) | Flags(_)));
    shared || (reinterprets && !first.iter().any(|set| matches!(set, Pat(16..))))
}

#[test]
fn what_is_right_decodes() {
    let kind = |changes: &[Set]| decode(&op(changes), Dialect::U, XE2.pat).unwrap().kind;
    assert_eq!(kind(&[]), BindKind::Map { bo: 1, offset_bytes: 0 });
    assert_eq!(kind(&[Offset(0x3000), Addr(0)]), BindKind::Map { bo: 1, offset_bytes: 0x3000 });
    assert_eq!(kind(&[Obj(0), Flags(NULL | 1)]), BindKind::MapNull);
    assert_eq!(kind(&[Obj(0), Op(UNMAP), Offset(0x1000)]), BindKind::Unmap);
    let user = [Obj(0), Op(MAP_USERPTR), Pat(2), Offset(0x5000)];
    assert_eq!(kind(&user), BindKind::MapUserptr { addr: 0x5000 });
    assert_eq!(kind(&[Op(UNMAP_ALL), Addr(0), Range(0)]), BindKind::UnmapAll { bo: 1 });
    for region in [0, BindKind::PREFERRED_REGION] {
        assert_eq!(kind(&[Op(PREFETCH), Obj(0), Region(region)]), BindKind::Prefetch { region });
    }
    let op = decode(&op(&[Pat(2), Flags(1 | 2 | 8 | 16), Addr(u64::MAX & !0xFFF)]), Dialect::U, XE2.pat).unwrap();
    assert_eq!((op.va, op.range_bytes, op.pat_index), (u64::MAX & !0xFFF, 0x1000, 2));
    assert_eq!(op.flags, BindFlags::all(), "CHECK_PXP leaves no trace");
}

#[test]
fn what_is_right_and_missing_says_so() {
    let errno = |changes: &[Set]| decode(&op(changes), Dialect::U, XE2.pat).unwrap_err().errno();
    assert_eq!(errno(&[Flags(DECOMPRESS)]), Errno::EOPNOTSUPP, "row 10d");
    assert_eq!(errno(&[Flags(DECOMPRESS), Offset(1)]), Errno::EINVAL, "row 10c1 comes first");
}

#[test]
fn the_pat_of_the_family_decides() {
    assert!(decode(&op(&[Pat(3)]), Dialect::U, GEN12.pat).is_ok());
    let past_the_end = decode(&op(&[Pat(4)]), Dialect::U, GEN12.pat);
    assert_eq!(past_the_end, Err(Error::invalid("pat_index", 4)));
    assert!(decode(&op(&[Pat(4), Obj(0), Op(UNMAP)]), Dialect::U, GEN12.pat).is_err(), "for every kind of operation");
}

#[test]
fn dialect_u_does_not_look_at_extensions_padding_and_reserved_words_and_dialect_a_does() {
    let mut all = op(&[]);
    for at in (0..8).chain(14..16).chain(52..80) {
        all[at] = 0xFF;
        let mut one = op(&[]);
        one[at] = 0x80;
        let spare = Error::invalid("extension, padding or reserved word", 0x80);
        assert_eq!(decode(&one, Dialect::A, XE2.pat), Err(spare), "byte {at}, row 10b3");
    }
    assert_eq!(decode(&all, Dialect::U, XE2.pat), decode(&op(&[]), Dialect::U, XE2.pat));
    assert_eq!(decode(&op(&[]), Dialect::A, XE2.pat), decode(&op(&[]), Dialect::U, XE2.pat));
}

#[test]
fn dialect_a_knows_three_flags_and_no_preferred_region() {
    let what = |changes: &[Set]| match decode(&op(changes), Dialect::A, XE2.pat) {
        Err(Error::Invalid { what, .. }) => what,
        other => panic!("{other:?}"),
    };
    for bit in 3..32 {
        assert_eq!(what(&[Flags(1 << bit)]), "bind flags", "D13, bit {bit}");
    }
    assert_eq!(what(&[Flags(CPU_ADDR_MIRROR), Pat(32)]), "pat_index", "there is no row 10a1");
    assert_eq!(what(&[Op(PREFETCH), Obj(0), Region(BindKind::PREFERRED_REGION)]), "prefetch region");
    let all = decode(&op(&[Obj(0), Flags(7)]), Dialect::A, XE2.pat).unwrap();
    assert_eq!((all.kind, all.flags), (BindKind::MapNull, BindFlags::READONLY | BindFlags::IMMEDIATE));
}

#[test]
fn the_rows_of_both_dialects_are_the_same_but_for_what_only_one_has() {
    let only_u = [CPU_ADDR_MIRROR, DECOMPRESS, MADVISE_AUTORESET];
    let mut same = 0;
    for (row, changes, what, value) in rows() {
        if changes.iter().any(|set| matches!(set, Flags(flags) if only_u.contains(flags))) {
            continue;
        }
        let refused = decode(&op(&changes), Dialect::A, XE2.pat);
        assert_eq!(refused, Err(Error::Invalid { what, value }), "row {row}");
        same += 1;
    }
    assert!(same > 20, "{same}");
}

#[test]
fn spare_words_are_looked_at_after_flags_and_before_null() {
    let mut bytes = op(&[Flags(8)]);
    bytes[79] = 1;
    assert_eq!(decode(&bytes, Dialect::A, XE2.pat), Err(Error::invalid("bind flags", 8)));
    write(&mut bytes, FLAGS, NULL);
    assert_eq!(decode(&bytes, Dialect::A, XE2.pat), Err(Error::invalid("extension, padding or reserved word", 1)));
}
