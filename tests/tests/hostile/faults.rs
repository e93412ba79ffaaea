//! Batches that stop their engine.

use crate::stage::{FAULTED, NOWHERE, RESULT, VA, attack, halves};
use barexe_core::device::request::{BindFlags, BindOp};
use barexe_hal::Nanos;
use barexe_tests::rig::{BATCH_END, JUMP, store};

/// An engine that stopped is seen by the next look, and reset; a round that binds has up to three turns.
const SEEN: Nanos = Nanos::from_millis(5);

fn then_end(command: &[u32]) -> Vec<u32> {
    [command, &[BATCH_END]].concat()
}

fn copy_from(va: u64) -> Vec<u32> {
    let ([to_low, to_high], [low, high]) = (halves(VA + RESULT), halves(va));
    then_end(&[0x1700_0003, to_low, to_high, low, high])
}

#[test]
fn accesses_to_what_is_not_mapped() {
    attack("reads, writes and jumps to what is not mapped", SEEN).tried(|stage| {
        let [low, high] = halves(NOWHERE);
        let top = 0xFFFF_FFFF_FFFF_F000;
        let far = [NOWHERE, 0, VA - 4, 1 << 47, top, VA + crate::stage::BO_BYTES];
        for va in far {
            assert_eq!(stage.end_of(&copy_from(va)), FAULTED, "read at {va:#x}");
            assert_eq!(stage.end_of(&then_end(&store(va, 1))), FAULTED, "write at {va:#x}");
        }
        assert_eq!(stage.end_of(&[JUMP, low, high]), FAULTED, "jump");
        let queue = stage.queue();
        let outside = stage.rig.exec(queue, NOWHERE, &[]).unwrap();
        assert_eq!(stage.outcome(outside, Nanos::from_millis(60)), FAULTED, "a batch that is nowhere");
    });
}

#[test]
fn a_batch_that_runs_out_of_its_memory() {
    attack("a batch that runs past the end of its memory", SEEN).tried(|stage| {
        assert_eq!(stage.end_of(&store(VA + RESULT, 1)), FAULTED);
    });
}

#[test]
fn a_store_to_what_is_read_only() {
    attack("a store to a mapping that is read-only", SEEN).tried(|stage| {
        let other = stage.rig.bo(0x1000);
        let op = BindOp { flags: BindFlags::READONLY, ..stage.rig.map_op(other, VA + 0x10_0000) };
        stage.rig.bind_now(stage.vm, &[op]);
        assert_eq!(stage.end_of(&then_end(&store(VA + 0x10_0000, 1))), FAULTED);
        assert_eq!(stage.rig.read(other, 0), 0);
    });
}

/// Families and opcodes that do not exist, lengths that a command cannot have, commands of another engine, fields that
/// have no meaning.
const INVALID: [u32; 15] = [
    0x2000_0000,
    0xC000_0000,
    0xFFFF_FFFF,
    0x7F00_0000,
    0x0200_0000,
    0x0800_0000,
    0x1F80_0000,
    0x1880_0100,
    0x1100_0002,
    0x1000_0001,
    0x7A00_0004,
    0x0E00_6003,
    0x0380_0000,
    0x1C80_0001,
    0x4480_0000,
];

#[test]
fn instructions_that_are_none() {
    attack("instructions that are none", SEEN).tried(|stage| {
        for header in INVALID {
            assert_eq!(stage.end_of(&[header, 0, 0, 0, 0, 0, BATCH_END]), FAULTED, "{header:#010x}");
        }
    });
}

/// What the low bits of a batch's address do is not determined: they are no part of the field.
#[test]
fn a_batch_at_an_odd_address() {
    attack("a batch at an odd address", SEEN).tried(|stage| {
        let queue = stage.queue();
        stage.rig.write(stage.bo, 0, &[BATCH_END; 4]);
        let odd = stage.rig.exec(queue, VA + 1, &[]).unwrap();
        let end = stage.outcome(odd, Nanos::from_millis(60));
        assert!(end.is_none() || end == FAULTED, "{end:?}");
    });
}
