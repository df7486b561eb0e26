//! The good guest: fresh instances, many at once, the cache, and what `describe` tells.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::sync::Arc;

use openpact_host::{Compiler, Config, Error, Limits};
use openpact_model::port::ToolProvider as _;
use openpact_test_guests::ECHO;
use serde_json::json;

use crate::fixture::{call, generous, host, load, package, shared, text, with_limits};

#[tokio::test(flavor = "multi_thread")]
async fn every_call_is_the_first() {
    let component = load("echo", ECHO, with_limits(generous()));
    for _ in 0..10 {
        assert_eq!(text(&component, "echo_count", json!({})).await.as_deref(), Ok("1 1"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_calls_at_once_are_all_answered() {
    let component = load("echo", ECHO, with_limits(Limits { concurrent: 64, queue: 200, ..generous() }));
    let calls = (0..200).map(|number| {
        let component = Arc::clone(&component);
        async move { (number, text(&component, "echo", json!({"text": number.to_string()})).await) }
    });
    for (number, answer) in futures::future::join_all(calls).await {
        assert_eq!(answer, Ok(number.to_string()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_report_tells_what_was_used() {
    let component = load("echo", ECHO, with_limits(generous()));
    let report = component.call_reported(call("echo", json!({"text": "hi"}))).await;
    assert_eq!(report.result.unwrap().as_text(), "hi");
    assert!(report.cpu.as_nanos() > 0 && report.wall.as_nanos() > 0);
    assert!(report.peak_memory >= 64 * 1024);
    assert_eq!((report.requests, report.log.len()), (0, 0));
}

#[test]
fn describe_gives_the_guests_own_names_and_load_the_full_ones() {
    let tools = shared().describe(ECHO).unwrap();
    assert_eq!(tools.iter().map(|tool| tool.name.as_str()).collect::<Vec<_>>(), ["echo", "count"]);
    let component = load("echo", ECHO, with_limits(generous()));
    let names: Vec<_> = component.tools().iter().map(|tool| tool.name.clone()).collect();
    assert_eq!(names, ["echo", "echo_count"]);
}

#[tokio::test]
async fn describe_works_within_a_runtime_too() {
    assert_eq!(shared().describe(ECHO).unwrap().len(), 2);
}

#[test]
fn what_is_no_component_of_ours_is_refused_with_a_reason() {
    assert!(matches!(shared().describe(b"no wasm"), Err(Error::Compile { .. })));
    assert!(matches!(shared().describe(b"\0asm\x01\0\0\0"), Err(Error::Compile { .. })), "a core module");
    assert!(
        matches!(shared().describe(b"\0asm\x0d\0\x01\0"), Err(Error::Interface { .. })),
        "nothing exported"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn compiled_code_that_was_tampered_with_is_compiled_again() {
    let folder = tempfile::tempdir().unwrap();
    let config = || Config::new(Compiler::InProcess, Some(folder.path().into()), [3; 32]);
    let package = package("echo", ECHO, "");
    let works = |config: Config| {
        let component = host(config).load(&package, with_limits(generous())).unwrap();
        async move { text(&component, "echo", json!({"text": "fine"})).await.as_deref() == Ok("fine") }
    };
    assert!(works(config()).await);
    let kept: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
    let [file] = kept.as_slice() else { panic!("one compiled component: {kept:?}") };
    let good = fs::read(file).unwrap();
    let written = fs::metadata(file).unwrap().ino();
    assert!(works(config()).await);
    assert_eq!(fs::metadata(file).unwrap().ino(), written, "the second start used it");
    for place in [0, 31, 32, good.len() / 2, good.len() - 1] {
        let mut bad = good.clone();
        bad[place] ^= 0x40;
        fs::write(file, &bad).unwrap();
        assert!(works(config()).await, "byte {place}");
        assert_ne!(fs::read(file).unwrap(), bad, "byte {place}: it was compiled again and replaced");
    }
    assert!(
        works(Config::new(Compiler::InProcess, Some(folder.path().into()), [4; 32])).await,
        "another key"
    );
    assert!(
        works(Config::new(Compiler::InProcess, Some("/nonexistent/folder".into()), [3; 32])).await,
        "no cache is no reason to fail"
    );
}
