//! A device on the bus as a HAL.

use crate::bus::{Bus, COMMAND, Config, GPU, MSI, gpu};
use crate::machine::{Device, MESSAGE, open, opened};
use barexe_hal::conformance::{RULE_COUNT, Setup, run};
use barexe_hal::pci::{BarProblem, Interrupts, PciError, set_bus_master, set_memory_decode};
use barexe_hal::{BusAddr, ConfigSpace, HalErrorKind, InterruptLine, Mmio, RegOffset};

const ENABLED: u32 = 1 << 16;

fn gpu_of(device: &mut Device) -> &mut Config {
    device.parts_mut().access.functions.get_mut(&GPU).unwrap()
}

/// The suite for porters, on this backend.
#[test]
fn the_conformance_suite_passes() {
    let setup = Setup {
        scratch_register: RegOffset::at(0x10),
        scratch_bits: 0xFFFF_FF00,
        ggtt_hole_first: 0x300,
        ggtt_hole_entries: 20,
        last_addr: BusAddr::new((1 << 39) - 1).unwrap(),
        user: None,
    };
    for interrupts in [Interrupts::Polled, MESSAGE] {
        let mut device = opened(interrupts);
        let report = run(&mut device, setup).unwrap();
        assert_eq!(report.rules, u32::try_from(RULE_COUNT).unwrap());
        let parts = device.close();
        assert_eq!((*parts.access.gpu() == gpu(), parts.memory.taken()), (true, 0));
    }
}

#[test]
fn registers_are_those_behind_the_first_bar() {
    let mut device = opened(Interrupts::Polled);
    assert_eq!(device.parts_mut().map.live.iter().map(|(at, _)| *at).collect::<Vec<_>>(), [0xC0_1000_0000]);
    device.write32(RegOffset::at(0x1234), 0xC0DE);
    assert_eq!(device.read32(RegOffset::at(0x1234)), 0xC0DE);
    device.write64_steps(RegOffset::GGTT_BASE, 0x1001, 0x1000, 3);
    let mut entries = [7; 4];
    device.read64_run(RegOffset::GGTT_BASE, &mut entries);
    assert_eq!(entries, [0x1001, 0x2001, 0x3001, 0]);
    assert_eq!(device.read32(RegOffset::at(0x1234).on_tile(1)), u32::MAX, "there is one tile");
    assert_eq!((device.function(), device.bars().iter().count()), (GPU, 2));
    drop(device.close());
}

#[test]
fn a_longer_bar_has_more_tiles() {
    let two = gpu().with_wide_bar(0, 0xC0_1000_0000, 32 << 20);
    let mut device = open(Bus::with(two), Interrupts::Polled).map_err(|refused| refused.error).unwrap();
    let last = RegOffset::at(0xFF_FFFC).on_tile(1);
    device.write32(last, 5);
    assert_eq!((device.read32(last), device.read32(last.on_tile(2))), (5, u32::MAX));
    drop(device.close());
}

#[test]
fn everything_is_as_found_after_close() {
    // As firmware leaves it; and as a display driver of firmware leaves it, with messages on.
    let used = gpu().with(COMMAND, 0x0010_0007, 0x547).with(MSI, 0x0181_0005, 0x71_0000).with(MSI + 4, 0xFEE0_8000, !3);
    for found in [gpu(), used] {
        for interrupts in [Interrupts::Polled, MESSAGE] {
            let mut device = open(Bus::with(found.clone()), interrupts).map_err(|refused| refused.error).unwrap();
            assert_eq!(gpu_of(&mut device).word(MSI) & ENABLED, 0, "nobody takes the messages that were set up");
            assert_eq!(gpu_of(&mut device).word(COMMAND) & 0xFFFF, found.word(COMMAND) & 0xFFFF | 0x400);
            device.config_write32(COMMAND, 6).unwrap();
            device.irq_enable().unwrap();
            let parts = device.close();
            assert!(*parts.access.gpu() == found);
            assert!(parts.map.live.is_empty());
        }
    }
}

/// No message goes to an address that is half the old one, and the device masters the bus no longer than it did.
#[test]
fn bus_mastering_ends_before_messages_are_put_back() {
    let mut device = opened(MESSAGE);
    device.config_write32(COMMAND, 6).unwrap();
    device.irq_enable().unwrap();
    device.parts_mut().access.writes.clear();
    let bus = device.close().access;
    assert_eq!(bus.writes.first(), Some(&(COMMAND, 0x402)));
    assert_eq!(bus.writes.last(), Some(&(COMMAND, 3)));
}

#[test]
fn messages_are_switched_by_the_interrupt_line() {
    let mut device = opened(MESSAGE);
    assert_eq!(gpu_of(&mut device).word(MSI) & ENABLED, 0);
    for _ in 0..2 {
        device.irq_enable().unwrap();
        let words = [4, 12].map(|offset| gpu_of(&mut device).word(MSI + offset));
        assert_eq!((gpu_of(&mut device).word(MSI) & ENABLED, words), (ENABLED, [0xFEE0_0000, 0x40]));
    }
    device.irq_disable();
    assert_eq!(gpu_of(&mut device).word(MSI) & ENABLED, 0);
    drop(device.close());
}

