//! What is left of a mapping that was cut keeps its page-table entries where it can: bind-and-exec sheet §4.4.
#![expect(clippy::unwrap_used, reason = "helpers of these tests fail by panicking")]

use barexe_core::device::request::{BindFlags, BindKind, BindOp};
use barexe_core::device::{Config, TableWriter, Ticket, TicketState};
use barexe_core::gt::EngineClass;
use barexe_sim::SimConfig;
use barexe_sim::ppgtt::Leaf;
use barexe_sim::trace::Event;
use barexe_tests::rig::{
    BATCH_END, Gate, JUMP, Mapped, Rig, binary, on_each_platform, on_opened, platforms, store_batch,
};

const MIB_2: u64 = 2 << 20;
/// Where the object of most tests is mapped.
const VA: u64 = 1 << 32;
/// Where the batch lies that reads it.
const CODE: u64 = 0x10_0000;
/// Offset of what it has read, in the object of the batch.
const SEEN: u64 = 0x800;

/// The leaf at an address, by the simulator's own walk.
fn leaf(rig: &Rig<'_>, vm: u32, va: u64) -> Option<Leaf> {
    rig.sim.walk(rig.device.vm_root(rig.client, vm).unwrap(), va)
}

/// A job that reads one word again and again until it is told to end.
struct Reader {
    code: Mapped,
    ticket: Ticket,
}

impl Reader {
    /// `MI_COPY_MEM_MEM` from `va` to [`SEEN`], and back to it.
    fn start(rig: &mut Rig<'_>, vm: u32, va: u64) -> Self {
        let code = rig.bo(0x1000);
        rig.bind_now(vm, &[rig.map_op(code, CODE)]);
        let half = |va: u64| [u32::try_from(va & 0xFFFF_FFFF).unwrap(), u32::try_from(va >> 32).unwrap()];
        let ([to, to_high], [from, from_high]) = (half(CODE + SEEN), half(va));
        rig.write(code, 0, &[0x1700_0003, to, to_high, from, from_high, JUMP, half(CODE)[0], 0]);
        let queue = rig.queue(vm, rig.engine(EngineClass::Render));
        let ticket = rig.exec(queue, CODE, &[]).unwrap();
        Self { code, ticket }
    }

    /// Whether it goes on and reads what `value` is put into the object for.
    fn reads(&self, rig: &mut Rig<'_>, from: Mapped, offset: u64, value: u32) -> bool {
        rig.write(from, offset, &[value]);
        rig.settle();
        assert_eq!(rig.sim.halted(), [], "the reader was disturbed");
        !rig.is_over(self.ticket) && rig.read(self.code, SEEN) == value
    }

    fn end(&self, rig: &mut Rig<'_>) {
        rig.write(self.code, 0, &[BATCH_END, 0]);
        assert_eq!(rig.wait(self.ticket), TicketState::Done);
    }
}

/// S53, first half: the cut is where a 2 MiB entry ends.
#[test]
fn a_remnant_beside_a_cut_between_its_entries_is_not_touched() {
    on_each_platform(|rig| {
        let vm = rig.vm();
        let bo = rig.bo(2 * MIB_2);
        rig.bind_now(vm, &[rig.map_op(bo, VA)]);
        let last = 2 * MIB_2 - 0x1000;
        let before = leaf(rig, vm, VA + last).unwrap();
        assert_eq!(before.bytes, MIB_2);
        let reader = Reader::start(rig, vm, VA + last);
        assert!(reader.reads(rig, bo, last, 1));
        let unmap = rig.bind(vm, 0, &[rig.unmap_op(VA, MIB_2)], &[]).unwrap();
        assert_eq!(rig.wait(unmap), TicketState::Done, "it does not wait for the reader");
        assert!(reader.reads(rig, bo, last, 2));
        assert_eq!((leaf(rig, vm, VA), leaf(rig, vm, VA + last)), (None, Some(before)));
        // Nor does a new mapping in the hole touch what is left.
        let other = rig.bo(MIB_2);
        let map = rig.bind(vm, 0, &[rig.map_op(other, VA)], &[]).unwrap();
        assert_eq!(rig.wait(map), TicketState::Done);
        assert!(reader.reads(rig, bo, last, 3));
        // The other side of a cut, and the rest of what was cut: all of it goes.
        let unmap = rig.bind(vm, 0, &[rig.unmap_op(VA, MIB_2)], &[]).unwrap();
        assert_eq!(rig.wait(unmap), TicketState::Done);
        reader.end(rig);
        rig.bind_now(vm, &[rig.unmap_op(VA + MIB_2, MIB_2)]);
        assert_eq!(leaf(rig, vm, VA + last), None);
    });
}

