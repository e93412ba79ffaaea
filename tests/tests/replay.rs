//! Real clients' calls on the core and the simulated parts.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a helper of these tests fails by panicking")]

use barexe_cli::hex;
use barexe_cli::replay::{Difference, Options, ReplayError, Report, replay_text};
use barexe_tests::clients::{BINDS, CLEAN, Lines, NOT_YET, all};
use serde_json::{Value, json};

const STORE: &str = "tgl-xe_exec_store-basic-store";

fn replayed(lines: &Lines) -> Report {
    replay_text(&lines.text(), &Options::default()).unwrap()
}

/// The one difference of a report.
#[track_caller]
fn only(report: &Report) -> &Difference {
    assert_eq!(report.differences, 1, "{report}");
    &report.listed[0]
}

fn bytes_of(text: &Value) -> Vec<u8> {
    hex::unpack(text.as_str().unwrap()).unwrap()
}

fn digits(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Turns all bits of one byte of a packed text.
fn turn(text: &mut Value, at: usize) {
    let mut bytes = bytes_of(text);
    bytes[at] = !bytes[at];
    *text = Value::from(digits(&bytes));
}

#[test]
fn recorded_clients_get_every_answer_and_every_byte() {
    for name in CLEAN {
        let lines = Lines::read(name);
        let report = replayed(&lines);
        assert_eq!(report.differences, 0, "{name}\n{report}");
        let results = lines.all("gpu_result").flat_map(|event| event["runs"].as_array().unwrap());
        let results: usize = results.map(|run| bytes_of(&run[1]).len()).sum();
        assert!(results > 0, "{name} has results");
        let queries = lines.all("call").filter(|call| call["name"] == "XE_DEVICE_QUERY");
        let answers = queries.flat_map(|call| call["out_payloads"].as_array().into_iter().flatten());
        assert!(answers.count() >= 5, "{name} has queries");
        // The bytes of engines, configuration and GTs alone are more than these.
        assert!(report.compared_bytes > results as u64 + 168 + 48 + 104, "{name}: {}", report.compared_bytes);
        assert_eq!(report.calls, lines.line(lines.first("end"))["calls"].as_u64().unwrap());
    }
}

#[test]
fn recorded_binds_get_every_answer_and_every_byte() {
    for name in BINDS {
        let lines = Lines::read(name);
        let report = replayed(&lines);
        assert_eq!(report.differences, 0, "{name}\n{report}");
        assert_eq!(report.calls, lines.line(lines.first("end"))["calls"].as_u64().unwrap());
    }
}

/// Suites, Vulkan and OpenCL start-up: all that there is, but for what is named with what it lacks.
#[test]
fn every_recorded_client_gets_every_answer_and_every_byte() {
    let names = all();
    assert_eq!(names.len(), 45, "{names:?}");
    for (name, _) in NOT_YET {
        assert!(names.iter().any(|known| known == name), "{name} is no recording");
    }
    for name in names {
        let lines = Lines::read(&name);
        let report = replayed(&lines);
        match NOT_YET.iter().find(|(lacking, _)| *lacking == name) {
            None => assert_eq!(report.differences, 0, "{name}\n{report}"),
            Some((_, what)) => assert!(report.differences > 0, "{name} has its {what} now: it is not to be listed"),
        }
        assert_eq!(report.calls, lines.line(lines.first("end"))["calls"].as_u64().unwrap(), "{name}");
    }
}

/// What is left of a time limit is no more than was given, and an answer about a queue is compared.
#[test]
fn answers_of_waits_and_properties_count() {
    let lines = Lines::read("tgl-xe_waitfence-reltime");
    let wait = lines.find(1, |line| line["name"] == "XE_WAIT_USER_FENCE" && line["fields"]["timeout"] != 0);
    let ret = replayed(&lines.with(wait, |call| call["ret"] = json!(-62)));
    assert_eq!((only(&ret).event, only(&ret).found.as_str()), (wait, "0"));
    let lines = Lines::read("tgl-xe_exec_queue_property-basic-get-property");
    let get = lines.call("XE_EXEC_QUEUE_GET_PROPERTY");
    let report = replayed(&lines.with(get, |call| call["out_fields"]["value"] = json!(1)));
    assert_eq!((only(&report).event, only(&report).expected.as_str()), (get, "1"));
}

const CUT_CLIENT_MEMORY: &str = "tgl-xe_vm-munmap-style-unbind-userptr-one-partial";

/// Pages replaced between two execs, and filled with the same batch: the second exec runs it where it is then.
#[test]
fn pages_that_a_client_replaces_are_bound_anew() {
    let lines = Lines::read(CUT_CLIENT_MEMORY);
    let (range, batch) = (lines.line(lines.first("user_range")).clone(), lines.first("cpu_write"));
    let result = lines.first("gpu_result");
    let again = lines.find(result, |line| line["type"] == "cpu_write");
    let remap = serde_json::json!({ "type": "remap", "addr": range["addr"], "length": range["length"] });
    let changed = lines.with_more(again, &[remap.clone(), lines.line(batch).clone()]);
    let writes = lines.all("cpu_write").count() + 1;
    let changed = changed.with(changed.first("end"), |end| end["cpu_writes"] = Value::from(writes));
    let report = replayed(&changed);
    assert_eq!(report.differences, 0, "{report}");
    let empty = replayed(&lines.with_more(again, &[remap]));
    assert!(empty.differences > 0, "fresh pages have no batch in them");
}

/// The recorder stops to look at memory, and begins again: the client had it all the time, and so has the job under way.
#[test]
fn memory_that_is_not_looked_at_is_still_the_clients() {
    let lines = Lines::read(CUT_CLIENT_MEMORY);
    let (range, batch) = (lines.line(lines.first("user_range")).clone(), lines.line(lines.first("cpu_write")).clone());
    let end = json!({ "type": "user_range_end", "addr": range["addr"], "length": range["length"] });
    let changed = lines.with_more(lines.call("XE_EXEC") + 1, &[end, range, batch]);
    let writes = lines.all("cpu_write").count() + 1;
    let changed = changed.with(changed.first("end"), |end| end["cpu_writes"] = Value::from(writes));
    let report = replayed(&changed);
    assert_eq!(report.differences, 0, "{report}");
}

#[test]
fn every_byte_of_a_result_in_client_memory_counts() {
    let lines = Lines::read(CUT_CLIENT_MEMORY);
    let at = lines.first("gpu_result");
    for index in 0..bytes_of(&lines.line(at)["runs"][0][1]).len() {
        let report = replayed(&lines.with(at, |event| turn(&mut event["runs"][0][1], index)));
        assert_eq!(report.differences, 1, "{report}");
        assert_eq!(report.listed[0].object, "user 0x1a00000");
    }
}

#[test]
fn without_execution_every_recording_differs() {
    for name in CLEAN {
        let lines = Lines::read(name);
        let report = replay_text(&lines.text(), &Options { execution: false }).unwrap();
        let result = lines.line(lines.first("gpu_result"))["n"].as_u64().unwrap();
        let missed = |difference: &Difference| difference.event as u64 == result && difference.found.starts_with("00");
        assert!(report.listed.iter().any(missed), "{name}\n{report}");
    }
}

#[test]
fn every_byte_of_every_result_counts() {
    for name in CLEAN {
        let lines = Lines::read(name);
        let at = lines.first("gpu_result");
        let run = &lines.line(at)["runs"][0];
        let (offset, bytes) = (run[0].as_u64().unwrap(), bytes_of(&run[1]));
        for (index, byte) in bytes.iter().enumerate() {
            let report = replayed(&lines.with(at, |event| turn(&mut event["runs"][0][1], index)));
            let want = Difference {
                event: at,
                object: format!("BO {}", lines.line(at)["bo"]),
                offset: Some(offset + index as u64),
                expected: digits(&[!byte]),
                found: digits(&[*byte]),
            };
            assert_eq!(*only(&report), want, "{name}");
        }
    }
}

#[test]
fn a_return_value_that_differs_names_call_and_codes() {
    let lines = Lines::read(STORE);
    for name in ["XE_VM_BIND", "XE_EXEC", "SYNCOBJ_WAIT", "XE_GEM_MMAP_OFFSET", "SYNCOBJ_DESTROY", "GEM_CLOSE"] {
        let at = lines.call(name);
        let report = replayed(&lines.with(at, |call| {
            call["ret"] = json!(-22);
            call["errno"] = json!("EINVAL");
        }));
        let want = Difference {
            event: at,
            object: format!("{name} return value"),
            offset: None,
            expected: String::from("-22 EINVAL"),
            found: String::from("0"),
        };
        assert_eq!(*only(&report), want);
    }
    // A refusal that was recorded as success: the query for something this device has not.
    let at = lines.find(1, |line| line["fields"]["query"] == 10);
    let report = replayed(&lines.with(at, |call| call["ret"] = json!(0)));
    let difference = only(&report);
    assert_eq!((difference.event, difference.expected.as_str()), (at, "0"));
    assert!(difference.found.starts_with("-19 ENODEV"), "{difference:?}");
}

#[test]
fn every_answer_that_is_a_fact_about_the_device_is_compared() {
    let lines = Lines::read(STORE);
    // Query, a byte of the answer, whether it is compared: used memory is not, nor which OA unit it is.
    let rows =
        [(0, 40, true), (1, 30, false), (1, 16, true), (2, 8, true), (3, 20, true), (8, 40, false), (8, 8, true)];
    for (query, byte, compared) in rows {
        let asks = |line: &Value| line["fields"]["query"] == query && !line["out_payloads"].is_null();
        let at = lines.find(1, asks);
        let report = replayed(&lines.with(at, |call| turn(&mut call["out_payloads"][0]["data"], byte)));
        assert_eq!(report.differences, u64::from(compared), "query {query} byte {byte}\n{report}");
        if compared {
            assert_eq!((report.listed[0].event, report.listed[0].offset), (at, Some(byte as u64)));
        }
    }
}

#[test]
fn output_fields_are_compared_as_bytes_and_as_numbers() {
    let lines = Lines::read(STORE);
    let size = lines.find(1, |line| line["fields"]["query"] == 0 && !line["out"].is_null());
    let report = replayed(&lines.with(size, |call| turn(&mut call["out"], 12)));
    let difference = report.listed.first().unwrap();
    assert_eq!((difference.event, difference.object.as_str()), (size, "XE_DEVICE_QUERY size"));
    assert_eq!((difference.expected.as_str(), difference.found.as_str()), ("57", "a8"));
    let report = replayed(&lines.with(size, |call| call["out_fields"]["size"] = json!(169)));
    assert_eq!((only(&report).event, only(&report).expected.as_str()), (size, "169"));
    let wait = lines.call("SYNCOBJ_WAIT");
    let report = replayed(&lines.with(wait, |call| call["out_fields"]["first_signaled"] = json!(1)));
    assert_eq!((only(&report).event, only(&report).expected.as_str()), (wait, "1"));
    // What is no output comes back as it was given.
    let create = lines.call("XE_GEM_CREATE");
    let report = replayed(&lines.with(create, |call| turn(&mut call["out"], 17)));
    assert_eq!((only(&report).event, only(&report).offset), (create, Some(17)));
}

#[test]
fn a_batch_that_never_ends_does_not_hold_the_replay_up() {
    let lines = Lines::read(STORE);
    let write = lines.first("cpu_write");
    // The batch jumps to itself before it comes to its store.
    let looping = lines.with(write, |event| event["runs"] = json!([[0, "0101801800001000 00*4"]]));
    let report = replayed(&looping);
    let wait = lines.call("SYNCOBJ_WAIT");
    let stuck = report.listed.iter().find(|difference| difference.event == wait).unwrap();
    assert!(stuck.found.contains("did not finish"), "{report}");
    assert!(report.listed.iter().any(|difference| difference.event == lines.first("gpu_result")));
}

#[test]
fn what_is_no_recording_is_refused_with_the_line() {
    let whole = Lines::read(STORE);
    let text = whole.text();
    let cut = text.lines().take(20).map(|line| format!("{line}\n")).collect::<String>();
    let header = |key: &str, value: Value| whole.with(0, |line| line[key] = value.clone()).text();
    let call = whole.call("XE_VM_CREATE");
    let rows = [
        (String::new(), 0, "no client recording"),
        (String::from("hello"), 0, "no client recording"),
        (String::from("{\"a\":1}\n"), 0, "no client recording"),
        (header("format", json!("strace")), 0, "no client recording"),
        (header("version", json!(2)), 0, "version is 2"),
        (header("dialect", json!("A")), 0, "dialect is `A`"),
        (header("byte_order", json!("big")), 0, "byte order"),
        (cut, 19, "cut short"),
        (format!("{text}{{}}\n"), 45, "after the `end` line"),
        (whole.with(call, |line| line["n"] = json!(7)).text(), call, "number 7"),
        (whole.with(call, |line| line["in"] = json!("00*31")).text(), call, "31 bytes"),
        (whole.with(call, |line| line["in"] = json!("0x")).text(), call, "packed hex"),
        (whole.with(19, |line| line["of"] = json!(1)).text(), 19, "is no call"),
        (whole.with(whole.call("XE_GEM_CREATE"), |line| line["bo"] = json!(2)).text(), 23, "object 2"),
        (whole.with(44, |line| line["calls"] = json!(38)).text(), 44, "counts 38 calls, the file has 37"),
        (whole.with(44, |line| line["gpu_results"] = json!(0)).text(), 44, "gpu_results"),
    ];
    for (text, line, what) in rows {
        match replay_text(&text, &Options::default()) {
            Err(ReplayError::Read(error)) => {
                assert_eq!(error.line, line, "{error}");
                assert!(error.what.contains(what), "{what}: {error}");
            }
            other => panic!("{what}: {other:?}"),
        }
    }
}

#[test]
fn a_platform_nobody_simulates_is_foreign() {
    let lines = Lines::read(STORE).with(0, |line| line["platform"] = json!("pvc"));
    let refused = replay_text(&lines.text(), &Options::default()).unwrap_err();
    assert!(matches!(refused, ReplayError::Foreign(_)) && refused.to_string().contains("pvc"), "{refused}");
    let lines = Lines::read(STORE).with(0, |line| line["device"]["device_id"] = json!("0x1234"));
    let refused = replay_text(&lines.text(), &Options::default()).unwrap_err();
    assert!(matches!(refused, ReplayError::Open(_)) && refused.to_string().contains("0x1234"), "{refused}");
}

#[test]
fn the_device_is_made_as_the_header_says() {
    let lines = Lines::read(STORE);
    // What is changed in the header, the query that tells of it.
    type Change = fn(&mut Value);
    let rows: [(Change, u64); 3] = [
        (|header| header["system_memory"] = json!(1u64 << 33), 1),
        (|header| header["privileged"] = json!(false), 2),
        (|header| header["device"]["revision"] = json!(0), 2),
    ];
    for (change, query) in rows {
        let report = replayed(&lines.with(0, change));
        let event = lines.line(only(&report).event);
        assert_eq!(event["fields"]["query"], query, "{report}");
    }
}

#[test]
fn ids_that_are_in_no_map_are_mistakes_here_too() {
    let lines = Lines::read(STORE);
    let exec = lines.call("XE_EXEC");
    // Exec queue 9 was never created.
    let report = replayed(&lines.with(exec, |call| {
        let mut bytes = bytes_of(&call["in"]);
        bytes[8] = 9;
        call["in"] = Value::from(digits(&bytes));
    }));
    let first = &report.listed[0];
    assert_eq!((first.event, first.object.as_str()), (exec, "XE_EXEC return value"));
    assert!(first.found.starts_with("-2 ENOENT"), "{report}");
}
