//! Binds of several queues of one VM beside each other: which wait for which, and that those that do not leave the tables as
//! they should be, whoever writes them and in whichever order their turns come.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "helpers of these tests fail by panicking")]

use barexe_core::device::request::BindOp;
use barexe_core::device::{Config, OutsideFence, TableWriter, Ticket, TicketState};
use barexe_sim::SimConfig;
use barexe_tests::rig::{Mapped, Rig, binary, on_every_platform, on_opened, platforms};

const VA: u64 = 0x1A_0000;
const PAGE: u64 = 0x1000;

/// A fence that only the test signals, in a sync object.
struct Gate {
    fence: OutsideFence,
    syncobj: u32,
}

impl Gate {
    fn new(rig: &mut Rig<'_>) -> Self {
        let (fence, syncobj) = (rig.device.outside_fence_create().unwrap(), rig.syncobj());
        rig.device.syncobj_import(rig.client, syncobj, fence).unwrap();
        Self { fence, syncobj }
    }

    fn open(&self, rig: &mut Rig<'_>) {
        rig.device.outside_fence_signal(self.fence).unwrap();
        rig.device.poll();
    }
}

/// A VM with a page at [`VA`], and as many bind queues as asked for.
struct Space {
    vm: u32,
    queues: Vec<u32>,
    page: Mapped,
}

impl Space {
    fn new(rig: &mut Rig<'_>, queues: usize) -> Self {
        let (vm, page) = (rig.vm(), rig.bo(PAGE));
        let queues = (0..queues).map(|_| rig.device.bind_queue_create(rig.client, vm).unwrap()).collect();
        rig.bind_now(vm, &[rig.map_op(page, VA)]);
        Self { vm, queues, page }
    }

    fn bind(&self, rig: &mut Rig<'_>, queue: usize, op: BindOp, gate: Option<&Gate>) -> Ticket {
        let waits: Vec<_> = gate.map(|gate| binary(gate.syncobj, false)).into_iter().collect();
        rig.bind(self.vm, self.queues[queue], &[op], &waits).unwrap()
    }

    fn is_mapped(&self, rig: &Rig<'_>, va: u64) -> bool {
        let root = rig.device.vm_root_on(rig.client, self.vm, 0).unwrap();
        rig.sim.walk(root, va).is_some()
    }
}

#[test]
fn binds_of_other_pages_of_a_table_that_is_there_do_not_wait() {
    on_every_platform(|rig| {
        let space = Space::new(rig, 2);
        let gate = Gate::new(rig);
        let first = space.bind(rig, 0, rig.map_op(space.page, VA + PAGE), Some(&gate));
        let second = space.bind(rig, 1, rig.map_op(space.page, VA + 2 * PAGE), None);
        assert_eq!(rig.wait(second), TicketState::Done);
        assert_eq!([1, 2].map(|n| space.is_mapped(rig, VA + n * PAGE)), [false, true]);
        let cut = space.bind(rig, 1, rig.unmap_op(VA + 2 * PAGE, PAGE), None);
        assert_eq!(rig.wait(cut), TicketState::Done, "one page of two goes");
        assert!(!rig.is_over(first));
        gate.open(rig);
        assert_eq!(rig.wait(first), TicketState::Done);
        assert_eq!([0, 1, 2].map(|n| space.is_mapped(rig, VA + n * PAGE)), [true, true, false]);
    });
}

/// The table goes with its last page: what comes into that table waits. So does what needs a table beside it, where the
/// directory goes too.
#[test]
fn binds_wait_for_one_that_takes_their_table_out() {
    for beside in [VA + PAGE, VA + (2 << 20), VA + (1 << 30)] {
        on_every_platform(|rig| {
            let space = Space::new(rig, 2);
            let gate = Gate::new(rig);
            let first = space.bind(rig, 0, rig.unmap_op(VA, PAGE), Some(&gate));
            let second = space.bind(rig, 1, rig.map_op(space.page, beside), None);
            rig.settle();
            assert!(!rig.is_over(first) && !rig.is_over(second), "{beside:#x}");
            gate.open(rig);
            assert_eq!([rig.wait(first), rig.wait(second)], [TicketState::Done; 2]);
            assert_eq!([VA, beside].map(|va| space.is_mapped(rig, va)), [false, true]);
        });
    }
}

