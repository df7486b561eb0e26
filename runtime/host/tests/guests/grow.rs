//! Guests that take memory.

use openpact_host::{Error, Limits};
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
