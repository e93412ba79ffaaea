//! What clients ask for beside the calls of the interface: files that act, what they use, fences on buffers.

use super::{Deaf, Left, Remote, accepted, leashed};
use crate::attributes::Attribute;
use crate::node::{FileId, Refusal};
use crate::server::Key;
use crate::shared::SharedKind;
use crate::wire::{Kind, MOST_ASKED, Message};

impl Remote {
    /// What is read in a file that acts.
    ///
    /// # Errors
    /// The node's; the server is gone.
    pub fn show(&self, file: Attribute) -> Result<String, Refusal> {
        text(self.ask(Kind::Show, &[file.code()])?)
    }

    /// Writes to a file that acts. What no message holds is no number either.
    ///
    /// # Errors
    /// The node's; the server is gone.
    pub fn store(&self, file: Attribute, text: &[u8]) -> Result<(), Refusal> {
        if text.len() > MOST_ASKED {
            return Err(Refusal::INVALID);
        }
        let question = Message::new(Kind::Store, &[file.code()]).with_bytes(text.to_vec());
        accepted(self.exchange(&question, &mut Deaf)?).map(drop)
    }

    /// What the client of a file uses.
    ///
    /// # Errors
    /// The node's; the server is gone.
    pub fn usage(&self, file: FileId) -> Result<String, Refusal> {
        text(self.ask(Kind::Usage, &[file.0])?)
    }

    /// Puts the fence of a sync file on a buffer.
    ///
    /// # Errors
    /// The node's; the server is gone.
    pub fn add_fence(&self, buffer: Key, about: u32, file: Key) -> Result<(), Refusal> {
        self.ask(Kind::AddFence, &[buffer.0, about.into(), file.0]).map(drop)
    }

    /// A sync file of what has to be waited for before a buffer is used.
    ///
    /// # Errors
    /// The node's; the server is gone.
    pub fn fence_of(&self, buffer: Key, wants: u32) -> Result<Left, Refusal> {
        let leashed = leashed(self.ask(Kind::FenceOf, &[buffer.0, wants.into()])?)?;
        Ok(Left { leashed, kind: SharedKind::SyncFile })
    }
}

fn text(answer: Message) -> Result<String, Refusal> {
    String::from_utf8(answer.bytes).map_err(|_| Refusal::NO_DEVICE)
}
