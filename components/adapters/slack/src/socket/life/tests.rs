//! What to do when, without a socket.

use openpact_sdk::serde_json::json;

use super::*;
use crate::socket::frame::Kind;

const fn at(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn frame(text: &str) -> Frame {
    Frame::read(text).expect("a frame")
}

fn hello() -> Frame {
    frame(
        r#"{"type":"hello","num_connections":1,"connection_info":{"app_id":"A1"},"debug_info":{"host":"x"}}"#,
    )
}

fn disconnect(reason: &str) -> Frame {
    frame(&json!({ "type": "disconnect", "reason": reason, "debug_info": { "host": "x" } }).to_string())
}

fn ready() -> Life {
    let mut life = Life::new(at(0));
    assert_eq!(life.frame(Side::Current, hello(), at(1)), Step::Ready(1));
    life
}

#[test]
fn frames_are_read() {
    let envelope = frame(
        r#"{"type":"slash_commands","envelope_id":"e1","accepts_response_payload":true,"payload":{"a":1},"retry_attempt":1}"#,
    );
    let Frame::Envelope(envelope) = envelope else { panic!("{envelope:?}") };
    assert_eq!((envelope.kind, envelope.payload.clone()), (Kind::Slash, json!({ "a": 1 })));
    assert_eq!(envelope.acknowledgement(), r#"{"envelope_id":"e1"}"#);
    // Of a kind that nobody knows: it is acknowledged, so that it does not come again.
    let unknown = frame(r#"{"type":"new","envelope_id":"e2"}"#);
    assert!(matches!(unknown, Frame::Envelope(Envelope { kind: Kind::Unknown, .. })));
    assert_eq!(frame(r#"{"type":"new"}"#), Frame::Other);
    assert_eq!(Frame::read("Ping from applink-1"), None);
}

#[test]
fn a_connection_that_does_not_say_hello_is_lost() {
    let mut life = Life::new(at(0));
    assert_eq!(life.tick(at(29)), Step::Nothing);
    assert!(matches!(life.tick(at(30)), Step::Lost(_)));
    assert_eq!(ready().tick(at(1_000)), Step::Nothing);
}

#[test]
fn the_next_connection_is_opened_before_the_old_one_ends() {
    let mut life = ready();
    assert_eq!(life.frame(Side::Current, disconnect("warning"), at(100)), Step::Renew);
    life.renewed(at(101));
    assert_eq!(life.frame(Side::Current, disconnect("refresh_requested"), at(102)), Step::Nothing);
    // Until the new one says hello, the old one is used.
    let envelope = frame(r#"{"type":"events_api","envelope_id":"e1","payload":{}}"#);
    assert!(matches!(life.frame(Side::Current, envelope, at(103)), Step::Handle(_)));
    assert_eq!(life.frame(Side::Next, hello(), at(104)), Step::Swap);
    life.promoted();
    assert_eq!(life.tick(at(200)), Step::Nothing);
    assert!(life.lasted(at(60), at(200)));
}

#[test]
fn an_old_connection_that_ends_too_early_is_replaced_by_the_new_one() {
    let mut life = ready();
    life.renewed(at(100));
    assert_eq!(life.lost(Side::Current, "closed"), Step::Promote);
    life.promoted();
    assert_eq!(life.frame(Side::Current, hello(), at(101)), Step::Ready(1));
    assert_eq!(life.lost(Side::Current, "closed"), Step::Lost("closed".into()));
}

#[test]
fn a_new_connection_that_is_no_good_is_tried_again_later() {
    let mut life = ready();
    life.renewed(at(100));
    assert!(matches!(life.tick(at(130)), Step::Drop(_)));
    life.dropped(at(130));
    assert_eq!(life.tick(at(139)), Step::Nothing);
    assert_eq!(life.tick(at(140)), Step::Renew);
    life.renewed(at(140));
    assert_eq!(life.lost(Side::Next, "x"), Step::Drop("x".into()));
    assert!(matches!(life.frame(Side::Next, disconnect("warning"), at(141)), Step::Drop(_)));
}

#[test]
fn a_connection_that_slack_ends_at_once_makes_no_storm() {
    let mut life = ready();
    assert_eq!(life.frame(Side::Current, disconnect("too_many_websockets"), at(2)), Step::Nothing);
    assert_eq!(life.tick(at(11)), Step::Nothing);
    assert_eq!(life.tick(at(12)), Step::Renew);
}

#[test]
fn a_link_that_is_disabled_ends_it() {
    assert_eq!(ready().frame(Side::Current, disconnect("link_disabled"), at(2)), Step::Disabled);
}
