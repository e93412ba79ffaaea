//! A streamer on hand-built contexts, rings, batches and page tables.

use super::*;
use crate::spec::EngineClass;
use crate::testing::MemoryBus;
use crate::trace::Event;

/// GGTT address `a` leads to bus address `a + FRAME`.
const FRAME: u64 = 0x100_0000;
const RING: u32 = 0x1_0000;
const LRCA: u32 = 0x2_0000;
const SECOND_LRCA: u32 = 0x3_0000;
const FENCE: u32 = 0x4_0000;
/// Clients' page at this address, and where it lies.
const VA: u64 = 0x10_0000;
const DATA: u64 = 0x800_0000;
const ROOT: u64 = 0x900_0000;

struct Rig {
    bus: MemoryBus,
    streamer: Streamer,
    class: EngineClass,
    version: u32,
}

impl Rig {
    fn new(version: u32, class: EngineClass, base: u32) -> Self {
        let mut bus = MemoryBus::new();
        for page in [RING, LRCA, LRCA + 0x1000, SECOND_LRCA, SECOND_LRCA + 0x1000, FENCE] {
            bus.ggtt.insert(page >> 12, (u64::from(page) + FRAME) | 1);
            bus.put64(u64::from(page) + FRAME, &[0]);
        }
        let streamer = Streamer::new(CsSpec::for_version(version).unwrap(), class, 0, base);
        let mut rig = Self { bus, streamer, class, version };
        rig.map(DATA);
        rig.image(LRCA, 0, 0);
        rig
    }

    fn tgl() -> Self {
        Self::new(1200, EngineClass::Copy, 0x2_2000)
    }

    fn lnl() -> Self {
        Self::new(2004, EngineClass::Copy, 0x2_2000)
    }

    /// Tables that map one client page.
    fn map(&mut self, page: u64) {
        let levels = if self.version == 2004 { 4 } else { 3 };
        for level in (0..levels).rev() {
            let table = ROOT + (levels - 1 - level) * 0x1000;
            self.bus.put64(table, &[(table + 0x1000) | 3]);
        }
        let leaf = if self.version == 2004 { 0x403 } else { 3 };
        self.bus.put64(ROOT + levels * 0x1000 + 0x100 * 8, &[page | leaf]);
        self.bus.put(page, &[0]);
    }

    fn image(&mut self, lrca: u32, head: u32, tail: u32) {
        let xe2 = self.version == 2004;
        let base = 0x2_2000;
        let mut dwords = [0u32; 0x60];
        let first: &[u32] = if xe2 {
            &[0x244, 0x34, 0x30, 0x38, 0x3C, 0x168, 0x140, 0x110, 0x1C0, 0x1C4, 0x1C8, 0x180, 0x2B4, 0x120, 0x124]
        } else {
            &[0x244, 0x34, 0x30, 0x38, 0x3C, 0x168, 0x140, 0x110, 0x1C0, 0x1C4, 0x1C8, 0x180, 0x2B4]
        };
        let second = [
            0x3A8,
            if xe2 { 0x3AC } else { 0x28C },
            if xe2 { 0x108 } else { 0x288 },
            0x284,
            0x280,
            0x27C,
            0x278,
            0x274,
            0x270,
        ];
        dwords[1] = if xe2 { 0x1108_101D } else { 0x1108_1019 };
        dwords[0x21] = 0x1108_1011;
        for (slot, register) in (2..).step_by(2).zip(first) {
            dwords[slot] = base + register;
        }
        for (slot, register) in (0x22..).step_by(2).zip(second) {
            dwords[slot] = base + register;
        }
        (dwords[0x41], dwords[0x42], dwords[0x44]) = (0x1108_1003, base + 0x200, base + 0x204);
        (dwords[3], dwords[5], dwords[7], dwords[9], dwords[0xB]) = (0x0009_0009, head, tail, RING, 1);
        dwords[0x33] = ROOT as u32 | 3;
        self.bus.put32(u64::from(lrca) + 0x1000 + FRAME, &dwords);
    }

    fn ring(&mut self, dwords: &[u32]) {
        self.bus.put32(u64::from(RING) + FRAME, dwords);
        let tail = (dwords.len() as u32 * 4).next_multiple_of(8);
        self.set_tail(tail);
    }

    fn set_tail(&mut self, tail: u32) {
        self.bus.put32(u64::from(LRCA) + 0x1000 + FRAME + 7 * 4, &[tail]);
    }

    fn descriptor(&self, lrca: u32) -> u64 {
        let class = if self.version == 1200 { self.class.code() << 61 | 1 << 37 } else { 1 << 39 };
        class | u64::from(lrca) | 0x119
    }

    fn go(&mut self, budget: u32) -> Progress {
        let descriptor = self.descriptor(LRCA);
        self.streamer.submit(descriptor);
        self.streamer.run(&mut self.bus, budget)
    }

    /// A ring that runs the batch at `VA`, stores a fence value and interrupts.
    fn job(&mut self) {
        self.ring(&[0x0400_0001, 0x1880_0101, VA as u32, 0, 0x1040_0002, FENCE, 0, 0xFFFF_FF81, 0x0100_0000, 0]);
    }

