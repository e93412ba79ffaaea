//! Waits for user fences: S102 to S105.

use barexe_core::Errno::{self, ECANCELED, EFAULT, EINTR, EINVAL, EIO, ENOENT, ETIME};
use barexe_core::device::Device;
use barexe_core::device::wait::Lend;
use barexe_core::gt::EngineClass;
use barexe_core::uapi::ioctl_blocking;
use barexe_hal::{ClientAddr, ClientFault, ClientMemory, Interrupted, Nanos};
use barexe_sim::SimHal;
use barexe_tests::scenarios;
use barexe_tests::trial::{Bind, Blocked, Exec, FENCES, NOWHERE, Trial, op, sync};
use barexe_tests::wire::{Bytes, Ram};
use core::cell::RefCell;

scenarios! {
    s102_a_wait_for_a_user_fence_is_checked { cases: 6, holds: [R40] }
    s103_a_wait_lasts_as_long_as_it_may { cases: 4, holds: [] }
    s104_words_are_compared_under_a_mask_and_without_sign { cases: 3, holds: [] }
    s105_what_holds_counts_before_a_ban { cases: 2, holds: [R56, M6] }
    a_ban_ends_a_wait_that_is_under_way { cases: 1, holds: [R56] }
    an_interrupted_wait_leaves_the_rest_and_is_made_again { cases: 2, holds: [R52] }
    a_batch_that_stores_its_user_fence_ends_a_wait { cases: 2, holds: [] }
}

const WAIT: u32 = 0xC048_644A;
const GET_PROPERTY: u32 = 0xC028_6448;
const PAGE: u64 = 0x1000;
const VA: u64 = 0x40_0000;
const ABSTIME: u16 = 1;

/// Comparisons (bind-and-exec sheet §2.6).
const EQ: u16 = 0;
const GT: u16 = 2;
const LT: u16 = 4;

/// Until the first user fence is 1; one look.
fn wait() -> Bytes {
    Bytes::new(72).u64(8, FENCES).u16(16, EQ).u64(24, 1).u64(32, u64::MAX)
}

/// With a time limit, as instant or as length.
fn within(timeout_ns: u64, flags: u16) -> Bytes {
    wait().u64(40, timeout_ns).u16(18, flags)
}

/// The client's memory, seen by a call that waits and by those who do something meanwhile.
struct Shared<'r>(&'r RefCell<Ram>);

impl ClientMemory for Shared<'_> {
    fn copy_in(&mut self, addr: ClientAddr, into: &mut [u8]) -> Result<(), ClientFault> {
        self.0.borrow_mut().copy_in(addr, into)
    }

    fn copy_out(&mut self, addr: ClientAddr, from: &[u8]) -> Result<(), ClientFault> {
        self.0.borrow_mut().copy_out(addr, from)
    }
}

/// What happens, and after which time of the wait; whether the wait is interrupted then.
type Doing<'d> = (Nanos, &'d mut dyn FnMut(&mut Trial<'_>) -> Result<(), Interrupted>);

/// Lends a trial's device to a call that waits; time passes while it sleeps.
struct Sleeper<'t, 's, 'd> {
    trial: &'t mut Trial<'s>,
    doing: Option<Doing<'d>>,
    sleeps: u32,
}

impl<'s> Lend<'s, SimHal> for Sleeper<'_, 's, '_> {
    fn with<T>(&mut self, work: impl FnOnce(&mut Device<'s, SimHal>) -> T) -> T {
        work(&mut self.trial.device)
    }

    fn idle(&mut self, until: Nanos) -> Result<(), Interrupted> {
        self.sleeps += 1;
        assert!(self.sleeps < 10_000, "{}: the wait does not end", self.trial);
        self.trial.device.relax(until).unwrap();
        let now = self.trial.device.now();
        match self.doing.take_if(|(at, _)| now >= *at) {
            Some((_, work)) => work(self.trial),
            None => Ok(()),
        }
    }
}

