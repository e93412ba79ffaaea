//! Memory through the GGTT, as the firmware sees it.

use crate::bus::Bus;

const PAGE: u32 = 4096;
const PRESENT: u64 = 1;
const ADDRESS: u64 = 0x000F_FFFF_FFFF_F000;

/// Bus address of a naturally aligned piece of at most eight bytes.
fn translate(bus: &mut dyn Bus, address: u32) -> Option<u64> {
    let entry = bus.ggtt_entry(address / PAGE)?;
    (entry & PRESENT != 0).then_some(entry & ADDRESS | u64::from(address % PAGE))
}

/// Reads a dword; none where nothing is mapped.
pub(super) fn read(bus: &mut dyn Bus, address: u32) -> Option<u32> {
    let at = translate(bus, address & !3)?;
    let mut bytes = [0; 4];
    bus.dma_read(at, &mut bytes).ok()?;
    Some(u32::from_le_bytes(bytes))
}

/// Writes a dword; whether something is mapped there.
pub(super) fn write(bus: &mut dyn Bus, address: u32, value: u32) -> bool {
    translate(bus, address & !3).is_some_and(|at| bus.dma_write(at, &value.to_le_bytes()).is_ok())
}
