//! A sink that stores nothing by itself: commands for an engine, run later (page-tables sheet §6.2).
#![expect(clippy::panic, reason = "a helper of tests ends the test that it cannot help")]

use super::Arena;
use barexe_core::mem::Defect;
use barexe_core::mem::pages::{Entries, PtMemory, TableId, TableRun};
use barexe_core::mem::tree::{Sink, Slot};
use barexe_core::num::{high32, low32};
use std::collections::BTreeMap;

/// Most qwords of one command: the length field ends at 0x3FE.
const MAX_QWORDS: usize = 510;
const STORE_QWORDS: u32 = 0x1020_0000;

/// The sink. New tables are published at once; changes of live tables wait in a batch of `MI_STORE_DATA_IMM`, each
/// table at its bus address.
#[derive(Debug)]
pub struct CommandSink<'d> {
    arena: &'d mut Arena,
    /// The batch so far.
    pub dwords: Vec<u32>,
}

impl<'d> CommandSink<'d> {
    /// An empty batch.
    #[must_use]
    pub const fn new(arena: &'d mut Arena) -> Self {
        Self { arena, dwords: Vec::new() }
    }

    /// Runs the batch as an engine would: in order, by bus addresses, from what was published.
    ///
    /// # Panics
    /// For commands that it does not know.
    pub fn run(self, pages: &PtMemory<'_>) {
        let tables = pages.tables().filter_map(|table| Some((pages.bus(table).ok()?.get(), table)));
        let tables: BTreeMap<u64, TableId> = tables.collect();
        let mut rest = self.dwords.as_slice();
        while let [header, low, high, after @ ..] = rest {
            assert_eq!(header & 0xFFFF_FC00, STORE_QWORDS, "{header:#x}");
            let payload = usize::try_from(header & 0x3FF).unwrap_or(0).saturating_sub(1);
            let (values, next) = after.split_at_checked(payload).unwrap_or_else(|| panic!("{header:#x} is cut off"));
            let bus = u64::from(*high) << 32 | u64::from(*low);
            for (n, [low, high]) in (0u64..).zip(values.as_chunks::<2>().0) {
                let value = u64::from(*high) << 32 | u64::from(*low);
                let at = bus.saturating_add(n.saturating_mul(8));
                let table = tables.get(&(at & !0xFFF)).unwrap_or_else(|| panic!("no table at {at:#x}"));
                // Seen by the CPU too: the driver may read tables for reports.
                let (buffer, offset) = pages.place(*table).unwrap_or_else(|defect| panic!("{defect}"));
                let in_table = usize::try_from(at & 0xFFF).unwrap_or(0);
                self.arena.write_through(buffer, offset.saturating_add(in_table), value);
            }
            rest = next;
        }
    }
}

impl Sink for CommandSink<'_> {
    fn built(&mut self, pages: &PtMemory<'_>, tables: TableRun) {
        pages.publish_run(self.arena, tables);
    }

    fn update(&mut self, pages: &PtMemory<'_>, slot: Slot, entries: &Entries<'_, '_>) -> Result<(), Defect> {
        let mut values = Vec::new();
        entries.for_each(|value| values.push(value));
        let mut bus = pages.bus(slot.table)?.get().saturating_add(u64::from(slot.first).saturating_mul(8));
        for chunk in values.chunks(MAX_QWORDS) {
            let payload = u32::try_from(chunk.len()).unwrap_or(0).saturating_mul(2);
            self.dwords.extend([STORE_QWORDS | payload.saturating_add(1), low32(bus), high32(bus)]);
            self.dwords.extend(chunk.iter().flat_map(|value| [low32(*value), high32(*value)]));
            bus = bus.saturating_add(u64::from(payload).saturating_mul(4));
        }
        Ok(())
    }
}