#[test]
fn without_messages_the_embedder_decides_whether_to_poll() {
    let without = gpu().with_all(&[(0x34, 0)]);
    let refused = open(Bus::with(without.clone()), MESSAGE).unwrap_err();
    assert_eq!(refused.error, PciError::NoCapability { id: 5 });
    let again = Device::open(refused.parts, GPU, Interrupts::Polled);
    let mut device = again.map_err(|refused| refused.error).unwrap();
    assert_eq!(device.irq_enable(), Ok(()));
    device.irq_disable();
    assert!(*device.close().access.gpu() == without);
    // Nor does a list that leads nowhere matter to who polls.
    let loops = gpu().with_all(&[(0x34, 0x40), (0x40, 0x4009)]);
    assert_eq!(open(Bus::with(loops.clone()), MESSAGE).unwrap_err().error, PciError::CapabilityLoop { at: 0x40 });
    drop(open(Bus::with(loops), Interrupts::Polled).map_err(|refused| refused.error).unwrap().close());
}

#[test]
fn a_message_the_device_cannot_send_is_refused_when_it_is_opened() {
    let narrow = Config::new(0x9A49_8086, 0x03_0000, 0).with_wide_bar(0, 0xC0_1000_0000, 16 << 20);
    let message = barexe_hal::pci::MsiMessage { address: 1 << 32, data: 0 };
    let refused = open(Bus::with(narrow.with_msi(false, false)), Interrupts::Message(message)).unwrap_err();
    assert_eq!(refused.error, PciError::MessageAddress { address: 1 << 32 });
}

#[test]
fn devices_that_cannot_be_used_are_refused_and_left_as_found() {
    let device = || Config::new(0x9A49_8086, 0x03_0000, 0).with_msi(true, false);
    let bar = |problem| PciError::Bar { index: 0, problem };
    let absurd = (1 << 40, BarProblem::Size { size_bytes: 1 << 40 });
    let cases = [
        (Config::new(1, 0x06_0400, 1), PciError::HeaderType { value: 1 }),
        (device(), bar(BarProblem::Absent)),
        (device().with_wide_bar(0, 0, 1 << 24), bar(BarProblem::Unassigned { size_bytes: 1 << 24 })),
        (device().with_wide_bar(0, 1 << 32, 1 << 23), bar(BarProblem::Size { size_bytes: 1 << 23 })),
        (device().with_wide_bar(0, 1 << 41, absurd.0), bar(absurd.1)),
        (device().with_wide_bar(0, 1 << 32, 1 << 32), bar(BarProblem::Size { size_bytes: 1 << 32 })),
    ];
    for (config, error) in cases {
        let refused = open(Bus::with(config.clone()), Interrupts::Polled).unwrap_err();
        assert_eq!(refused.error, error);
        assert!(*refused.parts.access.gpu() == config && refused.parts.map.given == 0);
    }
    assert_eq!(open(Bus::default(), Interrupts::Polled).unwrap_err().error, PciError::Gone { function: GPU });
}

#[test]
fn what_the_embedder_cannot_map_is_an_error_with_the_addresses() {
    let mut parts = crate::machine::parts(Bus::with(gpu()));
    parts.map.refuses = true;
    let refused = Device::open(parts, GPU, MESSAGE).unwrap_err();
    assert_eq!(refused.error, PciError::NotMapped { address: 0xC0_1000_0000, len_bytes: 16 << 20 });
    assert!(*refused.parts.access.gpu() == gpu());
}

#[test]
fn a_device_that_lost_power_works_again_after_restore() {
    let mut device = opened(MESSAGE);
    device.config_write32(COMMAND, 6).unwrap();
    device.irq_enable().unwrap();
    let before = gpu_of(&mut device).clone();
    let saved = device.save().unwrap();
    gpu_of(&mut device).forget();
    device.restore(&saved).unwrap();
    assert!(*gpu_of(&mut device) == before);
    assert!(*device.close().access.gpu() == gpu(), "and is given back as found");
}

#[test]
fn command_bits_are_switched_one_by_one() {
    let mut bus = Bus::with(gpu());
    set_bus_master(&mut bus, GPU, true).unwrap();
    assert_eq!(bus.command(), 7);
    set_memory_decode(&mut bus, GPU, false).unwrap();
    assert_eq!(bus.command(), 5);
    set_memory_decode(&mut bus, GPU, true).unwrap();
    set_bus_master(&mut bus, GPU, false).unwrap();
    assert_eq!(bus.command(), 3);
    bus.functions.insert(GPU, gpu().with(COMMAND, 3, 3));
    assert_eq!(set_bus_master(&mut bus, GPU, true), Err(PciError::CommandStuck { wanted: 7, found: 3 }));
    assert_eq!(set_bus_master(&mut Bus::default(), GPU, true), Err(PciError::Gone { function: GPU }));
}

#[test]
fn errors_of_the_bus_become_errors_of_the_hal() {
    let mut device = opened(MESSAGE);
    assert_eq!(device.config_read32(1).unwrap_err().kind(), HalErrorKind::BadRequest);
    device.parts_mut().access.unreachable = Some(0);
    assert_eq!(device.config_read32(0x100).unwrap_err().kind(), HalErrorKind::Unsupported);
    device.parts_mut().access.unreachable = None;
    device.parts_mut().access.functions.clear();
    assert_eq!(device.config_read32(0), Ok(u32::MAX), "the driver sees for itself");
    assert_eq!(device.irq_enable().unwrap_err().kind(), HalErrorKind::DeviceGone);
    device.irq_disable();
    drop(device.close());
}

/// On hardware the driver must not take what nobody tried for granted.
#[test]
fn it_is_no_simulator() {
    let device = opened(Interrupts::Polled);
    assert!(!device.is_simulated());
    drop(device.close());
}
