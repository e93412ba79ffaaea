//! A peer's way to the device: registers, a message line, memory, a clock.

/// What a driver on the other side of the bus has of the device.
pub(crate) trait Port {
    /// The bus's clock, in nanoseconds.
    fn now_ns(&mut self) -> u64;
    /// Writes bytes of BAR 0.
    fn write(&mut self, offset: u64, bytes: &[u8]);
    /// Reads a register.
    fn read32(&mut self, offset: u32) -> u32;
    /// Writes configuration space.
    fn config(&mut self, offset: u64, value: u32);
    /// Whether an interrupt message came since the last look.
    fn message(&mut self) -> bool;
    /// Reads a dword of the memory that both have, by its place in it.
    fn get(&self, at: u64) -> u32;
    /// Writes a dword of it.
    fn put(&self, at: u64, value: u32);

    /// Writes a register.
    fn write32(&mut self, offset: u32, value: u32) {
        self.write(u64::from(offset), &value.to_le_bytes());
    }
}
