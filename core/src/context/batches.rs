//! The small batches that the hardware runs on each restore of a context.
//!
//! The indirect context batch runs in the middle of a restore, the per-context batch at its end, both before the ring
//! (engines sheet §6.6, commands sheet §2.8).

use super::{ContextRequest, LrcFormat};
use crate::ring::command;
use crate::ring::emitter::{Emit, Emitter, NoRoom};

/// Room for either batch, in dwords; the longest has 32.
pub const BATCH_DWORDS_MAX: usize = 48;
/// Unit the indirect context batch is padded to and measured in: a cacheline, in dwords.
pub const CACHELINE_DWORDS: usize = 16;
/// Timestamp value that means "running now": the hardware overwrites it at switch-out.
pub const TIMESTAMP_RUNNING: u32 = 1;

/// Emits the per-context batch.
///
/// # Errors
/// [`NoRoom`], never with room for [`BATCH_DWORDS_MAX`].
pub fn emit_context_batch(
    format: &LrcFormat,
    request: &ContextRequest<'_>,
    out: &mut Emitter<'_>,
) -> Result<(), NoRoom> {
    if format.restores_timestamp && !format.restores_timestamp_early(request.class) {
        restore_timestamp(request, out)?;
    }
    if let (crate::gt::EngineClass::Render, Some(value)) = (request.class, format.render_debug_mode) {
        out.emit(command::load_engine_register(command::CS_DEBUG_MODE2, value))?;
    }
    if !request.virtual_function {
        mark_running(format, request, out)?;
    }
    out.emit(command::batch_end())
}

/// Emits the indirect context batch, padded to whole cachelines; nothing for classes without one.
///
/// # Errors
/// [`NoRoom`], never with room for [`BATCH_DWORDS_MAX`].
pub fn emit_indirect_batch(
    format: &LrcFormat,
    request: &ContextRequest<'_>,
    out: &mut Emitter<'_>,
) -> Result<(), NoRoom> {
    if format.restores_timestamp_early(request.class) {
        restore_timestamp(request, out)?;
    }
    if let Some(register) = format.aux_register(request.class) {
        out.emit(command::invalidate_aux_table(register))?;
    }
    out.pad_to_multiple(CACHELINE_DWORDS)
}

/// Workaround 16010904313: the timestamp is loaded three times, the last time waited for.
fn restore_timestamp(request: &ContextRequest<'_>, out: &mut Emitter<'_>) -> Result<(), NoRoom> {
    for ahead in [true, true, false] {
        let from = request.lrc.context_timestamp;
        out.emit(command::load_engine_register_from(command::CTX_TIMESTAMP, from, ahead))?;
    }
    Ok(())
}

/// Leaves word of the engine that runs the context, and that its saved timestamp is not to be read now.
fn mark_running(format: &LrcFormat, request: &ContextRequest<'_>, out: &mut Emitter<'_>) -> Result<(), NoRoom> {
    out.emit(command::store_engine_register(command::ENGINE_ID, request.lrc.engine_id))?;
    out.emit(command::store_dword(request.lrc.context_timestamp, TIMESTAMP_RUNNING))?;
    if format.wide_timestamp {
        out.emit(command::store_dword(request.lrc.context_timestamp_upper, 0))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::context::create::tests::request;
    use crate::family::{Family, GEN12, XE2};
    use crate::gt::EngineClass;

    type Emit = fn(&LrcFormat, &ContextRequest<'_>, &mut Emitter<'_>) -> Result<(), NoRoom>;

    fn assert_batch(family: &Family, class: EngineClass, emit: Emit, want: &[u32]) {
        let mut room = [0; BATCH_DWORDS_MAX];
        let mut out = Emitter::new(&mut room);
        let layout = family.lrc.layout(class, 0x4000).unwrap();
        let lrc = crate::context::create::tests::addrs(&layout);
        emit(&family.lrc, &request(class, &lrc), &mut out).unwrap();
        assert_eq!(out.dwords(), want);
    }

    /// Engines sheet §6.6 item 3, on a family with a 64-bit timestamp.
    #[test]
    fn lnl_context_batch_only_marks_the_context_as_running() {
        let want = [
            0x1248_0002,
            0x8C,
            0x0100_4400,
            0,
            0x1040_0002,
            0x0100_508C,
            0,
            1,
            0x1040_0002,
            0x0100_5094,
            0,
            0,
            0x0500_0000,
        ];
        assert_batch(&XE2, EngineClass::Copy, emit_context_batch, &want);
        assert_batch(&XE2, EngineClass::Copy, emit_indirect_batch, &[]);
    }

    /// Engines sheet §6.6 items 1 and 3.
    #[test]
    fn tgl_copy_context_batch_restores_the_timestamp_first() {
        let want = [
            0x14E8_0002,
            0x3A8,
            0x0100_508C,
            0,
            0x14E8_0002,
            0x3A8,
            0x0100_508C,
            0,
            0x14C8_0002,
            0x3A8,
            0x0100_508C,
            0,
            0x1248_0002,
            0x8C,
            0x0100_4400,
            0,
            0x1040_0002,
            0x0100_508C,
            0,
            1,
            0x0500_0000,
        ];
        assert_batch(&GEN12, EngineClass::Copy, emit_context_batch, &want);
    }

    /// Engines sheet §6.6 item 2; render restores its timestamp in the indirect batch instead.
    #[test]
    fn tgl_render_context_batch_sets_the_debug_mode() {
        let want = [
            0x1108_0001,
            0xD8,
            0x0040_0040,
            0x1248_0002,
            0x8C,
            0x0100_4400,
            0,
            0x1040_0002,
            0x0100_508C,
            0,
            1,
            0x0500_0000,
        ];
        assert_batch(&GEN12, EngineClass::Render, emit_context_batch, &want);
    }

    #[test]
    fn tgl_render_indirect_batch_restores_and_invalidates_in_two_cachelines() {
        let mut want = [0; 32];
        want[..20].copy_from_slice(&[
            0x14E8_0002,
            0x3A8,
            0x0100_508C,
            0,
            0x14E8_0002,
            0x3A8,
            0x0100_508C,
            0,
            0x14C8_0002,
            0x3A8,
            0x0100_508C,
            0,
            0x1102_0001,
            0x4208,
            1,
            0x0E01_C003,
            0,
            0x4208,
            0,
            0,
        ]);
        assert_batch(&GEN12, EngineClass::Render, emit_indirect_batch, &want);
    }

    #[test]
    fn tgl_video_indirect_batch_invalidates_in_one_cacheline() {
        let mut want = [0; 16];
        want[..8].copy_from_slice(&[0x1102_0001, 0x4218, 1, 0x0E01_C003, 0, 0x4218, 0, 0]);
        assert_batch(&GEN12, EngineClass::VideoDecode, emit_indirect_batch, &want);
    }

    /// Commands sheet §2.8 (c).
    #[test]
    fn a_virtual_function_does_not_mark_contexts_as_running() {
        let layout = XE2.lrc.layout(EngineClass::Copy, 0x4000).unwrap();
        let lrc = crate::context::create::tests::addrs(&layout);
        let request = ContextRequest { virtual_function: true, ..request(EngineClass::Copy, &lrc) };
        let mut room = [0; BATCH_DWORDS_MAX];
        let mut out = Emitter::new(&mut room);
        emit_context_batch(&XE2.lrc, &request, &mut out).unwrap();
        assert_eq!(out.dwords(), [0x0500_0000]);
    }
}
