//! Nothing a driver or a batch does may panic the simulator or hold it up.
//!
//! Random register accesses, GGTT entries, page-table entries, ring and batch contents, context dwords and waits, in
//! random order, mixed with enough sense that contexts get to run.

use crate::mini::{BCS, CCS, GSC, LRCA, Mini, RING, SECOND_VA, VA, VCS};
use barexe_hal::{Clock as _, ConfigSpace as _, Mmio as _, Nanos, RegOffset};
use barexe_sim::{Platform, SimConfig};
use proptest::prelude::*;
use proptest::test_runner::RngSeed;

/// Something a driver may do.
#[derive(Clone, Debug)]
enum Action {
    Read(u32),
    Write(u32, u32),
    ReadGgtt(u32, u8),
    WriteGgtt(u32, u64, u64, u16),
    Config(u16, u32),
    Leaf(bool, u64),
    Table(u16, u64),
    Batch(Vec<u32>),
    Ring(Vec<u32>),
    Image(u16, u32),
    Context(u32),
    Submit(u32, u64),
    Run(u16),
    Relax(u64),
}

fn engine() -> impl Strategy<Value = u32> {
    prop_oneof![Just(BCS), Just(VCS), Just(CCS), Just(GSC), Just(0x2000)]
}

/// Registers that mean something, with neighbours; and any other.
fn register() -> impl Strategy<Value = u32> {
    let known = prop_oneof![
        (engine(), 0u32..0x700).prop_map(|(base, inside)| base + inside),
        Just(0x941Cu32),
        Just(0x38_941C),
        0xCEB0u32..0xCF90,
        0x19_0000u32..0x19_0120,
        0xA180u32..0xA190,
        Just(0x1_4800),
        Just(0x13_0030),
        Just(0xFD0),
    ];
    prop_oneof![4 => known, 1 => 0u32..16 << 20]
}

/// Commands with their lengths in dwords: what gets past the decoder, so that operands are what is tried.
const COMMANDS: [(u32, usize); 34] = [
    (0x0040_1234, 1),
    (0x0080_0002, 1),
    (0x0100_0000, 1),
    (0x0280_0000, 1),
    (0x0400_0000, 1),
    (0x0400_0001, 1),
    (0x0500_0000, 1),
    (0x0600_0082, 1),
    (0x0D00_0001, 3),
    (0x0E00_C003, 5),
    (0x0E40_C002, 4),
    (0x0E01_C003, 5),
    (0x1000_0002, 4),
    (0x1020_0005, 7),
    (0x1040_0002, 4),
    (0x1080_0001, 3),
    (0x1108_0003, 5),
    (0x1100_0001, 3),
    (0x1180_0002, 4),
    (0x1248_0002, 4),
    (0x1304_4003, 5),
    (0x1320_C002, 4),
    (0x1400_0002, 4),
    (0x14C8_0002, 4),
    (0x150C_0001, 3),
    (0x1700_0003, 5),
    (0x1780_0501, 3),
    (0x1784_0709, 11),
    (0x1880_0101, 3),
    (0x18C0_0001, 3),
    (0x1B20_1002, 4),
    (0x5680_0008, 10),
    (0x56C2_0005, 7),
    (0x5080_0008, 10),
];

fn operand() -> impl Strategy<Value = u32> {
    prop_oneof![
        6 => (0u32..0x2000).prop_map(|offset| VA as u32 + (offset & !7)),
        2 => (0u32..0x1_0000).prop_map(|offset| RING + (offset & !7)),
        4 => Just(0),
        3 => 0u32..16,
        2 => Just(0x0300_0040),
        1 => any::<u32>(),
    ]
}

/// A command with any operands; now and then a dword that is none.
fn command() -> impl Strategy<Value = Vec<u32>> {
    let known = (prop::sample::select(&COMMANDS[..]), prop::collection::vec(operand(), 10));
    let known = known.prop_map(|((header, dwords), mut operands)| {
        operands.truncate(dwords - 1);
        operands.insert(0, header);
        operands
    });
    prop_oneof![60 => known, 1 => any::<u32>().prop_map(|dword| vec![dword])]
}

fn commands(most: usize) -> impl Strategy<Value = Vec<u32>> {
    prop::collection::vec(command(), 1..most).prop_map(|commands| commands.concat())
}

fn entry() -> impl Strategy<Value = u64> {
    prop_oneof![
        (0u64..64, 0u64..16).prop_map(|(page, bits)| 0x1_0000_0000 + page * 4096 + bits),
        Just(0x203),
        Just(0x283),
        any::<u64>(),
    ]
}

/// Dwords of a register page that say something, and any other.
fn image_dword() -> impl Strategy<Value = u16> {
    prop_oneof![prop::sample::select(&[3, 5, 7, 9, 0xB, 0x13, 0x15, 0x2F, 0x31, 0x33][..]), 0u16..0x300]
}

