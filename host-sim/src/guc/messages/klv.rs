//! Settings: a dword of key and length, then as many dwords of value.

use super::field::Field;

/// Key.
pub const KEY: Field = Field::bits(31, 16);
/// Dwords of the value.
pub const LENGTH: Field = Field::bits(15, 0);

/// Keys for oneself (engines sheet §12.4). Addresses are of the GGTT, two dwords; sizes are bytes, one dword.
pub mod self_config {
    /// Page of interrupt status in memory.
    pub const MEMORY_IRQ_STATUS: u16 = 0x0900;
    /// Page of interrupt sources in memory.
    pub const MEMORY_IRQ_SOURCE: u16 = 0x0901;
    /// Ring to the GuC.
    pub const TO_GUC_ADDRESS: u16 = 0x0902;
    /// Its descriptor.
    pub const TO_GUC_DESCRIPTOR: u16 = 0x0903;
    /// Its bytes.
    pub const TO_GUC_SIZE: u16 = 0x0904;
    /// Ring to the host.
    pub const TO_HOST_ADDRESS: u16 = 0x0905;
    /// Its descriptor.
    pub const TO_HOST_DESCRIPTOR: u16 = 0x0906;
    /// Its bytes.
    pub const TO_HOST_SIZE: u16 = 0x0907;
}

/// Policies of a context, one dword each.
pub mod policy {
    /// Time on an engine before others of the same priority have their turn, in microseconds; 0 without end.
    pub const EXECUTION_QUANTUM: u16 = 0x2001;
    /// Time in which it must leave the engine when asked to, in microseconds; 0 without end. Then the engine is reset.
    pub const PREEMPTION_TIMEOUT: u16 = 0x2002;
    /// One of the priorities of [`super::super::context`].
    pub const PRIORITY: u16 = 0x2003;
    /// It leaves at the end of its time even if nobody waits.
    pub const PREEMPT_TO_IDLE: u16 = 0x2004;
    /// Hint for the frequency: bit 28, it computes.
    pub const FREQUENCY: u16 = 0x2005;
}

/// Settings of the scheduler.
pub mod scheduling {
    /// Render and compute engines share: milliseconds of a ratio's period, percent. Two dwords.
    pub const RENDER_COMPUTE_YIELD: u16 = 0x1001;
}

/// Features that a host asks for. No value.
pub mod opt_in {
    /// Memory errors have a kind.
    pub const MEMORY_ERROR_KIND: u16 = 0x4001;
    /// Contexts may forbid to be switched.
    pub const DYNAMIC_INHIBIT_SWITCH: u16 = 0x4003;
}
