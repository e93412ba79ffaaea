//! Reset of single engines: order of accesses, handshakes, silence (engines sheet §10.2).

use crate::recorder::{Event, Recorder};
use barexe_core::Error;
use barexe_core::gt::reset::engine::EngineReset;
use barexe_core::gt::{DeviceInfo, Engine, EngineClass, bring_up};

const BCS0: u32 = 0x2_2000;
const RCS0: u32 = 0x2000;
const CCS0: u32 = 0x1_A000;
const MI_MODE: u32 = 0x9C;
const RESET_CTL: u32 = 0xD0;
const GDRST: u32 = 0x941C;

fn device(mut hal: Recorder) -> (Recorder, DeviceInfo) {
    let info = bring_up(&mut hal).unwrap();
    hal.log.clear();
    (hal, info)
}

fn engine(info: &DeviceInfo, class: EngineClass) -> &Engine {
    info.engines.iter().find(|engine| engine.class == class && engine.instance == 0).unwrap()
}

/// Steps until the reset is over, answering what the device answers: stopped rings, ready engines, finished resets.
fn run(hal: &mut Recorder, info: &DeviceInfo, reset: &mut EngineReset, bases: &[u32]) -> Result<u32, Error> {
    for steps in 1..1000 {
        for base in bases {
            let stopped = hal.regs.get(&(base + MI_MODE)) == Some(&0x0100_0100);
            hal.regs.insert(base + MI_MODE, if stopped { 0x0100_0300 } else { 0 });
            match hal.regs.get(&(base + RESET_CTL)) {
                Some(0x0001_0001) => drop(hal.regs.insert(base + RESET_CTL, 3)),
                Some(0x0004_0004 | 0x0001_0000) => drop(hal.regs.insert(base + RESET_CTL, 0)),
                _ => {}
            }
        }
        if reset.step(hal, info)? {
            return Ok(steps);
        }
        hal.regs.insert(GDRST, 0);
        hal.now += 10_000;
    }
    Err(Error::TimedOut)
}

fn resets(hal: &Recorder) -> Vec<u32> {
    hal.writes(|reg| reg == GDRST).into_iter().map(|(_, bits)| bits).collect()
}

#[test]
fn tgl_stops_asks_resets_twice_and_programs_the_engine_again() {
    let (mut hal, info) = device(Recorder::tgl());
    let mut reset = EngineReset::begin(&mut hal, &info, engine(&info, EngineClass::Copy));
    assert_eq!(hal.writes(|_| true), [(BCS0 + 0x29C, 0x0400_0400), (BCS0 + MI_MODE, 0x0100_0100)]);
    run(&mut hal, &info, &mut reset, &[BCS0]).unwrap();
    assert_eq!(resets(&hal), [4, 4]);
    assert_eq!(
        hal.writes(|reg| reg == BCS0 + RESET_CTL),
        [(BCS0 + RESET_CTL, 0x0001_0001), (BCS0 + RESET_CTL, 0x0001_0000)]
    );
    let taken_back = hal.position(Event::Write(BCS0 + RESET_CTL, 0x0001_0000));
    let started = hal.position(Event::Write(BCS0 + MI_MODE, 0x0100_0000));
    let execlists = hal.position(Event::Write(BCS0 + 0x29C, 0x0008_0008));
    assert!(taken_back < execlists && execlists < started);
    assert!(hal.writes(|reg| (RCS0..RCS0 + 0x1000).contains(&reg)).is_empty(), "another engine is not touched");
}

#[test]
fn lnl_resets_render_and_compute_together_and_once() {
    let (mut hal, info) = device(Recorder::lnl());
    let mut reset = EngineReset::begin(&mut hal, &info, engine(&info, EngineClass::Compute));
    assert!(info.engines.iter().filter(|engine| reset.covers(engine)).count() == 2);
    run(&mut hal, &info, &mut reset, &[RCS0, CCS0]).unwrap();
    assert_eq!(resets(&hal), [2]);
    for base in [RCS0, CCS0] {
        assert_eq!(hal.writes(|reg| reg == base + MI_MODE).len(), 2, "stopped and started");
    }
}

#[test]
fn a_catastrophic_error_is_left_by_its_own_handshake() {
    let (mut hal, info) = device(Recorder::tgl());
    hal.regs.insert(BCS0 + RESET_CTL, 4);
    let mut reset = EngineReset::begin(&mut hal, &info, engine(&info, EngineClass::Copy));
    run(&mut hal, &info, &mut reset, &[BCS0]).unwrap();
    let written = hal.writes(|reg| reg == BCS0 + RESET_CTL);
    assert_eq!(written, [(BCS0 + RESET_CTL, 0x0004_0004), (BCS0 + RESET_CTL, 0x0001_0000)]);
}

#[test]
fn a_ring_that_does_not_stop_is_reset_all_the_same_but_no_step_waits() {
    let (mut hal, info) = device(Recorder::tgl());
    let mut reset = EngineReset::begin(&mut hal, &info, engine(&info, EngineClass::Copy));
    hal.regs.insert(BCS0 + MI_MODE, 0);
    let before = hal.now;
    for _ in 0..5 {
        assert_eq!(reset.step(&mut hal, &info), Ok(false));
    }
    assert_eq!((hal.now, resets(&hal)), (before, Vec::new()));
    hal.now += 1_000_000;
    run(&mut hal, &info, &mut reset, &[BCS0]).unwrap();
    assert_eq!(resets(&hal), [4, 4]);
}

#[test]
fn engines_that_stay_silent_end_in_an_error_after_their_limits() {
    let (mut hal, info) = device(Recorder::tgl());
    let begin = |hal: &mut Recorder| EngineReset::begin(hal, &info, engine(&info, EngineClass::Copy));
    let mut reset = begin(&mut hal);
    hal.now += 1_000_000;
    assert_eq!(reset.step(&mut hal, &info), Ok(false));
    hal.now += 699_999;
    assert_eq!(reset.step(&mut hal, &info), Ok(false));
    hal.now += 1;
    assert_eq!(reset.step(&mut hal, &info), Err(Error::TimedOut), "never ready");
    assert_eq!(hal.writes(|reg| reg == BCS0 + RESET_CTL).last(), Some(&(BCS0 + RESET_CTL, 0x0001_0000)));

    let mut reset = begin(&mut hal);
    hal.now += 1_000_000;
    assert_eq!(reset.step(&mut hal, &info), Ok(false));
    hal.regs.insert(BCS0 + RESET_CTL, 3);
    assert_eq!(reset.step(&mut hal, &info), Ok(false));
    hal.now += 2_000_000;
    assert_eq!(reset.step(&mut hal, &info), Err(Error::TimedOut), "the reset never ends");
}

#[test]
fn a_device_that_is_gone_is_found_at_every_step() {
    for steps in 0..4 {
        let (mut hal, info) = device(Recorder::tgl());
        let mut reset = EngineReset::begin(&mut hal, &info, engine(&info, EngineClass::Copy));
        for _ in 0..steps {
            hal.regs.insert(BCS0 + MI_MODE, 0x200);
            hal.regs.insert(BCS0 + RESET_CTL, 3);
            hal.regs.insert(GDRST, 0);
            assert_eq!(reset.step(&mut hal, &info), Ok(false));
        }
        hal.now += 60_000;
        hal.gone = true;
        assert_eq!(reset.step(&mut hal, &info), Err(Error::DeviceGone), "after {steps} steps");
    }
}
