//! Lines of text, put together piece by piece: no allocation, no `core::fmt`, nothing that can panic.
//!
//! The machinery of `core::fmt` costs a firmware image some ten kilobytes and brings panic paths in. What a report
//! needs is words and numbers.

use crate::program::reason;
use barexe_core::Error;
use barexe_core::num::u64_of;
use barexe_hal::Nanos;

/// Where text goes: a serial port, a firmware's console, a string.
pub trait Sink {
    /// Writes text; `\n` ends a line.
    fn text(&mut self, text: &str);
}

/// A piece of a line.
pub trait Show {
    /// Writes it.
    fn show(&self, out: &mut dyn Sink);
}

/// Writes a line of pieces.
#[macro_export]
macro_rules! say {
    ($out:expr $(, $piece:expr)* $(,)?) => {{
        let out: &mut dyn $crate::say::Sink = $out;
        $($crate::say::Show::show(&$piece, out);)*
        out.text("\n");
    }};
}

/// Writes pieces one behind the other.
pub fn pieces(out: &mut dyn Sink, pieces: &[&dyn Show]) {
    pieces.iter().for_each(|piece| piece.show(out));
}

/// A number in hexadecimal, with its prefix.
#[derive(Clone, Copy, Debug)]
pub struct Hex(pub u64);

/// A number in hexadecimal with at least so many digits, without prefix.
#[derive(Clone, Copy, Debug)]
pub struct Digits(pub u64, pub u8);

/// As many digits as 64 bits need in decimal.
const MAX_DIGITS: usize = 20;
const DIGITS: &str = "0123456789abcdef";

fn digit(value: u64) -> &'static str {
    let at = usize::from(barexe_core::num::low8(value & 0xF));
    DIGITS.get(at..at.saturating_add(1)).unwrap_or_default()
}

/// The digits of a number, most significant first, at least `least` of them.
fn number(out: &mut dyn Sink, value: u64, base: core::num::NonZeroU64, least: usize) {
    let mut digits = [0u64; MAX_DIGITS];
    let mut rest = value;
    let mut count = 0usize;
    for place in &mut digits {
        *place = rest % base;
        rest /= base;
        count = count.saturating_add(1);
        if rest == 0 && count >= least {
            break;
        }
    }
    for place in digits.iter().rev().skip(MAX_DIGITS.saturating_sub(count)) {
        out.text(digit(*place));
    }
}

const TEN: core::num::NonZeroU64 = core::num::NonZeroU64::MIN.saturating_add(9);
const SIXTEEN: core::num::NonZeroU64 = core::num::NonZeroU64::MIN.saturating_add(15);

impl<T: Show + ?Sized> Show for &T {
    fn show(&self, out: &mut dyn Sink) {
        (**self).show(out);
    }
}

impl Show for str {
    fn show(&self, out: &mut dyn Sink) {
        out.text(self);
    }
}

impl Show for u64 {
    fn show(&self, out: &mut dyn Sink) {
        number(out, *self, TEN, 1);
    }
}

impl Show for u32 {
    fn show(&self, out: &mut dyn Sink) {
        u64::from(*self).show(out);
    }
}

impl Show for u16 {
    fn show(&self, out: &mut dyn Sink) {
        u64::from(*self).show(out);
    }
}

impl Show for u8 {
    fn show(&self, out: &mut dyn Sink) {
        u64::from(*self).show(out);
    }
}

impl Show for usize {
    fn show(&self, out: &mut dyn Sink) {
        u64_of(*self).show(out);
    }
}

impl Show for Hex {
    fn show(&self, out: &mut dyn Sink) {
        out.text("0x");
        number(out, self.0, SIXTEEN, 1);
    }
}

impl Show for Digits {
    fn show(&self, out: &mut dyn Sink) {
        number(out, self.0, SIXTEEN, usize::from(self.1));
    }
}

impl Show for Nanos {
    fn show(&self, out: &mut dyn Sink) {
        self.get().show(out);
        out.text(" ns");
    }
}

impl Show for Error {
    fn show(&self, out: &mut dyn Sink) {
        reason::show(self, out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::String;

    impl Sink for String {
        fn text(&mut self, text: &str) {
            self.push_str(text);
        }
    }

    #[test]
    fn numbers_read_as_rust_prints_them() {
        for value in [0, 1, 9, 10, 15, 16, 255, 1_000_000, u64::MAX] {
            let mut line = String::new();
            say!(&mut line, value, " ", Hex(value), " ", Digits(value, 4));
            assert_eq!(line, std::format!("{value} {value:#x} {value:04x}\n"));
        }
    }

    #[test]
    fn pieces_of_every_kind_make_a_line() {
        let mut line = String::new();
        say!(&mut line, "a ", 1u8, 2u16, 3u32, 4u64, 5usize, " ", Nanos::from_micros(7));
        assert_eq!(line, "a 12345 7000 ns\n");
    }
}
