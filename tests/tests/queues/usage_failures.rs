//! What a client uses, asked of a device that fails: figures never go back, never run ahead of the clock, and nobody panics.
//! And names of buffer objects that outlive a client's own handle.
#![expect(
    clippy::arithmetic_side_effects,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "helpers of these tests fail by panicking, count, and print how many points a sweep had"
)]

use barexe_core::Errno;
use barexe_core::device::{Config, DeviceState, MemoryUse};
use barexe_core::gt::EngineClass;
use barexe_hal::Nanos;
use barexe_sim::{Action, Fault, Occasion, Platform, Rule, Sim, SimConfig};
use barexe_tests::rig::{ARB_CHECK, Rig, Spinner, on_each_platform, on_opened, platforms};
use barexe_tests::storage::boxed;

const VA: u64 = 0x1A_0000;
const CLASS: EngineClass = EngineClass::Copy;

/// A batch that goes round, on a queue of its own.
fn spin(rig: &mut Rig<'_>) -> Spinner {
    let vm = rig.vm();
    let spinner = Spinner::new(rig, vm, VA, ARB_CHECK);
    let queue = rig.queue(vm, rig.engine(CLASS));
    rig.exec(queue, VA, &[]).unwrap();
    spinner
}

fn pass(rig: &mut Rig<'_>, millis: u64) {
    rig.pass(Nanos::from_millis(millis));
}

/// Ticks that the client's engines have worked.
fn ticks(rig: &mut Rig<'_>) -> u64 {
    rig.device.client_ticks(rig.client).unwrap().of(CLASS)
}

/// Ticks of so many milliseconds.
fn ticks_of(rig: &Rig<'_>, millis: u64) -> u64 {
    u64::from(rig.device.info().timestamp_hz(0)) * millis / 1000
}

/// Register reads of one look at a context that runs.
fn reads_of_a_look(rig: &mut Rig<'_>) -> u64 {
    let (calls, before) = (rig.sim.hal_calls(), rig.sim.mmio_accesses());
    ticks(rig);
    assert_eq!(rig.sim.hal_calls(), calls, "a call that can fail");
    rig.sim.mmio_accesses() - before
}

/// A device that is gone from the n-th access of a look on: every look is answered, by what was known before.
fn looks_at_what_goes(platform: &Platform, at: u64) -> u64 {
    let sim = Sim::new(&SimConfig::new(platform.clone())).unwrap();
    let mut storage = boxed();
    let mut rig = Rig::open(&sim, storage.lend());
    spin(&mut rig);
    pass(&mut rig, 20);
    let reads = reads_of_a_look(&mut rig);
    let (before, memory) = (ticks(&mut rig), rig.device.client_memory(rig.client).unwrap());
    assert!(before > 0 && reads > 0);
    sim.set_faults(&[Fault::GoneFromAccess(at)]);
    let during = ticks(&mut rig);
    let most = before + ticks_of(&rig, 1);
    assert!((before..=most).contains(&during), "{}: gone from {at}: {before}, {during}", platform.name);
    assert_eq!(rig.device.client_memory(rig.client), Ok(memory), "gone from {at}");
    rig.settle();
    assert_eq!(rig.device.state(), DeviceState::Gone);
    let (after, memory) = (ticks(&mut rig), rig.device.client_memory(rig.client).unwrap());
    assert!((during..=most).contains(&after), "{}: gone from {at}: {during}, {after}", platform.name);
    assert_eq!(memory.total, 0x1000);
    let _ = rig.close();
    reads
}

#[test]
fn figures_of_a_device_that_goes_stay_where_they_were() {
    for platform in platforms() {
        let reads = looks_at_what_goes(&platform, 0);
        for at in 1..=reads {
            looks_at_what_goes(&platform, at);
        }
        println!("{}: {reads} reads", platform.name);
    }
}