/// What the driver made visible of its page tables while `test` ran, in bytes.
fn published(rig: &mut Rig<'_>, test: impl FnOnce(&mut Rig<'_>)) -> u64 {
    let before = rig.sim.timeline().events().count();
    test(rig);
    let timeline = rig.sim.timeline();
    let of_tables = |event: &Event| if let Event::Published { ggtt: None, bytes, .. } = event { *bytes } else { 0 };
    timeline.events().skip(before).map(|(_, event)| of_tables(event)).sum()
}

/// The invalidated range and the stores shrink with what is left: one entry changes, whatever the mapping's length.
#[test]
fn a_cut_between_entries_changes_what_is_cut_out_and_nothing_else() {
    for platform in platforms() {
        let config = SimConfig { timeline_events: 1 << 16, ..SimConfig::new(platform) };
        on_opened(&config, Config { tables: TableWriter::Cpu, ..Config::default() }, |rig| {
            let vm = rig.vm();
            let bo = rig.bo(2 * MIB_2);
            rig.bind_now(vm, &[rig.map_op(bo, VA)]);
            let unmap = rig.unmap_op(VA + MIB_2, MIB_2);
            assert_eq!(published(rig, |rig| rig.bind_now(vm, &[unmap])), 8);
            // 64 KiB groups are cut between them in the same way, 4 KiB pages anywhere.
            let groups = rig.bo(0x2_0000);
            rig.bind_now(vm, &[rig.map_op(groups, VA + MIB_2)]);
            let unmap = rig.unmap_op(VA + MIB_2, 0x1_0000);
            assert_eq!(published(rig, |rig| rig.bind_now(vm, &[unmap])), 128);
            let pages = rig.bo(0x4000);
            rig.bind_now(vm, &[rig.map_op(pages, VA + MIB_2)]);
            let unmap = rig.unmap_op(VA + MIB_2 + 0x1000, 0x2000);
            assert_eq!(published(rig, |rig| rig.bind_now(vm, &[unmap])), 16);
        });
    }
}

