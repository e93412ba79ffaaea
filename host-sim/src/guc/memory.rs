//! Memory as the firmware sees it: through the GGTT, where the table's first and last addresses are its own.

use super::messages::registers;
use crate::bus::Bus as _;
use crate::shared::Shared;
use crate::spec::MEDIA_SHIFT;

/// From here on, addresses do not lead through the GGTT (engines sheet §1.3).
const TOP: u32 = 0xFEE0_0000;
const PAGE: u32 = 4096;
/// Address in a GGTT entry; bit 0 says that it has one.
const ENTRY_ADDRESS: u64 = 0x000F_FFFF_FFFF_F000;

/// An address that leads nowhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NoMemory;

/// A GuC's window on memory.
#[derive(Debug)]
pub(super) struct Memory<'a> {
    shared: &'a mut Shared,
    /// First address that is not the protected memory's.
    bottom: u32,
}

impl<'a> Memory<'a> {
    pub(super) fn new(shared: &'a mut Shared, media: bool) -> Self {
        let shift = if media { MEDIA_SHIFT } else { 0 };
        let registers = &shared.tiles.one().registers;
        let size = registers.peek(shift + registers::WOPCM_SIZE) & registers::WOPCM_SIZE_MASK.mask();
        let base = registers.peek(shift + registers::WOPCM_OFFSET) & registers::WOPCM_OFFSET_MASK.mask();
        Self { shared, bottom: base.saturating_add(size) }
    }

    /// Bus addresses of a range, page by page: where, and how many bytes.
    fn pieces(&mut self, addr: u32, bytes: usize) -> Result<Vec<(u64, usize)>, NoMemory> {
        let end = u32::try_from(bytes).ok().and_then(|bytes| addr.checked_add(bytes)).filter(|end| *end <= TOP);
        let Some(end) = end.filter(|_| addr >= self.bottom) else {
            self.shared.violation(format!("the GuC cannot reach {bytes:#x} bytes at GGTT {addr:#x}"));
            return Err(NoMemory);
        };
        let (mut pieces, mut at) = (Vec::new(), addr);
        while at < end {
            let here = (PAGE - at % PAGE).min(end - at);
            let entry = self.shared.ggtt_entry(at / PAGE).filter(|entry| entry & 1 != 0);
            let Some(entry) = entry else {
                self.shared.violation(format!("the GuC finds nothing at GGTT {at:#x}"));
                return Err(NoMemory);
            };
            pieces.push(((entry & ENTRY_ADDRESS) + u64::from(at % PAGE), here as usize));
            at += here;
        }
        Ok(pieces)
    }

    /// Reads bytes.
    pub(super) fn read(&mut self, addr: u32, into: &mut [u8]) -> Result<(), NoMemory> {
        let mut rest = into;
        for (bus, bytes) in self.pieces(addr, rest.len())? {
            let (here, later) = core::mem::take(&mut rest).split_at_mut(bytes);
            self.shared.dma_read(bus, here).map_err(|_| NoMemory)?;
            rest = later;
        }
        Ok(())
    }

    /// Writes bytes: none if one of the pages is missing.
    pub(super) fn write(&mut self, addr: u32, from: &[u8]) -> Result<(), NoMemory> {
        let mut rest = from;
        for (bus, bytes) in self.pieces(addr, rest.len())? {
            let (here, later) = rest.split_at(bytes);
            self.shared.dma_write(bus, here).map_err(|_| NoMemory)?;
            rest = later;
        }
        Ok(())
    }

    /// Reads dwords.
    pub(super) fn dwords<const COUNT: usize>(&mut self, addr: u32) -> Result<[u32; COUNT], NoMemory> {
        let mut bytes = [[0; 4]; COUNT];
        self.read(addr, bytes.as_flattened_mut())?;
        Ok(bytes.map(u32::from_le_bytes))
    }

    /// Reads as many dwords as there are.
    pub(super) fn read_dwords(&mut self, addr: u32, count: usize) -> Result<Vec<u32>, NoMemory> {
        let mut bytes = vec![0; count * 4];
        self.read(addr, &mut bytes)?;
        Ok(bytes.as_chunks().0.iter().map(|dword| u32::from_le_bytes(*dword)).collect())
    }

    /// Writes dwords.
    pub(super) fn write_dwords(&mut self, addr: u32, dwords: &[u32]) -> Result<(), NoMemory> {
        let bytes: Vec<u8> = dwords.iter().flat_map(|dword| dword.to_le_bytes()).collect();
        self.write(addr, &bytes)
    }
}
