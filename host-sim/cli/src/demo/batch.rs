//! The batch: commands, where they lead, and what memory must look like afterwards.
//!
//! Headers: commands-and-fences sheet §1.4, page-tables sheet §7.2.

/// Where the batch lies in the VM.
pub const BATCH_VA: u64 = 0x10_0000;
/// Bytes of the object that holds it.
pub const BATCH_BYTES: u64 = 0x1000;
/// Where the data lies in the VM.
pub const DATA_VA: u64 = 0x40_0000;
/// Bytes of the object that holds it.
pub const DATA_BYTES: u64 = 0x1_0000;

/// Offsets in the data object.
pub mod offset {
    /// What is copied: [`COPIED`](super::COPIED) bytes.
    pub const SOURCE: u64 = 0;
    /// The 32-bit store, inside of what is copied.
    pub const MARK: u64 = 0x10;
    /// The 64-bit store.
    pub const WIDE: u64 = 0x2000;
    /// The copy.
    pub const COPY: u64 = 0x4000;
    /// The user fence.
    pub const FENCE: u64 = 0x6000;
}

/// Bytes that are copied.
pub const COPIED: u32 = 0x1000;
/// What the 32-bit store stores.
pub const MARK: u32 = 0xBA12_E0E0;
/// What the 64-bit store stores.
pub const WIDE: u64 = 0x0123_4567_89AB_CDEF;
/// What the user fence becomes.
pub const FENCE: u64 = 0x600D_F00D;

/// One dword into the VM: address, data.
const MI_STORE_DATA_IMM_DWORD: u32 = 0x1000_0002;
/// One qword into the VM: address, data.
const MI_STORE_DATA_IMM_QWORD: u32 = 0x1020_0003;
/// Everything before it is in memory before anything after it starts; no store of its own.
const MI_FLUSH_DW: u32 = 0x1300_0002;
const MI_BATCH_BUFFER_END: u32 = 0x0500_0000;

/// Rectangle copy, linear to linear.
const XY_FAST_COPY_BLT: u32 = 0x5080_0008;
/// 32 bits per pixel.
const FAST_COPY_32_BPP: u32 = 3 << 24;
/// Byte copy, whole pages of 256 bytes.
const MEM_COPY_PAGES: u32 = 0x5688_0008;
/// Cache policies of source and destination: uncached, index 3.
const MEM_COPY_UNCACHED: u32 = 3 << 28 | 3 << 3;
/// Bytes from row to row.
const PITCH: u32 = 4096;

/// How a platform copies.
#[derive(Clone, Copy, Debug)]
struct Copier {
    platform: &'static str,
    copy: fn(from: u64, to: u64, bytes: u32) -> [u32; 10],
}

const COPIERS: [Copier; 2] = [Copier { platform: "tgl", copy: fast_copy }, Copier { platform: "lnl", copy: mem_copy }];

const fn low(va: u64) -> u32 {
    let [a, b, c, d, ..] = va.to_le_bytes();
    u32::from_le_bytes([a, b, c, d])
}

const fn high(va: u64) -> u32 {
    low(va >> 32)
}

/// Rows of 4 KiB as rectangles of 1024 pixels.
const fn fast_copy(from: u64, to: u64, bytes: u32) -> [u32; 10] {
    let (rows, pixels) = (bytes / PITCH, PITCH / 4);
    let size = rows << 16 | pixels;
    [XY_FAST_COPY_BLT, FAST_COPY_32_BPP | PITCH, 0, size, low(to), high(to), 0, PITCH, low(from), high(from)]
}

/// One row of pages of 256 bytes.
const fn mem_copy(from: u64, to: u64, bytes: u32) -> [u32; 10] {
    [
        MEM_COPY_PAGES,
        bytes / 256 - 1,
        0,
        PITCH - 1,
        PITCH - 1,
        low(from),
        high(from),
        low(to),
        high(to),
        MEM_COPY_UNCACHED,
    ]
}

/// The batch of a platform: two stores, a flush, a copy that has to see the first store.
#[must_use]
pub fn batch(platform: &str) -> Option<Vec<u32>> {
    let copier = COPIERS.iter().find(|copier| copier.platform == platform)?;
    let at = |offset: u64| DATA_VA + offset;
    let mut batch = vec![MI_STORE_DATA_IMM_DWORD, low(at(offset::MARK)), high(at(offset::MARK)), MARK];
    batch.extend([MI_STORE_DATA_IMM_QWORD, low(at(offset::WIDE)), high(at(offset::WIDE)), low(WIDE), high(WIDE)]);
    batch.extend([MI_FLUSH_DW, 0, 0, 0]);
    batch.extend((copier.copy)(at(offset::SOURCE), at(offset::COPY), COPIED));
    batch.push(MI_BATCH_BUFFER_END);
    Some(batch)
}

/// What the client puts where it will be copied from: no two neighbours alike, no byte zero.
#[must_use]
pub fn pattern() -> Vec<u8> {
    (1..=251u8).cycle().take(COPIED as usize).collect()
}

/// What source and copy hold once the batch has run.
#[must_use]
pub fn copied() -> Vec<u8> {
    let mut bytes = pattern();
    let mark = MARK.to_le_bytes();
    for (at, byte) in (offset::MARK..).zip(mark) {
        if let Some(place) = usize::try_from(at).ok().and_then(|at| bytes.get_mut(at)) {
            *place = byte;
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_platform_has_a_batch_of_its_own() {
        let (tgl, lnl) = (batch("tgl").unwrap(), batch("lnl").unwrap());
        assert_eq!((tgl[13], lnl[13]), (0x5080_0008, 0x5688_0008));
        assert_eq!(tgl[14..17], [0x0300_1000, 0, 0x0001_0400]);
        assert_eq!(lnl[14..18], [15, 0, 0xFFF, 0xFFF]);
        assert_eq!((tgl.len() % 2, lnl.len() % 2), (0, 0), "batches end on a qword");
        assert!(batch("hsw").is_none());
    }

    #[test]
    fn the_copy_holds_the_store_that_came_before_it() {
        let (before, after) = (pattern(), copied());
        assert_eq!(after[16..20], MARK.to_le_bytes());
        assert_eq!((&before[..16], &before[20..]), (&after[..16], &after[20..]));
    }
}
