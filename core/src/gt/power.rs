//! The device without power, and back.
//!
//! Power takes registers, TLBs, forcewake and the GGTT with it; memory, and with it every context that was saved,
//! stays. What configuration space held besides the command register (BARs, MSI) is for the HAL to put back before
//! [`up`].

use super::bring_up::{Versions, enable_bus, give_back, identify, read_tile_count, read_versions, reset_interrupts};
use super::info::{DeviceInfo, Held};
use super::irq::enables;
use super::registers::access::Registers;
use super::registers::forcewake;
use super::registers::forcewake::Domains;
use super::reset;
use super::reset::restore::restore;
use crate::Error;
use barexe_hal::Hal;

/// Gives the bus and the power domains back, as far as a device needs them that is to lose its power: interrupts off,
/// forcewake released, the PCI command register as it was found. Engines are idle.
///
/// Never fails, is bounded, and works on a device that is gone.
pub fn down<H: Hal>(hal: &mut H, info: &DeviceInfo) {
    give_back(hal, info.platform, info.held);
}

/// Brings registers, engines and interrupts of a device that was without power into the state in which
/// [`bring_up`](super::bring_up()) left them. The GGTT is empty, and contexts must be submitted anew.
///
/// # Errors
/// [`Error::DeviceGone`]; [`Error::DeviceBroken`] if another device answers; [`Error::TimedOut`] if a power domain does
/// not wake; [`Error::Interrupted`]; [`Error::Hal`] from configuration space and interrupts. The call may then be
/// repeated.
pub fn up<H: Hal>(hal: &mut H, info: &DeviceInfo) -> Result<(), Error> {
    check_identity(hal, info)?;
    // What was found when the device was opened is what goes back when it is closed.
    enable_bus(hal, &mut Held::default())?;
    let mut regs = Registers::new(hal, info.format());
    check_parts(&mut regs, info)?;
    reset_interrupts(&mut regs, info.platform, info.held.tiles);
    hal.irq_enable()?;
    for (tile, awake) in (0..info.held.tiles).zip(info.held.awake) {
        let mut regs = Registers::on_tile(hal, info.format(), tile);
        forcewake::wake(&mut regs, awake, &mut Domains::default())?;
    }
    // Whatever kept its power after all stops here, before contexts are changed under it.
    reset::full(hal, info);
    restore(hal, info)?;
    let mut regs = Registers::new(hal, info.format());
    for tile in (0..info.held.tiles).rev() {
        enables::install(&mut regs.of_tile(tile));
    }
    Ok(())
}

fn check_identity<H: Hal>(hal: &mut H, info: &DeviceInfo) -> Result<(), Error> {
    let found = identify(hal, core::slice::from_ref(info.platform))?;
    if (found.device_id, found.revision) == (info.device_id, info.revision) {
        return Ok(());
    }
    let value = u64::from(found.device_id) << 8 | u64::from(found.revision);
    Err(Error::DeviceBroken { what: "another device id and revision", value })
}

/// Whether the GTs are those that were found before.
fn check_parts<H: Hal>(regs: &mut Registers<'_, H>, info: &DeviceInfo) -> Result<(), Error> {
    let Versions { graphics, media, gt_count } = read_versions(regs, info.platform, info.revision)?;
    if (graphics, media, gt_count) != (info.graphics, info.media, info.gt_count) {
        // One that goes between two looks has no media version: it does not answer a third.
        read_versions(regs, info.platform, info.revision)?;
        return Err(Error::DeviceBroken { what: "another graphics version", value: u64::from(graphics.verx100()) });
    }
    let tiles = read_tile_count(regs, info.platform)?;
    if tiles != info.held.tiles {
        return Err(Error::DeviceBroken { what: "another tile count", value: u64::from(tiles) });
    }
    Ok(())
}
