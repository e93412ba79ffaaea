//! Contexts and rings as the reference driver writes them, executed.
//!
//! The golden vectors say what a driver puts into memory, for every class of both parts. The simulator must run all of
//! it: its own tables against the reference driver's output, with no driver of this workspace in between.

use super::*;
use crate::engines::{ENGINES, EngineSpec};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Where a job's tables begin; leaves are put where its addresses want them.
const TABLES: u64 = 0x8_0000_0000;
const LEVEL: u64 = 0x1_0000_0000;
/// Page of a batch that ends at once, and one that takes user fences.
const BATCH_PAGE: u64 = 0x4_1000_0000;
const FENCE_PAGE: u64 = 0x4_1100_0000;
const HWSP: u32 = 0x90_0000;

fn lines(file: &str) -> Vec<Value> {
    let own = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/data/vectors");
    let folder = std::env::var("BAREXE_VECTORS").map_or_else(|_| PathBuf::from(own), PathBuf::from);
    let text = std::fs::read_to_string(folder.join(file)).unwrap();
    let known = |case: &Value| matches!(case["in"]["platform"].as_str(), Some("tgl" | "lnl"));
    text.lines().map(|line| serde_json::from_str(line).unwrap()).filter(known).collect()
}

fn hex(value: &Value) -> u64 {
    u64::from_str_radix(value.as_str().unwrap().trim_start_matches("0x"), 16).unwrap()
}

fn hex32(value: &Value) -> u32 {
    u32::try_from(hex(value)).unwrap()
}

fn dwords(value: &Value) -> Vec<u32> {
    value.as_array().unwrap().iter().map(hex32).collect()
}

fn version(case: &Value) -> u32 {
    if case["in"]["platform"] == "tgl" { 1200 } else { 2004 }
}

fn class(case: &Value) -> EngineClass {
    match case["in"]["class"].as_str().unwrap() {
        "render" => EngineClass::Render,
        "compute" => EngineClass::Compute,
        "copy" => EngineClass::Copy,
        "video" => EngineClass::VideoDecode,
        "video-enhance" => EngineClass::VideoEnhance,
        _ => EngineClass::Other,
    }
}

/// The register page of a context vector.
fn page(case: &Value) -> [u32; 1024] {
    let mut page = [0; 1024];
    for group in case["out"]["stream"].as_array().unwrap() {
        let at = group["dw"].as_u64().unwrap() as usize;
        page[at] = hex32(&group["header"]);
        let registers = group["regs"].as_array().map_or(&[][..], Vec::as_slice);
        for (slot, pair) in (at + 1..).step_by(2).zip(registers) {
            (page[slot], page[slot + 1]) = (hex32(&pair[0]), hex32(&pair[1]));
        }
    }
    page
}

/// Memory behind a global table that maps on demand, and one engine.
struct Part {
    bus: MemoryBus,
    streamer: Streamer,
    engine: EngineSpec,
}

impl Part {
    fn new(version: u32, engine: EngineSpec) -> Self {
        let spec = CsSpec::for_version(version).unwrap();
        let mut part = Self {
            bus: MemoryBus::new(),
            streamer: Streamer::new(spec, engine.class, engine.instance, engine.base),
            engine,
        };
        part.bus.registers.insert(engine.base + 0x80, HWSP);
        // What the driver programs before the first context: no status reports on the newer part, open registers.
        part.bus.registers.insert(engine.base + 0xD4, if version >= 2000 { 1 << 15 } else { 0 });
        part.put(HWSP, &[0]);
        part
    }

    /// Writes dwords at a GGTT address; pages of it get entries as they are touched.
    fn put(&mut self, addr: u32, values: &[u32]) {
        for (at, value) in (u64::from(addr)..).step_by(4).zip(values) {
            let bus = 0x2_0000_0000 + at;
            let first = self.bus.ggtt.insert((at >> 12) as u32, bus & !0xFFF | 1).is_none();
            if first {
                self.bus.put64(bus & !0xFFF, &[0]);
            }
            self.bus.put32(bus, &[*value]);
        }
    }

