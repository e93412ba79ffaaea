//! Memory of clients that the device reaches in place, and who is told of what engines store there.
//!
//! | file | concept |
//! |---|---|
//! | `user` | memory of simulated clients |
//! | `outside` | memory of clients that are not simulated: processes, guests |
//! | `stores` | being told of what engines store for clients |

pub(crate) mod outside;
pub(crate) mod stores;
pub(crate) mod user;
