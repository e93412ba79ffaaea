//! The `barexe` command: the driver core on a simulated GPU.
//!
//! `barexe demo` walks one request through the driver and checks every result; `barexe replay` gives the core the calls
//! of a recorded client and compares what comes back; `barexe decode --page-tables` shows the page tables that either of
//! them makes; `barexe serve` and `barexe drm` give the device to other processes. Beside `barexe-drm` this is the one
//! place that knows both the core and the simulator; neither knows the other.
//!
//! | module | what it does |
//! |---|---|
//! | [`args`] | command line, exit status |
//! | [`demo`] | one bind, one batch, one fence |
//! | [`replay`] | plays one |
//! | [`replays`] | plays several, with progress and a sum |
//! | [`decode`] | page tables at one moment of either |
//! | `serve` | the simulated GPU behind a PCI bus, as a vfio-user server (Linux) |
//! | `drm` | the driver core behind a socket, as a device node that several processes share (Linux) |
//! | [`machine`] | a device on a simulated GPU, opened and closed with care; bounded waits |
//! | [`recording`], [`hex`] | the format of recordings: a package of its own |
#![expect(
    clippy::arithmetic_side_effects,
    reason = "sums of lengths and counts of things that are in memory; addresses of recordings saturate or are checked"
)]

pub mod args;
pub mod decode;
pub mod demo;
#[cfg(target_os = "linux")]
pub mod drm;
pub mod machine;
pub mod replay;
pub mod replays;
#[cfg(target_os = "linux")]
pub mod serve;

pub use barexe_recording::{self as recording, hex};
