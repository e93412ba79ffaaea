//! What one job puts into its ring, as a list of named steps.
//!
//! ```text
//! stamp  before-batch  BATCH  arbitration off  [user fence]  seqno  interrupt, arbitration on
//! ```
//!
//! The order of visible writes is the contract (commands sheet §2.9): timestamp, start seqno, effects of the batch,
//! user fence, seqno, interrupt. From "arbitration off" to the end nothing can preempt, so a context that is switched
//! out with start seqno ahead of seqno stopped inside its batch.
//!
//! Dwords go to memory in pairs, and which of them are one is known when this is compiled, but only as long as every step is
//! part of one function: hence `inline(always)`, without which a job takes three times as long to emit.

use super::RingFormat;
use super::command::{self, BatchAddr, FlushScope};
use super::emitter::{Emit, NoRoom};
use super::gang::Part;
use super::pipe::{PipeFlags, PipeGroup0, PipeGroup1, pipe_control};
use crate::context::layout::{FLUSH_SCRATCH_BYTES, LrcAddrs};
use crate::gt::EngineClass;
use crate::sync::seqno::Seqno;
use barexe_hal::GpuVa;

/// Room reserved for a job, in dwords: what the reference driver reserves. The longest sequence has 71 (commands
/// sheet §2.6).
pub const JOB_DWORDS_MAX: usize = 74;

/// One job of an exec queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JobRequest {
    /// The batch to run.
    pub batch: BatchAddr,
    /// Number stored when it starts and when it is done.
    pub seqno: Seqno,
    /// Whether translations are invalidated before the batch.
    pub flush_tlb: bool,
    /// A qword to write when the batch is done, before the seqno: address in the queue's VM, and value.
    pub user_fence: Option<(GpuVa, u64)>,
    /// Whether the driver runs as an SR-IOV virtual function.
    pub virtual_function: bool,
}

/// One job on the migration VM: page-table writes, then what uses them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MigrationRequest {
    /// First batch, the page-table writes.
    pub first: GpuVa,
    /// Second batch, which may rely on them.
    pub second: GpuVa,
    /// Number stored when the job starts and when it is done.
    pub seqno: Seqno,
    /// What the job flushes. The flush between the batches takes TLB from it, the last one all of it.
    pub flush: FlushScope,
    /// Whether the driver runs as an SR-IOV virtual function.
    pub virtual_function: bool,
}

/// Emits one job of an exec queue of `class`.
///
/// # Errors
/// [`NoRoom`], never with room for [`JOB_DWORDS_MAX`].
#[inline(always)]
pub fn emit_job(
    format: &RingFormat,
    class: EngineClass,
    lrc: &LrcAddrs,
    job: &JobRequest,
    out: &mut impl Emit,
) -> Result<(), NoRoom> {
    emit_part(format, class, (lrc, Part::Whole), job, out)
}

