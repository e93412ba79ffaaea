//! Ordering: S68 to S77, and S84.

use barexe_core::gt::EngineClass;
use barexe_tests::rig::store;
use barexe_tests::scenarios;
use barexe_tests::trial::{Bind, Bo, Exec, Mapping, Spin, Trial, op, sync};
use barexe_tests::wire::Bytes;

scenarios! {
    s68_binds_of_a_queue_finish_in_order { cases: 2, holds: [R57] }
    s69_binds_of_two_queues_far_apart_pass_each_other { cases: 3, holds: [R57] }
    s70_binds_of_two_queues_on_one_range_keep_their_order { cases: 3, holds: [R57] }
    s71_binds_of_two_queues_in_one_new_table_keep_their_order { cases: 3, holds: [R57] }
    s72_a_cut_mapping_waits_for_batches_and_batches_for_it { cases: 3, holds: [R29] }
    s73_an_unmap_of_a_whole_mapping_waits_for_no_batch { cases: 1, holds: [R38] }
    s74_a_map_on_an_idle_vm_needs_no_other_event { cases: 2, holds: [R29] }
    s75_a_map_behind_an_in_sync_returns_at_once { cases: 3, holds: [R29, R38, R57] }
    s76_a_batch_waits_for_an_earlier_one_of_its_queue { cases: 2, holds: [R28] }
    s77_a_batch_waits_for_the_map_it_needs { cases: 2, holds: [R57] }
    s84_binds_of_a_destroyed_queue_still_finish { cases: 3, holds: [M13] }
}

const VA: u64 = 0x1A_0000;
const FAR: u64 = VA + (512 << 30);
/// Where batches are mapped.
const BATCHES: u64 = 0x80_0000;

fn map(bo: Bo, va: u64) -> Bytes {
    op::map(bo, 0, va, bo.bytes)
}

/// Objects with a number in each page.
fn numbered<const N: usize>(on: &mut Trial<'_>, bytes: u64) -> [Bo; N] {
    core::array::from_fn(|number| {
        let bo = on.bo(bytes);
        on.number_pages(bo, u32::try_from(number).unwrap_or(0) * 100 + 1);
        bo
    })
}

/// A batch that spins on the render engine, mapped at [`BATCHES`] of a VM, and its Out.
fn spinning(on: &mut Trial<'_>, vm: u32) -> (Spin, u32) {
    let (bo, queue, out) = (on.bo(0x1000), on.queue(vm, EngineClass::Render), on.syncobj());
    on.bind_now(&Bind::on(vm).op(map(bo, BATCHES)));
    let spin = on.write_spin(bo, BATCHES, &[]);
    on.exec(&Exec::on(queue).batch(BATCHES).out(out));
    on.settle();
    (spin, out)
}

fn s68_binds_of_a_queue_finish_in_order(on: &mut Trial<'_>) {
    let (vm, [one, two], b0) = (on.vm(), numbered(on, 0x1000), on.blocked());
    let (out, out2) = (on.syncobj(), on.syncobj());
    on.bind(&Bind::on(vm).op(map(one, VA)).after(b0).out(out));
    on.bind(&Bind::on(vm).op(map(two, FAR)).out(out2));
    on.case("the second waits");
    on.settle();
    on.check_signalled("Out", out, false);
    on.check_signalled("Out2", out2, false);
    on.check_pages(vm, FAR..FAR + 0x1000, None);
    on.case("and comes after the first");
    on.unblock(b0);
    on.signalled_in_order(&[out, out2]);
    on.check_pages(vm, VA..VA + 0x1000, Some(1));
    on.check_pages(vm, FAR..FAR + 0x1000, Some(101));
}

fn s69_binds_of_two_queues_far_apart_pass_each_other(on: &mut Trial<'_>) {
    let (vm, [one, two], b0) = (on.vm(), numbered(on, 0x1000), on.blocked());
    let (extra, out, out2) = (on.bind_queue(vm), on.syncobj(), on.syncobj());
    on.bind(&Bind::on(vm).op(map(one, VA)).after(b0).out(out));
    on.case("in another 512 GiB");
    on.bind(&Bind::on(vm).queue(extra).op(map(two, FAR)).out(out2));
    on.settle();
    on.check_signalled("Out2", out2, true);
    on.check_signalled("Out", out, false);
    on.check_pages(vm, FAR..FAR + 0x1000, Some(101));
    on.check_pages(vm, VA..VA + 0x1000, None);
    on.case("the first one later");
    on.unblock(b0);
    on.settle();
    on.check_signalled("Out", out, true);
    on.check_pages(vm, VA..VA + 0x1000, Some(1));
    on.case("in one table, which is there by now");
    let (b1, out) = (on.blocked(), on.syncobj());
    on.bind(&Bind::on(vm).op(map(one, VA + 0x1000)).after(b1).out(out));
    on.bind(&Bind::on(vm).queue(extra).op(map(two, VA + 0x2000)).out(out2));
    on.settle();
    on.check_signalled("Out2", out2, true);
    on.check_signalled("Out", out, false);
    on.check_pages(vm, VA + 0x2000..VA + 0x3000, Some(101));
    on.check_pages(vm, VA + 0x1000..VA + 0x2000, None);
    on.unblock(b1);
    on.settle();
    on.check_signalled("Out", out, true);
    on.check_pages(vm, VA + 0x1000..VA + 0x2000, Some(1));
}

