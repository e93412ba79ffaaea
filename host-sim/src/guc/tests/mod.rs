//! A driver of the GuC's own protocol, and what it meets.

mod driver;
mod loading;
mod messages;
mod noise;
mod pools;
mod rings;
mod vectors;
