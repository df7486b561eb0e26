//! Guests that take processor time and stack.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use openpact_host::{Compiler, Component, Config, Host, Limits};
use openpact_model::port::ToolProvider as _;
use openpact_model::tool::{Limit, ToolFailure};
use openpact_test_guests::SPIN;
use serde_json::json;

use crate::fixture::{attack, call, failure, generous, host, load, package, text, with_limits};

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

/// A host of its own, so that only these guests are on its threads.
fn quiet(guest_threads: usize) -> Host {
    let native = concat!(env!("CARGO_TARGET_TMPDIR"), "/native");
    host(Config { guest_threads, ..Config::new(Compiler::InProcess, Some(native.into()), [0; 32]) })
}

#[tokio::test(flavor = "multi_thread")]
async fn eight_spinning_calls_take_no_more_than_one_call_of_another_component() {
    for threads in [1, 2] {
        let host = quiet(threads);
        let load =
            |name: &str, cpu| host.load(&package(name, SPIN, ""), with_limits(limits(cpu, 300_000))).unwrap();
        let (spinner, victim) = (load("spin", 300), load("victim", 450));
        let order = Arc::new(Mutex::new(Vec::new()));
        let run = |component: &Arc<Component>, tool: &'static str| {
            let (component, order) = (Arc::clone(component), Arc::clone(&order));
            tokio::spawn(async move {
                let ended = component.call(call(tool, json!({}))).await.unwrap_err();
                assert_eq!(ended.code(), "limit-reached");
                order.lock().unwrap().push(tool);
            })
        };
        let mut all: Vec<_> = (0..8).map(|_| run(&spinner, "spin_forever")).collect();
        while spinner.in_use() != (8, 0) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        all.push(run(&victim, "victim_forever"));
        for one in all {
            one.await.unwrap();
        }
        // Shared by calls, each of the eight would have been at its 300 ms long before the victim was at its 450. Shared
        // by components, the eight together have used about 450 by then.
        assert_eq!(order.lock().unwrap()[0], "victim_forever", "{threads} threads: {order:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn short_calls_are_answered_while_another_component_spins_in_all_its_places_and_stopping_it_ends_it() {
    let host = quiet(2);
    let spinner = host.load(&package("spin", SPIN, ""), with_limits(generous())).unwrap();
    let echo = host.load(&package("echo", openpact_test_guests::ECHO, ""), with_limits(generous())).unwrap();
    let spinning: Vec<_> = (0..20)
        .map(|_| {
            let spinner = Arc::clone(&spinner);
            tokio::spawn(async move { spinner.call(call("spin_forever", json!({}))).await })
        })
        .collect();
    while spinner.in_use() != (8, 12) {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    for _ in 0..50 {
        assert_eq!(text(&echo, "echo", json!({"text": "x"})).await.as_deref(), Ok("x"));
    }
    assert_eq!(spinner.in_use(), (8, 12), "it spins still");
    spinner.stop();
    for one in spinning {
        let ended = one.await.unwrap().unwrap_err();
        assert_eq!(ended, ToolFailure::Stopped);
        assert!(ended.to_string().starts_with("stopped: the component was switched off"));
    }
    assert_eq!(spinner.in_use(), (0, 0));
}
