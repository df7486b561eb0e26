//! Guests that say too much.

use openpact_host::Limits;
use openpact_model::tool::{Limit, ToolFailure};
use openpact_test_guests::FLOOD;
use serde_json::json;

use crate::fixture::{attack, failure, generous, load, text, with_limits};

fn limits() -> Limits {
    Limits { memory: 768 << 20, ..generous() }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_result_of_200_megabytes_never_reaches_the_host() {
    let component = load("flood", FLOOD, with_limits(limits()));
    let over = ToolFailure::LimitReached { limit: Limit::Result, value: 1 << 20 };
    assert_eq!(failure(&component, "flood_result", json!({"bytes": 200 << 20})).await, over);
    // More than the answer may have, and less than may be copied.
    assert_eq!(failure(&component, "flood_result", json!({"bytes": 2 << 20})).await, over);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_limit_of_the_result_holds_from_both_sides() {
    let component = load("flood", FLOOD, with_limits(Limits { result: 1000, ..limits() }));
    // A piece counts 64 bytes beside its text.
    assert_eq!(text(&component, "flood_result", json!({"bytes": 936})).await.unwrap().len(), 936);
    let over = text(&component, "flood_result", json!({"bytes": 937})).await;
    assert_eq!(over, Err(ToolFailure::LimitReached { limit: Limit::Result, value: 1000 }));
}

#[tokio::test(flavor = "multi_thread")]
async fn twenty_megabytes_of_lines_are_counted_and_not_kept() {
    let component = load("flood", FLOOD, with_limits(Limits { output: 50_000, ..limits() }));
    for tool in ["flood_print", "flood_log"] {
        let report = attack(&component, tool, json!({"bytes": 20 << 20})).await;
        assert!(report.result.is_ok(), "{tool}: {:?}", report.result);
        let kept: usize = report.log.iter().map(String::len).sum();
        assert!((40_000..51_000).contains(&kept), "{tool} left {kept} bytes");
        assert!(report.log.last().unwrap().ends_with("more bytes of output were dropped"), "{tool}");
        let limits = component.health().limits;
        assert!(
            limits.iter().any(|met| met.limit == Limit::Output && met.value == 50_000),
            "{tool}: {limits:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_line_of_20_megabytes_is_not_even_taken() {
    let component = load("flood", FLOOD, with_limits(limits()));
    let ended = failure(&component, "flood_log_once", json!({"bytes": 20 << 20})).await;
    assert_eq!(ended, ToolFailure::LimitReached { limit: Limit::Hostcall, value: 8 << 20 });
    let report = attack(&component, "flood_log_once", json!({"bytes": 1 << 20})).await;
    assert!(report.result.is_ok(), "{:?}", report.result);
    assert_eq!(report.log[0].chars().count(), 8 * 1024 + 1, "cut, with a sign");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_words_of_an_error_are_cut() {
    let component = load("flood", FLOOD, with_limits(limits()));
    let ToolFailure::Failed(words) = failure(&component, "flood_error", json!({"bytes": 1 << 20})).await
    else {
        panic!("it is the tool's own error");
    };
    assert!(words.len() < 10_000);
}
