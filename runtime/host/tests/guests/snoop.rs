//! Guests that look for what they were not given.

use openpact_test_guests::SNOOP;
use serde_json::{Value, json};

use crate::fixture::{generous, load, text, with_limits};

#[tokio::test(flavor = "multi_thread")]
async fn there_is_nothing_to_see() {
    let component = load("snoop", SNOOP, with_limits(generous()));
    let found: Value =
        serde_json::from_str(&text(&component, "snoop_look", json!({})).await.unwrap()).unwrap();
    assert_eq!(found["environment"], json!([]), "{found}");
    assert_eq!(found["arguments"], json!([]), "{found}");
    assert_eq!(found["input"], "got 0", "{found}");
    let attempts = ["root", "passwords", "processes", "here", "connect", "listen", "datagram", "name"];
    for attempt in attempts {
        let came_of_it = found[attempt].as_str().unwrap();
        assert!(!came_of_it.starts_with("got"), "{attempt}: {came_of_it}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn memory_of_one_call_is_not_in_the_next() {
    let component = load("snoop", SNOOP, with_limits(generous()));
    // The pool gives the same places again and again.
    for _ in 0..20 {
        text(&component, "snoop_memory_mark", json!({})).await.unwrap();
        assert_eq!(text(&component, "snoop_memory_search", json!({})).await.as_deref(), Ok("0"));
    }
}
