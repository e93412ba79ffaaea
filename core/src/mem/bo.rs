//! Buffer objects: memory that clients share with the GPU.

use crate::chain::{Chain, LinkHandle, LinkPool};
use crate::device::request::CpuCaching;
use crate::mem::tree::Segment;
use crate::num::{u64_of, usize_capped};
use crate::pool::Handle;
use crate::shares::Owner;
use crate::vm::vm_bo::VmBoList;
use crate::{Capacity, Error};
use barexe_hal::{BusAddr, DmaBuffer, DmaCaching, DmaMemory, DmaOwner, DmaRequest};

/// One contiguous piece of an object.
pub type Block = DmaBuffer;
/// The pieces of all objects.
pub type BlockPool<'a> = LinkPool<'a, Block>;

/// A buffer object.
#[derive(Debug)]
pub struct Bo {
    /// Size in bytes.
    pub size_bytes: u64,
    /// How the CPU maps it.
    pub caching: CpuCaching,
    /// Client that has a handle; none once it was closed.
    pub client: Option<Handle<crate::device::Client>>,
    /// The VM it is private to.
    pub vm: Option<Handle<crate::vm::Vm>>,
    /// Never compressed.
    pub no_compression: bool,
    /// Offset under which CPU mappings are made.
    pub mmap_offset: u64,
    /// It has a name, which is its id.
    pub named: bool,
    /// Exports of it that are not closed.
    pub exports: u32,
    /// Parts of VMs and CPU mappings that keep it alive beside the handle.
    pub uses: u32,
    /// The parts that VMs have in it.
    pub parts: VmBoList,
    blocks: Chain<Block>,
}

impl Bo {
    /// An object of `size_bytes` (a multiple of 4096), in pieces of at most the HAL's largest block, which are charged to
    /// `owner`.
    ///
    /// # Errors
    /// The HAL's, or [`Error::Exhausted`]; nothing stays allocated.
    pub fn new(
        size_bytes: u64,
        caching: CpuCaching,
        last_addr: BusAddr,
        (pool, owner): (&mut BlockPool<'_>, Owner),
        dma: &mut impl DmaMemory,
    ) -> Result<Self, Error> {
        let mut blocks = Chain::new();
        let mut left = size_bytes;
        while left > 0 {
            let len_bytes = left.min(dma.max_block_bytes());
            if let Err(error) = add_block(&mut blocks, len_bytes, caching, last_addr, (pool, owner), dma) {
                free_blocks(&mut blocks, pool, dma);
                return Err(error);
            }
            left = left.saturating_sub(len_bytes);
        }
        Ok(Self {
            size_bytes,
            caching,
            client: None,
            vm: None,
            no_compression: false,
            mmap_offset: 0,
            named: false,
            exports: 0,
            uses: 0,
            parts: VmBoList::EMPTY,
            blocks,
        })
    }

    /// Gives the memory back.
    pub fn free(mut self, pool: &mut BlockPool<'_>, dma: &mut impl DmaMemory) {
        free_blocks(&mut self.blocks, pool, dma);
    }

    /// A cursor at `offset_bytes`.
    #[must_use]
    pub fn cursor<'p, 'a>(&self, pool: &'p BlockPool<'a>, offset_bytes: u64) -> BlockCursor<'p, 'a> {
        let mut cursor = BlockCursor { pool, block: self.blocks.first(), offset_bytes: 0 };
        cursor.advance(offset_bytes);
        cursor
    }

    /// Calls `copy(block, offset in block, range of the caller's bytes)` for each piece of `len` bytes from
    /// `offset_bytes`.
    ///
    /// # Errors
    /// [`Error::Invalid`] if the range leaves the object (nothing was copied then), or what `copy` gives.
    pub fn copy(
        &self,
        pool: &BlockPool<'_>,
        offset_bytes: u64,
        len: usize,
        mut copy: impl FnMut(&Block, usize, core::ops::Range<usize>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let end = offset_bytes.checked_add(u64_of(len));
        if end.is_none_or(|end| end > self.size_bytes) {
            return Err(Error::invalid("offset in buffer object", offset_bytes));
        }
        let mut cursor = self.cursor(pool, offset_bytes);
        let mut done = 0usize;
        while done < len {
            let Some((block, at, left)) = cursor.block() else { break };
            let piece = left.min(len.saturating_sub(done));
            copy(block, at, done..done.saturating_add(piece))?;
            done = done.saturating_add(piece);
            cursor.advance(u64_of(piece));
        }
        Ok(())
    }
}

fn add_block(
    blocks: &mut Chain<Block>,
    len_bytes: u64,
    caching: CpuCaching,
    last_addr: BusAddr,
    (pool, owner): (&mut BlockPool<'_>, Owner),
    dma: &mut impl DmaMemory,
) -> Result<(), Error> {
    let caching = match caching {
        CpuCaching::WriteBack => DmaCaching::WriteBack,
        CpuCaching::WriteCombining => DmaCaching::WriteCombining,
    };
    // Large blocks are aligned to the largest leaf they can carry.
    let align_bytes = match len_bytes {
        0x4000_0000.. => 1 << 30,
        0x20_0000.. => 2 << 20,
        0x1_0000.. => 64 << 10,
        _ => 4096,
    };
    let request = DmaRequest { len_bytes, align_bytes, last_addr, caching, owner: DmaOwner::Client };
    let buffer = dma.alloc(request)?;
    blocks.push_for(pool, owner, buffer).map(drop).map_err(|buffer| {
        dma.free(buffer);
        Error::Exhausted(Capacity::BoBlocks)
    })
}

fn free_blocks(blocks: &mut Chain<Block>, pool: &mut BlockPool<'_>, dma: &mut impl DmaMemory) {
    while let Some(buffer) = blocks.pop(pool) {
        dma.free(buffer);
    }
}

/// A position in an object.
#[derive(Debug)]
pub struct BlockCursor<'p, 'a> {
    pool: &'p BlockPool<'a>,
    block: Option<LinkHandle<Block>>,
    offset_bytes: u64,
}

impl Clone for BlockCursor<'_, '_> {
    fn clone(&self) -> Self {
        Self { pool: self.pool, block: self.block, offset_bytes: self.offset_bytes }
    }
}

impl<'p> BlockCursor<'p, '_> {
    /// The block, the offset in it, and the bytes left in it.
    fn block(&self) -> Option<(&'p Block, usize, usize)> {
        let block = &self.pool.get(self.block?)?.value;
        let at = usize_capped(self.offset_bytes);
        Some((block, at, block.len_bytes().saturating_sub(at)))
    }

    fn advance(&mut self, bytes: u64) {
        self.offset_bytes = self.offset_bytes.saturating_add(bytes);
        while let Some(link) = self.block.and_then(|block| self.pool.get(block)) {
            let len = u64_of(link.value.len_bytes());
            if self.offset_bytes < len {
                break;
            }
            self.offset_bytes = self.offset_bytes.saturating_sub(len);
            self.block = self.block.and_then(|block| Chain::after(self.pool, block));
        }
    }
}

/// The pieces from the cursor on, for page tables.
impl<'p> Iterator for BlockCursor<'p, '_> {
    type Item = Segment<'p>;

    fn next(&mut self) -> Option<Segment<'p>> {
        let (block, at, left) = self.block()?;
        self.advance(u64_of(left));
        let addr = block.bus().checked_add(u64_of(at))?;
        Some(Segment::Run { addr, bytes: u64_of(left) })
    }
}
