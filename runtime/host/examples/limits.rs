//! Prints how late each limit was stopped, and what a neighbour felt meanwhile.
//!
//! Run it in release mode: `cargo run --release -p openpact-host --example limits`.

#[path = "../benches/call/setup.rs"]
mod setup;

use std::sync::Arc;
use std::time::Duration;

use openpact_host::{Component, Host, Limits};
use openpact_model::clock::{Clock as _, SystemClock};
use openpact_test_guests::{ECHO, GROW, SPIN, WAIT};
use serde_json::json;

/// Attacks of each kind; the median and the worst are shown.
const ROUNDS: usize = 15;
/// Attackers at once while the neighbour is measured.
const ATTACKERS: usize = 4;

#[tokio::main]
async fn main() {
    let host = setup::host();
    let cpu = Limits { cpu: Duration::from_millis(200), wall: Duration::from_mins(1), ..Limits::default() };
    let wall = Limits { cpu: Duration::from_mins(1), wall: Duration::from_millis(200), ..Limits::default() };
    println!("stopped after its limit, in milliseconds{:>15}{:>9}", "median", "worst");
    for (what, guest, wasm, tool, limits) in [
        ("processor time of a loop", "spin", SPIN, "spin_forever", &cpu),
        ("processor time of host calls", "spin", SPIN, "spin_asking", &cpu),
        ("wall time of a loop", "spin", SPIN, "spin_forever", &wall),
        ("wall time of a wait in the host", "wait", WAIT, "wait_sleep", &wall),
        ("wall time of many short waits", "wait", WAIT, "wait_naps", &wall),
    ] {
        let component = setup::load(&host, guest, wasm, limits.clone());
        let mut late = Vec::new();
        for _ in 0..ROUNDS {
            let report = component.call_reported(setup::call(tool, json!({}))).await;
            assert_eq!(report.result.expect_err("it is stopped").code(), "limit-reached");
            let (used, limit) =
                if limits.cpu < limits.wall { (report.cpu, limits.cpu) } else { (report.wall, limits.wall) };
            late.push(used.saturating_sub(limit));
        }
        let (median, worst) = spread(late);
        println!("  {what:<45}{:>8.1}{:>9.1}", milliseconds(median), milliseconds(worst));
    }
    neighbour(&host, &cpu).await;
}

/// How long calls of a good guest take, alone and beside attackers of each kind.
async fn neighbour(host: &Host, limits: &Limits) {
    let echo = setup::load(host, "echo", ECHO, Limits::default());
    let quiet = latency(&echo, Duration::from_millis(500)).await;
    println!("\na neighbour's call, in milliseconds{:>20}{:>9}{:>9}", "median", "worst", "times");
    println!("  {:<45}{:>8.3}{:>9.3}{:>9.1}", "alone", milliseconds(quiet.0), milliseconds(quiet.1), 1.0);
    for (what, guest, wasm, tool) in [
        ("beside loops", "spin", SPIN, "spin_forever"),
        ("beside host calls without end", "spin", SPIN, "spin_asking"),
        ("beside waits", "wait", WAIT, "wait_naps"),
        ("beside memory hogs", "grow", GROW, "grow_forever"),
    ] {
        let limits = Limits { cpu: Duration::from_secs(2), wall: Duration::from_secs(4), ..limits.clone() };
        let attacker = setup::load(host, guest, wasm, limits);
        let attacks: Vec<_> = (0..ATTACKERS)
            .map(|_| {
                let attacker = Arc::clone(&attacker);
                tokio::spawn(async move {
                    loop {
                        drop(attacker.call_reported(setup::call(tool, json!({}))).await);
                    }
                })
            })
            .collect();
        let felt = latency(&echo, Duration::from_secs(2)).await;
        attacks.iter().for_each(tokio::task::JoinHandle::abort);
        let times = felt.0.as_secs_f64() / quiet.0.as_secs_f64();
        println!("  {what:<45}{:>8.3}{:>9.3}{times:>9.1}", milliseconds(felt.0), milliseconds(felt.1));
    }
}

/// The median and the worst time of calls, one after the other for a while.
async fn latency(component: &Arc<Component>, during: Duration) -> (Duration, Duration) {
    let start = SystemClock.monotonic();
    let mut times = Vec::new();
    while SystemClock.since(start) < during {
        let report = component.call_reported(setup::call("echo", json!({"text": "hello"}))).await;
        assert!(report.result.is_ok(), "the neighbour is answered");
        times.push(report.wall);
    }
    spread(times)
}

fn spread(mut times: Vec<Duration>) -> (Duration, Duration) {
    times.sort();
    (times[times.len() / 2], times.last().copied().unwrap_or_default())
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}
