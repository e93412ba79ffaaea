//! What the system says of a program's descriptors, and fences on buffers that are shared by descriptor.
#![expect(
    unsafe_code,
    dead_code,
    clippy::panic,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::multiple_unsafe_ops_per_block,
    reason = "a test that speaks to a system by raw calls, in words cut on purpose; what fails there fails the test"
)]

mod common;

use common::served::{Served, role};
use common::{Client, call, client, end, high, is_a_client, pair, spin};
use core::time::Duration;
use std::collections::BTreeMap;
use std::fs;

/// What is said of a descriptor, by key.
fn said(client: &Client) -> BTreeMap<String, String> {
    let text = fs::read_to_string(format!("/proc/self/fdinfo/{}", client.fd())).unwrap();
    let pairs = text.lines().filter_map(|line| line.split_once(':'));
    pairs.map(|(key, value)| (key.to_owned(), value.trim().to_owned())).collect()
}

fn number(said: &BTreeMap<String, String>, key: &str) -> u64 {
    said[key].parse().unwrap()
}

fn looks() {
    let client = Client::new();
    let idle = said(&client);
    assert_eq!((idle["drm-driver"].as_str(), idle["drm-pdev"].as_str()), ("xe", "0000:00:02.0"));
    assert!(idle.contains_key("flags") && idle.contains_key("drm-client-id"), "{idle:?}");
    assert_eq!((idle["drm-total-gtt"].as_str(), number(&idle, "drm-cycles-rcs")), ("0", 0));
    let batch = spin(&client);
    std::thread::sleep(Duration::from_millis(50));
    let before = said(&client);
    std::thread::sleep(Duration::from_millis(200));
    let after = said(&client);
    assert_eq!(before["drm-total-gtt"], "4 KiB");
    assert_eq!(before["drm-active-gtt"], "4 KiB");
    let moved = |key| number(&after, key).saturating_sub(number(&before, key));
    let (worked, passed) = (moved("drm-cycles-rcs"), moved("drm-total-cycles-rcs"));
    let percent = worked.saturating_mul(100).checked_div(passed).unwrap();
    assert!((90..=105).contains(&percent), "{worked} of {passed}");
    assert_eq!(moved("drm-cycles-bcs"), 0);
    end(batch);
    client.wait(20_000).unwrap();
    assert_eq!(said(&client)["drm-active-gtt"], "0");
}

#[test]
fn a_program_sees_what_it_uses() {
    const TEST: &str = "a_program_sees_what_it_uses";
    if is_a_client() {
        return looks();
    }
    for platform in ["tgl", "lnl"] {
        let (fine, said) = client(TEST, &[("BAREXE_PLATFORM", platform)]);
        assert!(fine, "{platform}: {said}");
    }
}

#[test]
fn a_program_sees_what_it_uses_of_a_server() {
    if role().is_some() {
        return looks();
    }
    let served = Served::start("a_program_sees_what_it_uses_of_a_server");
    drop(served.client("client").wait());
}

const EXPORT: u32 = 0xC008_6202;
const IMPORT: u32 = 0x4008_6203;
const READS: u32 = 1;
const WRITES: u32 = 2;

/// Whether the fence that readers or writers of a buffer wait for is signalled.
fn is_free(buffer: i32, wants: u32) -> bool {
    let mut arg = [pair(wants, 0)];
    call(buffer, EXPORT, &mut arg).unwrap();
    let mut entry = libc::pollfd { fd: high(arg[0]).cast_signed(), events: libc::POLLIN, revents: 0 };
    // SAFETY: one entry, and a descriptor of the test.
    unsafe { libc::poll(&raw mut entry, 1, 0) == 1 && libc::close(entry.fd) == 0 }
}

fn fences() {
    let client = Client::new();
    let (handle, _) = client.page();
    let mut export = [pair(handle, 2), 0];
    call(client.fd(), 0xC00C_642D, &mut export).unwrap();
    let buffer = export[1] as i32;
    assert!(is_free(buffer, READS) && is_free(buffer, WRITES));
    let batch = spin(&client);
    let mut file = [pair(client.syncobj, 1), u64::from(u32::MAX), 0];
    call(client.fd(), 0xC018_64C1, &mut file).unwrap();
    let fence = file[1] as u32;
    assert_eq!(call(buffer, IMPORT, &mut [pair(READS, fence)]), Ok(0));
    assert!(is_free(buffer, READS) && !is_free(buffer, WRITES), "a writer waits for readers");
    assert_eq!(call(buffer, IMPORT, &mut [pair(WRITES, fence)]), Ok(0));
    assert!(!is_free(buffer, READS), "a reader waits for writers");
    end(batch);
    client.wait(20_000).unwrap();
    assert!(is_free(buffer, READS) && is_free(buffer, WRITES));
    assert_eq!(call(buffer, EXPORT, &mut [pair(0, 0)]), Err(libc::EINVAL));
    assert_eq!(call(buffer, IMPORT, &mut [pair(READS, 0)]), Err(libc::EINVAL), "no sync file");
}

#[test]
fn fences_go_onto_a_buffer_and_come_from_it() {
    const TEST: &str = "fences_go_onto_a_buffer_and_come_from_it";
    if is_a_client() {
        return fences();
    }
    let (fine, said) = client(TEST, &[]);
    assert!(fine, "{said}");
}

#[test]
fn fences_go_onto_a_buffer_of_a_server_and_come_from_it() {
    if role().is_some() {
        return fences();
    }
    let served = Served::start("fences_go_onto_a_buffer_of_a_server_and_come_from_it");
    drop(served.client("client").wait());
    let state = served.settled();
    assert_eq!((state.clients, state.buffers, state.quiet), (0, 0, true), "{state}");
}
