//! Contexts on and off the engine.

use super::*;
use crate::trace::Event;

#[test]
fn only_a_preemptible_batch_makes_room_and_goes_on_where_it_was() {
    for (check, switches) in [(0x0280_0000, true), (0, false)] {
        let mut rig = Rig::tgl();
        rig.bus.put32(DATA + 0x20C, &[u32::MAX]);
        let batch = [check, 0x1B20_0002, 0, VA as u32 + 0x20C, 0, 0x1880_0101, VA as u32, 0];
        rig.job();
        rig.bus.put32(DATA, &batch);
        rig.go(100);
        rig.image(SECOND_LRCA, 0, 0);
        let second = rig.descriptor(SECOND_LRCA);
        rig.streamer.submit(second);
        rig.streamer.run(&mut rig.bus, 100);
        assert_eq!(rig.streamer.pending_submit(), !switches);
        if switches {
            assert_eq!(rig.streamer.state(), State::Idle, "the second context has an empty ring");
            rig.bus.put32(DATA + 0x20C, &[0]);
            assert_eq!(rig.go(1000).state, State::Idle);
            assert_eq!(rig.fence(), 0xFFFF_FF81, "the first went on in its batch");
        }
    }
}

#[test]
fn a_later_tail_of_the_running_context_is_picked_up_without_a_switch() {
    let mut rig = Rig::tgl();
    // A semaphore that is not satisfied, then a store.
    rig.ring(&[0x0E40_C002, 1, FENCE + 8, 0, 0x1040_0002, FENCE, 0, 7]);
    rig.set_tail(16);
    assert_eq!(rig.go(10).state, State::Waiting);
    rig.set_tail(32);
    rig.bus.put32(u64::from(FENCE) + FRAME + 8, &[1]);
    assert_eq!(rig.go(10).state, State::Idle);
    assert_eq!(rig.fence(), 7);
    let switches = rig.bus.events.iter().filter(|event| matches!(event, Event::SwitchIn { .. })).count();
    assert_eq!(switches, 1);
}

#[test]
fn an_image_for_another_engine_is_refused() {
    let mut rig = Rig::tgl();
    rig.job();
    rig.bus.put32(u64::from(LRCA) + 0x1000 + FRAME + 2 * 4, &[0x2244]);
    assert_eq!(rig.go(10).state, State::Halted);
    let mut rig = Rig::tgl();
    rig.job();
    let other = rig.descriptor(LRCA) & !(7 << 61);
    rig.streamer.submit(other);
    assert_eq!(rig.streamer.run(&mut rig.bus, 10).state, State::Halted);
}

#[test]
fn a_reset_engine_runs_again() {
    let mut rig = Rig::tgl();
    rig.run_batch(&[0x2000_0000]);
    assert_eq!(rig.streamer.state(), State::Halted);
    rig.streamer.reset();
    rig.image(LRCA, 0, 0);
    assert_eq!(rig.run_batch(&[0x0500_0000]).state, State::Idle);
}

#[test]
fn general_registers_are_the_contexts_own() {
    let mut rig = Rig::tgl();
    let out = VA as u32 + 0x80;
    rig.run_batch(&[0x1108_0001, 0x600, 0x55, 0x1208_0002, 0x600, out, 0, 0x0500_0000]);
    assert_eq!(rig.bus.get32(DATA + 0x80), 0x55);
    rig.image(SECOND_LRCA, 0, 0);
    let second = rig.descriptor(SECOND_LRCA);
    rig.streamer.submit(second);
    rig.streamer.run(&mut rig.bus, 10);
    assert_eq!(rig.streamer.state.gprs, [0; 16]);
}

#[test]
fn a_command_may_straddle_the_end_of_the_ring() {
    for before in 1..4u32 {
        let mut rig = Rig::tgl();
        // `before` dwords of the command lie before the end; no-operations fill up to the qword.
        let start = 0x1000 - before * 4;
        let head = start & !7;
        let mut dwords = vec![0; ((start - head) / 4) as usize];
        dwords.extend([0x1040_0002, FENCE, 0, 9]);
        dwords.resize(dwords.len().next_multiple_of(2), 0);
        for (index, dword) in (0..).zip(&dwords) {
            rig.bus.put32(u64::from(RING) + FRAME + u64::from((head + index * 4) % 0x1000), &[*dword]);
        }
        let tail = (head + dwords.len() as u32 * 4) % 0x1000;
        rig.image(LRCA, head, tail);
        assert_eq!((rig.go(10).state, rig.fence()), (State::Idle, 9), "{before}: {}", rig.why());
        assert_eq!(rig.slot(5), tail);
    }
}

