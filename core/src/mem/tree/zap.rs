//! Taking a mapping from the device for a while (page-tables sheet §5.6).

use super::edges::{Chain, Edges, covered};
use super::frame::Frame;
use super::range::{VaRange, span_of};
use super::{PageTree, Sink, Stage};
use crate::mem::Defect;
use crate::mem::format::{Level, entry_bytes};
use crate::mem::pages::Entries;
use crate::mem::tlb::Cause;

impl PageTree {
    /// Makes every entry of a bound range not present, on scratch VMs too, and keeps tables and counts: a rebind
    /// brings the range back, an unbind removes it as if nothing had happened.
    ///
    /// # Errors
    /// As [`unbind`](Self::unbind).
    pub fn zap<S: Sink>(&self, stage: &mut Stage<'_, '_, S>, range: VaRange) -> Result<VaRange, Defect> {
        let Edges { left, right, common } = Edges::find(self, stage.pages, range)?;
        let mut top = Level::L0;
        for (level, table) in left.iter().flat_map(Chain::upwards) {
            let part = VaRange { start: range.start, end: span_of(level, range.start).end };
            top = top.max(clear(stage, level, table, part)?);
        }
        for (level, table) in right.iter().flat_map(Chain::upwards) {
            let part = VaRange { start: span_of(level, range.end.saturating_sub(1)).start, end: range.end };
            top = top.max(clear(stage, level, table, part)?);
        }
        if let Some((level, table)) = common.upwards().next() {
            top = top.max(clear(stage, level, table, range)?);
        }
        let widened = range.widened(entry_bytes(top));
        stage.stale.note(widened, Cause::Unbound);
        Ok(widened)
    }
}

/// Makes the entries that lie wholly in `part` not present; the level, or the lowest if there are none.
fn clear<S: Sink>(stage: &mut Stage<'_, '_, S>, level: Level, frame: Frame, part: VaRange) -> Result<Level, Defect> {
    let table = frame.table(level, stage.pages);
    let Some((slot, count, _)) = covered(level, table, part) else { return Ok(Level::L0) };
    stage.update(slot, &Entries::fill(0, count))?;
    Ok(level)
}
