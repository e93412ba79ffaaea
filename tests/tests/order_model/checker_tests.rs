//! That the rules catch what they are there for: a good trace passes, and each way to spoil it does not.

use super::check::check;
use super::trace::{Call, Event, Fate, How, Kind, Trace};
use barexe_core::Errno;

fn call(kind: Kind, queue: Option<usize>, waits: &[usize]) -> Event {
    let (waits, meets) = (waits.iter().copied().collect(), [].into());
    let user_fence = kind == Kind::Batch(Fate::Plain);
    Event::Call(Box::new(Call { kind, queue, waits, meets, user_fence }))
}

const fn well(node: usize) -> Event {
    Event::Fence { node, how: How::Well }
}

const fn start(node: usize, serial: u32) -> Event {
    Event::Start { node, serial }
}

const fn end(node: usize, serial: u32) -> Event {
    Event::End { node, serial }
}

/// A fence of the test; a batch behind it; a bind behind the batch; a barrier behind the bind on the batch's queue, and a
/// batch behind that. Each look is one line.
fn good() -> Vec<Vec<Event>> {
    let (batch, on) = (Kind::Batch(Fate::Plain), Some(1));
    vec![
        vec![call(Kind::Outside, None, &[]), call(batch, on, &[0])],
        vec![call(Kind::Bind, Some(2), &[1])],
        vec![call(Kind::Barrier, on, &[2])],
        vec![call(batch, on, &[])],
        vec![well(0)],
        vec![start(1, 1)],
        vec![end(1, 2), Event::UserFence { node: 1 }, well(1)],
        vec![well(2), well(3)],
        vec![start(4, 3), end(4, 4), Event::UserFence { node: 4 }, well(4)],
    ]
}

fn judge(looks: &[Vec<Event>]) -> Result<(), String> {
    let mut trace = Trace::default();
    for events in looks {
        trace.look += 1;
        events.iter().for_each(|event| trace.push(0, event.clone()));
    }
    check(&trace)
}

/// The good trace, spoilt, is refused by this rule.
#[track_caller]
fn refused(rule: &str, spoil: impl FnOnce(&mut Vec<Vec<Event>>)) {
    let mut looks = good();
    spoil(&mut looks);
    let refused = judge(&looks).expect_err(rule);
    assert!(refused.contains(rule), "{rule}: {refused}");
}

#[test]
fn a_good_trace_passes() {
    judge(&good()).unwrap();
}

#[test]
fn a_batch_that_overtakes_its_in_sync_is_found() {
    refused("O1", |looks| looks.swap(4, 5));
}

/// Numbers of the counter tell when looks do not.
#[test]
fn numbers_out_of_order_are_found() {
    refused("O2", |looks| {
        looks[6][0] = end(1, 9);
    });
    refused("O1", |looks| {
        looks[3] = vec![call(Kind::Batch(Fate::Plain), Some(9), &[1])];
        looks[6][0] = end(1, 9);
    });
}

#[test]
fn a_batch_that_overtakes_its_queue_is_found() {
    refused("O2", |looks| looks.swap(7, 8));
}

#[test]
fn a_lost_fence_is_found() {
    for node in 0..5 {
        refused("O3", |looks| {
            for events in looks {
                events.retain(|event| !matches!(event, Event::Fence { node: of, .. } if *of == node));
            }
        });
    }
}

#[test]
fn a_fence_that_signals_twice_is_found() {
    for node in 0..5 {
        refused("twice", |looks| looks.push(vec![well(node)]));
    }
}

#[test]
fn a_fence_before_its_work_is_found() {
    refused("O4", |looks| looks[6].swap(0, 2));
    refused("O4", |looks| {
        looks[7].remove(0);
        looks.insert(6, vec![well(2)]);
    });
}

#[test]
fn a_barrier_that_is_late_is_found() {
    refused("O5", |looks| {
        looks[7].pop();
        looks.insert(8, vec![well(3)]);
    });
}

#[test]
fn work_after_its_fence_is_found() {
    refused("O6", |looks| looks.push(vec![start(4, 7)]));
}

#[test]
fn results_that_nothing_explains_are_found() {
    let failed = |node, code| Event::Fence { node, how: How::Failed(code) };
    for code in [Errno::EIO, Errno::ETIME, Errno::ECANCELED] {
        refused("O7", |looks| looks[8][3] = failed(4, code));
    }
    refused("O7", |looks| looks[7][0] = failed(2, Errno::EIO));
    refused("O7", |looks| looks[8][3] = Event::Fence { node: 4, how: How::Unknown });
}

#[test]
fn a_batch_that_must_fail_and_does_not_is_found() {
    refused("O7", |looks| {
        looks[3] = vec![call(Kind::Batch(Fate::Bad), Some(1), &[])];
        looks[8].remove(2);
    });
}

#[test]
fn a_batch_behind_a_failed_one_that_runs_is_found() {
    let spoil = |looks: &mut Vec<Vec<Event>>| {
        looks[0][1] = call(Kind::Batch(Fate::Fault), Some(1), &[0]);
        looks[6] = vec![Event::Fence { node: 1, how: How::Failed(Errno::EIO) }];
    };
    refused("O2", spoil);
    let mut looks = good();
    spoil(&mut looks);
    looks[8] = vec![Event::Fence { node: 4, how: How::Failed(Errno::ECANCELED) }];
    judge(&looks).unwrap();
}

#[test]
fn a_batch_that_runs_twice_is_found() {
    refused("O8", |looks| looks[8].insert(1, start(4, 9)));
}

#[test]
fn a_user_fence_that_is_lost_or_early_is_found() {
    refused("O9", |looks| {
        looks[6].remove(1);
    });
    refused("O9", |looks| looks[6].swap(0, 1));
    refused("O9", |looks| looks[7].push(Event::UserFence { node: 2 }));
    refused("twice", |looks| looks.push(vec![Event::UserFence { node: 1 }]));
}
