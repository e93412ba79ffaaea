//! Buffer objects in the client's memory: which address is which byte of which object.

use core::ops::Range;

/// A mapping or what is left of it.
#[derive(Clone, Debug)]
struct Piece<M> {
    at: Range<u64>,
    /// Offset of its first byte in the object.
    offset: u64,
    bo: u64,
    mapping: M,
}

/// All mappings of a process. `M` names one for the device.
#[derive(Clone, Debug)]
pub struct Mappings<M> {
    pieces: Vec<Piece<M>>,
}

impl<M> Default for Mappings<M> {
    fn default() -> Self {
        Self { pieces: Vec::new() }
    }
}

impl<M: Copy + PartialEq> Mappings<M> {
    /// Object `bo` lies at `addr`, from its byte `offset` on.
    pub fn add(&mut self, addr: u64, length: u64, bo: u64, offset: u64, mapping: M) {
        self.pieces.push(Piece { at: addr..addr.saturating_add(length), offset, bo, mapping });
    }

    /// The range is gone; mappings of which nothing is left.
    pub fn remove(&mut self, gone: &Range<u64>) -> Vec<M> {
        let mut before: Vec<M> = Vec::new();
        for piece in &self.pieces {
            if !before.contains(&piece.mapping) {
                before.push(piece.mapping);
            }
        }
        self.pieces = self.pieces.iter().flat_map(|piece| piece.without(gone)).collect();
        before.retain(|mapping| self.pieces.iter().all(|piece| piece.mapping != *mapping));
        before
    }

    /// The mappings of an object; those that still show the byte at `offset` come first.
    pub fn of(&self, bo: u64, offset: u64) -> impl Iterator<Item = M> {
        let shows = move |piece: &&Piece<M>| {
            let end = piece.offset + (piece.at.end - piece.at.start);
            (piece.offset..end).contains(&offset)
        };
        let pieces = || self.pieces.iter().filter(move |piece| piece.bo == bo);
        pieces().filter(shows).chain(pieces().filter(move |piece| !shows(piece))).map(|piece| piece.mapping)
    }

    /// The mapping an address lies in, and the offset in its object.
    #[must_use]
    pub fn at(&self, addr: u64) -> Option<(M, u64)> {
        let piece = self.pieces.iter().find(|piece| piece.at.contains(&addr))?;
        Some((piece.mapping, piece.offset + (addr - piece.at.start)))
    }
}

impl<M: Copy> Piece<M> {
    fn without(&self, gone: &Range<u64>) -> impl Iterator<Item = Self> + use<M> {
        let whole = self.clone();
        parts(&self.at, gone).map(move |at| Self { offset: whole.offset + (at.start - whole.at.start), at, ..whole })
    }
}

/// What is left of a range without another.
pub fn parts(range: &Range<u64>, gone: &Range<u64>) -> impl Iterator<Item = Range<u64>> + use<> {
    let below = range.start..range.end.min(gone.start);
    let above = range.start.max(gone.end)..range.end;
    [below, above].into_iter().filter(|part| !part.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hole_in_a_mapping_leaves_both_sides_where_they_were() {
        let mut mappings = Mappings::default();
        mappings.add(0x1000, 0x4000, 1, 0x100, 'a');
        assert_eq!(mappings.remove(&(0x2000..0x3000)), []);
        assert_eq!(mappings.at(0x1FFF), Some(('a', 0x10FF)));
        assert_eq!(mappings.at(0x2000), None);
        assert_eq!(mappings.at(0x3000), Some(('a', 0x2100)));
        assert_eq!(mappings.remove(&(0..0x1_0000)), ['a']);
        assert_eq!(mappings.of(1, 0x100).count(), 0);
    }

    #[test]
    fn an_object_can_be_mapped_twice() {
        let mut mappings = Mappings::default();
        mappings.add(0x1000, 0x1000, 1, 0, 'a');
        mappings.add(0x8000, 0x2000, 1, 0, 'b');
        assert_eq!(mappings.of(1, 0xFFF).collect::<Vec<_>>(), ['a', 'b']);
        assert_eq!(mappings.of(1, 0x1000).collect::<Vec<_>>(), ['b', 'a']);
        assert_eq!(mappings.remove(&(0x1000..0x2000)), ['a']);
        assert_eq!(mappings.of(1, 0).collect::<Vec<_>>(), ['b']);
        assert_eq!(mappings.at(0x8010), Some(('b', 0x10)));
    }
}
