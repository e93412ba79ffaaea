//! Codes of what the host asks for and what the GuC tells (engines sheet §12.5). Payload dwords are counted from the one
//! behind the first dword of the message.

/// Requests of the host through the mailbox.
pub mod short {
    /// A setting: key and length, value low, value high. See [`super::super::klv::self_config`]. Answers 1 if it was known.
    pub const SELF_CONFIG: u16 = 0x0508;
    /// Rings on or off: see [`super::super::ctb`].
    pub const CONTROL_CTB: u16 = 0x4509;
    /// The table of hardware facts: address low, high, bytes. With 0 bytes it answers its size.
    pub const GET_HWCONFIG: u16 = 0x4100;
    /// Everything the host had is forgotten: contexts, and the rings.
    pub const CLIENT_SOFT_RESET: u16 = 0x5507;
}

/// Requests of the host through the ring.
pub mod request {
    /// Log: a part was read.
    pub const LOG_FLUSHED: u16 = 0x0030;
    /// Policies for all, again from the block: its GGTT address.
    pub const GLOBAL_POLICIES: u16 = 0x0506;
    /// Scheduling settings, as keys and values. See [`super::super::klv::scheduling`].
    pub const SCHEDULING_POLICIES: u16 = 0x0509;
    /// The context has new work: index.
    pub const SCHED_CONTEXT: u16 = 0x1000;
    /// The context may run or not: index, [`super::super::context::ENABLE`] or `DISABLE`. An event tells when it is so.
    pub const SCHED_CONTEXT_MODE_SET: u16 = 0x1001;
    /// Policies of a context: index, then keys and values. See [`super::super::klv::policy`].
    pub const CONTEXT_POLICIES: u16 = 0x100B;
    /// Frequencies: see [`super::super::slpc`].
    pub const SLPC: u16 = 0x3003;
    /// Who controls idle states: 0 the host, 1 the firmware.
    pub const IDLE_CONTROL: u16 = 0x3004;
    /// The HuC is checked: address of its signature.
    pub const AUTHENTICATE_HUC: u16 = 0x4000;
    /// A context: see [`super::super::context`].
    pub const REGISTER_CONTEXT: u16 = 0x4502;
    /// A context is forgotten: index. An event tells when.
    pub const DEREGISTER_CONTEXT: u16 = 0x4503;
    /// Contexts that run side by side: see [`super::super::context`].
    pub const REGISTER_CONTEXT_MULTI_LRC: u16 = 0x4601;
    /// Where to tell how busy engines are: see [`super::super::activity`].
    pub const DEVICE_ACTIVITY_BUFFER: u16 = 0x550C;
    /// The same for virtual functions.
    pub const FUNCTION_ACTIVITY_BUFFER: u16 = 0x550D;
    /// Features that are asked for: address low, high, dwords of keys. See [`super::super::klv::opt_in`].
    pub const OPT_IN_FEATURES: u16 = 0x550E;
    /// Answer to a page fault: see [`super::super::page_fault`].
    pub const PAGE_FAULT_REPLY: u16 = 0x6003;
    /// Translations are forgotten: see [`super::super::tlb`].
    pub const TLB_INVALIDATION: u16 = 0x7000;
    /// All translations are forgotten: number, operation.
    pub const TLB_INVALIDATION_ALL: u16 = 0x7002;
}

/// Events of the GuC.
pub mod event {
    /// A context's mode is set: index, mode.
    pub const SCHED_CONTEXT_MODE_DONE: u16 = 0x1002;
    /// A context did not yield, or hung: its engine was reset and it runs no more. Index.
    pub const CONTEXT_RESET: u16 = 0x1008;
    /// An engine could not be reset: class, instance, reason.
    pub const ENGINE_FAILURE: u16 = 0x1009;
    /// A context is forgotten: index.
    pub const DEREGISTER_CONTEXT_DONE: u16 = 0x4600;
    /// A context met an address that does not translate: index, and the kind of error if that was asked for.
    pub const MEMORY_ERROR: u16 = 0x6000;
    /// A fault that can be served: see [`super::super::page_fault`].
    pub const PAGE_FAULT: u16 = 0x6002;
    /// An invalidation is done: its number.
    pub const TLB_INVALIDATION_DONE: u16 = 0x7001;
    /// Registers of a hang were put into the log: 0, or 1 if there was no room.
    pub const STATE_CAPTURE: u16 = 0x8002;
    /// The log is half full.
    pub const FLUSH_LOG: u16 = 0x8003;
    /// The firmware crashed, and left a dump in the log.
    pub const CRASH_DUMP: u16 = 0x8004;
    /// The firmware ran into an exception.
    pub const EXCEPTION: u16 = 0x8005;
}

/// Index in [`event::MEMORY_ERROR`] where no context is known.
pub const CONTEXT_UNKNOWN: u32 = u32::MAX;
/// Kind in [`event::MEMORY_ERROR`] where the part has none.
pub const MEMORY_ERROR_KIND_INVALID: u32 = 0xDEAD_BEEF;
