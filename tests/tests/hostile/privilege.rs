//! Batches that ask for more than a client may: the global table, registers, another's state. The command does nothing
//! and the batch goes on (engines sheet §11.3).

use crate::stage::{Attack, BO_BYTES, FAULTED, RESULT, Stage, VA, attack, halves};
use barexe_core::gt::EngineClass;
use barexe_hal::Nanos;
use barexe_tests::rig::{BATCH_END, JUMP, store};

const BOUND: Nanos = Nanos::from_millis(4);
/// What the attacks would leave behind if they got anywhere.
const MARK: u32 = 0xBAD0_5EED;

const GGTT: u32 = 1 << 22;
/// `MI_LOAD_REGISTER_IMM`, and its bits: relative to the engine, remapped.
const LRI: u32 = 0x1100_0001;
const RELATIVE: u32 = 1 << 19;
const REMAP: u32 = 1 << 17;
const LRR: u32 = 0x1500_0001;
const LRM: u32 = 0x1480_0002;
const GPR0: u32 = 0x600;

/// Pages of the global table of this engine's tile, and what they hold: of those that hold the same, one.
fn pages(stage: &Stage<'_, '_>) -> Vec<(u32, u64)> {
    let tile = u32::from(stage.engine.tile);
    let runs = stage.rig.sim.snapshot().ggtt.into_iter().filter(|run| run.first >> 20 == tile && run.entry & 1 != 0);
    runs.map(|run| (run.first & 0xF_FFFF, run.entry)).collect()
}

/// Whether any page of the global table has the mark in it, or any entry is the mark's.
fn is_marked(stage: &Stage<'_, '_>) -> bool {
    pages(stage).into_iter().any(|(_, entry)| {
        let bytes = stage.rig.sim.peek(entry & 0x000F_FFFF_FFFF_F000, 4096);
        let marked = bytes.is_some_and(|bytes| bytes.as_chunks::<4>().0.contains(&MARK.to_le_bytes()));
        marked || entry >> 12 == u64::from(MARK >> 12)
    })
}

/// Every command with a bit for the global table, aimed at this address there.
fn aimed(class: EngineClass, at: u32) -> Vec<u32> {
    let [low, high] = halves(VA + RESULT);
    let commands: [(&str, &[u32]); 14] = [
        ("MI_STORE_DATA_IMM", &[0x1000_0002 | GGTT, at, 0, MARK]),
        ("the same, of a qword", &[0x1020_0003 | GGTT, at & !7, 0, MARK, MARK]),
        ("MI_LOAD_REGISTER_IMM", &[LRI | RELATIVE, GPR0, MARK]),
        ("MI_STORE_REGISTER_MEM", &[0x1200_0002 | GGTT | RELATIVE, GPR0, at, 0]),
        ("MI_COPY_MEM_MEM, there", &[0x1700_0003 | 1 << 21, at, 0, low, high]),
        ("and from there", &[0x1700_0003 | GGTT, low, high, at, 0]),
        ("MI_ATOMIC", &[0x1780_0501 | GGTT, at, 0]),
        ("MI_REPORT_PERF_COUNT", &[0x1400_0002, at & !0x3F | 1, 0, MARK]),
        ("MI_UPDATE_GTT", &[0x1180_0002, at, MARK, 0]),
        ("MI_FLUSH_DW", &[0x1300_4002, at & !7 | 4, 0, MARK]),
        ("MI_STORE_DATA_INDEX, the engine's page", &[0x1080_0001, at & 0xFFC, MARK]),
        ("MI_LOAD_REGISTER_MEM", &[LRM | GGTT | RELATIVE, GPR0 + 8, at, 0]),
        ("MI_STORE_REGISTER_MEM, one's own", &[0x1200_0002 | RELATIVE, GPR0 + 8, low + 8, high]),
        ("PIPE_CONTROL", &[0x7A00_0004, 1 << 24 | 1 << 14 | 1 << 20, at & !7, 0, MARK, MARK]),
    ];
    let here = commands.into_iter().filter(|(name, _)| class == EngineClass::Render || *name != "PIPE_CONTROL");
    here.flat_map(|(_, dwords)| dwords.to_vec()).collect()
}

