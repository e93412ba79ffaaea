//! Struct checks: S23 to S35, as far as they are about binds, and VM create and destroy: S27, S93 to S95. Maps that
//! do not fit: S108.

use barexe_core::Errno::{EBUSY, EFAULT, EINVAL, ENOBUFS, ENOENT};
use barexe_core::gt::EngineClass;
use barexe_tests::scenarios;
use barexe_tests::trial::{Bind, Dialect, Exec, Mapping, NOWHERE, Need, OPS, Trial, op, requests, sync};
use barexe_tests::wire::Bytes;

scenarios! {
    s23_each_size_has_its_rules { cases: 5, holds: [R35, R39, M4], needs: [Need::DialectA] }
    s25_padding_reserved_words_and_extensions_are_zero { cases: 13, holds: [R40, D12, M4], needs: [Need::DialectA] }
    s27_modes_that_the_hardware_has_not_are_refused { cases: 4, holds: [R33], needs: [Need::NoFaultMode] }
    s29_a_call_takes_1024_syncs { cases: 4, holds: [D14] }
    s30_unknown_flags_of_an_operation_are_refused { cases: 14, holds: [R34, D13], needs: [Need::DialectA] }
    s31_a_call_takes_one_user_fence { cases: 2, holds: [D15, M2] }
    s32_a_bind_names_a_bind_queue { cases: 2, holds: [R12] }
    s33_a_bind_queue_belongs_to_one_vm { cases: 2, holds: [D16] }
    s34_nothing_has_id_0 { cases: 3, holds: [M5] }
    s35_an_array_is_read_and_has_its_limit { cases: 2, holds: [D25] }
    s93_modes_of_a_vm_are_checked { cases: 6, holds: [R33] }
    s94_a_vm_is_destroyed_once { cases: 4, holds: [] }
    s95_a_long_running_vm_stays_while_it_has_exec_queues { cases: 5, holds: [] }
    s108_a_map_suits_its_object_and_its_vm { cases: 9, holds: [R1, R2] }
}

const VA: u64 = 0x40_0000;
const PAGE: u64 = 0x1000;

/// Binds of every size, with a flag and a byte in the operation that only one dialect takes.
fn s23_each_size_has_its_rules(on: &mut Trial<'_>) {
    let (vm, bo) = (on.vm(), on.bo(PAGE));
    let bind = |size: u32, op: &Bytes| {
        let arg = Bytes::new(size as usize).u32(8, vm).u32(20, 1).with(24, &op.0);
        (0x4000_6445 | size << 16, arg)
    };
    let dumpable = op::with_flags(op::map(bo, 0, VA, PAGE), 8);
    let padded = op::map(bo, 0, VA, PAGE).u16(14, 1);
    on.case("136 bytes: rules of U");
    for op in [&dumpable, &padded] {
        let (request, arg) = bind(136, op);
        on.accepted(request, &arg);
    }
    on.settle();
    on.case("160 bytes: rules of A");
    for op in [&dumpable, &padded] {
        let (request, arg) = bind(160, op);
        on.refused(request, &arg, EINVAL);
    }
    let (request, arg) = bind(160, &op::unmap(VA, PAGE));
    on.accepted(request, &arg);
    on.settle();
    on.check_mappings(vm, &[]);
    for size in [144, 152, 128] {
        on.case(&format!("{size} bytes"));
        let (request, arg) = bind(size, &op::unmap(VA, PAGE));
        on.refused(request, &arg, EINVAL);
    }
}

fn s25_padding_reserved_words_and_extensions_are_zero(on: &mut Trial<'_>) {
    let (vm, bo) = (on.vm(), on.bo(PAGE));
    let map = || op::map(bo, 0, VA, PAGE);
    let call =
        [("pad", 16), ("sync struct, reserved", 128), ("second word", 136), ("reserved", 144), ("last word", 152)];
    for (what, at) in call.into_iter().chain([("extensions", 0)]) {
        on.case(&format!("call: {what}"));
        on.bind_refused(&Bind::on(vm).op(map()).patch(at, &[1]), EINVAL);
    }
    let op = [("extensions", 0), ("pad", 14), ("pad2", 52), ("reserved", 56), ("second word", 64), ("last word", 72)];
    for (what, at) in op {
        on.case(&format!("operation: {what}"));
        on.bind_refused(&Bind::on(vm).op(map().with(at, &[1])), EINVAL);
    }
    on.case("all zero");
    on.bind_now(&Bind::on(vm).op(map()));
    on.check_mappings(vm, &[Mapping::of(bo, 0, VA, VA + PAGE)]);
}

fn create_vm(flags: u32) -> Bytes {
    Bytes::new(Dialect::size(requests::VM_CREATE)).u32(8, flags)
}

