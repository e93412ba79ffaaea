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
fn bad_usage_exits_with_2() {
    for args in [&["replay"][..], &["demo", "--platform", "hsw"], &["frobnicate"], &["replay", "a", "b"], &["--json"]] {
        let ran = barexe(args);
        assert_eq!((ran.status.code(), text(&ran.stdout)), (Some(2), ""), "{args:?}");
        assert!(text(&ran.stderr).contains("--help"), "{args:?}");
    }
}
