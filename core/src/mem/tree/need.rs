//! How many tables a change can need.

use super::backing::{PAGE_BYTES, SLOT_BYTES, Segment};
use super::list::is_block;
use super::range::{VaRange, is_aligned, round_up};
use crate::mem::format::{Level, PtFormat, entry_bytes, shift, table_span_bytes};
use crate::mem::pages::{ENTRIES, Need};
use crate::num::{low32, usize_capped, usize_of};
use barexe_hal::BusAddr;

/// The most tables that mapping `range` can take, whatever the tree looks like by then: one for each slot it touches
/// at each level, but for slots that are one leaf.
///
/// Takes as long as there are segments (for a list of pages: as long as it is).
#[must_use]
pub fn need<'p>(format: &PtFormat, range: VaRange, backing: impl Iterator<Item = Segment<'p>>) -> Need {
    let leaves = large_leaves(range, backing);
    let below_root = || Level::ALL.into_iter().take_while(|level| *level < format.root_level);
    let touched = |level| slots_touched(range, table_span_bytes(level));
    let directories = below_root().skip(1).map(touched).fold(0, u64::saturating_add);
    Need {
        leaf_tables: capped(touched(Level::L0).saturating_sub(leaves.two_mib)),
        directories: capped(directories.saturating_sub(leaves.one_gib)),
    }
}

/// What of [`need`] is there already while everything in `beside` is bound, which does not overlap `range`: a slot that
/// both touch has its table, and since something in it is bound that table stays.
#[must_use]
pub const fn shared(format: &PtFormat, range: VaRange, beside: VaRange) -> Need {
    let (lower, upper) = if range.start < beside.start { (range, beside) } else { (beside, range) };
    // Of two addresses in one slot, and of those in one slot at every higher level.
    let apart = (lower.end.wrapping_sub(1) ^ upper.start) >> shift(Level::L1);
    let bits = u64::BITS.wrapping_sub(apart.leading_zeros());
    let levels_apart = bits.div_ceil(9);
    let below_root = format.root_level.number() as u32;
    let shared = below_root.saturating_sub(levels_apart);
    let leaf_tables = if levels_apart == 0 { 1 } else { 0 };
    Need { leaf_tables, directories: shared.saturating_sub(leaf_tables) }
}

/// The tables of an empty tree: root, and the scratch tables of a scratch VM.
#[must_use]
pub const fn need_of_new(format: &PtFormat, scratch: bool) -> Need {
    let below_root = (format.root_level.number() as u32).saturating_sub(2);
    Need { leaf_tables: 0, directories: if scratch { below_root.saturating_add(1) } else { 1 } }
}

fn capped(count: u64) -> u32 {
    low32(count.min(u64::from(u32::MAX)))
}

const fn slots_touched(range: VaRange, bytes: u64) -> u64 {
    let slots = round_up(range.end, bytes).wrapping_sub(range.start & !bytes.wrapping_sub(1));
    match slots.checked_div(bytes) {
        Some(count) => count,
        None => 0,
    }
}

/// Slots that are one leaf, or lie in one.
#[derive(Clone, Copy, Debug, Default)]
struct LargeLeaves {
    two_mib: u64,
    one_gib: u64,
}

fn large_leaves<'p>(range: VaRange, backing: impl Iterator<Item = Segment<'p>>) -> LargeLeaves {
    let mut leaves = LargeLeaves::default();
    let mut va = range.start;
    for segment in backing {
        let end = va.saturating_add(segment.len_bytes()).min(range.end);
        let here = VaRange { start: va, end };
        let add = match segment {
            Segment::Null => of_run(here, va),
            Segment::Run { addr, .. } => of_run(here, addr.get()),
            Segment::Pages(pages) => of_pages(here, pages),
        };
        leaves.two_mib = leaves.two_mib.saturating_add(add.two_mib);
        leaves.one_gib = leaves.one_gib.saturating_add(add.one_gib);
        va = end;
        if va >= range.end {
            break;
        }
    }
    leaves
}

/// Leaves of contiguous memory: wherever address and backing are aligned alike.
const fn of_run(range: VaRange, addr: u64) -> LargeLeaves {
    LargeLeaves {
        two_mib: whole_slots(range, addr, entry_bytes(Level::L1)),
        one_gib: whole_slots(range, addr, entry_bytes(Level::L2)),
    }
}

const fn whole_slots(range: VaRange, addr: u64, bytes: u64) -> u64 {
    if !is_aligned(range.start ^ addr, bytes) {
        return 0;
    }
    let inside = range.end.saturating_sub(round_up(range.start, bytes));
    match inside.checked_div(bytes) {
        Some(count) => count,
        None => 0,
    }
}

