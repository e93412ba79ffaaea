//! How a server begins and ends, and what it says.

use crate::server::{BAR0, CONFIG, Scratch, Server, read32, spawn, wait, write32};
use core::time::Duration;
use rustix::process::{Pid, Signal, kill_process};
use std::io::{Read as _, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;

/// Runs the command with arguments that it cannot use.
pub(crate) fn refused(socket: &Path, args: &[&str]) -> String {
    let mut child = spawn(socket, args);
    let status = wait(&mut child);
    let (mut out, mut err) = (String::new(), String::new());
    child.stdout.take().unwrap().read_to_string(&mut out).unwrap();
    child.stderr.take().unwrap().read_to_string(&mut err).unwrap();
    assert_eq!((status, out.as_str()), (Some(2), ""), "{err}");
    err
}

#[test]
fn what_cannot_be_used_is_named() {
    let socket = Scratch::new("socket");
    let rows: [(&[&str], &str); 8] = [
        (&["--platform", "hsw"], "possible values: tgl, lnl"),
        (&["--msi", "16"], "possible values: 32, 64"),
        (&["--ggms", "4"], "4 is not in 1..=3"),
        (&["--ggms", "1", "--platform", "lnl"], "platform lnl has one size of GGTT"),
        (&["--ggtt", "none"], "possible values: mapped, messages"),
        (&["--trace", "/no/such/folder/trace.json"], "/no/such/folder/trace.json: No such file"),
        (&["--trace-events", "5"], "--trace <FILE>"),
        (&["more"], "unexpected argument 'more'"),
    ];
    for (args, part) in rows {
        let err = refused(socket.path(), args);
        assert!(err.contains(part), "{args:?}: {err}");
        assert!(!socket.path().exists(), "{args:?}");
    }
}

#[test]
fn a_path_that_cannot_be_listened_on_is_named() {
    let file = Scratch::with("file", "text");
    assert!(refused(file.path(), &[]).contains("it exists and is no socket"));
    assert_eq!(std::fs::read_to_string(file.path()).unwrap(), "text");
    let nowhere = Path::new("/no/such/folder/socket");
    assert!(refused(nowhere, &[]).contains("/no/such/folder/socket: no socket can be made there"));
    let long = Scratch::new(&"x".repeat(120));
    assert!(refused(long.path(), &[]).contains("no socket can be made there"));
}

#[test]
fn a_server_that_lives_keeps_its_path_and_one_that_died_does_not() {
    let server = Server::start(&[]);
    assert!(refused(server.socket.path(), &[]).contains("another server listens there"));
    // It was asked whether it lives, and did not take that for a peer.
    let mut client = server.client();
    assert_eq!(read32(&mut client, CONFIG, 0), 0x9A49_8086);
    drop(client);
    assert_eq!(server.end().status, Some(0));
    let left_over = Scratch::new("socket");
    drop(UnixListener::bind(left_over.path()).unwrap());
    assert!(left_over.path().exists());
    let server = Server::start_at(left_over, &[]);
    drop(server.client());
    assert_eq!(server.end().status, Some(0));
}

#[test]
fn a_server_that_keeps_resets_the_device_for_the_next_peer() {
    let mut server = Server::start(&["--keep"]);
    for _ in 0..3 {
        let mut client = server.client();
        assert_eq!(read32(&mut client, CONFIG, 4) & 7, 0);
        write32(&mut client, CONFIG, 4, 2);
        assert_eq!(read32(&mut client, BAR0, 0x19_0090), 0);
        write32(&mut client, BAR0, 0x19_0090, 5);
        drop(client);
        let line = server.line();
        assert!(line.starts_with("the peer left: 2 reads, 2 writes, "), "{line}");
    }
    kill_process(Pid::from_raw(server.id()).unwrap(), Signal::TERM).unwrap();
    let ended = server.end();
    assert_eq!((ended.status, ended.err.as_str()), (Some(0), "barexe: ended by a signal\n"));
}

/// A message of the protocol: command, and what comes behind the header.
fn message(command: u16, body: &[u8]) -> Vec<u8> {
    let size = 16 + body.len() as u32;
    let mut bytes = vec![7, 0];
    bytes.extend(command.to_le_bytes());
    bytes.extend(size.to_le_bytes());
    bytes.extend([0; 8]);
    bytes.extend(body);
    bytes
}

fn version(major: u16, text: &[u8]) -> Vec<u8> {
    message(1, &[&major.to_le_bytes()[..], &1u16.to_le_bytes(), text].concat())
}

#[test]
fn a_peer_of_another_version_is_sent_away() {
    let server = Server::start(&[]);
    let mut peer = UnixStream::connect(server.socket.path()).unwrap();
    peer.write_all(&version(3, b"{\"capabilities\":{}}\0")).unwrap();
    let mut answer = Vec::new();
    let _ = peer.read_to_end(&mut answer);
    assert!(answer.is_empty(), "{answer:?}");
    let ended = server.end();
    assert_eq!(ended.status, Some(1));
    assert_eq!(ended.err, "barexe: the peer speaks version 3 of vfio-user, this server version 0\n");
}

#[test]
fn a_peer_that_talks_nonsense_ends_the_server_with_a_line() {
    let server = Server::start(&[]);
    let mut peer = UnixStream::connect(server.socket.path()).unwrap();
    // No zero at the end of the text.
    peer.write_all(&version(0, b"{}")).unwrap();
    let ended = server.end();
    assert_eq!(ended.status, Some(1));
    assert!(ended.err.starts_with("barexe: serve: the peer sent a message that makes no sense: "), "{}", ended.err);
}

#[test]
fn a_peer_that_dies_in_the_middle_of_a_message_has_left() {
    let server = Server::start(&[]);
    let mut peer = UnixStream::connect(server.socket.path()).unwrap();
    peer.write_all(&version(0, b"{\"capabilities\":{}}\0")).unwrap();
    let mut answer = [0; 20];
    peer.read_exact(&mut answer).unwrap();
    // A write of four bytes, of which two come.
    let head = [&0u64.to_le_bytes()[..], &CONFIG.to_le_bytes(), &4u32.to_le_bytes(), &[1, 2]].concat();
    peer.write_all(&message(10, &head)).unwrap();
    drop(peer);
    let ended = server.end();
    assert_eq!(ended.status, Some(0), "{}", ended.err);
    assert!(ended.out.starts_with("the peer left: "), "{}", ended.out);
}

#[test]
fn signals_end_a_server_in_order_at_any_time() {
    for (signal, connected) in [(Signal::TERM, false), (Signal::INT, true)] {
        let trace = Scratch::new("trace.json");
        let server = Server::start(&["--trace", trace.text()]);
        let client = connected.then(|| server.client());
        kill_process(Pid::from_raw(server.id()).unwrap(), signal).unwrap();
        let ended = server.end();
        assert_eq!((ended.status, ended.err.as_str()), (Some(0), "barexe: ended by a signal\n"));
        let text = std::fs::read_to_string(trace.path()).unwrap();
        let trace: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert!(trace["traceEvents"].is_array());
        drop(client);
    }
}

#[test]
fn registers_that_mean_nothing_are_listed_with_a_trace_and_counted_without() {
    let used = |args: &[&str]| {
        let server = Server::start(&[args, &["--c6", "off"]].concat());
        let mut client = server.client();
        write32(&mut client, CONFIG, 4, 2);
        write32(&mut client, BAR0, 0x9424, 1);
        for offset in [0x9424, 0x9424, 0x9140, 0xB158] {
            read32(&mut client, BAR0, offset);
        }
        drop(client);
        let ended = server.end();
        assert_eq!((ended.status, ended.broken_rules()), (Some(0), Vec::new()));
        assert!(ended.out.contains("; 4 uses of 2 unknown registers\n"), "{}", ended.out);
        ended.out.lines().filter(|line| line.starts_with("unknown register")).map(String::from).collect::<Vec<_>>()
    };
    assert_eq!(used(&[]), Vec::<String>::new());
    let trace = Scratch::new("trace.json");
    let listed = ["unknown register 0x9424: 2 reads, 1 writes", "unknown register 0xb158: 1 reads, 0 writes"];
    assert_eq!(used(&["--trace", trace.text()]), listed);
    let value: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(trace.path()).unwrap()).unwrap();
    assert_eq!(value["otherData"]["unknownRegisters"][0]["offset"], "0x9424");
}

