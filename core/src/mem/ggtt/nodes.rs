//! Ranges in use, as a list in lent storage; those that firmware left are found by reading the table.

use super::Hole;
use crate::gt::{MAX_TILES, Registers};
use crate::num::{u32_capped, usize_of};
use crate::shares::Owner;
use crate::{Capacity, Error, Handle, Pool};
use barexe_hal::Mmio;

/// Bit of an entry that says it maps something.
const PRESENT: u64 = 1;
/// Entries read at once during set-up: half a kilobyte of stack.
const SCAN_ENTRIES: usize = 64;

/// Who uses a range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum User {
    Firmware,
    Driver,
}

/// A range in use. Storage for the GGTT is a slice of slots of these.
#[derive(Debug)]
pub struct GgttNode {
    pub(super) first: u32,
    pub(super) pages: u32,
    pub(super) user: User,
    pub(super) previous: Option<Handle<Self>>,
    pub(super) next: Option<Handle<Self>>,
}

impl GgttNode {
    pub(super) const fn end(&self) -> u32 {
        self.first.saturating_add(self.pages)
    }
}

/// Links a new node behind `previous`, or in front of all.
pub(super) fn insert_after(
    (nodes, owner): (&mut Pool<'_, GgttNode>, Owner),
    head: &mut Option<Handle<GgttNode>>,
    previous: Option<Handle<GgttNode>>,
    (first, pages, user): (u32, u32, User),
) -> Result<Handle<GgttNode>, Error> {
    let next = match previous.and_then(|previous| nodes.get(previous)) {
        Some(previous) => previous.next,
        None => *head,
    };
    let node = nodes
        .insert_for(owner, GgttNode { first, pages, user, previous, next })
        .map_err(|_| Error::Exhausted(Capacity::GgttNodes))?;
    match previous.and_then(|previous| nodes.get_mut(previous)) {
        Some(previous) => previous.next = Some(node),
        None => *head = Some(node),
    }
    if let Some(next) = next.and_then(|next| nodes.get_mut(next)) {
        next.previous = Some(node);
    }
    Ok(node)
}

/// The firmware's ranges on every tile.
pub(super) fn find_firmware_of_all<H: Mmio>(
    regs: &mut Registers<'_, H>,
    tiles: u8,
    window: Hole,
    nodes: &mut Pool<'_, GgttNode>,
) -> Result<heapless::Vec<Option<Handle<GgttNode>>, MAX_TILES>, Error> {
    let mut heads = heapless::Vec::new();
    for tile in 0..tiles {
        // There are no more tiles than places.
        let _ = heads.push(find_firmware(&mut regs.of_tile(tile), window, nodes)?);
    }
    Ok(heads)
}

/// Reads the window in runs and makes one node of each run of present entries.
fn find_firmware<H: Mmio>(
    regs: &mut Registers<'_, H>,
    (first, end): Hole,
    nodes: &mut Pool<'_, GgttNode>,
) -> Result<Option<Handle<GgttNode>>, Error> {
    let (mut head, mut last) = (None, None::<Handle<GgttNode>>);
    let mut page = first;
    while page < end {
        let mut entries = [0; SCAN_ENTRIES];
        let count = usize_of(end.saturating_sub(page)).min(SCAN_ENTRIES);
        let (run, _) = entries.split_at_mut_checked(count).unwrap_or_default();
        regs.read_entries(page, run);
        for (at, entry) in (page..).zip(run.iter()) {
            match *entry {
                u64::MAX => return Err(Error::DeviceGone),
                entry if entry & PRESENT == 0 => {}
                _ => last = Some(note_firmware_page(nodes, (&mut head, last), at)?),
            }
        }
        page = page.saturating_add(u32_capped(count));
    }
    Ok(head)
}

/// Lengthens the last node by a page that follows it, or starts a new one.
fn note_firmware_page(
    nodes: &mut Pool<'_, GgttNode>,
    (head, last): (&mut Option<Handle<GgttNode>>, Option<Handle<GgttNode>>),
    page: u32,
) -> Result<Handle<GgttNode>, Error> {
    if let Some(handle) = last
        && let Some(node) = nodes.get_mut(handle)
        && node.end() == page
    {
        node.pages = node.pages.saturating_add(1);
        return Ok(handle);
    }
    insert_after((nodes, Owner::NOBODY), head, last, (page, 1, User::Firmware))
}
