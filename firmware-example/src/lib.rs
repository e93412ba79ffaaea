//! A bare-metal program on the barexe core: probe the GPU, bind memory, run a batch, check its result, hand over.
//!
//! It is what a firmware author starts from: one static, no heap, no panic. The program itself is generic over the
//! HAL, so the same code runs here on a PCI function and in the workspace's tests on a simulated GPU.
//!
//! # Layers, top to bottom
//!
//! | module | holds |
//! |---|---|
//! | the binary | entry point, stack, the one static, panic handler, exit |
//! | [`program`] | what is done with the GPU |
//! | [`memory`] | everything it works in, and how much that is |
//! | [`board`] | the HAL on a PC: configuration ports, register BAR, time-stamp counter |
//!
//! # What it expects of whoever loads it
//!
//! A processor in 64-bit mode, memory and the GPU's BAR 0 mapped at their physical addresses (the BAR uncached), and no
//! IOMMU in the GPU's way. The entry point is `_start`; it brings its own stack. The image is linked for a fixed
//! address.
//!
//! # What is checked of it
//!
//! `tests/firmware/check.sh` links the image and shows that no panic path and no allocator is in it. The features are
//! for that check only: with `surface` the image makes every other call of the driver too, and must pass; with
//! `planted-panic` or `planted-alloc` it must not. The program runs in the workspace's tests on both simulated parts;
//! on a real board it has not run yet.
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
