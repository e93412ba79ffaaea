//! The whole initial content of a context's memory.

use super::LrcFormat;
use super::batches::{BATCH_DWORDS_MAX, CACHELINE_DWORDS, emit_context_batch, emit_indirect_batch};
use super::image::RegisterImage;
use super::layout::{LrcAddrs, LrcLayout, SEQNO_BYTES, START_SEQNO_BYTES};
use super::tables::RegisterTable;
use crate::gt::EngineClass;
use crate::num::{u32_capped, usize_of};
use crate::ring::command;
use crate::ring::emitter::{Emit, Emitter, NoRoom};
use crate::sync::seqno::Seqno;
use barexe_hal::{DmaBuffer, OutOfBounds};

/// Room for the first content of a ring, in dwords.
pub const INITIAL_RING_DWORDS_MAX: usize = 6;
/// Bit 13 of COMMON_SLICE_CHICKEN3 with its mask (commands sheet §2.2).
const DISABLE_STATE_CACHE_PERF_FIX: u32 = 0x2000_2000;

/// The address space of a context.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VmRoot {
    /// Its id, 20 bits; ignored by families without ids.
    pub asid: u32,
    /// Directory entry for its root table (page-tables sheet §2.7).
    pub root_descriptor: u64,
}

/// Description of a new context.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ContextRequest<'a> {
    /// Class of the engines it may run on.
    pub class: EngineClass,
    /// Base of the engine's registers, in bytes, as the image stores them.
    pub engine_base: u32,
    /// Size of the ring in bytes.
    pub ring_bytes: u32,
    /// Where its parts lie in the GGTT.
    pub lrc: &'a LrcAddrs,
    /// Its address space, if it has one.
    pub vm: Option<VmRoot>,
    /// Whether nothing else may run on the GT beside it.
    pub run_alone: bool,
    /// Whether the performance fix of the state cache is off.
    pub disable_state_cache_perf_fix: bool,
    /// Whether the driver runs as an SR-IOV virtual function.
    pub virtual_function: bool,
}

/// Why a context's memory was not written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CreateError {
    /// The buffer is shorter than the layout.
    Buffer(OutOfBounds),
    /// A batch is longer than the room for it: a format without bounds.
    NoRoom(NoRoom),
}

impl From<OutOfBounds> for CreateError {
    fn from(cause: OutOfBounds) -> Self {
        Self::Buffer(cause)
    }
}

impl From<NoRoom> for CreateError {
    fn from(cause: NoRoom) -> Self {
        Self::NoRoom(cause)
    }
}

impl core::fmt::Display for CreateError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Buffer(cause) => write!(f, "context buffer: {cause}"),
            Self::NoRoom(cause) => write!(f, "context batch: {cause}"),
        }
    }
}

impl core::error::Error for CreateError {}

/// Emits what every ring begins with: preemption allowed, and the state-cache setting where it differs from the
/// default (commands sheet §2.2).
///
/// # Errors
/// [`NoRoom`], never with room for [`INITIAL_RING_DWORDS_MAX`].
pub fn emit_initial_ring(request: &ContextRequest<'_>, out: &mut Emitter<'_>) -> Result<(), NoRoom> {
    out.emit(command::arbitration(true))?;
    out.pad_to_multiple(2)?;
    if request.disable_state_cache_perf_fix {
        out.emit(command::load_register(command::COMMON_SLICE_CHICKEN3, DISABLE_STATE_CACHE_PERF_FIX))?;
        out.pad_to_multiple(2)?;
    }
    Ok(())
}

/// Writes the whole buffer of a new context, which starts at `at_bytes` of `buffer`: zeros, ring, register page,
/// batches. Returns the software tail of the ring in bytes; the published one is 0.
///
/// # Errors
/// [`CreateError`]; the buffer is then not a context.
pub fn write_context(
    format: &LrcFormat,
    layout: &LrcLayout,
    request: &ContextRequest<'_>,
    buffer: &DmaBuffer,
    at_bytes: usize,
) -> Result<u32, CreateError> {
    buffer.fill_steps(at_bytes, 0, 0, usize_of(layout.total_bytes >> 3))?;
    let at = |offset: u32| at_bytes.saturating_add(usize_of(offset));
    write_image(format, layout, request, buffer, at_bytes)?;

    let mut room = [0; BATCH_DWORDS_MAX];
    let mut context = Emitter::new(&mut room);
    emit_context_batch(format, request, &mut context)?;
    buffer.copy_u32(at(layout.context_batch), context.dwords())?;

    let mut ring = Emitter::new(&mut room);
    emit_initial_ring(request, &mut ring)?;
    buffer.copy_u32(at(0), ring.dwords())?;
    Ok(u32_capped(ring.dwords().len()) << 2)
}

