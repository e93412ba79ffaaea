//! Packed hex: how recordings write bytes.
//!
//! Tokens separated by one space; a token is `HEX` or `HEX*COUNT`, those bytes `COUNT` times. The empty text is no
//! bytes.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

/// Most bytes one text may stand for: more than any client ever moves in one event, less than hurts.
const LIMIT_BYTES: usize = 256 << 20;

/// Bytes that were written as packed hex.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Packed(pub Vec<u8>);

impl<'de> Deserialize<'de> for Packed {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        unpack(&text).map(Self).map_err(D::Error::custom)
    }
}

impl Serialize for Packed {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&pack(&self.0))
    }
}

/// Equal bytes from which on they are written once, with their number.
const SHORTEST_RUN: usize = 10;

/// Bytes as a packed text: long runs of one byte are written once.
#[must_use]
pub fn pack(bytes: &[u8]) -> String {
    let mut tokens: Vec<String> = Vec::new();
    let mut plain = String::new();
    for run in bytes.chunk_by(|one, next| one == next) {
        let byte = run.first().copied().unwrap_or_default();
        if run.len() < SHORTEST_RUN {
            (0..run.len()).for_each(|_| plain.push_str(&format!("{byte:02x}")));
            continue;
        }
        if !plain.is_empty() {
            tokens.push(core::mem::take(&mut plain));
        }
        tokens.push(format!("{byte:02x}*{}", run.len()));
    }
    if !plain.is_empty() {
        tokens.push(plain);
    }
    tokens.join(" ")
}

/// The bytes of a packed text.
///
/// # Errors
/// What is wrong with it, and with which token.
pub fn unpack(text: &str) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    if text.is_empty() {
        return Ok(bytes);
    }
    for token in text.split(' ') {
        let (digits, count) = match token.split_once('*') {
            None => (token, 1),
            Some((digits, count)) => (digits, repetitions(count, token)?),
        };
        let part = digits_to_bytes(digits, token)?;
        let total = part.len().checked_mul(count).and_then(|more| more.checked_add(bytes.len()));
        if total.is_none_or(|total| total > LIMIT_BYTES) {
            return Err(format!("packed hex `{token}` stands for too many bytes"));
        }
        bytes.extend(part.repeat(count));
    }
    Ok(bytes)
}

fn repetitions(count: &str, token: &str) -> Result<usize, String> {
    let only_digits = !count.is_empty() && count.bytes().all(|digit| digit.is_ascii_digit());
    let parsed = if only_digits { count.parse().ok() } else { None };
    parsed.ok_or_else(|| format!("packed hex `{token}`: the count is not a number"))
}

fn digits_to_bytes(digits: &str, token: &str) -> Result<Vec<u8>, String> {
    let wrong = || format!("packed hex `{token}` is not pairs of hex digits");
    let (pairs, rest) = digits.as_bytes().as_chunks::<2>();
    if digits.is_empty() || !rest.is_empty() {
        return Err(wrong());
    }
    pairs.iter().map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?)).collect::<Option<_>>().ok_or_else(wrong)
}

/// A lower-case digit; recordings have no others.
const fn digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte.wrapping_sub(b'0')),
        b'a'..=b'f' => Some(byte.wrapping_sub(b'a').wrapping_add(10)),
        _ => None,
    }
}

/// Bytes as hex digits for people, cut after a few.
#[must_use]
pub fn show(bytes: &[u8]) -> String {
    const SHOWN: usize = 16;
    let digits: String = bytes.iter().take(SHOWN).map(|byte| format!("{byte:02x}")).collect();
    if bytes.len() > SHOWN { format!("{digits}.. ({} bytes)", bytes.len()) } else { digits }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_bytes_or_bytes_repeated() {
        let rows: [(&str, &[u8]); 5] = [
            ("", &[]),
            ("02 00*3 ff", &[2, 0, 0, 0, 0xFF]),
            ("0102*2", &[1, 2, 1, 2]),
            ("ab", &[0xAB]),
            ("00*0 01", &[1]),
        ];
        for (text, bytes) in rows {
            assert_eq!(unpack(text).unwrap(), bytes, "{text}");
        }
    }

    #[test]
    fn what_is_packed_is_the_same_unpacked() {
        let rows: [(&[u8], &str); 4] = [
            (&[], ""),
            (&[0; 16], "00*16"),
            (&[1, 2, 2, 3], "01020203"),
            (&[&[7][..], &[0; 12], &[0xFF, 0xFF]].concat(), "07 00*12 ffff"),
        ];
        for (bytes, text) in rows {
            assert_eq!(pack(bytes), text);
            assert_eq!(unpack(text).unwrap(), bytes);
        }
    }

    #[test]
    fn what_is_not_packed_hex_is_named() {
        for text in ["0", "0g", "AB", " ", "00  00", "00*", "*3", "00*x", "00*+3", "00*-1", "00*2*2", "00*99999999999"]
        {
            let error = unpack(text).unwrap_err();
            assert!(error.contains("packed hex"), "{text}: {error}");
        }
    }

    #[test]
    fn many_bytes_are_shown_cut() {
        assert_eq!(show(&[0xAB, 1]), "ab01");
        assert_eq!(show(&[0; 17]), format!("{}.. (17 bytes)", "00".repeat(16)));
    }
}