    fn run_batch(&mut self, batch: &[u32]) -> Progress {
        self.job();
        self.bus.put32(DATA, batch);
        self.go(10_000)
    }

    fn fence(&self) -> u32 {
        self.bus.get32(u64::from(FENCE) + FRAME)
    }

    fn slot(&self, slot: u64) -> u32 {
        self.bus.get32(u64::from(LRCA) + 0x1000 + FRAME + slot * 4)
    }
}

#[test]
fn a_store_batch_stores_writes_its_fence_interrupts_and_is_saved() {
    for mut rig in [Rig::tgl(), Rig::lnl()] {
        let progress = rig.run_batch(&[0x1000_0002, VA as u32 + 0x48, 0, 0xC0_FFEE, 0x0500_0000]);
        assert_eq!(progress.state, State::Idle, "{:?}", rig.streamer.fault());
        assert_eq!(progress.raised, 1 | 1 << 8);
        assert_eq!((rig.bus.get32(DATA + 0x48), rig.fence()), (0xC0_FFEE, 0xFFFF_FF81));
        assert_eq!((rig.slot(5), rig.slot(3)), (40, 0x0009_0008), "head saved, inhibit cleared");
        assert!(rig.slot(0x23) > 0, "the context's time is saved");
    }
}

#[test]
fn the_counted_loop_of_the_sheet_ends_with_its_count() {
    let mut rig = Rig::tgl();
    let counter = VA as u32 + 0x48;
    let batch = [0x1780_0501, counter, 0, 0x1B20_5002, 4, counter, 0, 0x1880_0001, VA as u32, 0];
    let progress = rig.run_batch(&batch);
    assert_eq!((rig.bus.get32(DATA + 0x48), rig.fence(), progress.state), (4, 0xFFFF_FF81, State::Idle));
}

#[test]
fn a_batch_without_an_end_faults_at_the_end_of_its_mapping() {
    let mut rig = Rig::tgl();
    let progress = rig.run_batch(&[0x1000_0002, VA as u32 + 0x48, 0, 1]);
    assert_eq!((progress.state, rig.fence()), (State::Halted, 0));
    assert_eq!(rig.bus.faults, [(VA + 0x1000, false)]);
    assert_eq!(rig.streamer.read_register(&mut rig.bus, 0xD0), Some(4));
    assert!(matches!(rig.streamer.fault(), Some(Stop::Memory { .. })));
}

#[test]
fn a_spinner_runs_for_its_budget_and_ends_when_told() {
    let mut rig = Rig::tgl();
    let (start, end) = (VA as u32 + 0x208, VA as u32 + 0x20C);
    rig.bus.put32(DATA + 0x20C, &[u32::MAX]);
    let batch = [0x1000_0002, start, 0, 0xC0_FFEE, 0x1B20_0002, 0, end, 0, 0x1880_0101, VA as u32 + 0x10, 0];
    rig.job();
    rig.bus.put32(DATA, &batch);
    let progress = rig.go(1000);
    assert_eq!((progress.commands, progress.state), (1000, State::Running));
    assert_eq!(rig.bus.get32(DATA + 0x208), 0xC0_FFEE);
    rig.bus.put32(DATA + 0x20C, &[0]);
    assert_eq!(rig.streamer.run(&mut rig.bus, 1000).state, State::Idle);
    assert_eq!(rig.fence(), 0xFFFF_FF81);
}

#[test]
fn only_a_preemptible_batch_makes_room_and_goes_on_where_it_was() {
    for (check, switches) in [(0x0280_0000, true), (0, false)] {
        let mut rig = Rig::tgl();
        rig.bus.put32(DATA + 0x20C, &[u32::MAX]);
        let batch = [check, 0x1B20_0002, 0, VA as u32 + 0x20C, 0, 0x1880_0101, VA as u32, 0];
        rig.job();
        rig.bus.put32(DATA, &batch);
        rig.go(100);
        rig.image(SECOND_LRCA, 0, 0);
        let second = rig.descriptor(SECOND_LRCA);
        rig.streamer.submit(second);
        rig.streamer.run(&mut rig.bus, 100);
        assert_eq!(rig.streamer.pending_submit(), !switches);
        if switches {
            assert_eq!(rig.streamer.state(), State::Idle, "the second context has an empty ring");
            rig.bus.put32(DATA + 0x20C, &[0]);
            assert_eq!(rig.go(1000).state, State::Idle);
            assert_eq!(rig.fence(), 0xFFFF_FF81, "the first went on in its batch");
        }
    }
}

#[test]
fn a_later_tail_of_the_running_context_is_picked_up_without_a_switch() {
    let mut rig = Rig::tgl();
    // A semaphore that is not satisfied, then a store.
    rig.ring(&[0x0E40_C002, 1, FENCE + 8, 0, 0x1040_0002, FENCE, 0, 7]);
    rig.set_tail(16);
    assert_eq!(rig.go(10).state, State::Waiting);
    rig.set_tail(32);
    rig.bus.put32(u64::from(FENCE) + FRAME + 8, &[1]);
    assert_eq!(rig.go(10).state, State::Idle);
    assert_eq!(rig.fence(), 7);
    let switches = rig.bus.events.iter().filter(|event| matches!(event, Event::SwitchIn { .. })).count();
    assert_eq!(switches, 1);
}

