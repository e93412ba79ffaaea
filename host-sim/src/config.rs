//! How a device is made.

use crate::blocks::config_space::MsiWidth;
use crate::clients::outside::ClientPages;
use crate::clients::stores::StoreWatch;
use crate::memory::{BufferSource, Coherence};
use crate::spec::Platform;
use std::sync::Arc;

/// How a device is made.
#[derive(Clone, Debug)]
pub struct SimConfig {
    /// The part.
    pub platform: Platform,
    /// How driver and device see the driver's buffers.
    pub coherence: Coherence,
    /// Longest buffer in one piece, in bytes: a power of two, at least what the HAL asks for.
    pub max_block_bytes: u64,
    /// Memory there is, in bytes.
    pub memory_bytes: u64,
    /// Events the timeline keeps; 0 switches it off.
    pub timeline_events: usize,
    /// Engines execute. If not, submissions are taken and nothing ever runs.
    pub execution: bool,
    /// Most commands one `relax` executes.
    pub relax_commands: u64,
    /// Width of the MSI capability.
    pub msi: MsiWidth,
    /// The machine's firmware left the power states of idle GTs on: a register of a domain that nobody holds is asleep
    /// until a driver switches them off.
    pub c6: bool,
    /// Translations of an address space outlive the moment when one of its contexts is restored. Whether they do on hardware
    /// no source settles; a driver that counts on nothing works with both.
    pub tlb_outlives_restore: bool,
    /// The timeline also has every access: of the driver to registers, of the device to memory.
    pub trace_accesses: bool,
    /// Where the bytes of buffers are, if not on the heap.
    pub buffers: Option<Arc<dyn BufferSource>>,
    /// Memory of clients outside of the simulation. Without it clients have what
    /// [`Sim::user_map`](crate::Sim::user_map) gives them.
    pub clients: Option<Arc<dyn ClientPages>>,
    /// Is told of what engines store for clients.
    pub stores: Option<Arc<dyn StoreWatch>>,
}

impl SimConfig {
    /// A part with strict memory, 16 GiB of it, and no timeline.
    #[must_use]
    pub const fn new(platform: Platform) -> Self {
        Self {
            platform,
            coherence: Coherence::Strict,
            max_block_bytes: 4 << 20,
            memory_bytes: 16 << 30,
            timeline_events: 0,
            execution: true,
            relax_commands: 100_000,
            msi: MsiWidth::Bits64,
            c6: true,
            tlb_outlives_restore: true,
            trace_accesses: false,
            buffers: None,
            clients: None,
            stores: None,
        }
    }
}
