//! The suite a porter runs against an implementation.
//!
//! It checks what can be checked of the contracts in [`traits`](crate::traits) without driving the GPU: the CPU's side
//! of DMA memory, configuration space, time, the interrupt switch, and register and GGTT access at two places the
//! caller names. It needs no heap and may run in firmware. Everything it changes it puts back.
//!
//! Each rule is one function in [`rules`]; a rule that does not hold ends the run with its name.
//!
//! | file | rules about |
//! |---|---|
//! | `memory` | [`DmaMemory`](crate::DmaMemory) |
//! | `platform` | [`ConfigSpace`](crate::ConfigSpace), [`Clock`](crate::Clock), [`InterruptLine`](crate::InterruptLine) |
//! | `registers` | [`Mmio`](crate::Mmio) |
//! | `user` | [`UserPages`](crate::UserPages) |

mod memory;
mod platform;
mod registers;
mod user;

use crate::{BusAddr, ClientAddr, Hal, HalError, RegOffset, UserSpace};
use core::fmt;

/// Where the suite may write, and what the device can address.
#[derive(Clone, Copy, Debug)]
pub struct Setup {
    /// A register that nobody minds being written for a moment, awake.
    pub scratch_register: RegOffset,
    /// Its bits that read back as written.
    pub scratch_bits: u32,
    /// First GGTT page of a hole: entries that map nothing and that nobody uses.
    pub ggtt_hole_first: u32,
    /// Length of the hole in entries: at least 4; at most [`HOLE_ENTRIES`] are used.
    pub ggtt_hole_entries: u32,
    /// Highest bus address the device can drive.
    pub last_addr: BusAddr,
    /// Client memory to pin; none for an implementation that cannot pin any.
    pub user: Option<UserSetup>,
}

/// Client memory that the suite may pin: writable pages, and behind them a page that is not there.
#[derive(Clone, Copy, Debug)]
pub struct UserSetup {
    /// Whose memory.
    pub space: UserSpace,
    /// First address, a multiple of 4096.
    pub addr: ClientAddr,
    /// Length in bytes: a multiple of 4096, at least four pages.
    pub len_bytes: u64,
}

/// Most entries of the hole that the suite uses.
pub const HOLE_ENTRIES: usize = 64;

/// A rule that does not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Name of the rule.
    pub rule: &'static str,
    /// What was wrong.
    pub detail: &'static str,
    /// The value that was wrong, or where; its meaning follows from the detail.
    pub value: u64,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} ({:#x})", self.rule, self.detail, self.value)
    }
}

impl core::error::Error for Failure {}

/// A run in which every rule held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Report {
    /// Rules that were checked.
    pub rules: u32,
    /// Single comparisons made for them.
    pub checks: u32,
}

/// Why a rule does not hold: detail and value.
type Broken = (&'static str, u64);

/// A rule: its name, and the function that checks it.
#[derive(Debug)]
pub struct Rule<'h, H> {
    /// The rule in words.
    pub name: &'static str,
    check: fn(&mut Trial<'h, H>) -> Result<(), Broken>,
}

/// What a rule works with.
#[derive(Debug)]
struct Trial<'h, H> {
    hal: &'h mut H,
    setup: Setup,
    checks: u32,
}

impl<H> Trial<'_, H> {
    /// Counts a comparison; `detail` says what is wrong if it does not hold.
    const fn check(&mut self, holds: bool, detail: &'static str, value: u64) -> Result<(), Broken> {
        self.checks = self.checks.saturating_add(1);
        if holds { Ok(()) } else { Err((detail, value)) }
    }
}

/// The implementation's own code of an error, as a failure's value.
fn code(error: HalError) -> u64 {
    u64::from(error.code())
}

/// How many rules there are.
pub const RULE_COUNT: usize = 19;

/// All rules, in the order they are checked.
#[must_use]
pub fn rules<'h, H: Hal>() -> [Rule<'h, H>; RULE_COUNT] {
    macro_rules! rules {
        ($($module:ident :: $rule:ident),+ $(,)?) => {
            [$(Rule { name: stringify!($rule), check: $module::$rule }),+]
        };
    }
    rules![
        memory::the_largest_block_is_a_constant_power_of_two,
        memory::bad_requests_are_refused,
        memory::buffers_are_aligned_and_in_range,
        memory::buffers_read_as_zero,
        memory::live_buffers_are_disjoint,
        memory::memory_reads_as_zero_again_after_reuse,
        memory::publish_and_observe_keep_what_the_cpu_wrote,
        platform::config_space_names_an_intel_device,
        platform::config_space_refuses_bad_offsets,
        platform::time_never_goes_backwards,
        platform::relaxing_lets_time_pass,
        platform::relaxing_ends_shortly_after_its_end,
        platform::interrupts_switch_on_and_off_repeatedly,
        registers::a_register_reads_back_what_was_written,
        registers::ggtt_entries_take_runs_and_no_more,
        user::client_memory_is_pinned_piece_by_piece,
        user::pinned_pages_stay_where_they_are,
        user::parts_of_a_run_are_unpinned_by_themselves,
        user::client_memory_that_is_not_there_is_a_fault,
    ]
}

/// Checks every rule against an implementation.
///
/// # Errors
/// The first rule that does not hold. What was allocated or changed has been put back, as far as the implementation
/// allows.
pub fn run<H: Hal>(hal: &mut H, setup: Setup) -> Result<Report, Failure> {
    let mut trial = Trial { hal, setup, checks: 0 };
    let mut report = Report { rules: 0, checks: 0 };
    for rule in rules() {
        (rule.check)(&mut trial).map_err(|(detail, value)| Failure { rule: rule.name, detail, value })?;
        report.rules = report.rules.saturating_add(1);
    }
    report.checks = trial.checks;
    Ok(report)
}
