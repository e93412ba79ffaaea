//! A device node: the driver core on a simulated GPU, in wall time, for programs that speak the DRM interface.
//!
//! [`Node`] is what a kernel is to its clients: files are opened at it, calls are made on them with arguments in the
//! caller's memory, objects are mapped, and user pages are given up before they change. It knows nothing of how clients
//! reach it. In one process it is called directly by a library that answers for the device files; behind a socket it
//! serves several.
//!
//! | module | holds |
//! |---|---|
//! | [`node`] | the node: files and calls |
//! | [`mapping`] | objects in a client's address space, and user pages that change |
//! | [`shared`] | what is behind file descriptors: sync objects, sync files, buffer objects |
//! | [`worker`] | the thread that lets the GPU and the driver work |
//! | [`arena`] | the one file of memory that everybody maps |
//! | [`process`] | memory of processes, read and written through the system |
//! | [`wall`] | the simulated GPU on the machine's clock |
//! | [`settings`] | platform and whether engines execute, by environment |
//! | `complaints` | what the simulated GPU complains of |
//! | `storage` | capacities |

pub mod arena;
mod complaints;
pub mod mapping;
pub mod node;
pub mod process;
pub mod settings;
pub mod shared;
mod storage;
pub mod wall;
pub mod worker;

pub use mapping::{MapId, Mapped, Piece};
pub use node::{FileId, Idle, Node, Refusal};
pub use process::Process;
pub use settings::Settings;
pub use shared::{SharedKind, Token};
