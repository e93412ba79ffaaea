//! Buffer objects: bind-and-exec sheet §3.10, §3.11 and GEM_CLOSE.

use crate::table::{ARRAY, NOWHERE, Row, accepts, refuses, row};
use barexe_core::Errno::{E2BIG, EACCES, EFAULT, EINVAL, ENODEV, ENOENT, EOPNOTSUPP};
use barexe_core::uapi::request::{GEM_CLOSE, GEM_FLINK, GEM_OPEN, XE_GEM_CREATE, XE_GEM_MMAP_OFFSET};
use barexe_tests::rig::on_each_platform;
use barexe_tests::wire::{Bytes, Ram};

/// `drm_xe_gem_create`: one page of system memory, write-back.
fn create() -> Bytes {
    Bytes::new(56).u64(8, 0x1000).u32(16, 1).u16(32, 1)
}

/// A SET_PROPERTY extension.
pub(crate) fn property(next: u64, property: u32, value: u64) -> Bytes {
    Bytes::new(48).u64(0, next).u32(16, property).u64(24, value)
}

/// One property of the object.
fn with_property(name: &'static str, extension: &Bytes, errno: barexe_core::Errno, says: &'static str) -> Row {
    row(name, create().u64(0, ARRAY), errno, says).on(Ram::new().with(ARRAY, &extension.0))
}

#[test]
fn create_refuses_row_by_row() {
    on_each_platform(|rig| {
        let mut rows = vec![
            row("1 pad", create().u16(34, 1), EINVAL, "padding"),
            row("1 pad, last word", create().u16(38, 0xFFFF), EINVAL, "padding"),
            row("1 reserved", create().u32(16, 0).u64(40, 1), EINVAL, "reserved"),
            row("1 reserved, second word", create().u64(48, u64::MAX), EINVAL, "reserved"),
            row("2 no placement", create().u32(16, 0).u32(20, 16), EINVAL, "placement"),
            row("2 VRAM", create().u32(16, 2), EINVAL, "placement"),
            row("2 both", create().u32(16, 3), EINVAL, "placement"),
            row("3 unknown flag", create().u32(20, 16).u32(28, 1), EINVAL, "buffer object flags"),
            row("4 handle", create().u32(28, 1).u64(8, 0), EINVAL, "GEM handle"),
            row("5 size 0", create().u64(8, 0).u16(32, 0), EINVAL, "size"),
            row("5 size not of pages", create().u64(8, 0x1800), EINVAL, "size"),
            row("7 visible VRAM", create().u32(20, 4).u16(32, 0), EINVAL, "visible VRAM"),
            row("8 no caching", create().u16(32, 0).u32(24, 0x7777), EINVAL, "CPU caching"),
            row("8 unknown caching", create().u16(32, 3), EINVAL, "CPU caching"),
            row("10 scan-out and write-back", create().u32(20, 2).u32(24, 0x7777), EINVAL, "scan-out"),
            row("11 unknown VM", create().u32(24, 0x7777).u64(0, NOWHERE), ENOENT, "no Vm"),
            row("14 unreadable", create().u64(0, NOWHERE), EFAULT, "client memory"),
            with_property("14 unknown property", &property(0, 1, 0), EINVAL, "buffer object property"),
            with_property("14 protected", &property(0, 0, 1), ENODEV, "protected content"),
            with_property("14 protected how", &property(0, 0, 2), EINVAL, "protected content type"),
            with_property("14 name", &property(0, 0, 0).u32(8, 1), EINVAL, "extension name"),
            with_property("14 pad of header", &property(0, 0, 0).u32(12, 1), EINVAL, "padding"),
            with_property("14 pad of property", &property(0, 0, 0).u32(20, 1), EINVAL, "padding"),
            with_property("14 endless", &property(ARRAY, 0, 0), E2BIG, "more than 16"),
        ];
        if rig.name() == "tgl" {
            rows.push(row("6 no compression", create().u32(20, 8 | 4), EOPNOTSUPP, "compression"));
        }
        refuses(rig, XE_GEM_CREATE, rows);
        let vm = rig.vm();
        let private = accepts(rig, XE_GEM_CREATE, &create().u32(24, vm).u32(20, 1), &Ram::new());
        assert_ne!(private.get_u32(28), 0);
        let unprotected = Ram::new().with(ARRAY, &property(0, 0, 0).0);
        accepts(rig, XE_GEM_CREATE, &create().u64(0, ARRAY).u32(20, 2).u16(32, 2), &unprotected);
        if rig.name() == "lnl" {
            accepts(rig, XE_GEM_CREATE, &create().u32(20, 8), &Ram::new());
        }
    });
}

