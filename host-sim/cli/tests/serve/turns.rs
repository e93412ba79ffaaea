//! Contexts that take turns on engines, while the driver is another process: everything happens at once.

use crate::guc::host::{BUS, ENGINES, Host, Told};
use crate::guc::port::Port;
use crate::guc::queue::{Batch, Queue, pages};
use crate::server::{BAR0, CONFIG, Server, write32};
use core::sync::atomic::Ordering;
use core::time::Duration;
use rustix::event::{EventfdFlags, eventfd};
use rustix::fs::{MemfdFlags, ftruncate, memfd_create};
use std::fs::File;
use std::io::Read as _;
use std::os::fd::AsRawFd as _;
use std::time::Instant;
use vfio_bindings::bindings::vfio::{VFIO_IRQ_SET_ACTION_TRIGGER, VFIO_IRQ_SET_DATA_EVENTFD};
use vfio_user::Client;
use vm_memory::{Bytes as _, FileOffset, MmapRegion, VolatileMemory as _};

/// The protocol, memory of a file, wall time.
struct Wire {
    client: Client,
    memory: MmapRegion,
    irq: File,
    start: Instant,
}

impl Wire {
    fn new(server: &Server, pages: u32) -> Self {
        let bytes = u64::from(pages) * 4096;
        let file = File::from(memfd_create("ram", MemfdFlags::CLOEXEC).unwrap());
        ftruncate(&file, bytes).unwrap();
        let memory = MmapRegion::from_file(FileOffset::new(file.try_clone().unwrap(), 0), bytes as usize).unwrap();
        let mut client = server.client();
        client.dma_map(0, BUS, bytes, file.as_raw_fd()).unwrap();
        let irq = File::from(eventfd(0, EventfdFlags::NONBLOCK | EventfdFlags::CLOEXEC).unwrap());
        let flags = VFIO_IRQ_SET_ACTION_TRIGGER | VFIO_IRQ_SET_DATA_EVENTFD;
        client.set_irqs(1, flags, 0, 1, &[irq.as_raw_fd()]).unwrap();
        Self { client, memory, irq, start: Instant::now() }
    }
}

impl Port for Wire {
    fn now_ns(&mut self) -> u64 {
        self.start.elapsed().as_nanos() as u64
    }

    fn write(&mut self, offset: u64, bytes: &[u8]) {
        self.client.region_write(BAR0, offset, bytes).unwrap();
    }

    fn read32(&mut self, offset: u32) -> u32 {
        crate::server::read32(&mut self.client, BAR0, offset.into())
    }

    fn config(&mut self, offset: u64, value: u32) {
        write32(&mut self.client, CONFIG, offset, value);
    }

    fn message(&mut self) -> bool {
        self.irq.read_exact(&mut [0; 8]).is_ok()
    }

    fn get(&self, at: u64) -> u32 {
        self.memory.as_volatile_slice().load(at as usize, Ordering::SeqCst).unwrap()
    }

    fn put(&self, at: u64, value: u32) {
        self.memory.as_volatile_slice().store(value, at as usize, Ordering::SeqCst).unwrap();
    }
}

/// Queues on each engine.
const EACH: usize = 2;
const QUEUES: u32 = (ENGINES.len() * EACH) as u32;
const SPIN_TICKS: u32 = 19_200 * 30;
/// Longest time in which a queue may show no sign of life: processes have to wait for a processor, too.
const PATIENCE_NS: u64 = 10_000_000_000;

/// What a driver sees of a queue: jobs done and begun, and the clock, which is none while it is on its engine.
type Seen = (u32, u32, Option<u32>);

struct Watched {
    queue: Queue,
    engine: usize,
    seen: Seen,
    since_ns: u64,
    heard: bool,
}

fn start(host: &mut Host<Wire>) -> Vec<Watched> {
    let mut all = Vec::new();
    for (at, index) in (0..ENGINES.len() * EACH).zip(0..) {
        let engine = at / EACH;
        let (class, number, ..) = ENGINES[engine];
        let queue = Queue::new(host, index, class, 1 << number);
        queue.register(host);
        queue.policies(host, 1_000, 640_000, 3);
        queue.enable(host, true);
        all.push(Watched { queue, engine, seen: (0, 0, None), since_ns: 0, heard: false });
    }
    all
}

/// A spinner and seven short jobs for each.
fn give(host: &mut Host<Wire>, all: &mut [Watched]) {
    for job in 0..8 {
        for Watched { queue, .. } in &mut *all {
            queue.give(host, if job == 0 { Batch::Ticks(SPIN_TICKS) } else { Batch::Short });
            queue.ring(host);
        }
    }
    let now = host.port.now_ns();
    all.iter_mut().for_each(|watched| (watched.since_ns, watched.heard) = (now, false));
}

/// Waits until an interrupt came after the last job of each: nobody looks without one.
fn wait(host: &mut Host<Wire>, all: &mut [Watched], mut user: [u64; 4]) {
    while all.iter().any(|watched| !watched.heard) {
        host.take_interrupts();
        let now = host.port.now_ns();
        for watched in &mut *all {
            let (queue, engine) = (&watched.queue, watched.engine);
            let (done, begun) = queue.done(host);
            watched.heard |= done == queue.given && user[engine] != host.user[engine];
            let seen = (done, begun, queue.clock(host));
            if seen != watched.seen || seen.2.is_none() || watched.heard {
                (watched.seen, watched.since_ns) = (seen, now);
            }
            let (index, given, ends) = (queue.index, queue.given, queue.ends(host));
            let late = now - watched.since_ns > PATIENCE_NS;
            assert!(!late, "queue {index} stands still: {seen:?} of {given} jobs, head and tail {ends:x?}");
        }
        user = host.user;
        std::thread::sleep(Duration::from_micros(200));
    }
}

#[test]
fn long_spinners_of_many_queues_take_turns_and_are_heard_of() {
    let server = Server::start(&["--platform", "tgl", "--c6", "off"]);
    let mut host = Host::new(Wire::new(&server, pages(QUEUES)), pages(QUEUES));
    let mut all = start(&mut host);
    for _ in 0..5 {
        let user = host.user;
        give(&mut host, &mut all);
        wait(&mut host, &mut all, user);
    }
    assert_eq!(host.refusals, Vec::<u32>::new());
    assert_eq!(host.told.iter().filter(|told| matches!(told, Told::Mode(_, true))).count(), all.len());
    drop(host);
    assert_eq!(server.end().broken_rules(), Vec::<String>::new());
}
