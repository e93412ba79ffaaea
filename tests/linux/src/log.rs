//! What in the kernel's log is a warning.

/// Messages of this level and below are warnings.
const WARNING: u8 = 4;
/// Most lines shown of a step: one trace of calls is enough.
pub(crate) const WARNINGS: usize = 8;
/// What every guest says, whatever its device does: pieces of messages, and why.
const CUSTOMARY: [(&str, &str); 1] =
    [("Automounting of tracing to debugfs is deprecated", "IGT looks for traces where they once were")];

/// The level of a line of the raw log, and its text.
fn level(line: &str) -> Option<(u8, &str)> {
    let (number, text) = line.strip_prefix('<')?.split_once('>')?;
    // Facilities are in the higher bits.
    Some((number.parse::<u16>().ok()?.to_le_bytes().first()? & 7, text))
}

/// The warnings in a raw log, and what is worse.
pub(crate) fn warnings(log: &str) -> Vec<&str> {
    let known = |text: &str| CUSTOMARY.iter().any(|(piece, _)| text.contains(piece));
    log.lines()
        .filter_map(level)
        .filter(|(level, text)| *level <= WARNING && !known(text))
        .map(|(_, text)| text.trim())
        .collect()
}

/// What a kernel says that has lost control of itself: it is wrong under any fault of a device.
const CRASHES: [&str; 7] =
    ["BUG:", "Oops", "general protection fault", "NULL pointer", "use-after-free", "refcount_t:", "corruption"];

/// The lines of a raw log that tell of a defect of the driver, not of the device.
pub(crate) fn crashes(log: &str) -> Vec<&str> {
    log.lines().filter(|line| CRASHES.iter().any(|piece| line.contains(piece))).map(str::trim).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn warnings_are_of_level_four_and_below() {
        let log = "<6>[    1.0] xe: hello\n<4>[    1.1] xe: careful\n<3>[ 1.2] xe: broken\n<12>[ 1.3] user\n";
        assert_eq!(warnings(log), ["[    1.1] xe: careful", "[ 1.2] xe: broken", "[ 1.3] user"]);
    }
}
