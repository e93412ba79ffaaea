//! Binds that write mappings again while batches of a long-running VM use them (bind-and-exec sheet §4.7).

use crate::scene::{Space, on_each, on_each_with};
use barexe_core::device::TicketState;
use barexe_core::device::request::VmFlags;
use barexe_core::gt::EngineClass as Class;
use barexe_hal::Nanos;
use barexe_sim::spec::EngineClass;
use barexe_sim::trace::Event;
use barexe_tests::rig::{Mapped, Rig, binary};

const MIB_2: u64 = 2 << 20;
const BIG: u64 = 1 << 32;
/// Of what is watched in the object at [`BIG`].
const LAST: u64 = MIB_2 - 0x1000;

/// An object behind one 2 MiB entry, and a batch that watches its last page.
fn watched(rig: &mut Rig<'_>, class: Class) -> (Space, Mapped, u32) {
    let space = Space::without_user(rig, VmFlags::LR_MODE);
    let bo = rig.bo(MIB_2);
    rig.bind_now(space.vm, &[rig.map_op(bo, BIG)]);
    let queue = rig.queue(space.vm, rig.engine(class));
    (space, bo, queue)
}

/// Contexts that were saved on render engines so far.
fn switches(rig: &Rig<'_>) -> usize {
    let timeline = rig.sim.timeline();
    assert_eq!(timeline.dropped(), 0);
    let saved = |event: &Event| matches!(event, Event::SwitchOut { engine: (EngineClass::Render, _), .. });
    timeline.events().filter(|(_, event)| saved(event)).count()
}

#[test]
fn a_cut_through_an_entry_takes_the_batch_off_for_a_while() {
    on_each_with(1 << 18, |rig| {
        let (space, bo, queue) = watched(rig, Class::Render);
        let endless = space.watch(rig, queue, 0, BIG + LAST);
        rig.write(bo, LAST, &[1]);
        rig.pass(Nanos::from_millis(1));
        assert_eq!(space.seen(rig, 0), 1);
        let before = switches(rig);
        let cut = rig.bind(space.vm, 0, &[rig.unmap_op(BIG, 0x1000)], &[]).unwrap();
        assert_eq!(rig.wait(cut), TicketState::Done, "it does not wait for the batch");
        rig.write(bo, LAST, &[2]);
        rig.pass(Nanos::from_millis(1));
        assert_eq!((space.seen(rig, 0), rig.is_over(endless)), (2, false));
        assert!(switches(rig) >= before + 2, "off its engine, and the idle context after it");
        let before = switches(rig);
        let other = rig.bo(0x1000);
        let fills = rig.bind(space.vm, 0, &[rig.map_op(other, BIG)], &[]).unwrap();
        assert_eq!(rig.wait(fills), TicketState::Done);
        assert_eq!(switches(rig), before, "what cuts nothing disturbs nobody");
        space.end(rig, 0);
        assert_eq!(rig.wait(endless), TicketState::Done);
        assert_eq!(space.starts(rig, 0), 1);
        assert!(rig.device.first_hang().is_none());
    });
}

/// Until its turn has come a bind disturbs nobody.
#[test]
fn a_bind_that_waits_suspends_nobody() {
    on_each(|rig| {
        let (space, bo, queue) = watched(rig, Class::Copy);
        space.watch(rig, queue, 0, BIG + LAST);
        let gate = rig.syncobj();
        let normal = Space::without_user(rig, VmFlags::empty());
        let render = rig.queue(normal.vm, rig.engine(Class::Render));
        let spin = normal.watch(rig, render, 0, normal.word());
        rig.barrier(render, &[binary(gate, true)]).unwrap();
        let cut = rig.bind(space.vm, 0, &[rig.unmap_op(BIG, 0x1000)], &[binary(gate, false)]).unwrap();
        rig.write(bo, LAST, &[1]);
        rig.pass(Nanos::from_millis(2));
        assert_eq!((space.seen(rig, 0), rig.is_over(cut)), (1, false));
        normal.end(rig, 0);
        assert_eq!((rig.wait(spin), rig.wait(cut)), (TicketState::Done, TicketState::Done));
        rig.write(bo, LAST, &[2]);
        rig.pass(Nanos::from_millis(1));
        assert_eq!(space.seen(rig, 0), 2);
    });
}

/// Two cuts by two queues, and a batch on an engine of its own for each of them.
#[test]
fn the_vm_goes_on_after_the_last_of_several_binds() {
    on_each(|rig| {
        let (space, bo, queue) = watched(rig, Class::Render);
        let endless = space.watch(rig, queue, 0, BIG + LAST);
        let extra = rig.device.bind_queue_create(rig.client, space.vm).unwrap();
        for round in 0..8_u64 {
            let cut = BIG + round * 0x1_0000;
            let first = rig.bind(space.vm, 0, &[rig.unmap_op(cut, 0x1000)], &[]).unwrap();
            let second = rig.bind(space.vm, extra, &[rig.unmap_op(cut + 0x3000, 0x1000)], &[]).unwrap();
            assert_eq!((rig.wait(first), rig.wait(second)), (TicketState::Done, TicketState::Done));
            rig.write(bo, LAST, &[round as u32 + 10]);
            rig.pass(Nanos::from_millis(1));
            assert_eq!(space.seen(rig, 0), round as u32 + 10);
        }
        space.end(rig, 0);
        assert_eq!(rig.wait(endless), TicketState::Done);
        assert_eq!(space.starts(rig, 0), 1);
    });
}

#[test]
fn a_batch_that_cannot_be_taken_off_does_not_hold_a_bind_up() {
    on_each(|rig| {
        let (space, _, queue) = watched(rig, Class::Render);
        let blocking = space.block(rig, queue, 0);
        rig.pass(Nanos::from_millis(1));
        let cut = rig.bind(space.vm, 0, &[rig.unmap_op(BIG, 0x1000)], &[]).unwrap();
        assert_eq!(rig.wait(cut), TicketState::Done);
        rig.pass(Nanos::from_millis(1));
        assert!(matches!(rig.device.ticket_state(blocking), Ok(TicketState::Failed(_))));
        assert!(rig.device.queue_is_banned(rig.client, queue).unwrap());
        let again = rig.queue(space.vm, rig.engine(Class::Render));
        let fine = space.store(rig, again, 1, 7);
        assert_eq!(rig.wait(fine), TicketState::Done);
        assert_eq!(rig.read(space.bo, Space::result(1)), 7);
    });
}
