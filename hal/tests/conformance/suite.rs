//! The suite against a HAL that is right, and against HALs that are each wrong in one way.

use crate::memory::{CLIENT, CLIENT_PAGES, Fault, Memory};
use barexe_hal::conformance::{Failure, Report, Setup, UserSetup, rules, run};
use barexe_hal::{BusAddr, ClientAddr, RegOffset, UserSpace};

const LAST: u64 = (1 << 39) - 1;

fn setup() -> Setup {
    Setup {
        scratch_register: RegOffset::at(0x10),
        scratch_bits: 0xFFFF_FF00,
        ggtt_hole_first: 0x300,
        ggtt_hole_entries: 20,
        last_addr: BusAddr::new(LAST).unwrap(),
        user: Some(UserSetup {
            space: UserSpace(3),
            addr: ClientAddr::new(CLIENT).unwrap(),
            len_bytes: 4096 * CLIENT_PAGES as u64,
        }),
    }
}

fn run_on(fault: Option<Fault>) -> (Memory, Result<Report, Failure>) {
    let mut hal = Memory::new(fault);
    let result = run(&mut hal, setup());
    (hal, result)
}

#[test]
fn a_right_implementation_passes_and_is_left_as_it_was() {
    let (hal, result) = run_on(None);
    let report = result.unwrap();
    assert_eq!(report.rules, 19);
    assert!(report.checks > 10_000);
    assert!(hal.live.is_empty() && !hal.irq && hal.command == 6 && hal.pins == [0; CLIENT_PAGES]);
    assert!(hal.registers.iter().all(|word| *word == 0x1234_5678));
    assert!((0..).zip(&hal.entries).all(|(page, entry): (u64, _)| *entry == page << 12));
}

/// Each fault with the rule that must find it.
const FAULTS: [(Fault, &str); 30] = [
    (Fault::MaxBlockDrifts, "the_largest_block_is_a_constant_power_of_two"),
    (Fault::GivesMoreThanMax, "the_largest_block_is_a_constant_power_of_two"),
    (Fault::GrantsAnything, "bad_requests_are_refused"),
    (Fault::GrantsAboveLast, "bad_requests_are_refused"),
    (Fault::Misaligned, "buffers_are_aligned_and_in_range"),
    (Fault::OutOfRange, "buffers_are_aligned_and_in_range"),
    (Fault::ShortMapping, "buffers_are_aligned_and_in_range"),
    (Fault::Dirty, "buffers_read_as_zero"),
    (Fault::DirtyForClients, "buffers_read_as_zero"),
    (Fault::SameMemoryTwice, "live_buffers_are_disjoint"),
    (Fault::SameBusTwice, "live_buffers_are_disjoint"),
    (Fault::DirtyOnReuse, "memory_reads_as_zero_again_after_reuse"),
    (Fault::ObserveRoundsToLines, "publish_and_observe_keep_what_the_cpu_wrote"),
    (Fault::OtherVendor, "config_space_names_an_intel_device"),
    (Fault::ConfigRounds, "config_space_refuses_bad_offsets"),
    (Fault::ConfigWritesFirst, "config_space_refuses_bad_offsets"),
    (Fault::TimeJitters, "time_never_goes_backwards"),
    (Fault::MonotonicIsAnotherClock, "time_never_goes_backwards"),
    (Fault::TimeStands, "relaxing_lets_time_pass"),
    (Fault::Oversleeps, "relaxing_ends_shortly_after_its_end"),
    (Fault::EnablesOnce, "interrupts_switch_on_and_off_repeatedly"),
    (Fault::DropsWrites, "a_register_reads_back_what_was_written"),
    (Fault::HalfRegister, "a_register_reads_back_what_was_written"),
    (Fault::RunTooLong, "ggtt_entries_take_runs_and_no_more"),
    (Fault::RunForgetsLast, "ggtt_entries_take_runs_and_no_more"),
    (Fault::SaysItHasNoPages, "client_memory_is_pinned_piece_by_piece"),
    (Fault::PinsMoreThanAsked, "client_memory_is_pinned_piece_by_piece"),
    (Fault::PinnedPagesMove, "pinned_pages_stay_where_they_are"),
    (Fault::UnpinMovesTheRest, "parts_of_a_run_are_unpinned_by_themselves"),
    (Fault::PinsAnything, "client_memory_that_is_not_there_is_a_fault"),
];

#[test]
fn each_fault_is_found_by_its_rule_and_leaks_nothing() {
    for (fault, rule) in FAULTS {
        let (hal, result) = run_on(Some(fault));
        assert_eq!(result.unwrap_err().rule, rule, "{fault:?}");
        assert!(hal.live.is_empty() && !hal.irq && hal.pins == [0; CLIENT_PAGES], "{fault:?}");
    }
}

#[test]
fn every_rule_can_fail() {
    for rule in rules::<Memory>() {
        assert!(FAULTS.iter().any(|(_, name)| *name == rule.name), "{} never fails", rule.name);
    }
}

/// Not having the facility is right, unless the setup says that it is there.
#[test]
fn an_implementation_without_client_memory_passes_as_such() {
    let mut hal = Memory::new(None);
    let failure = run(&mut hal, Setup { user: None, ..setup() }).unwrap_err();
    assert_eq!(failure.detail, "it can pin client memory, and the setup names none");
    let mut hal = Memory::new(Some(Fault::SaysItHasNoPages));
    let failure = run(&mut hal, Setup { user: None, ..setup() }).unwrap_err();
    assert_eq!(failure.detail, "another error than unsupported");
    assert_eq!(hal.pins, [0; CLIENT_PAGES]);
}

#[test]
fn a_failure_says_which_rule_what_and_where() {
    let failure = run_on(Some(Fault::OtherVendor)).1.unwrap_err();
    assert_eq!(failure.to_string(), "config_space_names_an_intel_device: vendor id (0x1002)");
}

#[test]
fn a_hole_that_is_too_small_or_outside_the_table_is_refused_before_it_is_touched() {
    for (first, entries) in [(0x300, 3), ((1 << 20) - 8, 9), (u32::MAX, 20)] {
        let mut hal = Memory::new(None);
        let setup = Setup { ggtt_hole_first: first, ggtt_hole_entries: entries, ..setup() };
        assert_eq!(run(&mut hal, setup).unwrap_err().rule, "ggtt_entries_take_runs_and_no_more");
        assert!((0..).zip(&hal.entries).all(|(page, entry): (u64, _)| *entry == page << 12));
    }
}
