//! Copies and fills.

use super::*;

#[test]
fn copies_and_fills_of_both_parts_move_the_bytes() {
    let (from, to) = (VA as u32 + 0x400, VA as u32 + 0x800);
    let mut tgl = Rig::tgl();
    tgl.bus.put(DATA + 0x400, b"barexe!!");
    let copy = [0x5080_0008, 0x0300_0100, 0, 0x0001_0002, to, 0, 0, 0x100, from, 0];
    let fill = [0x5110_0009, 0x00C0_00FF, 0, 0x0001_0004, VA as u32 + 0xC00, 0, 0x8000_0000, 0xABCD_EF01, 0, 0, 0];
    tgl.run_batch(&[&copy[..], &fill, &[0x0500_0000]].concat());
    assert_eq!(tgl.bus.get32(DATA + 0x804).to_le_bytes(), *b"xe!!", "{:?}", tgl.streamer.fault());
    assert_eq!((tgl.bus.get32(DATA + 0xC0C), tgl.bus.get32(DATA + 0xC10)), (0xABCD_EF01, 0));

    let mut lnl = Rig::lnl();
    lnl.bus.put(DATA + 0x400, b"barexe!!");
    let copy = [0x5680_0008, 7, 0, 0, 0, from, 0, to, 0, 0x3000_0018];
    let fill = [0x56C2_0005, 0xF, 1, 0x1F, VA as u32 + 0xC00, 0, 0x7700_0018];
    lnl.run_batch(&[&copy[..], &fill, &[0x0500_0000]].concat());
    assert_eq!(lnl.bus.get32(DATA + 0x804).to_le_bytes(), *b"xe!!", "{:?}", lnl.streamer.fault());
    assert_eq!((lnl.bus.get32(DATA + 0xC2C), lnl.bus.get32(DATA + 0xC30)), (0x7777_7777, 0));
    assert_eq!(lnl.bus.get32(DATA + 0xC10), 0, "between the rows");
}

#[test]
fn a_command_of_the_other_part_stops_the_engine() {
    for (mut rig, command) in [
        (Rig::tgl(), [0x5680_0008, 7, 0, 0, 0, 0, 0, 0, 0, 0]),
        (Rig::lnl(), [0x54F0_0008, 0x03CC_0100, 0, 0, 0, 0, 0, 0, 0, 0]),
    ] {
        assert_eq!(rig.run_batch(&command).state, State::Halted);
        assert!(matches!(rig.streamer.fault(), Some(Stop::Instruction(_))));
    }
}

const COPY: [u32; 10] = [0x5080_0008, 0x0300_0100, 0, 0x0001_0002, at(0x800), 0, 0, 0x100, at(0x400), 0];
const FILL: [u32; 11] = [0x5110_0009, 0x00C0_00FF, 0, 0x0001_0004, at(0xC00), 0, 0x8000_0000, 1, 2, 3, 4];
const MEM_COPY: [u32; 10] = [0x5680_0008, 7, 0, 0, 0, at(0x400), 0, at(0x800), 0, 0x3000_0018];
const MEM_SET: [u32; 7] = [0x56C2_0005, 0xF, 1, 0x1F, at(0xC00), 0, 0x7700_0018];

/// The command with one dword changed, and an end.
fn with(command: &[u32], dword: usize, value: u32) -> Vec<u32> {
    let mut batch = [command, &[END]].concat();
    batch[dword] = value;
    batch
}

