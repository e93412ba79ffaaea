//! core
#![no_std]
#![forbid(unsafe_code)]

pub mod context;
pub mod device;
pub mod error;
pub mod family;
pub mod gt;
pub mod mem;
pub mod num;
pub mod pool;
pub mod ring;
pub mod sync;

pub use error::{Capacity, Errno, Error, ObjectKind};
pub use pool::{Handle, Pool, Slot};
