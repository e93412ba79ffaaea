//! Split and merge of mappings against the reference driver: numbers are pages.
#![expect(clippy::unwrap_used, reason = "tests: what is missing is a failed test")]

use barexe_core::Errno;
use barexe_core::device::request::{BindFlags, BindKind, BindOp};
use barexe_core::mem::pat::PatIndex;
use barexe_core::vm::bind::check_range;
use barexe_core::vm::index::{VmaIndex, VmaNode};
use barexe_core::vm::plan::{Request, SubOp};
use barexe_core::vm::store::VmaStore;
use barexe_core::vm::vm_bo::{VmBoCell, VmBoId, VmBoList};
use barexe_core::vm::vma::{VaRange, Vma, VmaBacking};
use barexe_tests::vectors::{Case, Verdict, check_file};
use serde::Deserialize;
use serde_json::{Value, json};

const PAGE_SHIFT: u32 = 12;
const OBJECTS: usize = 8;
const NODES: usize = 256;
const CELLS: usize = 4096;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Sequence {
    #[serde(rename = "seq")]
    _seq: u64,
    pages: u64,
    reqs: Vec<Asked>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Asked {
    Map(String, u64, u64, u32, u64, u32),
    Unmap(String, u64, u64),
}

#[derive(Deserialize)]
#[serde(untagged, deny_unknown_fields)]
enum StepOut {
    Refused { error: i32 },
    Done { ops: Vec<Value>, state: Vec<Value> },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Steps {
    steps: Vec<StepOut>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Digests {
    total_ops: usize,
    digests: Vec<(usize, u32, String)>,
    #[serde(rename = "final")]
    last: String,
}

/// A space of so many pages, and what was asked for last.
struct Space<'a> {
    index: VmaIndex,
    store: VmaStore<'a>,
    objects: Vec<VmBoId>,
    pages: u64,
}

/// `Ok(None)` for a request that is refused with EINVAL.
type Ops = Result<Option<Vec<SubOp>>, String>;

impl Space<'_> {
    fn ask(&mut self, asked: &Asked) -> Ops {
        let (name, start, end) = match asked {
            Asked::Map(name, start, end, ..) | Asked::Unmap(name, start, end) => (name.as_str(), *start, *end),
        };
        let range = VaRange { start: start << PAGE_SHIFT, end: end << PAGE_SHIFT };
        let op = BindOp { kind: BindKind::Unmap, va: range.start, range_bytes: range.len_bytes(), ..BindOp::EMPTY };
        if let Err(error) = check_range(&op, self.pages << PAGE_SHIFT) {
            return if error.errno() == Errno::EINVAL { Ok(None) } else { Err(format!("refused with {error}")) };
        }
        let request = match *asked {
            Asked::Map(.., object, offset, flags) if name == "map" => {
                Request::map(self.mapping(range, object, offset, flags)?)
            }
            Asked::Unmap(..) if name == "unmap" => Request::unmap(range),
            Asked::Map(..) | Asked::Unmap(..) => return Err(format!("unknown request {name:?}")),
        };
        self.carry_out(request).map(Some)
    }

    /// The attribute word stands for everything that remnants inherit.
    fn mapping(&self, range: VaRange, object: u32, offset: u64, flags: u32) -> Result<Vma, String> {
        let pat = u8::try_from(flags).ok().and_then(PatIndex::new).ok_or(format!("flags {flags}"))?;
        let backing = match object.checked_sub(1) {
            None => VmaBacking::Null,
            Some(at) => {
                let known = usize::try_from(at).ok().and_then(|at| self.objects.get(at));
                let object = *known.ok_or(format!("object {object}"))?;
                VmaBacking::Bo { object, offset_bytes: offset << PAGE_SHIFT }
            }
        };
        Ok(Vma::new(range, backing, pat, BindFlags::from_bits_retain(flags)))
    }

    /// What is planned is what is done.
    fn carry_out(&mut self, request: Request) -> Result<Vec<SubOp>, String> {
        let plan = self.index.plan(&self.store, request);
        let planned: Vec<SubOp> = plan.sub_ops(&self.store).collect();
        self.index.check_room(&mut self.store, &plan).map_err(|capacity| format!("{capacity:?}"))?;
        let mut steps = Vec::new();
        let applied = self.index.apply(&mut self.store, &plan, |step| steps.push(step));
        applied.map_err(|capacity| format!("no {capacity:?} where there was room"))?;
        for vma in steps.iter().filter_map(|step| step.unmapped()) {
            let _ = self.store.release(vma);
        }
        self.index.check(&self.store).map_err(|what| format!("index: {what}"))?;
        let done: Vec<SubOp> = steps.iter().map(|step| step.sub_op()).collect();
        if done == planned { Ok(done) } else { Err(format!("planned {planned:?}, done {done:?}")) }
    }

    fn object_and_offset(&self, vma: &Vma) -> (usize, u64) {
        let VmaBacking::Bo { object, offset_bytes } = vma.backing() else { return (0, 0) };
        let at = self.objects.iter().position(|known| *known == object);
        (at.map_or(usize::MAX, |at| at.saturating_add(1)), offset_bytes >> PAGE_SHIFT)
    }

    fn plain(&self, vma: &Vma) -> Value {
        let (range, (object, offset)) = (vma.range(), self.object_and_offset(vma));
        json!([range.start >> PAGE_SHIFT, range.end >> PAGE_SHIFT, object, offset])
    }

    fn shown(&self, op: &SubOp) -> Value {
        let part = |vma: &Option<Vma>| vma.as_ref().map_or(Value::Null, |vma| self.plain(vma));
        match op {
            SubOp::Unmap { old, keep } => json!(["unmap", self.plain(old), keep]),
            SubOp::Remap { old, prev, next, keep } => {
                json!(["remap", self.plain(old), part(prev), part(next), keep])
            }
            SubOp::Map { new } => json!(["map", self.plain(new)]),
        }
    }

    /// Start, end, object, offset and attribute word of every mapping.
    fn state(&self) -> Vec<[u64; 5]> {
        let row = |vma: Vma| {
            let (range, (object, offset)) = (vma.range(), self.object_and_offset(&vma));
            let word =
                if u32::from(vma.pat().get()) == vma.flags().bits() { u64::from(vma.pat().get()) } else { u64::MAX };
            let object = u64::try_from(object).unwrap_or(u64::MAX);
            [range.start >> PAGE_SHIFT, range.end >> PAGE_SHIFT, object, offset, word]
        };
        self.index.iter(&self.store).map(row).collect()
    }

    /// FNV-1a over one line of hex numbers for each mapping.
    fn digest(&self) -> String {
        let line = |[start, end, object, offset, flags]: [u64; 5]| {
            format!("{start:x},{end:x},{object:x},{offset:x},{flags:x}\n")
        };
        let text: String = self.state().into_iter().map(line).collect();
        let fold = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01B3);
        format!("{:#018x}", text.bytes().fold(0xCBF2_9CE4_8422_2325, fold))
    }
}

