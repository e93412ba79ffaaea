//! The checks of the page-tables sheet, §8.
#![expect(clippy::arithmetic_side_effects, reason = "tests: an overflow is a failed test")]

use super::*;

const RANGES: GucTlbFormat = GucTlbFormat { ranges: true };

/// Start and size field for a range whose last byte is given, as update jobs do.
fn rounded(start: u64, last: u64) -> (u64, u32) {
    let Rounded { start, len_bytes } = round(start, last).unwrap();
    (start, len_bytes.trailing_zeros() - 12)
}

/// TLB, checks 1 to 6.
#[test]
fn ranges_are_rounded_as_in_the_sheet() {
    assert_eq!(rounded(0x1000, 0x1FFF), (0x1000, 0));
    assert_eq!(rounded(0x3000, 0x4FFF), (0, 3));
    assert_eq!(rounded(0x5000, 0x9FFF), (0, 4));
    assert_eq!(rounded(0xA0_0000, 0xA2_FFFF), (0xA0_0000, 6));
    assert_eq!(rounded(0x1F_F000, 0x20_0FFF), (0, 12));
    assert_eq!(rounded(0x40_0000, 0x7F_FFFF), (0, 12));
    assert_eq!(rounded(0xF0_0000, 0x10F_FFFF), (0, 13));
    assert_eq!(rounded(0x4000_0000, 0x7FFF_FFFF), (0x4000_0000, 18));
}

/// TLB, check 7.
#[test]
fn whole_address_spaces_and_root_entries_are_ranges_too() {
    assert_eq!(round(0, 1 << 48).unwrap().len_bytes, 1 << 48);
    assert_eq!(round(0, 1 << 57).unwrap().len_bytes, 1 << 57);
    assert_eq!(rounded(0, 0x7F_FFFF_FFFF), (0, 27));
}

/// TLB, check 8.
#[test]
fn an_unbind_of_2_mib_is_the_message_of_the_sheet() {
    let request = Request::Ppgtt { space: AddressSpace::new(9), start: 0x20_0000, end: 0x3F_FFFF };
    let seqno = GucSeqno::new(5).unwrap();
    let ranged = Message::new(RANGES, request, seqno).framed(0x77);
    assert_eq!(ranged, [0x0077_0007, 0x2000_7000, 5, 0x8000_0001, 9, 0, 0, 12]);
    let full = Message::new(GucTlbFormat { ranges: false }, request, seqno).framed(0x77);
    assert_eq!(full, [0x0077_0003, 0x2000_7000, 5, 0x8000_0000]);
}

#[test]
fn every_rounded_range_covers_what_was_asked_for_and_is_one_the_firmware_accepts() {
    let mut state = 0x9E37_79B9_7F4A_7C15u64;
    let mut random = |bits: u32| {
        state = state.wrapping_mul(0x5851_F42D_4C95_7F2D).wrapping_add(0x1405_7B7E_F767_814F);
        state >> (64 - bits)
    };
    for _ in 0..20_000 {
        let start = random(48) & !0xFFF;
        let bits = u32::try_from(random(5)).unwrap() + 13;
        let end = start + (random(bits) & !0xFFF) + 0x1000;
        let Rounded { start: from, len_bytes: len } = round(start, end).unwrap();
        assert!(len.is_power_of_two() && from % len == 0, "{from:#x} {len:#x}");
        assert!(from <= start && from + len >= end, "{start:#x}..{end:#x}: {from:#x} {len:#x}");
        assert!((0x1000..=0x10_0000).contains(&len) || len >= 0x100_0000, "{len:#x}");
    }
}

#[test]
fn what_no_power_of_two_covers_is_a_full_request() {
    assert_eq!(round(0, u64::MAX), None);
    assert_eq!(round(0x1000, (1 << 63) + 0x2000), None);
    assert_eq!(round(0, 1 << 63), Some(Rounded { start: 0, len_bytes: 1 << 63 }));
    let request = Request::Ppgtt { space: AddressSpace::NONE, start: 0, end: u64::MAX };
    let message = Message::new(RANGES, request, GucSeqno::FIRST);
    assert_eq!(message.dwords(), [0x7000, 1, 0x8000_0000]);
}

#[test]
fn numbers_skip_zero_and_compare_over_the_wrap() {
    let last = GucSeqno::new(0xF_FFFF).unwrap();
    assert_eq!(last.next(), GucSeqno::FIRST);
    assert!(GucSeqno::new(0).is_none() && GucSeqno::new(0x10_0000).is_none());
    assert!(last.is_past(GucSeqno::FIRST) && !GucSeqno::FIRST.is_past(last));
    assert!(last.is_past(last) && GucSeqno::FIRST.is_past(GucSeqno::FIRST.next()));
}
