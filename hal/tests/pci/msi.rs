//! Messages: on, off, saved, put back.

use crate::bus::{Bus, COMMAND, Config, GPU, MSI, gpu};
use barexe_hal::pci::{Msi, MsiMessage, PciError};

const MESSAGE: MsiMessage = MsiMessage { address: 0xFEE0_1000, data: 0x40 };
const ENABLED: u32 = 1 << 16;

fn with_msi(wide: bool, maskable: bool) -> (Bus, Msi) {
    let mut bus = Bus::with(Config::new(0x9A49_8086, 0x03_0000, 0).with_msi(wide, maskable));
    let msi = Msi::find(&mut bus, GPU).unwrap();
    (bus, msi)
}

#[test]
fn the_message_is_written_for_each_kind_of_capability() {
    for (wide, maskable) in [(false, false), (false, true), (true, false), (true, true)] {
        let (mut bus, msi) = with_msi(wide, maskable);
        assert_eq!((msi.is_wide(), msi.is_maskable()), (wide, maskable));
        msi.enable(&mut bus, MESSAGE).unwrap();
        let data_at = MSI + if wide { 12 } else { 8 };
        let word = |offset| bus.gpu().word(offset);
        assert_eq!((word(MSI) & ENABLED, word(MSI + 4), word(data_at)), (ENABLED, 0xFEE0_1000, 0x40));
        assert_eq!(bus.writes.last(), Some(&(MSI, bus.gpu().word(MSI) & 0xFFFF_0000)), "it is enabled last");
        assert_eq!(bus.writes.first().map(|(at, word)| (*at, word & ENABLED)), Some((MSI, 0)), "and off meanwhile");
        msi.disable(&mut bus).unwrap();
        assert_eq!(bus.gpu().word(MSI) & ENABLED, 0);
    }
}

#[test]
fn a_message_above_four_gibibytes_takes_a_wide_capability() {
    let message = MsiMessage { address: 0x12_3456_7890, data: 7 };
    let (mut bus, msi) = with_msi(false, false);
    assert_eq!(msi.enable(&mut bus, message), Err(PciError::MessageAddress { address: message.address }));
    assert_eq!(bus.writes, [], "refused before anything was written");
    let (mut bus, msi) = with_msi(true, false);
    msi.enable(&mut bus, message).unwrap();
    assert_eq!((bus.gpu().word(MSI + 4), bus.gpu().word(MSI + 8)), (0x3456_7890, 0x12));
}

#[test]
fn more_messages_than_one_are_not_asked_for() {
    let (mut bus, msi) = with_msi(true, true);
    let masked = bus.gpu().clone().with(MSI, 0x0531_0005 & !ENABLED | 0x0180_0000, 0x71_0000).with(MSI + 16, 1, 1);
    bus.functions.insert(GPU, masked);
    msi.enable(&mut bus, MESSAGE).unwrap();
    assert_eq!(bus.gpu().word(MSI) >> 20 & 7, 0);
    assert_eq!(bus.gpu().word(MSI + 16), 0, "and this one is not masked");
}

#[test]
fn what_was_there_is_put_back() {
    let (mut bus, msi) = with_msi(true, true);
    msi.enable(&mut bus, MsiMessage { address: 0xFEE0_5000, data: 0x31 }).unwrap();
    let before = bus.gpu().clone();
    let state = msi.save(&mut bus).unwrap();
    msi.enable(&mut bus, MESSAGE).unwrap();
    assert_ne!(*bus.gpu(), before);
    msi.restore(&mut bus, &state).unwrap();
    assert_eq!(*bus.gpu(), before);
}

#[test]
fn without_the_capability_there_are_no_messages() {
    let none = Err(PciError::NoCapability { id: 5 });
    assert_eq!(Msi::find(&mut Bus::with(Config::new(0x9A49_8086, 0x03_0000, 0)), GPU), none);
    let other = Config::new(1, 0, 0).with(COMMAND, 0x0010_0000, 0).with_all(&[(0x34, 0x40), (0x40, 0x11)]);
    assert_eq!(Msi::find(&mut Bus::with(other), GPU), none);
}

/// A capability so far back that its registers would not be in configuration space any more.
#[test]
fn a_capability_that_does_not_fit_is_refused() {
    for (at, control, last) in [(0xF8, 0x0080, 0x104), (0xF0, 0x0180, 0x100), (0xFC, 0, 0x104)] {
        let config = gpu().with_all(&[(0x34, u32::from(at)), (at, control << 16 | 5)]);
        let refused = Err(PciError::CapabilityPointer { at, target: last });
        assert_eq!(Msi::find(&mut Bus::with(config), GPU), refused);
    }
    let fits = gpu().with_all(&[(0x34, 0xEC), (0xEC, 0x0180_0005)]);
    assert!(Msi::find(&mut Bus::with(fits), GPU).is_ok());
}

#[test]
fn a_function_that_goes_away_is_found_out() {
    let (mut bus, msi) = with_msi(true, true);
    msi.enable(&mut bus, MESSAGE).unwrap();
    for access in 0..7 {
        let (mut bus, msi) = with_msi(true, true);
        bus.gone = Some((bus.accesses + access, usize::MAX));
        assert_eq!(msi.enable(&mut bus, MESSAGE), Err(PciError::Gone { function: GPU }), "from access {access}");
        assert_eq!(msi.save(&mut bus), Err(PciError::Gone { function: GPU }));
        assert_eq!(msi.disable(&mut bus), Err(PciError::Gone { function: GPU }));
    }
}
