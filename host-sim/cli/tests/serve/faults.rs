//! Plans of what goes wrong: at the registers, and under a whole driver.

use crate::driver::play;
use crate::ends::refused;
use crate::hal::VfioHal;
use crate::server::{BAR0, CONFIG, Ended, Scratch, Server, read32, write32};
use barexe_cli::demo::batch;
use barexe_cli::demo::script::Seen;
use barexe_core::Error;
use barexe_core::device::TicketState;
use core::time::Duration;
use std::time::Instant;

/// A register without side effects.
const MASK: u64 = 0x19_0090;

fn server(plan: &str) -> (Server, Scratch) {
    let file = Scratch::with("faults.json", plan);
    let server = Server::start(&["--faults", file.text()]);
    (server, file)
}

#[test]
fn a_plan_that_cannot_be_used_is_named_with_line_and_field() {
    let socket = Scratch::new("socket");
    assert!(refused(socket.path(), &["--faults", "/no/such/plan"]).contains("/no/such/plan: No such file"));
    let file = Scratch::with(
        "plan.json",
        "[\n  { \"match\": \"msi\", \"action\": \"drop\" },\n  { \"match\": \"msi\", \"acton\": \"drop\" }\n]",
    );
    let err = refused(socket.path(), &["--faults", file.text()]);
    assert!(err.starts_with(&format!("barexe: {}: unknown field `acton`", file.text())), "{err}");
    assert!(err.contains("at line 3"), "{err}");
}

#[test]
fn registers_lie_forget_and_dawdle() {
    let (server, _file) = server(
        r#"[
        { "match": { "read": { "offset": "0x190090" } }, "nth": 2, "action": "all-ones" },
        { "match": { "read": { "offset": "0x190090" } }, "nth": 3, "times": 2, "action": { "value": "0xABC" } },
        { "match": { "write": { "offset": 1638548 } }, "nth": 2, "action": "drop" },
        { "match": { "write": { "offset": "0x190098" } }, "action": { "value": 9 } },
        { "match": { "read": { "offset": "0x19009c" } }, "action": { "delay-us": 30000 } },
        { "match": { "config-read": { "offset": 0 } }, "times": "always", "action": { "value": 1 } }
        ]"#,
    );
    let mut client = server.client();
    write32(&mut client, CONFIG, 4, 2);
    write32(&mut client, BAR0, MASK, 5);
    let read = [(); 5].map(|()| read32(&mut client, BAR0, MASK));
    assert_eq!(read, [5, u32::MAX, 0xABC, 0xABC, 5]);
    write32(&mut client, BAR0, MASK + 4, 1);
    write32(&mut client, BAR0, MASK + 4, 2);
    write32(&mut client, BAR0, MASK + 8, 3);
    assert_eq!((read32(&mut client, BAR0, MASK + 4), read32(&mut client, BAR0, MASK + 8)), (1, 9));
    let began = Instant::now();
    assert_eq!(read32(&mut client, BAR0, MASK + 12), 0);
    assert!(began.elapsed() >= Duration::from_millis(30));
    assert_eq!([(); 2].map(|()| read32(&mut client, CONFIG, 0)), [1, 1]);
    drop(client);
    assert_eq!(server.end().status, Some(0));
}

#[test]
fn a_device_that_is_gone_stays_gone() {
    let (server, _file) = server(r#"[{ "match": { "write": {} }, "nth": 3, "action": "gone" }]"#);
    let mut client = server.client();
    write32(&mut client, CONFIG, 4, 2);
    for value in 1..=3 {
        assert_eq!(read32(&mut client, BAR0, MASK), value - 1);
        write32(&mut client, BAR0, MASK, value);
    }
    client.reset().unwrap();
    write32(&mut client, CONFIG, 4, 2);
    assert_eq!((read32(&mut client, BAR0, MASK), read32(&mut client, CONFIG, 0)), (u32::MAX, u32::MAX));
}

/// The demo's script on a device with a plan.
fn played(plan: &str) -> (Result<Seen, Error>, VfioHal, Ended) {
    let (server, _file) = server(plan);
    let (seen, hal) = play(VfioHal::new(&server));
    // The peer leaves, its memory stays to be looked at.
    hal.client.shutdown().unwrap();
    (seen, hal, server.end())
}

#[test]
fn a_driver_lives_without_interrupts() {
    let (seen, hal, ended) = played(r#"[{ "match": "msi", "times": "always", "action": "drop" }]"#);
    let seen = seen.unwrap();
    assert_eq!((seen.bind, seen.exec, hal.interrupts), (TicketState::Done, TicketState::Done, 0));
    assert_eq!(ended.broken_rules(), Vec::<String>::new());
}

#[test]
fn a_late_interrupt_comes() {
    let (seen, hal, _) = played(r#"[{ "match": "msi", "times": "always", "action": { "delay-us": 100 } }]"#);
    assert_eq!(seen.unwrap().exec, TicketState::Done);
    assert!(hal.interrupts > 0);
}

#[test]
fn an_engine_that_hangs_does_not_finish_and_is_reset_at_the_end() {
    for what in [r#"{ "submission": {} }"#, r#"{ "command": { "name": "XY_FAST_COPY_BLT" } }"#] {
        let (seen, hal, ended) = played(&format!(r#"[{{ "match": {what}, "times": "always", "action": "hang" }}]"#));
        assert_ne!(seen.unwrap().exec, TicketState::Done, "{what}");
        assert_eq!((ended.status, hal.ram.given), (Some(0), hal.ram.returned), "{what}");
    }
}

/// Bytes of the demo's data.
fn at(seen: &Seen, offset: u64, len: usize) -> u64 {
    let start = offset as usize;
    let bytes = &seen.data[start..start + len];
    bytes.iter().rev().fold(0, |value, byte| value << 8 | u64::from(*byte))
}

#[test]
fn a_command_that_is_lost_leaves_its_result_out() {
    let plan = r#"[{ "match": { "command": { "engine": "bcs0", "name": "XY_FAST_COPY_BLT" } }, "action": "drop" }]"#;
    let (seen, _, _) = played(plan);
    let seen = seen.unwrap();
    assert_eq!(seen.exec, TicketState::Done);
    assert_eq!(at(&seen, batch::offset::MARK, 4), u64::from(batch::MARK));
    assert_eq!(seen.data[batch::offset::COPY as usize..][..64], [0; 64]);
}

#[test]
fn a_late_submission_is_done_late() {
    let began = Instant::now();
    let (seen, _, ended) = played(r#"[{ "match": { "submission": {} }, "action": { "delay-us": 40000 } }]"#);
    assert_eq!(seen.unwrap().exec, TicketState::Done);
    assert!(began.elapsed() >= Duration::from_millis(40));
    assert_eq!(ended.broken_rules(), Vec::<String>::new());
}

#[test]
fn a_device_that_goes_is_noticed_by_the_driver() {
    let (seen, hal, ended) = played(r#"[{ "match": { "submission": {} }, "action": "gone" }]"#);
    assert!(seen.is_err() || seen.is_ok_and(|seen| seen.exec != TicketState::Done));
    assert_eq!((ended.status, hal.ram.given), (Some(0), hal.ram.returned));
}