#[test]
fn a_tail_in_the_middle_of_a_command_breaks_a_rule_and_the_command_waits_for_its_rest() {
    let mut rig = Rig::tgl();
    rig.ring(&[0x1040_0002, FENCE, 0, 9]);
    for (tail, complaint) in [(8, "runs past the tail"), (12, "ring tail 0xc is not at a multiple of 8")] {
        rig.set_tail(tail);
        assert_eq!((rig.go(10).state, rig.fence(), rig.slot(5)), (State::Idle, 0, 0), "{tail}: {}", rig.why());
        assert!(rig.bus.complaints.iter().any(|text| text.contains(complaint)), "{:?}", rig.bus.complaints);
    }
    rig.set_tail(16);
    assert_eq!((rig.go(10).state, rig.fence(), rig.slot(5)), (State::Idle, 9, 16), "{}", rig.why());
}

#[test]
fn an_image_that_hardware_could_not_run_stops_the_engine() {
    for (slot, value, why) in [
        (5, 0x1000, "ring head"),
        (7, 0x1000, "ring tail"),
        (9, RING | 4, "ring start"),
        (0xB, 0, "ring control"),
        (0xB, 0x2001, "ring control"),
        (3, 0x0009_0001, "context control"),
        (3, 0x0019_0019, "context control"),
        (0x1C, 1, "dword 0x1c is 0x1, not 0x0"),
        (0x34, 0, "dword 0x34"),
        (0x22, 0x2_23AC, "dword 0x22"),
    ] {
        let mut rig = Rig::tgl();
        rig.job();
        rig.set_slot(slot, value);
        assert_eq!(rig.go(10).state, State::Halted, "{slot:#x} {value:#x}");
        assert!(rig.why().contains(why), "{slot:#x} {value:#x}: {}", rig.why());
    }
}

#[test]
fn a_context_that_lies_nowhere_stops_the_engine() {
    for (lrca, why) in [(0x700_0000, "not present"), (0xFFFF_F000, "beyond the table")] {
        let mut rig = Rig::tgl();
        let descriptor = rig.descriptor(lrca);
        rig.streamer.submit(descriptor);
        assert_eq!(rig.streamer.run(&mut rig.bus, 10).state, State::Halted);
        assert!(rig.why().contains(why), "{}", rig.why());
        assert!(rig.bus.faults[0].1, "through the global table");
    }
    let mut rig = Rig::tgl();
    rig.job();
    rig.bus.ggtt.remove(&(RING >> 12));
    assert_eq!(rig.go(10).state, State::Halted);
    assert_eq!(rig.bus.faults, [(u64::from(RING), true)]);
}

#[test]
fn restoring_what_was_never_saved_stops_the_engine() {
    let mut rig = Rig::tgl();
    rig.job();
    rig.set_slot(3, 0x0009_0008);
    assert_eq!(rig.go(10).state, State::Halted);
    assert!(rig.why().contains("never saved"), "{}", rig.why());
}

#[test]
fn the_state_of_a_context_goes_where_its_image_goes() {
    let mut rig = Rig::tgl();
    rig.run_batch(&[0x1108_0001, 0x600, 0x55, END]);
    // A copy of everything after the status page: a recorded default image.
    let mut page = [0; 4096];
    crate::bus::Bus::dma_read(&mut rig.bus, u64::from(LRCA) + 0x1000 + FRAME, &mut page).unwrap();
    rig.bus.put(u64::from(SECOND_LRCA) + 0x1000 + FRAME, &page);
    let descriptor = rig.descriptor(SECOND_LRCA);
    rig.ring(&[0x1248_0002, 0x600, FENCE, 0]);
    rig.bus.put32(u64::from(SECOND_LRCA) + 0x1000 + FRAME + 5 * 4, &[0, 0, 16]);
    let mut other = Streamer::new(CsSpec::for_version(1200).unwrap(), EngineClass::Copy, 0, 0x2_2000);
    other.submit(descriptor);
    assert_eq!(other.run(&mut rig.bus, 10).state, State::Halted, "dword 6 is a register's name");
    rig.bus.put32(u64::from(SECOND_LRCA) + 0x1000 + FRAME + 6 * 4, &[0x2_2030]);
    other.reset();
    other.submit(descriptor);
    assert_eq!(other.run(&mut rig.bus, 10).state, State::Idle, "{:?}", other.fault());
    assert_eq!(rig.fence(), 0x55, "on an engine that never saw the first context");
}

