//! What scenarios of calls that wait have in common: a lender of the device, and what others do while it is not lent.

use barexe_core::Error;
use barexe_core::device::Device;
use barexe_core::device::wait::Lend;
use barexe_core::uapi::ioctl_blocking;
use barexe_hal::{ClientAddr, ClientFault, ClientMemory, Interrupted, Nanos};
use barexe_sim::SimHal;
use barexe_tests::trial::{Bind, Blocked, FENCES, Trial, op};
use barexe_tests::wire::Ram;

pub(crate) const VA: u64 = 0x40_0000;
pub(crate) const PAGE: u64 = 0x1000;
/// Where [`hold`] binds a page.
pub(crate) const HELD: u64 = VA + 0x10_0000;

/// Fields of the sync struct in the call (bind-and-exec sheet §2.4).
pub(crate) const FLAGS: usize = 108;
pub(crate) const COOKIE: usize = 112;

pub(crate) fn waiting(call: Bind) -> Bind {
    call.patch(FLAGS, &1u32.to_le_bytes())
}

pub(crate) fn with_cookie(call: Bind, addr: u64) -> Bind {
    waiting(call).patch(COOKIE, &addr.to_le_bytes())
}

/// What others do while a call sleeps; whether the call is interrupted then.
pub(crate) type Doing<'d> = &'d mut dyn FnMut(&mut Trial<'_>) -> Result<(), Interrupted>;

/// Lends a trial's device to a call that waits. While the call sleeps the device is everybody's.
struct Lender<'t, 's, 'd, 'e> {
    trial: &'t mut Trial<'s>,
    doings: &'d mut [Doing<'e>],
    sleeps: usize,
}

impl<'s> Lend<'s, SimHal> for Lender<'_, 's, '_, '_> {
    fn with<T>(&mut self, work: impl FnOnce(&mut Device<'s, SimHal>) -> T) -> T {
        work(&mut self.trial.device)
    }

    fn idle(&mut self, _until: Nanos) -> Result<(), Interrupted> {
        let doing = self.doings.get_mut(self.sleeps);
        self.sleeps += 1;
        assert!(self.sleeps < 1000, "{}: the wait does not end", self.trial);
        match doing {
            Some(doing) => doing(self.trial),
            None => {
                self.trial.settle();
                Ok(())
            }
        }
    }
}

/// Memory that can be read and not written.
struct ReadOnly<'m>(&'m mut Ram);

impl ClientMemory for ReadOnly<'_> {
    fn copy_in(&mut self, addr: ClientAddr, into: &mut [u8]) -> Result<(), ClientFault> {
        self.0.copy_in(addr, into)
    }

    fn copy_out(&mut self, addr: ClientAddr, from: &[u8]) -> Result<(), ClientFault> {
        Err(ClientFault { addr, len_bytes: from.len() })
    }
}

/// Makes a bind that waits; its result, and whether everything that was to happen meanwhile did. Of client memory the
/// call changed nothing but the word at [`FENCES`], and its argument struct not at all (R47).
pub(crate) fn bind_waiting(on: &mut Trial<'_>, call: &Bind, doings: &mut [Doing<'_>]) -> (Result<u32, Error>, bool) {
    bind_waiting_in(on, call, doings, false)
}

/// As [`bind_waiting`], for a client that keeps the driver from writing its memory.
pub(crate) fn bind_waiting_read_only(
    on: &mut Trial<'_>,
    call: &Bind,
    doings: &mut [Doing<'_>],
) -> (Result<u32, Error>, bool) {
    bind_waiting_in(on, call, doings, true)
}

fn bind_waiting_in(
    on: &mut Trial<'_>,
    call: &Bind,
    doings: &mut [Doing<'_>],
    read_only: bool,
) -> (Result<u32, Error>, bool) {
    let (request, given) = on.bind_arg(call);
    let (mut arg, mut memory, client) = (given.0.clone(), on.memory.clone(), on.client);
    let (count, mut before) = (doings.len(), memory.clone());
    let mut lender = Lender { trial: on, doings, sleeps: 0 };
    let result = if read_only {
        ioctl_blocking(&mut lender, client, request, &mut arg, &mut ReadOnly(&mut memory))
    } else {
        ioctl_blocking(&mut lender, client, request, &mut arg, &mut memory)
    };
    let all = lender.sleeps >= count;
    let word = word_at(&memory);
    on.put(FENCES, &word);
    let written = ClientAddr::new(FENCES).map(|at| before.copy_out(at, &word));
    on.check("the cookie is there", written, Some(Ok(())));
    on.check("the rest of client memory is as before", memory.contents() == before.contents(), true);
    on.check("argument struct", arg == given.0, true);
    (result, all)
}

fn word_at(memory: &Ram) -> [u8; 8] {
    memory.at(FENCES).first_chunk().copied().unwrap_or_default()
}

/// A bind of one page whose work nothing but the fence holds up.
pub(crate) fn hold(on: &mut Trial<'_>, vm: u32, queue: u32) -> Blocked {
    let b0 = on.blocked();
    on.bind(&Bind::on(vm).queue(queue).op(op::null(HELD, PAGE)).after(b0));
    b0
}
