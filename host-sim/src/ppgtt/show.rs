//! The contents of page tables as text that a person reads, and as JSON.
//!
//! ```text
//! root 0x101000 of level 3; tables of levels 3, 2, 1, 0: 1, 1, 1, 1
//!   address                          length  leaves  level  access  PAT  leads to
//!   0x000000100000..0x000000101000    4 KiB   4 KiB      0  rw        0  0x0000104000
//!   0x000000101000..0x000000104000   12 KiB   4 KiB      0  r         0  null
//! ```

use super::{PageTables, Run, SeenTable};
use core::fmt;
use serde_json::{Value, json};

/// Length in the largest unit that it is a multiple of; a long odd one is rounded.
fn length(bytes: u64) -> String {
    const UNITS: [(u32, &str); 4] = [(40, "TiB"), (30, "GiB"), (20, "MiB"), (10, "KiB")];
    let exact = |shift: u32| bytes.trailing_zeros() >= shift;
    let in_unit = |shift: u32| (bytes + (1 << shift >> 1)) >> shift;
    let is_long = |shift: u32| bytes >> shift >= 10_000_000;
    let whole = UNITS.into_iter().find(|(shift, _)| exact(*shift)).unwrap_or((0, "B"));
    if !is_long(whole.0) {
        return format!("{} {}", in_unit(whole.0), whole.1);
    }
    let (shift, unit) = UNITS.into_iter().find(|(shift, _)| in_unit(*shift) >= 10).unwrap_or(whole);
    format!("~{} {unit}", in_unit(shift))
}

impl Run {
    /// What may be done there: `r`, `w`, and `a` for atomics where they are an attribute of their own.
    fn access(&self, atomics_matter: bool) -> String {
        let allowed = [(true, 'r'), (self.leaf.writable, 'w'), (atomics_matter && self.leaf.atomics, 'a')];
        allowed.iter().filter(|(allowed, _)| *allowed).map(|(_, letter)| letter).collect()
    }

    fn leaves(&self) -> String {
        let (least, most) = (length(self.leaf.bytes), length(self.largest_bytes));
        match () {
            () if self.compact => format!("{least}, compact"),
            () if least != most => format!("{least} to {most}"),
            () => least,
        }
    }
}

impl PageTables {
    /// How many tables there are of each level, the highest first.
    fn counts(&self) -> Vec<(u8, usize)> {
        let top = self.tables.first().map_or(0, |seen| seen.table.level);
        let of = |level| self.tables.iter().filter(|seen| seen.table.level == level).count();
        (0..=top).rev().map(|level| (level, of(level))).collect()
    }

    /// Some leaf allows atomics and some does not: they are worth a letter.
    fn atomics_matter(&self) -> bool {
        self.runs.iter().any(|run| run.leaf.atomics) && self.runs.iter().any(|run| !run.leaf.atomics)
    }

    /// Everything, for programs. Addresses are text, since not every reader of JSON has 64-bit numbers.
    #[must_use]
    pub fn json(&self) -> Value {
        let hex = |value: u64| format!("{value:#x}");
        let table = |seen: &SeenTable| {
            let (table, compact) = (seen.table, seen.table.compact);
            json!({ "bus": hex(table.addr), "level": table.level, "compact": compact, "va": hex(seen.va) })
        };
        let range = |run: &Run| {
            let Run { va, leaf, largest_bytes, level, compact, .. } = run;
            json!({
                "start": hex(*va), "end": hex(run.end()), "leaf_bytes": [leaf.bytes, largest_bytes], "level": level, "compact": compact,
                "writable": leaf.writable, "atomics": leaf.atomics, "pat": leaf.pat, "bus": leaf.page.map(hex),
            })
        };
        let fault = |(va, fault): &(u64, super::WalkFault)| json!({ "va": hex(*va), "what": fault.to_string() });
        json!({
            "root": self.tables.first().map(|seen| hex(seen.table.addr)),
            "tables": self.tables.iter().map(table).collect::<Vec<_>>(),
            "ranges": self.runs.iter().map(range).collect::<Vec<_>>(),
            "faults": self.faults.iter().map(fault).collect::<Vec<_>>(),
        })
    }
}