/// Writes the register page of a context that has never run, and the batch it names: whatever it was doing, it begins
/// anew where its ring's head is set to. `at_bytes` as in [`write_context`].
///
/// # Errors
/// As [`write_context`].
pub fn write_image(
    format: &LrcFormat,
    layout: &LrcLayout,
    request: &ContextRequest<'_>,
    buffer: &DmaBuffer,
    at_bytes: usize,
) -> Result<(), CreateError> {
    let at = |offset: u32| at_bytes.saturating_add(usize_of(offset));
    let mut room = [0; BATCH_DWORDS_MAX];
    let mut indirect = Emitter::new(&mut room);
    emit_indirect_batch(format, request, &mut indirect)?;
    let lines = u32_capped(indirect.dwords().len() / CACHELINE_DWORDS);
    if let Some(offset) = layout.indirect_batch {
        buffer.copy_u32(at(offset), indirect.dwords())?;
    }
    let image = RegisterImage::of(format, request, lines);
    Ok(buffer.copy_u32(at(layout.registers), image.dwords())?)
}

/// Gives a saved register page, which starts at `at_bytes` of `buffer`, the addresses of another engine of the class.
///
/// The hardware takes them as relative to the engine that restores the context; whether it looks at the base in them at
/// all is not determined (engines sheet §6.3), so they are kept right.
///
/// # Errors
/// [`OutOfBounds`].
pub fn rebase(table: &RegisterTable, engine_base: u32, buffer: &DmaBuffer, at_bytes: usize) -> Result<(), OutOfBounds> {
    for (dword, register) in table.registers() {
        let address = engine_base.wrapping_add(u32::from(register));
        buffer.write_u32(at_bytes.saturating_add(dword.saturating_mul(4)), address)?;
    }
    Ok(())
}

/// Writes the two words of a seqno page, which starts at `at_bytes` of `buffer`, for a context without jobs.
///
/// # Errors
/// [`OutOfBounds`].
pub fn write_seqno_page(buffer: &DmaBuffer, at_bytes: usize) -> Result<(), OutOfBounds> {
    for offset in [SEQNO_BYTES, START_SEQNO_BYTES] {
        buffer.write_u32(at_bytes.saturating_add(usize_of(offset)), Seqno::initial_memory().get())?;
    }
    Ok(())
}

const _: () = assert!(INITIAL_RING_DWORDS_MAX <= BATCH_DWORDS_MAX);

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use barexe_hal::GgttAddr;

    /// Places of the engines sheet's §6 checks: buffer at 16 MiB, seqno page at 32 MiB.
    pub(in crate::context) fn addrs(layout: &LrcLayout) -> LrcAddrs {
        layout.addrs(GgttAddr::new(0x0100_0000).unwrap(), GgttAddr::new(0x0200_0000).unwrap()).unwrap()
    }

    /// A context on BCS0's registers, without VM.
    pub(in crate::context) fn request(class: EngineClass, lrc: &LrcAddrs) -> ContextRequest<'_> {
        ContextRequest {
            class,
            engine_base: 0x22000,
            ring_bytes: 0x4000,
            lrc,
            vm: None,
            run_alone: false,
            disable_state_cache_perf_fix: false,
            virtual_function: false,
        }
    }

    fn initial_ring(disable_fix: bool) -> ([u32; 6], usize) {
        let lrc = addrs(&crate::family::XE2.lrc.layout(EngineClass::Render, 0x4000).unwrap());
        let request =
            ContextRequest { disable_state_cache_perf_fix: disable_fix, ..request(EngineClass::Render, &lrc) };
        let mut room = [0xFF; 6];
        let mut out = Emitter::new(&mut room);
        emit_initial_ring(&request, &mut out).unwrap();
        let len = out.dwords().len();
        (room, len)
    }

    /// Commands sheet §2, V2.0.
    #[test]
    fn a_ring_begins_by_allowing_preemption() {
        let (ring, len) = initial_ring(false);
        assert_eq!(ring[..len], [0x0400_0001, 0]);
    }

    /// Commands sheet §2.2 item 2.
    #[test]
    fn turning_the_state_cache_fix_off_takes_four_more_dwords() {
        let (ring, len) = initial_ring(true);
        assert_eq!(ring[..len], [0x0400_0001, 0, 0x1100_0001, 0x7304, 0x2000_2000, 0]);
    }
}
