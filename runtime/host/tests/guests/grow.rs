//! Guests that take memory.

use openpact_host::{Error, Limits};
use openpact_model::health::Health;
use openpact_model::tool::{Limit, ToolFailure};
use openpact_test_guests::GROW;
use serde_json::json;

use crate::fixture::{attack, failure, generous, load, package, shared, text, with_limits};

const MEMORY: u64 = 32 << 20;

#[tokio::test(flavor = "multi_thread")]
async fn memory_ends_at_its_limit() {
    let component = load("grow", GROW, with_limits(Limits { memory: MEMORY, ..generous() }));
    let report = attack(&component, "grow_forever", json!({})).await;
    assert_eq!(report.result, Err(ToolFailure::LimitReached { limit: Limit::Memory, value: MEMORY }));
    assert!((MEMORY / 2..=MEMORY).contains(&report.peak_memory), "{}", report.peak_memory);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_fits_is_given_and_what_does_not_is_refused_at_once() {
    let component = load("grow", GROW, with_limits(Limits { memory: MEMORY, ..generous() }));
    // The program itself needs about a megabyte.
    let fits = MEMORY - (4 << 20);
    assert_eq!(text(&component, "grow_take", json!({"bytes": fits})).await.unwrap(), fits.to_string());
    let ended = failure(&component, "grow_take", json!({"bytes": MEMORY})).await;
    assert_eq!(ended, ToolFailure::LimitReached { limit: Limit::Memory, value: MEMORY });
}

#[test]
fn a_limit_beyond_what_the_host_has_is_refused_when_loading() {
    let deployment = with_limits(Limits { memory: (1 << 30) + 1, ..generous() });
    let refused = shared().load(&package("grow", GROW, ""), deployment).err().unwrap();
    assert!(
        matches!(refused, Error::Limit { asked, allowed, .. } if (asked, allowed) == ((1 << 30) + 1, 1 << 30))
    );
    let deployment = with_limits(Limits { memory: 1 << 30, ..generous() });
    assert!(shared().load(&package("grow", GROW, ""), deployment).is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_health_of_a_component_says_which_limit_was_met_and_outlives_a_reload() {
    let limits = |memory| with_limits(Limits { memory, ..generous() });
    let component = load("grow-ill", GROW, limits(MEMORY));
    assert_eq!(component.health(), Health::default());
    assert!(text(&component, "grow_ill_take", json!({"bytes": 1000})).await.is_ok());
    assert!(text(&component, "grow_ill_take", json!({"bytes": MEMORY})).await.is_err());
    let again = load("grow-ill", GROW, limits(2 * MEMORY));
    assert!(text(&again, "grow_ill_take", json!({"bytes": MEMORY})).await.is_ok());
    assert!(text(&again, "grow_ill_take", json!({"bytes": 2 * MEMORY})).await.is_err());
    let health = component.health();
    assert_eq!(health, shared().health(&"grow-ill".parse().unwrap()), "one for all versions");
    assert_eq!((health.calls, health.failed, health.limits.len()), (4, 2, 1));
    let met = &health.limits[0];
    assert_eq!((met.limit, met.value, met.times), (Limit::Memory, 2 * MEMORY, 2));
    assert!(met.sentence(met.last).starts_with("memory 64 MiB (2 times"), "{}", met.sentence(met.last));
    let last = health.last_failure.unwrap();
    assert_eq!((last.code.as_str(), last.at >= met.last), ("limit-reached", true));
    assert_eq!(last.why, "stopped at its limit of 67108864 (memory in bytes)");
}
