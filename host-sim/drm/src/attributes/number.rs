//! What is written to a file, as Linux reads it.

use crate::node::Refusal;

/// A number of 32 bits: decimal, or with the prefixes of C for sixteen and eight; a plus before it and one end of line
/// behind it do no harm, anything else does.
///
/// # Errors
/// EINVAL: it is none; ERANGE: it is too large.
pub(super) fn parse(text: &[u8]) -> Result<u32, Refusal> {
    let text = core::str::from_utf8(text).map_err(|_| Refusal::INVALID)?;
    let text = text.strip_suffix('\n').unwrap_or(text);
    let text = text.strip_prefix('+').unwrap_or(text);
    let (digits, base) = match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(digits) => (digits, 16),
        None if text.len() > 1 && text.starts_with('0') => (text, 8),
        None => (text, 10),
    };
    if digits.is_empty() || !digits.chars().all(|digit| digit.is_digit(base)) {
        return Err(Refusal::INVALID);
    }
    u32::from_str_radix(digits, base).map_err(|_| Refusal(libc::ERANGE))
}

/// A yes or a no, by its first letters.
///
/// # Errors
/// EINVAL: it is neither.
pub(super) const fn is_yes(text: &[u8]) -> Result<bool, Refusal> {
    match text {
        [b'y' | b'Y' | b't' | b'T' | b'1', ..] | [b'o' | b'O', b'n' | b'N', ..] => Ok(true),
        [b'n' | b'N' | b'f' | b'F' | b'0', ..] | [b'o' | b'O', b'f' | b'F', ..] => Ok(false),
        _ => Err(Refusal::INVALID),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_what_a_kernel_takes_for_one() {
        let rows: [(&str, Result<u32, i32>); 14] = [
            ("0", Ok(0)),
            ("5000\n", Ok(5000)),
            ("+7", Ok(7)),
            ("0x10", Ok(16)),
            ("010\n", Ok(8)),
            ("4294967295", Ok(u32::MAX)),
            ("4294967296", Err(libc::ERANGE)),
            ("99999999999999999999999999", Err(libc::ERANGE)),
            ("", Err(libc::EINVAL)),
            ("-1", Err(libc::EINVAL)),
            (" 1", Err(libc::EINVAL)),
            ("1\n\n", Err(libc::EINVAL)),
            ("999abc", Err(libc::EINVAL)),
            ("++1", Err(libc::EINVAL)),
        ];
        for (text, number) in rows {
            assert_eq!(parse(text.as_bytes()), number.map_err(Refusal), "{text:?}");
        }
        assert_eq!(parse(&[0xFF]), Err(Refusal::INVALID));
    }

    #[test]
    fn yes_and_no_have_many_names() {
        let rows = [("1\n", Some(true)), ("on", Some(true)), ("off", Some(false)), ("No", Some(false)), ("2", None)];
        for (text, yes) in rows {
            assert_eq!(is_yes(text.as_bytes()).ok(), yes, "{text:?}");
        }
        assert_eq!(is_yes(b""), Err(Refusal::INVALID));
    }
}