#[test]
fn a_forgotten_invalidation_reads_the_old_page_until_the_ring_flushes() {
    let mut rig = Rig::tgl();
    rig.run_batch(&[0x1000_0002, VA as u32 + 0x48, 0, 1, 0x0500_0000]);
    let other = 0xA00_0000;
    rig.map(other);
    rig.bus.put32(other, &[0x1000_0002, VA as u32 + 0x48, 0, 2, 0x0500_0000]);
    rig.image(LRCA, 0, 0);
    rig.job();
    rig.go(1000);
    assert_eq!((rig.bus.get32(DATA + 0x48), rig.bus.get32(other + 0x48)), (1, 0), "stale");
    rig.image(LRCA, 0, 0);
    rig.ring(&[0x1304_0002, 0, 0, 0, 0x1880_0101, VA as u32, 0, 0]);
    rig.go(1000);
    assert_eq!(rig.bus.get32(other + 0x48), 2);
}

#[test]
fn a_clients_batch_reaches_neither_the_global_table_nor_registers() {
    let mut rig = Rig::tgl();
    rig.run_batch(&[0x1040_0002, FENCE + 0x10, 0, 9, 0x1100_0001, 0x2_229C, 0x0008_0000, 0x0500_0000]);
    assert_eq!(rig.bus.get32(u64::from(FENCE) + FRAME + 0x10), 0);
    assert_eq!(rig.bus.registers.get(&0x2_229C), None);
    assert_eq!(rig.streamer.read_register(&mut rig.bus, 0xB0), Some(4), "privilege violation is noted");
    assert_eq!(rig.fence(), 0xFFFF_FF81, "and the batch went on");
}

#[test]
fn general_registers_are_the_contexts_own() {
    let mut rig = Rig::tgl();
    let out = VA as u32 + 0x80;
    rig.run_batch(&[0x1108_0001, 0x600, 0x55, 0x1208_0002, 0x600, out, 0, 0x0500_0000]);
    assert_eq!(rig.bus.get32(DATA + 0x80), 0x55);
    rig.image(SECOND_LRCA, 0, 0);
    let second = rig.descriptor(SECOND_LRCA);
    rig.streamer.submit(second);
    rig.streamer.run(&mut rig.bus, 10);
    assert_eq!(rig.streamer.state.gprs, [0; 16]);
}

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

#[test]
fn an_image_for_another_engine_is_refused() {
    let mut rig = Rig::tgl();
    rig.job();
    rig.bus.put32(u64::from(LRCA) + 0x1000 + FRAME + 2 * 4, &[0x2244]);
    assert_eq!(rig.go(10).state, State::Halted);
    let mut rig = Rig::tgl();
    rig.job();
    let other = rig.descriptor(LRCA) & !(7 << 61);
    rig.streamer.submit(other);
    assert_eq!(rig.streamer.run(&mut rig.bus, 10).state, State::Halted);
}

#[test]
fn a_reset_engine_runs_again() {
    let mut rig = Rig::tgl();
    rig.run_batch(&[0x2000_0000]);
    assert_eq!(rig.streamer.state(), State::Halted);
    rig.streamer.reset();
    rig.image(LRCA, 0, 0);
    assert_eq!(rig.run_batch(&[0x0500_0000]).state, State::Idle);
}

/// A generator whose every value is reproducible: xorshift.
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }
}

#[test]
fn no_batch_ring_image_or_table_panics_or_outlives_its_budget() {
    let mut noise = Noise(0x9E37_79B9_7F4A_7C15);
    for round in 0..3000u32 {
        let mut rig = if round % 2 == 0 { Rig::tgl() } else { Rig::lnl() };
        let words: Vec<u32> = (0..64)
            .map(|_| {
                // Mostly real opcodes with random operands, some pure noise.
                let random = noise.next();
                let opcode = (random >> 32 & 0x3F) as u32;
                match random % 8 {
                    0 => random as u32,
                    1 => 0x5000_0000 | (random as u32 & 0x0FFF_FFFF),
                    2 => VA as u32 + (random as u32 & 0xFFC),
                    3 => random as u32 & 0xFF,
                    _ => opcode << 23 | (random as u32 & 0x00C0_0007),
                }
            })
            .collect();
        match round % 4 {
            0 | 1 => rig.bus.put32(DATA, &words),
            2 => rig.bus.put64(ROOT, &[noise.next(), noise.next()]),
            _ => rig.bus.put32(u64::from(LRCA) + 0x1000 + FRAME + 4 * (noise.next() % 0x60), &[noise.next() as u32]),
        }
        rig.job();
        if round % 4 == 1 {
            rig.ring(&words);
        }
        for _ in 0..3 {
            assert!(rig.go(300).commands <= 300);
        }
    }
}
