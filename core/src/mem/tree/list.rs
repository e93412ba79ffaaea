//! Lists of pages: blocks and groups of 64 KiB among them.
//!
//! Most lists hold none. What looks for them therefore looks at one page in sixteen.

use super::backing::{GROUP_BYTES, PAGE_BYTES};
use crate::num::{u64_of, usize_capped};
use barexe_hal::BusAddr;

/// Pages of a group.
pub(super) const GROUP_PAGES: usize = 16;
/// Groups of a slot.
pub(super) const SLOT_GROUPS: u32 = 32;
/// Pages of a slot.
pub(super) const SLOT_PAGES: usize = 512;

/// Whether the first `count` pages are one block of memory, aligned to its size.
pub(super) fn is_block(pages: &[BusAddr], count: usize) -> bool {
    let Some((first, rest)) = pages.get(..count).and_then(<[BusAddr]>::split_first) else { return false };
    first.is_aligned(u64_of(count).wrapping_mul(PAGE_BYTES)) && continues(*first, rest)
}

fn continues(first: BusAddr, rest: &[BusAddr]) -> bool {
    (1u64..).zip(rest).all(|(n, page)| page.get() == first.get().wrapping_add(n.wrapping_mul(PAGE_BYTES)))
}

/// How many of the next pages form one run of equal kind, and whether they carry the 64 KiB hint: only heads of groups
/// are looked at until one begins a block.
pub(super) fn listed(va: u64, pages: &[BusAddr]) -> (usize, bool) {
    let in_group = usize_capped((va / PAGE_BYTES) & 15);
    let before = (GROUP_PAGES.wrapping_sub(in_group) & 15).min(pages.len());
    let groups = pages.get(before..).unwrap_or(&[]).chunks_exact(GROUP_PAGES);
    let plain = groups.take_while(|group| !is_group(group)).count().saturating_mul(GROUP_PAGES);
    match before.saturating_add(plain) {
        0 if pages.len() >= GROUP_PAGES => (blocks(pages), true),
        // What is left after the last whole group cannot be one.
        upto if pages.len().saturating_sub(upto) < GROUP_PAGES => (pages.len(), false),
        upto => (upto, false),
    }
}

/// Whether sixteen pages might be a group, by the first two.
#[inline]
pub(super) const fn may_be_group([head, next, ..]: &[BusAddr; GROUP_PAGES]) -> bool {
    // Without decisions, because it is asked on the way through a long list.
    head.is_aligned(GROUP_BYTES) & (next.get() == head.get().wrapping_add(PAGE_BYTES))
}

/// Whether sixteen pages begin at a multiple of `block`.
#[inline]
pub(super) const fn begins_block([head, ..]: &[BusAddr; GROUP_PAGES], block: u64) -> bool {
    head.is_aligned(block)
}

/// The groups in the pages of a slot: first entry and address of each.
pub(super) fn groups(slot: &[BusAddr]) -> impl Iterator<Item = (u32, BusAddr)> {
    let (groups, _) = slot.as_chunks::<GROUP_PAGES>();
    let places = (0u32..).step_by(GROUP_PAGES);
    places.zip(groups).filter(|(_, group)| is_group(*group)).map(|(place, [head, ..])| (place, *head))
}

/// Whether sixteen pages are a block of 64 KiB: mostly the first already tells.
#[inline]
fn is_group(group: &[BusAddr]) -> bool {
    matches!(group, [first, rest @ ..] if first.is_aligned(GROUP_BYTES) && continues(*first, rest))
}

/// Pages of the groups at the start that continue each other. The first is known to be a group.
fn blocks(pages: &[BusAddr]) -> usize {
    let Some(first) = pages.first() else { return 0 };
    let groups = pages.chunks_exact(GROUP_PAGES);
    let heads = (0u64..).step_by(usize_capped(GROUP_BYTES));
    let continuing = groups.zip(heads).take_while(|(group, offset)| {
        let head = group.first().map_or(0, |page| page.get());
        head == first.get().wrapping_add(*offset) && is_group(group)
    });
    continuing.count().saturating_mul(GROUP_PAGES)
}
