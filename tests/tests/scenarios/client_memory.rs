//! Operations that have no mapping of their own to make, client memory, and what leaves a client: S51, S52, S56, S60,
//! S107, S111.

use barexe_core::Errno::{EFAULT, EINVAL, EPERM};
use barexe_core::device::TicketState;
use barexe_core::gt::EngineClass;
use barexe_hal::ClientAddr;
use barexe_tests::rig::{JUMP, SPACE, store};
use barexe_tests::scenarios;
use barexe_tests::trial::{Bind, Bo, Exec, Mapping, Trial, copy_dword, op};
use barexe_tests::wire::Bytes;

scenarios! {
    s51_unmap_all_takes_an_object_out_of_one_vm { cases: 3, holds: [R25] }
    s52_a_prefetch_is_for_whole_mappings { cases: 4, holds: [D19] }
    s56_a_null_mapping_reads_zero_and_drops_writes { cases: 4, holds: [R2] }
    s60_client_memory_that_is_not_there_undoes_the_call { cases: 2, holds: [D26] }
    s107_a_private_object_stays_in_its_vm { cases: 3, holds: [M9] }
    s111_changed_pages_of_the_client_are_seen_or_unmapped { cases: 10, holds: [] }
}

/// Where the client's memory is.
const USER: u64 = 0x5000_0000;
/// Where batches are mapped.
const BATCH: u64 = 0x10_0000;
const VA: u64 = 0x4000_0000;

fn userptr(on: &Trial<'_>, addr: u64, va: u64, range: u64) -> Bytes {
    op::with_pat(op::on(op::MAP_USERPTR, va, range).u64(16, addr), on.pat())
}

/// Gives the client pages in pieces of three, each with its number.
fn give_pages(on: &Trial<'_>, addr: u64, bytes: u64, first: u32) {
    on.sim.user_map(SPACE, addr..addr + bytes, 0x3000);
    for (number, at) in (first..).zip((addr..addr + bytes).step_by(4096)) {
        assert!(on.sim.user_write(SPACE, at, &number.to_le_bytes()), "{on}: {at:#x}");
    }
}

fn word(on: &Trial<'_>, addr: u64) -> Option<u32> {
    let bytes = on.sim.user_read(SPACE, addr, 4)?;
    bytes.first_chunk().map(|bytes| u32::from_le_bytes(*bytes))
}

/// Announces a change of pages, and waits until they may change.
fn invalidate(on: &mut Trial<'_>, addr: u64, bytes: u64) {
    let Some(at) = ClientAddr::new(addr) else { return };
    let ticket = on.device.user_invalidate(SPACE, at, bytes);
    on.settle();
    let state = on.device.invalidation_state(ticket);
    on.check("invalidation", state, TicketState::Done);
}

fn s51_unmap_all_takes_an_object_out_of_one_vm(on: &mut Trial<'_>) {
    let (a, b) = (on.vm(), on.vm());
    let (bo, other) = (on.bo(0x4000), on.bo(0x1000));
    on.number_pages(bo, 1);
    let three = [0x10_0000, 0x20_1000, 0x8000_0000_0000 - 0x4000].map(|va| op::map(bo, 0, va, 0x4000));
    on.bind_now(&Bind::on(a).ops(three));
    // One of them is cut, so that there are four; and something else lies between.
    on.bind_now(&Bind::on(a).op(op::map(other, 0, 0x10_1000, 0x1000)));
    on.bind_now(&Bind::on(b).op(op::map(bo, 0, 0x10_0000, 0x4000)));
    on.case("all mappings of the object go, and nothing else");
    on.bind_now(&Bind::on(a).op(op::unmap_all(bo)));
    on.check_mappings(a, &[Mapping::of(other, 0, 0x10_1000, 0x10_2000)]);
    for va in [0x10_0000, 0x10_2000, 0x20_1000, 0x8000_0000_0000 - 0x1000] {
        let leaf = on.leaf(a, va);
        on.check(&format!("{va:#x}"), leaf, None);
    }
    on.case("the other VM keeps its own");
    on.check_mappings(b, &[Mapping::of(bo, 0, 0x10_0000, 0x10_4000)]);
    let seen = on.seen(b, 0x10_3000);
    on.check("page 3", seen, Some(4));
    on.case("the second time there is nothing to do");
    let out = on.syncobj();
    on.bind_now(&Bind::on(a).op(op::unmap_all(bo)).out(out));
    on.check_signalled("out-sync", out, true);
    on.check_mappings(a, &[Mapping::of(other, 0, 0x10_1000, 0x10_2000)]);
}