/// `drm_xe_gem_mmap_offset`.
fn mmap(handle: u32) -> Bytes {
    Bytes::new(40).u32(8, handle)
}

#[test]
fn mmap_offset_refuses_row_by_row_and_repeats_itself() {
    on_each_platform(|rig| {
        let (one, two) = (rig.bo(0x3000).bo, rig.bo(0x1000).bo);
        let rows = vec![
            row("1 extensions", mmap(one).u64(0, 1), EINVAL, "extension"),
            row("1 reserved", mmap(one).u64(24, 1), EINVAL, "reserved"),
            row("1 reserved, second word", mmap(one).u64(32, 1), EINVAL, "reserved"),
            row("2 unknown flag", mmap(one).u32(12, 2), EINVAL, "mmap flags"),
            row("3 PCI barrier", mmap(0).u32(12, 1), EINVAL, "PCI barrier"),
            row("4 unknown handle", mmap(0x7777), ENOENT, "no Bo"),
            row("4 handle 0", mmap(0), ENOENT, "no Bo"),
        ];
        refuses(rig, XE_GEM_MMAP_OFFSET, rows);
        let mut offset = |handle| accepts(rig, XE_GEM_MMAP_OFFSET, &mmap(handle), &Ram::new()).get_u64(16);
        let (first, second) = (offset(one), offset(two));
        assert_eq!((first, second), (offset(one), offset(two)));
        assert!(first % 0x1000 == 0 && second >= first + 0x3000, "{first:#x}, {second:#x}");
    });
}

#[test]
fn close_refuses_what_is_no_handle() {
    on_each_platform(|rig| {
        let (bo, stranger) = (rig.bo(0x1000), rig.device.client_open(true).unwrap());
        let close = |handle| Bytes::new(8).u32(0, handle);
        let rows = vec![
            row("unknown handle", close(0x7777), EINVAL, "GEM handle"),
            row("handle 0", close(0), EINVAL, "GEM handle"),
        ];
        refuses(rig, GEM_CLOSE, rows);
        let own = core::mem::replace(&mut rig.client, stranger);
        refuses(rig, GEM_CLOSE, vec![row("foreign handle", close(bo.bo), EINVAL, "GEM handle")]);
        rig.client = own;
        accepts(rig, GEM_CLOSE, &close(bo.bo), &Ram::new());
        refuses(rig, GEM_CLOSE, vec![row("closed handle", close(bo.bo), EINVAL, "GEM handle")]);
    });
}

/// `drm_gem_flink`, `drm_gem_open`: names that every trusted client at the primary node can use.
#[test]
fn names_are_for_trusted_clients_at_the_primary_node() {
    on_each_platform(|rig| {
        let bo = rig.bo(0x3000);
        let flink = Bytes::new(8).u32(0, bo.bo);
        let open = |name| Bytes::new(16).u32(0, name);
        let at_render_node = rig.client;
        refuses(rig, GEM_FLINK, vec![row("render node", flink.clone(), EACCES, "primary node")]);
        refuses(rig, GEM_OPEN, vec![row("render node", open(1), EACCES, "primary node")]);
        rig.device.client_at_primary(at_render_node).unwrap();
        refuses(rig, GEM_FLINK, vec![row("unknown handle", Bytes::new(8).u32(0, 0x7777), ENOENT, "no Bo")]);
        let name = accepts(rig, GEM_FLINK, &flink, &Ram::new()).get_u32(4);
        assert_eq!(accepts(rig, GEM_FLINK, &flink, &Ram::new()).get_u32(4), name);
        refuses(rig, GEM_OPEN, vec![row("unknown name", open(name ^ 0x5555), ENOENT, "no Bo")]);
        for (privileged, errno) in [(false, Some(EACCES)), (true, None)] {
            rig.client = rig.device.client_open(privileged).unwrap();
            rig.device.client_at_primary(rig.client).unwrap();
            if let Some(errno) = errno {
                refuses(rig, GEM_OPEN, vec![row("not trusted", open(name), errno, "names of buffer objects")]);
            } else {
                let opened = accepts(rig, GEM_OPEN, &open(name), &Ram::new());
                assert_eq!(opened.get_u64(8), 0x3000);
                assert_eq!(rig.device.bo_size(rig.client, opened.get_u32(4)), Ok(0x3000));
            }
        }
    });
}
