//! Parts of which something is assumed: on hardware only for who allows it.

use super::recorder::{Event, Recorder};
use barexe_core::device::{Config, Device};
use barexe_core::family::xe2_unverified;
use barexe_core::{DefaultStorage, Errno, Error};
use std::sync::Mutex;

const REFUSED: Error = Error::Unverified { graphics: 2004, what: xe2_unverified::WHAT };

fn hardware(mut hal: Recorder) -> Recorder {
    hal.poses = true;
    hal
}

/// Too long for a stack; one test at a time has it.
static STORAGE: Mutex<DefaultStorage> = Mutex::new(DefaultStorage::new());

/// Opens and closes a device; why it was refused, and the HAL.
fn open(hal: Recorder, allow_unverified: bool) -> (Recorder, Option<Error>) {
    let mut storage = STORAGE.lock().unwrap();
    match Device::open(hal, storage.lend(), Config { allow_unverified, ..Config::default() }, None) {
        Ok(device) => (device.close().0, None),
        Err(refused) => (refused.hal, Some(refused.error)),
    }
}

#[test]
fn hardware_of_an_unverified_family_is_refused_and_left_as_found() {
    let (hal, refused) = open(hardware(Recorder::lnl()), false);
    assert_eq!(refused, Some(REFUSED));
    let on_and_back = [Event::Config(4, 6), Event::Config(4, 0)];
    let writes: Vec<_> = hal.log.iter().filter(|event| !matches!(event, Event::Read(_))).collect();
    // Reads on this family are preceded by four writes of 0 to a register that does nothing (engines sheet §2.1).
    let told: Vec<_> = writes.into_iter().filter(|event| **event != Event::Write(0x13_0030, 0)).copied().collect();
    assert_eq!(told, on_and_back, "only what reading the version takes");
    assert_eq!(hal.live_buffers, 0);
}

#[test]
fn who_allows_it_gets_the_device() {
    let (hal, refused) = open(hardware(Recorder::lnl()), true);
    assert_eq!(refused, None);
    assert_eq!(hal.live_buffers, 0);
}

#[test]
fn a_simulator_needs_no_permission_and_a_verified_family_neither() {
    for hal in [Recorder::lnl(), hardware(Recorder::tgl()), Recorder::tgl()] {
        assert_eq!(open(hal, false).1, None);
    }
}

/// A wrapper around a HAL does not make hardware of a simulator, or the other way round.
#[test]
fn a_borrowed_hal_says_the_same() {
    let mut real = hardware(Recorder::lnl());
    assert_eq!(barexe_core::gt::bring_up(&mut &mut real).map(drop), Err(REFUSED));
    assert!(barexe_core::gt::bring_up(&mut &mut Recorder::lnl()).is_ok());
}

#[test]
fn the_refusal_says_what_is_not_verified() {
    assert_eq!(REFUSED.errno(), Errno::ENODEV);
    let text = REFUSED.to_string();
    assert!(text.starts_with("graphics 20.04 is not verified on hardware: TLB invalidation registers, "), "{text}");
}