/// Emits one part of a job that runs on several engines at once (see [`gang`](super::gang)), or a whole job.
///
/// # Errors
/// [`NoRoom`], never with room for [`JOB_DWORDS_MAX`] and [`GANG_DWORDS_MAX`](super::gang::GANG_DWORDS_MAX).
#[inline(always)]
pub fn emit_part(
    format: &RingFormat,
    class: EngineClass,
    (lrc, part): (&LrcAddrs, Part<'_>),
    job: &JobRequest,
    out: &mut impl Emit,
) -> Result<(), NoRoom> {
    stamp_start_time(lrc, job.virtual_function, out)?;
    match class {
        EngineClass::Copy | EngineClass::Gsc => {
            prepare_copy(lrc, job, out)?;
            run_batch((lrc, part), job, out)?;
            complete_flush(lrc, job, out)
        }
        EngineClass::VideoDecode | EngineClass::VideoEnhance => {
            prepare_video(format, class, lrc, job, out)?;
            run_batch((lrc, part), job, out)?;
            complete_flush(lrc, job, out)
        }
        // One by one: what differs between them is in tables, and is looked up when this is compiled.
        EngineClass::Render => emit_pipe_part(format, EngineClass::Render, (lrc, part), job, out),
        EngineClass::Compute => emit_pipe_part(format, EngineClass::Compute, (lrc, part), job, out),
    }
}

/// What a part has on render and compute engines.
#[inline(always)]
fn emit_pipe_part(
    format: &RingFormat,
    class: EngineClass,
    (lrc, part): (&LrcAddrs, Part<'_>),
    job: &JobRequest,
    out: &mut impl Emit,
) -> Result<(), NoRoom> {
    prepare_pipe(format, class, lrc, job, out)?;
    run_batch((lrc, part), job, out)?;
    complete_pipe(format, class, lrc, job, out)
}

/// The batch, and what holds the parts of a job together around it. What comes after cannot be preempted.
#[inline(always)]
fn run_batch((lrc, part): (&LrcAddrs, Part<'_>), job: &JobRequest, out: &mut impl Emit) -> Result<(), NoRoom> {
    part.wait_for_start(lrc, job.seqno, out)?;
    out.emit(command::batch_start(job.batch))?;
    part.wait_for_end(job.seqno, out)?;
    out.emit(command::arbitration(false))
}

/// Emits a job without a batch: it stores its number and raises the interrupt. The idle context runs it, to show that
/// the context before it has left the engine.
///
/// # Errors
/// [`NoRoom`], never with room for [`JOB_DWORDS_MAX`].
pub fn emit_marker(
    format: &RingFormat,
    class: EngineClass,
    lrc: &LrcAddrs,
    seqno: Seqno,
    out: &mut impl Emit,
) -> Result<(), NoRoom> {
    out.emit(command::arbitration(false))?;
    match class {
        EngineClass::Render | EngineClass::Compute => store_seqno_pipe(format, class, lrc, seqno, out)?,
        EngineClass::Copy | EngineClass::Gsc | EngineClass::VideoDecode | EngineClass::VideoEnhance => {
            store_seqno_flush(lrc, seqno, out)?;
        }
    }
    signal_and_yield(out)
}

/// Emits one migration job; they run on copy engines.
///
/// Arbitration is off from before the first batch to the end, so the context is not switched out between the table
/// writes and their use.
///
/// # Errors
/// [`NoRoom`], never with room for [`JOB_DWORDS_MAX`].
pub fn emit_migration(lrc: &LrcAddrs, job: &MigrationRequest, out: &mut impl Emit) -> Result<(), NoRoom> {
    stamp_start_time(lrc, job.virtual_function, out)?;
    mark_started(lrc, job.seqno, out)?;
    out.emit(command::arbitration(false))?;
    out.emit(command::batch_start(BatchAddr::Ppgtt(job.first)))?;
    out.emit(command::pre_parser(false))?;
    let between = job.flush.intersection(FlushScope::TLB);
    out.emit(command::flush_then_store(lrc.start_seqno, job.seqno.get(), between))?;
    out.emit(command::pre_parser(true))?;
    out.emit(command::batch_start(BatchAddr::Ppgtt(job.second)))?;
    out.emit(command::flush_then_store(lrc.seqno, job.seqno.get(), job.flush))?;
    signal_and_yield(out)
}

/// Samples the context's clock, which the timeout check subtracts from. A virtual function stores a second copy where
/// the hardware saves the clock of a context that is switched out.
#[inline(always)]
fn stamp_start_time(lrc: &LrcAddrs, virtual_function: bool, out: &mut impl Emit) -> Result<(), NoRoom> {
    out.emit(command::store_engine_register(command::CTX_TIMESTAMP, lrc.job_timestamp))?;
    if virtual_function {
        out.emit(command::store_engine_register(command::CTX_TIMESTAMP, lrc.context_timestamp))?;
    }
    Ok(())
}

/// Says that the job has left the queue and reached its batch.
#[inline(always)]
fn mark_started(lrc: &LrcAddrs, seqno: Seqno, out: &mut impl Emit) -> Result<(), NoRoom> {
    out.emit(command::store_dword(lrc.start_seqno, seqno.get()))
}

/// The same by a flush that invalidates translations first.
#[inline(always)]
fn mark_started_flushing_tlb(lrc: &LrcAddrs, seqno: Seqno, out: &mut impl Emit) -> Result<(), NoRoom> {
    out.emit(command::flush_then_store(lrc.start_seqno, seqno.get(), FlushScope::TLB))
}

/// Copy and GSC: the pre-parser is stopped only for a TLB flush, lest it fetch through what is being invalidated.
#[inline(always)]
fn prepare_copy(lrc: &LrcAddrs, job: &JobRequest, out: &mut impl Emit) -> Result<(), NoRoom> {
    if !job.flush_tlb {
        return mark_started(lrc, job.seqno, out);
    }
    out.emit(command::pre_parser(false))?;
    mark_started_flushing_tlb(lrc, job.seqno, out)?;
    out.emit(command::pre_parser(true))
}

/// Video: the pre-parser is always stopped, even with nothing to invalidate.
#[inline(always)]
fn prepare_video(
    format: &RingFormat,
    class: EngineClass,
    lrc: &LrcAddrs,
    job: &JobRequest,
    out: &mut impl Emit,
) -> Result<(), NoRoom> {
    out.emit(command::pre_parser(false))?;
    invalidate_aux(format, class, out)?;
    if job.flush_tlb {
        mark_started_flushing_tlb(lrc, job.seqno, out)?;
        return out.emit(command::pre_parser(true));
    }
    out.emit(command::pre_parser(true))?;
    mark_started(lrc, job.seqno, out)
}

/// Render and compute: caches are invalidated by PIPE_CONTROL, translations with them if asked.
#[inline(always)]
fn prepare_pipe(
    format: &RingFormat,
    class: EngineClass,
    lrc: &LrcAddrs,
    job: &JobRequest,
    out: &mut impl Emit,
) -> Result<(), NoRoom> {
    // Caches are flushed before the auxiliary table is invalidated under them.
    if format.aux_register(class).is_some() {
        flush_caches(format, class, out)?;
    }
    let steps = format.pipe_steps(class);
    let invalidate = if job.flush_tlb { steps.invalidate_tlb } else { steps.invalidate };
    out.emit(command::pre_parser(false))?;
    out.emit(pipe_control(invalidate, FLUSH_SCRATCH_BYTES, 0))?;
    invalidate_aux(format, class, out)?;
    out.emit(command::pre_parser(true))?;
    mark_started(lrc, job.seqno, out)
}

/// Invalidates the auxiliary table of the class, where there is one.
#[inline(always)]
fn invalidate_aux(format: &RingFormat, class: EngineClass, out: &mut impl Emit) -> Result<(), NoRoom> {
    match format.aux_register(class) {
        Some(register) => out.emit(command::invalidate_aux_table(register)),
        None => Ok(()),
    }
}

/// Makes the writes of a render or compute batch visible.
#[inline(always)]
fn flush_caches(format: &RingFormat, class: EngineClass, out: &mut impl Emit) -> Result<(), NoRoom> {
    if format.pre_flush {
        let depth_only = PipeFlags(PipeGroup0::empty(), PipeGroup1::DEPTH_FLUSH);
        out.emit(pipe_control(depth_only, FLUSH_SCRATCH_BYTES, 0))?;
    }
    out.emit(pipe_control(format.pipe_steps(class).flush, 0, 0))
}

/// Render and compute: flush, user fence, seqno, interrupt. The flush stalls, so the user fence needs none of its own.
///
/// A user fence has an odd number of dwords. What follows is written for each case, so that it is known when this is
/// compiled which dwords share a qword.
#[inline(always)]
fn complete_pipe(
    format: &RingFormat,
    class: EngineClass,
    lrc: &LrcAddrs,
    job: &JobRequest,
    out: &mut impl Emit,
) -> Result<(), NoRoom> {
    flush_caches(format, class, out)?;
    if let Some((va, value)) = job.user_fence {
        out.emit(command::store_qword(va, value))?;
        store_seqno_pipe(format, class, lrc, job.seqno, out)?;
        return signal_and_yield(out);
    }
    store_seqno_pipe(format, class, lrc, job.seqno, out)?;
    signal_and_yield(out)
}

/// The write is 64 bits wide and clears the dword after the seqno, which nobody uses.
#[inline(always)]
fn store_seqno_pipe(
    format: &RingFormat,
    class: EngineClass,
    lrc: &LrcAddrs,
    seqno: Seqno,
    out: &mut impl Emit,
) -> Result<(), NoRoom> {
    out.emit(pipe_control(format.pipe_steps(class).seqno, lrc.seqno.get(), u64::from(seqno.get())))
}

#[inline(always)]
fn store_seqno_flush(lrc: &LrcAddrs, seqno: Seqno, out: &mut impl Emit) -> Result<(), NoRoom> {
    out.emit(command::flush_then_store(lrc.seqno, seqno.get(), FlushScope::empty()))
}

/// Other classes: a user fence must not overtake the batch, so a flush goes before it; the seqno's own flush covers
/// the rest.
#[inline(always)]
fn complete_flush(lrc: &LrcAddrs, job: &JobRequest, out: &mut impl Emit) -> Result<(), NoRoom> {
    if let Some((va, value)) = job.user_fence {
        out.emit(command::flush())?;
        out.emit(command::store_qword(va, value))?;
        store_seqno_flush(lrc, job.seqno, out)?;
        return signal_and_yield(out);
    }
    store_seqno_flush(lrc, job.seqno, out)?;
    signal_and_yield(out)
}

/// Tells the driver to look, and lets other contexts run again.
#[inline(always)]
fn signal_and_yield(out: &mut impl Emit) -> Result<(), NoRoom> {
    out.emit(command::user_interrupt())?;
    out.emit(command::arbitration(true))?;
    out.emit(command::arbitration_point())
}

#[cfg(test)]
#[path = "job_tests.rs"]
mod tests;
