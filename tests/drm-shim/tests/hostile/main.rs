//! A server under attack: clients that send what is no message, that never read, that die while they are answered, that take
//! whatever they are given. A neighbour goes on, whoever comes is served, and nothing of the attackers is left.
//!
//! Each test starts itself again: as the server, as the neighbour, and as attackers, who speak with the socket themselves.
#![expect(
    unsafe_code,
    dead_code,
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::arithmetic_side_effects,
    clippy::multiple_unsafe_ops_per_block,
    reason = "a test that speaks to a system by raw calls, in words cut on purpose; what fails there fails the test"
)]

#[path = "../common/mod.rs"]
mod common;
mod greed;
mod noise;
mod raw;

use barexe_drm::Remote;
use common::served::{Served, is_told_to_end, role};
use common::{Client, store};
use core::sync::atomic::{AtomicBool, Ordering};
use core::time::Duration;
use std::path::Path;
use std::sync::mpsc;
use std::time::Instant;

/// Longest time that anything may take beside an attack, on a machine that has other work as well.
pub(crate) const BOUND: Duration = Duration::from_secs(10);

/// A client comes, lets the GPU store a number, and goes.
fn round(value: u32) {
    const BATCH: u64 = 0x10_0000;
    const RESULT: u64 = 0x20_0000;
    let client = Client::new();
    let [(batch, batch_at), (result, result_at)] = [client.page(), client.page()];
    client.bind((0, batch, 0), BATCH);
    client.bind((0, result, 0), RESULT);
    store(batch_at, RESULT, value);
    client.exec(client.queue(), BATCH).unwrap();
    client.wait(20_000).unwrap();
    // SAFETY: inside of a mapped page.
    assert_eq!(unsafe { result_at.read_volatile() }, value);
    for page in [batch_at, result_at] {
        // SAFETY: a page of this client, which nobody uses any more.
        assert_eq!(unsafe { libc::munmap(page.cast(), 4096) }, 0);
    }
}

/// Goes on until it is told to end.
fn be_a_neighbour() {
    let (mut rounds, mut slowest) = (0, Duration::ZERO);
    while !is_told_to_end() {
        rounds += 1;
        let began = Instant::now();
        round(rounds);
        slowest = slowest.max(began.elapsed());
    }
    println!("neighbour: {rounds} rounds, the slowest took {slowest:?}");
    assert!(rounds > 0 && slowest < BOUND, "{rounds} rounds, the slowest took {slowest:?}");
}

/// Somebody new connects, and is answered.
fn newcomer(socket: &Path) {
    let (socket, (answered, answer)) = (socket.to_path_buf(), mpsc::channel());
    std::thread::spawn(move || answered.send(Remote::connect(&socket).unwrap().state().unwrap()));
    assert!(answer.recv_timeout(BOUND).is_ok(), "whoever comes is not served");
}

/// Attacks a server by this test's role `attack`, a client of it.
fn besiege(test: &'static str, attack: fn(&Path)) {
    match role().as_deref() {
        Some("neighbour") => return be_a_neighbour(),
        Some(_) => return attack(Path::new(&std::env::var_os("BAREXE_SOCKET").unwrap())),
        None => {}
    }
    let served = Served::start(test);
    let (neighbour, attacker, over) = (served.client("neighbour"), served.client("attacker"), AtomicBool::new(false));
    let said = std::thread::scope(|scope| {
        let attacker = scope.spawn(|| {
            let said = std::panic::catch_unwind(core::panic::AssertUnwindSafe(|| attacker.wait()));
            over.store(true, Ordering::Release);
            said
        });
        while !over.load(Ordering::Acquire) {
            newcomer(served.socket());
            std::thread::sleep(Duration::from_millis(20));
        }
        attacker.join().unwrap().unwrap()
    });
    let told = |said: &str| said.lines().filter(|line| line.contains(": ")).map(|line| println!("{line}")).count();
    assert!(told(&said) + told(&neighbour.end()) > 0);
    let state = served.settled();
    assert_eq!((state.clients, state.buffers, state.buffer_bytes, state.quiet), (0, 0, 0, true), "{state}");
}

#[test]
fn messages_that_make_no_sense_harm_nobody() {
    besiege("messages_that_make_no_sense_harm_nobody", noise::attack);
}

#[test]
fn a_client_that_never_reads_keeps_nobody_waiting() {
    besiege("a_client_that_never_reads_keeps_nobody_waiting", greed::never_read);
}

#[test]
fn a_client_that_dies_while_it_is_answered_leaves_nothing() {
    besiege("a_client_that_dies_while_it_is_answered_leaves_nothing", greed::die);
}

#[test]
fn thousands_of_connections_leave_room_for_others() {
    besiege("thousands_of_connections_leave_room_for_others", greed::connect);
}

#[test]
fn a_client_that_takes_all_it_is_given_leaves_descriptors_for_others() {
    besiege("a_client_that_takes_all_it_is_given_leaves_descriptors_for_others", greed::take);
}

#[test]
fn what_takes_long_to_close_is_closed_at_its_senders_expense() {
    besiege("what_takes_long_to_close_is_closed_at_its_senders_expense", greed::linger);
}
