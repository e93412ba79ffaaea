//! How things are told in words and bytes of messages, and read again.

use crate::mapping::Piece;
use crate::shared::SharedKind;

/// Numbers of kinds of things, as they are told: 1 and 2 for files at the render and the primary node.
pub(super) const fn number(kind: SharedKind) -> (u64, u64) {
    match kind {
        SharedKind::Syncobj => (3, 0),
        SharedKind::SyncFile => (4, 0),
        SharedKind::Bo(size) => (5, size),
    }
}

/// The kind of a number.
pub(crate) const fn shared_kind(number: u64, size: u64) -> Option<SharedKind> {
    match number {
        3 => Some(SharedKind::Syncobj),
        4 => Some(SharedKind::SyncFile),
        5 => Some(SharedKind::Bo(size)),
        _ => None,
    }
}

/// A piece of the arena.
pub(super) fn piece_bytes(piece: &Piece) -> Vec<u8> {
    [piece.offset.to_le_bytes(), piece.len_bytes.to_le_bytes()].concat()
}

/// Pieces as they were told.
pub(crate) fn pieces(bytes: &[u8]) -> Vec<Piece> {
    let word = |bytes: &[u8]| bytes.first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes));
    let pairs = bytes.chunks_exact(16).map(|pair| pair.split_at(8));
    pairs.map(|(offset, len)| Piece { offset: word(offset), len_bytes: word(len) }).collect()
}
