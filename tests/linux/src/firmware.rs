//! A container for the driver's firmware loader that has no firmware in it.
//!
//! The driver looks at the header, copies header and code to the device and asks the device to start it. The simulated
//! device is its own firmware; it needs none of the bytes. Layout: the GuC's CSS header as the driver reads it, 32 dwords,
//! then the code, then a signature.

/// A dword of the header that is not zero.
type Dword = (usize, u32);

const HEADER_DWORDS: u32 = 32;
const SIGNATURE_DWORDS: u32 = 64;
const CODE_DWORDS: u32 = 1024;
/// Module type of a GuC.
const MODULE_TYPE: u32 = 6;
const INTEL: u32 = 0x8086;

/// A version: major, minor, patch.
pub(crate) type Version = (u8, u8, u8);

const fn version((major, minor, patch): Version) -> u32 {
    (major as u32) << 16 | (minor as u32) << 8 | patch as u32
}

/// The container. `release` is what the driver compares with the version that it wants.
pub(crate) fn container(release: Version, submission: Version) -> Vec<u8> {
    let header_and_signature = HEADER_DWORDS.saturating_add(SIGNATURE_DWORDS);
    let fields: [Dword; 7] = [
        (0, MODULE_TYPE),
        (1, header_and_signature),
        (4, INTEL),
        (6, header_and_signature.saturating_add(CODE_DWORDS)),
        (7, SIGNATURE_DWORDS),
        (16, version(release)),
        (17, version(submission)),
    ];
    let dwords = header_and_signature.saturating_add(CODE_DWORDS);
    let value =
        |at: u32| fields.iter().find(|(dword, _)| u32::try_from(*dword) == Ok(at)).map_or(0, |(_, value)| *value);
    (0..dwords).flat_map(|at| value(at).to_le_bytes()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As the driver does its sums: the header less the signature is 128 bytes; header, code and signature are all there.
    #[test]
    fn the_sizes_in_the_header_are_those_of_the_file() {
        let bytes = container((70, 44, 1), (1, 21, 0));
        let dword = |at: usize| u32::from_le_bytes(*bytes.as_chunks().0.get(at).unwrap());
        assert_eq!((dword(1) - dword(7) - dword(8) - dword(9)) * 4, 128);
        assert_eq!(usize::try_from(128 + (dword(6) - dword(1)) * 4 + dword(7) * 4).unwrap(), bytes.len());
        assert_eq!((dword(16), dword(17)), (0x0046_2C01, 0x0001_1500));
    }
}
