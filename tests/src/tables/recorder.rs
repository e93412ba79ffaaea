//! A sink that stores at once, and remembers update records.

use super::Arena;
use barexe_core::mem::Defect;
use barexe_core::mem::format::table_span_bytes;
use barexe_core::mem::pages::{Entries, PtMemory, TableId, TableRun};
use barexe_core::mem::tree::{CpuSink, Sink, Slot};

/// Changes of one live table, as one record (page-tables sheet §5.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Update {
    /// The table.
    pub table: TableId,
    /// Its level.
    pub level: u8,
    /// Address of its first entry.
    pub base: u64,
    /// First entry that changed.
    pub first: u32,
    /// Values from there on.
    pub values: Vec<u64>,
}

/// The sink.
#[derive(Debug)]
pub struct Recorder<'d> {
    cpu: CpuSink<'d, Arena>,
    /// What changed, in order.
    pub updates: Vec<Update>,
}

impl<'d> Recorder<'d> {
    /// Nothing recorded yet.
    #[must_use]
    pub const fn new(arena: &'d mut Arena) -> Self {
        Self { cpu: CpuSink::new(arena), updates: Vec::new() }
    }
}

impl Sink for Recorder<'_> {
    fn built(&mut self, pages: &PtMemory<'_>, tables: TableRun) {
        self.cpu.built(pages, tables);
    }

    fn update(&mut self, pages: &PtMemory<'_>, slot: Slot, entries: &Entries<'_, '_>) -> Result<(), Defect> {
        let mut values = Vec::new();
        entries.for_each(|value| values.push(value));
        let base = slot.va & !table_span_bytes(slot.level).wrapping_sub(1);
        match self.updates.last_mut() {
            Some(last) if last.table == slot.table && last.first.wrapping_add(len(&last.values)) == slot.first => {
                last.values.append(&mut values);
            }
            _ => {
                let (table, level, first) = (slot.table, slot.level.number(), slot.first);
                self.updates.push(Update { table, level, base, first, values });
            }
        }
        self.cpu.update(pages, slot, entries)
    }

    fn finish(&mut self, pages: &PtMemory<'_>) {
        self.cpu.finish(pages);
    }
}

fn len(values: &[u64]) -> u32 {
    u32::try_from(values.len()).unwrap_or(u32::MAX)
}
