//! The tables of a vfio-user PCI device: its regions and interrupts, as PCI numbers them.

use barexe_sim::Platform;
use std::os::fd::RawFd;
use vfio_bindings::bindings::vfio::{
    VFIO_IRQ_INFO_EVENTFD, VFIO_IRQ_INFO_NORESIZE, VFIO_PCI_BAR0_REGION_INDEX, VFIO_PCI_CONFIG_REGION_INDEX,
    VFIO_PCI_MSI_IRQ_INDEX, VFIO_PCI_NUM_IRQS, VFIO_PCI_NUM_REGIONS, VFIO_REGION_INFO_FLAG_MMAP,
    VFIO_REGION_INFO_FLAG_READ, VFIO_REGION_INFO_FLAG_WRITE, vfio_region_info, vfio_region_sparse_mmap_area,
};
use vfio_user::{IrqInfo, ServerRegion, SparseArea};

/// Registers and GGTT.
pub const BAR0: u32 = VFIO_PCI_BAR0_REGION_INDEX;
/// Configuration space.
pub const CONFIG: u32 = VFIO_PCI_CONFIG_REGION_INDEX;
/// Message-signalled interrupts.
pub const MSI: u32 = VFIO_PCI_MSI_IRQ_INDEX;
/// Length of configuration space in bytes.
const CONFIG_BYTES: u64 = 4096;
/// One tile's block of BAR 0, and where the GGTT begins in it.
pub const BLOCK_BYTES: u64 = 16 << 20;
/// First byte of the GGTT in a block.
pub const GGTT: u64 = 8 << 20;

/// A region that exists.
struct Row {
    index: u32,
    size_bytes: u64,
    /// Parts that the peer may map: offset and length in bytes.
    mapped: Vec<(u64, u64)>,
}

/// What a part has. Memory of its own would be one more row, BAR 2.
fn rows(platform: &Platform, map_ggtt: bool) -> Vec<Row> {
    let size_bytes = u64::from(platform.bar0_bytes());
    let tiles = u64::from(platform.tiles.max(1));
    let ggtt = |tile: u64| (tile * BLOCK_BYTES + GGTT, BLOCK_BYTES - GGTT);
    let mapped = if map_ggtt { (0..tiles).map(ggtt).collect() } else { Vec::new() };
    vec![Row { index: BAR0, size_bytes, mapped }, Row { index: CONFIG, size_bytes: CONFIG_BYTES, mapped: Vec::new() }]
}

/// The regions. Those that do not exist have no bytes; the ROM is one of them.
///
/// `mapping` is the file behind what the peer may map of BAR 0.
#[must_use]
pub fn regions(platform: &Platform, mapping: Option<RawFd>) -> Vec<ServerRegion> {
    let rows = rows(platform, mapping.is_some());
    (0..VFIO_PCI_NUM_REGIONS).map(|index| region(index, rows.iter().find(|row| row.index == index), mapping)).collect()
}

fn region(index: u32, row: Option<&Row>, mapping: Option<RawFd>) -> ServerRegion {
    let argsz = u32::try_from(size_of::<vfio_region_info>()).unwrap_or(0);
    let mapped = row.is_some_and(|row| !row.mapped.is_empty());
    let access = VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE;
    let flags = if row.is_some() { access } else { 0 } | if mapped { VFIO_REGION_INFO_FLAG_MMAP } else { 0 };
    let size = row.map_or(0, |row| row.size_bytes);
    let areas = row.into_iter().flat_map(|row| &row.mapped);
    let area = |(offset, size): &(u64, u64)| SparseArea {
        area: vfio_region_sparse_mmap_area { offset: *offset, size: *size },
    };
    ServerRegion {
        region_info: vfio_region_info { argsz, flags, index, size, offset: 0, ..vfio_region_info::default() },
        sparse_areas: areas.map(area).collect(),
        mmap_fd: mapping.filter(|_| mapped),
    }
}

/// The interrupts: one message, no line.
#[must_use]
pub fn interrupts() -> Vec<IrqInfo> {
    let flags = VFIO_IRQ_INFO_EVENTFD | VFIO_IRQ_INFO_NORESIZE;
    (0..VFIO_PCI_NUM_IRQS).map(|index| IrqInfo { index, flags, count: u32::from(index == MSI) }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_has_registers_and_configuration_space_and_no_rom() {
        let regions = regions(&Platform::lnl(), None);
        let sizes: Vec<u64> = regions.iter().map(|region| region.region_info.size).collect();
        assert_eq!(sizes, [16 << 20, 0, 0, 0, 0, 0, 0, 4096, 0]);
        assert!(regions.iter().all(|region| region.sparse_areas.is_empty() && region.mmap_fd.is_none()));
    }

    #[test]
    fn the_global_table_of_each_tile_may_be_mapped_and_nothing_else() {
        let regions = regions(&Platform::tgl_with_tiles(2), Some(3));
        let areas: Vec<_> = regions[0].sparse_areas.iter().map(|area| (area.area.offset, area.area.size)).collect();
        assert_eq!(areas, [(8 << 20, 8 << 20), (24 << 20, 8 << 20)]);
        assert!(regions[1..].iter().all(|region| region.mmap_fd.is_none()));
    }
}
