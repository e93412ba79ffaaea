//! The device and its server in one thread: time goes on only to the instants that the device asked for.

use super::host::BUS;
use super::noise::Noise;
use super::pages::Pages;
use super::port::Port;
use barexe_hal::Nanos;
use barexe_sim::{Mapping, PciFunction, Platform, Reaction, Sim, SimConfig};
use std::collections::VecDeque;

/// What the server's thread of the engines runs at once.
const SLICE_COMMANDS: u64 = 256;

/// A device behind a bus, its memory, and the thread of its engines as the server has it: it runs, sleeps until the
/// instant that the device named, or for ever, and is woken by accesses that gave the device something to do.
pub(crate) struct World {
    pub(crate) sim: Sim,
    function: PciFunction,
    pages: Pages,
    pub(crate) noise: Noise,
    now_ns: u64,
    /// The thread was woken.
    woken: bool,
    /// It sleeps until then; none for ever.
    due_ns: Option<u64>,
    /// Messages that were sent and not looked at.
    messages: u32,
    /// Writes are posted: the driver goes on, and they arrive in their order, at the latest before the next read.
    posts: bool,
    posted: VecDeque<(u64, Vec<u8>)>,
}

impl World {
    pub(crate) fn new(pages: u32, noise: Noise, posts: bool) -> Self {
        let mut config = SimConfig::new(Platform::tgl());
        config.c6 = false;
        let sim = Sim::new(&config).unwrap();
        let (function, pages_of) = (sim.function(), Pages::new(pages));
        let len_bytes = u64::from(pages) * 4096;
        let backing = Some(Box::new(pages_of.clone()) as Box<_>);
        let mapping = Mapping { addr: BUS, len_bytes, readable: true, writable: true, backing };
        function.map(Nanos::ZERO, mapping).unwrap();
        Self {
            sim,
            function,
            pages: pages_of,
            noise,
            now_ns: 1,
            woken: true,
            due_ns: None,
            messages: 0,
            posts,
            posted: VecDeque::new(),
        }
    }

    const fn react(&mut self, reaction: Reaction) {
        self.woken |= reaction.stirred;
        self.messages += reaction.messages;
    }

    /// Lets what is posted arrive.
    fn flush(&mut self) {
        while let Some((offset, bytes)) = self.posted.pop_front() {
            let reaction = self.function.bar_write(Nanos::new(self.now_ns), offset, &bytes);
            self.react(reaction);
        }
    }

    /// The instant at which the thread goes on by itself.
    pub(crate) const fn wakes_ns(&self) -> Option<u64> {
        if self.woken { Some(self.now_ns) } else { self.due_ns }
    }

    /// Goes on to an instant, and lets the thread have its turns up to it.
    pub(crate) fn pass_to(&mut self, until_ns: u64) {
        while let Some(at) = self.wakes_ns().filter(|at| *at <= until_ns) {
            self.now_ns = self.now_ns.max(at);
            self.turn();
            if self.noise.below(4) == 0 {
                self.flush();
            }
        }
        self.now_ns = self.now_ns.max(until_ns);
        // What was posted does not wait for ever.
        if !self.posted.is_empty() {
            self.flush();
            self.pass_to(until_ns);
        }
    }

    /// One turn of the thread.
    fn turn(&mut self) {
        self.woken = false;
        let (due, reaction) = self.function.run(Nanos::new(self.now_ns), SLICE_COMMANDS);
        self.due_ns = due.map(Nanos::get);
        self.messages += reaction.messages;
        self.now_ns += u64::from(2_000 + self.noise.below(60_000));
    }

    /// Somebody else had the processor.
    pub(crate) const fn stall(&mut self, ns: u64) {
        self.now_ns += ns;
    }

    pub(crate) const fn time_ns(&self) -> u64 {
        self.now_ns
    }

    pub(crate) const fn has_message(&self) -> bool {
        self.messages > 0
    }

    /// The access takes its time, in which the thread may run.
    fn access(&mut self) {
        let until = self.now_ns + u64::from(1_000 + self.noise.below(20_000));
        if self.noise.below(3) == 0 { self.pass_to(until) } else { self.now_ns = until }
    }
}

impl Port for World {
    fn now_ns(&mut self) -> u64 {
        self.now_ns
    }

    fn write(&mut self, offset: u64, bytes: &[u8]) {
        self.posted.push_back((offset, bytes.to_vec()));
        if self.posts {
            self.now_ns += 200;
        } else {
            self.access();
            self.flush();
        }
    }

    fn read32(&mut self, offset: u32) -> u32 {
        self.access();
        self.flush();
        let mut bytes = [0; 4];
        let reaction = self.function.bar_read(Nanos::new(self.now_ns), u64::from(offset), &mut bytes);
        self.react(reaction);
        u32::from_le_bytes(bytes)
    }

    fn config(&mut self, offset: u64, value: u32) {
        let reaction = self.function.config_write(Nanos::new(self.now_ns), offset, &value.to_le_bytes());
        self.react(reaction);
    }

    fn message(&mut self) -> bool {
        core::mem::take(&mut self.messages) > 0
    }

    fn get(&self, at: u64) -> u32 {
        self.pages.get(at)
    }

    fn put(&self, at: u64, value: u32) {
        self.pages.put(at, value);
    }
}