fn action() -> impl Strategy<Value = Action> {
    use Action::{
        Batch, Config, Context, Image, Leaf, Read, ReadGgtt, Relax, Ring, Run, Submit, Table, Write, WriteGgtt,
    };
    prop_oneof![
        4 => register().prop_map(Read),
        4 => (register(), any::<u32>()).prop_map(|(offset, value)| Write(offset, value)),
        1 => (0u32..1 << 20, any::<u8>()).prop_map(|(page, count)| ReadGgtt(page, count)),
        1 => (0xFF0u32..0x1040, entry(), prop_oneof![Just(0), Just(4096), any::<u64>()], 0u16..70)
            .prop_map(|(page, first, step, count)| WriteGgtt(page, first, step, count)),
        1 => (any::<u16>(), any::<u32>()).prop_map(|(offset, value)| Config(offset, value | 6)),
        1 => (any::<bool>(), entry()).prop_map(|(second, leaf)| Leaf(second, leaf)),
        1 => (0u16..2560, entry()).prop_map(|(index, value)| Table(index, value)),
        6 => commands(60).prop_map(Batch),
        4 => commands(12).prop_map(Ring),
        1 => (image_dword(), any::<u32>()).prop_map(|(dword, value)| Image(dword, value)),
        6 => engine().prop_map(Context),
        4 => (engine(), prop_oneof![3 => Just(0), 1 => any::<u64>()]).prop_map(|(base, flip)| Submit(base, flip)),
        6 => (1u16..2000).prop_map(Run),
        2 => any::<u64>().prop_map(Relax),
    ]
}

impl Action {
    fn carry_out(&self, mini: &mut Mini) {
        match self {
            Self::Read(offset) => drop(mini.hal.read32(RegOffset::at(*offset))),
            Self::Write(offset, value) => mini.write(*offset, *value),
            Self::ReadGgtt(page, count) => {
                let mut out = vec![0; usize::from(*count)];
                mini.hal.read64_run(RegOffset::ggtt_entry(*page).unwrap(), &mut out);
            }
            Self::WriteGgtt(page, first, step, count) => {
                mini.hal.write64_steps(RegOffset::ggtt_entry(*page).unwrap(), *first, *step, u32::from(*count));
            }
            Self::Config(offset, value) => drop(mini.hal.config_write32(*offset, *value)),
            Self::Leaf(second, leaf) => mini.set_leaf(usize::from(*second), *leaf),
            Self::Table(index, value) => mini.set_table(usize::from(*index), *value),
            Self::Batch(dwords) => mini.pages[0].copy_u32(0, dwords).unwrap(),
            Self::Ring(dwords) => mini.emit(dwords),
            Self::Image(slot, value) => mini.set_image(usize::from(*slot), *value),
            Self::Context(base) => {
                mini.context(*base);
                mini.emit(&[0x1880_0101, VA as u32, 0, 0x1000_0002, SECOND_VA as u32, 0, 1, 0x0100_0000]);
                mini.submit(*base);
            }
            Self::Submit(base, flip) => {
                let descriptor = (u64::from(LRCA) | 0x119) ^ flip;
                mini.load(*base, descriptor);
            }
            Self::Run(commands) => {
                let report = mini.sim.run(u64::from(*commands));
                assert!(report.commands < u64::from(*commands) + 64 * 8, "one turn of every engine beyond the limit");
            }
            Self::Relax(ns) => {
                let now = mini.hal.now();
                let _ = mini.hal.relax(now.saturating_add(Nanos::new(*ns)));
            }
        }
    }
}

/// The same cases in every run, unless the environment asks for others (`PROPTEST_RNG_SEED`, `PROPTEST_CASES`).
fn config() -> ProptestConfig {
    let given = ProptestConfig::default();
    let rng_seed = if given.rng_seed == RngSeed::Random { RngSeed::Fixed(20) } else { given.rng_seed };
    ProptestConfig { rng_seed, failure_persistence: None, ..given }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn no_driver_and_no_batch_panics_the_device_or_holds_it_up(
        lnl in any::<bool>(),
        actions in prop::collection::vec(action(), 1..60),
    ) {
        let mut config = SimConfig::new(if lnl { Platform::lnl() } else { Platform::tgl() });
        config.timeline_events = 200;
        config.relax_commands = 2000;
        config.memory_bytes = 1 << 20;
        let mut mini = Mini::new(&config, &[BCS, VCS]);
        for action in &actions {
            action.carry_out(&mut mini);
        }
        // Whatever it has come to can still be looked at.
        mini.sim.mark("end");
        prop_assert!(mini.sim.timeline().text().contains("end"));
        let _ = (mini.sim.snapshot(), mini.sim.halted(), mini.sim.violations(), mini.sim.missing());
        prop_assert_eq!(mini.close().buffers(), (7, 7));
    }
}
