//! The firmware example's program, with the firmware example's memory, on the simulated GPU.
//!
//! What runs here is what the bare-metal image runs; only the HAL is another.

use barexe_core::Storage;
use barexe_core::gt::IrqFlag;
use barexe_core::num::u64_of;
use barexe_firmware::memory::{ARENA_PAGES, CAPACITIES, Memory};
use barexe_firmware::program::{Finished, Verdict, run};
use barexe_hal::MIN_BLOCK_BYTES;
use barexe_hal::arena::PAGE_BYTES;
use barexe_sim::{Fault, Platform, Sim, SimConfig, SimHal};

/// A device with as much memory as the firmware's arena has, in pieces as long as the arena gives out: the shortest that will do.
fn config(platform: Platform) -> SimConfig {
    SimConfig {
        max_block_bytes: MIN_BLOCK_BYTES,
        memory_bytes: u64_of(ARENA_PAGES * PAGE_BYTES),
        ..SimConfig::new(platform)
    }
}

fn run_on(sim: &Sim, check: impl FnOnce(Finished<'_, SimHal>)) {
    let irq = IrqFlag::new();
    let mut memory = Box::new(Memory::new());
    check(run(sim.hal(), memory.lend(), &irq));
}

#[test]
fn the_program_passes_on_both_platforms_in_the_memory_it_brings() {
    for (platform, name) in [(Platform::tgl(), "tgl"), (Platform::lnl(), "lnl")] {
        let sim = Sim::new(&config(platform)).unwrap();
        run_on(&sim, |finished| assert_eq!(finished.verdict, Verdict::Passed, "{name}"));
        assert_eq!(sim.violations(), [""; 0], "{name}");
        let (given, taken_back) = sim.buffers();
        assert!(given > 0 && given == taken_back, "{name}: {given} buffers given, {taken_back} taken back");
    }
}

#[test]
fn it_says_so_when_the_gpu_does_not_run() {
    let sim = Sim::new(&SimConfig { execution: false, ..config(Platform::tgl()) }).unwrap();
    run_on(&sim, |finished| assert_eq!(finished.verdict, Verdict::TimedOut));
    let (given, taken_back) = sim.buffers();
    assert_eq!(given, taken_back);
}

#[test]
fn a_hal_call_that_fails_never_leaves_a_buffer_behind() {
    let sim = Sim::new(&config(Platform::lnl())).unwrap();
    sim.set_faults(&[]);
    run_on(&sim, |finished| assert_eq!(finished.verdict, Verdict::Passed));
    let calls = sim.hal_calls();
    let mut refused = 0;
    for call in 0..calls {
        sim.set_faults(&[Fault::FailCall(call)]);
        // Failures while closing change nothing for the program, so passing is right too.
        run_on(&sim, |finished| match finished.verdict {
            Verdict::Passed => {}
            Verdict::Refused(_) => refused += 1,
            verdict @ (Verdict::TimedOut | Verdict::Differs { .. }) => panic!("call {call}: {verdict:?}"),
        });
        let (given, taken_back) = sim.buffers();
        assert_eq!(given, taken_back, "call {call} of {calls}");
    }
    assert!(refused > 20, "only {refused} of {calls} calls could be refused");
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
