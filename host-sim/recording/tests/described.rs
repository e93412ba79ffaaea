//! Calls of recordings that others made, described again: every field, every piece of memory, every name.
#![expect(clippy::unwrap_used, reason = "a recording that cannot be read fails the test")]

use barexe_recording::{Body, Call, Payload, Recording, describe};
use std::path::PathBuf;

fn recordings() -> Vec<(String, Recording)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/data/clients");
    let read = |path: PathBuf| {
        let text = std::fs::read_to_string(&path).unwrap();
        (path.file_name().unwrap().to_string_lossy().into_owned(), text.parse().unwrap())
    };
    std::fs::read_dir(folder).unwrap().map(|entry| read(entry.unwrap().path())).collect()
}

/// Client memory as a recording has it.
fn read(payloads: &[Payload], addr: u64, into: &mut [u8]) -> bool {
    let found = payloads.iter().filter(|payload| payload.addr.0 == addr).filter_map(|payload| payload.data.as_ref());
    let bytes = found.map(|data| &data.0).find(|bytes| bytes.len() >= into.len());
    bytes.and_then(|bytes| bytes.get(..into.len())).map(|bytes| into.copy_from_slice(bytes)).is_some()
}

fn told(payloads: &[Payload]) -> Vec<serde_json::Value> {
    payloads.iter().map(|payload| serde_json::to_value(payload).unwrap()).collect()
}

fn check(place: &str, call: &Call) {
    let request = call.request_code();
    let given = describe::given(request, &call.input.0, &mut |addr, into| read(&call.payloads, addr, into));
    assert_eq!((&given.name, &given.fields), (&call.name, &call.fields), "{place}");
    assert_eq!(told(&given.payloads), told(&call.payloads), "{place}");
    let (arg, left) = (&call.input.0, call.output());
    let got = describe::got(request, (arg, left), call.ret < 0, &mut |addr, into| read(&call.out_payloads, addr, into));
    // Times are not in the struct of a recording, but in what is told beside it.
    let mut fields = got.fields;
    if let Some(timeout) = call.out_fields.get("timeout") {
        fields.insert("timeout".into(), timeout.clone());
    }
    assert_eq!(fields, call.out_fields, "{place}");
    assert_eq!(told(&got.payloads), told(&call.out_payloads), "{place}");
    assert_eq!(got.volatile, call.volatile, "{place}");
    let errno = i32::try_from(call.ret.saturating_neg()).ok().filter(|code| *code > 0).map(describe::errno_name);
    assert_eq!(errno, call.errno, "{place}");
}

#[test]
fn every_recorded_call_is_described_as_it_was_recorded() {
    let mut calls = 0;
    for (name, recording) in recordings() {
        for event in &recording.events {
            if let Body::Call(call) = &event.body {
                check(&format!("{name} line {}", event.n), call);
                calls += 1;
            }
        }
    }
    assert!(calls > 1000, "{calls}");
}

/// What was read is written as it was: the writer leaves nothing out and adds nothing.
#[test]
fn what_is_written_is_what_was_read() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/data/clients");
    for (name, recording) in recordings() {
        let text = std::fs::read_to_string(folder.join(&name)).unwrap();
        for (event, line) in recording.events.iter().zip(text.lines().skip(1)) {
            let written: barexe_recording::Event =
                serde_json::from_str(&serde_json::to_string(event).unwrap()).unwrap();
            let unpacked = |event: &barexe_recording::Event| serde_json::to_value(event).unwrap();
            assert_eq!(unpacked(&written), unpacked(event), "{name}");
            let keys = |value: &serde_json::Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
            let original: serde_json::Value = serde_json::from_str(line).unwrap();
            assert_eq!(keys(&unpacked(event)), keys(&original), "{name} line {}", event.n);
        }
    }
}