fn s27_modes_that_the_hardware_has_not_are_refused(on: &mut Trial<'_>) {
    for flags in [4, 8, 6, 16] {
        on.case(&format!("flags {flags}"));
        on.refused(requests::VM_CREATE, &create_vm(flags), EINVAL);
    }
}

fn s29_a_call_takes_1024_syncs(on: &mut Trial<'_>) {
    let (vm, done) = (on.vm(), on.signalled_syncobj());
    let queue = on.queue(vm, EngineClass::Copy);
    let count = |number: usize| core::iter::repeat_n(sync::wait(done), number);
    on.case("bind: 1024");
    on.bind(&count(1024).fold(Bind::on(vm), Bind::sync));
    on.case("bind: 1025");
    on.bind_refused(&count(1025).fold(Bind::on(vm), Bind::sync), EINVAL);
    on.case("exec: 1024");
    on.exec(&count(1024).fold(Exec::on(queue), Exec::sync));
    on.case("exec: 1025");
    on.exec_refused(&count(1025).fold(Exec::on(queue), Exec::sync), EINVAL);
}

fn s30_unknown_flags_of_an_operation_are_refused(on: &mut Trial<'_>) {
    let (vm, bo) = (on.vm(), on.bo(PAGE));
    for bit in (3..16).chain([31]) {
        on.case(&format!("bit {bit}"));
        on.bind_refused(&Bind::on(vm).op(op::with_flags(op::map(bo, 0, VA, PAGE), 1 << bit)), EINVAL);
    }
}

fn s31_a_call_takes_one_user_fence(on: &mut Trial<'_>) {
    let (vm, bo) = (on.vm(), on.bo(PAGE));
    let queue = on.queue(vm, EngineClass::Copy);
    on.bind_now(&Bind::on(vm).op(op::map(bo, 0, VA, PAGE)));
    on.write_batch(bo, 0, &[]);
    let (first, second) = (on.fence(0), on.fence(1));
    on.case("bind");
    let map = Bind::on(vm).op(op::null(VA + PAGE, PAGE));
    on.bind_refused(&map.sync(sync::user_fence(first, 1)).sync(sync::user_fence(second, 2)), EINVAL);
    on.case("exec");
    let run = Exec::on(queue).batch(VA);
    let (near, far) = (VA + 0x800, VA + 0x808);
    on.exec_refused(&run.sync(sync::user_fence(near, 1)).sync(sync::user_fence(far, 2)), EINVAL);
    on.settle();
    on.check("neither is written", (on.fence_word(first), on.fence_word(second)), (0, 0));
    on.check("neither is written", (on.read(bo, 0x800), on.read(bo, 0x808)), (0, 0));
}

fn s32_a_bind_names_a_bind_queue(on: &mut Trial<'_>) {
    let (vm, bo) = (on.vm(), on.bo(PAGE));
    let queue = on.queue(vm, EngineClass::Copy);
    let map = || Bind::on(vm).op(op::map(bo, 0, VA, PAGE));
    on.case("unknown queue");
    on.bind_refused(&map().queue(12345), ENOENT);
    on.case("exec queue");
    on.bind_refused(&map().queue(queue), EINVAL);
}

fn s33_a_bind_queue_belongs_to_one_vm(on: &mut Trial<'_>) {
    let (vm, other, bo) = (on.vm(), on.vm(), on.bo(PAGE));
    let queue = on.bind_queue(other);
    on.case("with an operation");
    on.bind_refused(&Bind::on(vm).queue(queue).op(op::map(bo, 0, VA, PAGE)), EINVAL);
    on.case("without");
    on.bind_refused(&Bind::on(vm).queue(queue), EINVAL);
    on.check_mappings(vm, &[]);
}

fn s34_nothing_has_id_0(on: &mut Trial<'_>) {
    on.case("bind");
    on.bind_refused(&Bind::on(0), EINVAL);
    on.case("destroy");
    on.refused(requests::VM_DESTROY, &Bytes::new(Dialect::size(requests::VM_DESTROY)), ENOENT);
    on.case("queue create");
    on.put(OPS, &Bytes::new(8).u16(0, 5).0);
    let create = Bytes::new(Dialect::size(requests::QUEUE_CREATE)).u16(8, 1).u16(10, 1).u64(24, OPS);
    on.refused(requests::QUEUE_CREATE, &create, ENOENT);
}

fn s35_an_array_is_read_and_has_its_limit(on: &mut Trial<'_>) {
    let vm = on.vm();
    let vector = |count: u32, addr: u64| Bind::on(vm).patch(20, &count.to_le_bytes()).patch(24, &addr.to_le_bytes());
    on.case("unreadable");
    on.bind_refused(&vector(2, NOWHERE), EFAULT);
    on.case("most operations");
    on.bind_refused(&vector(u32::MAX, OPS), ENOBUFS);
}

