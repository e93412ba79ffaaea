//! The firmware example's program, with the firmware example's memory, on the simulated GPU.
//!
//! What runs here is what the bare-metal image runs; only the HAL is another.

use barexe_core::num::u64_of;
use barexe_core::{Error, Storage};
use barexe_firmware::memory::{ARENA_PAGES, CAPACITIES, Memory};
use barexe_firmware::messages::Messages;
use barexe_firmware::program::plan::Plan;
use barexe_firmware::program::trouble::Trouble;
use barexe_firmware::program::{Around, Finished, run};
use barexe_firmware::say::Sink;
use barexe_hal::MIN_BLOCK_BYTES;
use barexe_hal::arena::PAGE_BYTES;
use barexe_sim::{Fault, Platform, Sim, SimConfig, SimHal};
use std::sync::Arc;

/// A device with as much memory as the firmware's arena has, in pieces as long as the arena gives out: the shortest that will do.
fn config(platform: Platform) -> SimConfig {
    SimConfig {
        max_block_bytes: MIN_BLOCK_BYTES,
        memory_bytes: u64_of(ARENA_PAGES * PAGE_BYTES),
        ..SimConfig::new(platform)
    }
}

/// What the program said.
#[derive(Default)]
struct Lines(String);

impl Sink for Lines {
    fn text(&mut self, text: &str) {
        self.0.push_str(text);
    }
}

/// The conformance suite has tests of its own: this simulator pins client memory too, which firmware has none of.
const ALL: Plan = Plan { jobs: 500, measure: true, unverified: true, ..Plan::FIRST_RUN };

fn run_on(sim: &Sim, plan: Plan, check: impl FnOnce(Finished<'_, SimHal>, String)) {
    let messages = Arc::new(Messages::new());
    let entry = Arc::clone(&messages);
    sim.on_msi(move || entry.record(1));
    let mut memory = Box::new(Memory::new());
    let mut lines = Lines::default();
    let mut around = Around { out: &mut lines, messages: &messages, ticks: || 0, plan };
    let finished = run(sim.hal(), memory.lend(), &mut around);
    check(finished, lines.0);
}

#[test]
fn the_program_passes_on_both_platforms_in_the_memory_it_brings() {
    for (platform, name) in [(Platform::tgl(), "tgl"), (Platform::lnl(), "lnl")] {
        let sim = Sim::new(&config(platform)).unwrap();
        run_on(&sim, ALL, |finished, lines| {
            assert_eq!(finished.verdict, Ok(()), "{name}: {lines}");
            assert!(lines.contains("jobs: 500 sent, 500 done, 0 lost\n"), "{name}: {lines}");
            assert!(lines.contains(" 0 interrupts lost, 0 engine resets\n"), "{name}: {lines}");
        });
        assert_eq!(sim.violations(), [""; 0], "{name}");
        let (given, taken_back) = sim.buffers();
        assert!(given > 0 && given == taken_back, "{name}: {given} buffers given, {taken_back} taken back");
    }
}

#[test]
fn it_says_so_when_the_gpu_does_not_run() {
    let sim = Sim::new(&SimConfig { execution: false, ..config(Platform::tgl()) }).unwrap();
    run_on(&sim, Plan::FIRST_RUN, |finished, lines| {
        assert!(matches!(finished.verdict, Err(Trouble::Refused(_))), "{:?}: {lines}", finished.verdict);
        assert!(lines.contains("reset, and run once more"), "{lines}");
    });
    let (given, taken_back) = sim.buffers();
    assert_eq!(given, taken_back);
}

#[test]
fn it_says_so_when_no_message_comes() {
    let sim = Sim::new(&config(Platform::tgl())).unwrap();
    let messages = Messages::new();
    let (mut memory, mut lines) = (Box::new(Memory::new()), Lines::default());
    let mut around = Around { out: &mut lines, messages: &messages, ticks: || 0, plan: Plan::FIRST_RUN };
    let finished = run(sim.hal(), memory.lend(), &mut around);
    assert_eq!(finished.verdict, Err(Trouble::NoMessages));
}

#[test]
fn a_hal_call_that_fails_never_leaves_a_buffer_behind() {
    let sim = Sim::new(&config(Platform::lnl())).unwrap();
    sim.set_faults(&[]);
    run_on(&sim, Plan::FIRST_RUN, |finished, _| assert_eq!(finished.verdict, Ok(())));
    let calls = sim.hal_calls();
    let mut refused = 0;
    for call in 0..calls {
        sim.set_faults(&[Fault::FailCall(call)]);
        // Failures while closing change nothing for the program, so passing is right too.
        run_on(&sim, Plan::FIRST_RUN, |finished, _| match finished.verdict {
            Ok(()) => {}
            Err(Trouble::Refused(_)) => refused += 1,
            verdict => panic!("call {call}: {verdict:?}"),
        });
        let (given, taken_back) = sim.buffers();
        assert_eq!(given, taken_back, "call {call} of {calls}");
    }
    assert!(refused > 20, "only {refused} of {calls} calls could be refused");
}

#[test]
fn a_device_that_goes_away_is_said_to_be_gone() {
    let sim = Sim::new(&config(Platform::tgl())).unwrap();
    sim.set_faults(&[]);
    run_on(&sim, Plan::FIRST_RUN, |finished, _| assert_eq!(finished.verdict, Ok(())));
    let mut gone = 0;
    for access in (0..3_000).step_by(97) {
        let sim = Sim::new(&config(Platform::tgl())).unwrap();
        sim.set_faults(&[Fault::GoneFromAccess(access)]);
        run_on(&sim, Plan::FIRST_RUN, |finished, lines| match finished.verdict {
            Err(Trouble::Refused(Error::DeviceGone)) => gone += 1,
            Ok(()) => {}
            Err(other) => panic!("access {access}: {other:?}: {lines}"),
        });
    }
    assert!(gone > 5, "{gone}");
}

#[test]
fn the_capacities_named_are_those_that_are_lent() {
    let mut memory = Box::new(Memory::new());
    let Storage { vma_nodes, pt_notes, ggtt_nodes, .. } = memory.lend();
    assert_eq!(
        (vma_nodes.len(), pt_notes.len(), ggtt_nodes.len()),
        (CAPACITIES.vma_nodes, CAPACITIES.pt_notes, CAPACITIES.ggtt_nodes)
    );
}
