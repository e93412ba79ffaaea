//! Sync entries: 48 bytes each, the same for bind and exec (bind-and-exec sheet §2.4, §3.8).

use super::client::{ClientArray, SharedMemory};
use super::{Field, Zero, check_flags, check_zero, read};
use crate::Error;
use crate::device::request::{Source, SyncEntry, SyncTarget, VmFlags};
use crate::uapi::Dialect;

/// Bytes of one entry.
const LEN: usize = 48;
const TYPE: Field<u32> = Field::at(8);
const FLAGS: Field<u32> = Field::at(12);
const HANDLE: Field<u32> = Field::at(16);
/// The upper half of the union that a handle uses only the lower half of.
const HANDLE_UPPER: Field<u32> = Field::at(20);
const ADDR: Field<u64> = Field::at(16);
/// The point of a timeline, the value of a user fence.
const VALUE: Field<u64> = Field::at(24);
/// The extension pointer is looked at in dialect A alone (M4).
const MUST_BE_ZERO: [Zero; 2] = [Zero::reserved(32), Zero::extensions()];

const SIGNAL: u32 = 1;
/// Most entries of one call.
const MAX_SYNCS: u32 = 1024;

/// What the checks of an entry need to know of its call.
#[derive(Clone, Copy, Debug)]
pub(in crate::uapi) struct SyncRules {
    /// Form of the call.
    pub(in crate::uapi) dialect: Dialect,
    /// Modes of the VM.
    pub(in crate::uapi) vm: VmFlags,
    /// Bits that count in the address of a user fence: those of the address space for exec, all for bind.
    pub(in crate::uapi) fence_addr_bits: u64,
}

/// Checks the number of entries.
///
/// # Errors
/// [`Error::Invalid`] above 1024.
pub(in crate::uapi) const fn check_count(count: u32) -> Result<u32, Error> {
    if count > MAX_SYNCS { Err(Error::invalid("number of syncs", count as u64)) } else { Ok(count) }
}

/// The `count` entries at `addr`.
pub(in crate::uapi) const fn entries<'s, 'm>(
    memory: &'s SharedMemory<'m>,
    addr: u64,
    count: u32,
    rules: SyncRules,
) -> impl Source<SyncEntry> + use<'s, 'm> {
    ClientArray::new(memory, addr, count, move |bytes: &[u8; LEN]| decode(bytes, rules))
}

/// Decodes one entry: what §3.8 checks before it looks at objects.
fn decode(bytes: &[u8; LEN], rules: SyncRules) -> Result<SyncEntry, Error> {
    let flags = read(bytes, FLAGS);
    check_flags("sync flags", flags, SIGNAL)?;
    let [reserved, extensions] = &MUST_BE_ZERO;
    check_zero(bytes, core::slice::from_ref(reserved))?;
    if rules.dialect == Dialect::A {
        check_zero(bytes, core::slice::from_ref(extensions))?;
    }
    let signal = flags & SIGNAL != 0;
    let target = match read(bytes, TYPE) {
        0 => SyncTarget::Syncobj { handle: handle(bytes, signal, rules)? },
        1 => SyncTarget::Timeline { handle: handle(bytes, signal, rules)?, point: read(bytes, VALUE) },
        2 => SyncTarget::UserFence { addr: read(bytes, ADDR) & rules.fence_addr_bits, value: read(bytes, VALUE) },
        unknown => return Err(Error::invalid("sync type", u64::from(unknown))),
    };
    Ok(SyncEntry { target, signal })
}

