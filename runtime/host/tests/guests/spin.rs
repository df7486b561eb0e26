//! Guests that take processor time and stack.

use std::time::Duration;

use openpact_host::Limits;
use openpact_model::tool::{Limit, ToolFailure};
use openpact_test_guests::SPIN;
use serde_json::json;

use crate::fixture::{attack, call, failure, generous, load, with_limits};

fn limits(cpu: u64, wall: u64) -> Limits {
    Limits { cpu: Duration::from_millis(cpu), wall: Duration::from_millis(wall), ..generous() }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_spinning_guest_is_stopped_at_its_processor_time() {
    for tool in ["spin_forever", "spin_asking"] {
        let component = load("spin", SPIN, with_limits(limits(150, 120_000)));
        let report = attack(&component, tool, json!({})).await;
        assert_eq!(report.result, Err(ToolFailure::LimitReached { limit: Limit::Cpu, value: 150 }), "{tool}");
        assert!(report.cpu >= Duration::from_millis(150), "{tool} was stopped too early: {:?}", report.cpu);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_spinning_guest_is_stopped_at_its_wall_time() {
    let component = load("spin", SPIN, with_limits(limits(120_000, 300)));
    let report = attack(&component, "spin_forever", json!({})).await;
    assert_eq!(report.result, Err(ToolFailure::LimitReached { limit: Limit::Time, value: 300 }));
    assert!(report.wall >= Duration::from_millis(300));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_spinning_guest_is_stopped_when_its_turn_is() {
    let component = load("spin", SPIN, with_limits(generous()));
    let call = call("spin_forever", json!({}));
    let cancel = call.cancel.clone();
    let (report, ()) = tokio::join!(component.call_reported(call), async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        cancel.cancel();
    });
    assert_eq!(report.result, Err(ToolFailure::Cancelled));
}

#[tokio::test(flavor = "multi_thread")]
async fn more_spinning_guests_than_threads_delay_nobody_for_ever() {
    let component = load("spin", SPIN, with_limits(limits(100, 120_000)));
    let attacks = (0..6).map(|_| failure(&component, "spin_forever", json!({})));
    for ended in futures::future::join_all(attacks).await {
        assert_eq!(ended, ToolFailure::LimitReached { limit: Limit::Cpu, value: 100 });
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recursion_without_end_is_a_limit_and_not_a_crash() {
    let component = load("spin", SPIN, with_limits(generous()));
    for tool in ["spin_recurse", "spin_recurse_lean", "spin_recurse_in_turns"] {
        let ended = failure(&component, tool, json!({})).await;
        assert!(matches!(ended, ToolFailure::LimitReached { limit: Limit::Stack, .. }), "{tool}: {ended:?}");
    }
}
