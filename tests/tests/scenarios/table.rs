//! The table in the docs, and that no scenario is missing in it.

use crate::CHAPTERS;
use barexe_tests::trial::{Scenario, missing_scenarios, table};
use std::collections::BTreeSet;

const PATH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/scenarios.md");

fn all() -> Vec<Scenario> {
    CHAPTERS.concat()
}

#[test]
fn the_table_in_the_docs_is_that_of_the_tests() {
    let want = table(&all());
    if std::env::var_os("BAREXE_WRITE_DOCS").is_some() {
        std::fs::write(PATH, &want).unwrap();
    }
    let found = std::fs::read_to_string(PATH).unwrap();
    let stale = found.lines().zip(want.lines()).find(|(found, want)| found != want);
    assert!(found == want, "docs/scenarios.md is stale, see its head; first at {stale:?}");
}

#[test]
fn every_scenario_of_the_bind_half_is_played() {
    assert_eq!(missing_scenarios(&all()), Vec::<u16>::new(), "scenarios without a test");
}

#[test]
fn names_are_unique() {
    let all = all();
    let names: BTreeSet<&str> = all.iter().map(|scenario| scenario.name).collect();
    assert_eq!(names.len(), all.len());
}
