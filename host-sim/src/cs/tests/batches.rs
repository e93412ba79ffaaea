//! Batches, and what stops an engine in them.

use super::*;

#[test]
fn a_store_batch_stores_writes_its_fence_interrupts_and_is_saved() {
    for mut rig in [Rig::tgl(), Rig::lnl()] {
        let progress = rig.run_batch(&[0x1000_0002, VA as u32 + 0x48, 0, 0xC0_FFEE, 0x0500_0000]);
        assert_eq!(progress.state, State::Idle, "{:?}", rig.streamer.fault());
        assert_eq!(progress.raised, 1 | 1 << 8);
        assert_eq!((rig.bus.get32(DATA + 0x48), rig.fence()), (0xC0_FFEE, 0xFFFF_FF81));
        assert_eq!((rig.slot(5), rig.slot(3)), (40, 0x0009_0008), "head saved, inhibit cleared");
        assert!(rig.slot(0x23) > 0, "the context's time is saved");
    }
}

#[test]
fn the_counted_loop_of_the_sheet_ends_with_its_count() {
    let mut rig = Rig::tgl();
    let counter = VA as u32 + 0x48;
    let batch = [0x1780_0501, counter, 0, 0x1B20_5002, 4, counter, 0, 0x1880_0001, VA as u32, 0];
    let progress = rig.run_batch(&batch);
    assert_eq!((rig.bus.get32(DATA + 0x48), rig.fence(), progress.state), (4, 0xFFFF_FF81, State::Idle));
}

#[test]
fn a_batch_without_an_end_faults_at_the_end_of_its_mapping() {
    let mut rig = Rig::tgl();
    let progress = rig.run_batch(&[0x1000_0002, VA as u32 + 0x48, 0, 1]);
    assert_eq!((progress.state, rig.fence()), (State::Halted, 0));
    assert_eq!(rig.bus.faults, [(VA + 0x1000, false)]);
    assert_eq!(rig.streamer.read_register(&mut rig.bus, 0xD0), Some(4));
    assert!(matches!(rig.streamer.fault(), Some(Stop::Memory { .. })));
}

#[test]
fn a_spinner_runs_for_its_budget_and_ends_when_told() {
    let mut rig = Rig::tgl();
    let (start, end) = (VA as u32 + 0x208, VA as u32 + 0x20C);
    rig.bus.put32(DATA + 0x20C, &[u32::MAX]);
    let batch = [0x1000_0002, start, 0, 0xC0_FFEE, 0x1B20_0002, 0, end, 0, 0x1880_0101, VA as u32 + 0x10, 0];
    rig.job();
    rig.bus.put32(DATA, &batch);
    let progress = rig.go(1000);
    assert_eq!((progress.commands, progress.state), (1000, State::Running));
    assert_eq!(rig.bus.get32(DATA + 0x208), 0xC0_FFEE);
    assert!(!rig.streamer.is_spinning(), "it may only be counting");
    rig.streamer.run(&mut rig.bus, 10_000);
    assert!(rig.streamer.is_spinning());
    rig.bus.put32(DATA + 0x20C, &[0]);
    assert_eq!(rig.streamer.run(&mut rig.bus, 1000).state, State::Idle);
    assert_eq!((rig.fence(), rig.streamer.is_spinning()), (0xFFFF_FF81, false));
}

#[test]
fn an_unknown_command_stops_the_engine_and_says_where() {
    for (header, why) in [
        (0x0200_0000, "MI unknown: no such command"),
        (0x1F80_0000, "MI unknown: no such command"),
        (0x2000_0000, "no such command family"),
        (0x4480_0000, "blitter unknown: no such command"),
        (0x6A00_0000, "pipeline unknown: no such command"),
        (0x1C80_0001, "MI_PRT_BATCH_BUFFER_START is not simulated"),
        (0x0D80_0000, "MI_SEMAPHORE_SIGNAL is not simulated"),
        (0x7A00_0004, "PIPE_CONTROL does not exist on bcs engines"),
    ] {
        Rig::tgl().refuses(&[header, 0, 0, 0, END], why);
        Rig::lnl().refuses(&[0, 0, header, 0, 0, 0, END], "at 0x100008");
    }
}

#[test]
fn a_store_that_is_one_dword_short_does_not_let_garbage_be_executed() {
    // The length says six dwords, the store has five: the end is taken for data, and what follows is no command.
    Rig::tgl().refuses(&[0x1000_0004, at(0x48), 0, 1, 2, END, 0x0200_0000], "MI unknown");
    Rig::tgl().refuses(&[0x1020_0004, at(0x48), 0, 1, 2, 3, END], "no whole number of qwords");
}

#[test]
fn fields_that_hardware_would_not_take_stop_the_engine() {
    for (batch, why) in [
        (vec![0x1000_0002, at(0x4A), 0, 1], "not a multiple of 4"),
        (vec![0x1000_0002, at(0x49), 0, 1], "not a multiple of 4"),
        (vec![0x1020_0003, at(0x4C), 0, 1, 2], "not a multiple of 8"),
        (vec![0x1300_4003, at(0x4C), 0, 1, 2], ""),
        (vec![0x1780_2501, at(0x48), 0], "size of the data"),
        (vec![0x1788_2501, at(0x4C), 0], "not a multiple of the size"),
        (vec![0x1784_0701, at(0x48), 0], "inline operands"),
        (vec![0x1B00_0002, 0, at(0x48), 0], "an end without comparison"),
        (vec![0x1B20_6002, 0, at(0x48), 0], "this comparison"),
        (vec![0x0E00_4003, 0, at(0x48), 0, 0], "does not poll"),
        (vec![0x1108_0101, 0x600, 0], "byte write disables"),
        (vec![0x0080_0007], "this condition"),
        (vec![0x0600_0083], "comparison of differences"),
        (vec![0x0D00_0000, 0x1230_0000], "is no operation"),
        (vec![0x1880_0301, at(0), 0], "an encrypted batch"),
        (vec![0x1340_0002, 0, 0, 0], "protected memory"),
    ] {
        let batch = [&batch[..], &[END]].concat();
        if why.is_empty() {
            // The address of a flush has its flags in the low bits: bit 2 is the global table, not an address.
            let mut rig = Rig::tgl();
            assert_eq!(rig.run_batch(&batch).state, State::Idle, "{}", rig.why());
            continue;
        }
        Rig::tgl().refuses(&batch, why);
    }
}

