//! Why a request was refused: the reason of a failure.

/// The message cannot be read.
pub const PROTOCOL: u16 = 0x04;
/// Not now.
pub const INVALID_STATE: u16 = 0x0A;
/// Not on this part.
pub const NOT_SUPPORTED: u16 = 0x20;
/// There is no such action.
pub const UNKNOWN_ACTION: u16 = 0x30;
/// It was begun and cannot be finished.
pub const CANNOT_COMPLETE: u16 = 0x41;
/// A key's value cannot be used.
pub const INVALID_KLV_DATA: u16 = 0x50;
/// A parameter is wrong.
pub const INVALID_PARAMS: u16 = 0x60;
/// The index is not that of a context.
pub const INVALID_CONTEXT_INDEX: u16 = 0x61;
/// The registration is wrong.
pub const INVALID_CONTEXT_REGISTRATION: u16 = 0x62;
/// There is no such engine.
pub const INVALID_ENGINE: u16 = 0x64;
/// The buffer is not where it may be.
pub const INVALID_BUFFER_RANGE: u16 = 0x70;
/// Nothing is mapped at the address.
pub const INVALID_GGTT_ADDRESS: u16 = 0x80;
/// The same was asked for and is not done.
pub const PENDING_ACTION: u16 = 0x90;
/// The context is not registered.
pub const CONTEXT_NOT_REGISTERED: u16 = 0x100;
/// A length is wrong.
pub const INVALID_SIZE: u16 = 0x102;
/// A key's length does not fit.
pub const MALFORMED_KLV: u16 = 0x103;
/// The context cannot do that now.
pub const INVALID_CONTEXT: u16 = 0x104;
/// There is no such key.
pub const INVALID_KLV_KEY: u16 = 0x105;
/// There is no table of hardware facts.
pub const NO_ATTRIBUTE_TABLE: u16 = 0x201;
/// The ring is not registered.
pub const CTB_NOT_REGISTERED: u16 = 0x304;
/// The descriptor of a ring is wrong.
pub const CTB_INVALID_DESCRIPTOR: u16 = 0x306;
