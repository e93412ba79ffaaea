//! A context: its image, ring and batches, and what a driver can know of it.

use super::host::{BASE, CONTEXTS, ENGINES, Host};
use super::port::Port;

const STRIDE: u32 = 0x1_0000;
/// Where things are in a stride.
const SEQNO: u32 = 0x200;
const BEGUN: u32 = 0x208;
const IMAGE: u32 = 0x1000;
const CLOCK: u32 = IMAGE + 0x23 * 4;
const TAIL: u32 = IMAGE + 7 * 4;
const HEAD: u32 = IMAGE + 5 * 4;
const AT_RESTORE: u32 = 0x2000;
const RING: u32 = 0x4000;
const BATCHES: u32 = 0x8000;
/// One batch, bytes; jobs in flight have one each.
const BATCH: u32 = 0x100;
const WORDS: u32 = 0xC000;
/// Work of contexts side by side: the state of their queue, and its items.
const WORK_STATE: u32 = 0xD000;
const WORK: u32 = 0xE000;
const WORK_BYTES: u32 = 0x400;
const RING_BYTES: u32 = 0x1000;
const JOB_BYTES: u32 = 14 * 4;
/// Jobs that may be in flight.
pub(crate) const MOST_JOBS: u32 = 60;
const END: u32 = 0x0500_0000;
const CHECK: u32 = 0x0280_0000;
/// What stands in the place of the clock while the context is on an engine.
const ACTIVE: u32 = 1;

/// Pages that so many contexts need in the GGTT.
pub(crate) const fn pages(contexts: u32) -> u32 {
    (CONTEXTS - BASE + contexts * STRIDE) >> 12
}

/// What a job's batch does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Batch {
    /// Ends.
    Short,
    /// Goes round until it is released; whether it can be interrupted.
    Spin(bool),
    /// Waits in a semaphore until it is released.
    Wait,
    /// Goes round until the context's clock went on by so many ticks.
    Ticks(u32),
}

/// A context, or two side by side.
#[derive(Clone, Debug)]
pub(crate) struct Queue {
    pub(crate) index: u32,
    pub(crate) class: u32,
    pub(crate) engines: u32,
    /// Jobs given to the ring.
    pub(crate) given: u32,
    /// The one beside it.
    beside: Option<Box<Self>>,
    /// End of what its queue of work has.
    work: u32,
}

impl Queue {
    /// Makes a context's image.
    pub(crate) fn new<P: Port>(host: &Host<P>, index: u32, class: u32, engines: u32) -> Self {
        let queue = Self { index, class, engines, given: 0, beside: None, work: 0 };
        let base = ENGINES.iter().find(|engine| engine.0 == class).unwrap().2;
        let mut dwords = [0u32; 0x40];
        let first = [0x244, 0x34, 0x30, 0x38, 0x3C, 0x168, 0x140, 0x110, 0x1C0, 0x1C4, 0x1C8, 0x180, 0x2B4];
        let second = [0x3A8, 0x28C, 0x288, 0x284, 0x280, 0x27C, 0x278, 0x274, 0x270];
        (dwords[1], dwords[0x21], dwords[0x34]) = (0x1108_1019, 0x1108_1011, END | 1);
        for (slot, register) in (2..).step_by(2).zip(first).chain((0x22..).step_by(2).zip(second)) {
            dwords[slot] = base + register;
        }
        (dwords[3], dwords[9], dwords[0xB]) = (0x0009_0009, queue.at(RING), 1);
        dwords[0x13] = queue.at(AT_RESTORE) | 1;
        host.put(queue.at(IMAGE), &dwords);
        // At each restore the number of the engine is stored, and the mark of a context that runs.
        let number = [0x1248_0002, 0x8C, queue.at(0x210), 0];
        let mark = [0x1040_0002, queue.at(CLOCK), 0, ACTIVE, END];
        host.put(queue.at(AT_RESTORE), &number);
        host.put(queue.at(AT_RESTORE + 16), &mark);
        host.put(queue.at(SEQNO), &[0, 0, 0]);
        queue
    }

    /// Makes two contexts that run side by side, the second with the next index.
    pub(crate) fn two<P: Port>(host: &Host<P>, index: u32, class: u32) -> Self {
        let (first, second) = (Self::new(host, index, class, 1), Self::new(host, index + 1, class, 1));
        host.put(first.at(WORK_STATE), &[0, 0, 0, 1]);
        Self { beside: Some(Box::new(second)), ..first }
    }

    /// Numbers of the engines that it may be on.
    pub(crate) const fn mask(&self) -> u32 {
        if self.beside.is_some() { self.engines | self.engines << 1 } else { self.engines }
    }

    pub(crate) const fn at(&self, inside: u32) -> u32 {
        CONTEXTS + self.index * STRIDE + inside
    }

    fn descriptor(&self) -> u64 {
        let class = [0, 1, 2, 3][self.class as usize];
        u64::from(self.at(0)) | 0x19 | class << 61
    }

    /// Tells the GuC of it.
    pub(crate) fn register<P: Port>(&self, host: &mut Host<P>) {
        let (image, all) = (self.descriptor(), [0, self.index, self.class, self.engines]);
        let halves = |image: u64| [image as u32, (image >> 32) as u32];
        let Some(beside) = &self.beside else {
            return host.send(false, 0x4502, &[all.as_slice(), &[0; 5], &halves(image)].concat());
        };
        let queue = [self.at(WORK_STATE), 0, self.at(WORK), 0, WORK_BYTES, 2];
        let images = [halves(image), halves(beside.descriptor())].concat();
        host.send(false, 0x4601, &[all.as_slice(), &queue, &images].concat());
    }

