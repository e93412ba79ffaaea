//! Jobs: execs accepted, and everything that decides when an engine runs them.
//!
//! | module | holds |
//! |---|---|
//! | `exec`, `syncs` | an exec checked and accepted; the syncs of a call, a bind's too |
//! | `gang` | queues on several engines: placements, and jobs with a part on each of several |
//! | `work`, `awake` | accepted work moved forward; which queues a poll looks at |
//! | `engines`, `ready` | which context an engine runs, and of which queues |
//! | `hang` | what happens when work goes wrong |
//! | `suspend`, `modes` | long-running queues kept from engines while memory moves; engines shared with queues that fault |

pub(super) mod awake;
pub(super) mod engines;
pub(super) mod exec;
pub(super) mod gang;
pub(super) mod hang;
pub(super) mod modes;
pub(super) mod ready;
pub(super) mod suspend;
pub(super) mod syncs;
pub(super) mod work;