/// Leaves of a list of pages. Those of 1 GiB are counted as 512 of 2 MiB: a table too many is asked for.
fn of_pages(range: VaRange, pages: &[BusAddr]) -> LargeLeaves {
    let skipped = round_up(range.start, SLOT_BYTES).wrapping_sub(range.start) / PAGE_BYTES;
    let here = pages.get(..usize_capped(range.len_bytes() / PAGE_BYTES)).unwrap_or(pages);
    let slots = here.get(usize_capped(skipped)..).unwrap_or(&[]).chunks_exact(usize_of(ENTRIES));
    let blocks = slots.filter(|slot| is_block(slot, slot.len())).count();
    LargeLeaves { two_mib: crate::num::u64_of(blocks), one_gib: 0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::family::{GEN12, XE2};

    fn run(addr: u64, bytes: u64) -> impl Iterator<Item = Segment<'static>> {
        core::iter::once(Segment::Run { addr: BusAddr::new(addr).unwrap(), bytes })
    }

    fn of(start: u64, end: u64, addr: u64) -> (u32, u32) {
        let range = VaRange { start, end };
        let need = need(&GEN12.pt, range, run(addr, range.len_bytes()));
        (need.leaf_tables, need.directories)
    }

    #[test]
    fn one_page_can_need_a_table_of_every_level_below_the_root() {
        assert_eq!(of(0, 0x1000, 0x1_2345_6000), (1, 2));
        let deeper = need(&XE2.pt, VaRange { start: 0, end: 0x1000 }, run(0x5000, 0x1000));
        assert_eq!(deeper, Need { leaf_tables: 1, directories: 3 });
    }

    #[test]
    fn ranges_over_an_edge_need_tables_on_both_sides() {
        assert_eq!(of(0x1F_F000, 0x20_1000, 0x5000), (2, 2));
        assert_eq!(of(0x3FFF_F000, 0x4000_1000, 0x5000), (2, 3));
        assert_eq!(of(0x7F_FFFF_F000, 0x80_0000_1000, 0x5000), (2, 4));
    }

    #[test]
    fn large_leaves_need_no_table_below_them() {
        assert_eq!(of(1 << 30, 2 << 30, 0x8000_0000), (0, 1), "one leaf of 1 GiB");
        assert_eq!(of(1 << 30, 2 << 30, 0x1_0020_0000), (0, 2), "512 of 2 MiB");
        assert_eq!(of(1 << 30, 2 << 30, 0x1_0020_1000), (512, 2), "pages");
        assert_eq!(of(0x3FE0_0000, 0x8020_0000, 0x7FE0_0000), (0, 3), "a large one between two of 2 MiB");
    }

    #[test]
    fn a_null_mapping_needs_tables_only_where_it_is_not_aligned() {
        let null = |start, end| need(&GEN12.pt, VaRange { start, end }, core::iter::once(Segment::Null));
        assert_eq!(null(0, 1 << 30), Need { leaf_tables: 0, directories: 1 });
        assert_eq!(null(0, (1 << 30) + 0x1000), Need { leaf_tables: 1, directories: 2 });
    }

    #[test]
    fn lists_of_pages_count_the_blocks_in_them() {
        let mut pages = [BusAddr::ZERO; 1024 + 3];
        for (n, page) in (0u64..).zip(&mut pages) {
            *page = BusAddr::new(0x3F_D000 + n * 0x1000).unwrap();
        }
        let list = || core::iter::once(Segment::Pages(&pages));
        let range = VaRange { start: 0x1F_D000, end: 0x1F_D000 + 1027 * 0x1000 };
        assert_eq!(need(&GEN12.pt, range, list()), Need { leaf_tables: 1, directories: 2 });
        let askew = VaRange { start: 0x1F_E000, end: 0x1F_E000 + 1027 * 0x1000 };
        assert_eq!(need(&GEN12.pt, askew, list()), Need { leaf_tables: 4, directories: 2 });
    }

    #[test]
    fn neighbours_share_the_tables_that_both_touch() {
        let pair = |a: u64, b: u64| {
            let [a, b] = [a, b].map(|start| VaRange { start, end: start + 0x1000 });
            assert_eq!(shared(&XE2.pt, a, b), shared(&XE2.pt, b, a));
            let (four, five) = (shared(&GEN12.pt, a, b), shared(&XE2.pt, a, b));
            (four.leaf_tables, four.directories, five.leaf_tables, five.directories)
        };
        assert_eq!(pair(0, 0x1000), (1, 2, 1, 3), "one table of pages");
        assert_eq!(pair(0, 0x1F_F000), (1, 2, 1, 3));
        assert_eq!(pair(0x1F_F000, 0x20_0000), (0, 2, 0, 3), "one directory of them");
        assert_eq!(pair(0, 0x3FFF_F000), (0, 2, 0, 3));
        assert_eq!(pair(0x3FFF_F000, 0x4000_0000), (0, 1, 0, 2), "one of those");
        assert_eq!(pair(0x7F_FFFF_F000, 0x80_0000_0000), (0, 0, 0, 1), "the root, or what is below it");
        assert_eq!(pair(0, 1 << 48), (0, 0, 0, 0), "nothing");
    }

    #[test]
    fn segments_past_the_range_do_not_count() {
        let many = core::iter::repeat_n(run(0x20_0000, 2 << 20).next().unwrap(), 1000);
        let range = VaRange { start: 0, end: 2 << 20 };
        assert_eq!(need(&GEN12.pt, range, many), Need { leaf_tables: 0, directories: 2 });
    }
}
