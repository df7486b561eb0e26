//! Guests that are not what they say.

use openpact_model::port::ToolProvider as _;
use openpact_model::tool::{Content, Limit, ToolFailure};
use openpact_test_guests::LIAR;
use serde_json::json;

use crate::fixture::{call, failure, generous, load, package_with, shared, text, with_limits};

#[tokio::test(flavor = "multi_thread")]
async fn only_listed_tools_can_be_called_whatever_the_code_does() {
    let listed = shared().describe(LIAR).unwrap();
    let one: Vec<_> = listed.into_iter().filter(|tool| tool.name == "image").collect();
    let component = shared().load(&package_with("liar", LIAR, "", one), with_limits(generous())).unwrap();
    let names: Vec<_> = component.tools().iter().map(|tool| tool.name.clone()).collect();
    assert_eq!(names, ["liar_image"]);
    assert!(component.call(call("liar_image", json!({}))).await.is_ok());
    // Listed by the code, but not by the manifest; answered by the code and listed nowhere; the guest's own names.
    for tool in ["liar_json", "liar_hidden", "hidden", "image", "", "liar_"] {
        let refused = component.call(call(tool, json!({}))).await;
        assert!(matches!(refused, Err(ToolFailure::NotFound(_))), "{tool}: {refused:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_json_is_a_broken_tool() {
    let component = load("liar", LIAR, with_limits(generous()));
    for tool in ["liar_json", "liar_structured"] {
        let ToolFailure::Broken(words) = failure(&component, tool, json!({})).await else {
            panic!("{tool} must be broken");
        };
        assert!(words.contains("is no JSON"), "{tool}: {words}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn many_empty_pieces_are_no_small_answer() {
    let component = load("liar", LIAR, with_limits(generous()));
    let ended = failure(&component, "liar_pieces", json!({})).await;
    assert_eq!(ended, ToolFailure::LimitReached { limit: Limit::Result, value: 1 << 20 });
}

#[tokio::test(flavor = "multi_thread")]
async fn pictures_travel_as_base64() {
    let component = load("liar", LIAR, with_limits(generous()));
    let output = component.call(call("liar_image", json!({}))).await.unwrap();
    assert_eq!(output.content, [Content::Image { data: "AP8=".into(), media_type: "image/png".into() }]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tools_own_errors_keep_their_meaning() {
    let component = load("liar", LIAR, with_limits(generous()));
    for (tool, expected) in [
        ("liar_invalid", ToolFailure::InvalidArguments("a".into())),
        ("liar_missing", ToolFailure::NotFound("b".into())),
        ("liar_denied", ToolFailure::Denied("c".into())),
        ("liar_unavailable", ToolFailure::Unavailable("d".into())),
    ] {
        assert_eq!(text(&component, tool, json!({})).await, Err(expected), "{tool}");
    }
}
