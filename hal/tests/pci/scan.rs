//! What is on the bus.

use crate::bus::{Bus, Config, GPU, gpu};
use barexe_hal::pci::{DISPLAY, Found, Function, INTEL, PciError, Scan, find};

fn at(bus: u8, device: u8, function: u8) -> Function {
    Function::new(0, bus, device, function).unwrap()
}

fn bridge(buses: u32) -> Config {
    Config::new(0x0001_8086, 0x06_0400, 1).with_all(&[(0x18, buses)])
}

fn machine() -> Bus {
    let mut bus = Bus::default();
    bus.functions.extend([
        (at(0, 0, 0), Config::new(0x1237_8086, 0x06_0000, 0)),
        (GPU, gpu()),
        (at(0, 0x1F, 0), Config::new(0xA082_8086, 0x06_0100, 0x80)),
        (at(0, 0x1F, 3), Config::new(0xA0C8_8086, 0x04_0300, 0)),
        (at(0, 0x1C, 0), bridge(0x0504_0300)),
        (at(3, 0, 0), Config::new(0x56A0_8086, 0x03_0000, 0)),
    ]);
    bus
}

fn places(bus: &mut Bus) -> Vec<Function> {
    Scan::new(bus).map(|found| found.unwrap().function).collect()
}

#[test]
fn every_function_below_the_root_is_found_once() {
    let mut bus = machine();
    let gpu = Found { function: GPU, vendor: INTEL, device: 0x9A49, base_class: 3, sub_class: 0, revision: 1 };
    assert_eq!(find(&mut bus, INTEL, DISPLAY), Ok(Some(gpu)));
    let below = [at(0, 0, 0), GPU, at(0, 0x1C, 0), at(0, 0x1F, 0), at(0, 0x1F, 3)];
    bus.functions.get_mut(&at(0, 0x1C, 0)).map(|config| *config = bridge(0x0003_0300)).unwrap();
    assert_eq!(places(&mut bus), [below.as_slice(), &[at(3, 0, 0)]].concat());
}

#[test]
fn the_first_of_its_kind_is_taken_and_none_is_no_error() {
    let mut bus = machine();
    assert_eq!(find(&mut bus, 0x1AF4, DISPLAY), Ok(None));
    assert_eq!(find(&mut bus, INTEL, 0x04).unwrap().unwrap().function, at(0, 0x1F, 3));
    bus.functions.remove(&GPU);
    bus.functions.insert(at(0, 0x1C, 0), bridge(0x0003_0300));
    assert_eq!(find(&mut bus, INTEL, DISPLAY).unwrap().unwrap().device, 0x56A0);
}

/// A function above 0 of a device without function 0, or of one that says it has only one, is not there.
#[test]
fn further_functions_belong_to_a_device_that_says_so() {
    let mut bus = Bus::default();
    bus.functions.insert(at(0, 4, 1), Config::new(1, 0, 0));
    bus.functions.insert(at(0, 5, 0), Config::new(2, 0, 0));
    bus.functions.insert(at(0, 5, 1), Config::new(3, 0, 0));
    assert_eq!(places(&mut bus), [at(0, 5, 0)]);
}

#[test]
fn bridges_that_lead_in_circles_are_followed_once() {
    let mut bus = Bus::default();
    // To itself, to each other, to where it came from, to a bus nobody numbered.
    for (place, below) in [(at(0, 1, 0), 1), (at(0, 2, 0), 0), (at(1, 0, 0), 2), (at(2, 0, 0), 1), (at(2, 1, 0), 2)] {
        bus.functions.insert(place, bridge(below << 8));
    }
    assert_eq!(places(&mut bus).len(), 5);
    assert!(bus.accesses < 3 * 256 * 4);
}

#[test]
#[cfg_attr(miri, ignore = "ten minutes for an interpreter, and no memory but the bus's own")]
fn a_bus_full_of_bridges_ends_after_256_buses() {
    let mut bus = Bus::default();
    for number in 0..=255u8 {
        for device in 0..2 {
            bus.functions.insert(at(number, device, 0), bridge(u32::from(number.wrapping_add(1 + device)) << 8));
        }
    }
    assert_eq!(places(&mut bus).len(), 512);
}

#[test]
fn a_bus_that_cannot_be_reached_is_reported_and_passed_by() {
    let mut bus = machine();
    bus.functions.insert(at(0, 0x1C, 0), bridge(0x0007_0700));
    bus.functions.insert(at(0, 0x1D, 0), bridge(0x0008_0800));
    bus.functions.insert(at(8, 0, 0), Config::new(0x56A0_8086, 0x03_0000, 0));
    bus.functions.remove(&GPU);
    bus.unreachable = Some(7);
    let refused = PciError::OutOfReach { function: at(7, 0, 0), offset_bytes: 0 };
    let errors: Vec<_> = Scan::new(&mut bus).filter_map(Result::err).collect();
    assert_eq!(errors, [refused]);
    assert_eq!(find(&mut bus, INTEL, DISPLAY).unwrap().unwrap().function, at(8, 0, 0));
    assert_eq!(find(&mut bus, 0x1AF4, DISPLAY), Err(refused), "nothing was found, and not everything was seen");
}

#[test]
fn other_segments_and_roots_are_scanned_when_named() {
    let mut bus = Bus::default();
    let place = Function::new(2, 0x40, 2, 0).unwrap();
    bus.functions.insert(place, gpu());
    assert_eq!(places(&mut bus), []);
    let found: Vec<_> = Scan::of_segment(&mut bus, 2, &[0x40, 0x80]).map(|found| found.unwrap().function).collect();
    assert_eq!(found, [place]);
}

#[test]
fn an_empty_bus_is_empty() {
    assert_eq!(find(&mut Bus::default(), INTEL, DISPLAY), Ok(None));
}