#[test]
fn stores_through_the_global_table() {
    for class in [EngineClass::Copy, EngineClass::Render] {
        let stores = Attack { class, ..attack("every command with a bit for the global table", BOUND) };
        stores.tried(|stage| {
            stage.rig.write(stage.bo, RESULT, &[MARK, 0, 0, 0]);
            for some in pages(stage).chunks(64) {
                let at = |page: u32| [aimed(class, page << 12 | 0x80), aimed(class, page << 12 | 0xFC0)].concat();
                let mut batch: Vec<u32> = some.iter().flat_map(|(page, _)| at(*page)).collect();
                batch.push(BATCH_END);
                assert!(batch.len() as u64 * 4 <= RESULT);
                assert_eq!(stage.end_of(&batch), None, "they do nothing");
                // What it read there: nothing. The copy did not happen, and the register was not loaded.
                let read = [0, 8].map(|at| stage.rig.read(stage.bo, RESULT + at));
                assert_eq!(read, [MARK, 0], "{}: GGTT pages {some:#x?}", stage.rig.name());
            }
            // The context that had the mark in a register is gone by then.
            stage.pass(Nanos::from_millis(2));
            assert!(!is_marked(stage), "{}", stage.rig.name());
        });
    }
}

/// Offsets of registers that would be worth having: the engine's window in full, and those of the whole part that reset,
/// switch off, interrupt or invalidate.
fn registers(stage: &Stage<'_, '_>) -> Vec<u32> {
    let base = stage.engine.base.get();
    let window = (base..base + 0x1000).step_by(4);
    let others = stage.rig.engines().into_iter().map(|engine| engine.base.get()).filter(|other| *other != base);
    let theirs = others
        .flat_map(|base| [0x030, 0x034, 0x080, 0x09C, 0x0D0, 0x29C, 0x4D0, 0x510, 0x550, GPR0].map(|at| base + at));
    let global = [0x941C, 0x4208, 0x4218, 0x4238, 0x1_4800, 0x19_0010, 0x19_0030, 0x19_00D0, 0xA188, 0xCF04, 0x4_4084];
    window.chain(theirs).chain(global).collect()
}

/// Whether the engine's list of registers opens this one to clients for writing: register 25:2, deny 30, access 29:28,
/// length 1:0 (engines sheet §4.4). Beside them a context's own are open.
fn is_open(stage: &Stage<'_, '_>, register: u32) -> bool {
    let base = stage.engine.base.get();
    let tile = u32::from(stage.engine.tile) << 24;
    let slots = (0..12).map(|slot| stage.rig.sim.register(tile + base + 0x4D0 + slot * 4)).filter(|slot| *slot != 0);
    let covers = |slot: u32| (slot & 0x03FF_FFFC) >> 2 >> (2 * (slot & 3)) == register >> 2 >> (2 * (slot & 3));
    let mut covering = slots.filter(|slot| covers(*slot));
    covering.next().is_some_and(|slot| slot >> 30 & 1 == 0 && matches!(slot >> 28 & 3, 0 | 2))
}

fn is_own(register: u32) -> bool {
    matches!(register & 0xFFF, 0x600..0x680 | 0x400..=0x41C | 0x3BC)
}

#[test]
fn registers_that_are_not_its_own() {
    for class in [EngineClass::Copy, EngineClass::Render] {
        let loads = Attack { class, ..attack("loads of every register of the engine", BOUND) };
        loads.tried(|stage| {
            let [low, high] = halves(VA + RESULT);
            stage.rig.write(stage.bo, RESULT, &[MARK]);
            let (base, queue) = (stage.engine.base.get(), stage.queue());
            let all = registers(stage).into_iter();
            let closed: Vec<u32> = all.filter(|at| !is_own(*at) && !is_open(stage, *at)).collect();
            for register in closed {
                let inside = register & 0xFFF;
                let mut batch =
                    vec![LRI, register, MARK, LRI | REMAP, 0x2000 | inside, MARK, LRI | RELATIVE, GPR0, MARK];
                batch.extend([LRR, base + GPR0, register, LRM, register, low, high, LRM | GGTT, register, 0x1000, 0]);
                if register >> 12 == base >> 12 {
                    batch.extend([LRI | RELATIVE, inside, MARK, LRR | RELATIVE, base + GPR0, inside]);
                    batch.extend([LRM | RELATIVE, inside, low, high]);
                }
                batch.push(BATCH_END);
                let job = stage.run(queue, 0, &batch);
                assert_eq!(stage.outcome(job, Nanos::from_millis(60)), None, "register {register:#x}");
            }
            let marked: Vec<u32> = stage
                .rig
                .sim
                .snapshot()
                .registers
                .into_iter()
                .filter(|(_, value)| *value == MARK)
                .map(|(at, _)| at)
                .collect();
            assert_eq!(marked, [0; 0], "{}", stage.rig.name());
        });
    }
}

