//! TLB invalidation messages and range rounding against the reference driver.
//!
//! The encoder knows no platforms, only what they can do, so every case is checked.

use barexe_core::family::{GEN12, XE2};
use barexe_core::mem::tlb::AddressSpace;
use barexe_core::mem::tlb::guc::{GucSeqno, GucTlbFormat, Message, Request};
use barexe_tests::vectors::{Case, Hex, Verdict, check_every_platform, dwords, expect_dwords, expect_eq};
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Ppgtt {
    #[serde(rename = "kind")]
    _kind: String,
    #[serde(rename = "platform")]
    _platform: String,
    #[serde(rename = "gt")]
    _gt: String,
    range_supported: bool,
    start: Hex,
    end: Hex,
    // `end` is used as it is, whatever it stands for.
    #[serde(rename = "end_inclusive")]
    _end_inclusive: bool,
    seqno: Hex,
    asid: Hex,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PpgttOut {
    full: bool,
    start: Option<Hex>,
    length: Option<Hex>,
    message: Vec<Hex>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Plain {
    #[serde(rename = "kind")]
    _kind: String,
    #[serde(rename = "platform")]
    _platform: String,
    #[serde(rename = "gt")]
    _gt: String,
    guc_ready: Option<bool>,
    seqno: Hex,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PlainOut {
    message: Vec<Hex>,
    #[serde(default)]
    register_writes: Vec<(Hex, Hex)>,
}

/// Page-tables sheet §0, column "range TLB inval".
fn format(platform: &str) -> GucTlbFormat {
    GucTlbFormat { ranges: !["tgl", "adl", "dg1"].contains(&platform) }
}

fn seqno(raw: Hex) -> Result<GucSeqno, String> {
    GucSeqno::new(raw.dword()?).ok_or_else(|| format!("no seqno {:#x}", raw.0))
}

fn ppgtt(case: &Case, platform: &str) -> Result<Verdict, String> {
    let (input, out) = case.parse::<Ppgtt, PpgttOut>()?;
    let format = format(platform);
    expect_eq("ranges", &u8::from(format.ranges), &u8::from(input.range_supported))?;
    let (start, end) = (input.start.0, input.end.0);
    let range = format.range(start, end);
    if range.is_none() != out.full {
        return Err(format!("range: got {range:x?}, want full {}", out.full));
    }
    let number = |hex: Option<Hex>| hex.map_or(0, |hex| hex.0);
    expect_eq("start", &range.map_or(0, |range| range.start), &number(out.start))?;
    expect_eq("length", &range.map_or(0, |range| range.len_bytes), &number(out.length))?;
    let space = AddressSpace::new(input.asid.dword()?);
    let message = Message::new(format, Request::Ppgtt { space, start, end }, seqno(input.seqno)?);
    expect_dwords("message", message.dwords(), &dwords(&out.message)?)?;
    Ok(Verdict::Checked)
}

fn all(case: &Case, platform: &str) -> Result<Verdict, String> {
    let (input, out) = case.parse::<Plain, PlainOut>()?;
    let message = Message::new(format(platform), Request::All, seqno(input.seqno)?);
    expect_dwords("message", message.dwords(), &dwords(&out.message)?)?;
    Ok(Verdict::Checked)
}

/// Without the firmware the GGTT's own registers are written: those of the family, for platforms that are not built
/// those of the built family with the same block (page-tables sheet §8.4).
fn ggtt(case: &Case, platform: &str) -> Result<Verdict, String> {
    let (input, out) = case.parse::<Plain, PlainOut>()?;
    let ready = input.guc_ready.ok_or("no guc_ready")?;
    let message = Message::new(format(platform), Request::Ggtt, seqno(input.seqno)?);
    let sent = if ready { message.dwords() } else { &[] };
    expect_dwords("message", sent, &dwords(&out.message)?)?;
    let descriptor = ["pvc", "bmg", "lnl", "ptl"].contains(&platform);
    let registers = if descriptor { XE2.gt.ggtt.invalidate } else { GEN12.gt.ggtt.invalidate };
    let written = if ready { &[] } else { registers };
    let got: Vec<u32> = written.iter().flat_map(|(register, value)| [register.get(), *value]).collect();
    let want: Vec<Hex> = out.register_writes.iter().flat_map(|(register, value)| [*register, *value]).collect();
    expect_dwords("register writes", &got, &dwords(&want)?)?;
    Ok(Verdict::Checked)
}

fn check(case: &Case, platform: &str) -> Result<Verdict, String> {
    match case.text("kind") {
        "ppgtt" => ppgtt(case, platform),
        "all" => all(case, platform),
        "ggtt" => ggtt(case, platform),
        other => Err(format!("unknown kind {other:?}")),
    }
}

#[test]
fn vectors_tlb_messages_and_ranges_match_exactly() {
    let summary = check_every_platform("tlb.jsonl", check).unwrap();
    eprintln!("{summary}");
}