fn prefetch(va: u64, range: u64, region: u32) -> Bytes {
    op::on(op::PREFETCH, va, range).u32(48, region)
}

fn s52_a_prefetch_is_for_whole_mappings(on: &mut Trial<'_>) {
    const BYTES: u64 = 8 << 20;
    let vm = on.vm();
    give_pages(on, USER, BYTES, 1);
    on.bind_now(&Bind::on(vm).op(userptr(on, USER, VA, BYTES)));
    invalidate(on, USER + 0x10_0000, 0x1000);
    on.case("one page of it brings all of the mapping back");
    let leaf = on.leaf(vm, VA);
    on.check("before", leaf, None);
    on.bind_now(&Bind::on(vm).op(prefetch(VA + 0x40_0000, 0x1000, 0)));
    for at in [0, 0x10_0000, 0x3F_F000, 0x40_0000, BYTES - 0x1000] {
        let seen = on.seen(vm, VA + at);
        on.check(&format!("{at:#x}"), seen, u32::try_from(1 + (at >> 12)).ok());
    }
    on.case("memory that is gone is a fault, and nothing has changed");
    invalidate(on, USER, BYTES);
    on.sim.user_unmap(SPACE, USER + 0x2000..USER + 0x3000);
    on.bind_refused(&Bind::on(vm).op(prefetch(VA + 0x40_0000, 0x1000, 0)), EFAULT);
    on.case("a region that the device does not have");
    on.bind_refused(&Bind::on(vm).op(prefetch(VA, 0x1000, 31)), EINVAL);
    on.case("an object stays where it is, and so does its place in the queue");
    let bo = on.bo(0x4000);
    on.number_pages(bo, 50);
    on.bind_now(&Bind::on(vm).op(op::map(bo, 0, 0x20_0000, 0x4000)));
    let (blocked, out) = (on.blocked(), on.syncobj());
    on.bind_now(&Bind::on(vm).op(prefetch(0x20_1000, 0x1000, 0)).after(blocked).out(out));
    on.check_signalled("before its in-sync", out, false);
    on.unblock(blocked);
    on.settle();
    on.check_signalled("after it", out, true);
    let seen = on.seen(vm, 0x20_3000);
    on.check("last page", seen, Some(53));
}

fn s56_a_null_mapping_reads_zero_and_drops_writes(on: &mut Trial<'_>) {
    let vm = on.vm();
    let bo = on.bo(0x1000);
    on.write(bo, 0x800, &[7, 7]);
    on.bind_now(&Bind::on(vm).ops([op::map(bo, 0, BATCH, 0x1000), op::null(VA, 0x1_0000)]));
    let queue = on.queue(vm, EngineClass::Copy);
    on.case("read, write, read");
    let read = |to: u64| copy_dword(BATCH + to, VA + 0x5010);
    on.write_batch(bo, 0, &[&read(0x800), &store(VA + 0x5010, 9), &read(0x804)]);
    on.exec(&Exec::on(queue).batch(BATCH));
    on.settle();
    let words = [0x800, 0x804].map(|at| on.read(bo, at));
    on.check("both reads", words, [0, 0]);
    let null = op::null(VA, 0x1000);
    on.case("with an object");
    on.bind_refused(&Bind::on(vm).op(null.clone().u32(8, bo.handle)), EINVAL);
    on.case("with an offset");
    on.bind_refused(&Bind::on(vm).op(null.clone().u64(16, 0x1000)), EINVAL);
    on.case("on an unmap");
    on.bind_refused(&Bind::on(vm).op(null.u32(40, op::UNMAP)), EINVAL);
}