fn s70_binds_of_two_queues_on_one_range_keep_their_order(on: &mut Trial<'_>) {
    let (vm, [one, two], b0) = (on.vm(), numbered(on, 0x2000), on.blocked());
    let (extra, out, out2) = (on.bind_queue(vm), on.syncobj(), on.syncobj());
    on.bind(&Bind::on(vm).op(map(one, VA)).after(b0).out(out));
    on.case("the second waits");
    on.bind(&Bind::on(vm).queue(extra).op(map(two, VA)).out(out2));
    on.settle();
    on.check_signalled("Out2", out2, false);
    on.check_pages(vm, VA..VA + 0x2000, None);
    on.case("order");
    on.unblock(b0);
    on.signalled_in_order(&[out, out2]);
    on.case("the second is what stays");
    on.check_pages(vm, VA..VA + 0x2000, Some(101));
    on.check_mappings(vm, &[Mapping::of(two, 0, VA, VA + 0x2000)]);
}

fn s71_binds_of_two_queues_in_one_new_table_keep_their_order(on: &mut Trial<'_>) {
    let (vm, [one, two], b0) = (on.vm(), numbered(on, 0x1000), on.blocked());
    let (extra, out, out2) = (on.bind_queue(vm), on.syncobj(), on.syncobj());
    on.bind(&Bind::on(vm).op(map(one, 0)).after(b0).out(out));
    on.case("the second waits");
    on.bind(&Bind::on(vm).queue(extra).op(map(two, 0x8000)).out(out2));
    on.settle();
    on.check_signalled("Out2", out2, false);
    on.case("order");
    on.unblock(b0);
    on.signalled_in_order(&[out, out2]);
    on.case("both are there");
    on.check_pages(vm, 0..0x1000, Some(1));
    on.check_pages(vm, 0x8000..0x9000, Some(101));
}

/// A page in the middle of a 2 MiB entry goes: both remnants are written anew with smaller entries.
fn s72_a_cut_mapping_waits_for_batches_and_batches_for_it(on: &mut Trial<'_>) {
    let (vm, bo) = (on.vm(), on.bo(2 << 20));
    on.number_pages(bo, 1);
    on.bind_now(&Bind::on(vm).op(map(bo, 0x20_0000)));
    on.check("entries of the mapping", on.leaf(vm, 0x20_0000).map(|leaf| leaf.bytes), Some(2 << 20));
    let (spin, spun) = spinning(on, vm);
    let (unmapped, ran) = (on.syncobj(), on.syncobj());
    let (batch, second) = (on.bo(0x1000), on.queue(vm, EngineClass::Copy));
    on.bind_now(&Bind::on(vm).op(map(batch, 0x100_0000)));
    on.write_store(batch, 0, 0x20_0008, 99);
    on.case("the unmap waits for the batch");
    on.bind(&Bind::on(vm).op(op::unmap(0x30_0000, 0x1000)).out(unmapped));
    on.settle();
    on.check_signalled("the unmap's Out", unmapped, false);
    on.check_pages(vm, 0x30_0000..0x30_1000, Some(0x101));
    on.case("a later batch waits for the unmap");
    on.exec(&Exec::on(second).batch(0x100_0000).out(ran));
    on.settle();
    on.check_signalled("the batch's Out", ran, false);
    on.check("store of the batch", on.read(bo, 8), 0);
    on.case("order");
    on.release(spin);
    on.signalled_in_order(&[spun, unmapped, ran]);
    on.check("store of the batch", on.read(bo, 8), 99);
    on.check_pages(vm, 0x20_0000..0x30_0000, Some(1));
    on.check_pages(vm, 0x30_0000..0x30_1000, None);
    on.check_pages(vm, 0x30_1000..0x40_0000, Some(0x102));
}

fn s73_an_unmap_of_a_whole_mapping_waits_for_no_batch(on: &mut Trial<'_>) {
    let (vm, bo) = (on.vm(), on.bo(0x2000));
    on.bind_now(&Bind::on(vm).op(map(bo, VA)));
    let (spin, spun) = spinning(on, vm);
    on.case("it is over while the batch runs");
    let out = on.syncobj();
    on.bind(&Bind::on(vm).op(op::unmap(VA, 0x2000)).out(out));
    on.settle();
    on.check_signalled("Out", out, true);
    on.check_signalled("the batch's Out", spun, false);
    on.check_pages(vm, VA..VA + 0x2000, None);
    on.release(spin);
    on.settle();
    on.check_signalled("the batch's Out", spun, true);
}

