//! Random calls beside a naive model: a plain map from address to backing, and a list of calls that are not over.
//!
//! After every step the simulator's own walk of every address space must show what the map says; of calls that are not
//! over it may show what the order rules allow (bind-and-exec sheet §4.7, §5.2). Whenever nothing is left to do the
//! tables that the walk reaches are all that are in use.
//!
//! | file | what it knows |
//! |---|---|
//! | `space` | the map, and what an operation does to it |
//! | `ops` | random operations |
//! | `calls` | calls that are not over: what they wait for, what they may have done |
//! | `world` | the device with its VMs, objects and fences, and one random step after the other |
//! | `vm` | an address space of the device, its map and its calls |
//! | `binds`, `execs`, `reader` | the steps that bind, run batches, and read while mappings change |
//! | `check` | the walk against the map |
#![expect(
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a model in a test: whatever goes wrong ends it, and numbers are small"
)]

mod binds;
mod calls;
mod check;
mod execs;
mod ops;
mod reader;
mod space;
mod vm;
mod world;

use barexe_core::device::{Config, TableWriter};
use barexe_sim::{Platform, SimConfig};
use barexe_tests::random::{Seed, seeds};
use barexe_tests::rig::{all_platforms, on_opened, platforms};
use world::World;

/// Steps of one run.
const STEPS: u32 = 1500;

fn play(tables: TableWriter, platforms: impl IntoIterator<Item = Platform> + Clone, runs: u64) {
    for seed in seeds(runs) {
        for platform in platforms.clone() {
            let _seed = Seed(seed);
            let config = Config { tables, ..Config::default() };
            on_opened(&SimConfig::new(platform), config, |rig| {
                World::new(rig, seed).play(STEPS).assert_covered();
            });
        }
    }
}

#[test]
fn tables_written_by_the_cpu_are_what_the_map_says() {
    play(TableWriter::Cpu, platforms(), 2);
}

#[test]
fn tables_written_by_the_copy_engine_are_what_the_map_says() {
    play(TableWriter::Engine, platforms(), 1);
}

#[test]
fn tables_written_by_whoever_may_are_what_the_map_says() {
    play(TableWriter::Auto, platforms(), 1);
}

/// On a part with two tiles: the tables of each.
#[test]
fn tables_of_every_tile_are_what_the_map_says() {
    let part: Vec<Platform> = all_platforms().into_iter().filter(|platform| platform.tiles == 2).collect();
    assert!(!part.is_empty());
    play(TableWriter::Cpu, part.clone(), 1);
    play(TableWriter::Engine, part, 1);
}
