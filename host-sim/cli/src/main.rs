//! The `barexe` command.
fn main() {}
