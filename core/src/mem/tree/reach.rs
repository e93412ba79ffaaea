//! What a change of a range may write, before it is staged.

use super::backing::PAGE_BYTES;
use super::range::{VaRange, index_at};
use super::{Level, PageTree};
use crate::mem::format::{entry_bytes, shift};
use crate::mem::pages::PtMemory;

/// What one entry covers of the highest table that changes are ordered by (bind-and-exec sheet §4.7).
const WIDEST: u64 = entry_bytes(Level::L3);

impl PageTree {
    /// A range, widened to what one entry of the highest table covers that a change of it would write, if it were staged
    /// now: two changes that share no such entry need not know of each other. `unbinds`: something goes, so tables that
    /// nothing else uses go too.
    ///
    /// A path of at most five tables is looked at, the one that leads to the whole range.
    #[must_use]
    pub fn reach(&self, pages: &PtMemory<'_>, range: VaRange, unbinds: bool) -> VaRange {
        let (mut directory, mut level) = (self.root, self.root_level);
        // What an entry covers that goes if everything below it does.
        let mut going = None;
        let last = range.end.saturating_sub(1);
        while let Some(below) = level.below() {
            let widened = range.widened(entry_bytes(level).min(WIDEST));
            // Several entries of this table, or one that a table is still to be hooked up at.
            if range.start >> shift(level) != last >> shift(level) {
                return widened;
            }
            let Some(child) = pages.child(directory, index_at(level, range.start)) else { return widened };
            let alone = if below == Level::L0 { range.len_bytes() / PAGE_BYTES } else { 1 };
            going = if child.is_compact() || u64::from(child.live()) <= alone { going.or(Some(widened)) } else { None };
            if below == Level::L0 {
                break;
            }
            (directory, level) = (child.directory(), below);
        }
        going.filter(|_| unbinds).unwrap_or(range)
    }
}
