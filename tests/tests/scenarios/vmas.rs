//! VMA operations: S47 to S57.

use barexe_core::gt::EngineClass;
use barexe_tests::rig::{BATCH_END, JUMP};
use barexe_tests::scenarios;
use barexe_tests::trial::{Bind, Bo, Exec, Mapping, Trial, copy_dword, op, sync};

scenarios! {
    s47_a_map_inside_a_mapping_leaves_both_ends { cases: 3, holds: [R3] }
    s48_the_same_map_again_is_a_new_mapping { cases: 4, holds: [R1] }
    s49_an_unmap_over_several_mappings_cuts_the_outer_ones { cases: 3, holds: [R3] }
    s50_an_unmap_of_nothing_is_a_barrier { cases: 4, holds: [R13, R25, D17, M1, M10] }
    s53_a_cut_between_entries_leaves_them_alone { cases: 6, holds: [R3] }
    s55_remnants_keep_what_their_mapping_had { cases: 3, holds: [R1, R2, R3, R4, R5, D18] }
    s57_mappings_are_never_merged { cases: 2, holds: [R2] }
}

const READONLY: u32 = 1;
const DUMPABLE: u32 = 8;

fn s47_a_map_inside_a_mapping_leaves_both_ends(on: &mut Trial<'_>) {
    let vm = on.vm();
    let (old, new) = (on.bo(0x20_0000), on.bo(0x4_0000));
    on.number_pages(old, 1000);
    on.number_pages(new, 1);
    on.bind_now(&Bind::on(vm).op(op::map(old, 0, 0x20_0000, 0x20_0000)));
    on.bind_now(&Bind::on(vm).op(op::map(new, 0, 0x28_0000, 0x4_0000)));
    on.case("mappings");
    on.check_mappings(
        vm,
        &[
            Mapping::of(old, 0, 0x20_0000, 0x28_0000),
            Mapping::of(new, 0, 0x28_0000, 0x2C_0000),
            Mapping::of(old, 0xC_0000, 0x2C_0000, 0x40_0000),
        ],
    );
    on.case("what stays keeps its pages");
    on.check_pages(vm, 0x20_0000..0x28_0000, Some(1000));
    on.check_pages(vm, 0x2C_0000..0x40_0000, Some(1000 + 0xC0));
    on.case("what is new is seen");
    on.check_pages(vm, 0x28_0000..0x2C_0000, Some(1));
}

fn s48_the_same_map_again_is_a_new_mapping(on: &mut Trial<'_>) {
    let (vm, bo) = (on.vm(), on.bo(0x3000));
    on.number_pages(bo, 5);
    let map = || Bind::on(vm).op(op::map(bo, 0, 0x1A_0000, 0x3000));
    on.bind_now(&map());
    on.case("accepted; one mapping");
    let (b0, out) = (on.blocked(), on.syncobj());
    on.bind(&map().after(b0).out(out));
    on.settle();
    on.check_signalled("Out", out, false);
    on.check_mappings(vm, &[Mapping::of(bo, 0, 0x1A_0000, 0x1A_3000)]);
    on.case("pages stay");
    on.check_pages(vm, 0x1A_0000..0x1A_3000, Some(5));
    on.unblock(b0);
    on.settle();
    on.check_pages(vm, 0x1A_0000..0x1A_3000, Some(5));
    on.case("an old mapping keeps its object until the call is over");
    let (b1, other) = (on.blocked(), on.bo(0x3000));
    let live = on.live_buffers();
    on.bind(&Bind::on(vm).op(op::map(other, 0, 0x1A_0000, 0x3000)).after(b1));
    on.bo_forget(bo);
    on.settle();
    on.check("buffers", on.live_buffers(), live);
    on.case("and frees it then");
    on.unblock(b1);
    on.settle();
    on.check("buffers", on.live_buffers(), live - 1);
}

fn s49_an_unmap_over_several_mappings_cuts_the_outer_ones(on: &mut Trial<'_>) {
    let (vm, bo) = (on.vm(), on.bo(0x1_0000));
    on.number_pages(bo, 1);
    let at = [0x10_0000, 0x11_0000, 0x12_0000];
    on.bind_now(&Bind::on(vm).ops(at.map(|va| op::map(bo, 0, va, 0x4000))));
    on.bind_now(&Bind::on(vm).op(op::unmap(0x10_2000, 0x2_0000)));
    on.case("mappings");
    on.check_mappings(vm, &[Mapping::of(bo, 0, 0x10_0000, 0x10_2000), Mapping::of(bo, 0x2000, 0x12_2000, 0x12_4000)]);
    on.case("what is left is seen");
    on.check_pages(vm, 0x10_0000..0x10_2000, Some(1));
    on.check_pages(vm, 0x12_2000..0x12_4000, Some(3));
    on.case("what is gone is not");
    on.check_pages(vm, 0x10_2000..0x12_2000, None);
}

