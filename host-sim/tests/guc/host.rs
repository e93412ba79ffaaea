//! A driver in miniature: it loads the GuC, talks to it, and listens to interrupts as Linux's does.

use super::port::Port;
use std::collections::{BTreeMap, VecDeque};

/// First GGTT address of the memory; its place there is the distance from here.
pub(crate) const BASE: u32 = 0x100_0000;
/// Bus address of the memory.
pub(crate) const BUS: u64 = 0x1_0000_0000;
const FIRMWARE: u32 = BASE;
const ADS: u32 = BASE + 0x1_0000;
const POLICIES: u32 = ADS + 0x2000;
const INFO: u32 = ADS + 0x3000;
const TO_GUC: u32 = BASE + 0x2_0000;
const TO_HOST: u32 = BASE + 0x3_0000;
const STATUS_PAGE: u32 = BASE + 0x4_0000;
/// Contexts lie behind what the firmware has, each in its stride.
pub(crate) const CONTEXTS: u32 = BASE + 0x10_0000;
/// Code of the firmware, bytes.
const CODE: u32 = 0x1000;
/// Bytes of each ring for messages.
const RING: u32 = 0x1000;
const MASTER: u32 = 0x19_0010;
const ON: u32 = 1 << 31;

/// Engines of Tiger Lake whose images are short: class by the firmware's number, number in the class, first register, bank
/// and bit.
pub(crate) const ENGINES: [(u32, u32, u32, (usize, u32)); 4] =
    [(3, 0, 0x2_2000, (0, 15)), (1, 0, 0x1C_0000, (1, 0)), (1, 1, 0x1D_0000, (1, 2)), (2, 0, 0x1C_8000, (1, 31))];

/// What the firmware told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Told {
    Mode(u32, bool),
    Gone(u32),
    Reset(u32),
    Other(u32),
}

/// The driver.
pub(crate) struct Host<P> {
    pub(crate) port: P,
    tail: u32,
    head: u32,
    fence: u16,
    pub(crate) told: VecDeque<Told>,
    /// Refusals of requests.
    pub(crate) refusals: Vec<u32>,
    /// Answers that are waited for, by fence.
    pub(crate) answers: BTreeMap<u16, u32>,
    /// User interrupts by engine.
    pub(crate) user: [u64; 4],
    /// Interrupts taken.
    pub(crate) taken: u64,
}

impl<P: Port> Host<P> {
    /// A device whose GuC runs, with rings that are on, and `pages` of memory mapped in the GGTT.
    pub(crate) fn new(port: P, pages: u32) -> Self {
        let (told, refusals, answers) = (VecDeque::new(), Vec::new(), BTreeMap::new());
        let mut host = Self { port, tail: 0, head: 0, fence: 0, told, refusals, answers, user: [0; 4], taken: 0 };
        host.port.config(4, 6);
        let entries: Vec<u8> = (0..u64::from(pages)).flat_map(|page| ((BUS + page * 4096) | 1).to_le_bytes()).collect();
        host.port.write((8 << 20) + u64::from(BASE >> 12) * 8, &entries);
        host.load();
        host.rings_on();
        host.interrupts_on();
        host
    }

    pub(crate) fn put(&self, ggtt: u32, dwords: &[u32]) {
        for (number, dword) in (0..).zip(dwords) {
            self.port.put(u64::from(ggtt - BASE) + 4 * number, *dword);
        }
    }

    pub(crate) fn get(&self, ggtt: u32) -> u32 {
        self.port.get(u64::from(ggtt - BASE))
    }

    fn load(&mut self) {
        self.put(FIRMWARE, &[6, 32 + 64, 0, 0, 0, 0, 32 + 64 + CODE / 4, 0, 64, 0]);
        let signature: Vec<u32> = (1..65).collect();
        self.put(FIRMWARE + 128 + CODE, &signature);
        self.put(ADS + 4100, &[POLICIES, INFO]);
        self.put(POLICIES + 68, &[1, 15, 0]);
        for (register, value) in [(0xC050, 0x1F_0000), (0xC340, 0x4000), (0x941C, 1 << 3)] {
            self.port.write32(register, value);
        }
        self.until("the reset is over", |host| host.port.read32(0x941C) == 0);
        self.port.write32(0xC184 + 4 * 4, ADS >> 12 << 1);
        for (number, dword) in (0..).zip(signature) {
            self.port.write32(0xC200 + 4 * number, dword);
        }
        for (register, value) in
            [(0xC300, FIRMWARE), (0xC304, 8 << 16), (0xC308, 0x2000), (0xC30C, 7 << 16), (0xC310, 128 + CODE)]
        {
            self.port.write32(register, value);
        }
        self.port.write32(0xC314, 0x0011_0011);
        self.until("the firmware runs", |host| host.port.read32(0xC000) & 0xFFFE == 0xF0EC);
    }