fn s60_client_memory_that_is_not_there_undoes_the_call(on: &mut Trial<'_>) {
    let vm = on.vm();
    let bo = on.bo(0x4000);
    on.number_pages(bo, 1);
    on.bind_now(&Bind::on(vm).op(op::map(bo, 0, VA, 0x4000)));
    give_pages(on, USER, 0x3000, 70);
    let cut = op::unmap(VA + 0x1000, 0x1000);
    let behind = op::map(bo, 0, VA + 0x10_0000, 0x1000);
    on.case("none of it is there");
    let nowhere = userptr(on, USER + 0x10_0000, VA + 0x20_0000, 0x1000);
    on.bind_refused(&Bind::on(vm).ops([cut.clone(), nowhere, behind.clone()]), EFAULT);
    on.check_mappings(vm, &[Mapping::of(bo, 0, VA, VA + 0x4000)]);
    let seen = [0, 0x1000, 0x3000].map(|at| on.seen(vm, VA + at));
    on.check("still readable", seen, [Some(1), Some(2), Some(4)]);
    on.case("its end is not there, and what was pinned is let go");
    let (whole, half) = (userptr(on, USER, VA + 0x30_0000, 0x3000), userptr(on, USER, VA + 0x20_0000, 0x4000));
    on.bind_refused(&Bind::on(vm).ops([cut, whole, half]), EFAULT);
    on.check("pinned pages", on.sim.user_pinned(), 0);
    on.check_mappings(vm, &[Mapping::of(bo, 0, VA, VA + 0x4000)]);
}

fn s107_a_private_object_stays_in_its_vm(on: &mut Trial<'_>) {
    let (a, b) = (on.vm(), on.vm());
    let private = on.bo_of(0x1000, a);
    on.case("another VM");
    on.bind_refused(&Bind::on(b).op(op::map(private, 0, VA, 0x1000)), EINVAL);
    on.bind_now(&Bind::on(a).op(op::map(private, 0, VA, 0x1000)));
    on.check_mappings(a, &[Mapping::of(private, 0, VA, VA + 0x1000)]);
    on.case("export");
    let refused = on.device.bo_export(on.client, private.handle).map(drop);
    on.check("of a private object", refused.map_err(|error| error.errno()), Err(EPERM));
    on.case("what can be exported is the same object for who imports it");
    let shared = on.bo(0x1000);
    on.number_pages(shared, 5);
    let Ok(exported) = on.device.bo_export(on.client, shared.handle) else { return };
    let other = on.device.client_open(false);
    let handle = other.and_then(|other| Ok((other, on.device.bo_import(other, &exported)?)));
    let Ok((other, handle)) = handle else { return };
    let again = on.device.bo_import(other, &exported);
    on.check("the same handle again", again, Ok(handle));
    let ended = on.device.bo_export_close(exported);
    on.check("end of the export", ended, Ok(()));
    on.bo_close(shared);
    let mine = core::mem::replace(&mut on.client, other);
    let vm = on.vm();
    let mut imported = shared;
    imported.handle = handle;
    on.bind_now(&Bind::on(vm).op(op::map(imported, 0, VA, 0x1000)));
    let seen = on.seen(vm, VA);
    on.check("its content", seen, Some(5));
    on.client = mine;
    let gone = on.device.client_close(other);
    on.check("the other client goes", gone, Ok(()));
}

/// Runs a batch that copies a word of the client's memory into the object the batch is in.
fn read_by_gpu(on: &mut Trial<'_>, (bo, queue): (Bo, u32), va: u64) -> u32 {
    on.write(bo, 0x800, &[0xEEEE]);
    on.write_batch(bo, 0, &[&copy_dword(BATCH + 0x800, va)]);
    on.exec(&Exec::on(queue).batch(BATCH));
    on.settle();
    on.read(bo, 0x800)
}

