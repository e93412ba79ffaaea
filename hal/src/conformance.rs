//! The suite a porter runs against an implementation.
