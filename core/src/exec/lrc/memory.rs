//! Memory that engines reach through the GGTT.

use crate::Error;
use crate::gt::DeviceInfo;
use crate::mem::format::GgttCaching;
use crate::mem::ggtt::{Ggtt, GgttRange};
use crate::num::u64_of;
use crate::shares::Owner;
use barexe_hal::{DmaBuffer, DmaCaching, DmaOwner, DmaRequest, Hal};

const fn page_request(len_bytes: u64, info: &DeviceInfo) -> DmaRequest {
    DmaRequest {
        len_bytes,
        align_bytes: 4096,
        last_addr: info.dma_last,
        caching: DmaCaching::WriteBack,
        owner: DmaOwner::Driver,
    }
}

/// Memory that a tile reaches through its GGTT; the range is charged to `owner`.
///
/// # Errors
/// The HAL's, [`Error::Exhausted`]; nothing stays allocated.
pub fn ggtt_memory<H: Hal>(
    (owner, tile, len_bytes): (Owner, u8, u64),
    info: &DeviceInfo,
    ggtt: &mut Ggtt<'_>,
    hal: &mut H,
) -> Result<(DmaBuffer, GgttRange), Error> {
    let buffer = hal.alloc(page_request(len_bytes, info))?;
    let pages = crate::num::low32(u64_of(buffer.len_bytes()) >> 12);
    let range = match ggtt.alloc_for(owner, tile, pages, 1) {
        Ok(range) => range,
        Err(error) => {
            hal.free(buffer);
            return Err(error);
        }
    };
    match ggtt.map(hal, &range, buffer.bus(), GgttCaching::Cached) {
        Ok(()) => Ok((buffer, range)),
        Err(error) => {
            free_ggtt_memory((buffer, range), ggtt, hal);
            Err(error)
        }
    }
}

/// Shows such memory to its tile again, whose GGTT was lost.
pub fn show_ggtt_memory<H: Hal>((buffer, range): (&DmaBuffer, &GgttRange), ggtt: &mut Ggtt<'_>, hal: &mut H) {
    // It was mapped just so when it was made.
    let _ = ggtt.map(hal, range, buffer.bus(), GgttCaching::Cached);
}

/// Gives such memory back.
pub fn free_ggtt_memory<H: Hal>(memory: (DmaBuffer, GgttRange), ggtt: &mut Ggtt<'_>, hal: &mut H) {
    ggtt.free(hal, memory.1);
    hal.free(memory.0);
}
