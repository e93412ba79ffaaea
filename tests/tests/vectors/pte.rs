//! Page-table and GGTT entries against the reference driver.

use barexe_core::family::Family;
use barexe_core::mem::format::{AtomicPolicy, GgttCaching, LeafLayout, LeafRequest, LeafTarget, Level};
use barexe_core::mem::pat::PatIndex;
use barexe_hal::BusAddr;
use barexe_tests::vectors::{Case, Hex, Verdict, check_file, expect_eq};
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Memory {
    System,
    Vram,
    Userptr,
    Null,
    Stolen,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Atomic {
    Undefined,
    Device,
    Global,
    Cpu,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Leaf {
    #[serde(rename = "kind")]
    _kind: String,
    #[serde(rename = "platform")]
    _platform: String,
    #[serde(rename = "tile")]
    _tile: u8,
    level: u8,
    compact: bool,
    ps64: bool,
    memory: Memory,
    addr: Option<Hex>,
    region_base: Hex,
    pat_index: u8,
    read_only: bool,
    atomic: Atomic,
    // These two decide atomics on discrete parts only (page-tables sheet §2.6).
    #[serde(rename = "long_running")]
    _long_running: bool,
    #[serde(rename = "single_placement")]
    _single_placement: Option<bool>,
    #[serde(rename = "va")]
    _va: Hex,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct KernelLeaf {
    #[serde(rename = "kind")]
    _kind: String,
    #[serde(rename = "platform")]
    _platform: String,
    level: u8,
    ps64: bool,
    device_memory: bool,
    addr: Hex,
    pat_index: u8,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PteOut {
    pte: Hex,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Pde {
    #[serde(rename = "kind")]
    _kind: String,
    #[serde(rename = "platform")]
    _platform: String,
    #[serde(rename = "tile")]
    _tile: u8,
    table_addr: Hex,
    region_base: Hex,
    memory: Memory,
    child_compact: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PdeOut {
    pde: Hex,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Empty {
    #[serde(rename = "kind")]
    _kind: String,
    #[serde(rename = "platform")]
    _platform: String,
    scratch: bool,
    level: u8,
    scratch_table_below: Option<Hex>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct EmptyOut {
    entry: Hex,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Ggtt {
    #[serde(rename = "kind")]
    _kind: String,
    #[serde(rename = "platform")]
    _platform: String,
    #[serde(rename = "tile")]
    _tile: u8,
    memory: Memory,
    addr: Hex,
    region_base: Hex,
    uncached: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct GgttOut {
    pat_index: u8,
    pte: Hex,
}

fn bus(base: Hex, addr: Hex) -> Result<BusAddr, String> {
    base.0.checked_add(addr.0).and_then(BusAddr::new).ok_or_else(|| format!("no bus address {base:?} + {addr:?}"))
}

fn level(number: u8) -> Result<Level, String> {
    Level::from_number(number).ok_or_else(|| format!("no level {number}"))
}

fn pat(index: u8) -> Result<PatIndex, String> {
    PatIndex::new(index).ok_or_else(|| format!("no PAT index {index}"))
}

fn layout(compact: bool, ps64: bool) -> Result<LeafLayout, String> {
    match (compact, ps64) {
        (false, false) => Ok(LeafLayout::Plain),
        (false, true) => Ok(LeafLayout::Group64K),
        (true, false) => Ok(LeafLayout::Compact),
        (true, true) => Err("both compact and part of a group".into()),
    }
}

fn leaf(case: &Case, family: &Family) -> Result<Verdict, String> {
    let (input, out) = case.parse::<Leaf, PteOut>()?;
    let target = match (input.memory, input.addr) {
        (Memory::System | Memory::Userptr, Some(addr)) => LeafTarget::System(bus(input.region_base, addr)?),
        (Memory::Null, None) => LeafTarget::Null,
        _ => return Err("memory that the platform does not have".into()),
    };
    let request = LeafRequest {
        level: level(input.level)?,
        target,
        layout: layout(input.compact, input.ps64)?,
        read_only: input.read_only,
        pat: pat(input.pat_index)?,
        atomics: match input.atomic {
            Atomic::Undefined => AtomicPolicy::Undefined,
            Atomic::Device => AtomicPolicy::Device,
            Atomic::Global => AtomicPolicy::Global,
            Atomic::Cpu => AtomicPolicy::Cpu,
        },
    };
    expect_eq("pte", &family.pt.leaf(request), &out.pte.0)?;
    Ok(Verdict::Checked)
}

fn kernel_leaf(case: &Case, family: &Family) -> Result<Verdict, String> {
    let (input, out) = case.parse::<KernelLeaf, PteOut>()?;
    if input.device_memory {
        return Err("device memory on an integrated platform".into());
    }
    let addr = bus(Hex(0), input.addr)?;
    let entry = family.pt.kernel_leaf(level(input.level)?, layout(false, input.ps64)?, addr, pat(input.pat_index)?);
    expect_eq("pte", &entry, &out.pte.0)?;
    Ok(Verdict::Checked)
}

fn pde(case: &Case, family: &Family) -> Result<Verdict, String> {
    let (input, out) = case.parse::<Pde, PdeOut>()?;
    if !matches!(input.memory, Memory::System) {
        return Err("page tables outside system memory".into());
    }
    let table = bus(input.region_base, input.table_addr)?;
    expect_eq("pde", &family.pt.directory(table, input.child_compact), &out.pde.0)?;
    Ok(Verdict::Checked)
}

fn empty(case: &Case, family: &Family) -> Result<Verdict, String> {
    let (input, out) = case.parse::<Empty, EmptyOut>()?;
    let below = input.scratch_table_below.map(|addr| bus(Hex(0), addr)).transpose()?;
    let level = level(input.level)?;
    let entry = if input.scratch { family.pt.empty(level, below) } else { 0 };
    expect_eq("entry", &entry, &out.entry.0)?;
    Ok(Verdict::Checked)
}

fn ggtt(case: &Case, family: &Family) -> Result<Verdict, String> {
    let (input, out) = case.parse::<Ggtt, GgttOut>()?;
    let page = bus(input.region_base, input.addr)?;
    let caching = if input.uncached { GgttCaching::Uncached } else { GgttCaching::Cached };
    let entry = match input.memory {
        Memory::System => family.pt.ggtt_entry(page, caching),
        Memory::Stolen => family.pt.ggtt_stolen_entry(page, caching),
        Memory::Vram | Memory::Userptr | Memory::Null => return Err("memory that the GGTT does not map here".into()),
    };
    expect_eq("pat index", &family.pt.ggtt_pat(caching).get(), &out.pat_index)?;
    expect_eq("pte", &entry, &out.pte.0)?;
    Ok(Verdict::Checked)
}

fn check(case: &Case, family: Option<&'static Family>) -> Result<Verdict, String> {
    let family = family.ok_or("no platform")?;
    match case.text("kind") {
        "leaf" => leaf(case, family),
        "kernel_leaf" => kernel_leaf(case, family),
        "pde" => pde(case, family),
        "empty" => empty(case, family),
        "ggtt" => ggtt(case, family),
        other => Err(format!("unknown kind {other:?}")),
    }
}

#[test]
fn vectors_pte_tgl_and_lnl_match_exactly() {
    let summary = check_file("pte.jsonl", check).unwrap();
    eprintln!("{summary}");
}