    fn get(&self, addr: u32) -> u32 {
        self.bus.get32(0x2_0000_0000 + u64::from(addr))
    }

    /// Tables below a root that lead one page to a bus address.
    fn map(&mut self, va: u64, to: u64) {
        let levels = u64::from(self.streamer.spec.walk.root_level);
        let key = |level: u64| if level == levels { 0 } else { (va & 0xFFFF_FFFF_FFFF) >> (21 + 9 * level) };
        let table = |level: u64| TABLES + level * LEVEL + key(level) % 0x10_0000 * 0x1000;
        for level in (1..=levels).rev() {
            let index = va >> (12 + 9 * level) & 511;
            self.bus.put64(table(level) + index * 8, &[table(level - 1) | 3]);
        }
        self.bus.put64(table(0) + (va >> 12 & 511) * 8, &[to & !0xFFF | 3]);
    }

    fn root(&self) -> u64 {
        let levels = u64::from(self.streamer.spec.walk.root_level);
        (TABLES + levels * LEVEL) | 3
    }
}

#[test]
fn contexts_of_the_reference_driver_are_restored_and_saved() {
    let mut classes = BTreeMap::new();
    for case in lines("lrc.jsonl") {
        let (id, out) = (&case["id"], &case["out"]);
        let instance = case["in"]["instance"].as_u64().unwrap() as u8;
        let engine = *ENGINES.iter().find(|e| e.class == class(&case) && e.instance == instance).unwrap();
        assert_eq!(u64::from(engine.base), hex(&case["in"]["mmio_base"]), "{id}");
        let mut part = Part::new(version(&case), engine);
        let lrca = hex32(&out["pphwsp_ggtt"]);
        part.put(lrca, &[0]);
        let registers = hex32(&out["regs_ggtt"]);
        part.put(registers, &page(&case));
        part.put(hex32(&case["in"]["lrc_ggtt"]), &dwords(&out["ring"]));
        for (at, batch) in [("wa_bb_ggtt", "wa_bb"), ("indirect_ctx_ggtt", "indirect_ctx_bb")] {
            if !out[batch].is_null() {
                part.put(hex32(&out[at]), &dwords(&out[batch]));
            }
        }
        let tail = hex32(&out["execlist"]["image_ring_tail"]);
        part.put(registers + 7 * 4, &[tail]);
        let writes = out["execlist"]["writes"].as_array().unwrap();
        part.streamer.submit(hex(&writes[1][1]) | hex(&writes[2][1]) << 32);
        let progress = part.streamer.run(&mut part.bus, 100);
        assert_eq!(progress.state, State::Idle, "{id}: {:?}", part.streamer.fault());
        assert_eq!((part.get(registers + 3 * 4) & 1, part.get(registers + 5 * 4)), (0, tail), "{id}: saved");
        let name = part.engine.class.code() as u32 | u32::from(instance) << 4;
        assert_eq!(part.get(hex32(&out["engine_id_ggtt"])), name, "{id}: the context batch ran");
        assert_eq!(part.bus.complaints, Vec::<String>::new(), "{id}");
        *classes.entry((version(&case), engine.class)).or_insert(0) += 1;
    }
    assert_eq!(classes.len(), 10, "every class of both parts: {classes:?}");
}

