//! Guests that wait in the host, and calls that wait for a place.

use std::sync::Arc;
use std::time::Duration;

use openpact_host::{Compiler, Config, Limits};
use openpact_model::tool::{Limit, ToolFailure};
use openpact_test_guests::{ECHO, WAIT};
use serde_json::json;

use crate::fixture::{attack, call, generous, host, load, package, text, with_limits};

fn limits(wall: u64) -> Limits {
    Limits { wall: Duration::from_millis(wall), ..generous() }
}

#[tokio::test(flavor = "multi_thread")]
async fn waiting_ends_at_the_wall_time_and_costs_no_processor_time() {
    let component = load("wait", WAIT, with_limits(limits(300)));
    for tool in ["wait_sleep", "wait_naps"] {
        let report = attack(&component, tool, json!({})).await;
        assert_eq!(
            report.result,
            Err(ToolFailure::LimitReached { limit: Limit::Time, value: 300 }),
            "{tool}"
        );
        assert!(report.cpu < report.wall, "{tool}: {:?} of {:?}", report.cpu, report.wall);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_shorter_of_limit_and_deadline_holds() {
    let component = load("wait", WAIT, with_limits(generous()));
    let mut short = call("wait_sleep", json!({}));
    short.deadline = Some(Duration::from_millis(120));
    let report = component.call_reported(short).await;
    assert_eq!(report.result, Err(ToolFailure::LimitReached { limit: Limit::Time, value: 120 }));
    let mut long = call("wait_sleep", json!({"ms": 50}));
    long.deadline = Some(Duration::from_hours(1_000_000));
    assert!(component.call_reported(long).await.result.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_queue_says_so_and_the_others_are_served() {
    let limits = Limits { concurrent: 1, queue: 1, ..generous() };
    let component = load("wait", WAIT, with_limits(limits));
    let running = call("wait_sleep", json!({}));
    let stop = running.cancel.clone();
    let first = spawn(&component, running);
    until(|| component.in_use() == (1, 0)).await;
    let second = spawn(&component, call("wait_sleep", json!({"ms": 1})));
    until(|| component.in_use() == (1, 1)).await;
    let refused = text(&component, "wait_sleep", json!({"ms": 1})).await;
    assert_eq!(refused, Err(ToolFailure::LimitReached { limit: Limit::Queue, value: 1 }));
    stop.cancel();
    assert_eq!(first.await.unwrap(), Err(ToolFailure::Cancelled));
    assert_eq!(second.await.unwrap(), Ok(()));
}

#[tokio::test(flavor = "multi_thread")]
async fn waiting_for_a_place_ends_too() {
    let limits = Limits { concurrent: 1, wall: Duration::from_millis(400), ..generous() };
    let component = load("wait", WAIT, with_limits(limits));
    let _first = spawn(&component, call("wait_sleep", json!({})));
    until(|| component.in_use() == (1, 0)).await;
    let mut waiting = call("wait_sleep", json!({"ms": 1}));
    waiting.deadline = Some(Duration::from_millis(50));
    let report = component.call_reported(waiting).await;
    assert_eq!(report.result, Err(ToolFailure::LimitReached { limit: Limit::Time, value: 50 }));
    let cancelled = call("wait_sleep", json!({"ms": 1}));
    cancelled.cancel.cancel();
    assert_eq!(component.call_reported(cancelled).await.result, Err(ToolFailure::Cancelled));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_nobody_waits_for_gives_its_place_back() {
    let component = load("wait", WAIT, with_limits(Limits { concurrent: 1, ..generous() }));
    let abandoned = spawn(&component, call("wait_sleep", json!({})));
    until(|| component.in_use() == (1, 0)).await;
    abandoned.abort();
    assert_eq!(text(&component, "wait_sleep", json!({"ms": 1})).await.as_deref(), Ok("slept"));
}

#[tokio::test(flavor = "multi_thread")]
async fn stopping_a_component_ends_its_calls_and_refuses_more() {
    let component = load("wait", WAIT, with_limits(Limits { concurrent: 1, ..generous() }));
    let running = spawn(&component, call("wait_sleep", json!({})));
    until(|| component.in_use() == (1, 0)).await;
    let waiting = spawn(&component, call("wait_sleep", json!({})));
    until(|| component.in_use() == (1, 1)).await;
    component.stop();
    assert_eq!(running.await.unwrap(), Err(ToolFailure::Stopped));
    assert_eq!(waiting.await.unwrap(), Err(ToolFailure::Stopped));
    assert_eq!(text(&component, "wait_sleep", json!({"ms": 1})).await, Err(ToolFailure::Stopped));
}

#[tokio::test(flavor = "multi_thread")]
async fn no_component_can_take_all_places_of_the_host() {
    let native = concat!(env!("CARGO_TARGET_TMPDIR"), "/native");
    // Two are spare, so that there are four places, of which one component may have two.
    let host =
        host(Config { max_instances: 6, ..Config::new(Compiler::InProcess, Some(native.into()), [0; 32]) });
    let load =
        |name: &str, wasm: &[u8]| host.load(&package(name, wasm, ""), with_limits(generous())).unwrap();
    let (greedy, victim) = (load("wait", WAIT), load("echo", ECHO));
    let sleeping: Vec<_> = (0..8).map(|_| spawn(&greedy, call("wait_sleep", json!({})))).collect();
    until(|| greedy.in_use() == (8, 6)).await;
    for _ in 0..10 {
        assert_eq!(text(&victim, "echo", json!({"text": "served"})).await.as_deref(), Ok("served"));
    }
    greedy.stop();
    for one in sleeping {
        assert_eq!(one.await.unwrap(), Err(ToolFailure::Stopped));
    }
}

fn spawn(
    component: &Arc<openpact_host::Component>,
    call: openpact_model::tool::ToolCall,
) -> tokio::task::JoinHandle<Result<(), ToolFailure>> {
    let component = Arc::clone(component);
    tokio::spawn(async move { component.call_reported(call).await.result.map(drop) })
}

/// Waits until something has come about.
async fn until(condition: impl Fn() -> bool) {
    while !condition() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}
