//! The driver's half of the protocol, in a few lines and with numbers of its own.

use crate::{Platform, Sim, SimConfig, SimHal};
use barexe_hal::{
    BusAddr, ConfigSpace as _, DmaBuffer, DmaCaching, DmaMemory as _, DmaOwner, DmaRequest, InterruptLine as _,
    Mmio as _, Nanos, RegOffset,
};

/// GGTT addresses, above protected memory: one buffer holds it all.
pub(super) const BASE: u32 = 0x100_0000;
pub(super) const FIRMWARE: u32 = BASE;
pub(super) const ADS: u32 = BASE + 0x1_0000;
pub(super) const POLICIES: u32 = ADS + 0x2000;
pub(super) const INFO: u32 = ADS + 0x3000;
pub(super) const TO_GUC: u32 = BASE + 0x2_0000;
pub(super) const TO_HOST: u32 = BASE + 0x3_0000;
/// A page for everything else.
pub(super) const SCRATCH: u32 = BASE + 0x4_0000;
const PAGES: u32 = 0x50;
/// Code of the firmware, bytes.
const CODE: u32 = 0x1000;
/// Bytes of each ring.
pub(super) const RING: u32 = 0x1000;

/// Protected memory of these tests.
pub(super) const WOPCM: (u32, u32) = (0x4000, 0x1F_0000);

pub(super) struct Driver {
    pub(super) sim: Sim,
    hal: SimHal,
    lnl: bool,
    /// It drives the media GT's.
    media: bool,
    memory: DmaBuffer,
    tail: u32,
    head: u32,
    fence: u16,
}

impl Driver {
    pub(super) fn new(platform: Platform, media: bool) -> Self {
        let lnl = platform.name == "lnl";
        let sim = Sim::new(&SimConfig::new(platform)).unwrap();
        let mut hal = sim.hal();
        hal.config_write32(4, 6).unwrap();
        hal.irq_enable().unwrap();
        let request = DmaRequest {
            len_bytes: u64::from(PAGES) * 4096,
            align_bytes: 4096,
            last_addr: BusAddr::new((1 << 39) - 1).unwrap(),
            caching: DmaCaching::WriteBack,
            owner: DmaOwner::Driver,
        };
        let memory = hal.alloc(request).unwrap();
        let mut driver = Self { sim, hal, lnl, media, memory, tail: 0, head: 0, fence: 0 };
        for page in 0..PAGES {
            let entry = RegOffset::ggtt_entry((BASE >> 12) + page).unwrap();
            driver.hal.write64_steps(entry, (driver.memory.bus().get() + u64::from(page) * 4096) | 1, 0, 1);
            driver.absolute(0x38_0D8C, 0);
        }
        driver.absolute(0xA188, 0x0001_0001);
        driver.absolute(0x38_A188, 0x0001_0001);
        driver.wait(10_000);
        driver
    }

    /// A device whose GuC runs, with rings that are on.
    pub(super) fn ready(platform: Platform, media: bool) -> Self {
        let mut driver = Self::new(platform, media);
        driver.load();
        driver.wait(5_000_000);
        assert_eq!(driver.status() & 0xFFFE, 0xF0EC);
        driver.rings_on();
        driver
    }

    fn absolute(&mut self, offset: u32, value: u32) {
        self.hal.write32(RegOffset::at(offset), value);
    }

    const fn shifted(&self, offset: u32) -> u32 {
        if self.media { offset + 0x38_0000 } else { offset }
    }

    pub(super) fn write(&mut self, offset: u32, value: u32) {
        self.absolute(self.shifted(offset), value);
    }

    pub(super) fn read(&mut self, offset: u32) -> u32 {
        self.read_absolute(self.shifted(offset))
    }

    pub(super) fn read_absolute(&mut self, offset: u32) -> u32 {
        for _ in 0..if self.lnl { 4 } else { 0 } {
            self.absolute(0x13_0030, 0);
        }
        self.hal.read32(RegOffset::at(offset))
    }

    pub(super) fn write_absolute(&mut self, offset: u32, value: u32) {
        self.absolute(offset, value);
    }

    pub(super) fn wait(&mut self, ns: u64) {
        self.sim.advance(Nanos::new(ns));
        let _ = self.sim.run(10_000);
    }

    pub(super) fn status(&mut self) -> u32 {
        self.read(0xC000)
    }

    pub(super) fn put(&mut self, ggtt: u32, dwords: &[u32]) {
        let at = (ggtt - BASE) as usize;
        self.memory.copy_u32(at, dwords).unwrap();
        self.hal.publish(&self.memory, at..at + dwords.len() * 4);
    }

    pub(super) fn get(&mut self, ggtt: u32) -> u32 {
        let at = (ggtt - BASE) as usize;
        self.hal.observe(&self.memory, at..at + 4);
        self.memory.read_u32(at).unwrap()
    }

