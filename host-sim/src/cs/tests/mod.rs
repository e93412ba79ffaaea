//! A streamer on hand-built contexts, rings, batches and page tables.

mod batches;
mod blits;
mod clients;
mod contexts;
mod noise;
mod translations;
mod vectors;

use super::*;
use crate::spec::EngineClass;
use crate::testing::MemoryBus;

/// GGTT address `a` leads to bus address `a + FRAME`.
const FRAME: u64 = 0x100_0000;
const RING: u32 = 0x1_0000;
const LRCA: u32 = 0x2_0000;
const SECOND_LRCA: u32 = 0x3_0000;
const FENCE: u32 = 0x4_0000;
const STATUS: u32 = 0x5_0000;
/// Clients' page at this address, and where it lies.
const VA: u64 = 0x10_0000;
const DATA: u64 = 0x800_0000;
const ROOT: u64 = 0x900_0000;
const ASID: u32 = 5;
const END: u32 = 0x0500_0000;

struct Rig {
    bus: MemoryBus,
    streamer: Streamer,
    class: EngineClass,
    version: u32,
    base: u32,
}

impl Rig {
    fn new(version: u32, class: EngineClass, base: u32) -> Self {
        let mut bus = MemoryBus::new();
        for page in [RING, LRCA, LRCA + 0x1000, SECOND_LRCA, SECOND_LRCA + 0x1000, FENCE, STATUS] {
            bus.ggtt.insert(page >> 12, (u64::from(page) + FRAME) | 1);
            bus.put64(u64::from(page) + FRAME, &[0]);
        }
        bus.registers.insert(base + 0x80, STATUS);
        let streamer = Streamer::new(CsSpec::for_version(version).unwrap(), class, 0, base);
        let mut rig = Self { bus, streamer, class, version, base };
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

    fn compute() -> Self {
        Self::new(2004, EngineClass::Compute, 0x1_A000)
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

    /// One more page of the client's, by page number.
    fn map_at(&mut self, page: u64, addr: u64) {
        let (leaves, leaf) = if self.version == 2004 { (ROOT + 0x4000, 0x403) } else { (ROOT + 0x3000, 3) };
        self.bus.put64(leaves + page * 8, &[addr | leaf]);
        self.bus.put(addr, &[0]);
    }

    /// Null leaves of 2 MiB for everything from a page on, up to 1 GiB.
    fn map_null_from(&mut self, page: u64) {
        let directory = if self.version == 2004 { ROOT + 0x3000 } else { ROOT + 0x2000 };
        for entry in page >> 9..512 {
            self.bus.put64(directory + entry * 8, &[0x283]);
        }
    }

    /// A fresh image in the layout of copy engines, and of others without tables of their own.
    fn image(&mut self, lrca: u32, head: u32, tail: u32) {
        let xe2 = self.version == 2004;
        let mut dwords = [0u32; 0x60];
        let first: &[u32] = if xe2 {
            &[0x244, 0x34, 0x30, 0x38, 0x3C, 0x168, 0x140, 0x110, 0x1C0, 0x1C4, 0x1C8, 0x180, 0x2B4, 0x120, 0x124]
        } else {
            &[0x244, 0x34, 0x30, 0x38, 0x3C, 0x168, 0x140, 0x110, 0x1C0, 0x1C4, 0x1C8, 0x180, 0x2B4]
        };
        let second: &[u32] = if xe2 {
            &[0x3A8, 0x3AC, 0x108, 0x284, 0x280, 0x27C, 0x278, 0x274, 0x270]
        } else {
            &[0x3A8, 0x28C, 0x288, 0x284, 0x280, 0x27C, 0x278, 0x274, 0x270]
        };
        dwords[1] = if xe2 { 0x1108_101D } else { 0x1108_1019 };
        dwords[0x21] = 0x1108_1011;
        for (slot, register) in (2..).step_by(2).zip(first).chain((0x22..).step_by(2).zip(second)) {
            dwords[slot] = self.base + register;
        }
        let blitter = xe2 && self.class == EngineClass::Copy;
        if blitter {
            (dwords[0x41], dwords[0x42], dwords[0x44]) = (0x1108_1003, self.base + 0x200, self.base + 0x204);
        }
        dwords[if blitter { 0x46 } else { 0x34 }] = 0x0500_0001;
        (dwords[3], dwords[5], dwords[7], dwords[9], dwords[0xB]) = (0x0009_0009, head, tail, RING, 1);
        (dwords[0x2F], dwords[0x33]) = (ASID, ROOT as u32 | 3);
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

    /// Replaces a dword of the first context's register page.
    fn set_slot(&mut self, slot: u64, value: u32) {
        self.bus.put32(u64::from(LRCA) + 0x1000 + FRAME + slot * 4, &[value]);
    }

    /// Dword of the client's page.
    fn data(&self, offset: u64) -> u32 {
        self.bus.get32(DATA + offset)
    }

    /// Why the engine stopped.
    fn why(&self) -> &str {
        self.streamer.fault().map_or("it did not stop", Stop::text)
    }

    /// Runs a batch that must stop the engine with an instruction error.
    fn refuses(mut self, batch: &[u32], why: &str) {
        let progress = self.run_batch(batch);
        assert_eq!((progress.state, self.fence()), (State::Halted, 0), "{batch:x?}: {}", self.why());
        assert!(matches!(self.streamer.fault(), Some(Stop::Instruction(_))), "{batch:x?}: {}", self.why());
        assert!(self.why().contains(why), "{batch:x?}: {}", self.why());
        assert_eq!(progress.raised & 1 << 3, 1 << 3, "error interrupt");
        assert_eq!(self.streamer.read_register(&mut self.bus, 0xB0), Some(1), "instruction error");
    }
}

/// Address of an offset in the client's page, as a dword of a command.
const fn at(offset: u32) -> u32 {
    VA as u32 + offset
}