/// One change of a small range waits for nothing that stays below another entry of the directory.
#[test]
fn binds_that_make_or_take_a_table_wait_only_where_it_hangs() {
    on_every_platform(|rig| {
        let space = Space::new(rig, 2);
        let [near, far] = [VA + (4 << 20), VA + (6 << 20)];
        let gate = Gate::new(rig);
        let making = space.bind(rig, 0, rig.map_op(space.page, near), Some(&gate));
        let other = space.bind(rig, 1, rig.map_op(space.page, far), None);
        assert_eq!(rig.wait(other), TicketState::Done, "another table of the directory");
        let same = space.bind(rig, 1, rig.map_op(space.page, near + PAGE), None);
        rig.settle();
        assert!(!rig.is_over(same), "the same table, which is not there");
        gate.open(rig);
        assert_eq!([rig.wait(making), rig.wait(same)], [TicketState::Done; 2]);
        let gate = Gate::new(rig);
        let taking = space.bind(rig, 0, rig.unmap_op(near, 2 * PAGE), Some(&gate));
        let other = space.bind(rig, 1, rig.unmap_op(far, PAGE), None);
        assert_eq!(rig.wait(other), TicketState::Done);
        assert!(!rig.is_over(taking));
        gate.open(rig);
        assert_eq!(rig.wait(taking), TicketState::Done);
        assert_eq!([VA, near, near + PAGE, far].map(|va| space.is_mapped(rig, va)), [true, false, false, false]);
    });
}

/// Each takes one of two pages, so neither knows that the table will go, and a third that maps waits for neither. Whatever
/// the order of their turns, its page is there in the end.
#[test]
fn a_table_may_go_by_two_binds_while_a_third_fills_it() {
    const ORDERS: [[usize; 3]; 6] = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]];
    for order in ORDERS {
        on_every_platform(|rig| {
            let space = Space::new(rig, 3);
            rig.bind_now(space.vm, &[rig.map_op(space.page, VA + PAGE)]);
            let ops = [rig.unmap_op(VA, PAGE), rig.unmap_op(VA + PAGE, PAGE), rig.map_op(space.page, VA + 2 * PAGE)];
            let gates = [0; 3].map(|_| Gate::new(rig));
            let mut tickets = Vec::new();
            for (queue, op) in ops.into_iter().enumerate() {
                tickets.push(space.bind(rig, queue, op, Some(&gates[queue])));
            }
            for next in order {
                gates[next].open(rig);
            }
            // A table that is gone may be in a TLB still: its place is not to be used before.
            let over = [0, 1, 2].map(|bind: usize| rig.is_over(tickets[bind]));
            assert!(order[2] != 2 || !over[2] || over[0] && over[1], "{order:?}: {over:?}");
            for ticket in tickets {
                assert_eq!(rig.wait(ticket), TicketState::Done, "{order:?}");
            }
            assert_eq!([0, 1, 2].map(|n| space.is_mapped(rig, VA + n * PAGE)), [false, false, true], "{order:?}");
        });
    }
}

/// The copy engine is to store a table's address, and the CPU could store an entry of that table now: the bind is not over
/// before both are there.
#[test]
fn a_bind_is_not_over_before_the_table_above_it_is_hooked_up() {
    for platform in platforms() {
        let opened = Config { tables: TableWriter::Auto, ..Config::default() };
        on_opened(&SimConfig::new(platform.clone()), opened, |rig| {
            let space = Space::new(rig, 2);
            let (gate, near) = (Gate::new(rig), VA + (4 << 20));
            let first = space.bind(rig, 0, rig.map_op(space.page, near), Some(&gate));
            // The GPU does not run before somebody waits: stores of its copy engine stay in flight.
            gate.open(rig);
            let second = space.bind(rig, 1, rig.map_op(space.page, near + PAGE), None);
            assert_eq!(space.is_mapped(rig, near + PAGE), rig.is_over(second));
            assert_eq!(rig.is_over(second), platform.name == "tgl", "only one part has a copy engine of its own");
            assert_eq!([rig.wait(first), rig.wait(second)], [TicketState::Done; 2]);
            assert!(space.is_mapped(rig, near) && space.is_mapped(rig, near + PAGE));
        });
    }
}