#[test]
fn what_a_copy_or_fill_cannot_do_here_stops_the_engine() {
    for (command, dword, value, why) in [
        (&COPY[..], 0, 0x5080_2008, "a tiled surface"),
        (&COPY[..], 0, 0x5090_0008, "a tiled surface"),
        (&COPY[..], 1, 0xC300_0100, "Tile4 bits"),
        (&COPY[..], 1, 0x0200_0100, "colour depth 2"),
        (&COPY[..], 1, 0x0300_0102, "multiple of 4"),
        (&COPY[..], 3, 0x0002_0080, "do not fit a pitch of 256"),
        (&COPY[..], 2, 0x0002_0000, "second corner"),
        (&COPY[..], 3, 0x8000_0002, "coordinates"),
        (&COPY[..], 6, 0x0000_8000, "coordinates"),
        (&FILL[..], 0, 0x5110_1009, "a fast clear"),
        (&FILL[..], 1, 0x80C0_00FF, "a tiled surface"),
        (&FILL[..], 1, 0x20C0_00FF, "compressed or encrypted"),
        (&FILL[..], 0, 0x5138_0009, "colour depth 7"),
    ] {
        Rig::tgl().refuses(&with(command, dword, value), why);
    }
    for (command, dword, value, why) in [
        (&MEM_COPY[..], 0, 0x5684_0008, "this kind of copy"),
        (&MEM_COPY[..], 0, 0x568A_0008, "a matrix in page mode"),
        (&MEM_COPY[..], 1, 0x0004_0000, "too many bits"),
        (&MEM_COPY[..], 9, 0x3200_0018, "encryption"),
        (&MEM_SET[..], 0, 0x56C4_0005, "this kind of fill"),
        (&MEM_SET[..], 3, 0x7, "do not fit a pitch of 8"),
        (&COPY[..], 1, 0x0300_0100, "Tile4 bits"),
    ] {
        Rig::lnl().refuses(&with(command, dword, value), why);
    }
    let unaligned = [0x5688_0008, 0, 0, 0, 0, at(0x410), 0, at(0x800), 0, 0x3000_0018, END];
    Rig::lnl().refuses(&unaligned, "multiples of 256");
    let source = [0x54F0_0008, 0x03CC_0100, 0, 0x0001_0002, at(0x800), 0, 0, 0x100, at(0x400), 0, END];
    Rig::tgl().refuses(&with(&source, 0, 0x54D0_0008), "some channels");
    Rig::tgl().refuses(&with(&source, 1, 0x035A_0100), "raster operation");
    Rig::tgl().refuses(&with(&source, 0, 0x54F0_8008), "a tiled surface");
}

#[test]
fn the_vectors_of_the_sheet_move_their_bytes() {
    // Commands sheet, checks 1, with source 0x400 and destination 0x800 in the client's page and 64 bytes of pitch.
    let (from, to) = (at(0x400), at(0x800));
    for (mut rig, command) in [
        (Rig::tgl(), vec![0x5080_0008, 0x0300_0040, 0, 0x0004_0010, to, 0, 0, 0x40, from, 0]),
        (Rig::lnl(), vec![0x5080_0008, 0xC330_0040, 0, 0x0004_0010, to, 0, 0, 0x30_0040, from, 0]),
        (Rig::lnl(), vec![0x5688_0008, 0, 3, 0x3F, 0x3F, from, 0, to, 0, 0x3000_0018]),
        (Rig::lnl(), vec![0x5682_0008, 0x3F, 3, 0x3F, 0x3F, from, 0, to, 0, 0x3000_0018]),
        (Rig::lnl(), vec![0x5680_0008, 0xFF, 0xFF, 0, 0, from, 0, to, 0, 0x3000_0018]),
        (Rig::tgl(), vec![0x5050_000A, 0x3F, 0, 0x0004_0010, to, 0, 0x8000_0000, 0, 0x3F, from, 0, 0x8000_0000]),
        (Rig::lnl(), {
            let short = vec![0x5050_0014, 0x3F, 0, 0x0004_0010, to, 0, 0x8000_0000, 0, 0x3F, from, 0, 0x8000_0000];
            [short, vec![0; 10]].concat()
        }),
        (Rig::tgl(), vec![0x54F0_0008, 0x03CC_0040, 0, 0x0004_0010, to, 0, 0, 0x40, from, 0]),
    ] {
        let bytes: Vec<u8> = (0..=255).collect();
        rig.bus.put(DATA + 0x400, &bytes);
        rig.bus.put32(DATA + 0x7FC, &[0x1111_1111]);
        rig.bus.put32(DATA + 0x900, &[0x2222_2222]);
        assert_eq!(rig.run_batch(&[&command[..], &[END]].concat()).state, State::Idle, "{}", rig.why());
        assert!((0..256).step_by(4).all(|n| rig.data(0x800 + n) == rig.data(0x400 + n)), "{command:x?}");
        assert_eq!((rig.data(0x7FC), rig.data(0x900)), (0x1111_1111, 0x2222_2222), "{command:x?}");
    }
}

