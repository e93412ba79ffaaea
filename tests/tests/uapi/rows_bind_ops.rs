//! VM bind, table "per op" of bind-and-exec sheet §3.2: each row by a call of each dialect.

use crate::form::{Form, op, unmap};
use crate::table::{ARRAY, Row, accepts, refuses, row};
use barexe_core::Errno::{self, EINVAL, EOPNOTSUPP};
use barexe_core::device::request::{BoRequest, CpuCaching};
use barexe_tests::rig::{Rig, on_each_platform};
use barexe_tests::wire::{Bytes, Ram};

const UNMAP: u32 = 1;
const MAP_USERPTR: u32 = 2;
const UNMAP_ALL: u32 = 3;
const PREFETCH: u32 = 4;
const NULL: u32 = 4;

/// An operation that one row is about.
type OpRow = (&'static str, Bytes, Errno, &'static str);

fn kind(op: Bytes, kind: u32) -> Bytes {
    op.u32(40, kind)
}

fn flags(op: Bytes, flags: u32) -> Bytes {
    op.u32(44, flags)
}

/// Rows that both dialects have. `reserved_pat` is an entry that is none, `incoherent` one without coherence.
fn common(bo: u32, reserved_pat: u16, incoherent: u16) -> Vec<OpRow> {
    let none = || op(0);
    vec![
        ("10a2 past the table", kind(op(bo).u16(12, 32), 9), EINVAL, "pat_index"),
        ("10a3 reserved or past the table", kind(unmap(), UNMAP).u16(12, reserved_pat), EINVAL, "pat_index"),
        ("10b1", flags(kind(op(bo), 5), 1 << 30), EINVAL, "bind operation"),
        ("10b2", flags(none(), 1 << 30), EINVAL, "bind flags"),
        ("10b4 object", flags(kind(op(bo), UNMAP), NULL), EINVAL, "object of a null mapping"),
        ("10b4 offset", flags(none().u64(16, 0x1000), NULL), EINVAL, "offset of a null mapping"),
        ("10b5 UNMAP", flags(unmap(), NULL), EINVAL, "map flags"),
        ("10b5 PREFETCH", flags(kind(none(), PREFETCH), NULL), EINVAL, "map flags"),
        ("10b7", none().u64(16, 1), EINVAL, "object to map"),
        ("10b8 object", kind(none().u64(24, 0).u64(32, 0), UNMAP_ALL), EINVAL, "object to unmap everywhere"),
        ("10b8 address", kind(op(bo).u64(24, 0), UNMAP_ALL), EINVAL, "address to unmap everywhere"),
        ("10b8 range", kind(op(bo).u64(32, 0), UNMAP_ALL), EINVAL, "range to unmap everywhere"),
        ("10b9", kind(op(bo).u16(12, incoherent), MAP_USERPTR), EINVAL, "object of a user pointer"),
        ("10b10", kind(none().u16(12, incoherent).u64(16, 1), MAP_USERPTR), EINVAL, "pat_index of a user pointer"),
        ("10b13", kind(op(bo).u32(48, 32), PREFETCH), EINVAL, "object to prefetch"),
        ("10b14", kind(op(bo).u32(48, 1), UNMAP), EINVAL, "object to unmap"),
        ("10b15 MAP", op(bo).u32(48, 1).u64(16, 1), EINVAL, "prefetch region on another operation"),
        ("10b15 UNMAP", unmap().u32(48, 1), EINVAL, "prefetch region on another operation"),
        ("10b16 no region", kind(none().u32(48, 32), PREFETCH), EINVAL, "prefetch region"),
        ("10b16 not of the device", kind(none().u32(48, 1).u64(24, 0), PREFETCH), EINVAL, "prefetch region"),
        ("10b16 last", kind(none().u32(48, 31), PREFETCH), EINVAL, "prefetch region"),
        ("10c1 offset", op(bo).u64(16, 0x800).u64(32, 1), EINVAL, "object offset"),
        ("10c1 offset of UNMAP", unmap().u64(16, 1), EINVAL, "object offset"),
        ("10c1 offset of PREFETCH", kind(none().u64(16, 1), PREFETCH), EINVAL, "object offset"),
        ("10c1 address", op(bo).u64(32, 0x1A_0800), EINVAL, "bind address"),
        ("10c1 range", op(bo).u64(24, 0x1001), EINVAL, "bind range"),
        ("10c2", op(bo).u64(24, 0), EINVAL, "bind range"),
        ("10c2 UNMAP", unmap().u64(24, 0), EINVAL, "bind range"),
        ("10c2 PREFETCH", kind(none().u64(24, 0), PREFETCH), EINVAL, "bind range"),
    ]
}