#[test]
fn a_load_of_two_contexts_runs_one_after_the_other() {
    let mut rig = Rig::tgl();
    rig.bus.registers.insert(0x2_2080, FENCE);
    rig.ring(&[0x1040_0002, FENCE + 0x800, 0, 1]);
    rig.image(SECOND_LRCA, 0, 16);
    let queue = (rig.descriptor(LRCA), rig.descriptor(SECOND_LRCA) & !(0x7FF << 37) | 2 << 37);
    rig.streamer.submit_queue(queue.0, Some(queue.1));
    let progress = rig.streamer.run(&mut rig.bus, 10);
    assert_eq!((progress.state, progress.commands), (State::Idle, 2), "{}", rig.why());
    let entered = |event: &Event| if let Event::SwitchIn { descriptor, .. } = event { Some(*descriptor) } else { None };
    assert_eq!(rig.bus.events.iter().filter_map(entered).collect::<Vec<_>>(), [queue.0, queue.1]);
    // Reports: idle to the first, the first complete and the second next, the second complete.
    let entry = |index: u64| {
        let at = u64::from(FENCE) + FRAME + 0x40 + index * 8;
        (u64::from(rig.bus.get32(at + 4)) << 32) | u64::from(rig.bus.get32(at))
    };
    assert_eq!([0, 1, 2].map(entry), [0x03FF_8000_0000_8019, 0x0000_8000_0001_0018, 0x0001_0000_03FF_8018]);
    assert_eq!(rig.bus.get32(u64::from(FENCE) + FRAME + 0xBC), 2, "write pointer");
}

#[test]
fn a_status_page_that_is_not_mapped_is_the_drivers_fault() {
    let mut rig = Rig::tgl();
    rig.bus.registers.insert(0x2_2080, 0x700_0000);
    rig.ring(&[0, 0]);
    assert_eq!(rig.go(10).state, State::Idle);
    assert!(rig.bus.complaints[0].contains("status page cannot be written"), "{:?}", rig.bus.complaints);
}

#[test]
fn a_tail_that_goes_back_needs_a_forced_restore() {
    let mut rig = Rig::tgl();
    rig.ring(&[0x0E40_C002, 1, FENCE + 8, 0, 0x1040_0002, FENCE, 0, 7]);
    assert_eq!(rig.go(10).state, State::Waiting);
    rig.set_tail(16);
    assert_eq!(rig.go(10).state, State::Waiting);
    assert!(rig.bus.complaints[0].contains("goes back from 0x20 to 0x10"), "{:?}", rig.bus.complaints);
    let forced = rig.descriptor(LRCA) | 1 << 2;
    rig.streamer.submit(forced);
    assert_eq!(rig.streamer.run(&mut rig.bus, 10).state, State::Waiting, "{}", rig.why());
    rig.bus.put32(u64::from(FENCE) + FRAME + 8, &[1]);
    assert_eq!(rig.streamer.run(&mut rig.bus, 10).state, State::Idle);
    assert_eq!((rig.fence(), rig.bus.complaints.len()), (0, 1), "the shorter tail is the one that counts");
}

#[test]
fn a_stopped_ring_does_not_run_until_it_is_let_go() {
    let mut rig = Rig::tgl();
    rig.job();
    rig.bus.put32(DATA, &[END]);
    rig.bus.registers.insert(0x2_209C, 1 << 8);
    assert_eq!((rig.go(100).commands, rig.fence()), (0, 0));
    rig.bus.registers.insert(0x2_209C, 0);
    assert_eq!(rig.streamer.run(&mut rig.bus, 100).state, State::Idle);
    assert_eq!(rig.fence(), 0xFFFF_FF81);
}

#[test]
fn a_wait_that_cannot_be_left_costs_one_look_a_run() {
    let mut rig = Rig::tgl();
    rig.ring(&[0x0400_0000, 0x0E40_C002, 1, FENCE + 8, 0, 0]);
    assert_eq!(rig.go(100).state, State::Waiting);
    let other = rig.descriptor(SECOND_LRCA);
    rig.image(SECOND_LRCA, 0, 0);
    rig.streamer.submit(other);
    let progress = rig.streamer.run(&mut rig.bus, 100);
    assert_eq!((progress.state, progress.commands), (State::Waiting, 1), "arbitration is off");
    let looks =
        rig.bus.events.iter().filter(|event| matches!(event, Event::Command { text, .. } if text.contains("WAIT")));
    assert_eq!(looks.count(), 1, "on the timeline it is one command");
}