fn in_space<T>(pages: u64, f: impl FnOnce(Space<'_>) -> Result<T, String>) -> Result<T, String> {
    let (mut nodes, mut cells) = (vec![VmaNode::EMPTY; NODES], vec![VmBoCell::EMPTY; CELLS]);
    let mut store = VmaStore::new(&mut nodes, &mut cells);
    let mut parts = [VmBoList::EMPTY; OBJECTS];
    let objects = (0..).zip(&mut parts).map(|(bo, parts)| store.add_object(parts, 0, bo));
    let objects = objects.collect::<Option<Vec<_>>>().ok_or("no cells")?;
    f(Space { index: VmaIndex::EMPTY, store, objects, pages })
}

fn check_steps(case: &Case) -> Result<Verdict, String> {
    let (sequence, out) = case.parse::<Sequence, Steps>()?;
    if sequence.reqs.len() != out.steps.len() {
        return Err(format!("{} requests, {} steps", sequence.reqs.len(), out.steps.len()));
    }
    in_space(sequence.pages, |mut space| {
        for (at, (asked, want)) in sequence.reqs.iter().zip(&out.steps).enumerate() {
            check_step(&mut space, asked, want).map_err(|why| format!("request {at}: {why}"))?;
        }
        Ok(Verdict::Checked)
    })
}

fn check_step(space: &mut Space<'_>, asked: &Asked, want: &StepOut) -> Result<(), String> {
    match (space.ask(asked)?, want) {
        (None, StepOut::Refused { error: -22 }) => Ok(()),
        (Some(done), StepOut::Done { ops, state }) => {
            let done: Vec<Value> = done.iter().map(|op| space.shown(op)).collect();
            if done != *ops {
                return Err(format!("got {done:?}, want {ops:?}"));
            }
            let now: Vec<Value> = space.state().into_iter().map(|row| json!(row)).collect();
            if now == *state { Ok(()) } else { Err(format!("left {now:?}, want {state:?}")) }
        }
        (done, StepOut::Refused { error }) => Err(format!("got {done:?}, want {error}")),
        (None, StepOut::Done { .. }) => Err("refused".into()),
    }
}

fn check_digests(case: &Case) -> Result<Verdict, String> {
    let (sequence, out) = case.parse::<Sequence, Digests>()?;
    in_space(sequence.pages, |mut space| {
        let mut ops = 0usize;
        let mut digests = Vec::new();
        for (done, asked) in (1usize..).zip(&sequence.reqs) {
            let made = space.ask(asked).map_err(|why| format!("request {done}: {why}"))?;
            ops = ops.saturating_add(made.map_or(0, |made| made.len()));
            if done % 100 == 0 {
                digests.push((done, space.index.len(), space.digest()));
            }
        }
        if digests != out.digests {
            let at = digests.iter().zip(&out.digests).find(|(got, want)| got != want);
            return Err(format!("digests, got and want: {at:?}"));
        }
        let same = ops == out.total_ops && space.digest() == out.last;
        if same { Ok(Verdict::Checked) } else { Err(format!("{ops} operations, want {}", out.total_ops)) }
    })
}

/// Checks a file whose cases belong to no platform.
fn check(file: &str, of: impl Fn(&Case) -> Result<Verdict, String>) {
    let summary = check_file(file, |case, family| match family {
        None => of(case),
        Some(_) => Err("a platform in a file that has none".into()),
    });
    eprintln!("{}", summary.unwrap());
}

#[test]
fn vectors_gpuvm_operations_and_mappings_match_exactly() {
    check("gpuvm.jsonl", check_steps);
}

#[test]
fn vectors_gpuvm_long_sequences_leave_the_same_mappings() {
    check("gpuvm-long.jsonl", check_digests);
}

#[test]
fn vectors_gpuvm_that_differ_in_one_attribute_word_are_found() {
    let text = std::fs::read_to_string(barexe_tests::vectors::folder().join("gpuvm.jsonl")).unwrap();
    let mut case: Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
    let run = |case: &Value| check_steps(&serde_json::from_value(case.clone()).unwrap());
    assert_eq!(run(&case), Ok(Verdict::Checked));
    *case.pointer_mut("/out/steps/4/state/0/4").unwrap() = json!(31);
    assert!(run(&case).unwrap_err().starts_with("request 4: left"));
}