    /// Sets policies: quantum and limit of preemption in microseconds, priority.
    pub(crate) fn policies<P: Port>(&self, host: &mut Host<P>, quantum: u32, limit: u32, priority: u32) {
        let keys = [0x2003_0001, priority, 0x2001_0001, quantum, 0x2002_0001, limit];
        host.send(false, 0x100B, &[[self.index].as_slice(), &keys].concat());
    }

    pub(crate) fn enable<P: Port>(&self, host: &mut Host<P>, on: bool) {
        host.send(false, 0x1001, &[self.index, u32::from(on)]);
    }

    pub(crate) fn deregister<P: Port>(&self, host: &mut Host<P>) {
        host.send(false, 0x4503, &[self.index]);
    }

    /// Says that there is new work.
    pub(crate) fn ring<P: Port>(&self, host: &mut Host<P>) {
        host.send(false, 0x1000, &[self.index]);
    }

    const fn slot(&self, job: u32) -> u32 {
        self.at(BATCHES + job % 64 * BATCH)
    }

    const fn word(&self, job: u32) -> u32 {
        self.at(WORDS + job % 64 * 16)
    }

    fn batch(&self, job: u32, batch: Batch) -> Vec<u32> {
        let (slot, word) = (self.slot(job), self.word(job));
        // Goes on while what lies there is above the number.
        let ends = |number: u32, place: u32| [0x1B60_0002, number, place, 0];
        let check = |polite: bool| if polite { CHECK } else { 0 };
        match batch {
            Batch::Short => vec![END],
            Batch::Spin(polite) => [&[check(polite)], &ends(0, word)[..], &[0x1880_0001, slot, 0]].concat(),
            Batch::Wait => vec![0x0E40_C002, 1, word + 4, 0, END],
            Batch::Ticks(ticks) => {
                let (begin, now) = (0x600 + 8 * 14, 0x600 + 8 * 15);
                let start = [0x1108_0001, begin + 4, 0, 0x150C_0001, 0x3A8, begin];
                let again = [CHECK, 0x1108_0001, now + 4, 0, 0x150C_0001, 0x3A8, now];
                // Register 15 less register 14, inverted.
                let math = [0x0D00_0003, 0x0800_800F, 0x0800_840E, 0x1010_0000, 0x5800_3C31];
                let save = [0x1248_0002, now, word + 8, 0];
                let rest = [ends(!ticks, word + 8).as_slice(), &[0x1880_0001, slot + 24, 0]].concat();
                [start.as_slice(), &again, &math, &save, &rest].concat()
            }
        }
    }

    /// Puts a job into the ring and moves the tail, or has it moved by the queue of work. Nobody is told.
    pub(crate) fn give<P: Port>(&mut self, host: &Host<P>, batch: Batch) {
        self.write(host, batch);
        let tail = self.given * JOB_BYTES % RING_BYTES;
        let image = self.at(0) | 0x19;
        let Some(beside) = &mut self.beside else { return host.put(self.at(TAIL), &[tail]) };
        beside.write(host, batch);
        let (bytes, left) = (20, WORK_BYTES - self.work);
        if left < bytes {
            host.put(self.at(WORK + self.work), &[4 | (left / 4 - 1) << 16]);
            self.work = 0;
        }
        let item = [5 | 4 << 16, image, self.index | (tail / 8) << 18, 0, tail / 8];
        host.put(self.at(WORK + self.work), &item);
        self.work = (self.work + bytes) % WORK_BYTES;
        host.put(self.at(WORK_STATE + 4), &[self.work]);
    }

    /// Writes a job into the ring.
    fn write<P: Port>(&mut self, host: &Host<P>, batch: Batch) {
        let job = self.given;
        host.put(self.word(job), &[1, 0, 0]);
        host.put(self.slot(job), &self.batch(job, batch));
        let number = job + 1;
        let dwords = [
            0x1040_0002,
            self.at(BEGUN),
            0,
            number,
            0x1880_0001,
            self.slot(job),
            0,
            0x1040_0002,
            self.at(SEQNO),
            0,
            number,
            0x0100_0000,
            0x0400_0001,
            CHECK,
        ];
        for (dword, place) in dwords.iter().zip((0..).map(|dword| job * JOB_BYTES + dword * 4)) {
            host.put(self.at(RING + place % RING_BYTES), &[*dword]);
        }
        self.given = number;
    }

    /// Lets the batch of a job end.
    pub(crate) fn release<P: Port>(&self, host: &Host<P>, job: u32) {
        host.put(self.word(job), &[0, 1]);
        if let Some(beside) = &self.beside {
            beside.release(host, job);
        }
    }

    /// Jobs that are done, and that have begun.
    pub(crate) fn done<P: Port>(&self, host: &Host<P>) -> (u32, u32) {
        let own = (host.get(self.at(SEQNO)), host.get(self.at(BEGUN)));
        let other = self.beside.as_ref().map_or(own, |beside| beside.done(host));
        (own.0.min(other.0), own.1.max(other.1))
    }

    /// The clock as it lies in memory; none while it is on an engine.
    pub(crate) fn clock<P: Port>(&self, host: &Host<P>) -> Option<u32> {
        let off = self.beside.as_ref().is_none_or(|beside| beside.clock(host).is_some());
        Some(host.get(self.at(CLOCK))).filter(|clock| off && *clock != ACTIVE)
    }

    /// Head and tail in the image.
    pub(crate) fn ends<P: Port>(&self, host: &Host<P>) -> (u32, u32) {
        (host.get(self.at(HEAD)), host.get(self.at(TAIL)))
    }
}
