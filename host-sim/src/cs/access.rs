//! Memory as commands see it: through the GGTT, or through the running context's page tables.

use super::{Stop, Streamer};
use crate::bus::{Bus, BusError};
use crate::clients::stores::Author;
use crate::ppgtt::{self, Access, Leaf, WalkFault};

/// Which address space an address belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Space {
    /// The global table.
    Ggtt,
    /// The context's own tables.
    Ppgtt,
}

pub(super) const PAGE: u64 = 4096;

/// GGTT entry bits (page-tables sheet §4.2).
const GGTT_PRESENT: u64 = 1;
const GGTT_LOCAL: u64 = 2;
const GGTT_FUNCTION: u64 = 0xFFC;
const GGTT_ADDRESS: u64 = 0x000F_FFFF_FFFF_F000;
const GGTT_PAT: u64 = 3 << 52;

/// A piece of memory that is contiguous on the bus; no address where stores vanish and loads give zero.
#[derive(Clone, Copy)]
pub(super) struct Piece {
    bus: Option<u64>,
    pub(super) len: usize,
}

impl Streamer {
    pub(super) fn read(&mut self, bus: &mut dyn Bus, space: Space, va: u64, into: &mut [u8]) -> Result<(), Stop> {
        let mut at = 0;
        while at < into.len() {
            let va = va.wrapping_add(at as u64);
            let piece = self.translate(bus, space, va, into.len() - at, Access::Read)?;
            let part = into.get_mut(at..at + piece.len).unwrap_or_default();
            load(bus, space, va, piece, part)?;
            at += piece.len;
        }
        Ok(())
    }

    pub(super) fn write(&mut self, bus: &mut dyn Bus, space: Space, va: u64, from: &[u8]) -> Result<(), Stop> {
        self.write_as(bus, space, va, from, Access::Write)
    }

    pub(super) fn write_as(
        &mut self,
        bus: &mut dyn Bus,
        space: Space,
        va: u64,
        from: &[u8],
        access: Access,
    ) -> Result<(), Stop> {
        let mut at = 0;
        while at < from.len() {
            let va = va.wrapping_add(at as u64);
            let piece = self.translate(bus, space, va, from.len() - at, access)?;
            let part = from.get(at..at + piece.len).unwrap_or_default();
            if let Some(addr) = piece.bus {
                self.store(bus, space, addr, part).map_err(|_| unreachable_memory(space, va, addr))?;
            }
            at += piece.len;
        }
        Ok(())
    }

    /// Stores a piece that was translated.
    fn store(&self, bus: &mut dyn Bus, space: Space, addr: u64, from: &[u8]) -> Result<(), BusError> {
        match self.running.filter(|_| space == Space::Ppgtt && bus.is_watched()) {
            None => bus.dma_write(addr, from),
            Some(running) => {
                let batch = self.begun.get(&running.lrca()).copied();
                bus.dma_write_by(addr, from, Author { root: running.root.unwrap_or(0), batch })
            }
        }
    }

    /// The ring of the running context starts a batch.
    pub(super) fn note_batch(&mut self, addr: u64) {
        if let Some(running) = self.running {
            self.begun.insert(running.lrca(), addr);
        }
    }

    pub(super) fn read32(&mut self, bus: &mut dyn Bus, space: Space, va: u64) -> Result<u32, Stop> {
        let mut bytes = [0; 4];
        self.read(bus, space, va, &mut bytes)?;
        Ok(u32::from_le_bytes(bytes))
    }

    pub(super) fn write32(&mut self, bus: &mut dyn Bus, space: Space, va: u64, value: u32) -> Result<(), Stop> {
        self.write(bus, space, va, &value.to_le_bytes())
    }

    pub(super) fn write64(&mut self, bus: &mut dyn Bus, space: Space, va: u64, value: u64) -> Result<(), Stop> {
        self.write(bus, space, va, &value.to_le_bytes())
    }

    /// Where `va` leads: at most `len` bytes, never across the end of a page.
    pub(super) fn translate(
        &mut self,
        bus: &mut dyn Bus,
        space: Space,
        va: u64,
        len: usize,
        access: Access,
    ) -> Result<Piece, Stop> {
        match space {
            Space::Ggtt => self.translate_ggtt(bus, va, len),
            Space::Ppgtt => self.translate_ppgtt(bus, va, len, access),
        }
    }

