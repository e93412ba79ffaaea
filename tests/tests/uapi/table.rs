//! Decision tables as tests: a call that is right, and one change per row that makes it wrong.

use barexe_core::uapi::{self, Answer};
use barexe_core::{Errno, Error};
use barexe_tests::found::{core_state, settled};
use barexe_tests::rig::Rig;
use barexe_tests::wire::{Bytes, Ram};

/// Where tests keep arrays in client memory.
pub(crate) const ARRAY: u64 = 0x7000_0000;
/// Where tests keep a second array.
pub(crate) const OTHER: u64 = 0x7100_0000;
/// Where there is no memory.
pub(crate) const NOWHERE: u64 = 0x6666_0000;

/// One row of a decision table.
pub(crate) struct Row {
    /// Number in the sheet, and what of it this is.
    name: &'static str,
    arg: Bytes,
    memory: Ram,
    errno: Errno,
    /// Part of the error's text: that this row decided and no other with the same number.
    says: &'static str,
}

/// A row of a call that touches no client memory.
pub(crate) fn row(name: &'static str, arg: Bytes, errno: Errno, says: &'static str) -> Row {
    Row { name, arg, memory: Ram::new(), errno, says }
}

impl Row {
    /// With client memory.
    pub(crate) fn on(self, memory: Ram) -> Self {
        Self { memory, ..self }
    }
}

/// Makes a call.
pub(crate) fn call(rig: &mut Rig<'_>, request: u32, arg: &mut Bytes, memory: &mut Ram) -> Result<Answer, Error> {
    uapi::ioctl(&mut rig.device, rig.client, request, &mut arg.0, memory)
}

/// Makes every row's call: each is refused as the row says, and neither the driver, nor the device, nor the client has
/// anything else than before.
pub(crate) fn refuses(rig: &mut Rig<'_>, request: u32, rows: Vec<Row>) {
    rig.settle();
    let (before, device) = (core_state(&rig.device), settled(&rig.sim));
    for row in rows {
        let (mut arg, mut memory) = (row.arg.clone(), row.memory.clone());
        let answer = call(rig, request, &mut arg, &mut memory);
        let name = format!("{} row {}", rig.name(), row.name);
        let Err(error) = answer else { panic!("{name} is accepted: {answer:?}") };
        assert_eq!(error.errno(), row.errno, "{name}: {error}");
        assert!(error.to_string().contains(row.says), "{name}: {error}, not {}", row.says);
        assert_eq!(arg, row.arg, "{name}: argument struct");
        assert_eq!(memory.contents(), row.memory.contents(), "{name}: client memory");
        assert_eq!(core_state(&rig.device), before, "{name}: driver");
    }
    assert_eq!(settled(&rig.sim), device, "{} {request:#x}: device", rig.name());
}

/// Makes a call that is right; the argument struct afterwards.
pub(crate) fn accepts(rig: &mut Rig<'_>, request: u32, arg: &Bytes, memory: &Ram) -> Bytes {
    let (mut arg, mut memory) = (arg.clone(), memory.clone());
    let answer = call(rig, request, &mut arg, &mut memory);
    assert_eq!(answer, Ok(Answer::Done(0)), "{}: {request:#x}", rig.name());
    arg
}
