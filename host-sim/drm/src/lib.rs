//! A device node: the driver core on a simulated GPU, in wall time, for programs that speak the DRM interface.
//!
//! [`Node`] is what a kernel is to its clients: files are opened at it, calls are made on them with arguments in the
//! caller's memory, objects are mapped, and user pages are given up before they change. It knows nothing of how clients
//! reach it. In one process it is called directly by a library that answers for the device files; behind a socket it
//! serves several. [`Access`] is the device as a client's side has it, either way.
//!
//! | module | holds |
//! |---|---|
//! | [`node`] | the node: files and calls |
//! | [`mapping`] | objects in a client's address space, and user pages that change |
//! | [`shared`] | what is behind file descriptors: sync objects, sync files, buffer objects |
//! | [`worker`] | the thread that lets the GPU and the driver work |
//! | [`attributes`] | files beside the node that act: scheduling, resets |
//! | [`arena`] | the one file of memory that everybody maps |
//! | [`process`] | memory of processes, read and written through the system |
//! | [`wall`] | the simulated GPU on the machine's clock |
//! | [`access`] | the device for a client's side: here, or with a server |
//! | [`server`], [`remote`], [`wire`] | the node behind a socket, its client, the messages between them |
//! | [`usage`] | what a client uses, as text |
//! | [`reservation`] | fences on shared buffers |
//! | [`carry`] | calls with descriptors in them |
//! | [`sketch`], [`state`] | what is shown of the device beside its node; what is in use |
//! | [`locked`] | a lock that survives fork |
//! | [`record`] | recording what a client does |
//! | [`settings`] | platform, whether engines execute, whether it is recorded, by environment |
//! | `complaints` | what the simulated GPU complains of |
//! | `storage` | capacities, for a node and for whoever does again what was done at one |

pub mod access;
pub mod arena;
pub mod attributes;
pub mod carry;
mod complaints;
pub mod locked;
pub mod mapping;
pub mod node;
pub mod process;
pub mod record;
pub mod remote;
pub mod reservation;
pub mod server;
pub mod settings;
pub mod shared;
pub mod sketch;
pub mod state;
mod storage;
pub mod usage;
pub mod wall;
pub mod wire;
pub mod worker;

pub use access::{Access, SharedId};
pub use attributes::Attribute;
pub use mapping::{MapId, Mapped, Piece};
pub use node::{FileId, Idle, Node, Refusal};
pub use process::Process;
pub use record::{Change, Shown};
pub use remote::{Patience, Remote};
pub use server::Server;
pub use settings::Settings;
pub use shared::{SharedKind, Token};
pub use state::NodeState;
pub use storage::with_storage;
