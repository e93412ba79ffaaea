//! A driver core for Intel Xe GPUs that needs no operating system, no heap and no `std`.
//!
//! It binds memory, emits work and sequences fences. Registers, DMA memory, configuration space, time and interrupts
//! come through the traits of [`barexe_hal`]; all other memory is lent by the embedder before the start. The same core
//! runs on a PCI function in firmware or a hypervisor, and on a host against a simulated GPU.
//!
//! # Rooms, top to bottom
//!
//! Each knows only those below it.
//!
//! | module | keeps | look here for |
//! |---|---|---|
//! | [`uapi`] | the client interface in bytes: layouts, checks, error numbers | answering an unmodified client program |
//! | [`device`] | the public face: clients, handles, every call, `poll` | what an embedder calls |
//! | [`exec`] | exec queues, jobs and what they wait for, contexts with their rings | why a job has not started |
//! | [`vm`] | mappings of an address space, the plan of a bind | how ranges split and merge |
//! | [`sync`] | fences, timelines, syncobjs, sequence numbers | what a fence waits for, and the wrap |
//! | [`submit`] | handing contexts to engines: execlists | ports, and room for another back end |
//! | [`ring`] | commands, what one job puts into its ring, the bounded writer | which dwords the GPU gets |
//! | [`context`] | context images and descriptors | what an engine loads and saves |
//! | [`mem`] | buffer objects, page tables, GGTT, PAT, TLB invalidation | entries, and where memory comes from |
//! | [`gt`] | probe, forcewake, engines, interrupts, workarounds | bring-up, register names |
//!
//! Beside them: [`family`] holds what differs between generations, as tables; [`storage`] what is lent, and how much
//! that is; [`shares`] what of it each client is promised; [`error`] why a call was refused; [`pool`], [`chain`], [`list`] and
//! [`num`] what the rooms are built with.
//!
//! # How to embed it
//!
//! Lend storage, open, call, poll, close. No call waits: one that is accepted gives a ticket, and
//! [`Device::poll`](device::Device::poll) moves the work behind it.
//!
//! ```
//! use barexe_core::device::request::{BindCall, BindFlags, BindKind, BindOp, SyncEntry, VmFlags};
//! use barexe_core::device::{Config, Device, TicketState};
//! use barexe_core::{DefaultStorage, Error};
//! use barexe_hal::{Hal, Nanos, client::NoClientMemory};
//!
//! fn run<H: Hal>(hal: H, storage: &mut DefaultStorage) -> Result<TicketState, Error> {
//!     let opened = Device::open(hal, storage.lend(), Config::default(), None);
//!     let mut device = opened.map_err(|refused| refused.error)?;
//!     let state = map_zeros(&mut device);
//!     let (_hal, _storage) = device.close(); // both can be used again
//!     state
//! }
//!
//! /// Maps a page that reads as zero, and waits until the GPU sees it.
//! fn map_zeros<H: Hal>(device: &mut Device<'_, H>) -> Result<TicketState, Error> {
//!     let client = device.client_open(false)?;
//!     let vm = device.vm_create(client, VmFlags::empty())?;
//!     let (kind, flags) = (BindKind::MapNull, BindFlags::empty());
//!     let mut ops: &[BindOp] = &[BindOp { kind, va: 0x10_0000, range_bytes: 0x1000, pat_index: 0, flags }];
//!     let mut syncs: &[SyncEntry] = &[];
//!     let call = BindCall { vm, queue: 0 };
//!     let ticket = device.vm_bind(client, &call, &mut ops, &mut syncs, &mut NoClientMemory)?;
//!     let deadline = device.now().saturating_add(Nanos::from_millis(100));
//!     loop {
//!         device.poll();
//!         match device.ticket_state(ticket)? {
//!             TicketState::Pending if device.now() < deadline => {
//!                 let next_look = device.now().saturating_add(Nanos::from_micros(50));
//!                 device.relax(next_look)?;
//!             }
//!             over => return Ok(over),
//!         }
//!     }
//! }
//! ```
//!
//! Whoever embeds it implements the traits of [`barexe_hal`] and runs its conformance suite. The firmware example of
//! the workspace is a whole program of this shape.
//!
//! # What holds
//!
//! - A refused call has changed nothing; [`Error`] carries what was wrong and maps to the interface's code.
//! - Nothing a device answers and nothing a caller passes makes the core panic: no index, sum or conversion in it can.
//!   The linked firmware image is checked to have no panic path.
//! - Memory is bounded by what was lent, see [`Capacities`]; a capacity that runs out is an error that names it.
//! - No call waits, nothing recurses, and the few waits inside [`open`](device::Device::open) and
//!   [`close`](device::Device::close) have deadlines.
//! - No global state: two devices are two values. `unsafe` is forbidden here.
//! - Handles belong to a client; a stale one, or somebody else's, finds nothing.
//! - [`close`](device::Device::close) gives every buffer back and keeps what firmware had mapped in the GGTT.
//!
//! # Calls that wait
//!
//! Whether a bind waits is its own choice (dialect A of the [interface](uapi), or an embedder that wants it so): the
//! call is accepted like any other and gives a ticket, and [`wait_for`](device::wait::wait_for) waits for that without
//! holding the device. Before acceptance the only interruption is one that a HAL call reports, and that leaves everything
//! as it was. After it a client that is told "interrupted" makes the call again, and it must not happen twice: so
//! the wait is only given up for a client that has lent a [`Cookie`](uapi::Cookie), a word of its memory that then says the
//! call happened. Made again, the call submits nothing and waits for that same commit (bind-and-exec sheet §2.2). Without a
//! cookie the wait ends with the work and not before. An exec does not wait at all (R44).
//!
//! The specification allows another scheme: wait for everything the call depends on first, and only then submit it, so
//! that a wait can be interrupted at any time (bind-and-exec sheet §2.3). It is not built. What a call depends on is known
//! only once it has a place in its queue: while it waits without one, others get in before it, and it has to begin
//! again or to give up the order of calls that queues promise. It would have to plan against mappings that change under it,
//! or hold everybody else up. And it waits with nothing to show for it: a call whose turn has come would be submitted
//! late, where an accepted one starts at once.
//!
//! # What it does not do
//!
//! Graphics 12.00 and 20.04 are covered, in system memory and by execlists. There is no GuC, no VRAM and no frequency
//! control. What no source settles for 20.04 stands in [`family::xe2_unverified`]: on hardware such a part takes the
//! embedder's word ([`allow_unverified`](device::Config::allow_unverified)). Several tiles and page faults that can be
//! served ([`page_fault`](device::Device::page_fault)) work on platforms that nobody built: see [`gt::platform::for_tests`].
//!
//! # Features
//!
//! `log` and `defmt`: messages about probe, failure and close, through either or both; `defmt` also derives
//! `defmt::Format` for errors. `inject`: failures and hangs on demand, for tests. Features only add, and none is on by default.
//! Minimum compiler: see `rust-version`.
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
pub mod list;
pub mod mem;
pub mod num;
pub mod pool;
pub mod ring;
pub mod shares;
pub mod storage;
pub mod submit;
pub mod sync;
mod trace;
pub mod uapi;
pub mod vm;

pub use error::{Capacity, Errno, Error, ObjectKind};
pub use pool::{Handle, Pool, Slot};
pub use shares::{Account, Accounts, Shares};
pub use storage::{Capacities, DefaultStorage, Storage};
