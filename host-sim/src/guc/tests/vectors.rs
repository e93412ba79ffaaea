//! Invalidations as the reference driver writes them.

use crate::guc::requests::Payload;
use crate::guc::tlb::What;
use serde_json::Value;
use std::path::PathBuf;

fn lines() -> Vec<Value> {
    let own = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/data/vectors");
    let folder = std::env::var("BAREXE_VECTORS").map_or_else(|_| PathBuf::from(own), PathBuf::from);
    let text = std::fs::read_to_string(folder.join("tlb.jsonl")).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn hex(value: &Value) -> u64 {
    u64::from_str_radix(value.as_str().unwrap().trim_start_matches("0x"), 16).unwrap()
}

#[test]
fn messages_mean_what_the_reference_driver_means() {
    let (mut ranges, mut wholes, mut own) = (0, 0, 0);
    for case in lines() {
        let message: Vec<u32> =
            case["out"]["message"].as_array().unwrap().iter().map(|dword| hex(dword) as u32).collect();
        let Some((action, payload)) = message.split_first() else { continue };
        if *action == 0x7002 {
            continue;
        }
        let what = What::decode(Payload(payload)).unwrap();
        let full = case["out"]["full"].as_bool();
        match what {
            What::Range { space, start, bytes } => {
                assert_eq!((full, u64::from(space)), (Some(false), hex(&case["in"]["asid"])), "{}", case["id"]);
                assert_eq!((start, bytes), (hex(&case["out"]["start"]), hex(&case["out"]["length"])), "{}", case["id"]);
                ranges += 1;
            }
            What::All => {
                assert_eq!(full, Some(true), "{}", case["id"]);
                wholes += 1;
            }
            What::Own => {
                assert_eq!(case["in"]["kind"], "ggtt", "{}", case["id"]);
                own += 1;
            }
        }
    }
    assert!(ranges > 10 && wholes > 10 && own > 0, "{ranges} {wholes} {own}");
}