/// S53, second half, and S72: the cut goes through a 2 MiB entry.
#[test]
fn remnants_of_an_entry_that_is_cut_are_written_again_behind_everything_in_the_vm() {
    on_each_platform(|rig| {
        let vm = rig.vm();
        let bo = rig.bo(2 * MIB_2);
        rig.bind_now(vm, &[rig.map_op(bo, VA)]);
        let (hole, last) = (0x5_0000, 2 * MIB_2 - 0x1000);
        let page = |rig: &Rig<'_>, at: u64| leaf(rig, vm, VA + at).map(|leaf| leaf.page.unwrap() + at % leaf.bytes);
        let before = [0, hole - 0x1000, hole + 0x1000, last].map(|at| page(rig, at));
        let reader = Reader::start(rig, vm, VA + last);
        let unmap = rig.bind(vm, 0, &[rig.unmap_op(VA + hole, 0x1000)], &[]).unwrap();
        let (run, out) = (rig.queue(vm, rig.engine(EngineClass::Copy)), rig.syncobj());
        rig.write(reader.code, 0x400, &store_batch(VA + 0x40, 0x5EE));
        let exec = rig.exec(run, CODE + 0x400, &[binary(out, true)]).unwrap();
        assert!(reader.reads(rig, bo, last, 7), "nothing is touched while it runs");
        assert!(!rig.is_over(unmap) && !rig.is_over(exec), "one waits for the other, and that for the reader");
        assert_eq!(leaf(rig, vm, VA + hole).unwrap().bytes, MIB_2);
        reader.end(rig);
        assert_eq!((rig.wait(unmap), rig.wait(exec)), (TicketState::Done, TicketState::Done));
        assert_eq!((leaf(rig, vm, VA + hole), rig.read(bo, 0x40)), (None, 0x5EE));
        assert_eq!([0, hole - 0x1000, hole + 0x1000, last].map(|at| page(rig, at)), before, "the same memory");
        let sizes = [0, hole - 0x1000, hole + 0x1000, 0x6_0000, MIB_2, last];
        let sizes = sizes.map(|at| leaf(rig, vm, VA + at).unwrap().bytes);
        assert_eq!(sizes, [0x1_0000, 0x1_0000, 0x1000, 0x1_0000, MIB_2, MIB_2]);
        // The remnants know their own sizes: another cut between groups of the first leaves the rest alone.
        let second = Reader::start(rig, vm, VA);
        let unmap = rig.bind(vm, 0, &[rig.unmap_op(VA + 0x4_0000, 0x1_0000)], &[]).unwrap();
        assert_eq!(rig.wait(unmap), TicketState::Done);
        assert!(second.reads(rig, bo, 0, 8));
        second.end(rig);
    });
}

fn null(rig: &Rig<'_>, va: u64, range_bytes: u64) -> BindOp {
    BindOp { kind: BindKind::MapNull, va, range_bytes, pat_index: rig.coherent_pat(), flags: BindFlags::empty() }
}

/// As S54: what has no entries yet counts as if it had the largest, and is written as a whole when its turn comes.
#[test]
fn a_mapping_without_entries_is_cut_as_if_it_had_the_largest() {
    on_each_platform(|rig| {
        let vm = rig.vm();
        let bo = rig.bo(2 * MIB_2);
        let busy = Reader::start(rig, vm, CODE);
        let gate = Gate::shut(rig, vm, EngineClass::Copy);
        let map = rig.bind(vm, 0, &[rig.map_op(bo, VA)], &[binary(gate.syncobj, false)]).unwrap();
        let unmap = rig.bind(vm, 0, &[rig.unmap_op(VA, MIB_2)], &[]).unwrap();
        gate.open(rig);
        assert_eq!(rig.wait(map), TicketState::Done);
        rig.settle();
        assert!(!rig.is_over(unmap), "its remnant is written again, so it waits for everything");
        assert_eq!(leaf(rig, vm, VA).unwrap().bytes, MIB_2);
        busy.end(rig);
        assert_eq!(rig.wait(unmap), TicketState::Done);
        assert_eq!((leaf(rig, vm, VA), leaf(rig, vm, VA + MIB_2).unwrap().bytes), (None, MIB_2));
    });
}

/// Null mappings follow the same rule; theirs is the only backing here that is long enough for 1 GiB.
#[test]
fn null_mappings_keep_their_entries_too() {
    on_each_platform(|rig| {
        const GIB: u64 = 1 << 30;
        let vm = rig.vm();
        rig.bind_now(vm, &[null(rig, VA, 3 * GIB)]);
        let busy = Reader::start(rig, vm, VA + 2 * GIB);
        let unmap = rig.bind(vm, 0, &[rig.unmap_op(VA + GIB, GIB)], &[]).unwrap();
        assert_eq!(rig.wait(unmap), TicketState::Done);
        let cut = rig.bind(vm, 0, &[rig.unmap_op(VA + GIB / 2, MIB_2)], &[]).unwrap();
        rig.settle();
        assert!(!rig.is_over(cut), "this one goes through an entry");
        busy.end(rig);
        assert_eq!(rig.wait(cut), TicketState::Done);
        let at = [0, GIB / 2, GIB, 2 * GIB].map(|at| leaf(rig, vm, VA + at).map(|leaf| (leaf.page, leaf.bytes)));
        assert_eq!(at, [Some((None, MIB_2)), None, None, Some((None, GIB))]);
    });
}

