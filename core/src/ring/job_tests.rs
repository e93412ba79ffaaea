//! The job vectors V2.1 to V2.13 of the commands sheet, as literals, and the table of sizes.

use super::*;
use crate::family::{GEN12, XE2};
use crate::ring::FlushQuirks;
use crate::ring::emitter::Emitter;
use crate::ring::hang::emit_hanging_job;
use barexe_hal::GgttAddr;

fn ggtt(raw: u32) -> GgttAddr {
    GgttAddr::new(raw).unwrap()
}

fn va(raw: u64) -> GpuVa {
    GpuVa::new(raw).unwrap()
}

/// Inputs common to the checks of §2.
fn lrc() -> LrcAddrs {
    let layout = XE2.lrc.layout(EngineClass::Copy, 0x4000).unwrap();
    layout.addrs(ggtt(0x00A0_0000), ggtt(0x00FE_0000)).unwrap()
}

fn job() -> JobRequest {
    JobRequest {
        batch: BatchAddr::Ppgtt(va(0x1_001A_0000)),
        seqno: Seqno::FIRST,
        flush_tlb: false,
        user_fence: None,
        virtual_function: false,
    }
}

fn with_tlb(job: JobRequest) -> JobRequest {
    JobRequest { flush_tlb: true, ..job }
}

fn with_fence(job: JobRequest) -> JobRequest {
    JobRequest { user_fence: Some((va(0x1_001A_0218), 0xDEAD_BEEF_CAFE_F00D)), ..job }
}

/// Compares what a job emits with the words of a sheet's listing, its padding included.
fn assert_emits(format: &RingFormat, class: EngineClass, job: &JobRequest, want: &str) {
    let mut room = [0; JOB_DWORDS_MAX];
    let mut out = Emitter::new(&mut room);
    emit_job(format, class, &lrc(), job, &mut out).unwrap();
    assert_listing(out, want);
}

fn assert_listing(mut out: Emitter<'_>, want: &str) {
    out.pad_to_multiple(2).unwrap();
    let want = want.split_whitespace().map(|word| u32::from_str_radix(word, 16).unwrap());
    assert!(out.dwords().iter().copied().eq(want), "{:08X?}", out.dwords());
}

#[test]
fn v2_1_copy_job_is_the_same_on_both_families() {
    let want = "12480002 000003A8 00A04200 00000000 10400002 00FE0008 00000000 FFFFFF81 18800101 001A0000 00000001
        04000000 13004002 00FE0004 00000000 FFFFFF81 01000000 04000001 02800000 00000000";
    for format in [&GEN12.ring, &XE2.ring] {
        assert_emits(format, EngineClass::Copy, &job(), want);
        assert_emits(format, EngineClass::Gsc, &job(), want);
    }
}

#[test]
fn v2_2_copy_job_with_tlb_flush_and_user_fence_at_seqno_zero() {
    let want = "12480002 000003A8 00A04200 00000000 02800101 13044002 00FE000C 00000000 00000000 02800100 18800101
        001A0000 00000001 04000000 13000002 00000000 00000000 00000000 10200003 001A0218 00000001 CAFEF00D DEADBEEF
        13004002 00FE0004 00000000 00000000 01000000 04000001 02800000";
    let job = JobRequest { seqno: Seqno::new(0), ..with_fence(with_tlb(job())) };
    assert_emits(&GEN12.ring, EngineClass::Copy, &job, want);
    assert_emits(&XE2.ring, EngineClass::Copy, &job, want);
}

#[test]
fn v2_3_tgl_render_job() {
    let want = "12480002 000003A8 00A04200 00000000 7A000204 101030A1 00000000 00000000 00000000 00000000 02800101
        7A000404 20304C1C 000000D0 00000000 00000000 00000000 11020001 00004208 00000001 0E01C003 00000000 00004208
        00000000 00000000 02800100 10400002 00FE0008 00000000 FFFFFF81 18800101 001A0000 00000001 04000000 7A000204
        101030A1 00000000 00000000 00000000 00000000 7A000004 01104080 00FE0000 00000000 FFFFFF81 00000000 01000000
        04000001 02800000 00000000";
    assert_emits(&GEN12.ring, EngineClass::Render, &job(), want);
}

#[test]
fn v2_4_lnl_render_job() {
    let want = "12480002 000003A8 00A04200 00000000 02800101 7A000404 20304C1C 000000D0 00000000 00000000 00000000
        02800100 10400002 00FE0008 00000000 FFFFFF81 18800101 001A0000 00000001 04000000 7A000A04 101010A1 00000000
        00000000 00000000 00000000 7A000004 01104080 00FE0000 00000000 FFFFFF81 00000000 01000000 04000001 02800000
        00000000";
    assert_emits(&XE2.ring, EngineClass::Render, &job(), want);
}

