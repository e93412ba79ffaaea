//! Faults that can be served (engines sheet §11.4, §12.5): the event's four dwords, and the two of the answer.

use super::field::Field;

/// Dwords of a fault.
pub const DWORDS: usize = 4;

/// Dword 0: level of the table at which the walk ended.
pub const LEVEL: Field = Field::bits(2, 0);
/// Dword 0: unit that met it.
pub const SOURCE: Field = Field::bits(10, 3);
/// Dword 0, from 20.00 on: it is a fault of translation that nobody can serve.
pub const NOT_SERVABLE: Field = Field::bit(18);
/// Dword 0: instance of the engine.
pub const INSTANCE: Field = Field::bits(24, 19);
/// Dword 0: class of the engine, as the hardware counts.
pub const CLASS: Field = Field::bits(27, 25);
/// Dword 0: the hardware's own word for it, low part.
pub const PRIVATE_LOW: Field = Field::bits(31, 28);
/// Dword 1: the high part.
pub const PRIVATE_HIGH: Field = Field::bits(11, 0);
/// Dword 1: address space.
pub const SPACE: Field = Field::bits(31, 12);
/// Dword 2: 0 read, 1 write, 2 atomic.
pub const ACCESS: Field = Field::bits(1, 0);
/// Dword 2: 0 not present, 1 write not allowed, 2 atomic not allowed.
pub const KIND: Field = Field::bits(3, 2);
/// Dword 2: virtual function.
pub const FUNCTION: Field = Field::bits(9, 4);
/// Dword 2: address, bits 31:12. Dword 3: the high half.
pub const ADDRESS_LOW: Field = Field::bits(31, 12);

/// The answer.
pub mod reply {
    use super::Field;

    /// Dword 0: it is one.
    pub const VALID: Field = Field::bit(0);
    /// Dword 0: 0 if the access works now.
    pub const FAILED: Field = Field::bit(1);
    /// Dword 0: which faults it is for: 0 this access, 1 the engine, 2 the function, 3 all.
    pub const WHICH: Field = Field::bits(4, 2);
    /// Dword 0: 1, answer to a fault.
    pub const KIND: Field = Field::bits(11, 10);
    /// Dword 0: address space.
    pub const SPACE: Field = Field::bits(31, 12);
    /// Dword 1: virtual function.
    pub const FUNCTION: Field = Field::bits(5, 0);
    /// Dword 1: instance of the engine.
    pub const INSTANCE: Field = Field::bits(12, 7);
    /// Dword 1: class of the engine.
    pub const CLASS: Field = Field::bits(15, 13);
    /// Dword 1: the hardware's own word.
    pub const PRIVATE: Field = Field::bits(31, 16);
}