/// What a wait came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct End {
    result: Result<u32, Errno>,
    /// What is left in the field for the time limit.
    rest: u64,
    /// How long it took.
    took: Nanos,
}

/// Waits as long as the call does. `doing` counts from the start of the wait.
fn waited(on: &mut Trial<'_>, arg: &Bytes, doing: Option<Doing<'_>>) -> End {
    let memory = RefCell::new(on.memory.clone());
    let (mut arg, client, began) = (arg.clone(), on.client, on.device.now());
    let doing = doing.map(|(after, work)| (began.saturating_add(after), work));
    let mut sleeper = Sleeper { trial: on, doing, sleeps: 0 };
    let result = ioctl_blocking(&mut sleeper, client, WAIT, &mut arg.0, &mut Shared(&memory));
    let took = on.device.now().saturating_sub(began);
    on.memory = memory.into_inner();
    End { result: result.map_err(|error| error.errno()), rest: arg.get_u64(40), took }
}

fn unblock(on: &mut Trial<'_>, blocked: Blocked) -> Result<(), Interrupted> {
    on.unblock(blocked);
    Ok(())
}

fn s102_a_wait_for_a_user_fence_is_checked(on: &mut Trial<'_>) {
    let wrong = [
        ("flags 2", wait().u16(18, 2), EINVAL),
        ("comparison 6", wait().u16(16, 6), EINVAL),
        ("address + 4", wait().u64(8, FENCES + 4), EINVAL),
        ("pad", wait().u32(20, 1), EINVAL),
        ("queue 999", wait().u32(48, 999), ENOENT),
        ("nothing at the address", wait().u64(8, NOWHERE), EFAULT),
    ];
    for (what, arg, errno) in wrong {
        on.case(what);
        on.refused(WAIT, &arg, errno);
    }
}

const LIMIT: u64 = 10_000_000;

fn s103_a_wait_lasts_as_long_as_it_may(on: &mut Trial<'_>) {
    on.case("one look");
    let end = waited(on, &within(0, 0), None);
    on.check("code and rest", (end.result, end.rest), (Err(ETIME), 0));
    on.check("took no time", end.took < Nanos::from_micros(1), true);
    on.case("10 ms");
    let end = waited(on, &within(LIMIT, 0), None);
    on.check("code and rest", (end.result, end.rest), (Err(ETIME), 0));
    on.check("took as long", (LIMIT..LIMIT + 100_000).contains(&end.took.get()), true);
    on.case("an instant that is over");
    let past = on.device.now().get() - 1;
    let end = waited(on, &within(past, ABSTIME), None);
    on.check("code and field", (end.result, end.rest), (Err(ETIME), past));
    on.check("took a moment", end.took < Nanos::from_micros(200), true);
    on.case("half the time");
    let (vm, b0) = (on.vm(), on.blocked());
    on.bind(&Bind::on(vm).op(op::null(VA, PAGE)).after(b0).sync(sync::user_fence(FENCES, 1)));
    let end = waited(on, &within(LIMIT, 0), Some((Nanos::new(LIMIT / 2), &mut |on| unblock(on, b0))));
    on.check("code", end.result, Ok(0));
    on.check("about half is left", (LIMIT * 4 / 10..=LIMIT / 2).contains(&end.rest), true);
}

fn s104_words_are_compared_under_a_mask_and_without_sign(on: &mut Trial<'_>) {
    on.put(FENCES, &0xFFFF_0000_0000_0001u64.to_le_bytes());
    on.case("greater than 1, whole");
    on.accepted(WAIT, &wait().u16(16, GT));
    on.case("equal to 1 in its lower half");
    on.accepted(WAIT, &wait().u64(32, 0xFFFF));
    on.case("less than 1");
    on.refused(WAIT, &wait().u16(16, LT), ETIME);
}

/// A queue whose VM is banned once `go` lets the bind before it fail.
fn doomed(on: &mut Trial<'_>) -> (u32, Blocked) {
    let vm = on.vm();
    let (queue, b0) = (on.queue(vm, EngineClass::Copy), on.blocked());
    on.bind(&Bind::on(vm).op(op::null(VA, PAGE)).after(b0));
    on.device.fail_next_table_change();
    (queue, b0)
}

