//! Guests and the key-value store.

use std::sync::Arc;

use openpact_host::{Component, Deployment};
use openpact_model::tool::{Limit, ToolFailure};
use openpact_test_guests::KEEP;
use serde_json::json;

use crate::fixture::{failure, generous, package, shared, text, with_limits};

fn component(name: &str, quota: u64) -> Arc<Component> {
    let deployment = Deployment { kv_quota: quota, ..with_limits(generous()) };
    shared().load(&package(name, KEEP, "[requests]\nkv = 1000000\n"), deployment).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn values_outlive_a_call_and_belong_to_one_component() {
    let (one, other) = (component("keep-one", 10_000), component("keep-other", 10_000));
    let key = json!({"key": "shared name", "bytes": 17});
    assert_eq!(text(&one, "keep_one_set", key.clone()).await.as_deref(), Ok("set"));
    assert_eq!(text(&one, "keep_one_get", key.clone()).await.as_deref(), Ok("17"));
    assert_eq!(text(&other, "keep_other_get", key).await.as_deref(), Ok("none"));
    assert_eq!(text(&other, "keep_other_keys", json!({"prefix": ""})).await.as_deref(), Ok("0"));
    assert_eq!(
        text(&one, "keep_one_keys", json!({"prefix": "shared", "limit": 9})).await.as_deref(),
        Ok("1")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_store_is_a_limit() {
    let component = component("keep-full", 50_000);
    let ended = failure(&component, "keep_full_fill", json!({})).await;
    assert_eq!(ended, ToolFailure::LimitReached { limit: Limit::KeyValue, value: 50_000 });
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_and_values_have_a_longest() {
    let component = component("keep-long", 10_000_000);
    for (key, bytes, fits) in [
        ("k".repeat(512), 1, true),
        ("k".repeat(513), 1, false),
        (String::new(), 1, false),
        ("value".into(), 1 << 20, true),
        ("value".into(), (1 << 20) + 1, false),
    ] {
        let set = text(&component, "keep_long_set", json!({"key": key, "bytes": bytes})).await;
        let told =
            if fits { Ok("set".to_owned()) } else { Err(ToolFailure::Failed("Error::TooLarge".into())) };
        assert_eq!(set, told, "{} and {bytes} bytes", key.len());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_swap_compares() {
    let component = component("keep-swap", 10_000);
    let swap = |expected: serde_json::Value| {
        let component = Arc::clone(&component);
        async move { text(&component, "keep_swap_swap", json!({"key": "k", "expected": expected})).await.unwrap() }
    };
    assert_eq!(swap(json!("old")).await, "conflict None");
    assert_eq!(swap(json!(null)).await, "stored");
    assert_eq!(swap(json!(null)).await, "conflict Some(3)");
    assert_eq!(swap(json!("new")).await, "stored");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_store_is_told_without_its_inside() {
    let component = component("keep-broken", 10_000);
    let told = text(&component, "keep_broken_get", json!({"key": "broken"})).await.unwrap_err().to_string();
    assert!(told.contains("the store does not work now") && !told.contains("/secret"), "{told}");
}
