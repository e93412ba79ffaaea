//! What the scenario of the sweeps maps, seen by the simulator's own walk: leaves of every size.
#![expect(
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    clippy::unwrap_used,
    reason = "helpers of these tests fail by panicking, and compute with addresses below 2^32"
)]

use barexe_core::gt::{EngineClass, IrqFlag};
use barexe_sim::Sim;
use barexe_tests::rig::platforms;
use barexe_tests::scenario::{EVERYTHING, Make, Step};
use barexe_tests::storage::boxed;
use barexe_tests::world::{World, sim};
use std::sync::Arc;

/// `EXECLIST_SQ_CONTENTS` of BCS0: the descriptor that was submitted last.
const SUBMITTED: u32 = 0x2_2510;
/// Dwords of the register image with the root of the page tables, one page behind what the descriptor names.
const ROOT_HIGH: u64 = 0x1000 + 0x31 * 4;
const ROOT_LOW: u64 = 0x1000 + 0x33 * 4;

fn peek32(sim: &Sim, addr: u64) -> u32 {
    u32::from_le_bytes(sim.peek(addr, 4).unwrap().try_into().unwrap())
}

/// Root of the address space of the context that BCS0 was given last: through the GGTT, out of its image.
fn root(sim: &Sim) -> u64 {
    let image = u64::from(sim.register(SUBMITTED) & 0xFFFF_F000);
    let snapshot = sim.snapshot();
    let bus = |at: u64| {
        let page = (image.wrapping_add(at) >> 12) as u32;
        let run = snapshot.ggtt.iter().find(|run| (run.first..run.first + run.pages).contains(&page)).unwrap();
        (run.entry & 0x7F_FFFF_F000) + (image.wrapping_add(at) & 0xFFF)
    };
    u64::from(peek32(sim, bus(ROOT_HIGH))) << 32 | u64::from(peek32(sim, bus(ROOT_LOW)))
}

#[test]
fn the_scenario_has_leaves_of_every_size() {
    for platform in platforms() {
        let (sim, irq) = (sim(&platform), Arc::new(IrqFlag::new()));
        let mut owner = boxed();
        let mut world = World::open(&sim, owner.lend(), &irq).unwrap();
        let first_bind = EVERYTHING.iter().position(|step| matches!(step, Step::Bind(..))).unwrap();
        // The fifth batch stores nothing that is not mapped by the first bind.
        let runs = [Step::Make(Make::ExecQueue(0, EngineClass::Copy)), Step::Exec(0, Some(0x1_0600), &[]), Step::Wait];
        for step in EVERYTHING[..=first_bind].iter().chain(&runs) {
            world.step(step).unwrap();
        }
        // The queue's context is on the engine until the driver puts the idle one in its place, which has no root.
        world.step(&Step::Exec(0, Some(0x1_0600), &[])).unwrap();
        let root = root(&sim);
        let want =
            [(0x1_0000, 64 << 10), (0x40_0000_1000, 4 << 10), (0x80_0000_0000, 2 << 20), (0x80_0020_0000, 64 << 10)];
        for (va, bytes) in want {
            let leaf = sim.walk(root, va).unwrap();
            assert_eq!((leaf.bytes, leaf.writable), (bytes, true), "{} at {va:#x}", platform.name);
        }
        assert_eq!(sim.walk(root, 0x70_0000_0000), None);
        world.step(&Step::Wait).unwrap();
        let _ = world.close();
    }
}
