use super::*;
use crate::{Action, Fault, Occasion, Platform, Rule, Sim, SimConfig};

const NOW: Nanos = Nanos::from_micros(5);

fn function(platform: Platform) -> (Sim, PciFunction) {
    let sim = Sim::new(&SimConfig::new(platform)).unwrap();
    let function = sim.function();
    (sim, function)
}

fn read(function: &PciFunction, offset: u64, len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    let _ = function.bar_read(NOW, offset, &mut bytes);
    bytes
}

#[test]
fn configuration_space_takes_accesses_of_any_size() {
    let (_, function) = function(Platform::tgl());
    let mut all = [0; 4100];
    let _ = function.config_read(NOW, 0, &mut all);
    assert_eq!((&all[..4], &all[4094..]), (&[0x86, 0x80, 0x49, 0x9A][..], &[0, 0, 0xFF, 0xFF, 0xFF, 0xFF][..]));
    let _ = function.config_write(NOW, 4, &[6]);
    let mut two = [0; 2];
    let _ = function.config_read(NOW, 4, &mut two);
    assert_eq!(two, [6, 0]);
    // The end of one dword and the start of the next.
    let _ = function.config_write(NOW, 0xB2, &[0x12, 0x34, 0x56, 0x78]);
    let mut eight = [0; 8];
    let _ = function.config_read(NOW, 0xB0, &mut eight);
    assert_eq!(eight, [0, 0, 0x12, 0x34, 0x56, 0x78, 0, 0]);
}

#[test]
fn accesses_to_the_bar_are_cut_into_registers_and_entries() {
    let (sim, function) = function(Platform::tgl());
    assert_eq!(read(&function, 0x19_0090, 4), [0xFF; 4], "memory decode is off");
    let _ = function.config_write(NOW, 4, &[6]);
    let _ = function.bar_write(NOW, 0x19_0090, &[1, 2, 3, 4, 5, 6, 7, 8]);
    assert_eq!(read(&function, 0x19_0090, 8), [1, 2, 3, 4, 5, 6, 7, 8]);
    assert_eq!(read(&function, 0x19_0091, 2), [2, 3]);
    let entries: Vec<u8> = (0..32).collect();
    let _ = function.bar_write(NOW, 0x80_1000, &entries);
    assert_eq!(read(&function, 0x80_1000, 32), entries);
    assert_eq!(read(&function, 0x80_1004, 4), [4, 5, 6, 7]);
    assert_eq!(read(&function, 1 << 32, 4), [0xFF; 4]);
    assert_eq!(sim.violations(), Vec::<String>::new());
    let _ = function.bar_write(NOW, 0x80_1000, &[9; 4]);
    let _ = function.bar_write(NOW, 0x19_0092, &[9; 2]);
    assert_eq!(sim.violations(), ["write of 4 bytes at 0x801000", "write of 2 bytes at 0x190092"]);
    assert_eq!(read(&function, 0x80_1000, 32), entries);
    assert_eq!(read(&function, 0x90_0000_0000, 4), [0xFF; 4]);
}

#[test]
fn a_reset_is_power_on_and_time_goes_on() {
    let (sim, function) = function(Platform::lnl());
    let fresh = sim.snapshot();
    let _ = function.config_write(NOW, 4, &[6]);
    let _ = function.bar_write(NOW, 0x19_0090, &[1; 4]);
    let _ = function.bar_write(NOW, 0x80_0008, &[1; 8]);
    sim.set_faults(&[Fault::ReadsAllOnes(0x19_0094)]);
    assert_ne!(sim.snapshot(), fresh);
    let _ = function.reset(Nanos::from_millis(3));
    assert_eq!(sim.snapshot(), fresh);
    assert!(sim.time() >= Nanos::from_millis(3));
    let _ = function.config_write(NOW, 4, &[6]);
    assert_eq!(read(&function, 0x19_0094, 4), [0xFF; 4], "faults stay");
}

#[test]
fn an_idle_device_is_not_run() {
    let (_, function) = function(Platform::tgl());
    let (due, reaction) = function.run(NOW, 100);
    assert_eq!((due, reaction), (None, Reaction::default()));
}

#[test]
fn a_message_that_is_late_leaves_when_it_is_due_and_a_lost_one_never() {
    let (sim, function) = function(Platform::tgl());
    let rule = |skip, action| Fault::On(Rule { after: None, occasion: Occasion::Msi, skip, times: 1, action });
    sim.set_faults(&[rule(1, Action::Delay(Nanos::from_micros(50))), rule(2, Action::Drop)]);
    let _ = function.config_write(NOW, 4, &[6]);
    let raise = || function.at(NOW, |gpu| gpu.shared.tiles.one_mut().interrupts.messages += 1);
    assert_eq!((raise().messages, raise()), (1, Reaction { stirred: true, ..Reaction::default() }));
    assert_eq!(raise().messages, 0);
    let (due, reaction) = function.run(NOW, 100);
    assert_eq!((due, reaction.messages), (Some(sim.time().saturating_add(Nanos::from_micros(50))), 0));
    let (due, reaction) = function.run(Nanos::from_millis(1), 100);
    assert_eq!((due, reaction.messages), (None, 1));
}
