//! `XE_WAIT_USER_FENCE` (bind-and-exec sheet §2.5, §3.9): waiting until a word in client memory has a value.

use crate::Error;
use crate::device::wait::Patience;
use crate::device::{ClientId, Device};
use crate::uapi::wire::client::SharedMemory;
use crate::uapi::wire::{Field, Zero, check_flags, check_zero, read, write};
use crate::uapi::{Again, Answer, DONE};
use barexe_hal::{ClientMemory, Hal, Nanos};

const ADDR: Field<u64> = Field::at(8);
const OP: Field<u16> = Field::at(16);
const FLAGS: Field<u16> = Field::at(18);
const VALUE: Field<u64> = Field::at(24);
const MASK: Field<u64> = Field::at(32);
/// In nanoseconds; afterwards, what is left of it.
const TIMEOUT: Field<i64> = Field::at(40);
const QUEUE_ID: Field<u32> = Field::at(48);
/// Row 1.
const MUST_BE_ZERO: [Zero; 4] = [Zero::extensions(), Zero::pad(20, 4), Zero::pad(52, 4), Zero::reserved(56)];

/// The time limit is an instant of the monotonic clock.
const ABSOLUTE: u32 = 1;

/// The shortest time that a limit above zero gives: one look later than the first.
const TICK: Nanos = Patience::ACCEPTED.look_every;

/// What the word must be, seen from the word.
#[derive(Clone, Copy, Debug)]
struct Condition {
    op: u16,
    value: u64,
    mask: u64,
}

/// Largest number of a comparison.
const LAST_OP: u16 = 5;

impl Condition {
    const fn holds(&self, word: u64) -> bool {
        let (word, value) = (word & self.mask, self.value & self.mask);
        match self.op {
            0 => word == value,
            1 => word != value,
            2 => word > value,
            3 => word >= value,
            4 => word < value,
            _ => word <= value,
        }
    }
}

/// The time limit as given.
#[derive(Clone, Copy, Debug)]
struct Limit {
    timeout_ns: i64,
    absolute: bool,
}

impl Limit {
    /// Whether it is a length of time above zero, and which.
    fn length(self) -> Option<Nanos> {
        u64::try_from(self.timeout_ns).ok().map(Nanos::new)
    }

    /// The instant at which a wait that began at `began` ends; `None`: never.
    fn end(self, began: Nanos) -> Option<Nanos> {
        match self.length()? {
            Nanos::ZERO => Some(began),
            until if self.absolute => Some(until.max(began.saturating_add(TICK))),
            length => Some(began.saturating_add(length.max(TICK))),
        }
    }

    /// What is left of it at `now`. For ever is always all there is; an instant stays what it is.
    fn rest(self, began: Nanos, now: Nanos) -> i64 {
        match self.length() {
            None => i64::MAX,
            Some(_) if self.absolute => self.timeout_ns,
            Some(length) => {
                let rest = length.saturating_sub(now.saturating_sub(began));
                i64::try_from(rest.get()).unwrap_or(i64::MAX)
            }
        }
    }
}

/// One look. From the sixth row on every end of the call leaves the rest of a time limit in `arg`.
pub(super) fn wait<H: Hal>(
    device: &mut Device<'_, H>,
    client: ClientId,
    arg: &mut [u8],
    memory: &mut dyn ClientMemory,
    again: Option<Again>,
) -> Result<Answer, Error> {
    let condition = check(arg)?;
    let queue = Some(read(arg, QUEUE_ID)).filter(|id| *id != 0);
    if let (Some(queue), None) = (queue, again) {
        device.queue_is_banned(client, queue)?;
    }
    let limit = Limit { timeout_ns: read(arg, TIMEOUT), absolute: u32::from(read(arg, FLAGS)) & ABSOLUTE != 0 };
    let began = again.map_or_else(|| device.now(), |again| again.began);
    // What the device has done by now shows in the word.
    device.poll();
    device.deliver_user_fences(client, memory);
    let interrupted = again.is_some_and(|again| again.interrupted);
    let result = look(read(arg, ADDR), condition, memory).and_then(|holds| {
        let now = device.now();
        match limit.end(began) {
            _ if holds => DONE,
            _ if interrupted => Err(Error::Interrupted),
            _ if queue.is_some_and(|queue| is_dead(device, client, queue)) => {
                Err(Error::QueueBanned { id: read(arg, QUEUE_ID) })
            }
            Some(end) if now >= end => Err(Error::TimedOut),
            until => Ok(Answer::Wait { until }),
        }
    });
    if !matches!(result, Ok(Answer::Wait { .. })) {
        let rest = limit.rest(began, device.now());
        write(arg, TIMEOUT, rest);
    }
    result
}

