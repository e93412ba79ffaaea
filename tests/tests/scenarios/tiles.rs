//! Several tiles, two copy engines, page faults: S54, S63, S83, S97.

use barexe_core::Errno::{ENOBUFS, ENOENT, ENOMEM};
use barexe_core::device::{FaultAccess, PageFault, TicketState};
use barexe_core::gt::EngineClass;
use barexe_sim::Fault;
use barexe_tests::scenarios;
use barexe_tests::trial::{Bind, Bo, Exec, Mapping, Need, Trial, copy_dword, op};

scenarios! {
    s54_a_mapping_that_nobody_touched_is_cut_without_entries { cases: 4, holds: [], needs: [Need::FaultMode] }
    a_fault_that_cannot_be_served_changes_nothing { cases: 5, holds: [], needs: [Need::FaultMode] }
    s63_a_failure_on_one_tile_is_one_of_the_call { cases: 4, holds: [R56, M11], needs: [Need::Tiles(2)] }
    s83_a_barrier_holds_on_every_tile { cases: 2, holds: [D22], needs: [Need::Tiles(2)] }
    three_tiles_are_bound_in_one_call { cases: 2, holds: [M8, D22], needs: [Need::Tiles(3)] }
}

/// VM create flags: long-running, with page faults (bind-and-exec sheet §2.6).
const FAULT_VM: u32 = 2 | 4;
const VA: u64 = 0x40_0000_0000;
const MIB: u64 = 1 << 20;

/// Serves a page fault, and lets it finish.
fn touch(on: &mut Trial<'_>, vm: u32, va: u64, access: FaultAccess) -> Result<TicketState, barexe_core::Error> {
    let space = on.device.vm_address_space(on.client, vm)?;
    let ticket = on.attempt(|on| on.device.page_fault(&PageFault { space, va, access }))?;
    on.settle();
    on.device.ticket_state(ticket)
}

/// A page fault that must be served.
fn served(on: &mut Trial<'_>, vm: u32, va: u64, access: FaultAccess) {
    let answer = touch(on, vm, va, access);
    on.check(&format!("fault at {va:#x}"), answer, Ok(TicketState::Done));
}

fn s54_a_mapping_that_nobody_touched_is_cut_without_entries(on: &mut Trial<'_>) {
    let (vm, bo) = (on.vm_with(FAULT_VM), on.bo(4 * MIB));
    on.number_pages(bo, 1);
    on.bind_now(&Bind::on(vm).op(op::map(bo, 0, VA, 4 * MIB)));
    on.case("mapped, without entries");
    on.check_mappings(vm, &[Mapping::of(bo, 0, VA, VA + 4 * MIB)]);
    on.check("first page", on.seen(vm, VA), None);
    on.case("cut at an edge of 2 MiB that is none of 1 GiB");
    on.bind_now(&Bind::on(vm).op(op::unmap(VA, 2 * MIB)));
    let left = Mapping::of(bo, 2 * MIB, VA + 2 * MIB, VA + 4 * MIB);
    on.check_mappings(vm, &[left]);
    on.check("what is left", on.seen(vm, VA + 2 * MIB), None);
    on.case("touched, all that is left has entries");
    served(on, vm, VA + 3 * MIB, FaultAccess::Write);
    on.check_mappings(vm, &[left]);
    for (page, va) in (513..).zip((VA + 2 * MIB..VA + 4 * MIB).step_by(4096)) {
        on.check(&format!("{va:#x}"), on.seen(vm, va), Some(page));
    }
    on.check("what was cut", on.seen(vm, VA + 2 * MIB - 4096), None);
    on.case("cut again, now with entries");
    on.bind_now(&Bind::on(vm).op(op::unmap(VA + 3 * MIB, 4096)));
    on.check("cut", on.seen(vm, VA + 3 * MIB), None);
    on.check("above", on.seen(vm, VA + 3 * MIB + 4096), Some(1 + (3 << 8) + 1));
}

fn a_fault_that_cannot_be_served_changes_nothing(on: &mut Trial<'_>) {
    let (vm, bo) = (on.vm_with(FAULT_VM), on.bo(2 * MIB));
    on.number_pages(bo, 7);
    let read_only = op::with_flags(op::map(bo, 0, VA, 2 * MIB), op::READONLY);
    let at_once = op::with_flags(op::map(bo, 0, VA + 4 * MIB, 2 * MIB), op::IMMEDIATE);
    on.bind_now(&Bind::on(vm).ops([read_only, at_once]));
    on.case("nothing is mapped");
    let refused = |on: &mut Trial<'_>, vm, va, access, errno| {
        let before = on.whole();
        let answer = touch(on, vm, va, access).map_err(|error| error.errno());
        on.check("answer", answer, Err(errno));
        let after = on.whole();
        on.check("state", before.0.difference(&after.0), None);
    };
    refused(on, vm, VA + 2 * MIB, FaultAccess::Read, ENOENT);
    on.case("a write to what is only read");
    refused(on, vm, VA, FaultAccess::Write, barexe_core::Errno::EPERM);
    served(on, vm, VA, FaultAccess::Read);
    on.check("first page", on.seen(vm, VA), Some(7));
    on.case("a VM without page faults");
    let other = on.vm();
    on.bind_now(&Bind::on(other).op(op::map(bo, 0, VA, 2 * MIB)));
    refused(on, other, VA, FaultAccess::Read, ENOENT);
    on.case("mapped at once: nothing is left to do");
    on.check("first page", on.seen(vm, VA + 4 * MIB), Some(7));
    served(on, vm, VA + 4 * MIB, FaultAccess::Write);
    on.case("no memory for tables");
    let big = on.bo(256 * MIB);
    on.bind_now(&Bind::on(vm).op(op::map(big, 0, VA + 64 * MIB + 4096, 256 * MIB)));
    on.set_faults(&[Fault::FailCall(0)]);
    refused(on, vm, VA + 65 * MIB, FaultAccess::Read, ENOMEM);
    served(on, vm, VA + 65 * MIB, FaultAccess::Read);
    on.check("last page", on.seen(vm, VA + 320 * MIB), Some(0));
}

