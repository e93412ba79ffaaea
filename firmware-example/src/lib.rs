//! A program without an operating system on the barexe core: probe the GPU, bind memory, run every engine, check every
//! byte, give it back.
//!
//! It is what a firmware author starts from: statics, no heap, no panic. The program itself is generic over the HAL, so the
//! same code runs on a PCI function, bare metal or under UEFI, and in the workspace's tests on a simulated GPU.
//! `docs/firmware.md` says how to run it.
//!
//! # Layers, top to bottom
//!
//! | module | holds |
//! |---|---|
//! | the binary | entry points of both images, statics, stack, panic handler |
//! | `board` | the machine's parts brought together: the device found on the bus, made a HAL, given back |
//! | [`program`] | what is done with the GPU |
//! | [`memory`] | everything it works in, and how much that is |
//! | [`messages`] | what the interrupt entry leaves for the program |
//! | [`say`](mod@say) | lines of text without `core::fmt` |
//! | `machine` | a PC: page tables, interrupts, timer, serial port, reset, exit; x86 only, as `board` |
//!
//! # What it expects of whoever starts it
//!
//! Bare metal: a PVH loader, which gives it 32-bit protected mode and a command line; the rest it sets up itself. UEFI:
//! boot services, which it does not end. In both cases no IOMMU in the GPU's way.
//!
//! # What is checked of it
//!
//! `tests/firmware/check.sh` links the bare-metal image and shows that no panic path and no allocator is in it, and that it
//! is no larger than its budget. The features are for that check: with `surface` the image makes every other call of the
//! driver too, and must pass; with `planted-panic` or `planted-alloc` it must not. `tests/qemu/run.sh` runs both images in
//! QEMU on both simulated parts, with faults. On silicon it has not run yet.
#![no_std]

#[cfg(test)]
extern crate std;

#[cfg(target_arch = "x86_64")]
pub mod board;
#[cfg(target_arch = "x86_64")]
pub mod machine;
pub mod memory;
pub mod messages;
pub mod program;
pub mod say;
#[cfg(feature = "surface")]
mod surface;
