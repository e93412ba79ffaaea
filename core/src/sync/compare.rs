//! The comparison of a user-fence wait.
//!
//! A wait on a user fence asks a question about one 64-bit word of memory (commands sheet §5.8). This is the
//! question; who reads the word and how long to wait is decided elsewhere.

/// Comparison operator, memory on the left. All are unsigned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CompareOp {
    /// Memory equals value.
    Equal,
    /// Memory differs from value.
    NotEqual,
    /// Memory is above value.
    Greater,
    /// Memory is value or above.
    GreaterOrEqual,
    /// Memory is below value.
    Less,
    /// Memory is value or below.
    LessOrEqual,
}

impl CompareOp {
    /// The operator a client's number names, `None` for numbers above 5 (commands sheet §5.8).
    #[must_use]
    pub const fn from_client_code(code: u16) -> Option<Self> {
        match code {
            0 => Some(Self::Equal),
            1 => Some(Self::NotEqual),
            2 => Some(Self::Greater),
            3 => Some(Self::GreaterOrEqual),
            4 => Some(Self::Less),
            5 => Some(Self::LessOrEqual),
            _ => None,
        }
    }
}

/// A question about a 64-bit memory word: `memory & mask  op  value & mask`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MaskedCompare {
    /// The operator.
    pub op: CompareOp,
    /// What memory is compared with; masked too.
    pub value: u64,
    /// Bits that take part. With 0 both sides are 0.
    pub mask: u64,
}

impl MaskedCompare {
    /// Whether the word `memory` answers yes.
    #[must_use]
    pub const fn passes(self, memory: u64) -> bool {
        let left = memory & self.mask;
        let right = self.value & self.mask;
        match self.op {
            CompareOp::Equal => left == right,
            CompareOp::NotEqual => left != right,
            CompareOp::Greater => left > right,
            CompareOp::GreaterOrEqual => left >= right,
            CompareOp::Less => left < right,
            CompareOp::LessOrEqual => left <= right,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passes(code: u16, memory: u64, value: u64, mask: u64) -> bool {
        MaskedCompare { op: CompareOp::from_client_code(code).unwrap(), value, mask }.passes(memory)
    }

    #[test]
    fn each_operator_has_its_number_and_compares_memory_with_value() {
        let truth = |memory, value| [0, 1, 2, 3, 4, 5].map(|code| passes(code, memory, value, u64::MAX));
        assert_eq!(truth(1, 2), [false, true, false, false, true, true]);
        assert_eq!(truth(2, 2), [true, false, false, true, false, true]);
        assert_eq!(truth(3, 2), [false, true, true, true, false, false]);
        assert!(CompareOp::from_client_code(6).is_none());
    }

    #[test]
    fn comparison_is_unsigned() {
        assert!(passes(2, u64::MAX, 1, u64::MAX));
    }

    #[test]
    fn both_sides_are_masked() {
        assert!(passes(0, 0xAB_0001, 0xCD_0001, 0xFFFF));
        assert!(passes(0, 5, 9, 0), "an empty mask leaves nothing to differ");
        assert!(!passes(1, 0xAB_0001, 0xCD_0001, 0xFFFF));
    }
}
