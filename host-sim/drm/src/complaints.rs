//! What the simulated GPU complains of, told while it runs.

use barexe_sim::Sim;
use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

/// Tells on standard error what there is to complain of, each thing once, if it is asked to.
#[derive(Debug)]
pub(crate) struct Complaints {
    /// What was told; `None`: nothing is to be told.
    told: Option<Mutex<BTreeSet<String>>>,
}

impl Complaints {
    pub(crate) fn new(wanted: bool) -> Self {
        Self { told: wanted.then(Mutex::default) }
    }

    /// Tells what is new: engines that stopped and why, rules of the hardware that were broken, commands for units that
    /// are not simulated.
    pub(crate) fn tell(&self, sim: &Sim) {
        let Some(told) = &self.told else { return };
        let halted = sim.halted().into_iter().map(|(engine, why)| format!("{engine} stopped: {why}"));
        let missing = sim.missing().into_keys().map(|name| format!("not simulated: {name}"));
        let mut told = told.lock().unwrap_or_else(PoisonError::into_inner);
        for complaint in sim.violations().into_iter().chain(halted).chain(missing) {
            if told.insert(complaint.clone()) {
                eprintln!("barexe: {complaint}");
            }
        }
    }
}