/// Rows 6 and 7.
fn look(addr: u64, condition: Condition, memory: &mut dyn ClientMemory) -> Result<bool, Error> {
    let word: [u8; 8] = SharedMemory::new(memory).read(Some(addr))?;
    Ok(condition.holds(u64::from_le_bytes(word)))
}

/// Whether nothing more comes from a queue that was there when the call was made first: it may be gone since.
fn is_dead<H: Hal>(device: &Device<'_, H>, client: ClientId, queue: u32) -> bool {
    device.queue_is_banned(client, queue).unwrap_or(true)
}

/// Rows 1 to 4.
fn check(arg: &[u8]) -> Result<Condition, Error> {
    check_zero(arg, &MUST_BE_ZERO)?;
    check_flags("user fence wait flags", u32::from(read(arg, FLAGS)), ABSOLUTE)?;
    let op = read(arg, OP);
    if op > LAST_OP {
        return Err(Error::invalid("user fence comparison", u64::from(op)));
    }
    let addr = read(arg, ADDR);
    if addr & 7 != 0 {
        return Err(Error::invalid("user fence address", addr));
    }
    Ok(Condition { op, value: read(arg, VALUE), mask: read(arg, MASK) })
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn limit(timeout_ns: i64, absolute: bool) -> Limit {
        Limit { timeout_ns, absolute }
    }

    #[test]
    fn both_sides_are_masked_and_compared_without_sign() {
        let holds = |word, op, value, mask| Condition { op, value, mask }.holds(word);
        let word = 0xFFFF_0000_0000_0001;
        assert!(holds(word, 2, 1, u64::MAX) && holds(word, 0, 0xAB_0001, 0xFFFF) && !holds(word, 4, 1, u64::MAX));
        let table = [
            (0, [false, true, false]),
            (1, [true, false, true]),
            (2, [false, false, true]),
            (3, [false, true, true]),
            (4, [true, false, false]),
            (5, [true, true, false]),
        ];
        for (op, expected) in table {
            assert_eq!([6, 7, 8].map(|word| holds(word, op, 7, u64::MAX)), expected, "{op}");
        }
    }

    #[test]
    fn a_limit_is_one_look_or_at_least_a_tick_or_for_ever() {
        let (began, tick) = (Nanos::new(1_000_000), TICK.get());
        let end = |timeout, absolute| limit(timeout, absolute).end(began).map(|end| end.get() - began.get());
        for absolute in [false, true] {
            assert_eq!([end(0, absolute), end(1, absolute), end(-1, absolute)], [Some(0), Some(tick), None]);
            assert_eq!(end(i64::MIN, absolute), None);
        }
        assert_eq!((end(5_000_000, false), end(5_000_000, true)), (Some(5_000_000), Some(4_000_000)));
    }

    #[test]
    fn of_a_length_the_rest_is_left_and_never_less_than_nothing() {
        let rest =
            |timeout, absolute, passed: u64| limit(timeout, absolute).rest(Nanos::new(7), Nanos::new(7 + passed));
        assert_eq!([rest(10, false, 0), rest(10, false, 4), rest(10, false, 11)], [10, 6, 0]);
        assert_eq!([rest(10, true, 4), rest(0, true, 4), rest(0, false, 4)], [10, 0, 0]);
        assert_eq!([rest(-1, false, 4), rest(-5, true, 4), rest(i64::MAX, false, 0)], [i64::MAX; 3]);
    }
}
