//! The command itself: what it prints where, and how it exits.
#![expect(clippy::unwrap_used, reason = "a helper of these tests fails by panicking")]

use std::path::PathBuf;
use std::process::{Command, Output};

fn barexe(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_barexe")).args(args).output().unwrap()
}

fn text(bytes: &[u8]) -> &str {
    core::str::from_utf8(bytes).unwrap()
}

fn recording(name: &str) -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/data/clients").join(name);
    path.with_extension("jsonl").to_str().unwrap().to_owned()
}

/// A file that goes away with the test.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str, contents: &[u8]) -> Self {
        let path = std::env::temp_dir().join(format!("barexe-{}-{name}", std::process::id()));
        std::fs::write(&path, contents).unwrap();
        Self(path)
    }

    fn path(&self) -> &str {
        self.0.to_str().unwrap()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

#[test]
fn the_demo_is_what_runs_without_arguments() {
    for (args, name) in
        [(&[][..], "Tiger Lake"), (&["demo"][..], "Tiger Lake"), (&["demo", "--platform", "lnl"][..], "Lunar Lake")]
    {
        let ran = barexe(args);
        let out = text(&ran.stdout);
        assert_eq!((ran.status.code(), text(&ran.stderr)), (Some(0), ""), "{out}");
        for part in
            [name, "Probe", "vm_bind", "publish", "submit", "MI_STORE_DATA_IMM", "MSI", "syncobj 2 has signalled"]
        {
            assert!(out.contains(part), "{part}\n{out}");
        }
        assert!(out.ends_with("13 of 13 checks passed\n"), "{out}");
    }
}

#[test]
fn a_demo_whose_results_differ_says_what_differed() {
    let ran = barexe(&["demo", "--no-execution"]);
    assert_eq!(ran.status.code(), Some(1));
    for line in ["exec's user fence: expected 0x600df00d, found 0x0", "copied bytes, at offset 0x4000 of the data"] {
        assert!(text(&ran.stderr).contains(line), "{}", text(&ran.stderr));
    }
    assert!(text(&ran.stdout).contains("WRONG"));
}

#[test]
fn a_recording_that_replays_gives_one_line_of_json() {
    let ran = barexe(&["replay", &recording("tgl-xe_exec_store-basic-store"), "--json"]);
    let out = text(&ran.stdout);
    assert_eq!((ran.status.code(), text(&ran.stderr)), (Some(0), ""), "{out}");
    let line = out.strip_suffix('\n').unwrap();
    assert!(!line.contains([' ', '\n']), "{line}");
    let value: serde_json::Value = serde_json::from_str(line).unwrap();
    assert_eq!((value["calls"].as_u64(), value["differences"].as_u64()), (Some(37), Some(0)));
    assert!(value["compared_bytes"].as_u64().unwrap() > 0);
    assert_eq!(value["client"], "xe_exec_store/basic-store");
    assert_eq!(value.as_object().unwrap().len(), 4);
}

#[test]
fn a_recording_that_differs_names_event_object_offset_expected_and_found() {
    let whole = std::fs::read_to_string(recording("tgl-xe_exec_store-basic-store")).unwrap();
    let altered = whole.replace(r#""runs":[[72,"56341200"]]"#, r#""runs":[[72,"56341300"]]"#);
    assert_ne!(altered, whole);
    let file = Scratch::new("altered.jsonl", altered.as_bytes());
    let ran = barexe(&["replay", file.path()]);
    assert_eq!(ran.status.code(), Some(1));
    let row = text(&ran.stdout).lines().find(|line| line.trim_start().starts_with("36 ")).unwrap();
    assert_eq!(row.split_whitespace().collect::<Vec<_>>(), ["36", "BO", "1", "74", "13", "12"]);
    let ran = barexe(&["replay", "--json", file.path()]);
    assert_eq!((ran.status.code(), text(&ran.stdout).lines().count()), (Some(1), 1));
    assert!(text(&ran.stderr).contains("BO 1"), "{}", text(&ran.stderr));
}

#[test]
fn a_recording_without_execution_differs() {
    let ran = barexe(&["replay", &recording("lnl-xe_exec_store-cachelines"), "--no-execution"]);
    assert_eq!(ran.status.code(), Some(1));
}

const ONE: &str = "tgl-xe_exec_store-basic-store";
const TWO: &str = "tgl-xe_vm-invalid-pad";

/// A folder that goes away with the test.
struct Folder(PathBuf);

impl Folder {
    fn with(name: &str, files: &[(&str, String)]) -> Self {
        let path = std::env::temp_dir().join(format!("barexe-{}-{name}", std::process::id()));
        std::fs::create_dir(&path).unwrap();
        for (name, text) in files {
            std::fs::write(path.join(name), text).unwrap();
        }
        Self(path)
    }

    fn path(&self) -> &str {
        self.0.to_str().unwrap()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn contents(name: &str) -> String {
    std::fs::read_to_string(recording(name)).unwrap()
}

#[test]
fn several_recordings_and_folders_are_summed_up() {
    let files = [("b.jsonl", contents(ONE)), ("a.jsonl", contents(TWO)), ("README.md", String::from("no recording"))];
    let folder = Folder::with("clean", &files);
    let ran = barexe(&["replay", folder.path(), &recording(TWO)]);
    let out = text(&ran.stdout);
    assert_eq!((ran.status.code(), text(&ran.stderr)), (Some(0), ""), "no terminal, no progress: {out}");
    let shown: Vec<&str> = out.lines().filter(|line| line.contains(" on a simulated ")).collect();
    let on = |client| format!("{client} on a simulated tgl");
    assert_eq!(shown, [on("xe_vm/invalid-pad"), on("xe_exec_store/basic-store"), on("xe_vm/invalid-pad")]);
    assert!(out.contains("\n3 of 3 recordings without a difference\n"), "{out}");
    let ran = barexe(&["replay", "--json", folder.path()]);
    let lines: Vec<serde_json::Value> =
        text(&ran.stdout).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let [first, second, sum] = &lines[..] else { panic!("{lines:?}") };
    for key in ["calls", "compared_bytes", "differences"] {
        let total = first[key].as_u64().unwrap() + second[key].as_u64().unwrap();
        assert_eq!(sum[key].as_u64(), Some(total), "{key}");
    }
    assert_eq!((&sum["recordings"], &sum["clean"], &sum["unusable"]), (&2.into(), &2.into(), &0.into()));
}

#[test]
fn one_difference_in_one_of_several_counts_and_what_cannot_be_used_counts_more() {
    let altered = contents(ONE).replace(r#""runs":[[72,"56341200"]]"#, r#""runs":[[72,"56341300"]]"#);
    let folder = Folder::with("altered", &[("1.jsonl", altered), ("2.jsonl", contents(TWO))]);
    let ran = barexe(&["replay", folder.path()]);
    assert_eq!((ran.status.code(), text(&ran.stderr)), (Some(1), ""));
    assert!(text(&ran.stdout).contains("\n1 of 2 recordings without a difference\n"), "{}", text(&ran.stdout));
    let ran = barexe(&["replay", "/no/such/file", folder.path(), "--json"]);
    assert_eq!((ran.status.code(), text(&ran.stdout).lines().count()), (Some(2), 3));
    let err = text(&ran.stderr);
    assert!(err.starts_with("barexe: /no/such/file: ") && err.contains("BO 1"), "{err}");
    let empty = Folder::with("empty", &[]);
    let ran = barexe(&["replay", empty.path()]);
    assert_eq!((ran.status.code(), text(&ran.stdout)), (Some(2), ""));
    assert!(text(&ran.stderr).ends_with("no .jsonl file in this folder\n"), "{}", text(&ran.stderr));
}

#[test]
fn files_that_cannot_be_used_are_named_on_standard_error() {
    let foreign = Scratch::new("foreign.jsonl", b"{\"type\":\"header\",\"format\":\"something else\"}\n");
    let binary = Scratch::new("binary.jsonl", &[0xFF, 0xFE, 0, 1]);
    for path in [foreign.path(), binary.path(), "/no/such/file.jsonl", "/"] {
        let ran = barexe(&["replay", path]);
        assert_eq!((ran.status.code(), text(&ran.stdout)), (Some(2), ""), "{path}");
        let err = text(&ran.stderr);
        assert!(err.starts_with(&format!("barexe: {path}: ")) && err.lines().count() == 1, "{err}");
    }
}

#[test]
fn page_tables_are_shown_for_people_and_for_programs() {
    for platform in ["tgl", "lnl"] {
        let ran = barexe(&["decode", "--page-tables", "--platform", platform]);
        let out = text(&ran.stdout);
        assert_eq!((ran.status.code(), text(&ran.stderr)), (Some(0), ""), "{out}");
        // The demo maps its batch and its data.
        for part in [platform, "VM 1: root 0x", "0x000000100000..0x000000101000", "0x000000400000..0x000000410000"] {
            assert!(out.contains(part), "{part}\n{out}");
        }
        let ran = barexe(&["decode", "--page-tables", "--platform", platform, "--json"]);
        let value: serde_json::Value = serde_json::from_str(text(&ran.stdout)).unwrap();
        let ranges = value["vms"][0]["ranges"].as_array().unwrap();
        assert_eq!((ranges.len(), &ranges[1]["end"]), (2, &serde_json::json!("0x410000")));
    }
}

#[test]
fn page_tables_of_a_recording_are_those_behind_a_line() {
    let file = recording("tgl-xe_vm-bind-once");
    let at = |line: Option<&str>| {
        let mut args = vec!["decode", "--page-tables", &file];
        args.extend(line.into_iter().flat_map(|line| ["--at", line]));
        let ran = barexe(&args);
        assert_eq!((ran.status.code(), text(&ran.stderr)), (Some(0), ""));
        text(&ran.stdout).to_owned()
    };
    let mapped = "0x0000001a0000..0x0000001a2000      8 KiB";
    assert!(at(None).contains(mapped), "{}", at(None));
    // Before the first call, and when everything is gone.
    for line in ["2", "100"] {
        assert!(at(Some(line)).contains("the client has no VM"), "{}", at(Some(line)));
    }
    let ran = barexe(&["decode", "--page-tables", &file, "--at", "99999"]);
    assert_eq!((ran.status.code(), text(&ran.stdout)), (Some(2), ""));
    assert!(text(&ran.stderr).ends_with("it has no event 99999\n"));
}

#[test]
fn bad_usage_exits_with_2() {
    let of_decode: [&[&str]; 4] = [
        &["decode"],
        &["decode", "--page-tables", "--platform", "hsw"],
        &["decode", "--page-tables", "--at", "3"],
        &["decode", "--page-tables", "--platform", "lnl", "a"],
    ];
    let others = [&["replay"][..], &["demo", "--platform", "hsw"], &["frobnicate"], &["replay", "--json"], &["--json"]];
    for args in of_decode.into_iter().chain(others) {
        let ran = barexe(args);
        assert_eq!((ran.status.code(), text(&ran.stdout)), (Some(2), ""), "{args:?}");
        assert!(text(&ran.stderr).contains("--help"), "{args:?}");
    }
}
