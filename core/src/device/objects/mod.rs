//! Objects of clients: made, looked up, shared, destroyed.
//!
//! | module | holds |
//! |---|---|
//! | `client` | clients, and the handles each has |
//! | `bo`, `share` | buffer objects and their mappings; objects that go from client to client |
//! | `vm`, `queues` | address spaces; exec queues and bind queues |
//! | `syncobj`, `sync_share`, `transfer` | sync objects; sync files and sync objects between clients; what they are given by hand |
//! | `outside` | fences that somebody outside signals |

pub(super) mod bo;
pub(super) mod client;
pub(super) mod outside;
pub(super) mod queues;
pub(super) mod share;
pub(super) mod sync_share;
pub(super) mod syncobj;
pub(super) mod transfer;
pub(super) mod vm;
