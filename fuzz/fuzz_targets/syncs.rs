//! Work with syncs in any order: every fence signals in the end.
#![no_main]

use arbitrary::Arbitrary;
use barexe_core::device::request::{BindCall, BindFlags, BindKind, BindOp, ExecCall, SyncEntry, SyncTarget};
use barexe_core::device::{SyncobjPoint, Ticket, TicketState};
use barexe_fuzz::{BO_BYTES, Ram, VA, on_a_device};
use barexe_hal::{GpuVa, Nanos};
use libfuzzer_sys::fuzz_target;

#[derive(Arbitrary, Clone, Copy, Debug)]
struct Sync {
    object: u8,
    /// A timeline's point; none for a binary object.
    point: Option<u8>,
    /// A user fence instead, at this offset of the object.
    user_fence: Option<u8>,
    signal: bool,
}

/// Batches that the client has.
#[derive(Arbitrary, Clone, Copy, Debug)]
enum Batch {
    None,
    Ends,
    Spins,
    Stuck,
    Nowhere,
}

#[derive(Arbitrary, Debug)]
enum Step {
    Exec(bool, Batch, Vec<Sync>),
    Bind(bool, Option<u8>, Vec<Sync>),
    Signal(u8, u8),
    Reset(u8),
    Transfer((u8, u8), (u8, u8)),
    Pass(u8),
    Destroy(bool),
}

#[derive(Arbitrary, Debug)]
struct Input {
    on_lnl: bool,
    steps: Vec<Step>,
}

const OBJECTS: usize = 3;

fuzz_target!(|input: Input| {
    on_a_device(input.on_lnl, |scene| {
        let own = scene.hostile;
        let jump = |page: u64| [0x1880_0101, (VA + page * 0x1000) as u32, 0];
        scene.write(0, &[0x0500_0000, 0]);
        scene.write(0x1000, &[&[0x0280_0000][..], &jump(1)].concat());
        scene.write(0x2000, &jump(2));
        let objects: [u32; OBJECTS] = core::array::from_fn(|_| scene.device.syncobj_create(own.client, false).unwrap());
        let object = |which: u8| objects[usize::from(which) % OBJECTS];
        let entry = |sync: &Sync| {
            let handle = object(sync.object);
            let target = match (sync.user_fence, sync.point) {
                (Some(at), _) => SyncTarget::UserFence { addr: VA + 0x3000 + u64::from(at) * 8, value: 7 },
                (None, Some(point)) => SyncTarget::Timeline { handle, point: u64::from(point) },
                (None, None) => SyncTarget::Syncobj { handle },
            };
            SyncEntry { target, signal: sync.signal }
        };
        let mut tickets: Vec<Ticket> = Vec::new();
        let mut ram = Ram(vec![0; 64]);
        for step in input.steps.iter().take(64) {
            match step {
                Step::Exec(own_queue, batch, syncs) => {
                    let queue = if *own_queue { own.queue } else { own.bind_queue };
                    let page = match batch {
                        Batch::None => None,
                        Batch::Ends => Some(VA),
                        Batch::Spins => Some(VA + 0x1000),
                        Batch::Stuck => Some(VA + 0x2000),
                        Batch::Nowhere => Some(1 << 40),
                    };
                    let batches: Vec<GpuVa> = page.and_then(GpuVa::new).into_iter().collect();
                    let entries: Vec<SyncEntry> = syncs.iter().map(entry).collect();
                    let call = ExecCall { queue, batches: &batches };
                    tickets.extend(scene.device.exec(own.client, &call, &mut &entries[..]));
                }
                Step::Bind(default, page, syncs) => {
                    let op = |page: u8| BindOp {
                        kind: if page & 1 == 0 { BindKind::MapNull } else { BindKind::Unmap },
                        va: VA + BO_BYTES + u64::from(page >> 1) * 0x1000,
                        range_bytes: 0x1000 << (page & 7),
                        pat_index: 0,
                        flags: BindFlags::empty(),
                    };
                    let ops: Vec<BindOp> = page.map(op).into_iter().collect();
                    let entries: Vec<SyncEntry> = syncs.iter().map(entry).collect();
                    let call = BindCall { vm: own.vm, queue: if *default { 0 } else { own.bind_queue } };
                    tickets.extend(scene.device.vm_bind(own.client, &call, &mut &ops[..], &mut &entries[..], &mut ram));
                }
                Step::Signal(which, point) => {
                    let (mut handles, mut points) = (&[object(*which)][..], &[u64::from(*point)][..]);
                    let _ = scene.device.syncobj_timeline_signal(own.client, &mut handles, Some(&mut points));
                }
                Step::Reset(which) => drop(scene.device.syncobj_reset(own.client, &mut &[object(*which)][..])),
                Step::Transfer(from, to) => {
                    let [from, to] = [from, to]
                        .map(|(which, point)| SyncobjPoint { handle: object(*which), point: u64::from(*point) });
                    let _ = scene.device.syncobj_transfer(own.client, from, to, false);
                }
                Step::Pass(microseconds) => scene.pass(Nanos::from_micros(u64::from(*microseconds))),
                Step::Destroy(exec) => {
                    let queue = if *exec { own.queue } else { own.bind_queue };
                    let _ = scene.device.queue_destroy(own.client, queue);
                }
            }
        }
        scene.pass(Nanos::from_millis(3));
        for ticket in tickets {
            assert_ne!(scene.device.ticket_state(ticket), Ok(TicketState::Pending), "a fence that nothing signals");
        }
        assert!(scene.device.is_quiet(), "something is left");
    });
});
