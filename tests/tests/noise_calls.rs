//! Byte strings that mean little, for every call number, from one client beside another: no panic, no broken rule of the
//! hardware, and the other client finds everything as it left it.
//!
//! Seeded. `BAREXE_CALLS` says how many strings each number gets (100000 takes about a minute), `BAREXE_SEED` which.
#![expect(clippy::unwrap_used, clippy::arithmetic_side_effects, reason = "helpers of these tests fail by panicking")]

use barexe_core::Capacities;
use barexe_core::device::request::{EngineRef, QueueProperties, QueueRequest, VmFlags};
use barexe_core::device::{ClientId, Config, MappingInfo, TicketState};
use barexe_core::gt::{Engine, EngineClass};
use barexe_core::uapi::{self, Call};
use barexe_hal::{Nanos, UserSpace};
use barexe_sim::{Platform, Sim, SimConfig};
use barexe_tests::random::{Random, Seed, seeds};
use barexe_tests::rig::{BATCH_END, Mapped, Rig, binary, rows, store_batch};
use barexe_tests::storage::{boxed, cut};
use barexe_tests::wire::{Bytes, Ram};

/// Where the hostile client has memory.
const MEMORY: u64 = 0x7000_0000;
const MEMORY_BYTES: u64 = 1024;
/// Where the neighbour maps its object.
const VA: u64 = 0x40_0000;
const PAGE: u64 = 0x1000;

/// Numbers of the layers around the driver, of calls nobody has, of calls that are not served.
const OTHERS: [u32; 14] = [0, 0x0C, 0x50, 0xFF, 0x4B, 0x4C, 0x4D, 0x4F, 0xC1, 0xC2, 0xC5, 0xCC, 0xCD, 0xA0];

/// One of everything, of one client.
#[derive(Clone, Copy, Debug)]
struct Owned {
    client: ClientId,
    vm: u32,
    bo: Mapped,
    bind_queue: u32,
    queue: u32,
    syncobj: u32,
}

impl Owned {
    /// The names that a client knows its objects by.
    const fn ids(&self) -> [u32; 5] {
        [self.vm, self.bo.bo, self.bind_queue, self.queue, self.syncobj]
    }
}

fn queue(rig: &mut Rig<'_>, vm: u32, engine: Engine) -> u32 {
    let place = EngineRef { class: engine.class, instance: engine.logical.into(), gt: engine.gt.into() };
    let properties = QueueProperties { priority: 0, timeslice_us: 77 };
    let request = QueueRequest { vm, placements: &[place], width: 1, properties };
    rig.device.exec_queue_create(rig.client, &request).unwrap()
}

/// One of everything for the rig's client; batches run on an engine of this class.
fn one_of_everything(rig: &mut Rig<'_>, class: EngineClass) -> Owned {
    let (vm, bo) = (rig.vm(), rig.bo(PAGE));
    rig.bind_now(vm, &[rig.map_op(bo, VA)]);
    let bind_queue = rig.device.bind_queue_create(rig.client, vm).unwrap();
    let queue = queue(rig, vm, rig.engine(class));
    let syncobj = rig.device.syncobj_create(rig.client, true).unwrap();
    Owned { client: rig.client, vm, bo, bind_queue, queue, syncobj }
}

/// Everything the neighbour can see of its own.
#[derive(Debug, PartialEq)]
struct Seen {
    mappings: Vec<MappingInfo>,
    leads_to: String,
    bytes: Vec<u8>,
    privileged: bool,
    modes: VmFlags,
    properties: Option<QueueProperties>,
    banned: [bool; 2],
    mmap_offset: u64,
    point: u64,
}

fn seen(rig: &Rig<'_>, by: &Owned) -> Seen {
    let (device, client) = (&rig.device, by.client);
    let mut bytes = vec![0; 4096];
    device.mapping_read(client, by.bo.mapping, 0, &mut bytes).unwrap();
    let root = device.vm_root_on(client, by.vm, 0).unwrap();
    Seen {
        mappings: device.vm_mappings(client, by.vm).unwrap().collect(),
        leads_to: format!("{:?}", rig.sim.walk(root, VA)),
        bytes,
        privileged: device.client_is_privileged(client).unwrap(),
        modes: device.queue_vm_flags(client, by.queue).unwrap(),
        properties: device.queue_properties(client, by.queue).unwrap(),
        banned: [by.queue, by.bind_queue].map(|queue| device.queue_is_banned(client, queue).unwrap()),
        mmap_offset: device.bo_mmap_offset(client, by.bo.bo).unwrap(),
        point: device.syncobj_value(client, by.syncobj, true).unwrap(),
    }
}

/// The neighbour binds and runs a batch that stores `value`; the result is there.
fn works(rig: &mut Rig<'_>, by: &Owned, value: u32) {
    rig.write(by.bo, 0, &store_batch(VA + 0x800, value));
    let out = rig.device.syncobj_create(by.client, false).unwrap();
    rig.bind(by.vm, by.bind_queue, &[rig.unmap_op(VA + PAGE, PAGE)], &[binary(out, true)]).unwrap();
    let ticket = rig.exec(by.queue, VA, &[binary(out, false)]).unwrap();
    assert_eq!(rig.wait(ticket), TicketState::Done, "{}", rig.name());
    assert_eq!(rig.read(by.bo, 0x800), value, "{}", rig.name());
    rig.device.syncobj_destroy(by.client, out).unwrap();
}

