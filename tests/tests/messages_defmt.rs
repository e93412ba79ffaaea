//! What the core says through `defmt`: that it says something, in whole frames. Their text stays in the image.
//!
//! Built with the feature `defmt` only: a listener is linked once for a whole program.
#![expect(unsafe_code, reason = "a listener for defmt is unsafe to write")]

use barexe_core::Error;
use barexe_core::device::{Config, Device};
use barexe_sim::{Fault, Platform, Sim, SimConfig};
use barexe_tests::storage::boxed;
use core::sync::atomic::{AtomicUsize, Ordering};

static BEGUN: AtomicUsize = AtomicUsize::new(0);
static ENDED: AtomicUsize = AtomicUsize::new(0);
static BYTES: AtomicUsize = AtomicUsize::new(0);

#[defmt::global_logger]
struct Listener;

// SAFETY: this program has one test, so one thread writes frames.
unsafe impl defmt::Logger for Listener {
    fn acquire() {
        BEGUN.fetch_add(1, Ordering::SeqCst);
    }

    unsafe fn flush() {}

    unsafe fn release() {
        ENDED.fetch_add(1, Ordering::SeqCst);
    }

    unsafe fn write(bytes: &[u8]) {
        BYTES.fetch_add(bytes.len(), Ordering::SeqCst);
    }
}

defmt::timestamp!("{=u8}", 0);

#[defmt::panic_handler]
fn panic() -> ! {
    std::process::abort()
}

#[test]
fn a_refused_probe_is_one_frame() {
    let sim = Sim::new(&SimConfig::new(Platform::tgl())).unwrap();
    sim.set_faults(&[Fault::GoneFromAccess(0)]);
    let mut storage = boxed();
    let refused = Device::open(sim.hal(), storage.lend(), Config::default(), None).unwrap_err();
    assert_eq!(refused.error, Error::DeviceGone);
    let count = |counter: &AtomicUsize| counter.load(Ordering::SeqCst);
    assert_eq!((count(&BEGUN), count(&ENDED)), (1, 1));
    // A frame has at least the index of its text, the time stamp, and the index of the error's text.
    assert!(count(&BYTES) >= 5, "{} bytes", count(&BYTES));
}
