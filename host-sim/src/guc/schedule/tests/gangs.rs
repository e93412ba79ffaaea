//! Contexts side by side.

use super::*;
use crate::guc::messages::status;
use EngineClass::VideoDecode;

/// Two contexts, 4 and 5, on the video decoders.
fn gang(rig: &mut Rig) -> [u64; 2] {
    let images = [4, 5].map(|context| rig.image(context, VideoDecode));
    let queue = Some(WorkQueue { descriptor: QUEUE, base: WORK, bytes: 0x400 });
    let images_of = images.to_vec();
    let gang = Registration { context: 4, kernel: true, class: VideoDecode, engines: 1, images: images_of, queue };
    rig.ask(Request::Register(gang)).unwrap();
    rig.put(QUEUE, &[0, 0, 0, 1]);
    images
}

/// Jobs for both: commands in the rings, but the tails only in the work queue.
fn queue(rig: &mut Rig, images: [u64; 2], jobs: u32) {
    for context in [4, 5] {
        let lrca = Rig::lrca(context);
        rig.job(context, jobs);
        rig.put(lrca + 0x1000 + 7 * 4, &[(jobs - 1) * 32]);
    }
    let tail = rig.get(QUEUE + 4);
    let units = jobs * 32 / 8;
    rig.put(WORK + tail, &[5 | 4 << 16, images[0] as u32, 4 | units << 18, 0, units]);
    rig.put(QUEUE + 4, &[tail + 20]);
}

/// Puts the tails back where the driver's own count is: [`Rig::job`] writes behind them.
fn sync_tails(rig: &mut Rig, jobs: u32) {
    for context in [4, 5] {
        let tail = rig.get(Rig::lrca(context) + 0x1000 + 7 * 4);
        assert_eq!(tail, jobs * 32, "the tails came from the queue");
    }
}

#[test]
fn both_start_at_once_and_the_queue_is_read() {
    let mut rig = Rig::tgl();
    let images = gang(&mut rig);
    for context in [4, 5] {
        rig.spinner(context, true);
    }
    queue(&mut rig, images, 1);
    rig.enable(4, true);
    rig.turn();
    rig.turn();
    assert_eq!((rig.on(VideoDecode, 0), rig.on(VideoDecode, 2)), (Some(4), Some(4)));
    assert_eq!((rig.get(QUEUE), rig.get(QUEUE + 12)), (20, 1));
    sync_tails(&mut rig, 1);
    // One is done, and keeps its engine until the other is.
    rig.put(Rig::lrca(4) + BATCH, &[END]);
    rig.pass(MS);
    assert_eq!((rig.fence(4), rig.fence(5), rig.scheduler.on_engines()), (1, 0, vec![4]));
    queue(&mut rig, images, 2);
    rig.ask(Request::Schedule(4)).unwrap();
    rig.pass(MS);
    assert_eq!((rig.fence(4), rig.fence(5)), (2, 0), "new work for it goes on there");
    rig.put(Rig::lrca(5) + BATCH, &[END]);
    rig.pass(MS);
    assert_eq!((rig.fence(4), rig.fence(5), rig.get(QUEUE)), (2, 2, 40));
    assert!(!rig.scheduler.is_busy());
}

#[test]
fn they_wait_for_all_engines_and_leave_all_of_them() {
    let mut rig = Rig::tgl();
    // On the second decoder only.
    rig.start(1, VideoDecode, 2);
    rig.spinner(1, true);
    rig.set(1, &[Policy::Quantum(20_000)]);
    rig.pass(MS);
    let images = gang(&mut rig);
    for context in [4, 5] {
        rig.spinner(context, true);
    }
    queue(&mut rig, images, 1);
    rig.enable(4, true);
    rig.start(2, VideoDecode, 3);
    rig.short(2);
    rig.pass(5 * MS);
    assert_eq!((rig.on(VideoDecode, 0), rig.on(VideoDecode, 2)), (None, Some(1)), "the first is kept for them");
    assert_eq!(rig.fence(2), 0, "it came later");
    rig.set(1, &[Policy::Quantum(1)]);
    rig.pass(MS / 2);
    assert_eq!((rig.on(VideoDecode, 0), rig.on(VideoDecode, 2)), (Some(4), Some(4)));
    rig.pass(5 * MS);
    assert_eq!(rig.fence(2), 1, "they take turns with the others");
    rig.events();
    rig.enable(4, false);
    rig.pass(MS);
    assert_eq!((rig.events(), rig.on(VideoDecode, 0)), (vec![mode(4, false)], None));
}

