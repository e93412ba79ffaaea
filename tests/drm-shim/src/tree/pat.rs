//! The table of page attributes as the driver programs it, for those who look into debugfs.

use core::fmt::Write;

/// The table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PatFacts {
    /// Value of each row, and whether mappings may use it.
    pub rows: Vec<(u32, bool)>,
    /// The rows the driver itself uses, by the name of what for.
    pub uses: Vec<(&'static str, u8)>,
}

impl PatFacts {
    /// Lines of the file: a row is its number and its value in brackets, with a star where no mapping may use it.
    pub(super) fn text(&self) -> String {
        let mut text = String::from("PAT table:\n");
        for (index, (value, valid)) in self.rows.iter().enumerate() {
            let star = if *valid { "" } else { " *" };
            let _ = writeln!(text, "PAT[{index:2}] = ({value:#x}){star}");
        }
        for (name, index) in &self.uses {
            let _ = writeln!(text, "IDX[XE_CACHE_{name}] = {index}");
        }
        text
    }
}