#[test]
fn registers_are_not_read_either() {
    attack("reads of registers that are not its own", BOUND).tried(|stage| {
        let base = stage.engine.base.get();
        let [low, high] = halves(VA + RESULT);
        for register in [base + 0x80, base + 0x30, base + 0x4D0, 0x1_4800, 0x941C] {
            stage.rig.write(stage.bo, RESULT, &[MARK, MARK]);
            let batch = [
                0x1200_0002,
                register,
                low,
                high, // MI_STORE_REGISTER_MEM
                LRR,
                register,
                base + GPR0,
                0x1200_0002 | RELATIVE,
                GPR0,
                low + 4,
                high,
                BATCH_END,
            ];
            assert_eq!(stage.end_of(&batch), None);
            assert_eq!([0, 4].map(|at| stage.rig.read(stage.bo, RESULT + at)), [0, 0], "register {register:#x}");
        }
    });
}

/// A second level, a first level, with and without the bit for the address space: a client's batch stays in the client's
/// space and without privileges, wherever it is started from.
#[test]
fn levels_give_no_privileges() {
    attack("second-level batches that claim the global table", BOUND).tried(|stage| {
        let (inner, target) = (VA + 0x1000, pages(stage)[0].0 << 12);
        let [low, high] = halves(inner);
        for flags in [0, 1 << 8, GGTT, GGTT | 1 << 8] {
            let forbidden = [0x1000_0002 | GGTT, target, 0, MARK, LRI, stage.engine.base.get() + 0x80, MARK];
            stage.rig.write(stage.bo, 0x1000, &[&forbidden[..], &store(VA + RESULT, flags | 1), &[BATCH_END]].concat());
            let start = JUMP & !(1 << 8) | flags;
            assert_eq!(stage.end_of(&[start, low, high, BATCH_END]), None);
            assert_eq!(stage.rig.read(stage.bo, RESULT), flags | 1, "it ran, in the client's space");
            // A batch in the global table, such as a neighbour's ring, is an address of the client's where nothing is.
            assert_eq!(stage.end_of(&[start, target, 0, BATCH_END]), FAULTED);
        }
        stage.pass(Nanos::from_millis(2));
        assert!(!is_marked(stage));
    });
}

/// A context may write its own status page. Nothing that the driver goes by is in it.
#[test]
fn its_own_status_page_is_no_way_in() {
    attack("its own status page, written all over", BOUND).tried(|stage| {
        let own = |at: u32| [0x1080_0001 | 1 << 21, at, u32::MAX];
        let batch: Vec<u32> = (0..0x1000).step_by(4).flat_map(own).chain([BATCH_END]).collect();
        assert!(batch.len() as u64 * 4 <= BO_BYTES);
        let queue = stage.queue();
        for _ in 0..3 {
            let job = stage.run(queue, 0, &batch);
            assert_eq!(stage.outcome(job, Nanos::from_millis(60)), None);
        }
        assert!(stage.rig.device.first_hang().is_none());
    });
}

/// What others leave in an engine's registers is not there for the next context.
#[test]
fn registers_of_others_are_not_seen() {
    attack("a look at what others left in registers", BOUND).tried(|stage| {
        let leave: Vec<u32> = (0..16).flat_map(|n| [LRI | RELATIVE, GPR0 + 8 * n, MARK]).chain([BATCH_END]).collect();
        let [low, high] = halves(VA + RESULT);
        let look = |n: u32| [0x1200_0002 | RELATIVE, GPR0 + 8 * n, low + 4 * n, high];
        let look: Vec<u32> = (0..16).flat_map(look).chain([BATCH_END]).collect();
        for _ in 0..4 {
            assert_eq!(stage.end_of(&leave), None);
            stage.rig.write(stage.bo, RESULT, &[u32::MAX; 16]);
            assert_eq!(stage.end_of(&look), None);
            assert!((0..16).all(|n| stage.rig.read(stage.bo, RESULT + 4 * n) == 0), "{}", stage.rig.name());
        }
    });
}