#[test]
fn corners_offsets_and_wide_pixels_are_honoured() {
    let mut rig = Rig::tgl();
    // 64-bit pixels, from (1, 1) to (2, 3) of rows of 32 bytes, two pixels and one row further on.
    let fill = [0x5118_0009, 0x00C0_001F, 0x0001_0001, 0x0003_0002, at(0xC00), 0, 0x8001_0002, 0xAA, 0xBB, 0xCC, 0xDD];
    assert_eq!(rig.run_batch(&[&fill[..], &[END]].concat()).state, State::Idle, "{}", rig.why());
    let set: Vec<u64> = (0xC00..0xD00).step_by(4).filter(|offset| rig.data(*offset) != 0).collect();
    // Row 1 + 1 and the next, pixel 1 + 2.
    assert_eq!(set, [0xC00 + 64 + 24, 0xC00 + 64 + 28, 0xC00 + 96 + 24, 0xC00 + 96 + 28]);
    assert_eq!((rig.data(0xC58), rig.data(0xC5C)), (0xAA, 0xBB));
}

#[test]
fn a_large_copy_is_done_in_pieces_and_keeps_the_engine() {
    let mut rig = Rig::lnl();
    rig.map_null_from(0x200);
    // 1 MiB out of nothing, then into nothing.
    let (to, from) = (0x20_0000, 0x30_0000);
    let copy = [0x5688_0008, 0xFFF, 0, 0, 0, from, 0, to, 0, 0x3000_0018, END];
    rig.job();
    rig.bus.put32(DATA, &copy);
    let progress = rig.go(8);
    assert_eq!((progress.commands, progress.state), (8, State::Running), "{}", rig.why());
    rig.image(SECOND_LRCA, 0, 0);
    let other = rig.descriptor(SECOND_LRCA);
    rig.streamer.submit(other);
    rig.streamer.run(&mut rig.bus, 3);
    assert!(rig.streamer.pending_submit(), "no switch in the middle");
    let progress = rig.streamer.run(&mut rig.bus, 100);
    assert_eq!((progress.state, rig.fence()), (State::Idle, 0xFFFF_FF81), "{}", rig.why());
    assert!(progress.commands < 20);
}

#[test]
fn no_size_outlives_the_budget() {
    for command in [
        [0x56C2_0005, 0xFF_FFFF, 0x3_FFFF, 0x3_FFFF, 0x20_0000, 0, 0],
        [0x56C2_0005, 0, 0x3_FFFF, 0, 0x20_0000, 0, 0],
        [0x56C0_0005, 0xFF_FFFF, 0, 0, 0x20_0000, 0, 0],
    ] {
        let mut rig = Rig::lnl();
        rig.map_null_from(0x200);
        rig.job();
        rig.bus.put32(DATA, &[&command[..], &[END]].concat());
        assert!(rig.go(50).commands <= 50);
    }
}

#[test]
fn compression_bytes_are_moved_where_there_are_any() {
    // Eight bytes for each page: indirect to direct, 1 page.
    let read = [0x5210_0003, at(0), 0x3000_0000, at(0x800), 0x3000_0000];
    let write = [0x5220_0003, at(0x808), 0x3000_0000, at(0), 0x3000_0000];
    let mut rig = Rig::lnl();
    rig.bus.compression = Some([(DATA, 0x1122_3344_5566_7788)].into());
    rig.bus.put32(DATA + 0x808, &[5, 6]);
    assert_eq!(rig.run_batch(&[&read[..], &write, &[END]].concat()).state, State::Idle, "{}", rig.why());
    assert_eq!((rig.data(0x800), rig.data(0x804)), (0x5566_7788, 0x1122_3344));
    assert_eq!(rig.bus.compression.unwrap()[&DATA], 6 << 32 | 5);
    Rig::lnl().refuses(&[&read[..], &[END]].concat(), "compression is off");
}
