//! Functions that answer anything, or stop answering: no hang, no panic, nothing left mapped, nothing left on.

use crate::bus::{Bus, COMMAND, Config, GPU, gpu};
use crate::machine::{Device, MESSAGE, open, opened, parts};
use barexe_hal::pci::{
    Bars, ConfigAccess, DISPLAY, Function, INTEL, Interrupts, Msi, PciError, SavedConfig, capability,
    extended_capability, find,
};
use barexe_hal::{ConfigSpace, InterruptLine};

// Under Miri, where a mapping of 16 MiB takes its time, a sample of each.
const RUNS: u64 = if cfg!(miri) { 20 } else { 2000 };
const STRIDE: usize = if cfg!(miri) { 9 } else { 1 };

#[test]
fn vanishing_at_any_access_of_open_is_an_error_and_no_more() {
    for interrupts in [Interrupts::Polled, MESSAGE] {
        let count = opened(interrupts).close().access.accesses;
        let mut refused = 0;
        for access in (0..count).step_by(STRIDE) {
            let mut bus = Bus::with(gpu());
            bus.gone = Some((access, usize::MAX));
            match open(bus, interrupts) {
                Ok(device) => drop(device.close()),
                Err(error) => {
                    refused += 1;
                    assert!(error.parts.map.live.is_empty(), "from access {access}: {:?}", error.error);
                }
            }
        }
        assert!(refused * STRIDE > 30, "{refused}");
    }
}

/// A bus that swallows a few accesses and goes on: an error, or a device that is given back as found.
#[test]
fn a_moment_without_answers_leaves_the_command_register_alone() {
    let count = opened(MESSAGE).close().access.accesses;
    for access in (0..count).step_by(STRIDE) {
        let mut bus = Bus::with(gpu());
        bus.gone = Some((access, 1));
        let bus = match open(bus, MESSAGE) {
            Ok(device) => device.close().access,
            Err(refused) => {
                assert!(refused.parts.map.live.is_empty());
                refused.parts.access
            }
        };
        // One lost write may be the very one that puts it back.
        let command = bus.command();
        assert!([0, 3, 0x403].contains(&command), "access {access}: {command:#x}");
    }
}

#[test]
fn vanishing_while_in_use_lets_everything_end() {
    let mut device = opened(MESSAGE);
    device.config_write32(COMMAND, 6).unwrap();
    device.irq_enable().unwrap();
    let start = device.parts_mut().access.accesses;
    let saved = device.save().unwrap();
    let end = device.close().access.accesses;
    for access in (start..end).step_by(STRIDE) {
        let mut device = opened(MESSAGE);
        device.config_write32(COMMAND, 6).unwrap();
        device.irq_enable().unwrap();
        device.parts_mut().access.gone = Some((access, usize::MAX));
        let _saved = device.save();
        let _restored = device.restore(&saved);
        device.irq_disable();
        assert!(device.close().map.live.is_empty());
    }
}

/// Answers with numbers drawn at random; about one in four is all ones or nothing.
struct Noise {
    draw: oorandom::Rand32,
    accesses: usize,
}

impl ConfigAccess for Noise {
    fn read32(&mut self, _: Function, offset_bytes: u16) -> Result<u32, PciError> {
        PciError::check_offset(offset_bytes)?;
        self.accesses += 1;
        assert!(self.accesses < 1 << 20, "this never ends");
        Ok(match self.draw.rand_u32() {
            word if word & 7 == 0 => u32::MAX,
            word if word & 7 == 1 => 0,
            _ => self.draw.rand_u32(),
        })
    }

    fn write32(&mut self, _: Function, offset_bytes: u16, _: u32) -> Result<(), PciError> {
        PciError::check_offset(offset_bytes)
    }
}

#[test]
fn every_call_ends_on_a_bus_that_answers_anything() {
    for seed in 0..RUNS {
        let mut noise = Noise { draw: oorandom::Rand32::new(seed), accesses: 0 };
        let _ = capability(&mut noise, GPU, 5);
        let _ = extended_capability(&mut noise, GPU, 0x15);
        let _ = Bars::read(&mut noise, GPU);
        if let Ok(msi) = Msi::find(&mut noise, GPU) {
            let _ = msi.enable(&mut noise, barexe_hal::pci::MsiMessage { address: 0xFEE0_0000, data: 1 });
            let _ = msi.disable(&mut noise);
        }
        if let Ok(saved) = SavedConfig::save(&mut noise, GPU) {
            let _ = saved.restore(&mut noise);
        }
        if seed % 50 == 0 {
            noise.accesses = 0;
            let _ = find(&mut noise, 0x1234, DISPLAY);
        }
    }
}

/// Configuration spaces drawn at random, that keep what is written to random bits: opened or refused, and if opened, the
/// register BAR is what it was said to be.
#[test]
fn random_devices_are_opened_or_refused() {
    let mut opened = 0;
    for seed in 0..RUNS {
        let mut draw = oorandom::Rand32::new(seed);
        let mut device = Config::new(0x9A49_8086, 0x03_0000, 0).with_msi(draw.rand_u32() & 1 == 0, true);
        for index in 0..6 {
            // Half of them plausible, or too few would get beyond the first.
            let shift = draw.rand_range(4..32);
            let mask = if draw.rand_u32() & 1 == 0 { draw.rand_u32() } else { u32::MAX << shift };
            device = device.with(0x10 + 4 * index, draw.rand_u32() & (mask | 7), mask & !0xF);
        }
        match open(Bus::with(device), MESSAGE) {
            Ok(device) => {
                opened += 1;
                let size = device.bars().assigned(0).unwrap().size_bytes;
                assert!((16 << 20..=255 << 24).contains(&size));
                drop(device.close());
            }
            Err(refused) => assert!(refused.parts.map.live.is_empty()),
        }
    }
    assert!(cfg!(miri) || opened > 0);
}

#[test]
fn all_ones_is_no_device() {
    let gone = PciError::Gone { function: GPU };
    let ones = Config::default().with_all(&[(0, u32::MAX), (4, u32::MAX), (8, u32::MAX), (0xC, u32::MAX)]);
    assert_eq!(find(&mut Bus::with(ones.clone()), INTEL, DISPLAY), Ok(None));
    let refused = Device::open(parts(Bus::with(ones)), GPU, Interrupts::Polled).unwrap_err();
    assert_eq!(refused.error, gone);
}