#[test]
fn pipe_control_is_checked_on_render_and_compute_engines() {
    // Flags of the 3D pipeline on a compute engine; a write without an address; pixel counts.
    Rig::compute().refuses(&[0x7A00_0004, 0x1010_10A1, 0, 0, 0, 0, END], "3D pipeline");
    Rig::compute().refuses(&[0x7A00_0000, 0x0010_4000, END], "short form");
    Rig::compute().refuses(&[0x7A00_0004, 0x0010_8000, at(0x80), 0, 0, 0, END], "pixel counts");
    Rig::compute().refuses(&[0x7A00_0004, 0x0010_4000, at(0x84), 0, 1, 2, END], "not a multiple of 8");
    let mut rig = Rig::compute();
    let progress = rig.run_batch(&[0x7A00_0004, 0x0010_4100, at(0x80), 0, 7, 8, 0x7A00_0000, 0x0010_0000, END]);
    assert_eq!((progress.state, rig.data(0x80), rig.data(0x84)), (State::Idle, 7, 8), "{}", rig.why());
    assert_eq!(progress.raised & 1 << 4, 1 << 4, "notification");
}

#[test]
fn work_for_units_that_are_not_there_is_counted() {
    let mut rig = Rig::compute();
    let walker = [&[0x7202_0026][..], &[0; 39], &[0x7202_0026], &[0; 39], &[0x6904_0000, END]].concat();
    assert_eq!(rig.run_batch(&walker).state, State::Idle, "{}", rig.why());
    assert_eq!(rig.streamer.missing().iter().collect::<Vec<_>>(), [(&"COMPUTE_WALKER", &2)]);
    rig.streamer.reset();
    assert_eq!(rig.streamer.missing().len(), 1, "a reset forgets nothing that a person should know");
}

#[test]
fn a_command_may_cross_the_end_of_a_page() {
    let mut rig = Rig::tgl();
    let next = 0x777_0000;
    rig.map_at(0x101, next);
    // A store of 20 dwords that begins 32 bytes before the end of the first page.
    let mut command = vec![0x1000_0012, at(0x100), 0];
    command.extend(1..=17);
    command.push(END);
    for (index, dword) in command.iter().enumerate() {
        let offset = 0xFE0 + index as u64 * 4;
        let place = if offset < 0x1000 { DATA + offset } else { next + offset - 0x1000 };
        rig.bus.put32(place, &[*dword]);
    }
    rig.bus.put32(DATA, &[0x1880_0001, at(0xFE0), 0]);
    rig.job();
    assert_eq!(rig.go(1000).state, State::Idle, "{}", rig.why());
    assert_eq!((rig.data(0x100), rig.data(0x140)), (1, 17));
}

#[test]
fn data_and_code_of_one_page_are_not_confused_by_reading_ahead() {
    // The batch overwrites a command right behind the one that stores.
    let mut rig = Rig::tgl();
    let batch = [0x1000_0002, at(16), 0, END, 0x0200_0000, 0, 0, 0];
    assert_eq!(rig.run_batch(&batch).state, State::Idle, "{}", rig.why());
}

#[test]
fn a_predicate_skips_commands_but_not_unknown_ones() {
    let mut rig = Rig::tgl();
    let batch = [0x0080_000F, 0x1000_0002, at(0x80), 0, 1, 0x0080_0000, 0x1000_0002, at(0x84), 0, 2, END];
    assert_eq!(rig.run_batch(&batch).state, State::Idle);
    assert_eq!((rig.data(0x80), rig.data(0x84)), (0, 2));
    Rig::tgl().refuses(&[0x0080_000F, 0x0200_0000, END], "MI unknown");
}

#[test]
fn a_masked_instruction_error_stops_without_an_interrupt() {
    let mut rig = Rig::tgl();
    rig.bus.registers.insert(0x2_20B4, 1);
    let progress = rig.run_batch(&[0x2000_0000]);
    assert_eq!((progress.state, progress.raised & 1 << 3), (State::Halted, 0));
    assert_eq!(rig.streamer.read_register(&mut rig.bus, 0xB0), Some(1));
    assert_eq!(rig.streamer.read_register(&mut rig.bus, 0xB8), Some(0), "masked in the status");
    rig.streamer.write_register(0xB0, 1);
    assert_eq!(rig.streamer.read_register(&mut rig.bus, 0xB0), Some(0), "write one to clear");
}

#[test]
fn a_no_operation_leaves_its_number() {
    let mut rig = Rig::tgl();
    rig.run_batch(&[0x0040_1234, END]);
    assert_eq!(rig.streamer.read_register(&mut rig.bus, 0x94), Some(0x1234));
}

#[test]
fn an_end_without_a_batch_stops_the_engine() {
    let mut rig = Rig::tgl();
    rig.ring(&[END, 0]);
    assert_eq!(rig.go(10).state, State::Halted);
    assert!(rig.why().contains("no batch to end"), "{}", rig.why());
}
