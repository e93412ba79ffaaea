//! Memory as commands see it: through the GGTT, or through the running context's page tables.

use super::{Stop, Streamer};
use crate::bus::Bus;
use crate::ppgtt::{self, Access, Leaf};

/// Which address space an address belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Space {
    /// The global table.
    Ggtt,
    /// The context's own tables.
    Ppgtt,
}

const PAGE: u64 = 4096;

/// GGTT entry bits (page-tables sheet §4.2).
const GGTT_PRESENT: u64 = 1;
const GGTT_LOCAL: u64 = 2;
const GGTT_ADDRESS: u64 = 0x000F_FFFF_FFFF_F000;

/// A piece of memory that is contiguous on the bus; no address where stores vanish and loads give zero.
struct Piece {
    bus: Option<u64>,
    len: usize,
}

impl Streamer {
    pub(super) fn read(&mut self, bus: &mut dyn Bus, space: Space, va: u64, into: &mut [u8]) -> Result<(), Stop> {
        let mut at = 0;
        while at < into.len() {
            let va = va.wrapping_add(at as u64);
            let piece = self.translate(bus, space, va, into.len() - at, Access::Read)?;
            let part = into.get_mut(at..at + piece.len).unwrap_or_default();
            match piece.bus {
                None => part.fill(0),
                Some(addr) => bus.dma_read(addr, part).map_err(|_| unreachable_memory(space, va, addr))?,
            }
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
                bus.dma_write(addr, part).map_err(|_| unreachable_memory(space, va, addr))?;
            }
            at += piece.len;
        }
        Ok(())
    }

    pub(super) fn read32(&mut self, bus: &mut dyn Bus, space: Space, va: u64) -> Result<u32, Stop> {
        let mut bytes = [0; 4];
        self.read(bus, space, va & !3, &mut bytes)?;
        Ok(u32::from_le_bytes(bytes))
    }

    pub(super) fn write32(&mut self, bus: &mut dyn Bus, space: Space, va: u64, value: u32) -> Result<(), Stop> {
        self.write(bus, space, va & !3, &value.to_le_bytes())
    }

    pub(super) fn write64(&mut self, bus: &mut dyn Bus, space: Space, va: u64, value: u64) -> Result<(), Stop> {
        self.write(bus, space, va & !7, &value.to_le_bytes())
    }

    fn translate(
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
        let page = u32::try_from(va / PAGE).map_err(|_| fault("beyond the table"))?;
        let entry = bus.ggtt_entry(page);
        if entry & GGTT_PRESENT == 0 {
            return Err(fault("entry is not present"));
        }
        if entry & GGTT_LOCAL != 0 {
            return Err(fault("entry points to local memory, which this part does not have"));
        }
        let address = entry & GGTT_ADDRESS;
        if address >> self.spec.walk.dma_bits != 0 {
            return Err(fault("entry points beyond the device's reach"));
        }
        let inside = va % PAGE;
        Ok(Piece { bus: Some(address + inside), len: len.min((PAGE - inside) as usize) })
    }

    fn translate_ppgtt(&mut self, bus: &mut dyn Bus, va: u64, len: usize, access: Access) -> Result<Piece, Stop> {
        // Addresses are sign-extended from bit 47; both forms mean the same.
        let va = va & 0xFFFF_FFFF_FFFF;
        let Some(root) = self.page_root() else {
            let text = format!("PPGTT {va:#x}: the context has no address space");
            return Err(Stop::Memory { text, va, ggtt: false });
        };
        let leaf = self.leaf(bus, root, va)?;
        leaf.check(access).map_err(|fault| Stop::Memory {
            text: format!("PPGTT {va:#x}: {fault:?} on {access:?}"),
            va,
            ggtt: false,
        })?;
        // The cache holds 4 KiB pieces, so a run never leaves the page it was looked up for.
        let inside = va % leaf.bytes;
        let left = (PAGE - va % PAGE) as usize;
        Ok(Piece { bus: leaf.page.map(|page| page + inside), len: len.min(left) })
    }

    fn leaf(&mut self, bus: &mut dyn Bus, root: u64, va: u64) -> Result<Leaf, Stop> {
        if let Some(leaf) = self.tlb.get(root, va) {
            return Ok(leaf);
        }
        let leaf = ppgtt::walk(bus, &self.spec.walk, root, va).map_err(|fault| Stop::Memory {
            text: format!("PPGTT {va:#x} from root {root:#x}: {fault:?}"),
            va,
            ggtt: false,
        })?;
        self.tlb.put(root, va, leaf);
        Ok(leaf)
    }
}

fn unreachable_memory(space: Space, va: u64, addr: u64) -> Stop {
    let text = format!("{space:?} {va:#x} leads to bus address {addr:#x}, where no memory is");
    Stop::Memory { text, va, ggtt: space == Space::Ggtt }
}
