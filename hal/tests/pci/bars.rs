//! Sizes and places of BARs.

use crate::bus::{Bus, COMMAND, Config, GPU, gpu};
use barexe_hal::pci::{Bar, BarProblem, Bars, ConfigAccess, Function, PciError, SavedConfig};

fn device() -> Config {
    Config::new(0x9A49_8086, 0x03_0000, 0)
}

/// What reading the BARs gives; configuration space must be as before.
fn read(config: Config) -> Result<Bars, PciError> {
    let mut bus = Bus::with(config.clone());
    let result = Bars::read(&mut bus, GPU);
    assert_eq!(*bus.gpu(), config);
    assert_eq!(bus.decoded_bar_writes, 0, "sized while it was decoded");
    result
}

const fn problem(index: u8, problem: BarProblem) -> PciError {
    PciError::Bar { index, problem }
}

#[test]
fn wide_bars_lie_above_four_gibibytes_and_above_512() {
    let bars = read(gpu()).unwrap();
    let registers = Bar { index: 0, address: 0xC0_1000_0000, size_bytes: 16 << 20, prefetchable: false, wide: true };
    assert_eq!(bars.assigned(0), Ok(&registers));
    assert_eq!(bars.get(2).map(|bar| (bar.address, bar.size_bytes)), Some((0x80_0000_0000, 256 << 20)));
    assert_eq!(bars.iter().count(), 2, "the one of I/O ports is none of memory");
    assert_eq!(bars.assigned(1), Err(problem(1, BarProblem::Absent)), "an upper half is no BAR");
    assert_eq!(bars.assigned(4), Err(problem(4, BarProblem::Absent)));
    assert_eq!(bars.assigned(6), Err(problem(6, BarProblem::Absent)));
}

#[test]
fn sizes_go_from_sixteen_bytes_to_more_than_four_gibibytes() {
    for shift in [4, 12, 24, 31, 32, 33, 40] {
        let bars = read(device().with_wide_bar(0, 1 << 45, 1 << shift)).unwrap();
        assert_eq!(bars.assigned(0).unwrap().size_bytes, 1 << shift);
    }
    let narrow = device().with(0x10, 0xFD00_0008, 0xFF00_0000);
    let want = Bar { index: 0, address: 0xFD00_0000, size_bytes: 16 << 20, prefetchable: true, wide: false };
    assert_eq!(read(narrow).unwrap().assigned(0), Ok(&want));
}

/// Parts whose bus has 39 bits do not take higher ones.
#[test]
fn the_highest_address_bits_may_be_missing() {
    let bars = read(device().with(0x10, 4, 0xFF00_0000).with(0x14, 0x40, 0x7F)).unwrap();
    assert_eq!(bars.assigned(0).map(|bar| (bar.address, bar.size_bytes)), Ok((0x40_0000_0000, 16 << 20)));
}

#[test]
fn decoders_are_off_while_sizes_are_found_and_then_as_before() {
    for command in [0, 1, 2, 3, 7, 0x406] {
        let mut bus = Bus::with(gpu().with(COMMAND, 0x0010_0000 | command, 0x0547));
        Bars::read(&mut bus, GPU).unwrap();
        assert_eq!(bus.command(), command);
        assert_eq!(bus.writes.first(), Some(&(COMMAND, command & !3)));
        assert_eq!(bus.writes.last(), Some(&(COMMAND, command)), "and no status bit was cleared");
        assert_eq!(bus.decoded_bar_writes, 0);
    }
}

#[test]
fn a_bar_without_size_or_address_is_none_that_can_be_used() {
    let bars = read(device()).unwrap();
    assert_eq!((bars.iter().count(), bars.assigned(0)), (0, Err(problem(0, BarProblem::Absent))));
    let bars = read(device().with_wide_bar(0, 0, 16 << 20)).unwrap();
    assert_eq!(bars.assigned(0), Err(problem(0, BarProblem::Unassigned { size_bytes: 16 << 20 })));
    let bars = read(device().with(0x10, 4, 0).with(0x18, 0xE000_0000, 0xFFF0_0000)).unwrap();
    assert_eq!(bars.assigned(0), Err(problem(0, BarProblem::Absent)), "says it is wide and has no size");
    assert_eq!(bars.assigned(2).map(|bar| bar.size_bytes), Ok(1 << 20));
}

#[test]
fn absurd_bars_are_refused_with_what_they_said() {
    let cases = [
        // Holes in what can be written, and a top that is missing.
        (device().with(0x10, 0, 0xFF0F_0000), BarProblem::Mask { mask: 0xFF0F_0000 }),
        (device().with(0x10, 0, 0x7F00_0000), BarProblem::Mask { mask: 0x7F00_0000 }),
        (device().with(0x10, 4, 0x0000_0010).with(0x14, 0, 0), BarProblem::Mask { mask: 0x10 }),
        (device().with(0x10, 4, 0xFF00_0000).with(0x14, 0, 0xFF0), BarProblem::Mask { mask: 0xFF0_FF00_0000 }),
        // Longer than physical memory, and beyond its end.
        (device().with(0x10, 4, 0).with(0x14, 0, 0x8000_0000), BarProblem::Beyond { address: 0, size_bytes: 1 << 63 }),
        (device().with_wide_bar(0, 1 << 52, 16 << 20), BarProblem::Beyond { address: 1 << 52, size_bytes: 16 << 20 }),
        (
            device().with_wide_bar(0, 0xFFFF_FFFF_FF00_0000, 16 << 20),
            BarProblem::Beyond { address: 0xFFFF_FFFF_FF00_0000, size_bytes: 16 << 20 },
        ),
        // Bits below the size that read as ones whatever is written.
        (device().with(0x10, 0xFD00_1000, 0xFF00_0000), BarProblem::Mask { mask: 0xFF00_1000 }),
        // Types that do not exist.
        (device().with(0x10, 2, 0xFF00_0000), BarProblem::Kind { value: 2 }),
        (device().with(0x10, 6, 0xFF00_0000), BarProblem::Kind { value: 6 }),
    ];
    for (config, what) in cases {
        assert_eq!(read(config), Err(problem(0, what)));
    }
    let no_upper_half = device().with(0x24, 4, 0xFF00_0000);
    assert_eq!(read(no_upper_half), Err(problem(5, BarProblem::Kind { value: 4 })));
}

