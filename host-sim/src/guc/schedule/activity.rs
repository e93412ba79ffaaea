//! How busy engines are, in memory: the host reads it without asking.

use super::{Scheduler, memory};
use crate::bus::Bus;
use crate::cs::TIMESTAMP_HZ;
use crate::guc::messages::activity as layout;
use crate::guc::requests::class_number;

/// How late what is in memory may be: it is written when a context comes or leaves.
const LAG_US: u32 = 0;

/// What is told of one engine.
#[derive(Clone, Copy, Debug, Default)]
struct Row {
    changes: u16,
    /// Ticks during which it was busy, before the present context.
    busy: u64,
    /// Tick at which it became busy.
    since: Option<u64>,
}

/// Where it is told, and what so far.
#[derive(Debug, Default)]
pub(super) struct Activity {
    /// GGTT addresses of the common block and the table.
    at: Option<(u32, u32)>,
    changes: u32,
    /// By seat.
    rows: Vec<Row>,
}

impl Activity {
    pub(super) const fn at(common: u32, table: u32) -> Self {
        Self { at: Some((common, table)), changes: 0, rows: Vec::new() }
    }
}

/// Ticks of the firmware's clock.
const fn ticks(ns: u64) -> u64 {
    ((ns as u128 * TIMESTAMP_HZ as u128) / 1_000_000_000) as u64
}

/// Address of a field, of which the table has only so many.
const fn field(base: u32, offset: u64) -> u32 {
    base.wrapping_add(offset as u32)
}

impl Scheduler {
    /// Writes the rows that changed, all of them the first time.
    pub(super) fn tell_how_busy(&mut self, bus: &mut dyn Bus) {
        let Some((common, table)) = self.activity.at else { return };
        let tick = ticks(bus.now_ns());
        let first_time = self.activity.rows.is_empty();
        self.activity.rows.resize(self.seats.len(), Row::default());
        let mut changed = first_time;
        for (seat, row) in self.seats.iter().zip(&mut self.activity.rows) {
            if !first_time && seat.holder.is_some() == row.since.is_some() {
                continue;
            }
            match (seat.holder, row.since) {
                (Some(_), None) => row.since = Some(tick),
                (None, Some(since)) => (row.busy, row.since) = (row.busy + tick.saturating_sub(since), None),
                (None, None) | (Some(_), Some(_)) => {}
            }
            // 0 says that nothing was told yet.
            row.changes = row.changes.checked_add(1).unwrap_or(1);
            let at = field(table, layout::row(class_number(seat.class), seat.number as u8));
            write_row(bus, at, row);
            changed = true;
        }
        if changed {
            self.activity.changes = self.activity.changes.checked_add(1).unwrap_or(1);
            memory::write(bus, field(common, layout::FREQUENCY), TIMESTAMP_HZ as u32);
            memory::write(bus, field(common, layout::LAG), LAG_US);
            memory::write(bus, field(common, layout::CHANGES), self.activity.changes);
        }
    }
}

fn write_row(bus: &mut dyn Bus, at: u32, row: &Row) {
    // A tick of 0 says that it is idle.
    let updated = row.since.map_or(0, |since| (since as u32).max(1));
    memory::write(bus, field(at, layout::ENGINE_BUSY), row.busy as u32);
    memory::write(bus, field(at, layout::ENGINE_BUSY + 4), (row.busy >> 32) as u32);
    memory::write(bus, field(at, layout::ENGINE_UPDATED), updated);
    let head = u32::from(row.changes) | u32::from(layout::WHOLE_SHARE) << 16;
    memory::write(bus, field(at, layout::ENGINE_CHANGES), head);
}