fn s111_changed_pages_of_the_client_are_seen_or_unmapped(on: &mut Trial<'_>) {
    const SCRATCH: u32 = 1;
    const LR_MODE: u32 = 2;
    let modes = [
        (SCRATCH, "a scratch VM"),
        (0, "an ordinary VM"),
        (LR_MODE | SCRATCH, "a long-running scratch VM"),
        (LR_MODE, "a long-running VM"),
    ];
    for (modes, what) in modes {
        let vm = on.vm_with(modes);
        let bo = on.bo(0x1000);
        give_pages(on, USER, 0x6000, 100);
        on.bind_now(&Bind::on(vm).ops([op::map(bo, 0, BATCH, 0x1000), userptr(on, USER, VA, 0x6000)]));
        on.bind_now(&Bind::on(vm).op(op::unmap(VA + 0x3000, 0x1000)));
        let queue = on.queue(vm, EngineClass::Copy);
        on.case(&format!("replaced pages, {what}"));
        let before = read_by_gpu(on, (bo, queue), VA + 0x1000);
        invalidate(on, USER + 0x1000, 0x1000);
        give_pages(on, USER + 0x1000, 0x1000, 200);
        let after = [VA + 0x1000, VA + 0x5000].map(|va| read_by_gpu(on, (bo, queue), va));
        on.check("old, new, unchanged", (before, after), (101, [200, 105]));
        on.case(&format!("pages that are gone, {what}"));
        invalidate(on, USER + 0x4000, 0x1000);
        on.sim.user_unmap(SPACE, USER + 0x4000..USER + 0x5000);
        // The exec is accepted; the mapping that lost a page is not there, the other one is.
        let kept = read_by_gpu(on, (bo, queue), VA + 0x2000);
        on.check("what is left of the range", kept, 102);
        let seen = [VA + 0x4000, VA + 0x5000].map(|va| on.seen(vm, va));
        on.check("the mapping that is not there", seen, [(modes & SCRATCH != 0).then_some(0); 2]);
        if modes & SCRATCH != 0 {
            let read = read_by_gpu(on, (bo, queue), VA + 0x5000);
            on.check("a read of it", read, 0);
        }
        on.check("client memory", word(on, USER + 0x5000), Some(105));
        on.queue_destroy(queue);
        on.vm_destroy(vm);
        on.settle();
        on.check("pinned pages", on.sim.user_pinned(), 0);
    }
    for (modes, what) in [(LR_MODE | SCRATCH, "a long-running scratch VM"), (LR_MODE, "a long-running VM")] {
        s111_under_a_batch_that_does_not_end(on, modes, what);
    }
}

/// No exec comes that would bring the pages back: the VM's queues are preempted, and resumed when pages have changed.
fn s111_under_a_batch_that_does_not_end(on: &mut Trial<'_>, modes: u32, what: &str) {
    const AGAIN: [u32; 4] = [0x0280_0000, JUMP, 0x10_0000, 0];
    let (vm, bo) = (on.vm_with(modes), on.bo(0x1000));
    give_pages(on, USER, 0x2000, 100);
    on.bind_now(&Bind::on(vm).ops([op::map(bo, 0, BATCH, 0x1000), userptr(on, USER, VA, 0x2000)]));
    let queue = on.queue(vm, EngineClass::Copy);
    on.write(bo, 0, &[&copy_dword(BATCH + 0x800, VA + 0x1000)[..], &AGAIN].concat());
    on.case(&format!("under a batch that does not end, {what}"));
    on.exec(&Exec::on(queue).batch(BATCH));
    on.settle();
    on.check("old content", on.read(bo, 0x800), 101);
    let Some(at) = ClientAddr::new(USER) else { return };
    let ticket = on.device.user_invalidate(SPACE, at, 0x2000);
    on.settle();
    let state = (on.device.invalidation_state(ticket), on.sim.user_pinned());
    on.check("invalidation, and pinned pages", state, (TicketState::Done, 0));
    give_pages(on, USER, 0x2000, 300);
    on.device.user_changed(ticket);
    on.settle();
    on.check("new content", on.read(bo, 0x800), 301);
    on.queue_destroy(queue);
    on.vm_destroy(vm);
    on.settle();
    on.check("pinned pages", on.sim.user_pinned(), 0);
}
