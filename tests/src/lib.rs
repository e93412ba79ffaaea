//! Specifications as tests, and what they share. For dev-dependencies only.
//!
//! # What tests share
//!
//! | module | holds |
//! |---|---|
//! | [`rig`] | a device on a simulated part with one client, and short ways to do what most tests do |
//! | [`commands`] | commands that batches are made of |
//! | [`trial`] | scenarios of the specification, in both dialects of the byte interface |
//! | [`scenario`], [`world`] | a client's life as data, and a device in the middle of it: for sweeps |
//! | [`found`] | the whole state: what a refused call must leave, and what a closed driver must |
//! | [`fill`] | what fills each capacity of the lent storage |
//! | [`storage`] | lent storage of chosen capacities |
//! | [`wire`], [`client`] | argument structs by offset; memory of a client that can be made to fault |
//! | [`tables`], [`memory`] | page tables without a device; plain memory in the shape of a DMA buffer |
//! | [`vectors`], [`clients`] | golden vectors; recordings of real clients |
//! | [`random`] | random numbers that repeat from a seed |
//!
//! # Where a test belongs
//!
//! | in `tests/tests` | what is held there |
//! |---|---|
//! | `end_to_end`, `queues`, `long_running`, `waiting` | binds, work and fences together; work on engines; long-running VMs; waiting for any of it |
//! | `binds`, `page_tables`, `vma_index` | mappings and tables as the simulator walks them; tables without a device; the index of mappings |
//! | `scenarios` | the scenarios of the specification, a chapter a file; `docs/scenarios.md` is made of them |
//! | `uapi`, `replay`, `noise_calls` | the byte interface: decision tables, recordings of real clients, noise |
//! | `vectors`, `ring_writer` | equal to the reference driver, bit for bit; the ring writer on real memory |
//! | `life`, `sweeps` | a device from open to close; every HAL call that can fail, every access it can be gone from |
//! | `full`, `shares` | what happens when something is full, and who is promised what |
//! | `vm_model`, `order_model` | random calls beside a naive model: of mappings, and of what waits for what |
//! | `hostile`, `handles` | a client that means harm; handles that are foreign or stale |
//! | `conformance`, `firmware_program` | the simulator as a HAL; the firmware example's program on it |
//! | `messages`, `messages_defmt` | what the core says |
//!
//! Tests of a part alone are in the crate of the part.

pub mod client;
pub mod clients;
pub mod commands;
pub mod fill;
pub mod found;
pub mod memory;
pub mod random;
pub mod rig;
pub mod scenario;
pub mod storage;
pub mod tables;
pub mod trial;
pub mod vectors;
pub mod wire;
pub mod world;

/// The example of the README, compiled and run with the tests of this crate.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;
