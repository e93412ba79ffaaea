//! The device through its HAL: what it does, and what it says about a driver that breaks its rules.

use crate::mini::{BCS, CCS, FENCE, GSC, LRCA, Mini, SECOND_VA, VA, VCS, buffer, store};
use barexe_hal::{Clock as _, DmaMemory as _, DmaOwner, Mmio as _, Nanos, RegOffset};
use barexe_sim::{Fault, Platform, SimConfig};

#[track_caller]
fn complains(mini: &Mini, text: &str) {
    let violations = mini.sim.violations();
    assert!(violations.iter().any(|violation| violation.contains(text)), "{text}: {violations:?}");
}

#[test]
fn a_batch_stores_on_engines_of_both_gts_and_nothing_is_to_complain_about() {
    for (mut mini, bases) in [(Mini::tgl(), vec![BCS, VCS]), (Mini::lnl(), vec![BCS, VCS, GSC])] {
        for (value, base) in (1..).zip(bases) {
            mini.context(base);
            mini.run(base, &store(SECOND_VA + 8, value), value);
            assert_eq!(mini.pages[1].read_u32(8), Ok(value), "{base:#x} {:?}", mini.sim.halted());
            assert_eq!(mini.fence(), value);
        }
        assert_eq!(mini.sim.violations(), Vec::<String>::new());
        assert_eq!(mini.close().buffers(), (7, 7));
    }
}

#[test]
fn what_was_not_published_is_not_seen() {
    let mut mini = Mini::tgl();
    let secret = buffer(&mut mini.hal, 4096, DmaOwner::Driver);
    mini.set_leaf(1, secret.bus().get() | 3);
    secret.write_u32(0, 7).unwrap();
    mini.context(BCS);
    // Copies a dword from the driver's page to the client's.
    let copy = [0x1700_0003, VA as u32 + 0x80, 0, SECOND_VA as u32, 0, 0x0500_0000];
    mini.run(BCS, &copy, 1);
    assert_eq!(mini.pages[0].read_u32(0x80), Ok(0));
    mini.hal.publish(&secret, 0..4);
    mini.run(BCS, &copy, 2);
    assert_eq!((mini.fence(), mini.pages[0].read_u32(0x80)), (2, Ok(7)));
    mini.hal.free(secret);
}

#[test]
fn a_stale_translation_lives_until_its_own_register_is_written_and_has_answered() {
    for (mut mini, wrong) in [(Mini::tgl(), [0xCED8, 0xCEE0]), (Mini::lnl(), [0xCEDC, 0x38_CEE4])] {
        let own = if mini.lnl { 0x38_CEDC } else { 0xCEDC };
        mini.context(VCS);
        mini.run(VCS, &store(SECOND_VA, 1), 1);
        let other = buffer(&mut mini.hal, 4096, DmaOwner::Client);
        let leaf = other.bus().get() | if mini.lnl { 0x403 } else { 3 };
        mini.set_leaf(1, leaf);
        // Registers of other classes, and those of the class on the GT it is not on.
        for register in wrong {
            mini.write(register, 0x0001_0001);
        }
        mini.sim.advance(Nanos::from_millis(1));
        mini.run(VCS, &store(SECOND_VA, 2), 2);
        assert_eq!((mini.pages[1].read_u32(0), other.read_u32(0)), (Ok(2), Ok(0)), "stale");
        mini.write(own, 0x0001_0001);
        assert_eq!(mini.read(own) & 1, 1, "not at once");
        mini.run(VCS, &store(SECOND_VA, 3), 3);
        assert_eq!(mini.pages[1].read_u32(0), Ok(3), "the invalidation has not answered");
        mini.sim.advance(Nanos::from_millis(1));
        assert_eq!(mini.read(own) & 1, 0);
        mini.run(VCS, &store(SECOND_VA, 4), 4);
        assert_eq!((mini.pages[1].read_u32(0), other.read_u32(0)), (Ok(3), Ok(4)));
        assert_eq!(mini.sim.violations(), Vec::<String>::new());
        mini.hal.free(other);
    }
}

#[test]
fn a_page_that_is_freed_while_the_gpu_can_reach_it_is_named() {
    let mut mini = Mini::tgl();
    let page = buffer(&mut mini.hal, 4096, DmaOwner::Client);
    mini.set_leaf(1, page.bus().get() | 3);
    mini.context(BCS);
    mini.run(BCS, &store(SECOND_VA, 1), 1);
    assert_eq!(mini.sim.violations(), Vec::<String>::new());
    mini.hal.free(page);
    mini.run(BCS, &store(SECOND_VA, 2), 2);
    complains(&mini, "which was freed");
    assert_eq!((mini.fence(), mini.sim.halted().len()), (1, 1));
}

#[test]
fn a_fault_is_latched_on_the_gt_of_its_engine() {
    for (mut mini, record) in [(Mini::tgl(), 0xCEC4), (Mini::lnl(), 0x38_CEC4)] {
        mini.context(VCS);
        mini.run(VCS, &store(0x7F_1234_5000, 1), 1);
        assert_eq!(mini.read(record) & 0x7001, 0x1001, "valid, class 1");
        assert_eq!((mini.read(record - 12), mini.read(record - 8)), (0x7F1_2345, 0));
        assert_eq!(mini.read(VCS + 0xD0) & 4, 4, "catastrophic");
        assert!(mini.sim.halted()[0].1.contains("MI_STORE_DATA_IMM at batch 0x100000"), "{:?}", mini.sim.halted());
        assert_eq!(mini.read(VCS + 0x234) >> 7 & 1, 1, "still busy");
    }
}

