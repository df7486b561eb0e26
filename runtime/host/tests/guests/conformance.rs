//! The guest of the MCP tests: its reports of progress reach whoever asked for them.

use std::sync::{Arc, Mutex};

use openpact_host::{Component, Deployment};
use openpact_model::port::ToolProvider as _;
use openpact_model::tool::{Body, Content, Progress, ProgressSink, ToolCall, ToolFailure};
use openpact_test_guests::CONFORMANCE;
use serde_json::json;

use crate::fixture::{call, generous, package, shared, with_limits};

fn component() -> Arc<Component> {
    let package = package("test", CONFORMANCE, "[requests]\nkv = 100000\n");
    shared().load(&package, Deployment { kv_quota: 100_000, ..with_limits(generous()) }).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn progress_reaches_the_caller_in_order() {
    let component = component();
    let seen: Arc<Mutex<Vec<Progress>>> = Arc::default();
    let taking = Arc::clone(&seen);
    let progress = ProgressSink::new(move |progress| taking.lock().unwrap().push(progress));
    let call = ToolCall { progress, ..call("test_tool_with_progress", json!({})) };
    component.call(call).await.unwrap();
    let seen = seen.lock().unwrap();
    let seen: Vec<_> = seen.iter().map(|one| (one.done, one.total, one.message.as_deref())).collect();
    let expected = [
        (0.0, Some(100.0), Some("Completed step 0 of 100")),
        (50.0, Some(100.0), Some("Completed step 50 of 100")),
        (100.0, Some(100.0), Some("Completed step 100 of 100")),
    ];
    assert_eq!(seen, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_is_cancelled_after_its_first_report_is_stopped() {
    let component = component();
    let mut waiting = call("test_endless", json!({"key": "k"}));
    let cancel = waiting.cancel.clone();
    waiting.progress = ProgressSink::new(move |_| cancel.cancel());
    assert_eq!(component.call(waiting).await, Err(ToolFailure::Cancelled));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_kind_of_content_comes_through() {
    let component = component();
    let output = component.call(call("test_embedded_resource", json!({}))).await.unwrap();
    let embedded = Content::Embedded {
        uri: "test://embedded-resource".into(),
        media_type: Some("text/plain".into()),
        body: Body::Text("This is an embedded resource content.".into()),
    };
    assert_eq!(output.content, [embedded]);
    let output = component.call(call("test_audio_content", json!({}))).await.unwrap();
    let [Content::Audio { data, media_type }] = output.content.as_slice() else { panic!("{output:?}") };
    assert!(data.starts_with("UklGR") && media_type == "audio/wav", "{data}");
}