/// Checks what the queue says about itself.
fn check_ban(on: &mut Trial<'_>, queue: u32, want: u64) {
    let said = on.accepted(GET_PROPERTY, &Bytes::new(40).u32(8, queue)).get_u64(16);
    on.check("property BAN", said, want);
}

fn s105_what_holds_counts_before_a_ban(on: &mut Trial<'_>) {
    let (queue, b0) = doomed(on);
    check_ban(on, queue, 0);
    on.unblock(b0);
    on.settle();
    check_ban(on, queue, 1);
    on.exec_refused(&Exec::on(queue), ECANCELED);
    on.case("true, and banned");
    on.put(FENCES, &1u64.to_le_bytes());
    on.accepted(WAIT, &wait().u32(48, queue));
    on.case("untrue, and banned");
    on.put(FENCES, &0u64.to_le_bytes());
    on.refused(WAIT, &wait().u32(48, queue), EIO);
    let end = waited(on, &within(LIMIT, 0).u32(48, queue), None);
    on.check("code", end.result, Err(EIO));
    on.check("the time is left", (LIMIT - 1000..=LIMIT).contains(&end.rest), true);
}

fn a_ban_ends_a_wait_that_is_under_way(on: &mut Trial<'_>) {
    on.case("for ever, but for the ban");
    let (queue, b0) = doomed(on);
    let for_ever = within(u64::MAX, 0).u32(48, queue);
    let end = waited(on, &for_ever, Some((Nanos::from_millis(1), &mut |on| unblock(on, b0))));
    on.check("code and rest", (end.result, end.rest), (Err(EIO), i64::MAX.cast_unsigned()));
}

fn an_interrupted_wait_leaves_the_rest_and_is_made_again(on: &mut Trial<'_>) {
    on.case("interrupted");
    let at = Nanos::new(LIMIT * 4 / 10);
    let first = waited(on, &within(LIMIT, 0), Some((at, &mut |_| Err(Interrupted))));
    on.check("code", first.result, Err(EINTR));
    on.check("took as long", (at..at.saturating_add(Nanos::from_micros(200))).contains(&first.took), true);
    on.check("the rest is left", (LIMIT * 55 / 100..=LIMIT * 6 / 10).contains(&first.rest), true);
    on.case("with what is left");
    let second = waited(on, &within(first.rest, 0), None);
    on.check("code and rest", (second.result, second.rest), (Err(ETIME), 0));
    let both = first.took.saturating_add(second.took).get();
    on.check("both are as long as one would be", (LIMIT..LIMIT + 200_000).contains(&both), true);
}

/// The client sees the object that the batch's queue stores into through its own mapping.
fn a_batch_that_stores_its_user_fence_ends_a_wait(on: &mut Trial<'_>) {
    let (vm, bo, spin) = (on.vm(), on.bo(PAGE), on.bo(PAGE));
    let queue = on.queue(vm, EngineClass::Copy);
    on.bind_now(&Bind::on(vm).op(op::map(bo, 0, VA, PAGE)).op(op::map(spin, 0, VA + PAGE, PAGE)));
    let gate = on.write_spin(spin, VA + PAGE, &[]);
    on.exec(&Exec::on(queue).batch(VA + PAGE).sync(sync::user_fence(VA + 8, 7)));
    let wait = |timeout| within(timeout, 0).u64(24, 7).u32(48, queue);
    let seen = |on: &mut Trial<'_>, arg: &Bytes| {
        let word = u64::from(on.read(bo, 8));
        on.put(FENCES, &word.to_le_bytes());
        waited(on, arg, None).result
    };
    on.case("while it runs");
    let before = seen(on, &wait(1_000_000));
    on.check("code", before, Err(ETIME));
    on.release(gate);
    on.settle();
    on.case("when it is over");
    let after = seen(on, &wait(0));
    on.check("code", after, Ok(0));
}