    /// What has to be so before a copy is started.
    pub(super) fn prepare(&mut self) {
        // Lengths in dwords: header with 64 of signature, then code; the rest of the header is 128 bytes.
        self.put(FIRMWARE, &[6, 32 + 64, 0, 0, 0, 0, 32 + 64 + CODE / 4, 0, 64, 0]);
        let signature: Vec<u32> = (1..65).collect();
        self.put(FIRMWARE + 128 + CODE, &signature);
        self.put(ADS + 4100, &[POLICIES, INFO]);
        self.put(POLICIES + 68, &[1, 15, 0]);
        self.write(0xC050, WOPCM.1);
        self.write(0xC340, WOPCM.0);
        self.write(0x941C, 1 << 3);
        self.wait(200_000);
        self.write(0xC184 + 4 * 4, ADS >> 12 << 1);
        for (number, dword) in (0..).zip(signature) {
            self.write(0xC200 + 4 * number, dword);
        }
        for (register, value) in
            [(0xC300, FIRMWARE), (0xC304, 8 << 16), (0xC308, 0x2000), (0xC30C, 7 << 16), (0xC310, 128 + CODE)]
        {
            self.write(register, value);
        }
    }

    pub(super) fn copy(&mut self) {
        self.write(0xC314, 0x0011_0011);
        assert_eq!(self.read(0xC314) & 1, 0);
        self.write(0xC314, 0x0010_0000);
    }

    pub(super) fn load(&mut self) {
        self.prepare();
        self.copy();
    }

    const fn mailbox(&self) -> (u32, u32) {
        if self.media { (0x19_0310, 0x19_0304) } else { (0x19_0240, 0x19_01F0) }
    }

    /// A short message, and the answer.
    pub(super) fn short(&mut self, dwords: &[u32]) -> u32 {
        let (first, doorbell) = self.mailbox();
        for (number, dword) in (0..).zip(dwords) {
            self.absolute(first + 4 * number, *dword);
        }
        self.absolute(doorbell, 0);
        self.read_absolute(first)
    }

    pub(super) fn setting(&mut self, key: u32, value: u32) -> u32 {
        let length = if key == 0x904 || key == 0x907 { 1 } else { 2 };
        self.short(&[0x508, key << 16 | length, value, 0])
    }

    pub(super) fn rings_on(&mut self) {
        self.put(TO_GUC, &[0; 16]);
        self.put(TO_HOST, &[0; 16]);
        (self.head, self.tail) = (0, 0);
        for (first, base) in [(0x902, TO_GUC), (0x905, TO_HOST)] {
            for (key, value) in [(first, base + 0x1000), (first + 1, base), (first + 2, RING)] {
                assert_eq!(self.setting(key, value), 0xF000_0001);
            }
        }
        assert_eq!(self.short(&[0x4509, 1]), 0xF000_0000);
    }

    /// Puts a message into the ring, as it is to follow its header; its number.
    pub(super) fn send(&mut self, dwords: &[u32]) -> u16 {
        if self.tail + 1 + dwords.len() as u32 > RING / 4 {
            let rest = vec![0; (RING / 4 - self.tail) as usize];
            self.put(TO_GUC + 0x1000 + 4 * self.tail, &rest);
            self.tail = 0;
        }
        self.fence = self.fence.wrapping_add(1);
        let header = u32::from(self.fence) << 16 | dwords.len() as u32;
        let message: Vec<u32> = core::iter::once(header).chain(dwords.iter().copied()).collect();
        self.put(TO_GUC + 0x1000 + 4 * self.tail, &message);
        self.tail = (self.tail + message.len() as u32) % (RING / 4);
        self.put(TO_GUC + 4, &[self.tail]);
        self.fence
    }

    pub(super) fn ring(&mut self) {
        self.absolute(self.mailbox().1, 0);
    }

    /// The next message of the GuC, with its header.
    pub(super) fn receive(&mut self) -> Option<Vec<u32>> {
        let tail = self.get(TO_HOST + 4);
        if tail == self.head {
            return None;
        }
        let mut take = || {
            let dword = self.get(TO_HOST + 0x1000 + 4 * self.head);
            self.head = (self.head + 1) % (RING / 4);
            dword
        };
        let header = take();
        let message = core::iter::once(header).chain((0..header & 0xFF).map(|_| take())).collect();
        self.put(TO_HOST, &[self.head]);
        Some(message)
    }

    /// Sends a message and returns what comes back, without header.
    pub(super) fn ask(&mut self, dwords: &[u32]) -> Option<Vec<u32>> {
        let fence = self.send(dwords);
        self.ring();
        let answer = self.receive()?;
        let (header, rest) = answer.split_first().unwrap();
        let expected = if rest[0] >> 28 & 7 == 1 { 0 } else { fence };
        assert_eq!((header >> 16) as u16, expected);
        Some(rest.to_vec())
    }
}
