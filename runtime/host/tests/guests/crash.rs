//! Guests that break.

use openpact_model::tool::ToolFailure;
use openpact_test_guests::CRASH;
use serde_json::json;

use crate::fixture::{attack, failure, generous, load, with_limits};

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_is_told_in_its_own_words_made_safe() {
    let component = load("crash", CRASH, with_limits(generous()));
    let report = attack(&component, "crash_panic", json!({})).await;
    let Err(ToolFailure::Broken(words)) = report.result else { panic!("{:?}", report.result) };
    assert!(words.starts_with("the guest's own words\\u{1b}[31m in red (panicked at "), "{words}");
    assert!(report.log.iter().any(|line| line.contains("the guest's own words")), "and it is in the log");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_other_end_is_told_apart_too() {
    let component = load("crash", CRASH, with_limits(generous()));
    for (tool, words) in [
        ("crash_exit", "it exited with status"),
        ("crash_abort", "wasm `unreachable` instruction executed"),
        ("crash_wild", "out of bounds memory access"),
    ] {
        let ToolFailure::Broken(said) = failure(&component, tool, json!({})).await else {
            panic!("{tool} must be broken");
        };
        assert!(said.contains(words), "{tool}: {said}");
    }
}