/// The handle of a sync object. Whether the VM hands out fences is asked before the handle is looked at.
fn handle(bytes: &[u8; LEN], signal: bool, rules: SyncRules) -> Result<u32, Error> {
    if signal && rules.vm.contains(VmFlags::LR_MODE) {
        return Err(Error::Unsupported { what: "an out-sync object in a long-running VM" });
    }
    match read(bytes, HANDLE_UPPER) {
        0 => Ok(read(bytes, HANDLE)),
        _ => Err(Error::invalid("sync object handle", read(bytes, ADDR))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Errno;

    const NORMAL: SyncRules = SyncRules { dialect: Dialect::U, vm: VmFlags::empty(), fence_addr_bits: (1 << 48) - 1 };
    const LONG_RUNNING: SyncRules = SyncRules { vm: VmFlags::LR_MODE, fence_addr_bits: u64::MAX, ..NORMAL };

    /// An entry of a type, with flags, handle or address, and value.
    fn entry(kind: u32, flags: u32, addr: u64, value: u64) -> [u8; LEN] {
        let mut bytes = [0; LEN];
        crate::uapi::wire::write(&mut bytes, TYPE, kind);
        crate::uapi::wire::write(&mut bytes, FLAGS, flags);
        crate::uapi::wire::write(&mut bytes, ADDR, addr);
        crate::uapi::wire::write(&mut bytes, VALUE, value);
        bytes
    }

    #[test]
    fn an_out_sync_of_a_recording_decodes() {
        // tgl-xe_exec_store-basic-store, the second entry of its exec: `00*12 01000000 01 00*31`.
        let mut bytes = [0; LEN];
        bytes[12] = 1;
        bytes[16] = 1;
        let expected = SyncEntry { target: SyncTarget::Syncobj { handle: 1 }, signal: true };
        assert_eq!(decode(&bytes, NORMAL), Ok(expected));
    }

    #[test]
    fn points_and_user_fences_decode() {
        let point = decode(&entry(1, 0, 7, 9), NORMAL).unwrap();
        assert_eq!(point, SyncEntry { target: SyncTarget::Timeline { handle: 7, point: 9 }, signal: false });
        let fence = decode(&entry(2, 1, 0xFFFF_8000_0000_1008, u64::MAX), NORMAL).unwrap();
        let target = SyncTarget::UserFence { addr: 0x8000_0000_1008, value: u64::MAX };
        assert_eq!(fence, SyncEntry { target, signal: true }, "an address may be sign-extended");
    }

    #[test]
    fn checks_come_in_the_order_of_the_sheet() {
        let mut reserved = entry(9, 0, 1, 0);
        reserved[40] = 1;
        let what = |bytes: &[u8; LEN]| match decode(bytes, NORMAL) {
            Err(Error::Invalid { what, .. }) => what,
            other => panic!("{other:?}"),
        };
        assert_eq!(what(&entry(9, 2, 0, 0)), "sync flags");
        assert_eq!(what(&reserved), "reserved field");
        assert_eq!(what(&entry(3, 0, 0, 0)), "sync type");
        assert_eq!(what(&entry(0, 0, 1 << 32, 0)), "sync object handle");
        let mut extension = entry(0, 0, 1, 0);
        extension[0] = 0xFF;
        assert!(decode(&extension, NORMAL).is_ok(), "not looked at in dialect U");
        let strict = |bytes: &[u8; LEN]| decode(bytes, SyncRules { dialect: Dialect::A, ..NORMAL });
        assert_eq!(strict(&extension), Err(Error::invalid("extension", 0xFF)), "M4");
        reserved[0] = 1;
        assert_eq!(strict(&reserved), Err(Error::invalid("reserved field", 1)));
        extension[8] = 9;
        assert_eq!(strict(&extension), Err(Error::invalid("extension", 0xFF)), "before the type");
    }

    #[test]
    fn a_long_running_vm_refuses_out_syncs_before_the_handle_and_takes_in_syncs() {
        for kind in [0, 1] {
            let out = decode(&entry(kind, 1, 1 << 32, 0), LONG_RUNNING);
            assert_eq!(out.unwrap_err().errno(), Errno::EOPNOTSUPP);
            assert!(decode(&entry(kind, 0, 1, 1), LONG_RUNNING).is_ok());
        }
        assert!(decode(&entry(2, 1, 8, 1), LONG_RUNNING).is_ok());
    }

    #[test]
    fn more_than_1024_entries_are_refused() {
        assert_eq!(check_count(1024), Ok(1024));
        assert_eq!(check_count(1025).unwrap_err().errno(), Errno::EINVAL);
    }
}
