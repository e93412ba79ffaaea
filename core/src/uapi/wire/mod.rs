//! Structs as bytes: little-endian fields at fixed offsets.
//!
//! A layout is a list of constants. Reading past the end of what the client gave gives zero, which is how the
//! interface extends short structs; writing there does nothing.

pub(super) mod client;
pub(super) mod extension;
pub(super) mod payload;
pub(super) mod sync_args;
pub(super) mod sync_entry;

use crate::Error;
use core::marker::PhantomData;

/// A field: where it starts, and the integer it is.
#[derive(Clone, Copy)]
pub(in crate::uapi) struct Field<T> {
    offset: usize,
    word: PhantomData<fn() -> T>,
}

impl<T> Field<T> {
    /// The field that starts at byte `offset`.
    pub(in crate::uapi) const fn at(offset: usize) -> Self {
        Self { offset, word: PhantomData }
    }
}

/// Integers that structs are made of.
pub(in crate::uapi) trait Word: Copy {
    /// Bytes it takes.
    const LEN: usize;
    /// The integer in the first bytes, little endian.
    fn from_bytes(bytes: [u8; 8]) -> Self;
    /// The integer in the first bytes, little endian.
    fn to_bytes(self) -> [u8; 8];
}

macro_rules! words {
    ($($word:ty),+) => {
        $(impl Word for $word {
            const LEN: usize = size_of::<Self>();

            fn from_bytes(bytes: [u8; 8]) -> Self {
                let mut own = [0; Self::LEN];
                copy(&mut own, &bytes);
                Self::from_le_bytes(own)
            }

            fn to_bytes(self) -> [u8; 8] {
                let mut bytes = [0; 8];
                copy(&mut bytes, &self.to_le_bytes());
                bytes
            }
        })+
    };
}

words!(u16, u32, u64, i64);

/// Copies as many bytes as both have.
fn copy(to: &mut [u8], from: &[u8]) {
    for (to, from) in to.iter_mut().zip(from) {
        *to = *from;
    }
}

/// Reads a field.
pub(in crate::uapi) fn read<T: Word>(bytes: &[u8], field: Field<T>) -> T {
    let mut word = [0; 8];
    let given = bytes.get(field.offset..).unwrap_or_default();
    let len = given.len().min(T::LEN);
    copy(&mut word, given.get(..len).unwrap_or_default());
    T::from_bytes(word)
}

/// Writes a field.
pub(in crate::uapi) fn write<T: Word>(bytes: &mut [u8], field: Field<T>, value: T) {
    let word = value.to_bytes();
    let place = bytes.get_mut(field.offset..).unwrap_or_default();
    copy(place, word.get(..T::LEN).unwrap_or_default());
}

/// The `N` bytes from `offset` on, zero where the client gave none.
pub(in crate::uapi) fn part<const N: usize>(bytes: &[u8], offset: usize) -> [u8; N] {
    let mut part = [0; N];
    copy(&mut part, bytes.get(offset..).unwrap_or_default());
    part
}

/// Bytes that must be zero.
pub(in crate::uapi) struct Zero {
    what: &'static str,
    offset: usize,
    len: usize,
}

impl Zero {
    /// Padding.
    pub(in crate::uapi) const fn pad(offset: usize, len: usize) -> Self {
        Self { what: "padding", offset, len }
    }

    /// The two reserved words at the end of a struct.
    pub(in crate::uapi) const fn reserved(offset: usize) -> Self {
        Self { what: "reserved field", offset, len: 16 }
    }

    /// An extension pointer where no extension exists.
    pub(in crate::uapi) const fn extensions() -> Self {
        Self { what: "extension", offset: 0, len: 8 }
    }

    fn check(&self, bytes: &[u8]) -> Result<(), Error> {
        let mut span = bytes.iter().skip(self.offset).take(self.len);
        match span.find(|byte| **byte != 0) {
            Some(byte) => Err(Error::invalid(self.what, u64::from(*byte))),
            None => Ok(()),
        }
    }
}

/// Checks that bytes are zero, in this order.
///
/// # Errors
/// [`Error::Invalid`] with the first byte that is not.
pub(in crate::uapi) fn check_zero(bytes: &[u8], spans: &[Zero]) -> Result<(), Error> {
    spans.iter().try_for_each(|span| span.check(bytes))
}

/// Checks that no bit is set that `known` does not have.
///
/// # Errors
/// [`Error::Invalid`] with the flags.
pub(in crate::uapi) const fn check_flags(what: &'static str, flags: u32, known: u32) -> Result<(), Error> {
    if flags & !known == 0 { Ok(()) } else { Err(Error::invalid(what, flags as u64)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_little_endian_and_read_as_zero_past_the_end() {
        let bytes = [1, 2, 3, 4, 5, 6, 7, 8, 9];
        assert_eq!(read(&bytes, Field::<u16>::at(1)), 0x0302);
        assert_eq!(read(&bytes, Field::<u32>::at(4)), 0x0807_0605);
        assert_eq!(read(&bytes, Field::<u64>::at(0)), 0x0807_0605_0403_0201);
        assert_eq!(read(&bytes, Field::<u32>::at(7)), 0x0908, "half a field");
        assert_eq!(read(&bytes, Field::<u64>::at(9)), 0);
        assert_eq!(read(&bytes, Field::<u64>::at(99)), 0);
        assert_eq!(read(&[0xFF; 8], Field::<i64>::at(0)), -1);
    }

    #[test]
    fn writing_touches_its_own_bytes_and_nothing_past_the_end() {
        let mut bytes = [0xEE; 6];
        write(&mut bytes, Field::at(1), 0x0201u16);
        assert_eq!(bytes, [0xEE, 1, 2, 0xEE, 0xEE, 0xEE]);
        write(&mut bytes, Field::at(4), 0x0403_0201u32);
        assert_eq!(bytes, [0xEE, 1, 2, 0xEE, 1, 2]);
        write(&mut bytes, Field::at(6), u64::MAX);
        write(&mut bytes, Field::at(60), u64::MAX);
        assert_eq!(bytes, [0xEE, 1, 2, 0xEE, 1, 2]);
    }

    #[test]
    fn every_byte_of_a_span_counts_and_none_beside_it() {
        for at in 0..8 {
            let mut bytes = [0; 8];
            bytes[at] = 0x80;
            let refused = check_zero(&bytes, &[Zero::pad(2, 4)]);
            let expected = if (2..6).contains(&at) { Err(Error::invalid("padding", 0x80)) } else { Ok(()) };
            assert_eq!(refused, expected, "byte {at}");
        }
        assert_eq!(check_zero(&[], &[Zero::reserved(8)]), Ok(()));
    }
}