    /// Looks again and again, for a second at most.
    pub(crate) fn until(&mut self, what: &str, mut holds: impl FnMut(&mut Self) -> bool) {
        let end = self.port.now_ns() + 1_000_000_000;
        while !holds(self) {
            assert!(self.port.now_ns() < end, "not within a second: {what}");
        }
    }

    fn short(&mut self, dwords: &[u32]) -> u32 {
        for (number, dword) in (0..).zip(dwords) {
            self.port.write32(0x19_0240 + 4 * number, *dword);
        }
        self.port.write32(0x19_01F0, 0);
        self.port.read32(0x19_0240)
    }

    fn rings_on(&mut self) {
        for (first, base) in [(0x902, TO_GUC), (0x905, TO_HOST)] {
            for (key, value, length) in [(first, base + 0x1000, 2), (first + 1, base, 2), (first + 2, RING, 1)] {
                assert_eq!(self.short(&[0x508, key << 16 | length, value, 0]), 0xF000_0001);
            }
        }
        assert_eq!(self.short(&[0x4509, 1, 0, 0]), 0xF000_0000);
    }

    fn interrupts_on(&mut self) {
        for (.., base, _) in ENGINES {
            self.port.write32(base + 0x80, STATUS_PAGE);
        }
        for (enable, bits) in [(0x19_0030, 0x1_0001), (0x19_0034, 0x1_0001), (0x19_0038, 1 << 31)] {
            self.port.write32(enable, bits);
        }
        for mask in [0x19_0090, 0x19_00A0, 0x19_00A8, 0x19_00AC, 0x19_00D0] {
            self.port.write32(mask, !0x1_0001);
        }
        self.port.write32(0x19_00E8, !(1 << 31));
        self.port.write32(MASTER, ON);
    }

    /// Sends a message with an answer or without, and rings.
    pub(crate) fn send(&mut self, answered: bool, action: u32, rest: &[u32]) {
        let kind = if answered { 0 } else { 2 << 28 };
        let length = 1 + rest.len() as u32;
        if self.tail + 1 + length > RING / 4 {
            let left = vec![0; (RING / 4 - self.tail) as usize];
            self.put(TO_GUC + 0x1000 + 4 * self.tail, &left);
            self.tail = 0;
        }
        self.fence = self.fence.wrapping_add(1);
        let message: Vec<u32> =
            [u32::from(self.fence) << 16 | length, kind | action].into_iter().chain(rest.iter().copied()).collect();
        self.put(TO_GUC + 0x1000 + 4 * self.tail, &message);
        self.tail = (self.tail + 1 + length) % (RING / 4);
        self.put(TO_GUC + 4, &[self.tail]);
        self.port.write32(0x19_01F0, 0);
    }

    /// Reads what the firmware told.
    fn receive(&mut self) {
        while self.get(TO_HOST + 4) != self.head {
            let mut take = || {
                let dword = self.get(TO_HOST + 0x1000 + 4 * self.head);
                self.head = (self.head + 1) % (RING / 4);
                dword
            };
            let header = take();
            let message: Vec<u32> = (0..header & 0xFF).map(|_| take()).collect();
            self.put(TO_HOST, &[self.head]);
            match (message[0] >> 28 & 7, message[0] & 0xFFFF) {
                (1, 0x1002) => self.told.push_back(Told::Mode(message[1], message[2] != 0)),
                (1, 0x4600) => self.told.push_back(Told::Gone(message[1])),
                (1, 0x1008) => self.told.push_back(Told::Reset(message[1])),
                (1, action) => self.told.push_back(Told::Other(action)),
                (7, _) => drop(self.answers.insert((header >> 16) as u16, message[0])),
                _ => self.refusals.push(message[0]),
            }
        }
    }

    /// Takes interrupts as Linux does: the top off, a bank after the other, the top on.
    pub(crate) fn take_interrupts(&mut self) {
        while self.port.message() {
            self.taken += 1;
            self.port.write32(MASTER, 0);
            let top = self.port.read32(MASTER);
            for bank in (0..2).filter(|bank| top >> bank & 1 != 0) {
                self.take_bank(bank);
            }
            self.port.write32(MASTER, ON);
        }
    }

    fn take_bank(&mut self, bank: u32) {
        let (pending, identity) = (0x19_0018 + 4 * bank, 0x19_0060 + 4 * bank);
        let bits = self.port.read32(pending);
        let mut identities = Vec::new();
        for bit in (0..32).filter(|bit| bits >> bit & 1 != 0) {
            self.port.write32(0x19_0070 + 4 * bank, 1 << bit);
            let mut word = 0;
            self.until("the identity is valid", |host| {
                word = host.port.read32(identity);
                word & ON != 0
            });
            self.port.write32(identity, word);
            identities.push((bit, word));
        }
        self.port.write32(pending, bits);
        for (bit, word) in identities {
            if (bank, bit) == (0, 25) {
                self.receive();
            }
            let engine = ENGINES.iter().position(|(.., irq)| *irq == (bank as usize, bit));
            if let Some(engine) = engine.filter(|_| word & 1 != 0) {
                self.user[engine] += 1;
            }
        }
    }
}
