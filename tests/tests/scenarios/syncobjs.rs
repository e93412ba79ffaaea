//! Calls on sync objects: S112, and what §3.12 and §6.3 say beyond it.

use barexe_core::Errno::{EINVAL, ENOENT, ETIME};
use barexe_core::gt::EngineClass;
use barexe_core::uapi::{self, Answer};
use barexe_hal::Nanos;
use barexe_tests::scenarios;
use barexe_tests::trial::{Bind, Exec, OPS, Trial, sync};
use barexe_tests::wire::Bytes;

scenarios! {
    s112_sync_objects_are_waited_for_emptied_and_signalled { cases: 7, holds: [] }
    an_error_of_an_in_sync_is_not_handed_on { cases: 3, holds: [] }
    a_point_below_the_newest_counts_as_the_newest { cases: 3, holds: [] }
}

const WAIT: u32 = 0xC028_64C3;
const RESET: u32 = 0xC010_64C4;
const SIGNAL: u32 = 0xC010_64C5;
const CREATE: u32 = 0xC008_64BF;
const FOREVER: u64 = i64::MAX as u64;

/// Puts handles into client memory; the argument struct of a wait for any of them.
fn wait(on: &mut Trial<'_>, handles: &[u32], timeout_ns: u64) -> Bytes {
    let bytes: Vec<u8> = handles.iter().flat_map(|handle| handle.to_le_bytes()).collect();
    on.put(OPS, &bytes);
    Bytes::new(40).u64(0, OPS).u64(8, timeout_ns).u32(16, u32::try_from(handles.len()).unwrap()).u32(24, 0xEEEE)
}

fn array(on: &mut Trial<'_>, handles: &[u32]) -> Bytes {
    let bytes: Vec<u8> = handles.iter().flat_map(|handle| handle.to_le_bytes()).collect();
    on.put(OPS, &bytes);
    Bytes::new(16).u64(0, OPS).u32(8, u32::try_from(handles.len()).unwrap())
}

fn s112_sync_objects_are_waited_for_emptied_and_signalled(on: &mut Trial<'_>) {
    let (empty, done, b0) = (on.syncobj(), on.signalled_syncobj(), on.blocked());
    on.case("wait: count 0");
    let none = wait(on, &[], FOREVER);
    let after = on.accepted(WAIT, &none);
    on.check("index untouched", after.get_u32(24), 0xEEEE);
    on.case("wait: no fence");
    let arg = wait(on, &[done, empty], FOREVER);
    on.refused(WAIT, &arg, EINVAL);
    on.case("wait: unsignalled past its deadline");
    let soon = on.device.now().saturating_add(Nanos::from_micros(10));
    let mut arg = wait(on, &[b0.syncobj], soon.get());
    let answer = uapi::ioctl(&mut on.device, on.client, WAIT, &mut arg.0, &mut on.memory);
    on.check("until its deadline", answer, Ok(Answer::Wait { until: Some(soon) }));
    on.settle();
    on.refused(WAIT, &arg, ETIME);
    on.case("wait: any of two");
    let arg = wait(on, &[b0.syncobj, done], 0);
    let after = on.accepted(WAIT, &arg);
    on.check("index", after.get_u32(24), 1);
    on.case("reset: count 0");
    let arg = array(on, &[]);
    on.refused(RESET, &arg, EINVAL);
    on.case("signal: unknown handle");
    let arg = array(on, &[empty, 0x7777]);
    on.refused(SIGNAL, &arg, ENOENT);
    on.check_signalled("the one before it", b0.syncobj, false);
    let arg = array(on, &[empty, b0.syncobj]);
    on.accepted(SIGNAL, &arg);
    on.check_signalled("empty before", empty, true);
    on.check_signalled("pending before", b0.syncobj, true);
    on.case("create: flag 2");
    on.refused(CREATE, &Bytes::new(8).u32(4, 2), EINVAL);
}

/// Sheet §6.3: an in-sync that carries an error counts as signalled; the error is not handed on.
fn an_error_of_an_in_sync_is_not_handed_on(on: &mut Trial<'_>) {
    let (vm, b0, failed, out) = (on.vm(), on.blocked(), on.syncobj(), on.syncobj());
    let (doomed, heir) = (on.queue(vm, EngineClass::Copy), on.queue(vm, EngineClass::Copy));
    on.exec(&Exec::on(doomed).batch(0x40_0000).after(b0).out(failed));
    on.exec(&Exec::on(heir).sync(sync::wait(failed)).out(out));
    let file = on.device.sync_file_create(on.client, failed, 0).expect("a sync file");
    let heirs = on.device.sync_file_create(on.client, out, 0).expect("a sync file");
    on.case("both wait");
    on.check_signalled("failed", failed, false);
    on.check_signalled("out", out, false);
    on.case("the one that fails signals, and says so");
    on.queue_destroy(doomed);
    on.settle();
    on.check_signalled("failed", failed, true);
    let state = on.device.sync_file_state(&file);
    on.check("its error", state, Ok(barexe_core::device::TicketState::Failed(barexe_core::Error::Canceled)));
    on.case("the one behind it ends well");
    on.check_signalled("out", out, true);
    let state = on.device.sync_file_state(&heirs);
    on.check("no error", state, Ok(barexe_core::device::TicketState::Done));
    for file in [file, heirs] {
        let closed = on.device.sync_file_close(file);
        on.check("closed", closed, Ok(()));
    }
}

/// Commands-and-fences sheet §5.5, V5.3: points 5, 9 and then 7.
fn a_point_below_the_newest_counts_as_the_newest(on: &mut Trial<'_>) {
    let (vm, object) = (on.vm(), on.syncobj());
    let held = [(); 3].map(|()| (on.blocked(), on.bind_queue(vm)));
    for ((blocked, queue), point) in held.into_iter().zip([5, 9, 7]) {
        on.bind(&Bind::on(vm).queue(queue).after(blocked).sync(sync::out_point(object, point)));
    }
    let [(a, _), (b, _), (c, _)] = held;
    on.case("the larger number is reported");
    on.check_value("newest", object, true, 9);
    on.check_value("signalled", object, false, 0);
    on.case("A and B signal, C has not: nothing of the new run");
    on.unblock(b);
    on.unblock(a);
    on.settle();
    on.check_value("signalled", object, false, 0);
    on.case("all three");
    on.unblock(c);
    on.settle();
    on.check_value("signalled", object, false, 9);
}