fn s93_modes_of_a_vm_are_checked(on: &mut Trial<'_>) {
    on.case("extensions");
    on.refused(requests::VM_CREATE, &create_vm(0).u64(0, 1), EINVAL);
    on.case("reserved");
    on.refused(requests::VM_CREATE, &create_vm(0).u64(16, 1), EINVAL);
    for flags in [1, 2, 3] {
        on.case(&format!("flags {flags}"));
        let vm = on.vm_with(flags);
        // It has what its mode says: scratch reads as zero where nothing is mapped.
        on.check("first page", on.seen(vm, VA), (flags & 1 != 0).then_some(0));
        on.bind_now(&Bind::on(vm).op(op::null(VA, PAGE)));
        on.check_mappings(vm, &[Mapping::null(VA, VA + PAGE)]);
        on.vm_destroy(vm);
    }
    on.case("unknown flag");
    on.refused(requests::VM_CREATE, &create_vm(0x10), EINVAL);
}

fn destroy_vm(vm: u32) -> Bytes {
    Bytes::new(Dialect::size(requests::VM_DESTROY)).u32(0, vm)
}

fn s94_a_vm_is_destroyed_once(on: &mut Trial<'_>) {
    let vm = on.vm();
    on.case("pad");
    on.refused(requests::VM_DESTROY, &destroy_vm(vm).u32(4, 1), EINVAL);
    on.case("reserved");
    on.refused(requests::VM_DESTROY, &destroy_vm(vm).u64(16, 1), EINVAL);
    on.case("good");
    on.accepted(requests::VM_DESTROY, &destroy_vm(vm));
    on.settle();
    on.case("again");
    on.refused(requests::VM_DESTROY, &destroy_vm(vm), ENOENT);
}

fn s95_a_long_running_vm_stays_while_it_has_exec_queues(on: &mut Trial<'_>) {
    const LR_MODE: u32 = 2;
    let (vm, bo) = (on.vm_with(LR_MODE), on.bo(PAGE));
    let queue = on.queue(vm, EngineClass::Copy);
    let binds = on.bind_queue(vm);
    on.case("with an exec queue");
    on.refused(requests::VM_DESTROY, &destroy_vm(vm), EBUSY);
    on.bind_now(&Bind::on(vm).op(op::map(bo, 0, VA, PAGE)));
    on.check_mappings(vm, &[Mapping::of(bo, 0, VA, VA + PAGE)]);
    on.case("in the middle of a batch that does not end");
    on.write_spin(bo, VA, &[]);
    on.exec(&Exec::on(queue).batch(VA));
    on.settle();
    on.refused(requests::VM_DESTROY, &destroy_vm(vm), EBUSY);
    on.case("queue destroy");
    on.queue_destroy(queue);
    on.case("without");
    on.vm_destroy(vm);
    on.case("it is gone");
    on.refused(requests::VM_DESTROY, &destroy_vm(vm), ENOENT);
    on.queue_destroy(binds);
    on.settle();
    on.check("nothing is left of its work", on.device.is_quiet(), true);
}

fn s108_a_map_suits_its_object_and_its_vm(on: &mut Trial<'_>) {
    let (vm, bo, top) = (on.vm(), on.bo(2 * PAGE), 1 << 48);
    let (incoherent, reserved) = if on.board.platform.version == 1200 { (3, 4) } else { (3, 16) };
    let map = |offset, va, range| op::map(bo, offset, va, range);
    let right = || map(0, VA, 2 * PAGE);
    let wrong = [
        ("non-coherent PAT", op::with_pat(right(), incoherent)),
        ("reserved PAT", op::with_pat(right(), reserved)),
        ("PAT 999", op::with_pat(right(), 999)),
        ("offset 4096 + range 8192", map(PAGE, VA, 2 * PAGE)),
        ("range 0", map(0, VA, 0)),
        ("addr + 0x800", map(0, VA + 0x800, PAGE)),
        ("beyond VM size", map(0, top - PAGE, 2 * PAGE)),
        ("sign-extended", map(0, 0xFFFF_8000_0000_0000, 2 * PAGE)),
    ];
    for (name, op) in wrong {
        on.case(name);
        on.bind_refused(&Bind::on(vm).op(op), EINVAL);
    }
    on.case("right");
    on.bind_now(&Bind::on(vm).op(right()).op(map(0, top - 2 * PAGE, 2 * PAGE)));
    on.check_mappings(vm, &[Mapping::of(bo, 0, VA, VA + 2 * PAGE), Mapping::of(bo, 0, top - 2 * PAGE, top)]);
}