impl fmt::Display for PageTables {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counts = self.counts();
        let list = |items: Vec<String>| items.join(", ");
        let levels = list(counts.iter().map(|(level, _)| level.to_string()).collect());
        let numbers = list(counts.iter().map(|(_, count)| count.to_string()).collect());
        let (root, top) = self.tables.first().map_or((0, 0), |seen| (seen.table.addr, seen.table.level));
        writeln!(f, "root {root:#x} of level {top}; tables of levels {levels}: {numbers}")?;
        if self.runs.is_empty() {
            writeln!(f, "  nothing is mapped")?;
        } else {
            let (address, access) = ("address", "access");
            writeln!(f, "  {address:<30}  {:>9}  {:>15}  level  {access:<6}  PAT  leads to", "length", "leaves")?;
        }
        for run in &self.runs {
            let addresses = format!("{:#014x}..{:#014x}", run.va, run.end());
            let (bytes, leaves, access) = (length(run.bytes), run.leaves(), run.access(self.atomics_matter()));
            let to = run.leaf.page.map_or_else(|| String::from("null"), |page| format!("{page:#012x}"));
            let (level, pat) = (run.level, run.leaf.pat);
            writeln!(f, "  {addresses:<30}  {bytes:>9}  {leaves:>15}  {level:>5}  {access:<6}  {pat:>3}  {to}")?;
        }
        self.faults.iter().try_for_each(|(va, fault)| writeln!(f, "  WRONG at {va:#014x}: {fault}"))
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Leaf, Table, WalkFault};
    use super::*;

    fn tables() -> PageTables {
        let seen = |level, addr, va| SeenTable { table: Table { level, addr, compact: level == 0 }, va };
        let leaf = |page, bytes, writable| Leaf { page, bytes, writable, atomics: true, pat: 2 };
        let run = |va, bytes, largest_bytes, compact, leaf| Run { va, bytes, leaf, largest_bytes, level: 0, compact };
        PageTables {
            descriptor: 0x10_1003,
            tables: vec![seen(1, 0x10_1000, 0), seen(0, 0x10_2000, 0x20_0000)],
            runs: vec![
                run(0x20_0000, 0x20_0000, 64 << 10, true, leaf(Some(0x4_0000), 64 << 10, true)),
                run(0x40_0000, 0x20_3000, 2 << 20, false, leaf(None, 4096, false)),
            ],
            faults: vec![(0x80_0000, WalkFault::TableUnreachable { table: 0x7000 })],
        }
    }

    #[test]
    fn a_person_reads_one_line_for_each_range() {
        let want = "\
root 0x101000 of level 1; tables of levels 1, 0: 1, 1
  address                            length           leaves  level  access  PAT  leads to
  0x000000200000..0x000000400000      2 MiB  64 KiB, compact      0  rw        2  0x0000040000
  0x000000400000..0x000000603000   2060 KiB   4 KiB to 2 MiB      0  r         2  null
  WRONG at 0x000000800000: no memory is at 0x7000, where a table should be
";
        assert_eq!(tables().to_string(), want);
        let empty = PageTables { runs: vec![], faults: vec![], ..tables() };
        assert!(empty.to_string().ends_with("\n  nothing is mapped\n"));
    }

    #[test]
    fn a_program_reads_the_same() {
        let json = tables().json();
        assert_eq!(json["root"], "0x101000");
        assert_eq!(json["tables"][1], json!({ "bus": "0x102000", "level": 0, "compact": true, "va": "0x200000" }));
        assert_eq!(
            (&json["ranges"][0]["end"], &json["ranges"][1]["leaf_bytes"]),
            (&json!("0x400000"), &json!([4096, 2 << 20]))
        );
        assert_eq!((&json["ranges"][1]["bus"], &json["ranges"][1]["writable"]), (&Value::Null, &json!(false)));
        assert_eq!(json["faults"][0]["va"], "0x800000");
    }

    #[test]
    fn lengths_are_in_the_largest_unit_that_divides_them() {
        let all = [4096, 68 << 10, 2 << 20, 3 << 30, 256 << 40, (1 << 48) - 0x1A_2000, (3 << 30) - 0x1000].map(length);
        assert_eq!(all, ["4 KiB", "68 KiB", "2 MiB", "3 GiB", "256 TiB", "~256 TiB", "3145724 KiB"]);
    }
}
