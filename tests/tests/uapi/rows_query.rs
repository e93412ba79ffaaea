//! Device query: bind-and-exec sheet §3.13. What queries answer is compared with recordings elsewhere.

use crate::table::{ARRAY, NOWHERE, accepts, refuses, row};
use barexe_core::Errno::{EFAULT, EINVAL, ENODEV, EOPNOTSUPP};
use barexe_core::device::Config;
use barexe_core::uapi::request::XE_DEVICE_QUERY;
use barexe_core::uapi::{self, Answer};
use barexe_sim::{Platform, SimConfig};
use barexe_tests::rig::{Rig, on_each_platform, on_opened};
use barexe_tests::wire::{Bytes, Ram};

/// `drm_xe_device_query` with a buffer at [`ARRAY`].
fn query(number: u32, size: u32) -> Bytes {
    Bytes::new(40).u32(8, number).u32(12, size).u64(16, ARRAY)
}

/// Length of a query's answer.
fn size(rig: &mut Rig<'_>, number: u32) -> u32 {
    accepts(rig, XE_DEVICE_QUERY, &query(number, 0), &Ram::new()).get_u32(12)
}

#[test]
fn queries_are_refused_row_by_row() {
    on_each_platform(|rig| {
        let firmware = |bytes: Bytes| Ram::new().with(ARRAY, &bytes.0);
        let rows = vec![
            row("extensions", query(11, 0).u64(0, 1), EINVAL, "extension"),
            row("reserved", query(11, 0).u64(24, 1), EINVAL, "reserved"),
            row("reserved, second word", query(0, 0).u64(32, 1), EINVAL, "reserved"),
            row("query", query(11, 0), EINVAL, "device query"),
            row("query, most", query(u32::MAX, 0), EINVAL, "device query"),
            row("4 size", query(4, 276), EINVAL, "size"),
            row("6", query(6, 0), EOPNOTSUPP, "ENGINE_CYCLES"),
            row("7 size", query(7, 31), EINVAL, "size"),
            row("7 unreadable", query(7, 32).u64(16, NOWHERE), EFAULT, "client memory"),
            row("7 pad", query(7, 32), EINVAL, "padding").on(firmware(Bytes::new(32).u16(0, 2).u16(2, 1))),
            row("7 pad2", query(7, 32), EINVAL, "padding").on(firmware(Bytes::new(32).u32(20, 1))),
            row("7 reserved", query(7, 32), EINVAL, "padding").on(firmware(Bytes::new(32).u64(24, 1))),
            row("7 type", query(7, 32), EINVAL, "firmware type").on(firmware(Bytes::new(32).u16(0, 2))),
            row("7 GuC", query(7, 32), ENODEV, "firmware").on(firmware(Bytes::new(32))),
            row("7 HuC", query(7, 32), ENODEV, "firmware").on(firmware(Bytes::new(32).u16(0, 1))),
            row("9 size", query(9, 4), EINVAL, "size"),
            row("9", query(9, 8), ENODEV, "protected content"),
            row("10, before its size", query(10, 0), ENODEV, "EU stall"),
        ];
        refuses(rig, XE_DEVICE_QUERY, rows);
        assert_eq!((size(rig, 4), size(rig, 7), size(rig, 9)), (0, 32, 8));
    });
}

/// Bytes of a query's answer.
fn answer(rig: &mut Rig<'_>, number: u32) -> Bytes {
    let len = size(rig, number);
    let mut memory = Ram::new().with(ARRAY, &vec![0; len as usize]);
    let mut arg = query(number, len);
    let done = uapi::ioctl(&mut rig.device, rig.client, XE_DEVICE_QUERY, &mut arg.0, &mut memory);
    assert_eq!(done, Ok(Answer::Done(0)));
    Bytes(memory.at(ARRAY).to_vec())
}

fn half(bytes: &Bytes, at: usize) -> u16 {
    u16::try_from(bytes.get_u32(at) & 0xFFFF).unwrap_or_default()
}

#[test]
fn queries_list_every_tile() {
    for tiles in [2, 3] {
        let config = SimConfig::new(Platform::tgl_with_tiles(tiles));
        on_opened(&config, Config::default(), |rig| {
            let tiles = u16::from(tiles);
            let (list, engines, topology) = (answer(rig, 3), answer(rig, 0), answer(rig, 5));
            assert_eq!(list.get_u32(0), u32::from(tiles));
            for (tile, at) in (0..tiles).zip((8..).step_by(96)) {
                // Type main, tile, GT id: one GT to a tile here.
                let head = [0, 2, 4].map(|field| half(&list, at + field));
                assert_eq!((head, list.get_u32(at + 12)), ([0, tile, tile], 19_200_000));
            }
            // Render, copy, two decoders and an enhancer on each, GT by GT, counted anew on each.
            let classes = [(0, 0), (1, 0), (2, 0), (2, 1), (3, 0)];
            let want = (0..tiles).flat_map(|gt| classes.map(move |(class, instance)| [class, instance, gt]));
            let seen = (8..engines.0.len()).step_by(32).map(|at| [0, 2, 4].map(|field| half(&engines, at + field)));
            assert_eq!((seen.collect::<Vec<_>>(), engines.get_u32(0)), (want.collect(), 5 * u32::from(tiles)));
            let of_one = topology.0.len() / usize::from(tiles);
            for (tile, part) in (0..tiles).zip(topology.0.chunks(of_one)) {
                assert_eq!((part.len(), part.first_chunk()), (80, Some(&tile.to_le_bytes())));
            }
        });
    }
}

#[test]
fn an_answer_goes_out_whole_or_not_at_all() {
    on_each_platform(|rig| {
        for number in [0, 1, 2, 3, 5, 8] {
            let len = size(rig, number);
            assert!(len > 8, "{number}");
            let short = Ram::new().with(ARRAY, &vec![0xEE; len as usize - 1]);
            let rows = vec![
                row("size too small", query(number, len - 1), EINVAL, "size").on(short.clone()),
                row("size too large", query(number, len + 1), EINVAL, "size"),
                row("unwritable", query(number, len).u64(16, NOWHERE), EFAULT, "client memory"),
                row("unwritable end", query(number, len), EFAULT, "client memory").on(short),
            ];
            refuses(rig, XE_DEVICE_QUERY, rows);
            let room = Ram::new().with(ARRAY, &vec![0xEE; len as usize]);
            assert_eq!(accepts(rig, XE_DEVICE_QUERY, &query(number, len), &room), query(number, len));
        }
    });
}