fn s50_an_unmap_of_nothing_is_a_barrier(on: &mut Trial<'_>) {
    let (vm, bo, fence) = (on.vm(), on.bo(0x1000), on.fence(0));
    on.bind_now(&Bind::on(vm).op(op::map(bo, 0, 0x10_0000, 0x1000)));
    let want = [Mapping::of(bo, 0, 0x10_0000, 0x10_1000)];
    let unmap = || Bind::on(vm).op(op::unmap(0x20_0000, 0x1000));
    on.case("idle");
    let out = on.syncobj();
    on.bind(&unmap().out(out));
    on.check_signalled("Out", out, true);
    on.check_mappings(vm, &want);
    on.case("behind an in-sync");
    let (b0, out) = (on.blocked(), on.syncobj());
    on.bind(&unmap().after(b0).out(out).sync(sync::user_fence(fence, 0xF00)));
    on.settle();
    on.check_signalled("Out", out, false);
    on.check("user fence", on.fence_word(fence), 0);
    on.case("later calls of the queue wait for it");
    let behind = on.syncobj();
    on.bind(&Bind::on(vm).op(op::unmap(0x30_0000, 0x1000)).out(behind));
    on.settle();
    on.check_signalled("Out of a later call", behind, false);
    on.case("after it");
    on.unblock(b0);
    on.signalled_in_order(&[out, behind]);
    on.poll();
    on.check("user fence", on.fence_word(fence), 0xF00);
    on.check_mappings(vm, &want);
}

/// A batch that reads the last page of a mapping again and again, and notes what it reads.
struct Reader {
    code: Bo,
    out: u32,
}

/// Where readers are mapped.
const CODE: u64 = 0x10_0000;

impl Reader {
    fn start(on: &mut Trial<'_>, vm: u32, va: u64) -> Self {
        let (code, out) = (on.bo(0x1000), on.syncobj());
        on.bind_now(&Bind::on(vm).op(op::map(code, 0, CODE, 0x1000)));
        let [low, high] = [CODE & 0xFFFF_FFFF, CODE >> 32].map(|half| u32::try_from(half).unwrap());
        on.write(code, 0, &[&copy_dword(CODE + 0x800, va)[..], &[JUMP, low, high]].concat());
        let queue = on.queue(vm, EngineClass::Render);
        on.exec(&Exec::on(queue).batch(CODE).out(out));
        Self { code, out }
    }

    /// It goes on, and reads what is put there now.
    fn check(&self, on: &mut Trial<'_>, bo: Bo, offset: u64, value: u32) {
        on.write(bo, offset, &[value]);
        on.settle();
        on.check("the reader reads", on.read(self.code, 0x800), value);
        on.check("engines that stopped", on.sim.halted(), vec![]);
        on.check_signalled("the reader's Out", self.out, false);
    }

    fn end(&self, on: &mut Trial<'_>) {
        on.write(self.code, 0, &[BATCH_END]);
        on.settle();
        on.check_signalled("the reader's Out", self.out, true);
    }
}