/// Two objects at addresses that take many tables on each tile.
fn two_maps(vm: u32, [first, second]: [Bo; 2]) -> Bind {
    let at = |bo: Bo, number: u64| op::map(bo, 0, VA + (number << 32) + 4096, bo.bytes);
    Bind::on(vm).ops([at(first, 1), at(second, 2)])
}

/// The sheet's failures are those of a run that comes before a call is accepted. Here everything that can fail for want
/// of something comes before, for all tiles at once; what fails on a tile afterwards is a defect of the driver, and
/// the call has been accepted: its out-syncs signal with an error, and the VM is banned.
fn s63_a_failure_on_one_tile_is_one_of_the_call(on: &mut Trial<'_>) {
    let (vm, bos) = (on.vm(), [on.bo(64 * MIB), on.bo(64 * MIB)]);
    for (number, bo) in (1..).zip(bos) {
        on.write(bo, 0, &[number]);
    }
    on.case("tables that cannot be had");
    // Two tiles with 66 tables for each: at least four blocks of them.
    for block in 0..4 {
        on.set_faults(&[Fault::FailCall(block)]);
        on.bind_refused(&two_maps(vm, bos), ENOBUFS);
    }
    on.set_faults(&[]);
    on.case("the same call then passes, on both tiles");
    on.bind_now(&two_maps(vm, bos));
    on.check("first", on.seen(vm, VA + (1 << 32) + 4096), Some(1));
    on.check("second", on.seen(vm, VA + (2 << 32) + 4096), Some(2));
    for tile in [0, 1] {
        on.case(["tile 0 fails after the call was accepted", "tile 1 does"][usize::from(tile)]);
        let (vm, out) = (on.vm(), on.syncobj());
        on.bind_now(&Bind::on(vm).op(op::map(bos[0], 0, VA, MIB)));
        on.device.break_tables(Some(tile));
        on.bind_now(&two_maps(vm, bos).out(out));
        on.device.break_tables(None);
        on.check_signalled("out-sync", out, true);
        for va in [VA, VA + (1 << 32) + 4096, VA + (2 << 32) + 4096] {
            on.check(&format!("{va:#x}"), on.seen(vm, va), None);
        }
        on.bind_refused(&Bind::on(vm).op(op::unmap(VA, MIB)), ENOENT);
        on.vm_destroy(vm);
    }
}

fn s83_a_barrier_holds_on_every_tile(on: &mut Trial<'_>) {
    let (vm, bo) = (on.vm(), on.bo(MIB));
    on.number_pages(bo, 1);
    let created = on.bind_queue(vm);
    for (number, queue) in (0..).zip([0, created]) {
        on.case(if queue == 0 { "the VM's own queue" } else { "a created queue" });
        let (b0, va, out) = (on.blocked(), VA + number * MIB, on.syncobj());
        on.bind(&Bind::on(vm).queue(queue).after(b0));
        on.bind(&Bind::on(vm).queue(queue).op(op::map(bo, 0, va, MIB)).out(out));
        on.settle();
        // On both tiles: they are compared.
        on.check("before b0", on.seen(vm, va), None);
        on.check_signalled("out-sync before b0", out, false);
        on.unblock(b0);
        on.settle();
        on.check("after b0", on.seen(vm, va), Some(1));
        on.check_signalled("out-sync after b0", out, true);
    }
}

fn three_tiles_are_bound_in_one_call(on: &mut Trial<'_>) {
    const BATCH: u64 = VA + 16 * MIB;
    const WORD: u64 = VA + 32 * MIB;
    let (vm, [bo, batch, word]) = (on.vm(), [on.bo(MIB), on.bo(MIB), on.bo(4096)]);
    on.number_pages(bo, 100);
    let ops = [op::map(bo, 0, VA, MIB), op::map(batch, 0, BATCH, MIB), op::map(word, 0, WORD, 4096)];
    on.bind_now(&Bind::on(vm).ops(ops));
    let queues = [0, 1, 2].map(|tile| on.queue_on_tile(vm, EngineClass::Copy, tile));
    on.case("every tile reads what was mapped");
    for (tile, queue) in (0..).zip(queues) {
        on.write_batch(batch, 0, &[&copy_dword(WORD + 8 * tile, VA + 4096 * tile)]);
        on.exec(&Exec::on(queue).batch(BATCH));
        on.settle();
        on.check(&format!("tile {tile}"), u64::from(on.read(word, 8 * tile)), 100 + tile);
    }
    on.case("and loses what was unmapped, before the call is over");
    let other = on.bo(MIB);
    on.number_pages(other, 500);
    on.bind_now(&Bind::on(vm).ops([op::unmap(VA, MIB), op::map(other, 0, VA, MIB)]));
    for (tile, queue) in (0..).zip(queues) {
        on.write_batch(batch, 0, &[&copy_dword(WORD + 8 * tile, VA + 4096 * tile)]);
        on.exec(&Exec::on(queue).batch(BATCH));
        on.settle();
        on.check(&format!("tile {tile}"), u64::from(on.read(word, 8 * tile)), 500 + tile);
    }
}
