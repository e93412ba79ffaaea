//! The whole state of a device at one moment, for comparing before and after.

use crate::gpu::Gpu;
use crate::spec::Domain;
use core::hash::{Hash as _, Hasher as _};
use std::collections::BTreeMap;
use std::hash::DefaultHasher;

/// Everything a driver can have changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceSnapshot {
    /// Registers that were written and are not zero.
    pub registers: BTreeMap<u32, u32>,
    /// GGTT entries that are not zero, by page.
    pub ggtt: BTreeMap<u32, u64>,
    /// Domains that are asked to be awake.
    pub awake: Vec<Domain>,
    /// PCI command register.
    pub command: u32,
    /// Messages may arrive.
    pub interrupts: bool,
    /// Bus address, length and a hash of the device's view of every live buffer.
    pub buffers: Vec<(u64, u64, u64)>,
}

impl DeviceSnapshot {
    pub(crate) fn of(gpu: &Gpu) -> Self {
        let shared = &gpu.shared;
        let entries = (0u32..).zip(&shared.ggtt).filter(|(_, entry)| **entry != 0);
        let hash = |(addr, len): (u64, u64)| {
            let mut bytes = vec![0; usize::try_from(len).unwrap_or(0)];
            let _ = shared.memory.device_read(addr, &mut bytes);
            let mut hasher = DefaultHasher::new();
            bytes.hash(&mut hasher);
            (addr, len, hasher.finish())
        };
        Self {
            registers: shared.registers.written(),
            ggtt: entries.map(|(page, entry)| (page, *entry)).collect(),
            awake: shared.forcewake.wanted(),
            command: shared.config.read(4).unwrap_or(0),
            interrupts: shared.irq_line,
            buffers: shared.memory.live().map(hash).collect(),
        }
    }
}
