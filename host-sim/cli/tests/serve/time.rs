//! Device time beside wall time: nobody waits for the engines, and they wait for nothing.

use crate::hal::VfioHal;
use crate::server::{BAR0, CONFIG, Server, read32, write32};
use barexe_cli::machine::storage;
use barexe_core::Error;
use barexe_core::device::request::{
    BindCall, BindFlags, BindKind, BindOp, BoRequest, CpuCaching, EngineRef, ExecCall, QueueProperties, QueueRequest,
    VmFlags,
};
use barexe_core::device::{Config, Device, Ticket, TicketState};
use barexe_core::gt::EngineClass;
use barexe_hal::client::NoClientMemory;
use barexe_hal::{GpuVa, Nanos};
use core::time::Duration;
use std::time::Instant;

/// Processor time of a process, in clock ticks of 10 ms.
fn ticks(server: &Server) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", server.id())).unwrap();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
}

#[test]
fn a_server_with_nothing_to_do_uses_no_processor() {
    let server = Server::start(&[]);
    let mut client = server.client();
    write32(&mut client, CONFIG, 4, 6);
    let before = ticks(&server);
    std::thread::sleep(Duration::from_millis(500));
    let used = ticks(&server) - before;
    assert!(used <= 2, "{used} ticks in half a second");
    assert_eq!(read32(&mut client, BAR0, 0x19_0090), 0);
}

const VA: u64 = 0x10_0000;

/// Runs a batch at [`VA`] and does not wait for it.
fn start(device: &mut Device<'_, VfioHal>, batch: &[u32]) -> Result<Ticket, Error> {
    let client = device.client_open(false)?;
    let vm = device.vm_create(client, VmFlags::empty())?;
    let caching = CpuCaching::WriteBack;
    let request = BoRequest { size_bytes: 4096, caching, scanout: false, no_compression: false, vm: None };
    let bo = device.bo_create(client, &request)?;
    let offset = device.bo_mmap_offset(client, bo)?;
    let mapping = device.bo_map(client, offset, 4096)?;
    let bytes: Vec<u8> = batch.iter().flat_map(|dword| dword.to_le_bytes()).collect();
    device.mapping_write(client, mapping, 0, &bytes)?;
    let kind = BindKind::Map { bo, offset_bytes: 0 };
    let mut ops: &[_] = &[BindOp { kind, va: VA, range_bytes: 4096, pat_index: 0, flags: BindFlags::empty() }];
    let bound = device.vm_bind(client, &BindCall { vm, queue: 0 }, &mut ops, &mut &[][..], &mut NoClientMemory)?;
    while device.ticket_state(bound)? == TicketState::Pending {
        pass(device, Nanos::from_micros(100));
    }
    let copies = |engine: &&barexe_core::gt::Engine| engine.class == EngineClass::Copy && !engine.reserved;
    let engine = *device.info().engines.iter().find(copies).unwrap();
    let place = EngineRef { class: engine.class, instance: engine.logical.into(), gt: engine.gt.into() };
    let properties = QueueProperties::default();
    let queue = device.exec_queue_create(client, &QueueRequest { vm, placements: &[place], width: 1, properties })?;
    device.exec(client, &ExecCall { queue, batches: &[GpuVa::new(VA).unwrap()] }, &mut &[][..])
}

fn pass(device: &mut Device<'_, VfioHal>, by: Nanos) {
    let now = device.now();
    let _ = device.relax(now.saturating_add(by));
    device.poll();
}

#[test]
fn a_batch_without_end_keeps_no_register_from_being_read() {
    let server = Server::start(&[]);
    let mut storage = storage();
    let opened = Device::open(VfioHal::new(&server), storage.lend(), Config::default(), None);
    let Ok(mut device) = opened else { panic!("not opened") };
    // Two commands that go round and round.
    let batch = [0x0280_0000, 0x1880_0101, VA as u32, 0];
    let job = start(&mut device, &batch).unwrap();
    let began = Instant::now();
    while began.elapsed() < Duration::from_millis(50) {
        pass(&mut device, Nanos::from_millis(1));
    }
    assert_eq!(device.ticket_state(job), Ok(TicketState::Pending));
    // It does not take a processor for itself, either, once it has gone round often enough.
    std::thread::sleep(Duration::from_millis(500));
    let before = ticks(&server);
    std::thread::sleep(Duration::from_secs(1));
    let used = ticks(&server) - before;
    assert!(used <= 70, "{used} ticks in a second");
    // Closing reads and writes thousands of registers while the engine spins, until it is reset.
    let began = Instant::now();
    let (hal, _) = device.close();
    let closing = began.elapsed();
    assert!(closing < Duration::from_secs(10), "{closing:?}");
    drop(hal);
    assert_eq!(server.end().status, Some(0));
}
