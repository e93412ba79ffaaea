//! The steps of an accepted bind, on their way into the page tables.

use super::apply::{Removed, Step};
use super::plan::TableChange;
use crate::chain::{Chain, LinkPool};
use crate::shares::Owner;

/// The steps of all accepted binds.
pub type StepPool<'a> = LinkPool<'a, Step>;
/// The steps of one bind.
pub type Steps = Chain<Step>;

/// Steps that are still to be brought into the page tables, and what has left them.
#[derive(Debug, Default)]
pub struct StepQueue {
    left: Steps,
    /// Changes of page tables that the first of them has behind it.
    changes_done: usize,
    /// Steps that unmapped something.
    removed: Steps,
}

impl StepQueue {
    /// All of these are still to be done.
    #[must_use]
    pub const fn new(steps: Steps) -> Self {
        Self { left: steps, changes_done: 0, removed: Steps::new() }
    }

    /// All changes of page tables that are still to be made, in order.
    pub fn changes(&self, pool: &StepPool<'_>) -> impl Iterator<Item = TableChange> {
        self.left.iter(pool).flat_map(Step::table_changes).flatten().skip(self.changes_done)
    }

    /// Steps that are still to be brought into the page tables, at least in part.
    pub fn left<'p>(&self, pool: &'p StepPool<'_>) -> impl Iterator<Item = &'p Step> {
        self.left.iter(pool)
    }

    /// None of them is left to be made.
    pub fn all_done(&mut self, pool: &mut StepPool<'_>) {
        while self.next(pool).is_some() {
            self.done();
        }
    }

    /// The change of page tables that is to be made next; it stays so until [`done`](Self::done).
    pub fn next(&mut self, pool: &mut StepPool<'_>) -> Option<TableChange> {
        loop {
            let changes = self.left.iter(pool).next()?.table_changes();
            if let Some(next) = changes.into_iter().flatten().nth(self.changes_done) {
                return Some(next);
            }
            self.changes_done = 0;
            let owner = self.left.first().map_or(Owner::NOBODY, |first| pool.owner_of(first));
            let step = self.left.pop(pool)?;
            if step.removed().is_some() {
                // The slot of the step that was just taken is free, so this finds room.
                let _ = self.removed.push_for(pool, owner, step);
            }
        }
    }

    /// That change is made.
    pub const fn done(&mut self) {
        self.changes_done = self.changes_done.saturating_add(1);
    }

    /// A mapping, or a part of one of client memory, that has left the page tables.
    pub fn pop_removed(&mut self, pool: &mut StepPool<'_>) -> Option<Removed> {
        self.removed.pop(pool)?.removed()
    }

    /// Forgets everything that is left.
    pub fn clear(&mut self, pool: &mut StepPool<'_>) {
        self.left.clear(pool);
        self.removed.clear(pool);
    }
}
