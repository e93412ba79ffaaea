//! The device's walk of a tree, with literals of its own (page-tables sheet §1.1, §2.1, appendix A).
#![expect(clippy::arithmetic_side_effects, reason = "tests: an overflow is a failed test")]
#![expect(clippy::panic, reason = "a helper of tests ends the test that it cannot help")]

use super::Arena;

/// What a walk found for an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A 4 KiB page.
    Page4K,
    /// One that is part of a 64 KiB group.
    Page4KPs64,
    /// A 64 KiB page of a compact table.
    Page64KCompact,
    /// A 2 MiB leaf.
    Large2M,
    /// A 1 GiB leaf.
    Large1G,
    /// Not present, in a table of level 0.
    None4K,
    /// Not present, in a table of level 1.
    None2M,
    /// Not present, in a table of level 2.
    None1G,
    /// Not present, higher up.
    NoneDir,
}

impl Kind {
    /// Bytes one entry of the kind covers, as far as anybody counts them.
    #[must_use]
    pub const fn bytes(self) -> u64 {
        match self {
            Self::Page4K | Self::Page4KPs64 | Self::None4K => 1 << 12,
            Self::Page64KCompact => 1 << 16,
            Self::Large2M | Self::None2M => 1 << 21,
            Self::Large1G | Self::None1G => 1 << 30,
            Self::NoneDir => 1 << 39,
        }
    }

    /// Whether it maps memory or nothing, rather than being absent.
    #[must_use]
    pub const fn is_present(self) -> bool {
        !matches!(self, Self::None4K | Self::None2M | Self::None1G | Self::NoneDir)
    }
}

/// One entry on the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Leaf {
    /// First address it was found for.
    pub va: u64,
    /// One past the last address it covers.
    pub end: u64,
    /// What it is.
    pub kind: Kind,
    /// The entry.
    pub entry: u64,
}

const ADDRESS: u64 = 0x000F_FFFF_FFFF_F000;

/// The entries for `start..end` of the tree whose root is at bus address `root`, a table of `root_level`.
pub fn walk(arena: &Arena, root: u64, root_level: u8, start: u64, end: u64) -> impl Iterator<Item = Leaf> {
    // The tables on the way down, so that the next entry of a table need not start at the root.
    let mut path: Vec<Table<'_>> =
        vec![Table { words: arena.table(root), level: u32::from(root_level), compact: false }];
    let mut va = start;
    core::iter::from_fn(move || {
        if va >= end {
            return None;
        }
        let leaf = step(arena, &mut path, va);
        va = leaf.end;
        while path.len() > 1 && path.last().is_some_and(|table| va & ((1 << (21 + 9 * table.level)) - 1) == 0) {
            path.pop();
        }
        Some(leaf)
    })
}

#[derive(Clone, Copy)]
struct Table<'a> {
    words: &'a [u64],
    level: u32,
    compact: bool,
}

fn step<'a>(arena: &'a Arena, path: &mut Vec<Table<'a>>, va: u64) -> Leaf {
    loop {
        let Some(Table { words, level, compact }) = path.last().copied() else { panic!("a walk without a root") };
        let (shift, mask) = if compact { (16, 31) } else { (12 + 9 * level, 511) };
        let index = usize::try_from(va >> shift & mask).unwrap_or(usize::MAX);
        let entry = words.get(index).copied().unwrap_or_else(|| panic!("entry {index} of a table"));
        if let Some(kind) = kind(entry, level, compact) {
            return Leaf { va, end: (va >> shift << shift) + (1 << shift), kind, entry };
        }
        let compact = level == 1 && entry & 1 << 6 != 0;
        path.push(Table { words: arena.table(entry & ADDRESS), level: level - 1, compact });
    }
}

/// What an entry is, `None` if it points to a table.
const fn kind(entry: u64, level: u32, compact: bool) -> Option<Kind> {
    match level {
        0 if entry & 1 == 0 => Some(Kind::None4K),
        1 if entry & 1 == 0 => Some(Kind::None2M),
        2 if entry & 1 == 0 => Some(Kind::None1G),
        _ if entry & 1 == 0 => Some(Kind::NoneDir),
        0 if compact => Some(Kind::Page64KCompact),
        0 if entry & 1 << 8 != 0 => Some(Kind::Page4KPs64),
        0 => Some(Kind::Page4K),
        1 if entry & 1 << 7 != 0 => Some(Kind::Large2M),
        2 if entry & 1 << 7 != 0 => Some(Kind::Large1G),
        _ => None,
    }
}
