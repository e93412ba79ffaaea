//! Waiting for work: futures, waits without the device, fences from outside.

mod awaits;
mod outside_fences;
mod waits;
