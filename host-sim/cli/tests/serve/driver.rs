//! The whole driver over the protocol, on both parts: every result is checked, and every rule of the hardware kept.

use crate::hal::VfioHal;
use crate::server::{CONFIG, Server, write32};
use barexe_cli::demo::checks;
use barexe_cli::demo::script::{self, Notes, Seen};
use barexe_cli::machine::{Leftover, storage};
use barexe_core::device::{Config, Device};
use barexe_core::gt::IrqFlag;
use barexe_hal::conformance::{self, RULE_COUNT, Setup};
use barexe_hal::{BusAddr, RegOffset};
use std::sync::Arc;
use std::time::Instant;

struct Silent;

impl Notes for Silent {
    fn mark(&self, _: &str) {}

    fn note(&self, _: &'static str, _: &str) {}
}

/// The demo's script on a device that is opened and closed for it, and how many interrupts came.
pub(crate) fn play(hal: VfioHal) -> (Result<Seen, barexe_core::Error>, VfioHal) {
    let irq = Arc::new(IrqFlag::new());
    let mut hal = hal;
    hal.mark = Some(Arc::clone(&irq));
    let mut storage = storage();
    match Device::open(hal, storage.lend(), Config { allow_unverified: true, ..Config::default() }, Some(&irq)) {
        Ok(mut device) => {
            let seen = script::play(&Silent, &mut device, &mut |_, _, _| ());
            (seen, device.close().0)
        }
        Err(failed) => (Err(failed.error), failed.hal),
    }
}

fn run(args: &[&str], times: u64) {
    let server = Server::start(args);
    let mut hal = VfioHal::new(&server);
    assert_eq!(hal.maps_ggtt(), !args.contains(&"messages"));
    let mut seen = Vec::new();
    for _ in 0..times {
        let (result, back) = play(hal);
        seen.push(result.unwrap());
        hal = back;
    }
    assert!(hal.interrupts >= times, "{args:?}: {} interrupts", hal.interrupts);
    let (buffers_given, buffers_returned) = (hal.ram.given, hal.ram.returned);
    drop(hal);
    let ended = server.end();
    assert_eq!((ended.status, ended.err.as_str()), (Some(0), ""), "{}", ended.out);
    let leftover = Leftover { violations: ended.broken_rules(), halted: Vec::new(), buffers_given, buffers_returned };
    for seen in &seen {
        let failed: Vec<_> = checks::all(seen, &leftover).into_iter().filter(|check| !check.passed).collect();
        assert!(failed.is_empty(), "{args:?}: {failed:?}");
    }
}

#[test]
fn a_driver_binds_runs_and_checks_on_both_parts() {
    // The second opening finds what the first one left. On Lunar Lake one takes seconds: a hundred thousand writes around
    // its global table, each of which waits for its answer.
    for (platform, msi, times) in [("tgl", "32", 2), ("tgl", "64", 1), ("lnl", "64", 1)] {
        run(&["--platform", platform, "--msi", msi, "--strict"], times);
    }
}

#[test]
fn a_driver_may_as_well_write_the_global_table_by_messages() {
    run(&["--ggtt", "messages", "--ggms", "1", "--strict"], 1);
}

/// The suite of the HAL, over the protocol: what is measured is printed.
#[test]
fn the_peers_hal_keeps_every_rule() {
    for args in [&["--platform", "tgl"][..], &["--platform", "lnl"], &["--ggtt", "messages"]] {
        let server = Server::start(args);
        let mut hal = VfioHal::new(&server);
        write32(&mut hal.client, CONFIG, 4, 6);
        let setup = Setup {
            // An interrupt mask: awake whatever sleeps, and nobody listens.
            scratch_register: RegOffset::at(0x19_0090),
            scratch_bits: u32::MAX,
            ggtt_hole_first: 0x4000,
            ggtt_hole_entries: 60,
            last_addr: BusAddr::new((1 << 39) - 1).unwrap(),
            user: None,
        };
        let began = Instant::now();
        let report = conformance::run(&mut hal, setup).unwrap_or_else(|failure| panic!("{args:?}: {failure}"));
        println!("{args:?}: {} rules, {} checks in {:?}", report.rules, report.checks, began.elapsed());
        assert_eq!(report.rules as usize, RULE_COUNT);
        assert_eq!(hal.ram.given, hal.ram.returned);
        drop(hal);
        assert_eq!(server.end().status, Some(0));
    }
}
