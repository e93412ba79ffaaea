//! A simulated Intel Xe GPU: the device's side of the barexe HAL.

pub mod bus;
pub mod spec;
pub mod trace;