#[test]
fn no_engine_is_kept_free_for_those_who_may_wait_for_ever() {
    for reason in [Policy::Priority(1), Policy::Quantum(0)] {
        let mut rig = Rig::tgl();
        // On the second decoder, for as long as it likes.
        rig.start(1, VideoDecode, 2);
        rig.spinner(1, true);
        rig.set(1, &[reason]);
        rig.pass(MS);
        let images = gang(&mut rig);
        for context in [4, 5] {
            rig.short(context);
        }
        queue(&mut rig, images, 1);
        rig.enable(4, true);
        rig.start(2, VideoDecode, 1);
        rig.spinner(2, true);
        rig.pass(MS);
        assert_eq!((rig.on(VideoDecode, 0), rig.on(VideoDecode, 2)), (Some(2), Some(1)), "{reason:?}");
        rig.put(Rig::lrca(1) + BATCH, &[END]);
        rig.pass(5 * MS);
        assert_eq!((rig.fence(1), rig.fence(4), rig.fence(5)), (1, 1, 1), "the one on the first makes room for them");
    }
}

#[test]
fn one_that_does_not_leave_is_reset_in_the_name_of_all() {
    let mut rig = Rig::tgl();
    let images = gang(&mut rig);
    rig.spinner(4, true);
    rig.spinner(5, false);
    queue(&mut rig, images, 1);
    rig.enable(4, true);
    rig.pass(MS);
    rig.events();
    rig.set(4, &[Policy::PreemptionTimeout(10)]);
    rig.enable(4, false);
    rig.pass(MS);
    let events = rig.events();
    let hangs = events.iter().filter(|event| matches!(event, Event::Hang { engine: (VideoDecode, 2), context: 4, .. }));
    assert_eq!(hangs.count(), 1, "{events:?}");
    assert_eq!(events[1..], [Event::ContextReset(4), mode(4, false)]);
}

#[test]
fn items_wrap_with_a_no_op_and_a_wrong_one_ends_the_queue() {
    let mut rig = Rig::tgl();
    let images = gang(&mut rig);
    for context in [4, 5] {
        rig.short(context);
    }
    queue(&mut rig, images, 1);
    let item: Vec<u32> = (0..5).map(|dword| rig.get(WORK + dword * 4)).collect();
    // Eight bytes before the end: a no-op of them, then the item at the beginning.
    rig.put(WORK + 0x3F8, &[4 | 1 << 16]);
    rig.put(WORK, &item);
    rig.put(QUEUE, &[0x3F8, 20]);
    rig.enable(4, true);
    rig.pass(MS);
    assert_eq!((rig.fence(4), rig.fence(5), rig.get(QUEUE)), (1, 1, 20));
    rig.put(WORK + 20, &[7 | 4 << 16]);
    rig.put(QUEUE + 4, &[40]);
    rig.ask(Request::Schedule(4)).unwrap();
    rig.pass(MS);
    assert_eq!([0, 8, 12].map(|at| rig.get(QUEUE + at)), [20, 20, 3]);
    assert!(rig.bus.complaints[0].contains("no item at 0x14"), "{:?}", rig.bus.complaints);
}

#[test]
fn indices_of_all_are_taken_and_the_engines_have_to_lie_side_by_side() {
    let mut rig = Rig::tgl();
    gang(&mut rig);
    let image = rig.image(5, VideoDecode);
    let one =
        Registration { context: 5, kernel: true, class: VideoDecode, engines: 2, images: vec![image], queue: None };
    assert_eq!(rig.ask(Request::Register(one.clone())), Err(status::INVALID_CONTEXT_REGISTRATION));
    let two = Registration { context: 8, images: vec![image; 2], ..one.clone() };
    assert_eq!(rig.ask(Request::Register(two)), Err(status::INVALID_ENGINE), "there is no third decoder");
    for (context, engines, answer) in [
        (3, 1, Err(status::INVALID_CONTEXT_REGISTRATION)),
        (6, 1, Ok(())),
        (65_534, 1, Err(status::INVALID_CONTEXT_INDEX)),
        (65_533, 1, Ok(())),
    ] {
        let two = Registration { context, engines, images: vec![image; 2], ..one.clone() };
        assert_eq!(rig.ask(Request::Register(two)), answer, "{context}");
    }
}
