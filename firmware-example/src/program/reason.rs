//! Errors as words, for lines that are put together without `core::fmt`.

use crate::say::{Hex, Sink, pieces};
use barexe_core::Error;
use barexe_core::gt::reset::engine_error::{EngineError, EngineErrorKind};
use barexe_hal::{HalError, HalErrorKind};

/// Writes what [`Error`] says. Refusals for lack of room, and what only a defect of this program could bring about, are
/// named by their error number.
#[expect(clippy::wildcard_enum_match_arm, reason = "all that has no words of its own")]
pub fn show(error: &Error, out: &mut dyn Sink) {
    match error {
        Error::Invalid { what, value } => pieces(out, &[what, &" ", &Hex(*value), &" is not valid"]),
        Error::Unsupported { what } => pieces(out, &[what, &" is not supported"]),
        Error::NoFacility { what } => pieces(out, &[&"the device has no ", what]),
        Error::DeviceBroken { what, value } => pieces(out, &[&"the device gave ", what, &" ", &Hex(*value)]),
        Error::DeviceGone => out.text("the device does not answer"),
        Error::Unverified { graphics, what } => {
            pieces(out, &[&"graphics ", graphics, &" is not verified on hardware: ", what]);
        }
        Error::Canceled => out.text("canceled: queue, VM or device is banned"),
        Error::TimedOut => out.text("timed out"),
        Error::Engine(error) => show_engine(*error, out),
        Error::Hal(error) => show_hal(*error, out),
        other => pieces(out, &[&"refused with ", &other.errno().name()]),
    }
}

fn show_engine(error: EngineError, out: &mut dyn Sink) {
    pieces(out, &[&"engine ", &error.engine, &": "]);
    match error.kind {
        EngineErrorKind::TimedOut => out.text("the job ran too long"),
        EngineErrorKind::Stuck => out.text("the job could not be preempted"),
        EngineErrorKind::Instruction => out.text("invalid instruction"),
        EngineErrorKind::Memory(None) => out.text("memory fault, address not available"),
        EngineErrorKind::Memory(Some(fault)) => pieces(out, &[&"memory fault at ", &Hex(fault.page)]),
    }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "the enum may grow")]
fn show_hal(error: HalError, out: &mut dyn Sink) {
    out.text(match error.kind() {
        HalErrorKind::NoMemory => "HAL: out of memory",
        HalErrorKind::BadRequest => "HAL: request cannot be met",
        HalErrorKind::Unsupported => "HAL: not supported by the platform",
        HalErrorKind::DeviceGone => "HAL: device gone",
        HalErrorKind::Interrupted => "HAL: interrupted",
        _ => "HAL: failed",
    });
    pieces(out, &[&" (code ", &Hex(u64::from(error.code())), &")"]);
}
