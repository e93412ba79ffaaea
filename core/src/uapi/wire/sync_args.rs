//! The sync arguments of a call: how many entries, where, and in dialect A whether the call waits.

use super::client::SharedMemory;
use super::sync_entry;
use super::{Field, Zero, check_flags, check_zero, read};
use crate::Error;
use barexe_hal::ClientAddr;

/// Sync arguments, checked by themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::uapi) struct SyncArgs {
    /// Entries.
    pub(in crate::uapi) count: u32,
    /// Where they are in client memory.
    pub(in crate::uapi) addr: u64,
    /// Dialect A, wait flag: the call returns when its work is over.
    pub(in crate::uapi) wait: bool,
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
    pub(in crate::uapi) fn of_fields(arg: &[u8], count: Field<u32>, addr: Field<u64>) -> Result<Self, Error> {
        let count = sync_entry::check_count(read(arg, count))?;
        Ok(Self { count, addr: read(arg, addr), wait: false, cookie: 0 })
    }

    /// Dialect A: the sync struct, 40 bytes from offset `AT` on (bind-and-exec sheet §2.4).
    ///
    /// # Errors
    /// [`Error::Invalid`] for more than 1024 entries, unknown flags, reserved words.
    pub(in crate::uapi) fn of_struct<const AT: usize>(arg: &[u8]) -> Result<Self, Error> {
        let count = sync_entry::check_count(read(arg, Field::at(AT)))?;
        let flags = read(arg, Field::at(const { AT + 4 }));
        check_flags("sync struct flags", flags, WAIT_FOR_OP)?;
        check_zero(arg, &[Zero::reserved(const { AT + 24 })])?;
        let (cookie, addr) = (read(arg, Field::at(const { AT + 8 })), read(arg, Field::at(const { AT + 16 })));
        Ok(Self { count, addr, wait: flags & WAIT_FOR_OP != 0, cookie })
    }

    /// Rules K1 to K7 of the cookie (bind-and-exec sheet §2.2), in their order.
    ///
    /// # Errors
    /// [`Error::Invalid`]: a cookie without the flag, syncs with it, alignment. [`Error::ClientFault`]: the cookie
    /// cannot be read.
    pub(in crate::uapi) fn choice(&self, memory: &SharedMemory<'_>) -> Result<Choice, Error> {
        if !self.wait {
            return self.check_no_cookie().map(|()| Choice::Return);
        }
        if self.count > 0 {
            return Err(Error::invalid("syncs of a call that waits, number", u64::from(self.count)));
        }
        if self.cookie & 7 != 0 {
            return Err(Error::invalid("cookie address", self.cookie));
        }
        let Some(addr) = ClientAddr::new(self.cookie).filter(|addr| *addr != ClientAddr::ZERO) else {
            return Ok(Choice::Wait { cookie: None });
        };
        match u64::from_le_bytes(memory.read(Some(self.cookie))?) {
            0 => Ok(Choice::Wait { cookie: Some(addr) }),
            value => Ok(Choice::Resume { cookie: addr, value }),
        }
    }

    /// The rule of a call that cannot wait (R44): neither the number of syncs nor the cookie is looked at first.
    ///
    /// # Errors
    /// [`Error::Unsupported`] with the flag, [`Error::Invalid`] for a cookie without it.
    pub(in crate::uapi) const fn check_no_wait(&self) -> Result<(), Error> {
        if self.wait { Err(Error::Unsupported { what: "an exec that waits" }) } else { self.check_no_cookie() }
    }

    const fn check_no_cookie(&self) -> Result<(), Error> {
        if self.cookie == 0 { Ok(()) } else { Err(Error::invalid("cookie without wait", self.cookie)) }
    }
}

/// What a call chose: whether it waits, and whether it only goes on waiting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::uapi) enum Choice {
    /// K2: it returns once it is accepted.
    Return,
    /// K7: it is carried out and waits for its work.
    Wait {
        /// What tells the client if the wait is interrupted.
        cookie: Option<ClientAddr>,
    },
    /// K6: it was accepted before and waits on.
    Resume {
        /// As for [`Wait`](Self::Wait).
        cookie: ClientAddr,
        /// What the cookie holds.
        value: u64,
    },
}