fn s53_a_cut_between_entries_leaves_them_alone(on: &mut Trial<'_>) {
    const WHOLE: u64 = 4 << 20;
    const LAST: u64 = WHOLE - 0x1000;
    let (vm, bo, va) = (on.vm(), on.bo(WHOLE), 0x4000_0000);
    on.number_pages(bo, 1);
    on.bind_now(&Bind::on(vm).op(op::map(bo, 0, va, WHOLE)));
    let before = on.leaf(vm, va + LAST);
    on.check("entries", before.map(|leaf| leaf.bytes), Some(2 << 20));
    on.case("between entries: over while the reader runs");
    let (reader, out) = (Reader::start(on, vm, va + LAST), on.syncobj());
    reader.check(on, bo, LAST, 0xA0);
    on.bind(&Bind::on(vm).op(op::unmap(va, 2 << 20)).out(out));
    on.settle();
    on.check_signalled("Out", out, true);
    on.case("next is not rewritten, the reader not disturbed");
    reader.check(on, bo, LAST, 0xA1);
    let after = on.leaf(vm, va + LAST);
    on.check("entry of next", after, before);
    on.case("what was cut out is gone");
    on.check_pages(vm, va..va + 0x4000, None);
    on.case("through an entry: waits for the reader");
    let out = on.syncobj();
    on.bind(&Bind::on(vm).op(op::unmap(va + 0x30_0000, 0x1000)).out(out));
    reader.check(on, bo, LAST, 0xA2);
    on.check_signalled("Out", out, false);
    on.case("both remnants have smaller entries");
    reader.end(on);
    on.settle();
    on.check_signalled("Out", out, true);
    for (at, bytes) in [(0x20_0000, 0x1_0000), (0x2F_F000, 0x1_0000), (0x30_1000, 0x1000), (LAST, 0x1_0000)] {
        let leaf = on.leaf(vm, va + at).map(|leaf| leaf.bytes);
        on.check(&format!("entry at {at:#x}"), leaf, Some(bytes));
    }
    on.case("and lead where they did");
    on.write(bo, LAST, &[0x400]);
    on.check_pages(vm, va + 0x20_0000..va + 0x30_0000, Some(0x201));
    on.check_pages(vm, va + 0x30_0000..va + 0x30_1000, None);
    on.check_pages(vm, va + 0x30_1000..va + WHOLE, Some(0x302));
}

/// PAT rows 2 and 3 exist everywhere; a write-combining object may have any row.
fn s55_remnants_keep_what_their_mapping_had(on: &mut Trial<'_>) {
    let vm = on.vm();
    // Dialect A does not have the second.
    let flags = if on.dialect.name == "U" { READONLY | DUMPABLE } else { READONLY };
    let (old, new) = (on.bo_uncached(0x8000), on.bo_uncached(0x1000));
    let read_only = op::with_flags(op::with_pat(op::map(old, 0, 0x10_0000, 0x8000), 2), flags);
    on.bind_now(&Bind::on(vm).op(read_only).op(op::null(0x20_0000, 0x8000)));
    let into = |va| op::with_pat(op::map(new, 0, va, 0x1000), 3);
    on.bind_now(&Bind::on(vm).op(into(0x10_3000)).op(into(0x20_3000)));
    on.case("attributes");
    let kept = |offset, start, end| Mapping::of(old, offset, start, end).with(flags, 2);
    on.check_mappings(
        vm,
        &[
            kept(0, 0x10_0000, 0x10_3000),
            Mapping::of(new, 0, 0x10_3000, 0x10_4000).with(0, 3),
            kept(0x4000, 0x10_4000, 0x10_8000),
            Mapping::null(0x20_0000, 0x20_3000),
            Mapping::of(new, 0, 0x20_3000, 0x20_4000).with(0, 3),
            Mapping::null(0x20_4000, 0x20_8000),
        ],
    );
    on.case("entries of a read-only mapping");
    for (va, want) in
        [(0x10_2000, (false, 2)), (0x10_3000, (true, 3)), (0x10_4000, (false, 2)), (0x10_7000, (false, 2))]
    {
        let leaf = on.leaf(vm, va).map(|leaf| (leaf.writable, leaf.pat));
        on.check(&format!("{va:#x}"), leaf, Some(want));
    }
    on.case("entries of a null mapping");
    for (va, null) in [(0x20_2000, true), (0x20_3000, false), (0x20_4000, true), (0x20_7000, true)] {
        let leaf = on.leaf(vm, va).map(|leaf| leaf.page.is_none());
        on.check(&format!("{va:#x}"), leaf, Some(null));
    }
}

fn s57_mappings_are_never_merged(on: &mut Trial<'_>) {
    let (vm, bo) = (on.vm(), on.bo(0x3000));
    on.number_pages(bo, 7);
    let ops = [op::map(bo, 0, 0, 0x3000), op::unmap(0x1000, 0x1000), op::map(bo, 0x1000, 0x1000, 0x1000)];
    on.bind_now(&Bind::on(vm).ops(ops));
    on.case("three mappings");
    let want = [0, 0x1000, 0x2000].map(|at| Mapping::of(bo, at, at, at + 0x1000));
    on.check_mappings(vm, &want);
    on.case("contents as one");
    on.check_pages(vm, 0..0x3000, Some(7));
}
