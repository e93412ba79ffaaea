//! The answer of a query while it is put together.

use super::{Field, Word, write};
use crate::gt::platform::units::UNIT_COUNT;

/// Room for the longest answer: one record for each engine there can be.
const CAPACITY: usize = 1024;
const _: () = assert!(8 + 32 * UNIT_COUNT <= CAPACITY);

/// Bytes to be copied to the client in one piece, so that a copy that fails has written nothing.
#[derive(Default)]
pub(in crate::uapi) struct Payload(heapless::Vec<u8, CAPACITY>);

impl Payload {
    /// An empty answer.
    pub(in crate::uapi) const fn new() -> Self {
        Self(heapless::Vec::new())
    }

    /// Appends `N` bytes: zero but for what `fill` writes.
    pub(in crate::uapi) fn record<const N: usize>(&mut self, fill: impl FnOnce(&mut [u8; N])) {
        let mut record = [0; N];
        fill(&mut record);
        // The capacity has room for the longest answer, see above.
        let _full = self.0.extend_from_slice(&record);
    }

    /// Appends one integer.
    pub(in crate::uapi) fn word<T: Word>(&mut self, value: T) {
        let bytes = value.to_bytes();
        let _full = self.0.extend_from_slice(bytes.get(..T::LEN).unwrap_or_default());
    }

    /// Appends the usual header of a list: a 32-bit count and 32 bits of padding.
    pub(in crate::uapi) fn count(&mut self, count: usize) {
        self.record::<8>(|header| write(header, Field::at(0), crate::num::u32_capped(count)));
    }

    pub(in crate::uapi) fn bytes(&self) -> &[u8] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_follow_each_other_and_are_zero_where_nothing_was_written() {
        let mut payload = Payload::new();
        payload.count(2);
        payload.record::<4>(|record| write(record, Field::at(1), 0x0201u16));
        payload.word(0xFFFFu16);
        assert_eq!(payload.bytes(), [2, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 0, 0xFF, 0xFF]);
    }
}