/// Bind-and-exec sheet §4.7: a rewrite waits for everything earlier in the VM; everything later that maps or runs waits
/// for every rewrite, also for one that a newer rewrite has overtaken.
#[test]
fn whatever_maps_or_runs_later_waits_for_every_rewrite() {
    on_each_platform(|rig| {
        let vm = rig.vm();
        let queues = [(); 3].map(|()| rig.device.bind_queue_create(rig.client, vm).unwrap());
        let bo = rig.bo(MIB_2);
        let (near, far, farther) = (VA, 1 << 40, 2 << 40);
        rig.bind_now(vm, &[rig.map_op(bo, near), rig.map_op(bo, far)]);
        let code = rig.bo(0x1000);
        rig.bind_now(vm, &[rig.map_op(code, CODE)]);
        rig.write(code, 0, &store_batch(near + 0x40, 0x5EE));
        let (held, gate) = (rig.device.outside_fence_create().unwrap(), rig.syncobj());
        rig.device.syncobj_import(rig.client, gate, held).unwrap();
        let after = [binary(gate, false)];
        let plain = rig.bind(vm, queues[0], &[rig.unmap_op(farther, 0x1000)], &after).unwrap();
        let first = rig.bind(vm, queues[1], &[rig.unmap_op(near + 0x1000, 0x1000)], &after).unwrap();
        let second = rig.bind(vm, queues[2], &[rig.unmap_op(far + 0x1000, 0x1000)], &[]).unwrap();
        let map = rig.bind(vm, 0, &[null(rig, 3 << 40, 0x1000)], &[]).unwrap();
        let run = rig.queue(vm, rig.engine(EngineClass::Render));
        let exec = rig.exec(run, CODE, &[]).unwrap();
        rig.settle();
        let over = [plain, first, second, map, exec].map(|ticket| rig.is_over(ticket));
        assert_eq!(over, [false; 5], "{}", rig.name());
        rig.device.outside_fence_signal(held).unwrap();
        for ticket in [plain, first, second, map, exec] {
            assert_eq!(rig.wait(ticket), TicketState::Done);
        }
        assert_eq!(rig.read(bo, 0x40), 0x5EE);
    });
}

/// Of the rules above only the last rewrite's was kept once: one that was over let execs pass one that was not.
#[test]
fn a_rewrite_that_is_over_lets_nobody_pass_one_that_is_not() {
    on_each_platform(|rig| {
        let vm = rig.vm();
        let extra = rig.device.bind_queue_create(rig.client, vm).unwrap();
        let (bo, code) = (rig.bo(MIB_2), rig.bo(0x1000));
        rig.bind_now(vm, &[rig.map_op(bo, VA), rig.map_op(code, CODE)]);
        let (held, gate) = (rig.device.outside_fence_create().unwrap(), rig.syncobj());
        rig.device.syncobj_import(rig.client, gate, held).unwrap();
        let first = rig.bind(vm, extra, &[rig.unmap_op(VA + 0x1000, 0x1000)], &[binary(gate, false)]).unwrap();
        rig.write(code, 0, &[BATCH_END, 0]);
        let run = rig.queue(vm, rig.engine(EngineClass::Render));
        // It waits for the rewrite; a map that does waits too, though it would have nothing to wait for otherwise.
        let exec = rig.exec(run, CODE, &[]).unwrap();
        let unmap = rig.bind(vm, 0, &[rig.unmap_op(1 << 40, 0x1000)], &[]).unwrap();
        rig.settle();
        assert_eq!([first, exec, unmap].map(|ticket| rig.is_over(ticket)), [false, false, true], "{}", rig.name());
        rig.device.outside_fence_signal(held).unwrap();
        assert_eq!((rig.wait(first), rig.wait(exec)), (TicketState::Done, TicketState::Done));
    });
}