#[test]
fn v2_5_tgl_video_decode_job() {
    let want = "12480002 000003A8 00A04200 00000000 02800101 11020001 00004218 00000001
        0E01C003 00000000 00004218 00000000 00000000 02800100 10400002 00FE0008
        00000000 FFFFFF81 18800101 001A0000 00000001 04000000 13004002 00FE0004
        00000000 FFFFFF81 01000000 04000001 02800000 00000000";
    assert_emits(&GEN12.ring, EngineClass::VideoDecode, &job(), want);
}

#[test]
fn v2_6_tgl_video_enhance_job_with_tlb_flush_and_user_fence() {
    let want = "12480002 000003A8 00A04200 00000000 02800101 11020001 00004238 00000001
        0E01C003 00000000 00004238 00000000 00000000 13044002 00FE000C 00000000
        FFFFFF81 02800100 18800101 001A0000 00000001 04000000 13000002 00000000
        00000000 00000000 10200003 001A0218 00000001 CAFEF00D DEADBEEF 13004002
        00FE0004 00000000 FFFFFF81 01000000 04000001 02800000";
    assert_emits(&GEN12.ring, EngineClass::VideoEnhance, &with_fence(with_tlb(job())), want);
}

#[test]
fn v2_7_lnl_video_decode_job_with_tlb_flush() {
    let want = "12480002 000003A8 00A04200 00000000 02800101 13044002 00FE000C 00000000
        FFFFFF81 02800100 18800101 001A0000 00000001 04000000 13004002 00FE0004
        00000000 FFFFFF81 01000000 04000001 02800000 00000000";
    assert_emits(&XE2.ring, EngineClass::VideoDecode, &with_tlb(job()), want);
}

#[test]
fn v2_8_lnl_compute_job_with_user_fence() {
    let want = "12480002 000003A8 00A04200 00000000 02800101 7A000004 20304C0C 000000D0
        00000000 00000000 00000000 02800100 10400002 00FE0008 00000000 FFFFFF81
        18800101 001A0000 00000001 04000000 7A000A04 001000A0 00000000 00000000
        00000000 00000000 10200003 001A0218 00000001 CAFEF00D DEADBEEF 7A000004
        01104080 00FE0000 00000000 FFFFFF81 00000000 01000000 04000001 02800000";
    assert_emits(&XE2.ring, EngineClass::Compute, &with_fence(job()), want);
}

/// No family here needs the pre-flush; the values are those of DG2.
#[test]
fn v2_9_pre_flush_goes_right_before_the_cache_flush() {
    let dg2 = RingFormat::new(None, FlushQuirks { pre_flush: true, ..FlushQuirks::default() });
    let want = "12480002 000003A8 00A04200 00000000 02800101 7A000404 20304C1C 000000D0
        00000000 00000000 00000000 02800100 10400002 00FE0008 00000000 FFFFFF81
        18800101 001A0000 00000001 04000000 7A000004 00000001 000000D0 00000000
        00000000 00000000 7A000204 101010A1 00000000 00000000 00000000 00000000
        7A000004 01104080 00FE0000 00000000 FFFFFF81 00000000 01000000 04000001
        02800000 00000000";
    assert_emits(&dg2, EngineClass::Render, &job(), want);
}

#[test]
fn v2_11_tgl_render_job_with_tlb_flush_and_user_fence() {
    let want = "12480002 000003A8 00A04200 00000000 7A000204 101030A1 00000000 00000000
        00000000 00000000 02800101 7A000404 20344C1C 000000D0 00000000 00000000
        00000000 11020001 00004208 00000001 0E01C003 00000000 00004208 00000000
        00000000 02800100 10400002 00FE0008 00000000 FFFFFF81 18800101 001A0000
        00000001 04000000 7A000204 101030A1 00000000 00000000 00000000 00000000
        10200003 001A0218 00000001 CAFEF00D DEADBEEF 7A000004 01104080 00FE0000
        00000000 FFFFFF81 00000000 01000000 04000001 02800000";
    assert_emits(&GEN12.ring, EngineClass::Render, &with_fence(with_tlb(job())), want);
}

