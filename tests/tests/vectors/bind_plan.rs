//! Staged page-table changes against the reference driver: records, ranges, tables, sizes, and a walk afterwards.
//!
//! `adl` is graphics 12.00 as `tgl` is: its cases run with the same format.
#![expect(clippy::arithmetic_side_effects, reason = "tests: an overflow is a failed test")]

use barexe_core::family::Family;
use barexe_core::mem::Defect;
use barexe_core::mem::pages::ENTRIES;
use barexe_core::mem::pat::PatIndex;
use barexe_core::mem::tree::{Attributes, Bound, Segment, Sizes, VaRange};
use barexe_hal::BusAddr;
use barexe_tests::tables::{Done, Kind, Leaf, Rig, Room, Update, with_tables};
use barexe_tests::vectors::{Case, Hex, Verdict, check_built_platforms, expect_eq};
use serde::Deserialize;
use serde_json::Value;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Input {
    #[serde(rename = "platform")]
    _platform: String,
    tile: u8,
    region_base: Hex,
    root_level: u8,
    scratch: bool,
    ops: Vec<Op>,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Kinds {
    Bind,
    Rebind,
    Unbind,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Memory {
    System,
    Vram,
    Userptr,
    Null,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Op {
    op: Kinds,
    va: Hex,
    len: Hex,
    memory: Option<Memory>,
    #[serde(default)]
    bo_offset: Option<Hex>,
    pat_index: Option<u8>,
    read_only: Option<bool>,
    #[serde(default)]
    segments: Vec<(Hex, Hex)>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Output {
    ops: Vec<OutOp>,
}

/// A run of values: index, count, value or word, step or low bits.
type Run = (u32, u32, String, Hex);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Record {
    level: u8,
    base: Hex,
    first: u32,
    count: u32,
    values: Vec<Run>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OutOp {
    records: Vec<Record>,
    range: (Hex, Hex),
    tables_created: u32,
    tables_freed: u32,
    sizes: Option<Vec<String>>,
    leaves: Vec<(Hex, String, u32, Hex, Hex)>,
}

/// The memory of an operation, from its object's offset on.
enum Memories {
    Null,
    Runs(Vec<Segment<'static>>),
    Pages(Vec<BusAddr>),
}

fn bus(addr: u64) -> Result<BusAddr, String> {
    BusAddr::new(addr).ok_or_else(|| format!("no bus address {addr:#x}"))
}

fn runs(op: &Op) -> Result<Vec<(u64, u64)>, String> {
    let mut skip = op.bo_offset.map_or(0, |offset| offset.0);
    let mut left = op.len.0;
    let mut runs = Vec::new();
    for (Hex(addr), Hex(len)) in &op.segments {
        let skipped = skip.min(*len);
        skip -= skipped;
        let used = (len - skipped).min(left);
        left -= used;
        if used > 0 {
            runs.push((addr + skipped, used));
        }
    }
    if left == 0 { Ok(runs) } else { Err(format!("segments end {left:#x} bytes early")) }
}

fn memory(op: &Op) -> Result<Memories, String> {
    match op.memory {
        Some(Memory::Null) => Ok(Memories::Null),
        Some(Memory::System) => {
            let run = |(addr, bytes): &(u64, u64)| Ok(Segment::Run { addr: bus(*addr)?, bytes: *bytes });
            Ok(Memories::Runs(runs(op)?.iter().map(run).collect::<Result<_, String>>()?))
        }
        Some(Memory::Userptr) => {
            let runs = runs(op)?;
            let pages = runs.iter().flat_map(|(addr, bytes)| (*addr..addr + bytes).step_by(4096));
            Ok(Memories::Pages(pages.map(bus).collect::<Result<_, _>>()?))
        }
        Some(Memory::Vram) | None => Err("memory that the platform does not have".into()),
    }
}

fn bind(rig: &mut Rig<'_>, op: &Op, range: VaRange) -> Result<Done<Bound>, String> {
    let pat = op.pat_index.and_then(PatIndex::new).ok_or("no PAT index")?;
    let attributes = Attributes { pat, read_only: op.read_only.ok_or("no read_only")? };
    let rebind = matches!(op.op, Kinds::Rebind);
    let done = match memory(op)? {
        Memories::Null => rig.bind(range, core::iter::once(Segment::Null), attributes, rebind),
        Memories::Runs(runs) => rig.bind(range, runs.iter().copied(), attributes, rebind),
        Memories::Pages(pages) => rig.bind(range, core::iter::once(Segment::Pages(&pages)), attributes, rebind),
    };
    done.map_err(|defect: Defect| format!("{defect}"))
}

fn names(sizes: Sizes) -> Vec<&'static str> {
    let all = [
        (Sizes::PAGE_4K, "4k"),
        (Sizes::GROUP_64K, "64k"),
        (Sizes::COMPACT_64K, "compact"),
        (Sizes::LARGE_2M, "2m"),
        (Sizes::LARGE_1G, "1g"),
    ];
    all.into_iter().filter(|(flag, _)| sizes.contains(*flag)).map(|(_, name)| name).collect()
}

fn check_value(rig: &Rig<'_>, got: u64, (value, step): (&str, Hex), n: u64) -> Result<(), String> {
    let what = format!("value {n}");
    match value {
        "table" | "scratch-table" => {
            expect_eq(&what, &(got & 0xFFF), &step.0)?;
            let known = rig.pages.tables().any(|table| rig.pages.bus(table).is_ok_and(|at| at.get() == got & !0xFFF));
            if known { Ok(()) } else { Err(format!("{what}: {got:#x} points to no table")) }
        }
        _ => {
            let hex: Hex = serde_json::from_value(Value::from(value)).map_err(|error| error.to_string())?;
            expect_eq(&what, &got, &hex.0.wrapping_add(step.0.wrapping_mul(n)))
        }
    }
}

fn check_record(rig: &Rig<'_>, got: &Update, want: &Record) -> Result<(), String> {
    expect_eq("level", &got.level, &want.level)?;
    expect_eq("base", &got.base, &want.base.0)?;
    expect_eq("first", &got.first, &want.first)?;
    expect_eq("count", &got.values.len(), &usize::try_from(want.count).unwrap_or(usize::MAX))?;
    let mut values = got.values.iter();
    let mut index = want.first;
    for (at, count, value, step) in &want.values {
        expect_eq("index of a run", &index, at)?;
        for n in 0..u64::from(*count) {
            let got = *values.next().ok_or("fewer values")?;
            check_value(rig, got, (value, *step), n).map_err(|error| format!("run at {at}: {error}"))?;
        }
        index += count;
    }
    if values.next().is_none() && index <= ENTRIES { Ok(()) } else { Err("more values".into()) }
}

fn check_records(rig: &Rig<'_>, got: &[Update], want: &[Record]) -> Result<(), String> {
    expect_eq("records", &got.len(), &want.len())?;
    let mut pairs = got.iter().zip(want).enumerate();
    pairs.try_for_each(|(n, (got, want))| check_record(rig, got, want).map_err(|error| format!("record {n}: {error}")))
}

fn kind(name: &str) -> Result<Kind, String> {
    match name {
        "4k" => Ok(Kind::Page4K),
        "4k-ps64" => Ok(Kind::Page4KPs64),
        "64k-compact" => Ok(Kind::Page64KCompact),
        "2m" => Ok(Kind::Large2M),
        "1g" => Ok(Kind::Large1G),
        "none-4k" => Ok(Kind::None4K),
        "none-2m" => Ok(Kind::None2M),
        "none-1g" => Ok(Kind::None1G),
        "none-dir" => Ok(Kind::NoneDir),
        other => Err(format!("unknown kind of entry {other:?}")),
    }
}

/// Every entry of the range, compared with the runs one by one.
fn check_leaves(rig: &Rig<'_>, range: VaRange, want: &OutOp) -> Result<(), String> {
    let mut found = rig.walk(range);
    for (va, name, count, entry, step) in &want.leaves {
        let kind = kind(name)?;
        for n in 0..u64::from(*count) {
            let got = found.next().ok_or_else(|| format!("nothing more is found for run {:#x}", va.0))?;
            let entry = entry.0.wrapping_add(step.0.wrapping_mul(n));
            if (got.kind, got.entry) != (kind, entry) || (n == 0 && got.va != va.0) {
                return Err(format!("run {:#x} entry {n}: got {got:x?}, want {kind:?} {entry:#x}", va.0));
            }
        }
    }
    found.next().map_or(Ok(()), |leaf: Leaf| Err(format!("more is found: {leaf:x?}")))
}

fn check_op(rig: &mut Rig<'_>, op: &Op, want: &OutOp) -> Result<(), String> {
    let range = VaRange { start: op.va.0, end: op.va.0 + op.len.0 };
    let (done, sizes) = if let Kinds::Unbind = op.op {
        (rig.unbind(range).map_err(|defect| format!("{defect}"))?, None)
    } else {
        let Done { answer: Bound { range, sizes }, updates, created, freed } = bind(rig, op, range)?;
        (Done { answer: range, updates, created, freed }, Some(sizes))
    };
    check_records(rig, &done.updates, &want.records)?;
    expect_eq("first of the range", &done.answer.start, &want.range.0.0)?;
    expect_eq("last of the range", &(done.answer.end - 1), &want.range.1.0)?;
    expect_eq("tables created", &done.created, &want.tables_created)?;
    expect_eq("tables freed", &done.freed, &want.tables_freed)?;
    let (got, want_sizes) = (sizes.map(names), want.sizes.as_deref());
    if got.as_deref().map(<[&str]>::to_vec) != want_sizes.map(|names| names.iter().map(String::as_str).collect()) {
        return Err(format!("sizes: got {got:?}, want {want_sizes:?}"));
    }
    check_leaves(rig, range, want)
}

fn check(case: &Case, family: Option<&'static Family>) -> Result<Verdict, String> {
    let format = &family.ok_or("no platform")?.pt;
    let (input, out) = case.parse::<Input, Output>()?;
    expect_eq("root level", &format.root_level.number(), &input.root_level)?;
    expect_eq("ops", &input.ops.len(), &out.ops.len())?;
    if (input.tile, input.region_base.0) != (0, 0) {
        return Err("tiles and regions that the platform does not have".into());
    }
    with_tables(format, input.scratch, Room::PLENTY, |rig| {
        let mut pairs = input.ops.iter().zip(&out.ops).enumerate();
        pairs.try_for_each(|(n, (op, want))| check_op(rig, op, want).map_err(|error| format!("op {n}: {error}")))
    })?;
    Ok(Verdict::Checked)
}

#[test]
fn vectors_bind_plan_tgl_and_lnl_match_exactly() {
    let summary = check_built_platforms("bind-plan.jsonl", check).unwrap();
    eprintln!("{summary}");
}
