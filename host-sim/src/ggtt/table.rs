//! The entries of a tile's GGTT, wherever they are kept.

use crate::memory::Backing;
use std::borrow::Cow;

const ENTRY_BYTES: u64 = 8;

/// A table of entries of 8 bytes.
#[derive(Debug)]
pub(crate) struct GgttTable {
    own: Vec<u64>,
    /// Entries lie here instead, from an offset on: somebody else writes them without a word to the device.
    elsewhere: Option<(Box<dyn Backing>, u64)>,
}

impl GgttTable {
    pub(crate) fn new(entries: u32) -> Self {
        Self { own: vec![0; entries as usize], elsewhere: None }
    }

    /// Keeps the entries in other memory from now on, from byte `from_bytes` of it.
    pub(crate) fn keep_in(&mut self, backing: Box<dyn Backing>, from_bytes: u64) {
        self.elsewhere = Some((backing, from_bytes));
    }

    /// Moves to where another table was kept.
    pub(crate) fn inherit(&mut self, other: &mut Self) {
        self.elsewhere = other.elsewhere.take();
        self.clear();
    }

    /// Clears what is kept elsewhere.
    fn clear(&mut self) {
        let set: Vec<u32> = (0u32..).zip(self.entries().iter()).filter(|(_, entry)| **entry != 0).map(at).collect();
        for page in set {
            self.set(page, 0);
        }
    }

    const fn exists(&self, page: u32) -> bool {
        (page as usize) < self.own.len()
    }

    pub(crate) fn get(&self, page: u32) -> Option<u64> {
        match &self.elsewhere {
            None => self.own.get(page as usize).copied(),
            Some(_) if !self.exists(page) => None,
            Some((backing, from)) => {
                let mut bytes = [0; ENTRY_BYTES as usize];
                backing.read(from + u64::from(page) * ENTRY_BYTES, &mut bytes);
                Some(u64::from_le_bytes(bytes))
            }
        }
    }

    /// Replaces an entry; whether there is one.
    pub(crate) fn set(&mut self, page: u32, entry: u64) -> bool {
        let exists = self.exists(page);
        match (&self.elsewhere, self.own.get_mut(page as usize)) {
            (None, Some(slot)) => *slot = entry,
            (Some((backing, from)), Some(_)) => {
                backing.write(from + u64::from(page) * ENTRY_BYTES, &entry.to_le_bytes());
            }
            (_, None) => {}
        }
        exists
    }

    /// All of them, in order.
    pub(crate) fn entries(&self) -> Cow<'_, [u64]> {
        match &self.elsewhere {
            None => Cow::Borrowed(&self.own),
            Some((backing, from)) => {
                let mut bytes = vec![0; self.own.len() * ENTRY_BYTES as usize];
                backing.read(*from, &mut bytes);
                bytes.as_chunks().0.iter().map(|word| u64::from_le_bytes(*word)).collect()
            }
        }
    }
}

const fn at((page, _): (u32, &u64)) -> u32 {
    page
}