#[test]
fn one_read_of_all_ones_is_no_time_that_an_engine_has_worked() {
    for platform in platforms() {
        on_opened(&SimConfig::new(platform), Config::default(), |rig| {
            let spinner = spin(rig);
            pass(rig, 20);
            for skip in 0..reads_of_a_look(rig) {
                let before = ticks(rig);
                let rule =
                    Rule { after: None, occasion: Occasion::Read(None), skip, times: 1, action: Action::AllOnes };
                rig.sim.set_faults(&[Fault::On(rule)]);
                let during = ticks(rig);
                rig.sim.set_faults(&[]);
                pass(rig, 5);
                let after = ticks(rig);
                let most = before + ticks_of(rig, 7);
                assert!(before <= during && during <= after && after <= most, "{skip}: {before} {during} {after}");
            }
            spinner.end(rig);
            rig.settle();
        });
    }
}

#[test]
fn resets_of_an_engine_that_two_contexts_share_give_neither_the_others_time() {
    for platform in platforms() {
        on_opened(&SimConfig::new(platform), Config::default(), |rig| {
            let spinners = [spin(rig), spin(rig)];
            let (gt, began) = (rig.engine(CLASS).gt, rig.device.now());
            let mut last = ticks(rig);
            let first = last;
            for round in 0..12 {
                rig.device.reset_gt(gt.into()).unwrap();
                for _ in 0..3 {
                    let now = ticks(rig);
                    assert!(last <= now, "round {round}: {last}, {now}");
                    last = now;
                    rig.settle();
                }
                pass(rig, 4);
            }
            let passed = rig.device.now().saturating_sub(began).get() / 1_000_000;
            let most = ticks_of(rig, passed + 3);
            assert!(last - first <= most, "{} ticks of {most}", last - first);
            spinners.iter().for_each(|spinner| spinner.end(rig));
            rig.settle();
        });
    }
}

#[test]
fn a_name_does_not_follow_the_number_of_a_handle_that_was_closed() {
    on_each_platform(|rig| {
        let errno = |result: Result<u32, barexe_core::Error>| result.map_err(|error| error.errno());
        let old = rig.bo(0x2000);
        let name = rig.device.bo_name(rig.client, old.bo).unwrap();
        let [other, third] = [(); 2].map(|()| rig.device.client_open(true).unwrap());
        let theirs = rig.device.bo_open(other, name).unwrap();
        rig.device.bo_close(rig.client, old.bo).unwrap();
        assert_eq!(errno(rig.device.bo_name(rig.client, old.bo)), Err(Errno::ENOENT), "a handle that is closed");
        // New objects, so many that numbers come again.
        let new: Vec<_> = (0..8).map(|_| rig.bo(0x1000)).collect();
        for bo in &new {
            assert!(bo.bo == name || errno(rig.device.bo_open(third, bo.bo)) == Err(Errno::ENOENT), "no name yet");
            assert_ne!(rig.device.bo_name(rig.client, bo.bo), Ok(name), "the name is another's");
        }
        let found = rig.device.bo_open(third, name).unwrap();
        assert_eq!(rig.device.bo_size(third, found), Ok(0x2000), "it leads where it led");
        let used = |rig: &Rig<'_>, client| rig.device.client_memory(client).unwrap();
        assert_eq!(used(rig, other), MemoryUse { total: 0x2000, shared: 0x2000, active: 0 });
        rig.device.client_close(third).unwrap();
        assert_eq!(used(rig, other), MemoryUse { total: 0x2000, shared: 0, active: 0 }, "nobody else has it");
        assert_eq!(rig.device.bo_name(other, theirs), Ok(name));
        rig.device.bo_close(other, theirs).unwrap();
        rig.settle();
        let again: Vec<_> = (0..8).map(|_| rig.bo(0x1000)).collect();
        assert_eq!(errno(rig.device.bo_open(other, name)), Err(Errno::ENOENT), "it is gone, whatever has its place");
        assert_eq!(used(rig, rig.client), MemoryUse { total: 0x1_0000, shared: 0, active: 0 });
        drop((new, again));
    });
}
