//! Moves inside a slice that cannot panic.
#![expect(unsafe_code, reason = "the language's own move inside a slice has a way to panic")]

/// Moves `count` items from position `from` on to position `to` on; the two places may overlap. Nothing moves if one of
/// them is not in the slice as a whole.
///
/// As quick as `copy_within`, which panics instead: an image that may have no panic path cannot use it.
#[inline]
pub fn shift<T: Copy>(items: &mut [T], from: usize, to: usize, count: usize) {
    let last = items.len().checked_sub(count);
    if !last.is_some_and(|last| from <= last && to <= last) {
        return;
    }
    let first = items.as_mut_ptr();
    let (source, target) = (first.wrapping_add(from).cast_const(), first.wrapping_add(to));
    // SAFETY: both places have `count` items inside the slice, as was just seen, and the slice is borrowed for change.
    unsafe { core::ptr::copy(source, target, count) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Ten numbers after a shift, beside the same done with a copy.
    fn agree(from: usize, to: usize, count: usize) {
        let mut items = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9];
        let mut want = items;
        shift(&mut items, from, to, count);
        for (at, item) in (from..).zip(to..).take(count) {
            want[item] = u64::try_from(at).unwrap();
        }
        assert_eq!(items, want, "{count} from {from} to {to}");
    }

    #[test]
    fn items_move_up_and_down_and_overlap() {
        for count in 0..=10 {
            for from in 0..=10 - count {
                for to in 0..=10 - count {
                    agree(from, to, count);
                }
            }
        }
    }

    #[test]
    fn what_does_not_fit_stays() {
        for (from, to, count) in
            [(8, 0, 3), (0, 8, 3), (11, 0, 0), (0, 11, 0), (0, 0, 11), (usize::MAX, 0, 2), (0, usize::MAX, 1)]
        {
            let mut items = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9];
            shift(&mut items, from, to, count);
            assert_eq!(items, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
        }
    }
}