    fn translate_ggtt(&mut self, bus: &mut dyn Bus, va: u64, len: usize) -> Result<Piece, Stop> {
        let fault = |text: &str| Stop::Memory { text: format!("GGTT {va:#x}: {text}"), va, ggtt: true };
        let page = u32::try_from(va / PAGE).ok();
        let entry = page.and_then(|page| bus.ggtt_entry(page)).ok_or_else(|| fault("beyond the table"))?;
        let known = GGTT_PRESENT | GGTT_ADDRESS | if self.spec.ggtt_pat { GGTT_PAT } else { 0 };
        let address = entry & GGTT_ADDRESS;
        let wrong = match () {
            () if entry & GGTT_PRESENT == 0 => "the entry is not present",
            () if entry & GGTT_LOCAL != 0 => "the entry points to local memory, which this part does not have",
            () if entry & GGTT_FUNCTION != 0 => "the entry belongs to a virtual function",
            () if entry & !known != 0 => "reserved bits of the entry are set",
            () if address >> self.spec.walk.dma_bits != 0 => "the entry points beyond the device's reach",
            () => {
                let inside = va % PAGE;
                return Ok(Piece { bus: Some(address + inside), len: len.min((PAGE - inside) as usize) });
            }
        };
        Err(fault(wrong))
    }

    fn translate_ppgtt(&mut self, bus: &mut dyn Bus, va: u64, len: usize, access: Access) -> Result<Piece, Stop> {
        let Some(running) = self.running.filter(|running| running.root.is_some()) else {
            let text = format!("PPGTT {va:#x}: the context has no address space");
            return Err(Stop::Memory { text, va, ggtt: false });
        };
        let root = running.root.unwrap_or(0);
        let found = self.leaf(bus, running.space, root, va).and_then(|(leaf, inside)| {
            leaf.check(access)?;
            Ok((leaf, inside))
        });
        let (leaf, va) = found.map_err(|fault| {
            let text = format!("PPGTT {va:#x} from root {root:#x}, {access:?}: {fault}");
            Stop::Memory { text, va, ggtt: false }
        })?;
        // No buffer ends inside a page, so a run that stays in one lies in one buffer.
        let left = (PAGE - va % PAGE) as usize;
        Ok(Piece { bus: leaf.page.map(|page| page + va % leaf.bytes), len: len.min(left) })
    }

    /// The leaf of an address, and the address without its sign extension.
    fn leaf(&mut self, bus: &mut dyn Bus, space: u64, root: u64, va: u64) -> Result<(Leaf, u64), WalkFault> {
        let spec = &self.spec.walk;
        let va = ppgtt::canonical(spec, va)?;
        if let Some(leaf) = self.tlb.leaf(space, va) {
            return Ok((leaf, va));
        }
        let from = match self.tlb.table(space, va) {
            Some(table) => table,
            None => ppgtt::root(spec, root)?,
        };
        let tlb = &mut self.tlb;
        let leaf = ppgtt::walk_from(bus, spec, from, va, &mut |table| tlb.put_table(space, va, table))?;
        tlb.put_leaf(space, va, leaf);
        Ok((leaf, va))
    }

    /// Bus address of the page of `va`, for what goes with a page besides its bytes; none for a null page.
    pub(super) fn page_of(&mut self, bus: &mut dyn Bus, va: u64, access: Access) -> Result<Option<u64>, Stop> {
        Ok(self.translate_ppgtt(bus, va, 1, access)?.bus.map(|addr| addr & !(PAGE - 1)))
    }
}

/// Loads a piece that was translated.
pub(super) fn load(bus: &mut dyn Bus, space: Space, va: u64, piece: Piece, into: &mut [u8]) -> Result<(), Stop> {
    match piece.bus {
        None => into.fill(0),
        Some(addr) => bus.dma_read(addr, into).map_err(|_| unreachable_memory(space, va, addr))?,
    }
    Ok(())
}

fn unreachable_memory(space: Space, va: u64, addr: u64) -> Stop {
    let text = format!("{space:?} {va:#x} leads to bus address {addr:#x}, where no memory is");
    Stop::Memory { text, va, ggtt: space == Space::Ggtt }
}