#[test]
fn a_reset_takes_its_time_and_takes_the_engines_registers_along() {
    let mut mini = Mini::tgl();
    mini.context(BCS);
    mini.run(BCS, &[0x2000_0000], 1);
    assert_eq!(mini.sim.halted().len(), 1);
    mini.write(0x941C, 1 << 2);
    assert_eq!(mini.read(0x941C), 1 << 2);
    mini.sim.advance(Nanos::from_millis(1));
    assert_eq!((mini.read(0x941C), mini.sim.halted().len()), (0, 0));
    assert_eq!((mini.read(BCS + 0x29C), mini.read(VCS + 0x29C)), (0, 8), "only the engine's own");
    mini.submit(BCS);
    complains(&mini, "execlists are not enabled");
}

#[test]
fn registers_that_are_not_there_are_named() {
    let mut mini = Mini::tgl();
    for (offset, text) in
        [(0x1C_4030, "vcs1 does not exist"), (CCS + 0x30, "ccs0 does not exist"), (0x40_0000, "no register")]
    {
        assert_eq!(mini.read(offset), 0);
        complains(&mini, text);
        mini.write(offset, 1);
        assert_eq!(mini.read(offset), 0);
    }
    let mut mini = Mini::lnl();
    let _ = mini.hal.read32(RegOffset::at(0x2030));
    complains(&mini, "15015404425");
    mini.write(0x38_A618, 0x0001_0000);
    mini.sim.advance(Nanos::from_millis(1));
    let _ = mini.read(GSC + 0x30);
    complains(&mini, "while Gsc sleeps");
}

#[test]
fn entries_beyond_the_global_table_are_named() {
    let mut config = SimConfig::new(Platform::tgl());
    config.platform.ggms = Some(1);
    let mut mini = Mini::new(&config, &[BCS]);
    assert_eq!(config.platform.ggtt_entries(), 1 << 18);
    mini.hal.write64_steps(RegOffset::ggtt_entry(1 << 18).unwrap(), 1, 0, 1);
    complains(&mini, "beyond the table");
}

#[test]
fn a_load_that_hardware_would_not_take_is_named() {
    let mut mini = Mini::lnl();
    mini.context(CCS);
    mini.submit(CCS);
    complains(&mini, "RCU_MODE");
    mini.write(0x1_4800, 0x0001_0001);
    mini.emit(&[0, 0]);
    mini.submit(CCS);
    assert_eq!((mini.sim.violations().len(), mini.read(CCS + 0x234) >> 7), (1, 1));
    mini.submit(CCS);
    complains(&mini, "the submission before is not accepted");
    let _ = mini.sim.run(100);
    mini.write(CCS + 0x518, LRCA | 0x119);
    mini.submit(CCS);
    complains(&mini, "second entry");
    mini.write(CCS + 0x518, 0);
    mini.load(CCS, u64::from(LRCA) | 0x118);
    complains(&mini, "not valid");
    mini.write(CCS + 0x80, 0);
    mini.submit(CCS);
    complains(&mini, "no status page");
}

#[test]
fn one_message_leaves_for_many_interrupts_until_the_driver_looks() {
    use core::sync::atomic::{AtomicU32, Ordering};
    use std::sync::Arc;
    let mut mini = Mini::tgl();
    let heard = Arc::new(AtomicU32::new(0));
    let ear = Arc::clone(&heard);
    mini.sim.on_msi(move || {
        ear.fetch_add(1, Ordering::Relaxed);
    });
    mini.write(0x19_0030, 0x0909_0909);
    mini.write(0x19_0010, 1 << 31);
    mini.context(BCS);
    for value in 1..4 {
        mini.run(BCS, &store(SECOND_VA, value), value);
    }
    assert_eq!(heard.load(Ordering::Relaxed), 1);
    mini.write(0x19_0010, 0);
    mini.write(0x19_0010, 1 << 31);
    assert_eq!(heard.load(Ordering::Relaxed), 2);
}

#[test]
fn work_for_missing_units_is_reported() {
    let mut mini = Mini::lnl();
    mini.write(0x1_4800, 0x0001_0001);
    mini.context(CCS);
    let walker = [&[0x7202_0026][..], &[0; 39], &[0x0500_0000]].concat();
    mini.run(CCS, &walker, 1);
    assert_eq!(mini.sim.missing().into_iter().collect::<Vec<_>>(), [("COMPUTE_WALKER", 1)]);
}

#[test]
fn a_driver_that_only_looks_at_the_clock_gets_its_work_done() {
    let mut mini = Mini::tgl();
    mini.context(BCS);
    mini.emit(&[0x1040_0002, FENCE, 0, 5]);
    mini.submit(BCS);
    let now = mini.hal.now();
    assert!(mini.hal.relax(now).is_ok());
    assert_eq!(mini.fence(), 5);
}

#[test]
fn a_device_that_is_gone_writes_nowhere() {
    let mut mini = Mini::tgl();
    mini.context(BCS);
    mini.emit(&[0x1040_0002, FENCE, 0, 5]);
    mini.submit(BCS);
    mini.sim.set_faults(&[Fault::GoneFromAccess(0)]);
    assert_eq!(mini.read(0x2_2234), u32::MAX);
    assert!(mini.sim.run(100).idle);
    assert_eq!(mini.fence(), 0);
}

#[test]
fn looking_breaks_no_rule() {
    let mini = Mini::tgl();
    assert_eq!(mini.sim.walk(0x7777_0003, VA), None);
    assert_eq!(mini.sim.violations(), Vec::<String>::new());
}
