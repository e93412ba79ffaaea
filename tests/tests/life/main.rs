//! A device from open to close: refused, broken, without power, beside another one, closed in the middle of anything.

mod broken;
mod close;
mod power;
mod probe_refusals;
mod two_devices;
