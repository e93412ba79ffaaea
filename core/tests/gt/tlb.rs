//! TLB invalidation: registers, rounds, tickets.

use crate::recorder::{Event, Recorder};
use barexe_core::Error;
use barexe_core::gt::bring_up;
use barexe_core::mem::tlb::{EngineTlb, ROUND_TIMEOUT, TlbBackend, TlbInvalidator};
use barexe_hal::{Mmio, Nanos};

fn device(mut hal: Recorder) -> (Recorder, TlbInvalidator<EngineTlb>) {
    let info = bring_up(&mut hal).unwrap();
    hal.log.clear();
    (hal, TlbInvalidator::new(EngineTlb::new(&info)))
}

fn finish(hal: &mut Recorder) {
    for reg in [0xCED8, 0xCEDC, 0xCEE0, 0xCEE4, 0xCF04, 0x38_CEDC, 0x38_CEE0] {
        hal.regs.insert(reg, 0);
    }
}

const NOW: Nanos = Nanos::ZERO;

#[test]
fn tgl_writes_the_registers_of_its_engines_and_the_counters_last() {
    let (mut hal, mut tlb) = device(Recorder::tgl());
    let _ticket = tlb.request();
    tlb.poll(&mut hal, NOW).unwrap();
    // RCS0, VCS0 and VCS2, VECS0, BCS0, then the counters (engines sheet §13 checks and §13.8).
    let want = [(0xCED8, 1), (0xCEDC, 0x0005_0005), (0xCEE0, 0x0001_0001), (0xCEE4, 1), (0xCEEC, 1)];
    assert_eq!(hal.writes(|_| true), want);
}

#[test]
fn lnl_writes_video_registers_in_the_media_view() {
    let (mut hal, mut tlb) = device(Recorder::lnl());
    let _ticket = tlb.request();
    tlb.poll(&mut hal, NOW).unwrap();
    let want =
        [(0xCED8, 1), (0x38_CEDC, 0x0001_0001), (0x38_CEE0, 0x0001_0001), (0xCEE4, 0x101), (0xCF04, 0x0001_0001)];
    assert_eq!(hal.writes(|_| true), want);
}

#[test]
fn a_round_is_done_when_every_register_has_cleared() {
    let (mut hal, mut tlb) = device(Recorder::tgl());
    let ticket = tlb.request();
    assert!(!tlb.is_done(ticket) && !tlb.is_idle());
    tlb.poll(&mut hal, NOW).unwrap();
    tlb.poll(&mut hal, NOW).unwrap();
    assert!(!tlb.is_done(ticket));
    finish(&mut hal);
    hal.regs.insert(0xCEE4, 1);
    tlb.poll(&mut hal, NOW).unwrap();
    assert!(!tlb.is_done(ticket));
    assert_eq!(tlb.backend().unanswered().map(|reg| reg.get()).collect::<Vec<_>>(), [0xCEE4]);
    hal.regs.insert(0xCEE4, 0);
    tlb.poll(&mut hal, NOW).unwrap();
    assert!(tlb.is_done(ticket) && tlb.is_idle());
}

#[test]
fn an_overdue_round_names_who_did_not_answer_and_a_late_answer_counts() {
    let (mut hal, mut tlb) = device(Recorder::tgl());
    let ticket = tlb.request();
    tlb.poll(&mut hal, NOW).unwrap();
    finish(&mut hal);
    hal.regs.insert(0xCEDC, 0x0000_0004);
    let late = ROUND_TIMEOUT;
    assert_eq!(tlb.poll(&mut hal, Nanos::new(late.get() - 1)), Ok(()));
    assert_eq!(tlb.poll(&mut hal, late), Err(Error::TimedOut));
    assert_eq!(tlb.poll(&mut hal, late), Err(Error::TimedOut), "until it answers or the GT is reset");
    assert_eq!(tlb.backend().unanswered().map(|reg| reg.get()).collect::<Vec<_>>(), [0xCEDC]);
    finish(&mut hal);
    assert_eq!(tlb.poll(&mut hal, late), Ok(()));
    assert!(tlb.is_done(ticket));
}

#[test]
fn a_device_that_is_gone_is_an_error_and_its_loss_frees_every_ticket() {
    let (mut hal, mut tlb) = device(Recorder::tgl());
    let first = tlb.request();
    tlb.poll(&mut hal, NOW).unwrap();
    let second = tlb.request();
    hal.gone = true;
    assert_eq!(tlb.poll(&mut hal, NOW), Err(Error::DeviceGone));
    assert!(!tlb.is_done(first));
    tlb.flushed_by_reset();
    assert!(tlb.is_done(first) && tlb.is_done(second) && tlb.is_idle());
}

/// A backend that finishes when told, and counts rounds.
#[derive(Debug, Default)]
struct Counter {
    rounds: u32,
}

impl TlbBackend for Counter {
    fn start<H: Mmio>(&mut self, _: &mut H) {
        self.rounds += 1;
    }

    fn finished<H: Mmio>(&mut self, hal: &mut H) -> Result<bool, Error> {
        Ok(hal.read32(barexe_hal::RegOffset::at(0)) == 0)
    }
}

#[test]
fn requests_made_while_a_round_is_in_flight_share_the_next_one() {
    let mut hal = Recorder::tgl();
    let mut tlb = TlbInvalidator::new(Counter::default());
    let early = [tlb.request(), tlb.request()];
    hal.regs.insert(0, 1);
    tlb.poll(&mut hal, NOW).unwrap();
    let later = [tlb.request(), tlb.request(), tlb.request()];
    hal.regs.insert(0, 0);
    tlb.poll(&mut hal, NOW).unwrap();
    assert!(early.iter().all(|ticket| tlb.is_done(*ticket)));
    assert!(!later.iter().any(|ticket| tlb.is_done(*ticket)), "the round in flight began too early for them");
    tlb.poll(&mut hal, NOW).unwrap();
    assert!(later.iter().all(|ticket| tlb.is_done(*ticket)));
    assert_eq!(tlb.backend().rounds, 2);
}

#[test]
fn round_numbers_wrap() {
    let mut hal = Recorder::tgl();
    let mut tlb = TlbInvalidator::new(Counter::default());
    let first = tlb.request();
    for _ in 0..10 {
        let ticket = tlb.request();
        assert!(!tlb.is_done(ticket));
        tlb.poll(&mut hal, NOW).unwrap();
        tlb.poll(&mut hal, NOW).unwrap();
        assert!(tlb.is_done(ticket) && tlb.is_done(first));
    }
    assert_eq!(hal.log, vec![Event::Read(0); 10]);
}
