//! Contracts 1 and 3, swept: every HAL call that can fail, every access a device can be gone from, every length of a capacity.

mod calls;
mod capacities;
mod gone;
