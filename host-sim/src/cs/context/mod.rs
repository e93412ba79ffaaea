//! The context image: where things are in it, what of the engine is kept there, restore and save.

pub(super) mod image;
pub(super) mod kept;
pub(super) mod layout;
