//! Page tables, their cache, and the global table.

use super::*;

#[test]
fn a_forgotten_invalidation_reads_the_old_page_until_the_ring_flushes() {
    let mut rig = Rig::tgl();
    rig.run_batch(&[0x1000_0002, VA as u32 + 0x48, 0, 1, 0x0500_0000]);
    let other = 0xA00_0000;
    rig.map(other);
    rig.bus.put32(other, &[0x1000_0002, VA as u32 + 0x48, 0, 2, 0x0500_0000]);
    rig.image(LRCA, 0, 0);
    rig.job();
    rig.go(1000);
    assert_eq!((rig.bus.get32(DATA + 0x48), rig.bus.get32(other + 0x48)), (1, 0), "stale");
    rig.image(LRCA, 0, 0);
    rig.ring(&[0x1304_0002, 0, 0, 0, 0x1880_0101, VA as u32, 0, 0]);
    rig.go(1000);
    assert_eq!(rig.bus.get32(other + 0x48), 2);
}

#[test]
fn a_restore_may_forget_translations() {
    let mut rig = Rig::tgl();
    rig.streamer.tlb_outlives_restore = false;
    rig.run_batch(&[0x1000_0002, VA as u32 + 0x48, 0, 1, 0x0500_0000]);
    let other = 0xA00_0000;
    rig.map(other);
    rig.bus.put32(other, &[0x1000_0002, VA as u32 + 0x48, 0, 2, 0x0500_0000]);
    rig.image(LRCA, 0, 0);
    rig.job();
    rig.go(1000);
    assert_eq!((rig.bus.get32(DATA + 0x48), rig.bus.get32(other + 0x48)), (1, 2));
}

#[test]
fn addresses_that_are_not_canonical_fault_and_both_forms_of_others_work() {
    let mut rig = Rig::lnl();
    let progress = rig.run_batch(&[0x1000_0002, at(0x48), 0x0001_0000, 1, END]);
    assert_eq!(progress.state, State::Halted);
    assert!(rig.why().contains("not canonical"), "{}", rig.why());
    for high in [0x0000_8000, 0xFFFF_8000] {
        let mut rig = Rig::lnl();
        // The same tables again, for the upper half of the address space.
        let top = rig.bus.get32(ROOT + 0x1000);
        rig.bus.put64(ROOT + 0x1000 + 256 * 8, &[u64::from(top)]);
        assert_eq!(rig.run_batch(&[0x1000_0002, at(0x48), high, 1, END]).state, State::Idle, "{}", rig.why());
        assert_eq!(rig.data(0x48), 1);
    }
}

#[test]
fn a_table_that_was_replaced_is_walked_until_the_ring_flushes() {
    let mut rig = Rig::tgl();
    let stored = |rig: &Rig, page: u64| rig.bus.get32(page + 0x48);
    rig.run_batch(&[0x1000_0002, at(0x48), 0, 1, END]);
    // Another table of the lowest level, for addresses that were not used yet, takes the place of the old one.
    let (old, new) = (0xA00_0000, 0xB00_0000);
    let (leaves, other) = (ROOT + 0x3000, ROOT + 0x8000);
    rig.bus.put(old, &[0]);
    rig.bus.put(new, &[0]);
    rig.bus.put64(leaves + 0x101 * 8, &[old | 3]);
    rig.bus.put64(other + 0x100 * 8, &[DATA | 3, new | 3]);
    rig.bus.put64(ROOT + 0x2000, &[other | 3]);
    let batch = [0x1000_0002, at(0x1048), 0, 2, END];
    rig.image(LRCA, 0, 0);
    rig.run_batch(&batch);
    assert_eq!((stored(&rig, old), stored(&rig, new)), (2, 0), "through the old table: {}", rig.why());
    rig.image(LRCA, 0, 0);
    rig.ring(&[0x1304_0002, 0, 0, 0, 0x1880_0101, at(0), 0, 0]);
    assert_eq!(rig.go(100).state, State::Idle, "{}", rig.why());
    assert_eq!(stored(&rig, new), 2);
}

