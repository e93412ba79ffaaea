//! Batches that take numbers: one when they begin, one when they end.
#![expect(clippy::cast_possible_truncation, reason = "addresses are cut in halves")]

use super::trace::Fate;
use barexe_tests::rig::{ARB_CHECK, ARB_OFF, BATCH_END, JUMP, store};

/// The board: one object that every VM maps here, with the counter, a place for each batch's numbers, and their code.
pub(crate) const BOARD: u64 = 0x10_0000;
pub(crate) const BOARD_BYTES: u64 = 0x2_0000;
/// Batches of a run at most: no place is used twice.
pub(crate) const PLACES: u64 = 512;
const CODE: u64 = 0x8000;
const CODE_BYTES: u64 = 0x80;

/// `MI_ATOMIC`: adds 1 to a dword, and leaves the old value in the first general-purpose register.
const COUNT: u32 = 0x1781_0501;
/// `MI_STORE_REGISTER_MEM` of that register of the engine that runs.
const KEEP: [u32; 2] = [0x1208_0002, 0x600];
/// No command of any engine.
const NO_COMMAND: u32 = 0x7F00_0000;
/// Nothing is ever mapped here.
const NOWHERE: u64 = 0x7000_0012_3000;

/// Offset of a place's numbers in the board: first, last, user fence.
pub(crate) const fn numbers(place: u64) -> u64 {
    0x40 + place * 32
}

pub(crate) const fn user_fence(place: u64) -> u64 {
    numbers(place) + 8
}

pub(crate) const fn code(place: u64) -> u64 {
    CODE + place * CODE_BYTES
}

fn stamp(offset: u64) -> impl Iterator<Item = u32> {
    let halves = |va: u64| [va as u32, (va >> 32) as u32];
    let ([counter_low, counter_high], [low, high]) = (halves(BOARD), halves(BOARD + offset));
    [COUNT, counter_low, counter_high].into_iter().chain(KEEP).chain([low, high])
}

/// A batch for a place, and the offset in the board of the jump that makes it spin. `stores`: address and value of one
/// more store.
pub(crate) fn batch(place: u64, fate: Fate, stores: Option<(u64, u32)>) -> (Vec<u32>, u64) {
    let mut dwords: Vec<u32> = stamp(numbers(place)).collect();
    dwords.extend(stores.iter().flat_map(|(va, value)| store(*va, *value)));
    let again = BOARD + code(place) + dwords.len() as u64 * 4 + 4;
    let spin = [0, JUMP, again as u32, (again >> 32) as u32];
    match fate {
        Fate::Plain => {}
        Fate::Spin | Fate::Endless => {
            dwords.extend([0, ARB_CHECK]);
            dwords.extend(spin);
        }
        Fate::Locked => {
            dwords.extend([ARB_OFF, 0]);
            dwords.extend(spin);
        }
        Fate::Fault => dwords.extend(store(NOWHERE, 7)),
        Fate::Bad => dwords.push(NO_COMMAND),
    }
    let jump = code(place) + (dwords.len() as u64).saturating_sub(3) * 4;
    dwords.extend(stamp(numbers(place) + 4));
    dwords.extend([BATCH_END, 0]);
    assert!(dwords.len() as u64 * 4 <= CODE_BYTES);
    (dwords, jump)
}
