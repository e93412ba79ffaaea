//! Mappings and the page tables below them, as the simulator's own walk sees them.

mod bind_queues;
mod leaves;
mod long_arrays;
mod migration_vm;
mod remnants;
mod table_writers;
mod user_pages;
