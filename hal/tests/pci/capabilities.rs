//! Walks through lists of capabilities.

use crate::bus::{Bus, COMMAND, Config, GPU};
use barexe_hal::pci::{PciError, capability, extended_capability};

const LISTED: u32 = 0x0010_0000;

fn listed(words: &[(u16, u32)]) -> Bus {
    let config = Config::new(0x9A49_8086, 0x03_0000, 0).with(COMMAND, LISTED, 0x547);
    Bus::with(config.with_all(words))
}

#[test]
fn a_capability_is_found_wherever_it_is_in_the_list() {
    let mut bus =
        listed(&[(0x34, 0x40), (0x40, 0x0000_7009), (0x70, 0x0000_AC10), (0xAC, 0x0000_D005), (0xD0, 0x0001)]);
    for (id, at) in [(0x09, Some(0x40)), (0x10, Some(0x70)), (0x05, Some(0xAC)), (0x01, Some(0xD0)), (0x11, None)] {
        assert_eq!(capability(&mut bus, GPU, id), Ok(at));
    }
}

/// Bits that are reserved in a pointer do not count.
#[test]
fn pointers_are_rounded_down() {
    let mut bus = listed(&[(0x34, 0x43), (0x40, 0x0000_7309), (0x70, 0x0005)]);
    assert_eq!(capability(&mut bus, GPU, 5), Ok(Some(0x70)));
}

#[test]
fn without_a_list_there_is_no_capability() {
    let mut bus = listed(&[(0x34, 0x40), (0x40, 5), (COMMAND, 0)]);
    assert_eq!(capability(&mut bus, GPU, 5), Ok(None));
    assert_eq!(capability(&mut listed(&[(0x34, 0)]), GPU, 5), Ok(None));
}

#[test]
fn a_list_that_comes_back_to_itself_is_an_error() {
    let mut itself = listed(&[(0x34, 0x40), (0x40, 0x4009)]);
    assert_eq!(capability(&mut itself, GPU, 5), Err(PciError::CapabilityLoop { at: 0x40 }));
    let mut longer = listed(&[(0x34, 0x40), (0x40, 0x7009), (0x70, 0xAC10), (0xAC, 0x7001)]);
    assert_eq!(capability(&mut longer, GPU, 5), Err(PciError::CapabilityLoop { at: 0x70 }));
    assert_eq!(capability(&mut longer, GPU, 1), Ok(Some(0xAC)), "what comes before the loop is good");
}

#[test]
fn a_list_as_long_as_there_is_room_ends() {
    let words: Vec<_> = (0x40u16..0x100).step_by(4).map(|at| (at, (u32::from(at) + 4) << 8 & 0xFF00 | 9)).collect();
    let mut bus = listed(&[&[(0x34, 0x40)], words.as_slice()].concat());
    assert_eq!(capability(&mut bus, GPU, 5), Ok(None));
    assert!(bus.accesses < 60);
}

#[test]
fn a_pointer_into_the_header_is_an_error() {
    for target in [0x04u16, 0x10, 0x3C, 0x3F] {
        let mut first = listed(&[(0x34, target.into())]);
        assert_eq!(capability(&mut first, GPU, 5), Err(PciError::CapabilityPointer { at: 0x34, target }));
        let mut second = listed(&[(0x34, 0x40), (0x40, u32::from(target) << 8 | 9)]);
        assert_eq!(capability(&mut second, GPU, 5), Err(PciError::CapabilityPointer { at: 0x40, target }));
    }
}

#[test]
fn a_function_that_is_gone_is_said_so() {
    let gone = Err(PciError::Gone { function: GPU });
    assert_eq!(capability(&mut Bus::default(), GPU, 5), gone);
    assert_eq!(extended_capability(&mut Bus::default(), GPU, 5), gone);
    for access in 0..3 {
        let mut bus = listed(&[(0x34, 0x40), (0x40, 0x7009), (0x70, 5)]);
        bus.gone = Some((access, usize::MAX));
        assert_eq!(capability(&mut bus, GPU, 5), gone, "from access {access}");
    }
}

#[test]
fn extended_capabilities_have_a_list_of_their_own() {
    let mut bus = listed(&[(0x100, 0x2001_0001), (0x200, 0x3201_0015), (0x320, 0x0001_001B)]);
    for (id, at) in [(0x01, Some(0x100)), (0x15, Some(0x200)), (0x1B, Some(0x320)), (0x10, None)] {
        assert_eq!(extended_capability(&mut bus, GPU, id), Ok(at));
    }
    assert_eq!(extended_capability(&mut listed(&[]), GPU, 1), Ok(None));
    assert_eq!(extended_capability(&mut listed(&[(0x100, u32::MAX)]), GPU, 1), Ok(None), "a conventional function");
}

#[test]
fn an_extended_list_that_leads_nowhere_is_an_error() {
    let mut back = listed(&[(0x100, 0x0401_0001)]);
    assert_eq!(extended_capability(&mut back, GPU, 5), Err(PciError::CapabilityPointer { at: 0x100, target: 0x40 }));
    let mut round = listed(&[(0x100, 0x2001_0001), (0x200, 0x1001_0002)]);
    assert!(matches!(extended_capability(&mut round, GPU, 5), Err(PciError::CapabilityLoop { .. })));
    assert!(round.accesses < 1000);
}
