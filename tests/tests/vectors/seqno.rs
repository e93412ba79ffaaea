//! Sequence numbers, user fences and ring space against the reference driver.

use barexe_core::mem::tlb::guc::GucSeqno;
use barexe_core::ring::writer::space_bytes;
use barexe_core::sync::compare::{CompareOp, MaskedCompare};
use barexe_core::sync::seqno::{ChainSeqno, Seqno};
use barexe_tests::vectors::{Case, Hex, Verdict, check_file};
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Later {
    #[serde(rename = "kind")]
    _kind: String,
    a: Hex,
    b: Hex,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LaterOut {
    later: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct HwFence {
    #[serde(rename = "kind")]
    _kind: String,
    fence_seqno: Hex,
    memory: Hex,
    error: i32,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct HwFenceOut {
    signaled: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct UserFence {
    #[serde(rename = "kind")]
    _kind: String,
    op: String,
    value: Hex,
    mask: Hex,
    memory: Hex,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct UserFenceOut {
    passed: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RingSpace {
    #[serde(rename = "kind")]
    _kind: String,
    size: Hex,
    head: Hex,
    tail: Hex,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RingSpaceOut {
    space: Hex,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TlbPast {
    #[serde(rename = "kind")]
    _kind: String,
    received: Hex,
    seqno: Hex,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TlbPastOut {
    past: bool,
}

fn expect(what: &str, got: bool, want: bool) -> Result<Verdict, String> {
    if got == want { Ok(Verdict::Checked) } else { Err(format!("{what}: got {got}, want {want}")) }
}

fn later32(case: &Case) -> Result<Verdict, String> {
    let (input, out) = case.parse::<Later, LaterOut>()?;
    let (a, b) = (Seqno::new(input.a.dword()?), Seqno::new(input.b.dword()?));
    expect("later", a.is_later_than(b), out.later)
}

fn later64(case: &Case) -> Result<Verdict, String> {
    let (input, out) = case.parse::<Later, LaterOut>()?;
    expect("later", ChainSeqno::new(input.a.0).is_later_than(ChainSeqno::new(input.b.0)), out.later)
}

fn hw_fence(case: &Case) -> Result<Verdict, String> {
    let (input, out) = case.parse::<HwFence, HwFenceOut>()?;
    let reached = Seqno::new(input.fence_seqno.dword()?).reached_by(Seqno::new(input.memory.dword()?));
    // An error set on the fence signals it whatever memory holds; that half of the rule is the fence's own.
    expect("signaled", input.error != 0 || reached, out.signaled)
}

fn user_fence(case: &Case) -> Result<Verdict, String> {
    let (input, out) = case.parse::<UserFence, UserFenceOut>()?;
    let op = match input.op.as_str() {
        "eq" => CompareOp::Equal,
        "neq" => CompareOp::NotEqual,
        "gt" => CompareOp::Greater,
        "gte" => CompareOp::GreaterOrEqual,
        "lt" => CompareOp::Less,
        "lte" => CompareOp::LessOrEqual,
        other => return Err(format!("unknown operator {other:?}")),
    };
    let question = MaskedCompare { op, value: input.value.0, mask: input.mask.0 };
    expect("passed", question.passes(input.memory.0), out.passed)
}

fn ring_space(case: &Case) -> Result<Verdict, String> {
    let (input, out) = case.parse::<RingSpace, RingSpaceOut>()?;
    let space = space_bytes(input.size.dword()?, input.head.dword()?, input.tail.dword()?);
    expect("space", u64::from(space) == out.space.0, true)
}

fn tlb_past(case: &Case) -> Result<Verdict, String> {
    let (input, out) = case.parse::<TlbPast, TlbPastOut>()?;
    let seqno = |raw: Hex| GucSeqno::new(raw.dword()?).ok_or_else(|| format!("no seqno {:#x}", raw.0));
    expect("past", seqno(input.seqno)?.is_past(seqno(input.received)?), out.past)
}

fn check(case: &Case) -> Result<Verdict, String> {
    match case.text("kind") {
        "later32" => later32(case),
        "later64" => later64(case),
        "hw_fence" => hw_fence(case),
        "user_fence" => user_fence(case),
        "ring_space" => ring_space(case),
        "tlb_past" => tlb_past(case),
        other => Err(format!("unknown kind {other:?}")),
    }
}

#[test]
fn vectors_seqno_orders_and_comparisons_match_exactly() {
    let summary = check_file("seqno.jsonl", |case, _| check(case)).unwrap();
    eprintln!("{summary}");
}
