//! Contexts against the reference driver: each is written into memory that held garbage, and read back whole.

use barexe_core::context::create::{VmRoot, write_context, write_seqno_page};
use barexe_core::context::execlist::submission;
use barexe_core::context::{ContextRequest, LrcAddrs, LrcLayout, slot};
use barexe_core::family::Family;
use barexe_hal::GgttAddr;
use barexe_tests::memory::{dwords as memory_dwords, with_buffer};
use barexe_tests::vectors::{Case, Hex, Verdict, check_file, class, dwords, expect_dwords, expect_eq};
use serde::Deserialize;

/// What the buffer holds before: memory is not always zero.
const GARBAGE: u64 = 0xDEAD_BEEF_DEAD_BEEF;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Input {
    #[serde(rename = "platform")]
    _platform: String,
    #[serde(rename = "gt")]
    _gt: String,
    #[serde(rename = "engine")]
    _engine: String,
    class: String,
    instance: u16,
    mmio_base: Hex,
    vm: bool,
    asid: Option<Hex>,
    root_descriptor: Option<Hex>,
    run_alone: bool,
    disable_state_cache_perf_fix: bool,
    ring_size: Hex,
    lrc_ggtt: Hex,
    seqno_ggtt: Hex,
    execlist_ctx_id: Hex,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct StreamCommand {
    dw: usize,
    header: Hex,
    #[serde(default)]
    regs: Vec<(Hex, Hex)>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Execlist {
    hwsp_ggtt: Hex,
    image_ring_tail: Hex,
    writes: Vec<(Hex, Hex)>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Output {
    buffer_size: Hex,
    image_size: Hex,
    pphwsp_ggtt: Hex,
    regs_ggtt: Hex,
    job_timestamp_ggtt: Hex,
    engine_id_ggtt: Hex,
    parallel_ggtt: Hex,
    ctx_timestamp_ggtt: Hex,
    ctx_timestamp_udw_ggtt: Hex,
    start_seqno_ggtt: Hex,
    wa_bb_ggtt: Hex,
    indirect_ctx_ggtt: Option<Hex>,
    stream: Vec<StreamCommand>,
    stream_end_dw: usize,
    context_control: Hex,
    ring_head: Hex,
    ring_tail: Hex,
    ring_start: Hex,
    ring_ctl: Hex,
    bb_per_ctx_ptr: Hex,
    indirect_ctx: Hex,
    sw_ring_tail: Hex,
    ring: Vec<Hex>,
    seqno_init: Hex,
    start_seqno_init: Hex,
    descriptor: Hex,
    wa_bb: Vec<Hex>,
    indirect_ctx_bb: Option<Vec<Hex>>,
    execlist: Execlist,
}

fn ggtt(addr: Hex) -> Result<GgttAddr, String> {
    Ok(GgttAddr::new(addr.dword()?).unwrap_or(GgttAddr::ZERO))
}

fn vm_root(input: &Input) -> Result<Option<VmRoot>, String> {
    match (input.vm, input.asid, input.root_descriptor) {
        (false, None, None) => Ok(None),
        (true, Some(asid), Some(root)) => Ok(Some(VmRoot { asid: asid.dword()?, root_descriptor: root.0 })),
        _ => Err("a VM without id or root".into()),
    }
}

fn check_addresses(lrc: &LrcAddrs, layout: &LrcLayout, want: &Output) -> Result<(), String> {
    let addresses = [
        ("pphwsp", lrc.pphwsp, want.pphwsp_ggtt),
        ("registers", lrc.registers, want.regs_ggtt),
        ("job timestamp", lrc.job_timestamp, want.job_timestamp_ggtt),
        ("engine id", lrc.engine_id, want.engine_id_ggtt),
        ("parallel scratch", lrc.parallel, want.parallel_ggtt),
        ("context timestamp", lrc.context_timestamp, want.ctx_timestamp_ggtt),
        ("upper timestamp", lrc.context_timestamp_upper, want.ctx_timestamp_udw_ggtt),
        ("start seqno", lrc.start_seqno, want.start_seqno_ggtt),
        ("context batch", lrc.context_batch, want.wa_bb_ggtt),
    ];
    for (what, got, want) in addresses {
        expect_eq(what, &u64::from(got.get()), &want.0)?;
    }
    let indirect = lrc.indirect_batch.map(|addr| Hex(u64::from(addr.get())));
    if indirect != want.indirect_ctx_ggtt {
        return Err(format!("indirect batch: got {indirect:x?}, want {:x?}", want.indirect_ctx_ggtt));
    }
    expect_eq("buffer size", &u64::from(layout.total_bytes), &want.buffer_size.0)?;
    expect_eq("image size", &u64::from(layout.image_bytes), &want.image_size.0)
}

/// Puts `dwords` into `memory` from byte `at` on.
fn place(memory: &mut [u32], at: u32, dwords: &[u32]) -> Result<(), String> {
    let start = usize::try_from(at / 4).unwrap_or(usize::MAX);
    for (index, dword) in (start..).zip(dwords) {
        *memory.get_mut(index).ok_or("past the end of the buffer")? = *dword;
    }
    Ok(())
}

/// The register page of the vector: every dword that its stream does not list is 0.
fn expected_page(want: &Output) -> Result<Vec<u32>, String> {
    let mut page = vec![0; 1024];
    for command in &want.stream {
        let mut dwords = vec![command.header.dword()?];
        for (register, value) in &command.regs {
            dwords.extend([register.dword()?, value.dword()?]);
        }
        place(&mut page, u32::try_from(command.dw).unwrap_or(u32::MAX).saturating_mul(4), &dwords)?;
    }
    Ok(page)
}

/// The whole buffer as it must look after creation.
fn expected_buffer(layout: &LrcLayout, want: &Output) -> Result<Vec<u32>, String> {
    let mut memory = vec![0; usize::try_from(layout.total_bytes / 4).unwrap_or(0)];
    place(&mut memory, 0, &dwords(&want.ring)?)?;
    place(&mut memory, layout.registers, &expected_page(want)?)?;
    place(&mut memory, layout.context_batch, &dwords(&want.wa_bb)?)?;
    match (layout.indirect_batch, &want.indirect_ctx_bb) {
        (Some(at), Some(batch)) => place(&mut memory, at, &dwords(batch)?)?,
        (None, None) => (),
        _ => return Err("indirect batch: there, or not there".into()),
    }
    Ok(memory)
}

/// The value slots by name, which the vectors repeat from the stream.
fn check_slots(page: &[u32], want: &Output) -> Result<(), String> {
    let slots = [
        ("context control", slot::CONTEXT_CONTROL, want.context_control),
        ("ring head", slot::RING_HEAD, want.ring_head),
        ("ring tail", slot::RING_TAIL, want.ring_tail),
        ("ring start", slot::RING_START, want.ring_start),
        ("ring ctl", slot::RING_CTL, want.ring_ctl),
        ("context batch pointer", slot::BB_PER_CTX_PTR, want.bb_per_ctx_ptr),
        ("indirect context", slot::INDIRECT_CTX, want.indirect_ctx),
    ];
    for (what, slot, want) in slots {
        expect_eq(what, page.get(slot).ok_or("slot outside the page")?, &want.dword()?)?;
    }
    expect_eq("end marker", page.get(want.stream_end_dw).ok_or("end outside the page")?, &0x0500_0001)
}

fn check_memory(
    family: &Family,
    layout: &LrcLayout,
    request: &ContextRequest<'_>,
    want: &Output,
) -> Result<(), String> {
    let qwords = usize::try_from(layout.total_bytes / 8).unwrap_or(0);
    let (tail, memory) = with_buffer(qwords, GARBAGE, |buffer| {
        let tail = write_context(&family.lrc, layout, request, buffer, 0).map_err(|e| e.to_string())?;
        Ok::<_, String>((tail, memory_dwords(buffer)))
    })?;
    expect_eq("software tail", &tail, &want.sw_ring_tail.dword()?)?;
    expect_dwords("buffer", &memory, &expected_buffer(layout, want)?)?;
    let page = memory.get(usize::try_from(layout.registers / 4).unwrap_or(usize::MAX)..).unwrap_or(&[]);
    check_slots(page, want)
}

fn check_seqno_page(want: &Output) -> Result<(), String> {
    let memory = with_buffer(2, 0, |buffer| {
        write_seqno_page(buffer, 0).map_err(|e| e.to_string())?;
        Ok::<_, String>(memory_dwords(buffer))
    })?;
    expect_dwords("seqno page", &memory, &[want.seqno_init.dword()?, 0, want.start_seqno_init.dword()?, 0])
}

fn check_submission(family: &Family, input: &Input, request: &ContextRequest<'_>, want: &Output) -> Result<(), String> {
    let format = family.lrc.descriptor;
    let idle = format.describe(request.class, input.instance, request.lrc, request.vm.is_some());
    expect_eq("descriptor", &idle.get(), &want.descriptor.0)?;
    let context = format.with_id(idle, input.execlist_ctx_id.dword()?);
    let writes = submission(request.engine_base, ggtt(want.execlist.hwsp_ggtt)?, context);
    let got = writes.map(|(register, value)| (Hex(u64::from(register.get())), Hex(u64::from(value))));
    if got[..] != want.execlist.writes[..] {
        return Err(format!("submission: got {got:x?}, want {:x?}", want.execlist.writes));
    }
    // The first submission publishes what creation wrote.
    expect_eq("published tail", &want.execlist.image_ring_tail.0, &want.sw_ring_tail.0)
}

fn check(case: &Case, family: Option<&'static Family>) -> Result<Verdict, String> {
    let family = family.ok_or("no platform")?;
    let (input, want) = case.parse::<Input, Output>()?;
    let class = class(&input.class)?;
    let layout = family.lrc.layout(class, input.ring_size.dword()?).ok_or("no such ring")?;
    let lrc = layout.addrs(ggtt(input.lrc_ggtt)?, ggtt(input.seqno_ggtt)?).ok_or("no such context")?;
    let request = ContextRequest {
        class,
        engine_base: input.mmio_base.dword()?,
        ring_bytes: layout.ring_bytes,
        lrc: &lrc,
        vm: vm_root(&input)?,
        run_alone: input.run_alone,
        disable_state_cache_perf_fix: input.disable_state_cache_perf_fix,
        virtual_function: false,
    };
    check_addresses(&lrc, &layout, &want)?;
    check_memory(family, &layout, &request, &want)?;
    check_seqno_page(&want)?;
    check_submission(family, &input, &request, &want)?;
    Ok(Verdict::Checked)
}

#[test]
fn vectors_lrc_tgl_and_lnl_match_exactly() {
    let summary = check_file("lrc.jsonl", check).unwrap();
    eprintln!("{summary}");
}
