//! The calls: a family in each file, and which call leads to which.

mod bind;
mod bind_op;
pub(super) mod descriptors;
mod drm;
mod exec;
mod gem;
mod prime;
mod query;
mod queue;
mod queue_property;
mod syncobj;
mod timeline;
mod vm;
mod wait_fence;

use super::{Again, Answer, Call, DONE, Descriptors, Dialect};
use crate::device::{ClientId, Device};
use crate::error::Error;
use barexe_hal::{ClientMemory, Hal};

/// Carries one call out.
pub(super) fn dispatch<H: Hal>(
    device: &mut Device<'_, H>,
    client: ClientId,
    (call, dialect, again): (Call, Dialect, Option<Again>),
    arg: &mut [u8],
    (memory, fds): (&mut dyn ClientMemory, &mut dyn Descriptors),
) -> Result<Answer, Error> {
    match call {
        Call::Version => drm::version(arg, memory),
        Call::GetUnique => drm::get_unique(arg),
        Call::GetMagic => drm::get_magic(client, arg),
        Call::SetVersion => drm::set_version(arg),
        Call::GetCap => drm::get_cap(arg),
        Call::SetClientCap => drm::set_client_cap(),
        Call::AuthMagic => drm::auth_magic(device, arg),
        Call::SetMaster | Call::DropMaster => DONE,
        Call::ModeGetResources => drm::mode_resources(arg),
        Call::ModeGetPlaneResources => drm::mode_planes(arg),
        Call::PrimeHandleToFd => prime::handle_to_fd(device, client, arg, fds),
        Call::PrimeFdToHandle => prime::fd_to_handle(device, client, arg, fds),
        Call::DeviceQuery => query::device_query(device, client, arg, memory),
        Call::GemCreate => gem::create(device, client, arg, memory),
        Call::GemMmapOffset => gem::mmap_offset(device, client, arg),
        Call::GemClose => gem::close(device, client, arg),
        Call::GemFlink => gem::flink(device, client, arg),
        Call::GemOpen => gem::open(device, client, arg),
        Call::VmCreate => vm::create(device, client, arg),
        Call::VmDestroy => vm::destroy(device, client, arg),
        Call::VmGetProperty => vm::get_property(device, client, arg),
        Call::VmBind => bind::vm_bind(device, client, dialect, arg, memory),
        Call::ExecQueueCreate => queue::create(device, client, arg, memory),
        Call::ExecQueueDestroy => queue::destroy(device, client, arg),
        Call::ExecQueueGetProperty => queue_property::get(device, client, arg),
        Call::ExecQueueSetProperty => queue_property::set(device, client, arg),
        Call::Exec => exec::exec(device, client, dialect, arg, memory),
        Call::WaitUserFence => wait_fence::wait(device, client, arg, memory, again),
        Call::SyncobjCreate => syncobj::create(device, client, arg),
        Call::SyncobjDestroy => syncobj::destroy(device, client, arg),
        Call::SyncobjHandleToFd => descriptors::handle_to_fd(device, client, arg, fds),
        Call::SyncobjFdToHandle => descriptors::fd_to_handle(device, client, arg, fds),
        Call::SyncobjWait => syncobj::wait(device, client, arg, memory),
        Call::SyncobjReset => {
            syncobj::change(device, arg, memory, |device, handles| device.syncobj_reset(client, handles))
        }
        Call::SyncobjSignal => {
            syncobj::change(device, arg, memory, |device, handles| device.syncobj_signal(client, handles))
        }
        Call::SyncobjTimelineWait => timeline::wait(device, client, arg, memory),
        Call::SyncobjQuery => timeline::query(device, client, arg, memory),
        Call::SyncobjTransfer => timeline::transfer(device, client, arg),
        Call::SyncobjTimelineSignal => timeline::signal(device, client, arg, memory),
    }
}
