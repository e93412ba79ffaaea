//! The sync arguments of a call: how many entries, where, and in dialect A whether the call waits.

use super::client::SharedMemory;
use super::sync_entry;
use super::wire::{Field, Zero, check_flags, check_zero, read};
use crate::Error;

/// Sync arguments, checked by themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SyncArgs {
    /// Entries.
    pub(super) count: u32,
    /// Where they are in client memory.
    pub(super) addr: u64,
    /// Dialect A, wait flag: the call returns when its work is over.
    pub(super) wait: bool,
    /// Dialect A: where the client has its cookie, 0 for nowhere.
    cookie: u64,
}

/// Flag of the sync struct: the call waits.
const WAIT_FOR_OP: u32 = 1;

impl SyncArgs {
    /// Dialect U: two fields of the call.
    ///
    /// # Errors
    /// [`Error::Invalid`] for more than 1024 entries.
    pub(super) fn of_fields(arg: &[u8], count: Field<u32>, addr: Field<u64>) -> Result<Self, Error> {
        let count = sync_entry::check_count(read(arg, count))?;
        Ok(Self { count, addr: read(arg, addr), wait: false, cookie: 0 })
    }

    /// Dialect A: the sync struct, 40 bytes from offset `AT` on (bind-and-exec sheet §2.4).
    ///
    /// # Errors
    /// [`Error::Invalid`] for more than 1024 entries, unknown flags, reserved words.
    pub(super) fn of_struct<const AT: usize>(arg: &[u8]) -> Result<Self, Error> {
        let count = sync_entry::check_count(read(arg, Field::at(AT)))?;
        let flags = read(arg, Field::at(const { AT + 4 }));
        check_flags("sync struct flags", flags, WAIT_FOR_OP)?;
        check_zero(arg, &[Zero::reserved(const { AT + 24 })])?;
        let (cookie, addr) = (read(arg, Field::at(const { AT + 8 })), read(arg, Field::at(const { AT + 16 })));
        Ok(Self { count, addr, wait: flags & WAIT_FOR_OP != 0, cookie })
    }

    /// Rules K1, K3 to K5 of the cookie (bind-and-exec sheet §2.2); whether the call only resumes a wait (K6).
    ///
    /// The cookie is read and never written: a wait for accepted work is not interrupted here (R54), so there is never
    /// anything to resume but what the client made up itself.
    ///
    /// # Errors
    /// [`Error::Invalid`]: a cookie without the flag, syncs with it, alignment. [`Error::ClientFault`]: the cookie
    /// cannot be read.
    pub(super) fn resumes(&self, memory: &SharedMemory<'_>) -> Result<bool, Error> {
        if !self.wait {
            return if self.cookie == 0 { Ok(false) } else { Err(Error::invalid("cookie without wait", self.cookie)) };
        }
        if self.count > 0 {
            return Err(Error::invalid("syncs of a call that waits, number", u64::from(self.count)));
        }
        if self.cookie & 7 != 0 {
            return Err(Error::invalid("cookie address", self.cookie));
        }
        Ok(self.cookie != 0 && memory.read::<8>(Some(self.cookie))? != [0; 8])
    }
}