/// A job of the vectors on an engine: ring, image, batches that end at once.
fn job(case: &Value, contexts: &[Value]) -> (Part, u32, u64) {
    let (input, out) = (&case["in"], &case["out"]);
    let like = contexts
        .iter()
        .find(|context| (&context["in"]["platform"], &context["in"]["class"]) == (&input["platform"], &input["class"]));
    let like = like.unwrap();
    let instance = like["in"]["instance"].as_u64().unwrap() as u8;
    let engine = *ENGINES.iter().find(|e| e.class == class(case) && e.instance == instance).unwrap();
    let mut part = Part::new(version(case), engine);
    let (lrca, ring) = (hex32(&out["pphwsp_ggtt"]), hex32(&input["lrc_ggtt"]));
    let ring_bytes = hex32(&input["ring_size"]);
    let mut page = page(like);
    let (head, root) = (hex32(&out["head"]), part.root());
    let tail = hex32(&out["tail"]);
    (page[5], page[7], page[9], page[0xB]) = (head, tail, ring, (ring_bytes - 4096) | 1);
    (page[0x13], page[0x15], page[0x31], page[0x33]) = (0, 0, (root >> 32) as u32, root as u32);
    part.put(lrca, &[0]);
    part.put(lrca + 0x1000, &page);
    for (index, dword) in (0..).zip(dwords(&out["dwords"])) {
        part.put(ring + (head + index * 4) % ring_bytes, &[dword]);
    }
    part.put(hex32(&input["seqno_ggtt"]), &[0xFFFF_FF80, 0, 0xFFFF_FF80, 0]);
    let ggtt_batch = input["ggtt_batch"] == true || input["has_vm"] == false;
    for batch in ["batch", "batch2"].iter().filter(|batch| !input[**batch].is_null()) {
        let va = hex(&input[*batch]);
        if ggtt_batch {
            part.put(va as u32, &[END]);
        } else {
            part.map(va, BATCH_PAGE);
            part.bus.put32(BATCH_PAGE | va & 0xFFF, &[END]);
        }
    }
    if !input["user_fence"].is_null() {
        part.map(hex(&input["user_fence"]["addr"]), FENCE_PAGE);
        part.bus.put64(FENCE_PAGE, &[0]);
    }
    let names =
        if version(case) == 1200 { engine.class.code() << 61 | u64::from(instance) << 48 | 2 << 37 } else { 2 << 39 };
    let descriptor = names | u64::from(lrca) | 0x19 | u64::from(input["has_vm"] == true) << 8;
    (part, tail, descriptor)
}

#[test]
fn jobs_of_the_reference_driver_run_to_their_fence() {
    let contexts = lines("lrc.jsonl");
    let mut kinds = BTreeMap::new();
    for case in lines("ring.jsonl") {
        let (id, input) = (&case["id"], &case["in"]);
        let (mut part, tail, descriptor) = job(&case, &contexts);
        // A batch in the global table has 32 bits of address; wider ones are passed on as they are, and lie nowhere.
        // So does a user fence without a VM.
        let no_vm = input["has_vm"] == false;
        let beyond = (no_vm || input["ggtt_batch"] == true) && hex(&input["batch"]) >> 32 != 0;
        let nowhere = beyond || (no_vm && !input["user_fence"].is_null());
        part.streamer.submit(descriptor);
        let progress = part.streamer.run(&mut part.bus, 1000);
        let kind = match () {
            () if input["force_reset"] == true => "hangs",
            () if nowhere => "faults",
            () => "runs",
        };
        *kinds.entry((version(&case), part.engine.class, kind)).or_insert(0) += 1;
        if kind == "hangs" {
            assert_eq!(progress.state, State::Waiting, "{id}: {:?}", part.streamer.fault());
            continue;
        }
        if kind == "faults" {
            assert_eq!(progress.state, State::Halted, "{id}");
            continue;
        }
        assert_eq!(progress.state, State::Idle, "{id}: {:?}", part.streamer.fault());
        let seqno = hex32(&input["seqno"]);
        let words = hex32(&input["seqno_ggtt"]);
        assert_eq!((part.get(words), part.get(words + 8)), (seqno, seqno), "{id}: both words");
        assert_eq!(part.get(hex32(&case["out"]["pphwsp_ggtt"]) + 0x1000 + 5 * 4), tail, "{id}: head");
        assert_eq!(progress.raised & 1, 1, "{id}: user interrupt");
        if !input["user_fence"].is_null() {
            let at = FENCE_PAGE | hex(&input["user_fence"]["addr"]) & 0xFFF;
            let value = u64::from(part.bus.get32(at + 4)) << 32 | u64::from(part.bus.get32(at));
            assert_eq!(value, hex(&input["user_fence"]["value"]), "{id}: user fence");
        }
    }
    let running = kinds.keys().filter(|(.., kind)| *kind == "runs").count();
    assert_eq!(running, 10, "every class of both parts: {kinds:?}");
}