/// Fills bytes word by word: mostly zero, ids of both clients, small numbers, places in the client's memory, noise.
fn scribble(random: &mut Random, bytes: &mut [u8], ids: &[u32]) {
    let noise_only = random.one_in(8);
    for word in bytes.chunks_mut(8) {
        let pointer = MEMORY + random.below(MEMORY_BYTES / 8) * 8;
        let mut half = || match random.below(8) {
            0..4 => 0,
            4 => ids.get(usize::try_from(random.below(ids.len() as u64)).unwrap()).copied().unwrap_or(0),
            5 | 6 => u32::try_from(random.below(9)).unwrap(),
            _ => u32::try_from(random.next() >> 32).unwrap(),
        };
        let pair = u64::from(half()) | u64::from(half()) << 32;
        let value = match random.below(12) {
            _ if noise_only => random.next(),
            0 | 1 => pointer,
            2 => random.next(),
            3 => random.below(32) * PAGE,
            4 => VA + random.below(8) * PAGE,
            _ => pair,
        };
        word.copy_from_slice(value.to_le_bytes().get(..word.len()).unwrap());
    }
}

/// A request with this number: mostly one that the driver has, else of any size, direction and type.
fn request(random: &mut Random, number: u32) -> u32 {
    let known = Call::ALL.iter().map(|call| call.request()).find(|known| known & 0xFF == number);
    match (known, random.below(16)) {
        (Some(0x4088_6445), 0..6) => uapi::request::XE_VM_BIND_A,
        (Some(0x4038_6449), 0..6) => uapi::request::XE_EXEC_A,
        (Some(known), 0..=13) => known,
        (_, 14) => u32::try_from(random.next() >> 32).unwrap() & !0xFF | number,
        _ => 0xC000_6400 | u32::try_from(random.below(256)).unwrap() << 16 | number,
    }
}

/// Where a handle of a sync object lies in the hostile client's memory.
const HANDLES: u64 = MEMORY + 512;
/// Fewest calls that one hostile client makes, and most clients for a number.
const CALLS_OF_ONE: u64 = 100;
const CLIENTS: u64 = 100;
const EXEC: u32 = 0x49;

/// A struct that is right, or nearly, with this number: offsets of bind-and-exec sheet §2.5.
fn right(random: &mut Random, number: u32, by: &Owned) -> Option<Bytes> {
    let small = |random: &mut Random, below| u32::try_from(random.below(below)).unwrap();
    Some(match number {
        0x09 => Bytes::new(8).u32(0, by.bo.bo),
        0x40 => Bytes::new(40).u32(8, small(random, 11)).u64(16, MEMORY),
        0x41 => Bytes::new(56).u64(8, PAGE).u32(16, 1).u16(32, 1),
        0x42 => Bytes::new(40).u32(8, by.bo.bo),
        0x43 => Bytes::new(32).u32(8, small(random, 4)),
        0x44 => Bytes::new(24).u32(0, by.vm),
        0x45 => {
            let bind = Bytes::new(160).u32(8, by.vm).u32(20, 1).u64(48, PAGE).u64(56, VA + random.below(64) * PAGE);
            match small(random, 3) {
                0 => bind.u32(32, by.bo.bo),
                1 => bind.u32(68, 4),
                _ => bind.u32(64, 1),
            }
        }
        0x46 => Bytes::new(48).u16(8, 1).u16(10, 1).u32(12, by.vm).u64(24, MEMORY),
        0x47 => Bytes::new(24).u32(0, by.queue),
        0x48 | 0x4E => Bytes::new(40).u32(8, by.queue).u32(12, if number == 0x4E { 5 } else { 0 }),
        EXEC => Bytes::new(56).u32(8, by.queue).u64(24, VA).u16(32, u16::from(random.one_in(2))),
        0x4A => Bytes::new(72).u64(8, MEMORY).u32(16, small(random, 6)).u32(48, by.queue),
        0xBF => Bytes::new(8),
        0xC0 => Bytes::new(8).u32(0, by.syncobj),
        0xC3 => Bytes::new(40).u64(0, HANDLES).u32(16, 1),
        0xC4 => Bytes::new(16).u64(0, HANDLES).u32(8, 1),
        0xCA => Bytes::new(48).u64(0, HANDLES).u32(24, 1),
        0xCB => Bytes::new(24).u64(0, HANDLES).u64(8, MEMORY).u32(16, 1),
        _ => return None,
    })
}

/// An argument struct: noise, or a right one with noise in up to two words.
fn argument(random: &mut Random, (number, len): (u32, usize), by: &Owned, ids: &[u32]) -> Vec<u8> {
    let mut noise = vec![0; len];
    scribble(random, &mut noise, ids);
    let Some(Bytes(mut arg)) = right(random, number, by).filter(|_| random.one_in(2)) else { return noise };
    arg.resize(len, 0);
    for _ in 0..random.below(3) {
        let at = usize::try_from(random.below(len.div_ceil(8).max(1) as u64)).unwrap() * 8;
        for (byte, noise) in arg.iter_mut().zip(&noise).skip(at).take(8) {
            *byte = *noise;
        }
    }
    arg
}

