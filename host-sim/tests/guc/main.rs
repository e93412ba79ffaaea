//! The GuC's model behind a bus, driven as the server drives it: registers, rings of messages, contexts in memory.
//!
//! | file | concept |
//! |---|---|
//! | `port`, `pages` | what a driver has of the device; memory that both have |
//! | `world` | device and server in one thread, which goes on only to instants that the device asks for |
//! | `host`, `queue` | a driver in miniature, and its contexts |
//! | `turns` | spinners of many queues on one engine |
//! | `random`, `subject`, `noise` | random drivers, and what must always hold |
//!
//! `host` and `queue` also drive the server itself, as another process: see the command's tests.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::arithmetic_side_effects,
    reason = "tests and their helpers may end"
)]

mod host;
mod noise;
mod pages;
mod port;
mod queue;
mod random;
mod subject;
mod turns;
mod world;
