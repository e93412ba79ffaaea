//! The ring writer on real memory: what lands where, and what a refusal leaves behind.
#![expect(clippy::unwrap_used, reason = "a helper of these tests fails by panicking")]

use barexe_core::ring::emitter::Emit;
use barexe_core::ring::writer::{RingError, RingState};
use barexe_tests::memory::{dwords, with_buffer};

const RING_BYTES: u32 = 4096;
/// A page before and a page after the ring must stay as they are.
const BASE_BYTES: usize = 4096;
const QWORDS: usize = 3 * 512;
const FILL: u32 = 0xA5A5_A5A5;

fn with_ring<R>(tail: u32, test: impl FnOnce(&mut RingState, &barexe_hal::DmaBuffer) -> R) -> R {
    let mut ring = RingState::new(BASE_BYTES, RING_BYTES, tail).unwrap();
    with_buffer(QWORDS, u64::from(FILL) << 32 | u64::from(FILL), |buffer| test(&mut ring, buffer))
}

/// A recognisable job: 1, 2, 3, ...
fn job(dwords: u32) -> Vec<u32> {
    (1..=dwords).collect()
}

#[test]
fn a_job_lands_dword_for_dword_at_every_tail_and_nothing_else_changes() {
    for tail in (0..RING_BYTES).step_by(8) {
        for len in [1, 2, 19, 49, 71, 74] {
            with_ring(tail, |ring, buffer| {
                let span = ring.reserve(buffer, tail, 74).unwrap().write(&job(len)).unwrap();
                let mut want = vec![FILL; QWORDS * 2];
                let padded = len.next_multiple_of(2);
                for index in 0..padded {
                    let at = (tail / 4 + index) % (RING_BYTES / 4);
                    want[BASE_BYTES / 4 + at as usize] = if index < len { index + 1 } else { 0 };
                }
                assert_eq!(dwords(buffer), want, "tail {tail:#x} length {len}");
                assert_eq!(span.head_bytes, tail);
                assert_eq!(ring.tail_bytes(), (tail + padded * 4) % RING_BYTES);
                assert_eq!(span.tail_bytes, ring.tail_bytes());
                let published = span.before_end.len() + span.from_start.len();
                assert_eq!(published, padded as usize * 4, "the span names every byte to publish");
            });
        }
    }
}

/// Commands sheet, V3.1: the fifth dword of a job at 16 bytes before the end is the first of the ring.
#[test]
fn v3_1_a_job_continues_at_the_start_of_the_ring() {
    with_ring(RING_BYTES - 16, |ring, buffer| {
        ring.reserve(buffer, RING_BYTES - 16, 19).unwrap().write(&job(19)).unwrap();
        let at = |ring_offset: usize| buffer.read_u32(BASE_BYTES + ring_offset).unwrap();
        assert_eq!((at(0xFF0), at(0xFFC), at(0x0), at(0x38), at(0x3C)), (1, 4, 5, 19, 0));
        assert_eq!(ring.tail_bytes(), 0x40);
    });
}

/// 20 dwords are 80 bytes, and 8 must stay free.
#[test]
fn room_is_certain_at_exactly_the_job_and_the_gap_and_refused_below() {
    for (space, fits) in [(80, false), (84, false), (88, true), (96, true)] {
        let tail = 0x100;
        with_ring(tail, |ring, buffer| {
            let result = ring.reserve(buffer, tail + space, 19).map(|_| ());
            let want = if fits { Ok(()) } else { Err(RingError::Full { needed_bytes: 88, space_bytes: space }) };
            assert_eq!(result, want, "{space} bytes free");
        });
    }
}

#[test]
fn a_ring_filled_to_the_last_job_never_looks_empty() {
    with_ring(0, |ring, buffer| {
        let mut jobs = 0u32;
        while let Ok(room) = ring.reserve(buffer, 0, 74) {
            room.write(&job(74)).unwrap();
            jobs += 1;
        }
        assert_eq!(jobs, (RING_BYTES - 8) / 296);
        assert_ne!(ring.tail_bytes(), 0);
    });
}

#[test]
fn a_reservation_that_is_dropped_or_overrun_changes_nothing() {
    with_ring(0x40, |ring, buffer| {
        let before = *ring;
        let _ = ring.reserve(buffer, 0x40, 10).unwrap();
        assert_eq!(ring.reserve(buffer, 0x40, 10).unwrap().write(&job(11)), Err(RingError::TooLong { dwords: 11 }));
        assert_eq!(*ring, before);
        assert!(dwords(buffer).iter().all(|dword| *dword == FILL));
    });
}

#[test]
fn requests_longer_than_the_ring_and_heads_outside_are_not_mistaken_for_a_full_ring() {
    with_ring(0, |ring, buffer| {
        assert!(ring.reserve(buffer, 0, 1022).is_ok(), "all but the gap");
        assert_eq!(ring.reserve(buffer, 0, 1023).map(|_| ()), Err(RingError::TooLong { dwords: 1023 }));
        let huge = usize::MAX;
        assert_eq!(ring.reserve(buffer, 0, huge).map(|_| ()), Err(RingError::TooLong { dwords: huge }));
        let outside = RingError::HeadOutside { head: RING_BYTES };
        assert_eq!(ring.reserve(buffer, RING_BYTES, 1).map(|_| ()), Err(outside));
    });
}

#[test]
fn a_ring_that_sticks_out_of_its_buffer_is_refused_before_anything_is_written() {
    let mut ring = RingState::new(8192 + 8, RING_BYTES, RING_BYTES - 8).unwrap();
    with_buffer(QWORDS, 0, |buffer| {
        let copied = ring.reserve(buffer, 64, 2).unwrap().write(&[1]);
        let emitted = ring.reserve(buffer, 64, 2).unwrap().emit::<1>(|out| out.emit([1]));
        assert!(matches!((copied, emitted), (Err(RingError::Buffer(_)), Err(RingError::Buffer(_)))));
        assert_eq!(ring.tail_bytes(), RING_BYTES - 8);
        assert!(dwords(buffer).iter().all(|dword| *dword == 0));
    });
}
