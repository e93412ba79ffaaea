//! Whole bind calls, from the decoded request to the signalled fence: CPU path, everything warm.
//!
//! Each figure is also given as the number of page-table stores that would take as long: of a plain loop of volatile
//! 8-byte stores over the entries of 1 MiB of tables, timed in the same run.
//!
//! `cargo bench -p barexe-core --bench whole_bind` prints Criterion's own figures first. With `BAREXE_RATIOS_ONLY` set
//! it prints the summary alone.
#![expect(
    clippy::arithmetic_side_effects,
    clippy::cast_precision_loss,
    clippy::float_arithmetic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "benchmarks: numbers are small, what goes wrong ends them, and times are reported"
)]
#![expect(unsafe_code, reason = "the limit is a loop of volatile stores")]

#[path = "../common/quiet.rs"]
mod quiet;
#[path = "../common/timing.rs"]
mod timing;

use barexe_core::device::request::{BindCall, BindFlags, BindKind, BindOp, BoRequest, CpuCaching, VmFlags};
use barexe_core::device::{ClientId, Device, TicketState};
use barexe_hal::client::NoClientMemory;
use core::time::Duration;
use criterion::Criterion;
use quiet::QuietHal;
use std::time::Instant;
use timing::median;

const MIB_2: u64 = 2 << 20;
const VA: u64 = 1 << 32;

/// What is bound in one call.
#[derive(Clone, Copy)]
struct Shape {
    name: &'static str,
    /// Operations of the call.
    ops: u64,
    /// Bytes from one to the next, and how far the first lies off 2 MiB.
    stride: u64,
    askew: u64,
    bytes: u64,
}

const SHAPES: [Shape; 4] = [
    Shape { name: "2 MiB, one leaf", ops: 1, stride: 0, askew: 0, bytes: MIB_2 },
    Shape { name: "2 MiB, 512 leaves", ops: 1, stride: 0, askew: 0x1000, bytes: MIB_2 },
    Shape { name: "64 of 2 MiB in one call, each", ops: 64, stride: MIB_2, askew: 0, bytes: MIB_2 },
    Shape { name: "64 of 4 KiB in one call, each", ops: 64, stride: 0x1000, askew: 0, bytes: 0x1000 },
];

const fn op(kind: BindKind, va: u64, range_bytes: u64) -> BindOp {
    BindOp { kind, va, range_bytes, pat_index: 0, flags: BindFlags::empty() }
}

impl Shape {
    /// The operations of a call.
    fn ops(&self, kind: BindKind) -> Vec<BindOp> {
        (0..self.ops).map(|n| op(kind, VA + self.askew + n * self.stride, self.bytes)).collect()
    }
}

struct Rig {
    device: Device<'static, QuietHal<()>>,
    client: ClientId,
    vm: u32,
    bo: u32,
}

impl Rig {
    fn new() -> Self {
        let (mut device, client) = quiet::open(());
        let vm = device.vm_create(client, VmFlags::empty()).unwrap();
        let caching = CpuCaching::WriteBack;
        let request = BoRequest { size_bytes: MIB_2, caching, scanout: false, no_compression: false, vm: None };
        let bo = device.bo_create(client, &request).unwrap();
        let mut rig = Self { device, client, vm, bo };
        // Something else in the VM, so that its upper tables stay.
        rig.bind(&[op(BindKind::MapNull, VA - 0x1000, 0x1000)]);
        rig.device.hal_mut().quiet = true;
        rig
    }

    /// A call and the wait for its fence.
    #[inline(never)]
    fn bind(&mut self, ops: &[BindOp]) -> Duration {
        let begin = Instant::now();
        let call = BindCall { vm: self.vm, queue: 0 };
        let (mut ops, mut syncs) = (ops, &[][..]);
        let ticket = self.device.vm_bind(self.client, &call, &mut ops, &mut syncs, &mut NoClientMemory).unwrap();
        while self.device.ticket_state(ticket).unwrap() == TicketState::Pending {
            self.device.poll();
        }
        begin.elapsed()
    }

    /// Maps and unmaps once; the time of each call.
    fn round(&mut self, map: &[BindOp], unmap: &[BindOp]) -> (Duration, Duration) {
        (self.bind(map), self.bind(unmap))
    }
}

/// Seconds that one store of an entry takes in a plain loop.
fn store_seconds(entries: &mut [u64]) -> f64 {
    let begin = Instant::now();
    for (value, entry) in (0u64..).zip(entries.iter_mut()) {
        // SAFETY: the pointer comes from a live exclusive reference.
        unsafe { core::ptr::from_mut(entry).write_volatile(value) };
    }
    begin.elapsed().as_secs_f64() / entries.len() as f64
}

fn report() {
    println!("{:<32} {:>9} {:>9} {:>12} {:>12}", "", "map, ns", "unmap, ns", "map, stores", "unmap, stores");
    for shape in &SHAPES {
        let mut rig = Rig::new();
        let kind = BindKind::Map { bo: rig.bo, offset_bytes: 0 };
        let (map, unmap) = (shape.ops(kind), shape.ops(BindKind::Unmap));
        let mut entries = vec![0; 1 << 17];
        let (mut maps, mut unmaps, mut stores) = (Vec::new(), Vec::new(), Vec::new());
        for round in 0..4000 {
            let (mapped, unmapped) = rig.round(&map, &unmap);
            if round >= 100 {
                maps.push(mapped.as_secs_f64() / shape.ops as f64);
                unmaps.push(unmapped.as_secs_f64() / shape.ops as f64);
            }
            if round % 20 == 0 {
                stores.push(store_seconds(&mut entries));
            }
        }
        let (map, unmap, store) = (median(maps), median(unmaps), median(stores));
        let (name, ns) = (shape.name, |seconds: f64| seconds * 1e9);
        println!("{name:<32} {:>9.0} {:>9.0} {:>12.0} {:>12.0}", ns(map), ns(unmap), map / store, unmap / store);
    }
}

fn criterion() {
    let mut criterion = Criterion::default().configure_from_args().sample_size(20);
    for shape in &SHAPES {
        let mut rig = Rig::new();
        let kind = BindKind::Map { bo: rig.bo, offset_bytes: 0 };
        let (map, unmap) = (shape.ops(kind), shape.ops(BindKind::Unmap));
        let mut group = criterion.benchmark_group(shape.name);
        group.bench_function("map", |b| b.iter_custom(|n| (0..n).map(|_| rig.round(&map, &unmap).0).sum()));
        group.bench_function("unmap", |b| b.iter_custom(|n| (0..n).map(|_| rig.round(&map, &unmap).1).sum()));
        group.finish();
    }
    criterion.final_summary();
}

fn main() {
    if std::env::var_os("BAREXE_RATIOS_ONLY").is_none() {
        criterion();
    }
    report();
}