#[test]
fn the_address_space_id_is_what_translations_are_kept_by_where_there_is_one() {
    let other_root = ROOT + 0x10_0000;
    for (mut rig, same) in [(Rig::tgl(), false), (Rig::lnl(), true)] {
        rig.run_batch(&[0x1000_0002, at(0x48), 0, 1, END]);
        // A second address space with the id of the first, which leads elsewhere.
        let (levels, leaf) = if same { (4, 0x403) } else { (3, 3) };
        for level in 0..levels {
            rig.bus.put64(other_root + level * 0x1000, &[(other_root + (level + 1) * 0x1000) | 3]);
        }
        let other = 0xA00_0000;
        rig.bus.put64(other_root + levels * 0x1000 + 0x100 * 8, &[other | leaf]);
        rig.bus.put32(other, &[0x1000_0002, at(0x48), 0, 2, END]);
        rig.image(LRCA, 0, 0);
        rig.set_slot(0x33, other_root as u32 | 3);
        rig.job();
        assert_eq!(rig.go(100).state, State::Idle, "{}", rig.why());
        let stale = (rig.data(0x48), rig.bus.get32(other + 0x48));
        assert_eq!(stale, if same { (1, 0) } else { (1, 2) });
    }
}

#[test]
fn a_null_page_swallows_stores_and_stays_cached() {
    let mut rig = Rig::tgl();
    rig.bus.put64(ROOT + 0x3000 + 0x101 * 8, &[0x203]);
    let batch = [0x1000_0002, at(0x1048), 0, 1, 0x1700_0003, at(0x80), 0, at(0x1048), 0, END];
    rig.bus.put32(DATA + 0x80, &[7]);
    assert_eq!(rig.run_batch(&batch).state, State::Idle, "{}", rig.why());
    assert_eq!(rig.data(0x80), 0, "a null page reads as zero");
    rig.bus.put64(ROOT + 0x3000 + 0x101 * 8, &[0xA00_0000 | 3]);
    rig.bus.put(0xA00_0000, &[0]);
    rig.image(LRCA, 0, 0);
    rig.run_batch(&[0x1000_0002, at(0x1048), 0, 1, END]);
    assert_eq!(rig.bus.get32(0xA00_0048), 0, "stale");
}

#[test]
fn permissions_of_a_page_are_kept() {
    for (mut rig, leaf, batch, why) in [
        (Rig::tgl(), DATA | 1, vec![0x1000_0002, at(0x48), 0, 1], "read-only"),
        (Rig::tgl(), DATA | 1, vec![0x1780_0501, at(0x48), 0], "read-only"),
        (Rig::lnl(), DATA | 3, vec![0x1780_0501, at(0x48), 0], "does not allow atomics"),
    ] {
        let leaves = if rig.version == 2004 { ROOT + 0x4000 } else { ROOT + 0x3000 };
        rig.bus.put64(leaves + 0x100 * 8, &[leaf]);
        assert_eq!(rig.run_batch(&batch).state, State::Halted);
        assert!(rig.why().contains(why), "{}", rig.why());
        assert_eq!((rig.bus.faults.len(), rig.data(0x48)), (1, 0));
    }
}

#[test]
fn entries_of_the_global_table_are_checked() {
    let page = u64::from(FENCE) + FRAME;
    for (entry, why) in [
        (page, "not present"),
        (page | 3, "local memory"),
        (page | 5, "virtual function"),
        (page | 1 << 52 | 1, "reserved bits"),
        (1 << 40 | 1, "beyond the device's reach"),
        ((page + 0x1000_0000) | 1, "where no memory is"),
    ] {
        let mut rig = Rig::tgl();
        rig.bus.ggtt.insert(FENCE >> 12, entry);
        rig.ring(&[0x1040_0002, FENCE, 0, 1]);
        assert_eq!(rig.go(10).state, State::Halted);
        assert!(rig.why().contains(why), "{entry:#x}: {}", rig.why());
    }
    let mut rig = Rig::lnl();
    rig.bus.ggtt.insert(FENCE >> 12, page | 3 << 52 | 1);
    rig.ring(&[0x1040_0002, FENCE, 0, 1]);
    assert_eq!(rig.go(10).state, State::Idle, "PAT bits: {}", rig.why());
}