/// A BAR that has another address when it is asked for its size.
#[test]
fn an_address_that_does_not_fit_the_size_is_refused() {
    struct Shifty(Bus);

    impl ConfigAccess for Shifty {
        fn read32(&mut self, function: Function, offset_bytes: u16) -> Result<u32, PciError> {
            let word = self.0.read32(function, offset_bytes)?;
            Ok(if offset_bytes == 0x10 && word == 0xFD00_0000 { word | 0x1000 } else { word })
        }

        fn write32(&mut self, function: Function, offset_bytes: u16, value: u32) -> Result<(), PciError> {
            self.0.write32(function, offset_bytes, value)
        }
    }

    let mut shifty = Shifty(Bus::with(device().with(0x10, 0xFD00_0000, 0xFF00_0000)));
    let misaligned = BarProblem::Misaligned { address: 0xFD00_1000, size_bytes: 16 << 20 };
    assert_eq!(Bars::read(&mut shifty, GPU), Err(problem(0, misaligned)));
}

/// A BAR that holds what was written to it to find its size.
#[test]
fn a_bar_that_does_not_take_its_address_back_is_refused() {
    struct Keeping(Bus);

    impl ConfigAccess for Keeping {
        fn read32(&mut self, function: Function, offset_bytes: u16) -> Result<u32, PciError> {
            self.0.read32(function, offset_bytes)
        }

        fn write32(&mut self, function: Function, offset_bytes: u16, value: u32) -> Result<(), PciError> {
            let keeps = offset_bytes == 0x10 && value != u32::MAX;
            if keeps { Ok(()) } else { self.0.write32(function, offset_bytes, value) }
        }
    }

    let mut keeping = Keeping(Bus::with(device().with(0x10, 0xFD00_0000, 0xFF00_0000)));
    let kept = BarProblem::NotRestored { wanted: 0xFD00_0000, found: 0xFF00_0000 };
    assert_eq!(Bars::read(&mut keeping, GPU), Err(problem(0, kept)));
    assert_eq!(keeping.0.writes.last(), Some(&(COMMAND, 0)));
}

#[test]
fn overlapping_bars_are_refused_with_the_address_both_claim() {
    let overlap = |first, second, address| Err(PciError::BarsOverlap { first, second, address });
    let two = |a: (u64, u64), b: (u64, u64)| read(device().with_wide_bar(0, a.0, a.1).with_wide_bar(2, b.0, b.1));
    assert_eq!(two((0x8000_0000, 1 << 24), (0x8000_0000, 1 << 24)), overlap(0, 2, 0x8000_0000));
    assert_eq!(two((0x8100_0000, 1 << 24), (0x8000_0000, 1 << 28)), overlap(0, 2, 0x8100_0000));
    assert_eq!(two((0x8000_0000, 1 << 28), (0x8F00_0000, 1 << 24)), overlap(0, 2, 0x8F00_0000));
    assert!(two((0x8000_0000, 1 << 24), (0x8100_0000, 1 << 24)).is_ok(), "one behind the other");
    assert!(two((0, 1 << 24), (0, 1 << 24)).is_ok(), "what has no address is nowhere");
}

/// Where a device has its third BAR, a bridge has the numbers of its buses.
#[test]
fn a_bridge_is_not_touched() {
    let bridge = Config::new(0x0001_8086, 0x06_0400, 1).with(0x18, 0x0003_0300, u32::MAX);
    let mut bus = Bus::with(bridge);
    let refused = PciError::HeaderType { value: 1 };
    assert_eq!(Bars::read(&mut bus, GPU), Err(refused));
    assert_eq!(SavedConfig::save(&mut bus, GPU), Err(refused));
    assert_eq!(bus.writes, []);
}

#[test]
fn a_decoder_that_cannot_be_switched_off_is_refused() {
    let config = gpu().with(COMMAND, 0x0010_0002, 0);
    assert_eq!(read(config), Err(PciError::CommandStuck { wanted: 0, found: 2 }));
}

#[test]
fn a_function_that_is_gone_is_not_taken_for_one_with_tiny_bars() {
    let gone = Err(PciError::Gone { function: GPU });
    assert_eq!(Bars::read(&mut Bus::default(), GPU), gone);
    let mut bus = Bus::with(gpu());
    Bars::read(&mut bus, GPU).unwrap();
    for access in 0..bus.accesses {
        let mut bus = Bus::with(gpu());
        bus.gone = Some((access, usize::MAX));
        let result = Bars::read(&mut bus, GPU);
        let told = matches!(result, Err(PciError::Gone { .. } | PciError::Bar { .. }));
        assert!(told, "from access {access}: {result:?}");
    }
}
