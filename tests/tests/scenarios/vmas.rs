//! VMA operations: S47 to S57.

use barexe_tests::scenarios;
use barexe_tests::trial::{Bind, Mapping, Trial, op};

scenarios! {
    s47_a_map_inside_a_mapping_leaves_both_ends { cases: 3, holds: [R3] }
}

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
    for va in [0x20_0000, 0x27_F000, 0x2C_0000, 0x3F_F000] {
        let seen = on.seen(vm, va);
        on.check(&format!("{va:#x}"), seen, u32::try_from(1000 + ((va - 0x20_0000) >> 12)).ok());
    }
    on.case("what is new is seen");
    for va in [0x28_0000, 0x2B_F000] {
        let seen = on.seen(vm, va);
        on.check(&format!("{va:#x}"), seen, u32::try_from(1 + ((va - 0x28_0000) >> 12)).ok());
    }
}
