//! Buffer objects, their offsets for mapping, and questions about the device: S106, S109, S110.

use barexe_core::Errno::{EFAULT, EINVAL, ENODEV, ENOENT};
use barexe_tests::scenarios;
use barexe_tests::trial::{Dialect, NOWHERE, Need, OPS, Trial, requests};
use barexe_tests::wire::Bytes;

scenarios! {
    s106_an_object_is_made_as_its_place_allows { cases: 11, holds: [R40], needs: [Need::OneRegion] }
    s109_an_offset_for_mapping_stays_the_same { cases: 5, holds: [R40] }
    s110_a_query_tells_its_size_and_takes_no_other { cases: 5, holds: [M12] }
}

/// `drm_xe_gem_create`: one page of system memory, write-back.
fn create() -> Bytes {
    Bytes::new(Dialect::size(requests::GEM_CREATE)).u64(8, 0x1000).u32(16, 1).u16(32, 1)
}

const SCANOUT: u32 = 2;
const NEEDS_VISIBLE_VRAM: u32 = 4;

fn s106_an_object_is_made_as_its_place_allows(on: &mut Trial<'_>) {
    let wrong = [
        ("size 0", create().u64(8, 0), EINVAL),
        ("size 4097", create().u64(8, 4097), EINVAL),
        ("no placement", create().u32(16, 0), EINVAL),
        ("placement 2", create().u32(16, 2), EINVAL),
        ("no caching", create().u16(32, 0), EINVAL),
        ("caching 3", create().u16(32, 3), EINVAL),
        ("flag 16", create().u32(20, 16), EINVAL),
        ("a handle", create().u32(28, 1), EINVAL),
        ("for scan-out, write-back", create().u32(20, SCANOUT), EINVAL),
        ("visible VRAM", create().u32(20, NEEDS_VISIBLE_VRAM), EINVAL),
        ("VM 99", create().u32(24, 99), ENOENT),
    ];
    for (what, arg, errno) in wrong {
        on.case(what);
        on.refused(requests::GEM_CREATE, &arg, errno);
    }
}

fn s109_an_offset_for_mapping_stays_the_same(on: &mut Trial<'_>) {
    let bo = on.bo(0x1000);
    let mmap = |handle| Bytes::new(Dialect::size(requests::GEM_MMAP_OFFSET)).u32(8, handle);
    let wrong = [
        ("flag 2", mmap(bo.handle).u32(12, 2), EINVAL),
        ("extensions", mmap(bo.handle).u64(0, 1), EINVAL),
        ("handle 999", mmap(999), ENOENT),
        ("a barrier on an integrated part", mmap(0).u32(12, 1), EINVAL),
    ];
    for (what, arg, errno) in wrong {
        on.case(what);
        on.refused(requests::GEM_MMAP_OFFSET, &arg, errno);
    }
    on.case("twice");
    let offsets =
        [0, u64::MAX].map(|given| on.accepted(requests::GEM_MMAP_OFFSET, &mmap(bo.handle).u64(16, given)).get_u64(16));
    on.check("the same, and of a page", (offsets[0] == offsets[1], offsets[0] % 4096), (true, 0));
}

const QUERY: u32 = 0xC028_6440;
const MEM_REGIONS: u32 = 1;
const PXP_STATUS: u32 = 9;
const EU_STALL: u32 = 10;

fn query(number: u32, size: u32) -> Bytes {
    Bytes::new(Dialect::size(QUERY)).u32(8, number).u32(12, size).u64(16, OPS)
}

/// What the sheet says of sizes that are the same everywhere (§3.13).
const SIZES: [(u32, u32); 5] = [(MEM_REGIONS, 96), (2, 48), (6, 40), (7, 32), (PXP_STATUS, 8)];

fn s110_a_query_tells_its_size_and_takes_no_other(on: &mut Trial<'_>) {
    on.case("size 0");
    let memory = on.memory.contents();
    // No part here samples stalls, which is said before anything else.
    let sizes: Vec<(u32, u32)> =
        (0..EU_STALL).map(|number| (number, on.accepted(QUERY, &query(number, 0)).get_u32(12))).collect();
    on.refused(QUERY, &query(EU_STALL, 0), ENODEV);
    on.check("data is not touched", on.memory.contents() == memory, true);
    for known in SIZES {
        on.check("size", sizes.contains(&known), true);
    }
    on.case("that size");
    for (number, size) in sizes.iter().copied() {
        on.put(OPS, &[0; 0x1000]);
        match number {
            PXP_STATUS => on.refused(QUERY, &query(number, size), ENODEV),
            _ => drop(on.accepted(QUERY, &query(number, size))),
        }
        let told = on.memory.at(OPS).iter().any(|byte| *byte != 0);
        on.check(&format!("query {number} has an answer"), told, size > 0 && number != PXP_STATUS);
    }
    on.case("size + 1");
    for (number, size) in sizes {
        on.refused(QUERY, &query(number, size + 1), EINVAL);
    }
    on.case("id 11");
    on.refused(QUERY, &query(11, 0), EINVAL);
    on.case("an answer that cannot be written");
    on.refused(QUERY, &query(MEM_REGIONS, 96).u64(16, NOWHERE), EFAULT);
}
