//! A job that hangs its engine on demand: what the reference driver forces resets with. For tests, behind a feature.

use super::RingFormat;
use super::command;
use super::emitter::{Emit, NoRoom};
use super::job::{JobRequest, emit_job};
use crate::context::layout::LrcAddrs;
use crate::gt::EngineClass;

/// Emits a job that deliberately hangs its engine until the watchdog resets it, before anything else of it.
///
/// # Errors
/// [`NoRoom`], never with room for [`JOB_DWORDS_MAX`](super::job::JOB_DWORDS_MAX).
pub fn emit_hanging_job(
    format: &RingFormat,
    class: EngineClass,
    lrc: &LrcAddrs,
    job: &JobRequest,
    out: &mut impl Emit,
) -> Result<(), NoRoom> {
    hang_until_watchdog(lrc, out)?;
    emit_job(format, class, lrc, job, out)
}

/// Arms the engine's watchdog and waits for what never comes, so that the engine is reset (commands sheet §2.3).
fn hang_until_watchdog(lrc: &LrcAddrs, out: &mut impl Emit) -> Result<(), NoRoom> {
    let arm = ((command::WATCHDOG_THRESHOLD, 2), (command::WATCHDOG_CONTROL, 0));
    out.emit(command::load_two_engine_registers(arm.0, arm.1))?;
    out.emit(command::wait_dword_equals(lrc.pphwsp, 0xDEAD))?;
    out.emit(command::load_engine_register(command::WATCHDOG_CONTROL, 1))
}
