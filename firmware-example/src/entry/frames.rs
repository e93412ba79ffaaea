//! Frames of defmt, to the second serial port.
//!
//! The text of the messages stays out of the image: it lies in a section that is not loaded, where defmt's tools find it.
#![expect(unsafe_code, reason = "a listener for defmt is unsafe to write")]

use barexe_firmware::machine::serial::Serial;
use barexe_firmware::machine::ticks;
use core::cell::UnsafeCell;
use defmt::Encoder;

/// The port, once the first frame has set it up, and what is in the middle of a frame.
struct Line(UnsafeCell<(Option<Serial>, Encoder)>);

// SAFETY: there is one processor, and interrupt handlers say nothing.
unsafe impl Sync for Line {}

static LINE: Line = Line(UnsafeCell::new((None, Encoder::new())));

#[defmt::global_logger]
struct Frames;

/// # Safety
/// The port is lent for one call.
unsafe fn line() -> (&'static mut Serial, &'static mut Encoder) {
    // SAFETY: messages are written one behind the other, so this is the only reference for now.
    let (port, encoder) = unsafe { &mut *LINE.0.get() };
    (port.get_or_insert_with(|| Serial::new(Serial::SECOND)), encoder)
}

fn send(port: &mut Serial, bytes: &[u8]) {
    bytes.iter().for_each(|byte| port.byte(*byte));
}

// SAFETY: frames do not interrupt each other: there is one processor, and interrupt handlers say nothing.
unsafe impl defmt::Logger for Frames {
    fn acquire() {
        // SAFETY: for this call.
        let (port, encoder) = unsafe { line() };
        encoder.start_frame(|bytes| send(port, bytes));
    }

    unsafe fn flush() {}

    unsafe fn release() {
        // SAFETY: for this call.
        let (port, encoder) = unsafe { line() };
        encoder.end_frame(|bytes| send(port, bytes));
    }

    unsafe fn write(bytes: &[u8]) {
        // SAFETY: for this call.
        let (port, encoder) = unsafe { line() };
        encoder.write(bytes, |bytes| send(port, bytes));
    }
}

defmt::timestamp!("{=u64}", ticks());
