//! One job of 40 dwords into its ring, against copying the same dwords there.
//!
//! The copy knows the dwords beforehand and stores them into the same memory in 20 volatile 64-bit stores, checked once. A
//! job is made from its request: room is looked for, each command put together and stored where it belongs, two dwords at a
//! time. Beside it stands the way it was: built in an array first and copied then. Measured on a busy machine of two cores,
//! with priority over the rest: 0.82 to 0.89, wanted 0.8; with stores of dwords it was 0.55 to 0.60 there.

use super::{Limit, line, median_seconds};
use barexe_core::context::layout::LrcAddrs;
use barexe_core::family::XE2;
use barexe_core::gt::EngineClass;
use barexe_core::ring::command::BatchAddr;
use barexe_core::ring::emitter::Emitter;
use barexe_core::ring::job::{JOB_DWORDS_MAX, JobRequest, emit_job};
use barexe_core::ring::writer::RingState;
use barexe_core::sync::seqno::Seqno;
use barexe_hal::{BusAddr, DmaBuffer, DmaCaching, DmaMemory, DmaOwner, DmaRequest, GgttAddr, GpuVa};
use barexe_sim::{Platform, Sim, SimConfig};
use core::hint::black_box;
use core::time::Duration;
use std::time::Instant;

const RING_BYTES: u32 = 16 << 10;
const JOBS: usize = 500;
const ROUNDS: usize = 501;

/// Addresses of a context, as a queue on the render engine of the part has.
fn addrs() -> LrcAddrs {
    let layout = XE2.lrc.layout(EngineClass::Render, RING_BYTES).unwrap();
    layout.addrs(GgttAddr::new(0x00A0_0000).unwrap(), GgttAddr::new(0x00FE_0000).unwrap()).unwrap()
}

/// With a user fence a render job has 40 dwords there (commands sheet §2.6).
fn job(seqno: Seqno) -> JobRequest {
    let (batch, fence) = (GpuVa::new(0x1A_0000).unwrap(), GpuVa::new(0x1A_0218).unwrap());
    JobRequest {
        batch: BatchAddr::Ppgtt(batch),
        seqno,
        flush_tlb: false,
        user_fence: Some((fence, u64::from(seqno.get()))),
        virtual_function: false,
    }
}

fn memory() -> (Sim, DmaBuffer) {
    let sim = Sim::new(&SimConfig::new(Platform::lnl())).unwrap();
    let request = DmaRequest {
        len_bytes: u64::from(RING_BYTES),
        align_bytes: 4096,
        last_addr: BusAddr::new(u64::MAX >> 20).unwrap(),
        caching: DmaCaching::WriteBack,
        owner: DmaOwner::Driver,
    };
    let buffer = sim.hal().alloc(request).unwrap();
    (sim, buffer)
}

/// As contexts put jobs into their rings: straight into room that was made certain of.
fn emit(ring: &mut RingState, buffer: &DmaBuffer, addrs: &LrcAddrs, jobs: &[JobRequest]) -> Duration {
    let begin = Instant::now();
    for job in jobs {
        let (class, job) = (black_box(EngineClass::Render), black_box(job));
        let reserved = ring.reserve(buffer, ring.tail_bytes(), JOB_DWORDS_MAX).unwrap();
        let span = reserved.emit::<{ JOB_DWORDS_MAX / 2 }>(|out| emit_job(&XE2.ring, class, addrs, job, out)).unwrap();
        black_box(span.before_end.len());
    }
    begin.elapsed()
}

/// Built aside first, then copied in one piece.
fn emit_aside(ring: &mut RingState, buffer: &DmaBuffer, addrs: &LrcAddrs, jobs: &[JobRequest]) -> Duration {
    let begin = Instant::now();
    for job in jobs {
        let (class, job) = (black_box(EngineClass::Render), black_box(job));
        let mut room = [0; JOB_DWORDS_MAX];
        let mut out = Emitter::new(&mut room);
        emit_job(&XE2.ring, class, addrs, job, &mut out).unwrap();
        let reserved = ring.reserve(buffer, ring.tail_bytes(), JOB_DWORDS_MAX).unwrap();
        black_box(reserved.write(out.dwords()).unwrap().before_end.len());
    }
    begin.elapsed()
}

/// The same dwords, known beforehand, to the same places.
fn copy(dwords: &[u32], buffer: &DmaBuffer) -> Duration {
    let (bytes, mut at) = (dwords.len() * 4, 0);
    let begin = Instant::now();
    for _ in 0..JOBS {
        buffer.copy_u32(at, black_box(dwords)).unwrap();
        at += bytes;
        if at + bytes > RING_BYTES as usize {
            at = 0;
        }
    }
    begin.elapsed()
}

pub(crate) fn report() {
    let ((_sim, buffer), addrs) = (memory(), addrs());
    let mut ring = RingState::new(0, RING_BYTES, 0).unwrap();
    let jobs: Vec<JobRequest> = (1..=JOBS as u32).map(|number| job(Seqno::new(number))).collect();
    let mut room = [0; JOB_DWORDS_MAX];
    let mut out = Emitter::new(&mut room);
    emit_job(&XE2.ring, EngineClass::Render, &addrs, &job(Seqno::FIRST), &mut out).unwrap();
    assert_eq!(out.dwords().len(), 40);
    let emitted = median_seconds(ROUNDS, JOBS, || emit(&mut ring, &buffer, &addrs, &jobs));
    let aside = median_seconds(ROUNDS, JOBS, || emit_aside(&mut ring, &buffer, &addrs, &jobs));
    let copied = median_seconds(ROUNDS, JOBS, || copy(out.dwords(), &buffer));
    line("a job of 40 dwords into its ring", emitted * 1e9, "ns", None);
    line("the same, built in an array first", aside * 1e9, "ns", None);
    line("copying these 40 dwords there", copied * 1e9, "ns", None);
    line("speed of emitting, against copying", copied / emitted, "", Some(Limit::Least(0.8)));
}