#[test]
fn a_trace_has_what_happened_and_no_more_than_it_may() {
    for (limit, least_dropped) in [("200000", 0), ("50", 50)] {
        let trace = Scratch::new("trace.json");
        let server = Server::start(&["--trace", trace.text(), "--trace-events", limit]);
        let mut client = server.client();
        write32(&mut client, CONFIG, 4, 2);
        for offset in 0..100 {
            write32(&mut client, BAR0, 0x19_0090 + offset * 4, 0xABC0 + offset as u32);
        }
        client.reset().unwrap();
        std::thread::sleep(Duration::from_millis(5));
        write32(&mut client, CONFIG, 4, 6);
        drop(client);
        assert_eq!(server.end().status, Some(0));
        let value: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(trace.path()).unwrap()).unwrap();
        let events = value["traceEvents"].as_array().unwrap();
        let dropped = value["otherData"]["dropped"].as_u64().unwrap();
        assert!(dropped >= least_dropped && events.len() as u64 <= limit.parse().unwrap(), "{dropped}");
        let at = |name: &str| events.iter().position(|event| event["name"].as_str().unwrap().contains(name));
        let (reset, write) = (at("reset").unwrap(), at("write config 0x6").unwrap());
        assert!(reset < write);
        assert!(limit == "50" || at("write register 0xabc0").unwrap() < reset);
        let time = |index: usize| events[index]["ts"].as_f64().unwrap();
        assert!(time(write) - time(reset) >= 5_000.0, "device time follows wall time");
    }
}
