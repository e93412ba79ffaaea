//! What the core says through `log`.

use barexe_core::Error;
use barexe_core::device::{Config, Device, TicketState};
use barexe_core::gt::EngineClass;
use barexe_sim::{Fault, Platform, Sim, SimConfig};
use barexe_tests::rig::{on, store_batch};
use barexe_tests::storage::boxed;
use core::cell::RefCell;
use log::{Level, LevelFilter, Log, Metadata, Record};
use std::sync::Once;

thread_local! {
    /// What was said on this thread: each test has its own.
    static HEARD: RefCell<Vec<(Level, String)>> = const { RefCell::new(Vec::new()) };
}

struct Listener;

impl Log for Listener {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &Record<'_>) {
        HEARD.with_borrow_mut(|heard| heard.push((record.level(), record.args().to_string())));
    }

    fn flush(&self) {}
}

/// What is said while `work` runs.
fn heard(work: impl FnOnce()) -> Vec<(Level, String)> {
    static LISTEN: Once = Once::new();
    LISTEN.call_once(|| {
        let alone = log::set_logger(&Listener);
        assert!(alone.is_ok(), "somebody else listens");
        log::set_max_level(LevelFilter::Trace);
    });
    HEARD.take();
    work();
    HEARD.take()
}

fn info(text: &str) -> (Level, String) {
    (Level::Info, text.to_owned())
}

#[test]
fn a_device_says_what_it_is_and_when_it_is_closed() {
    let tgl = heard(|| on(&SimConfig::new(Platform::tgl()), |_| {}));
    let want = [
        info("tgl: device 0x9a49 revision 1, graphics 12.00"),
        info("5 engines, media 12.00, 1048576 GGTT entries"),
        info("closed"),
    ];
    assert_eq!(tgl, want);
    let lnl = heard(|| on(&SimConfig::new(Platform::lnl()), |_| {}));
    assert_eq!(lnl[0], info("lnl: device 0x64a0 revision 4, graphics 20.04"));
}

#[test]
fn a_refused_probe_says_why() {
    let said = heard(|| {
        let sim = Sim::new(&SimConfig::new(Platform::tgl())).unwrap();
        sim.set_faults(&[Fault::GoneFromAccess(0)]);
        let mut storage = boxed();
        let refused = Device::open(sim.hal(), storage.lend(), Config::default(), None).unwrap_err();
        assert_eq!(refused.error, Error::DeviceGone);
    });
    assert_eq!(said, [(Level::Error, "not opened: the device does not answer".to_owned())]);
}

#[test]
fn a_device_that_is_gone_says_so_once() {
    let said = heard(|| {
        on(&SimConfig::new(Platform::tgl()), |rig| {
            let vm = rig.vm();
            let bo = rig.bo(0x1000);
            rig.bind_now(vm, &[rig.map_op(bo, 0x10000)]);
            let queue = rig.queue(vm, rig.engine(EngineClass::Copy));
            rig.write(bo, 0, &store_batch(0x10800, 1));
            rig.sim.set_faults(&[Fault::GoneFromAccess(0)]);
            let ticket = rig.exec(queue, 0x10000, &[]).unwrap();
            assert_eq!(rig.wait(ticket), TicketState::Failed(Error::DeviceGone));
            rig.settle();
        });
    });
    let errors: Vec<_> = said.iter().filter(|(level, _)| *level == Level::Error).map(|(_, text)| &**text).collect();
    assert_eq!(errors, ["device given up, all work is signalled: the device does not answer"]);
}

#[test]
fn closing_over_a_batch_that_does_not_end_says_that_the_gts_are_reset() {
    let config = SimConfig { execution: false, ..SimConfig::new(Platform::lnl()) };
    let said = heard(|| {
        on(&config, |rig| {
            let vm = rig.vm();
            let queue = rig.queue(vm, rig.engine(EngineClass::Copy));
            rig.exec(queue, 0x10000, &[]).unwrap();
        });
    });
    let warnings: Vec<_> = said.iter().filter(|(level, _)| *level == Level::Warn).map(|(_, text)| &**text).collect();
    assert_eq!(warnings, ["not idle after 100000000 ns: GTs are reset"]);
}
