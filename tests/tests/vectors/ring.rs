//! Ring contents against the reference driver: each job is written into a ring in memory and read back.

use barexe_core::family::Family;
use barexe_core::gt::EngineClass;
use barexe_core::ring::command::{BatchAddr, FlushScope};
use barexe_core::ring::emitter::Emitter;
use barexe_core::ring::hang::emit_hanging_job;
use barexe_core::ring::job::{JOB_DWORDS_MAX, JobRequest, MigrationRequest, emit_job, emit_migration};
use barexe_core::ring::writer::{RingSpan, RingState};
use barexe_core::sync::seqno::Seqno;
use barexe_hal::{GgttAddr, GpuVa};
use barexe_tests::memory::{dwords as memory_dwords, with_buffer};
use barexe_tests::vectors::{Case, Hex, Verdict, check_file, class, dwords, expect_dwords, expect_eq};
use serde::Deserialize;

/// What the ring holds before: no command, so that a dword which was not written cannot pass for one that was.
const UNTOUCHED: u32 = 0xA5A5_A5A5;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct UserFence {
    addr: Hex,
    value: Hex,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Kind {
    Job,
    Migration,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Input {
    #[serde(rename = "platform")]
    _platform: String,
    #[serde(rename = "gt")]
    _gt: String,
    class: String,
    kind: Kind,
    sriov_vf: bool,
    has_vm: bool,
    ggtt_batch: bool,
    flush_tlb: bool,
    force_reset: bool,
    migrate_flush_flags: Hex,
    user_fence: Option<UserFence>,
    batch: Hex,
    batch2: Option<Hex>,
    seqno: Hex,
    lrc_ggtt: Hex,
    seqno_ggtt: Hex,
    ring_size: Hex,
    tail: Hex,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Output {
    pphwsp_ggtt: Hex,
    head: Hex,
    tail: Hex,
    dwords: Vec<Hex>,
}

fn ggtt(addr: Hex) -> Result<GgttAddr, String> {
    Ok(GgttAddr::new(addr.dword()?).unwrap_or(GgttAddr::ZERO))
}

fn va(addr: Hex) -> Result<GpuVa, String> {
    GpuVa::new(addr.0).ok_or_else(|| format!("no GPU address {addr:?}"))
}

fn job(input: &Input) -> Result<JobRequest, String> {
    let in_vm = input.has_vm && !input.ggtt_batch;
    Ok(JobRequest {
        batch: if in_vm { BatchAddr::Ppgtt(va(input.batch)?) } else { BatchAddr::GgttAsGiven(input.batch.0) },
        seqno: Seqno::new(input.seqno.dword()?),
        flush_tlb: input.flush_tlb,
        user_fence: match &input.user_fence {
            Some(fence) => Some((va(fence.addr)?, fence.value.0)),
            None => None,
        },
        virtual_function: input.sriov_vf,
    })
}

fn migration(input: &Input) -> Result<MigrationRequest, String> {
    let flags = input.migrate_flush_flags.dword()?;
    Ok(MigrationRequest {
        first: va(input.batch)?,
        second: va(input.batch2.ok_or("migration without a second batch")?)?,
        seqno: Seqno::new(input.seqno.dword()?),
        flush: FlushScope::from_bits(flags).ok_or_else(|| format!("unknown flush flags {flags:#x}"))?,
        virtual_function: input.sriov_vf,
    })
}

/// What the job puts into the ring, and the address of the PPHWSP it refers to.
fn emit(input: &Input, family: &Family, out: &mut Emitter<'_>) -> Result<GgttAddr, String> {
    let class = class(&input.class)?;
    let layout = family.lrc.layout(class, input.ring_size.dword()?).ok_or("no such ring")?;
    let lrc = layout.addrs(ggtt(input.lrc_ggtt)?, ggtt(input.seqno_ggtt)?).ok_or("no such context")?;
    let emitted = match input.kind {
        Kind::Job if input.force_reset => emit_hanging_job(&family.ring, class, &lrc, &job(input)?, out),
        Kind::Job => emit_job(&family.ring, class, &lrc, &job(input)?, out),
        Kind::Migration if class == EngineClass::Copy => emit_migration(&lrc, &migration(input)?, out),
        Kind::Migration => return Err("migration on another class than copy".into()),
    };
    emitted.map_err(|e| e.to_string())?;
    Ok(lrc.pphwsp)
}

/// Writes `job` at `tail` of an otherwise empty ring and returns where it went and the whole ring after.
fn write(job: &[u32], ring_bytes: u32, tail: u32) -> Result<(RingSpan, Vec<u32>), String> {
    let fill = u64::from(UNTOUCHED) << 32 | u64::from(UNTOUCHED);
    with_buffer(usize::try_from(ring_bytes / 8).unwrap_or(0), fill, |buffer| {
        let mut ring = RingState::new(0, ring_bytes, tail).map_err(|e| e.to_string())?;
        let room = ring.reserve(buffer, tail, JOB_DWORDS_MAX).map_err(|e| e.to_string())?;
        let span = room.write(job).map_err(|e| e.to_string())?;
        Ok((span, memory_dwords(buffer)))
    })
}

/// The ring as it must look: `dwords` from `head` on, wrapping, and nothing else touched.
fn expected_ring(ring_bytes: u32, head: u32, dwords: &[u32]) -> Vec<u32> {
    let mut ring = vec![UNTOUCHED; usize::try_from(ring_bytes / 4).unwrap_or(0)];
    let start = usize::try_from(head / 4).unwrap_or(0);
    let len = ring.len();
    for (place, dword) in (start..).zip(dwords) {
        if let Some(to) = place.checked_rem(len).and_then(|at| ring.get_mut(at)) {
            *to = *dword;
        }
    }
    ring
}

fn check(case: &Case, family: Option<&'static Family>) -> Result<Verdict, String> {
    let family = family.ok_or("no platform")?;
    let (input, want) = case.parse::<Input, Output>()?;
    let mut array = [0; JOB_DWORDS_MAX];
    let mut out = Emitter::new(&mut array);
    let pphwsp = emit(&input, family, &mut out)?;
    let ring_bytes = input.ring_size.dword()?;
    let (span, ring) = write(out.dwords(), ring_bytes, input.tail.dword()?)?;
    expect_eq("pphwsp", &u64::from(pphwsp.get()), &want.pphwsp_ggtt.0)?;
    expect_eq("head", &u64::from(span.head_bytes), &want.head.0)?;
    expect_eq("tail", &u64::from(span.tail_bytes), &want.tail.0)?;
    expect_dwords("ring", &ring, &expected_ring(ring_bytes, want.head.dword()?, &dwords(&want.dwords)?))?;
    Ok(Verdict::Checked)
}

#[test]
fn vectors_ring_tgl_and_lnl_match_exactly() {
    let summary = check_file("ring.jsonl", check).unwrap();
    eprintln!("{summary}");
}
