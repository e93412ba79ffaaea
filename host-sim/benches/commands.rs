//! Commands per second of the simulator.
//!
//! `cargo bench -p barexe-sim`. Each line: what was executed, how many commands, millions a second. A batch of stores
//! that jumps back to its beginning runs for a fixed number of commands; so do copies, counted in bytes.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::arithmetic_side_effects,
    clippy::float_arithmetic,
    clippy::print_stdout,
    reason = "a benchmark may end, and says what it measured"
)]

#[path = "../tests/device/mini.rs"]
#[expect(dead_code, reason = "the tests use the rest of it")]
mod mini;

use barexe_sim::{Coherence, Platform, SimConfig};
use mini::{BCS, Mini, SECOND_VA, VA};
use std::time::Instant;

/// The batch of `body`, over and over.
fn endless(body: &[u32]) -> Vec<u32> {
    let mut batch = body.to_vec();
    batch.extend([0x1880_0001, VA as u32, 0]);
    batch
}

/// Runs the batch for so many commands; seconds it took.
fn seconds(config: &SimConfig, batch: &[u32], commands: u64) -> f64 {
    let mut mini = Mini::new(config, &[BCS]);
    mini.context(BCS);
    mini.pages[0].copy_u32(0, batch).unwrap();
    mini.emit(&[0x1880_0101, VA as u32, 0, 0]);
    mini.submit(BCS);
    let _ = mini.sim.run(1000);
    let start = Instant::now();
    let report = mini.sim.run(commands);
    let seconds = start.elapsed().as_secs_f64();
    assert!(report.commands >= commands && !report.idle, "{:?}", mini.sim.halted());
    drop(mini.close());
    seconds
}

fn measure(name: &str, config: &SimConfig, body: &[u32], commands: u64) {
    let best = (0..3).map(|_| seconds(config, &endless(body), commands)).fold(f64::MAX, f64::min);
    println!("{name:<44} {commands:>9} commands  {:>8.2} million/s", commands as f64 / best / 1e6);
}

fn main() {
    let platforms = [Platform::tgl(), Platform::lnl()];
    let stores: Vec<u32> = (0..64u32).flat_map(|n| [0x1000_0002, SECOND_VA as u32 + n * 64, 0, n]).collect();
    for platform in platforms {
        let strict = SimConfig::new(platform);
        let mut traced = strict.clone();
        traced.timeline_events = 1000;
        let mut coherent = strict.clone();
        coherent.coherence = Coherence::Coherent;
        let name = strict.platform.name;
        measure(&format!("{name}: stores"), &strict, &stores, 2_000_000);
        measure(&format!("{name}: stores, coherent memory"), &coherent, &stores, 2_000_000);
        measure(&format!("{name}: stores, with a timeline"), &traced, &stores, 200_000);
        measure(&format!("{name}: no-operations"), &strict, &[0; 512], 2_000_000);
        let count = [0x1780_0501, SECOND_VA as u32, 0];
        measure(&format!("{name}: atomics and jumps"), &strict, &count, 2_000_000);
    }
    let lnl = SimConfig::new(Platform::lnl());
    let copy = [0x5688_0008, 15, 0, 0, 0, SECOND_VA as u32, 0, SECOND_VA as u32, 0, 0x3000_0018];
    let commands = 200_000;
    let best = (0..3).map(|_| seconds(&lnl, &endless(&copy), commands)).fold(f64::MAX, f64::min);
    // Fetching, moving its one piece, and the jump: a third of the commands copy 4 KiB.
    let bytes = commands as f64 / 3.0 * 4096.0;
    println!("{:<44} {commands:>9} commands  {:>8.2} GB/s", "lnl: MEM_COPY of 4 KiB", bytes / best / 1e9);
}
