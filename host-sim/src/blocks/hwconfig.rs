//! Hardware configuration tables: what a part's firmware tells about it (bind-and-exec sheet §3.13, query 4).
//!
//! Words in groups: key, number of values, values. The values here are plausible for a part of that kind, no more.

/// Keys and values of Lunar Lake; Tiger Lake's firmware has no table.
pub(crate) const LNL: &[(u32, u32)] = &[
    (1, 2),         // slices
    (2, 8),         // sub-slices
    (3, 8),         // EUs in each
    (4, 8),         // pixel pipes
    (8, 0x1_0000),  // bytes of an L3 way
    (9, 16),        // ways of a sector
    (10, 8),        // memory channels
    (11, 5),        // memory type
    (15, 8),        // threads of an EU
    (16, 0x200),    // threads: vertex
    (17, 0x200),    // geometry
    (18, 0x200),    // hull
    (19, 0x200),    // domain
    (20, 0x200),    // vertex, position only
    (21, 0x200),    // pixel
    (23, 1),        // render engines
    (24, 1),        // compute engines
    (25, 1),        // video decoders
    (26, 1),        // video enhancers
    (27, 1),        // copy engines
    (28, 0x200),    // URB: KiB
    (64, 0x2_0000), // two that clients pass over
    (66, 0x80),
    (70, 8), // most sub-slices, present or not
];

/// The table as clients get it.
pub(crate) fn table(values: &[(u32, u32)]) -> Vec<u8> {
    values.iter().flat_map(|(key, value)| [*key, 1, *value]).flat_map(u32::to_le_bytes).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_attribute_is_a_key_a_count_and_a_value() {
        assert_eq!(table(&[(8, 0x1_0000)]), [8, 0, 0, 0, 1, 0, 0, 0, 0, 0, 1, 0]);
        assert!(LNL.is_sorted_by(|a, b| a.0 < b.0));
    }
}