#[test]
fn v2_12_migration_job_flushes_translations_between_and_everything_after() {
    let want = "12480002 000003A8 00A04200 00000000 10400002 00FE0008 00000000 FFFFFF81
        04000000 18800101 001A0000 00000001 02800101 13044002 00FE000C 00000000
        FFFFFF81 02800100 18800101 001A0100 00000001 13054002 00FE0004 00000000
        FFFFFF81 01000000 04000001 02800000";
    let job = MigrationRequest {
        first: va(0x1_001A_0000),
        second: va(0x1_001A_0100),
        seqno: Seqno::FIRST,
        flush: FlushScope::TLB | FlushScope::CCS,
        virtual_function: false,
    };
    let mut room = [0; JOB_DWORDS_MAX];
    let mut out = Emitter::new(&mut room);
    emit_migration(&lrc(), &job, &mut out).unwrap();
    assert_listing(out, want);
}

#[test]
fn v2_13_copy_job_with_a_ggtt_batch() {
    let want = "12480002 000003A8 00A04200 00000000 10400002 00FE0008 00000000 FFFFFF81
        18800001 001A0000 00000001 04000000 13004002 00FE0004 00000000 FFFFFF81
        01000000 04000001 02800000 00000000";
    let job = JobRequest { batch: BatchAddr::GgttAsGiven(0x1_001A_0000), ..job() };
    assert_emits(&XE2.ring, EngineClass::Copy, &job, want);
}

/// Commands sheet §2.3, WATCHDOG and TS: thirteen dwords in front, and a second copy of the timestamp after the first.
#[test]
fn a_forced_reset_goes_in_front_and_a_virtual_function_stamps_twice() {
    let want = "11080003 0000017C 00000002 00000178 00000000 0E40C003 0000DEAD 00A04000 00000000 00000000 11080001
        00000178 00000001 12480002 000003A8 00A04200 00000000 12480002 000003A8 00A0508C 00000000 10400002 00FE0008
        00000000 FFFFFF81 18800101 001A0000 00000001 04000000 13004002 00FE0004 00000000 FFFFFF81 01000000 04000001
        02800000";
    let job = JobRequest { virtual_function: true, ..job() };
    let mut room = [0; JOB_DWORDS_MAX];
    let mut out = Emitter::new(&mut room);
    emit_hanging_job(&XE2.ring, EngineClass::Copy, &lrc(), &job, &mut out).unwrap();
    assert_listing(out, want);
}

fn size(format: &RingFormat, class: EngineClass, job: &JobRequest) -> usize {
    let mut room = [0; JOB_DWORDS_MAX];
    let mut out = Emitter::new(&mut room);
    emit_job(format, class, &lrc(), job, &mut out).unwrap();
    out.dwords().len()
}

/// Commands sheet §2.6: copy, copy tlb, video, video tlb, render, render tlb; then the same with a user fence.
#[test]
fn job_sizes_are_those_of_the_table() {
    use EngineClass::{Copy, Render, VideoDecode};
    let sizes = |format, fence: fn(JobRequest) -> JobRequest| {
        [Copy, VideoDecode, Render]
            .map(|class| (size(format, class, &fence(job())), size(format, class, &fence(with_tlb(job())))))
    };
    assert_eq!(sizes(&GEN12.ring, |j| j), [(19, 21), (29, 29), (49, 49)]);
    assert_eq!(sizes(&XE2.ring, |j| j), [(19, 21), (21, 21), (35, 35)]);
    assert_eq!(sizes(&GEN12.ring, with_fence), [(28, 30), (38, 38), (54, 54)]);
    assert_eq!(sizes(&XE2.ring, with_fence), [(28, 30), (30, 30), (40, 40)]);
}

#[test]
fn the_longest_job_has_71_dwords_and_fits_the_reserve() {
    let longest = JobRequest { virtual_function: true, ..with_fence(with_tlb(job())) };
    let mut room = [0; JOB_DWORDS_MAX];
    let mut out = Emitter::new(&mut room);
    emit_hanging_job(&GEN12.ring, EngineClass::Render, &lrc(), &longest, &mut out).unwrap();
    assert_eq!(out.dwords().len(), 71);
}

#[test]
fn a_job_never_fits_a_list_that_is_one_dword_short() {
    for (format, class) in [(&GEN12.ring, EngineClass::Render), (&XE2.ring, EngineClass::VideoDecode)] {
        let needed = size(format, class, &with_fence(job()));
        let mut room = [0; JOB_DWORDS_MAX];
        let short = &mut room[..needed - 1];
        assert_eq!(emit_job(format, class, &lrc(), &with_fence(job()), &mut Emitter::new(short)), Err(NoRoom));
    }
}
