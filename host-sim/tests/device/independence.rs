//! The simulator does not know the driver: a wrong constant of one cannot agree with itself in the other.

use std::process::Command;

/// Names of the packages that one package is built from, dependencies of its tests included.
fn built_from(package: &str) -> Vec<String> {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| String::from("cargo"));
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
    let run = Command::new(cargo)
        .args(["tree", "--offline", "--locked", "--manifest-path", manifest, "--package", package])
        .args(["--edges", "normal,build,dev", "--prefix", "none", "--format", "{p}"])
        .output()
        .unwrap();
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    let text = String::from_utf8(run.stdout).unwrap();
    text.lines().filter_map(|line| line.split(' ').next()).map(String::from).collect()
}

#[test]
fn nothing_of_the_driver_is_in_the_simulator() {
    let has = |package: &str, other: &str| built_from(package).iter().any(|name| name == other);
    assert!(has("barexe-sim", "barexe-hal"));
    assert!(!has("barexe-sim", "barexe-core"));
    // The check would see it: the command, beside the simulator, is built from both.
    assert!(has("barexe", "barexe-core") && has("barexe", "barexe-sim"));
}
