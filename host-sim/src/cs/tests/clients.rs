//! What a client may not do.

use super::*;

#[test]
fn a_clients_batch_reaches_neither_the_global_table_nor_registers() {
    let mut rig = Rig::tgl();
    rig.run_batch(&[0x1040_0002, FENCE + 0x10, 0, 9, 0x1100_0001, 0x2_229C, 0x0008_0000, 0x0500_0000]);
    assert_eq!(rig.bus.get32(u64::from(FENCE) + FRAME + 0x10), 0);
    assert_eq!(rig.bus.registers.get(&0x2_229C), None);
    assert_eq!(rig.streamer.read_register(&mut rig.bus, 0xB0), Some(4), "privilege violation is noted");
    assert_eq!(rig.fence(), 0xFFFF_FF81, "and the batch went on");
}

#[test]
fn a_client_reaches_its_own_status_page_and_no_engines() {
    let mut rig = Rig::tgl();
    rig.bus.registers.insert(0x2_2080, FENCE);
    // By index: the context's page, then the engine's.
    rig.run_batch(&[0x10A0_0001, 0x300, 5, 0x1080_0001, 0x304, 6, 0x1320_4002, 0x308, 0, 7, END]);
    let own = u64::from(LRCA) + FRAME;
    assert_eq!((rig.bus.get32(own + 0x300), rig.bus.get32(own + 0x308)), (5, 7), "{}", rig.why());
    assert_eq!(rig.bus.get32(u64::from(FENCE) + FRAME + 0x304), 0);
}

#[test]
fn the_drivers_list_opens_registers_to_clients() {
    let write_and_read = [0x1100_0001, 0x7010, 0x0004_0004, 0x1200_0002, 0x7010, at(0x80), 0, END];
    let mut rig = Rig::tgl();
    rig.run_batch(&write_and_read);
    assert_eq!((rig.bus.registers.get(&0x7010), rig.data(0x80)), (None, 0));
    let mut rig = Rig::tgl();
    rig.bus.registers.insert(0x2_24D0, 0x7010);
    rig.run_batch(&write_and_read);
    assert_eq!((rig.bus.registers.get(&0x7010), rig.data(0x80)), (Some(&0x0004_0004), 0x0004_0004));
}

#[test]
fn a_client_reads_only_registers_that_are_open_to_it() {
    let mut rig = Rig::tgl();
    rig.bus.registers.insert(0x2_24D0, 0x1002_23A8);
    rig.bus.registers.insert(0x4_1234, 0x5EC4);
    let read = |register, offset| [0x1200_0002, register, at(offset), 0];
    let batch = [read(0x4_1234, 0x80), read(0x2_23A8, 0x84), read(0x2_2358, 0x88), read(0x2_2034, 0x8C)].concat();
    rig.bus.put32(DATA + 0x80, &[9, 9, 9, 9]);
    assert_eq!(rig.run_batch(&[&batch[..], &[END]].concat()).state, State::Idle, "{}", rig.why());
    assert_eq!((rig.data(0x80), rig.data(0x8C)), (0, 0), "another's, and the ring's head");
    assert!(rig.data(0x84) != 9 && rig.data(0x88) > 0, "the context's own time");
}
