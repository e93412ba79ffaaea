//! Rules of pinned client memory.
//!
//! An implementation without it is held to say so.

use super::{Broken, Trial, UserSetup, code};
use crate::{BusAddr, ClientAddr, Hal, HalErrorKind, PinRequest, PinnedRun, UserAccess, UserSpace};

const PAGE: u64 = 4096;

/// The client memory of the setup; none for an implementation that has none and says so.
fn there<H: Hal>(s: &mut Trial<'_, H>) -> Result<Option<UserSetup>, Broken> {
    let Some(user) = s.setup.user else {
        s.check(!s.hal.has_user_pages(), "it can pin client memory, and the setup names none", 0)?;
        let request = PinRequest {
            space: UserSpace(0),
            addr: ClientAddr::ZERO,
            len_bytes: PAGE,
            access: UserAccess::Read,
            last_addr: s.setup.last_addr,
        };
        return match s.hal.pin(request) {
            Ok(run) => {
                s.hal.unpin(run);
                Err(("it says that it cannot pin client memory, and does", 0))
            }
            Err(error) => {
                s.check(error.kind() == HalErrorKind::Unsupported, "another error than unsupported", code(error))?;
                Ok(None)
            }
        };
    };
    s.check(s.hal.has_user_pages(), "it says that it cannot pin client memory", 0)?;
    s.check(user.len_bytes >= PAGE.saturating_mul(4), "too short a range in the setup", user.len_bytes)?;
    Ok(Some(user))
}

fn request(user: &UserSetup, at: u64, len_bytes: u64, last_addr: BusAddr) -> Result<PinRequest, Broken> {
    let addr = user.addr.get().checked_add(at).and_then(ClientAddr::new).ok_or(("address of the setup", at))?;
    Ok(PinRequest { space: user.space, addr, len_bytes, access: UserAccess::ReadWrite, last_addr })
}

/// Pins the first piece from an offset on.
fn pin<H: Hal>(s: &mut Trial<'_, H>, user: &UserSetup, at: u64, len_bytes: u64) -> Result<PinnedRun, Broken> {
    let request = request(user, at, len_bytes, s.setup.last_addr)?;
    s.hal.pin(request).map_err(|error| ("cannot be pinned", code(error)))
}

/// Whether a piece is one that may be given for `wanted` bytes.
fn check_run<H: Hal>(s: &mut Trial<'_, H>, run: &PinnedRun, wanted: u64) -> Result<(), Broken> {
    let PinnedRun { bus, len_bytes, .. } = *run;
    s.check(bus.is_aligned(PAGE), "bus address of a piece", bus.get())?;
    s.check(len_bytes > 0 && len_bytes & (PAGE - 1) == 0, "length of a piece", len_bytes)?;
    s.check(len_bytes <= wanted, "a piece longer than what was asked for", len_bytes)?;
    let last = bus.checked_add(len_bytes.saturating_sub(1));
    s.check(last.is_some_and(|last| last <= s.setup.last_addr), "a piece the device cannot reach", bus.get())
}

pub(super) fn client_memory_is_pinned_piece_by_piece<H: Hal>(s: &mut Trial<'_, H>) -> Result<(), Broken> {
    let Some(user) = there(s)? else { return Ok(()) };
    for most in [user.len_bytes, PAGE] {
        let mut at = 0;
        while at < user.len_bytes {
            let wanted = user.len_bytes.saturating_sub(at).min(most);
            let run = pin(s, &user, at, wanted)?;
            let (len, checked) = (run.len_bytes, check_run(s, &run, wanted));
            // One at a time, so that nothing stays pinned when a rule does not hold.
            s.hal.unpin(run);
            checked?;
            at = at.saturating_add(len);
        }
    }
    Ok(())
}

pub(super) fn pinned_pages_stay_where_they_are<H: Hal>(s: &mut Trial<'_, H>) -> Result<(), Broken> {
    let Some(user) = there(s)? else { return Ok(()) };
    let held = pin(s, &user, 0, PAGE)?;
    let again = pin(s, &user, 0, PAGE);
    let bus = held.bus;
    let moved = again.map(|again| {
        let moved = again.bus != bus;
        s.hal.unpin(again);
        moved
    });
    s.hal.unpin(held);
    s.check(!moved?, "a pinned page is elsewhere when it is pinned again", bus.get())
}

pub(super) fn parts_of_a_run_are_unpinned_by_themselves<H: Hal>(s: &mut Trial<'_, H>) -> Result<(), Broken> {
    let Some(user) = there(s)? else { return Ok(()) };
    let run = pin(s, &user, 0, user.len_bytes)?;
    let (bus, len) = (run.bus, run.len_bytes);
    if len < PAGE.saturating_mul(2) {
        s.hal.unpin(run);
        return s.check(true, "", 0);
    }
    let Some((front, back)) = run.split(PAGE) else { return Err(("length of a piece", len)) };
    s.hal.unpin(front);
    // What is still pinned has not moved.
    let again = pin(s, &user, PAGE, PAGE);
    let moved = again.map(|again| {
        let moved = Some(again.bus) != bus.checked_add(PAGE);
        s.hal.unpin(again);
        moved
    });
    s.hal.unpin(back);
    s.check(!moved?, "the rest of a piece moved", bus.get())
}

pub(super) fn client_memory_that_is_not_there_is_a_fault<H: Hal>(s: &mut Trial<'_, H>) -> Result<(), Broken> {
    let Some(user) = there(s)? else { return Ok(()) };
    let last = s.setup.last_addr;
    let misses = request(&user, user.len_bytes, PAGE, last)?;
    let empty = request(&user, 0, 0, last)?;
    let askew = request(&user, 8, PAGE, last)?;
    let cases =
        [(misses, HalErrorKind::ClientFault), (empty, HalErrorKind::BadRequest), (askew, HalErrorKind::BadRequest)];
    for (request, wanted) in cases {
        match s.hal.pin(request) {
            Ok(run) => {
                s.hal.unpin(run);
                return Err(("what cannot be pinned was", request.addr.get()));
            }
            Err(error) => s.check(error.kind() == wanted, "another error than it should be", code(error))?,
        }
    }
    // A range that only begins in memory gives the part that is there.
    let edge = user.len_bytes.saturating_sub(PAGE);
    let run = pin(s, &user, edge, PAGE.saturating_mul(2))?;
    let checked = check_run(s, &run, PAGE);
    s.hal.unpin(run);
    checked
}
