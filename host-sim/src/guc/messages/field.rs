//! Bits of a dword.

/// A field of a dword: its highest and lowest bit, both inside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field {
    high: u32,
    low: u32,
}

impl Field {
    /// Bits `high` to `low`, as data sheets write them. Bits above 31 do not exist.
    #[must_use]
    pub const fn bits(high: u32, low: u32) -> Self {
        Self { high: if high > 31 { 31 } else { high }, low: if low > 31 { 31 } else { low } }
    }

    /// One bit.
    #[must_use]
    pub const fn bit(number: u32) -> Self {
        Self::bits(number, number)
    }

    /// The bits where they lie.
    #[must_use]
    pub const fn mask(self) -> u32 {
        (u32::MAX >> (31 - self.high)) & (u32::MAX << self.low)
    }

    /// The field's value in a dword.
    #[must_use]
    pub const fn of(self, dword: u32) -> u32 {
        (dword & self.mask()) >> self.low
    }

    /// A value where the field lies; bits that do not fit are cut.
    #[must_use]
    pub const fn put(self, value: u32) -> u32 {
        (value << self.low) & self.mask()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_taken_out_and_put_in() {
        let field = Field::bits(27, 16);
        assert_eq!((field.mask(), field.of(0xFABC_1234), field.put(0x1ABC)), (0x0FFF_0000, 0xABC, 0x0ABC_0000));
        assert_eq!((Field::bits(31, 0).mask(), Field::bit(31).put(1)), (u32::MAX, 1 << 31));
    }
}
