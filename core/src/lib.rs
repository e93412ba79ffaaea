//! core
#![no_std]
#![forbid(unsafe_code)]

#[cfg(test)]
extern crate std;

pub mod chain;
pub mod context;
pub mod device;
pub mod error;
pub mod exec;
pub mod family;
pub mod gt;
pub mod mem;
pub mod num;
pub mod pool;
pub mod ring;
pub mod storage;
pub mod submit;
pub mod sync;
mod trace;
pub mod vm;

pub use error::{Capacity, Errno, Error, ObjectKind};
pub use pool::{Handle, Pool, Slot};
pub use storage::{Capacities, DefaultStorage, Storage};