fn s74_a_map_on_an_idle_vm_needs_no_other_event(on: &mut Trial<'_>) {
    let (vm, [bo]) = (on.vm(), numbered(on, 0x1000));
    for (name, queue) in [("default queue", 0), ("created queue", on.bind_queue(vm))] {
        on.case(name);
        let out = on.syncobj();
        on.bind(&Bind::on(vm).queue(queue).op(map(bo, VA)).out(out));
        on.settle();
        on.check_signalled("Out", out, true);
        on.check_pages(vm, VA..VA + 0x1000, Some(1));
    }
}

fn s75_a_map_behind_an_in_sync_returns_at_once(on: &mut Trial<'_>) {
    let (vm, [bo], b0, out) = (on.vm(), numbered(on, 0x1000), on.blocked(), on.syncobj());
    on.case("the call returns; the mapping is there for later calls");
    on.bind(&Bind::on(vm).op(map(bo, VA)).after(b0).out(out));
    on.check_mappings(vm, &[Mapping::of(bo, 0, VA, VA + 0x1000)]);
    on.case("no entry before b0");
    on.settle();
    on.check_signalled("Out", out, false);
    on.check_pages(vm, VA..VA + 0x1000, None);
    on.case("after b0");
    on.unblock(b0);
    on.settle();
    on.check_signalled("Out", out, true);
    on.check_pages(vm, VA..VA + 0x1000, Some(1));
}

fn s76_a_batch_waits_for_an_earlier_one_of_its_queue(on: &mut Trial<'_>) {
    let (vm, bo, b0) = (on.vm(), on.bo(0x1000), on.blocked());
    on.bind_now(&Bind::on(vm).op(map(bo, BATCHES)));
    on.write_store(bo, 0, BATCHES + 0x800, 1);
    on.write_store(bo, 0x100, BATCHES + 0x804, 2);
    let (queue, out, out2) = (on.queue(vm, EngineClass::Copy), on.syncobj(), on.syncobj());
    on.exec(&Exec::on(queue).batch(BATCHES).after(b0).out(out));
    on.exec(&Exec::on(queue).batch(BATCHES + 0x100).out(out2));
    on.case("neither has run");
    on.settle();
    on.check_signalled("Out2", out2, false);
    on.check("stores", [on.read(bo, 0x800), on.read(bo, 0x804)], [0, 0]);
    on.case("order");
    on.unblock(b0);
    on.signalled_in_order(&[out, out2]);
    on.check("stores", [on.read(bo, 0x800), on.read(bo, 0x804)], [1, 2]);
}

fn s77_a_batch_waits_for_the_map_it_needs(on: &mut Trial<'_>) {
    let (vm, bo, batch, b0) = (on.vm(), on.bo(0x1000), on.bo(0x1000), on.blocked());
    on.bind_now(&Bind::on(vm).op(map(batch, BATCHES)));
    on.write_batch(batch, 0, &[&store(VA + 0x10, 0x5707)]);
    let (queue, s, ran) = (on.queue(vm, EngineClass::Copy), on.syncobj(), on.syncobj());
    on.bind(&Bind::on(vm).op(map(bo, VA)).after(b0).out(s));
    on.case("accepted and waiting");
    on.exec(&Exec::on(queue).batch(BATCHES).sync(sync::wait(s)).out(ran));
    on.settle();
    on.check_signalled("the batch's Out", ran, false);
    on.check("store", on.read(bo, 0x10), 0);
    on.case("the store lands");
    on.unblock(b0);
    on.signalled_in_order(&[s, ran]);
    on.check("store", on.read(bo, 0x10), 0x5707);
    on.check("engines that stopped", on.sim.halted(), vec![]);
}

fn s84_binds_of_a_destroyed_queue_still_finish(on: &mut Trial<'_>) {
    let (vm, [bo], b0) = (on.vm(), numbered(on, 0x1000), on.blocked());
    let (extra, out, fence) = (on.bind_queue(vm), on.syncobj(), on.fence(0));
    on.bind(&Bind::on(vm).queue(extra).op(map(bo, VA)).after(b0).out(out).sync(sync::user_fence(fence, 3)));
    on.case("destroyed while blocked");
    on.queue_destroy(extra);
    on.settle();
    on.check_signalled("Out", out, false);
    on.bind_refused(&Bind::on(vm).queue(extra), barexe_core::Errno::ENOENT);
    on.case("its mapping counts");
    on.check_mappings(vm, &[Mapping::of(bo, 0, VA, VA + 0x1000)]);
    on.case("it finishes");
    on.unblock(b0);
    on.settle();
    on.check_signalled("Out", out, true);
    on.check("user fence", on.fence_word(fence), 3);
    on.check_pages(vm, VA..VA + 0x1000, Some(1));
}