/// Noise in the client's memory, and a handle.
fn memory(random: &mut Random, by: &Owned, ids: &[u32]) -> Ram {
    let mut bytes = vec![0; usize::try_from(MEMORY_BYTES).unwrap()];
    scribble(random, &mut bytes, ids);
    let at = usize::try_from(HANDLES - MEMORY).unwrap();
    Ram::new().with(MEMORY, &Bytes(bytes).u32(at, by.syncobj).0)
}

/// Calls of one number by a fresh client; how many of them were not refused.
fn one_client(rig: &mut Rig<'_>, number: u32, calls: u64, neighbour: &Owned, random: &mut Random) -> u64 {
    let before = seen(rig, neighbour);
    rig.client = rig.device.client_open_in(random.one_in(2), UserSpace(2)).unwrap();
    let hostile = one_of_everything(rig, EngineClass::Render);
    rig.write(hostile.bo, 0, &[BATCH_END, 0]);
    let ids = [hostile.ids(), neighbour.ids()].concat();
    let (mut ram, mut accepted) = (Ram::new(), 0);
    for call in 0..calls {
        if call & 7 == 0 {
            ram = memory(random, &hostile, &ids);
        }
        let request = request(random, number);
        let len = uapi::request::size_bytes(request).min(256);
        let mut arg = argument(random, (number, len), &hostile, &ids);
        let answer = uapi::ioctl(&mut rig.device, rig.client, request, &mut arg, &mut ram);
        accepted += u64::from(answer.is_ok());
        if call & 63 == 0 {
            let until = rig.device.now().saturating_add(Nanos::from_micros(5));
            let _ = rig.device.relax(until);
            rig.device.poll();
            assert_eq!(seen(rig, neighbour), before, "{} number {number:#x}, call {call}", rig.name());
        }
    }
    rig.device.client_close(rig.client).unwrap();
    rig.client = neighbour.client;
    rig.settle();
    assert_eq!(seen(rig, neighbour), before, "{} number {number:#x}", rig.name());
    accepted
}

/// So many calls of one number; how many of them were not refused. The neighbour works all the same afterwards.
fn make_noise(rig: &mut Rig<'_>, number: u32, calls: u64, neighbour: &Owned, random: &mut Random) -> u64 {
    // Nothing ends a batch that runs wild yet, and so nothing frees its queue: one client makes all execs.
    let each = if number == EXEC { calls } else { calls.div_ceil(CLIENTS).max(CALLS_OF_ONE) };
    let rounds = calls.div_ceil(each);
    let accepted = (0..rounds).map(|_| one_client(rig, number, each, neighbour, random)).sum();
    works(rig, neighbour, number << 16 | 0xABC);
    assert_eq!(rig.sim.violations(), Vec::<String>::new(), "{} number {number:#x}", rig.name());
    accepted
}

/// Strings for each number.
fn calls() -> u64 {
    std::env::var("BAREXE_CALLS").map_or(300, |calls| calls.parse().unwrap())
}

fn noise_on(platform: Platform) {
    for seed in seeds(1) {
        let _named = Seed(seed);
        let mut random = Random::new(seed);
        let config = SimConfig { memory_bytes: 128 << 20, relax_commands: 2000, ..SimConfig::new(platform.clone()) };
        let sim = Sim::new(&config).unwrap();
        let mut storage = boxed();
        let opened = Config { platforms: rows(&platform), ..Config::default() };
        let lent = cut(storage.lend(), &Capacities::DEFAULT.on_tiles(platform.tiles.into()));
        let mut rig = Rig::open_as(&sim, lent, opened);
        let neighbour = one_of_everything(&mut rig, EngineClass::Copy);
        works(&mut rig, &neighbour, 1);
        let served = Call::ALL.iter().map(|call| call.request() & 0xFF);
        let mut numbers: Vec<u32> = served.chain(OTHERS).collect();
        numbers.sort_unstable();
        numbers.dedup();
        let mut heard = 0;
        for number in numbers {
            let accepted = make_noise(&mut rig, number, calls(), &neighbour, &mut random);
            eprintln!("{} number {number:#04x}: {accepted} of {} not refused", platform.name, calls());
            heard += u32::from(accepted > 0);
        }
        assert!(heard >= 16, "noise that is refused at the door shows nothing: {heard} numbers got further");
        let _ = rig.close();
        let (given, taken) = sim.buffers();
        assert_eq!((given, sim.violations()), (taken, Vec::new()), "{}: buffers", platform.name);
    }
}

#[test]
fn noise_on_every_number_leaves_the_neighbour_alone_on_tgl() {
    noise_on(Platform::tgl());
}

#[test]
fn noise_on_every_number_leaves_the_neighbour_alone_on_lnl() {
    noise_on(Platform::lnl());
}
