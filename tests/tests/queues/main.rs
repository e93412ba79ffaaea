//! Work on engines: queues beside each other, what goes wrong in them, and what they are told to use.

mod gangs;
mod hang;
mod scheduling;
mod usage;
mod usage_failures;
mod wrap;