/// Row 10b3 and the flags that dialect A does not know, one by one (S25, S30).
fn only_a(bo: u32) -> Vec<OpRow> {
    let spare = "extension, padding or reserved word";
    let mut rows = vec![
        ("10b2 before 10b3", flags(op(bo), 8).u64(0, 1), EINVAL, "bind flags"),
        ("10b3 before 10b4", flags(op(bo), NULL).u16(14, 1), EINVAL, spare),
        ("10b3 extensions", op(bo).u64(0, 1 << 63), EINVAL, spare),
        ("10b3 pad", op(bo).u16(14, 1), EINVAL, spare),
        ("10b3 pad2", op(bo).u32(52, 1), EINVAL, spare),
        ("10b16 no preferred region", kind(op(0).u32(48, u32::MAX), PREFETCH), EINVAL, "prefetch region"),
    ];
    rows.extend([56, 64, 72].map(|at| ("10b3 reserved", op(bo).u64(at, 1), EINVAL, spare)));
    rows.extend((3..32).map(|bit| ("10b2 flag", flags(op(bo), 1 << bit), EINVAL, "bind flags")));
    rows
}

/// Rows about what only dialect U has.
fn only_u(bo: u32, compressed: Option<u16>) -> Vec<OpRow> {
    let (mirror, autoreset, decompress) = (32, 64, 128);
    let mut rows = vec![
        ("10a1", flags(op(bo).u16(12, 99), mirror), EINVAL, "CPU_ADDR_MIRROR"),
        ("10b5 DECOMPRESS", flags(unmap(), decompress), EINVAL, "map flags"),
        ("10b17", flags(op(bo).u64(24, 0), autoreset), EINVAL, "MADVISE_AUTORESET"),
        ("10d", flags(op(bo), decompress), EOPNOTSUPP, "decompression"),
        ("10c before 10d", flags(op(bo).u64(24, 0), decompress), EINVAL, "bind range"),
    ];
    rows.extend((8..32).map(|bit| ("10b2 flag", flags(op(bo), 1 << bit), EINVAL, "bind flags")));
    if let Some(pat) = compressed {
        rows.push(("10b6", flags(op(0).u16(12, pat), decompress), EINVAL, "pat_index for decompression"));
        let userptr = kind(op(0).u16(12, pat), MAP_USERPTR);
        rows.push(("10b10 compressed", userptr, EINVAL, "pat_index of a user pointer"));
    }
    rows
}

/// An object without CPU caching: every PAT row suits it, on every platform.
fn object(rig: &mut Rig<'_>) -> u32 {
    let caching = CpuCaching::WriteCombining;
    let request = BoRequest { size_bytes: 0x2000, caching, scanout: false, no_compression: false, vm: None };
    rig.device.bo_create(rig.client, &request).unwrap()
}

fn rows_of(rig: &Rig<'_>, form: Form, bo: u32) -> Vec<OpRow> {
    let (reserved, incoherent, compressed) = if rig.name() == "tgl" { (4, 1, None) } else { (16, 3, Some(9)) };
    let mut rows = common(bo, reserved, incoherent);
    rows.extend(match form {
        Form::A => only_a(bo),
        Form::U => only_u(bo, compressed),
    });
    rows
}

#[test]
fn operations_are_refused_row_by_row() {
    on_each_platform(|rig| {
        let (vm, bo) = (rig.vm(), object(rig));
        for form in Form::BOTH {
            let rows = rows_of(rig, form, bo).into_iter();
            let alone = |(name, op, errno, says): OpRow| row(name, form.bind(vm, &op), errno, says);
            refuses(rig, form.request(), rows.map(alone).collect());
        }
    });
}

#[test]
fn an_operation_of_an_array_is_refused_like_one_alone_and_takes_the_others_with_it() {
    on_each_platform(|rig| {
        let (vm, bo) = (rig.vm(), object(rig));
        rig.device.syncobj_create(rig.client, true).unwrap();
        for form in Form::BOTH {
            let second = |(name, op, errno, says): OpRow| -> Row {
                let good = crate::form::op(bo).u64(32, 0x30_0000);
                let ops = [good.clone(), op, good.u64(32, 0x40_0000)];
                row(name, form.bind_all(vm, 3), errno, says).on(Ram::new().with_all(ARRAY, &ops))
            };
            let rows = rows_of(rig, form, bo).into_iter().map(second).collect();
            refuses(rig, form.request(), rows);
        }
    });
}

#[test]
fn what_clients_trip_over_is_legal() {
    on_each_platform(|rig| {
        let (vm, bo) = (rig.vm(), object(rig));
        for form in Form::BOTH {
            let mut accept = |op: &Bytes| drop(accepts(rig, form.request(), &form.bind(vm, op), &Ram::new()));
            accept(&op(bo).u64(32, 0));
            accept(&flags(op(0), NULL | 1));
            // Flags that mean nothing there, an offset that has no use, a range with nothing in it.
            accept(&flags(unmap().u64(16, 0x5000), 3));
            accept(&unmap().u64(32, 0x7700_0000));
            accept(&flags(kind(op(bo).u64(24, 0).u64(32, 0), UNMAP_ALL), 3));
            if form == Form::U {
                // Dialect U does not look at spare words (M4).
                accept(&op(bo).u64(0, u64::MAX).u16(14, 1).u32(52, 1).u64(56, 1).u64(72, u64::MAX));
                accept(&flags(unmap(), 1 | 2 | 8 | 16));
            }
        }
    });
}