#[test]
fn a_context_that_is_asked_to_leaves_at_the_next_point_and_goes_on_later() {
    for (check, leaves) in [(0x0280_0000, true), (0, false)] {
        let mut rig = Rig::tgl();
        rig.job();
        rig.bus.put32(DATA, &[check, 0x1880_0101, VA as u32, 0]);
        rig.go(100);
        rig.streamer.leave_soon();
        rig.streamer.run(&mut rig.bus, 100);
        assert_eq!(rig.streamer.is_out(), leaves);
        rig.bus.put32(DATA, &[END]);
        if leaves {
            assert_eq!(rig.streamer.run(&mut rig.bus, 100).commands, 0, "nothing brings it back");
            rig.go(100);
        } else {
            rig.streamer.run(&mut rig.bus, 100);
        }
        assert_eq!((rig.fence(), rig.streamer.is_out()), (0xFFFF_FF81, true));
    }
}

#[test]
fn what_is_not_accepted_when_a_context_is_asked_to_leave_never_comes() {
    let mut rig = Rig::tgl();
    rig.job();
    rig.bus.put32(DATA, &[END]);
    let descriptor = rig.descriptor(LRCA);
    rig.streamer.submit(descriptor);
    rig.streamer.leave_soon();
    assert_eq!((rig.streamer.run(&mut rig.bus, 100).commands, rig.streamer.is_out()), (0, true));
    assert_eq!((rig.go(100).state, rig.fence()), (State::Idle, 0xFFFF_FF81), "a later one does");
}

#[test]
fn an_image_of_one_instance_runs_on_another() {
    let mut rig = Rig::new(2004, EngineClass::Copy, 0x2_2000);
    rig.job();
    rig.bus.put32(DATA, &[END]);
    let descriptor = rig.descriptor(LRCA);
    let mut other = Streamer::new(CsSpec::for_version(2004).unwrap(), EngineClass::Copy, 8, 0x3E_E000);
    other.submit(descriptor);
    assert_eq!(other.run(&mut rig.bus, 100).state, State::Idle, "{:?}", other.fault());
    assert_eq!(rig.fence(), 0xFFFF_FF81);
}

#[test]
fn the_registers_of_a_ring_may_lie_in_a_page_of_their_own() {
    let mut rig = Rig::lnl();
    rig.job();
    rig.bus.put32(DATA, &[END]);
    let mut page = [0u32; 0x40];
    (page[1], page[0x11], page[0x30]) = (0x1108_1009, 0x1108_1011, 0x0500_0001);
    for (slot, register) in (2..).step_by(2).zip([0x34, 0x30, 0x38, 0x48, 0x3C]) {
        page[slot] = 0x2_2000 + register;
    }
    for (slot, register) in (0x12..).step_by(2).zip([0x168, 0x140, 0x110, 0x588, 0x588, 0x588, 0x588, 0x588, 0x588]) {
        page[slot] = 0x2_2000 + register;
    }
    (page[3], page[5], page[7], page[0xB]) = (0, 40, RING, 1);
    rig.bus.put32(u64::from(SECOND_LRCA) + FRAME, &page);
    // What the image itself says of the ring means nothing then.
    for (slot, value) in [(3, 0x0019_0019), (5, 0xFFFF), (7, 0xFFFF), (9, 5), (0xB, 0), (0x27, SECOND_LRCA)] {
        rig.set_slot(slot, value);
    }
    assert_eq!((rig.go(100).state, rig.fence()), (State::Idle, 0xFFFF_FF81), "{}", rig.why());
    assert_eq!(rig.bus.get32(u64::from(SECOND_LRCA) + FRAME + 3 * 4), 40, "the head is kept there");
    let descriptor = rig.descriptor(LRCA);
    rig.streamer.set_tail(&mut rig.bus, descriptor, 48).unwrap();
    assert_eq!(rig.bus.get32(u64::from(SECOND_LRCA) + FRAME + 5 * 4), 48);
    rig.bus.put32(u64::from(SECOND_LRCA) + FRAME + 4, &[0x1108_1019]);
    assert_eq!(rig.go(100).state, State::Halted);
    assert!(rig.why().contains("dword 0x1 is"), "{}", rig.why());
}
