//! Device query: bind-and-exec sheet §3.13. What queries answer is compared with recordings elsewhere.

use crate::table::{ARRAY, NOWHERE, accepts, refuses, row};
use barexe_core::Errno::{EFAULT, EINVAL, ENODEV};
use barexe_core::device::Config;
use barexe_core::uapi::request::XE_DEVICE_QUERY;
use barexe_core::uapi::{self, Answer};
use barexe_hal::Nanos;
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
        let foreign = Bytes::new(40).u16(0, 1).u16(4, 9).u32(8, 1);
        let rows = vec![
            row("extensions", query(11, 0).u64(0, 1), EINVAL, "extension"),
            row("reserved", query(11, 0).u64(24, 1), EINVAL, "reserved"),
            row("reserved, second word", query(0, 0).u64(32, 1), EINVAL, "reserved"),
            row("query", query(11, 0), EINVAL, "device query"),
            row("query, most", query(u32::MAX, 0), EINVAL, "device query"),
            row("4 size", query(4, 288), EINVAL, "size"),
            row("6 size", query(6, 39), EINVAL, "size"),
            row("6 unreadable", query(6, 40).u64(16, NOWHERE), EFAULT, "client memory"),
            row("6 clock", query(6, 40), EINVAL, "clock id").on(cycles(9, 9, 2)),
            row("6 clock, negative", query(6, 40), EINVAL, "clock id").on(cycles(0, 0, u32::MAX)),
            row("6 GT", query(6, 40), EINVAL, "engine instance").on(Ram::new().with(ARRAY, &foreign.0)),
            row("6 class", query(6, 40), EINVAL, "engine class").on(cycles(5, 0, 1)),
            row("6 engine", query(6, 40), EINVAL, "engine instance").on(cycles(1, 9, 1)),
            row("7 size", query(7, 31), EINVAL, "size"),
            row("7 unreadable", query(7, 32).u64(16, NOWHERE), EFAULT, "client memory"),
            row("7 pad", query(7, 32), EINVAL, "padding").on(firmware(Bytes::new(32).u16(0, 2).u16(2, 1))),
            row("7 pad2", query(7, 32), EINVAL, "padding").on(firmware(Bytes::new(32).u32(20, 1))),
            row("7 reserved", query(7, 32), EINVAL, "padding").on(firmware(Bytes::new(32).u64(24, 1))),
            row("7 type", query(7, 32), EINVAL, "firmware type").on(firmware(Bytes::new(32).u16(0, 2))),
            row("9 size", query(9, 4), EINVAL, "size"),
            row("9", query(9, 8), ENODEV, "protected content"),
            row("10, before its size", query(10, 0), ENODEV, "EU stall"),
        ];
        refuses(rig, XE_DEVICE_QUERY, rows);
        if rig.name() == "lnl" {
            let absent = row("7 absent", query(7, 32), ENODEV, "firmware").on(firmware(Bytes::new(32).u16(0, 1)));
            refuses(rig, XE_DEVICE_QUERY, vec![absent]);
        }
        assert_eq!((size(rig, 4), size(rig, 6), size(rig, 7), size(rig, 9)), (0, 40, 32, 8));
    });
}

/// Client memory that asks for the cycles of an engine of GT 0, by a clock.
fn cycles(class: u16, instance: u16, clock: u32) -> Ram {
    Ram::new().with(ARRAY, &Bytes::new(40).u16(0, class).u16(2, instance).u32(8, clock).0)
}

/// The buffer of a query that is asked with these bytes in it.
fn asked(rig: &mut Rig<'_>, number: u32, question: Bytes) -> Bytes {
    let mut memory = Ram::new().with(ARRAY, &question.0);
    let mut arg = query(number, u32::try_from(question.0.len()).unwrap_or(0));
    let done = uapi::ioctl(&mut rig.device, rig.client, XE_DEVICE_QUERY, &mut arg.0, &mut memory);
    assert_eq!(done, Ok(Answer::Done(0)), "{}: query {number}", rig.name());
    Bytes(memory.at(ARRAY).to_vec())
}

/// Reads every client engine's cycles by every clock, a millisecond of device time apart.
#[test]
fn engine_cycles_go_on_with_the_clock() {
    // The simulated part counts 19.2 MHz (engines sheet §13.1).
    const TICKS_PER_MS: u64 = 19_200;
    on_each_platform(|rig| {
        for engine in rig.engines() {
            for clock in [0, 1, 4, 7, 11] {
                let class = engine.class.client_code().unwrap();
                let question = Bytes::new(40).u16(0, class).u16(2, engine.logical.into()).u16(4, engine.gt.into());
                let question = question.u32(8, clock).u32(12, 99).with(16, &[0xFF; 24]);
                let first = asked(rig, 6, question.clone());
                rig.sim.advance(Nanos::from_millis(1));
                let second = asked(rig, 6, question.clone());
                let passed = |at: usize| second.get_u64(at) - first.get_u64(at);
                let (ticks, time, taken) = (passed(16), passed(24), second.get_u64(32));
                assert!((TICKS_PER_MS..TICKS_PER_MS + 200).contains(&ticks), "{engine:?}: {ticks}");
                assert!((1_000_000..1_010_000).contains(&time) && taken < 10_000, "{engine:?}: {time}, {taken}");
                assert_eq!(second.get_u32(12), if rig.name() == "lnl" { 64 } else { 36 });
                assert_eq!(second.0[..12], question.0[..12], "what was asked stays");
            }
        }
        let by = |rig: &mut Rig<'_>, clock| asked(rig, 6, Bytes(cycles(1, 0, clock).at(ARRAY).to_vec())).get_u64(24);
        let (monotonic, calendar) = (by(rig, 1), by(rig, 0));
        assert!(calendar > monotonic + 1_000_000_000_000_000, "the day of the HAL's own: {calendar}, {monotonic}");
    });
}

#[test]
fn firmware_levels_are_those_of_the_platform() {
    on_each_platform(|rig| {
        let numbers = |bytes: &Bytes| [4, 8, 12, 16].map(|at| bytes.get_u32(at));
        let submission = asked(rig, 7, Bytes::new(32).with(4, &[0xEE; 16]));
        assert_eq!((numbers(&submission), submission.get_u32(0)), ([0, 1, 22, 0], 0));
        if rig.name() == "tgl" {
            let media = asked(rig, 7, Bytes::new(32).u16(0, 1));
            assert_eq!((numbers(&media), media.get_u32(0)), ([0, 7, 9, 3], 1));
        }
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
