//! What the simulated GPU complains of, told while it runs.

use barexe_sim::Sim;
use core::sync::atomic::{AtomicU32, Ordering};
use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

/// Tells on standard error what there is to complain of, each thing once, if it is asked to.
#[derive(Debug)]
pub(crate) struct Complaints {
    /// What was told; `None`: nothing is to be told.
    told: Option<Mutex<BTreeSet<String>>>,
    /// How often there was something to tell from.
    looks: AtomicU32,
}

/// Every so many looks, rules that were broken are looked for: that takes a look at all memory.
const RULES_EVERY: u32 = 256;

impl Complaints {
    pub(crate) fn new(wanted: bool) -> Self {
        Self { told: wanted.then(Mutex::default), looks: AtomicU32::new(0) }
    }

    /// Tells what is new: engines that stopped and why, rules of the hardware that were broken, commands for units that
    /// are not simulated.
    pub(crate) fn tell(&self, sim: &Sim) {
        let Some(told) = &self.told else { return };
        let halted = sim.halted().into_iter().map(|(engine, why)| format!("{engine} stopped: {why}"));
        let missing = sim.missing().into_keys().map(|name| format!("not simulated: {name}"));
        let look = self.looks.fetch_add(1, Ordering::Relaxed);
        let broken = if look.is_multiple_of(RULES_EVERY) { sim.violations() } else { Vec::new() };
        let mut told = told.lock().unwrap_or_else(PoisonError::into_inner);
        for complaint in broken.into_iter().chain(halted).chain(missing) {
            if told.insert(complaint.clone()) {
                eprintln!("barexe: {complaint}");
            }
        }
    }
}
