//! A function that loses power and is set up again.

use crate::bus::{Bus, COMMAND, Config, GPU, MSI, gpu};
use barexe_hal::pci::{Msi, MsiMessage, PciError, SavedConfig};

/// In use: decoded, bus master, messages on, interrupt line assigned.
fn busy() -> Bus {
    let mut bus = Bus::with(gpu().with(0x3C, 0x010B, 0xFF));
    let msi = Msi::find(&mut bus, GPU).unwrap();
    msi.enable(&mut bus, MsiMessage { address: 0xFEE0_0000, data: 0x41 }).unwrap();
    barexe_hal::pci::set_bus_master(&mut bus, GPU, true).unwrap();
    bus.writes.clear();
    bus
}

fn gpu_of(bus: &mut Bus) -> &mut Config {
    bus.functions.get_mut(&GPU).unwrap()
}

#[test]
fn everything_it_forgot_is_written_again() {
    let mut bus = busy();
    let before = bus.gpu().clone();
    let saved = SavedConfig::save(&mut bus, GPU).unwrap();
    assert_eq!(bus.writes, [], "to save is to look");
    gpu_of(&mut bus).forget();
    assert_ne!(*bus.gpu(), before);
    saved.restore(&mut bus).unwrap();
    assert_eq!(*bus.gpu(), before);
}

#[test]
fn nothing_is_decoded_before_the_bars_are_back() {
    let mut bus = busy();
    let saved = SavedConfig::save(&mut bus, GPU).unwrap();
    // It did not lose power after all: everything is still on.
    saved.restore(&mut bus).unwrap();
    assert_eq!(bus.decoded_bar_writes, 0);
    let at = |offset| bus.writes.iter().rposition(|(written, _)| *written == offset).unwrap();
    assert!(at(0x24) < at(MSI) && at(MSI) < at(COMMAND));
    assert_eq!(bus.writes.last(), Some(&(COMMAND, 7)));
}

#[test]
fn a_function_without_messages_is_saved_too() {
    let mut bus = Bus::with(gpu().with(COMMAND, 6, 0x547));
    let before = bus.gpu().clone();
    let saved = SavedConfig::save(&mut bus, GPU).unwrap();
    gpu_of(&mut bus).forget();
    saved.restore(&mut bus).unwrap();
    let kept = |config: &Config| [COMMAND, 0x10, 0x14, 0x18, 0x1C, 0x20].map(|offset| config.word(offset));
    assert_eq!(kept(bus.gpu()), kept(&before));
}

#[test]
fn another_function_in_its_place_is_left_alone() {
    let mut bus = busy();
    let saved = SavedConfig::save(&mut bus, GPU).unwrap();
    bus.functions.insert(GPU, Config::new(0x56A0_8086, 0x03_0000, 0));
    let exchanged = PciError::Exchanged { expected: 0x9A49_8086, found: 0x56A0_8086 };
    assert_eq!(saved.restore(&mut bus), Err(exchanged));
    bus.functions.clear();
    assert_eq!(saved.restore(&mut bus), Err(PciError::Gone { function: GPU }));
    assert_eq!(bus.writes, []);
}

#[test]
fn a_function_that_does_not_come_back_whole_is_found_out() {
    let mut bus = busy();
    let saved = SavedConfig::save(&mut bus, GPU).unwrap();
    let asleep = bus.gpu().clone().with(COMMAND, 0x0010_0000, 0);
    bus.functions.insert(GPU, asleep);
    assert_eq!(saved.restore(&mut bus), Err(PciError::CommandStuck { wanted: 7, found: 0 }));
}

#[test]
fn vanishing_at_any_access_is_an_error_and_no_more() {
    let mut bus = busy();
    let start = bus.accesses;
    let saved = SavedConfig::save(&mut bus, GPU).unwrap();
    let (to_save, mut to_restore) = (bus.accesses - start, 0);
    for access in 0..to_save {
        let mut bus = busy();
        bus.gone = Some((bus.accesses + access, usize::MAX));
        assert_eq!(SavedConfig::save(&mut bus, GPU), Err(PciError::Gone { function: GPU }), "from access {access}");
    }
    for access in 0.. {
        let mut bus = busy();
        bus.gone = Some((bus.accesses + access, usize::MAX));
        match saved.restore(&mut bus) {
            Ok(()) => break,
            Err(error) => assert_eq!(error, PciError::Gone { function: GPU }, "from access {access}"),
        }
        to_restore += 1;
    }
    assert!(to_save > 10 && to_restore > 10, "{to_save} {to_restore}");
}
