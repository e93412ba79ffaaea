//! Random changes against a naive model: a list of mappings, each with its memory.
//!
//! After every step the device's walk of the tables gives what the model says, the notes count what the model counts,
//! every table is in the tree, dropped, or free, and dropped tables are untouched until they are released.
//! A failure prints its seed; `BAREXE_SEED` runs one seed alone.

mod check;
mod memory;
mod world;

use super::FORMATS;
use barexe_tests::random::{Random, Seed, seeds};
use barexe_tests::tables::{Room, with_tables};
pub(super) use memory::{random_pages, random_range};
use world::World;

const SEEDS: u64 = 4;
const STEPS: usize = 150;

fn run(seed: u64, scratch: bool) {
    let _seed = Seed(seed);
    for format in FORMATS {
        let room = Room { tables: 2048, directories: 512, max_block_bytes: 4096 << (seed % 7) };
        with_tables(format, scratch, room, |rig| {
            let mut world = World::new(rig, Random::new(seed), scratch);
            for _ in 0..STEPS {
                world.step();
                world.check();
            }
            world.end();
        });
    }
}

#[test]
fn random_changes_leave_what_the_model_has() {
    for seed in seeds(SEEDS) {
        run(seed, false);
    }
}

#[test]
fn random_changes_of_a_scratch_vm_leave_what_the_model_has() {
    for seed in seeds(SEEDS) {
        run(seed, true);
    }
}
