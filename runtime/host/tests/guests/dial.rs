//! Guests and WebSocket connections.

use std::sync::Arc;
use std::time::Duration;

use openpact_egress::{Door, Grant};
use openpact_host::{Compiler, Component, Config, Deployment, Limits};
use openpact_model::audit::Verdict;
use openpact_model::secret::SecretSource;
use openpact_model::tool::{Limit, Reach, ToolCall, ToolFailure};
use openpact_test_guests::{DIAL, ECHO};
use serde_json::{Value, json};

use crate::adapter::{Secrets, audited_door};
use crate::fetch::Audit;
use crate::fixture::{attack, call, failure, generous, host, package, shared, text, with_limits};
use crate::gateway::Gateway;

const MANIFEST: &str = "
[[requests.websocket]]
url = \"wss://example.com/\"
reason = \"to test\"
[[requests.credentials]]
name = \"token\"
description = \"A token.\"
placement = \"frame /d/token when /op in [2,6]\"
hosts = [\"example.com\"]
";

const SECRET: &str = "a value of more than sixteen bytes";

struct Scene {
    gateway: Gateway,
    component: Arc<Component>,
    door: Arc<Door>,
    audit: Arc<Audit>,
}

impl Scene {
    /// A component that may connect to a gateway.
    async fn new(limits: Limits) -> Self {
        let gateway = Gateway::start().await;
        let rule = gateway.url("/** private=127.0.0.1/32 credential=token");
        let grant = Grant {
            rule: format!("GET {rule}").parse().unwrap(),
            placement: Some("frame /d/token when /op in [2,6]".parse().unwrap()),
            secret: Some("TOKEN".parse().unwrap()),
        };
        Self::with(gateway, vec![grant], limits)
    }

    fn with(gateway: Gateway, grants: Vec<Grant>, limits: Limits) -> Self {
        let (secrets, audit) = (Arc::new(Secrets::default()), Arc::new(Audit::default()));
        secrets.set(Some(SECRET));
        let door = audited_door("dial", grants, &secrets, Arc::clone(&audit) as Arc<_>);
        let deployment = Deployment {
            door: Some(Arc::clone(&door)),
            secrets: secrets as Arc<dyn SecretSource>,
            ..with_limits(limits)
        };
        let component = shared().load(&package("dial", DIAL, MANIFEST), deployment).unwrap();
        Self { gateway, component, door, audit }
    }

    fn at(&self, path: &str) -> Value {
        json!({"url": self.gateway.url(path)})
    }

    async fn heard(&self, say: Value) -> Vec<String> {
        let arguments = json!({"url": self.gateway.url("/"), "say": say});
        let told = text(&self.component, "dial_talk", arguments).await.unwrap();
        serde_json::from_str(&told).unwrap()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_door_or_a_grant_nothing_is_opened() {
    let scene = Scene::with(Gateway::start().await, vec![], generous());
    let denied = failure(&scene.component, "dial_open", scene.at("/a")).await;
    assert!(matches!(denied, ToolFailure::Denied(_)), "{denied:?}");
    assert!(!denied.to_string().contains("GET"), "the model is told no rule: {denied}");
    let event = scene.audit.0.lock().unwrap().pop().unwrap();
    assert_eq!((event.kind.as_str(), event.verdict), ("egress.request", Verdict::Denied));
    assert_eq!(event.detail["allow"], format!("GET {} private=127.0.0.1/32", scene.gateway.url("/a")));
    let bare = shared().load(&package("dial", DIAL, MANIFEST), with_limits(generous())).unwrap();
    let report = attack(&bare, "dial_open", scene.at("/a")).await;
    assert!(matches!(report.result, Err(ToolFailure::Denied(_))), "{:?}", report.result);
    assert_eq!((report.requests, scene.gateway.connections().1), (1, 0));
}

/// What a conversation with private things in it may not say to just any site, it may not say through a connection.
#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_may_reach_only_some_addresses_opens_no_other() {
    let scene = Scene::with(Gateway::start().await, vec![], generous());
    scene.door.count_until(Some("2100-01-01T00:00:00Z".parse().unwrap()));
    let call = ToolCall { reach: Reach::Only(Arc::default()), ..call("dial_open", scene.at("/memory")) };
    let denied = scene.component.call_reported(call).await.result.unwrap_err();
    assert!(matches!(denied, ToolFailure::Denied(_)), "{denied:?}");
    let event = scene.audit.0.lock().unwrap().pop().unwrap();
    assert!(event.detail["reason"].as_str().unwrap().contains("that a person wrote"), "{event:?}");
    assert_eq!(scene.gateway.connections().1, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_go_to_and_fro() {
    let scene = Scene::new(generous()).await;
    let heard = scene.heard(json!(["one", "two", {"bytes": "three"}])).await;
    assert_eq!(heard, ["one", "two", "Ok(Some(Message::Binary([116, 104, 114, 101, 101])))"]);
    scene.gateway.until_alone().await;
    let report = scene.component.call_reported(call("dial_open", scene.at("/"))).await;
    assert_eq!((report.result.unwrap().as_text().as_str(), report.requests), ("open", 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reference_is_filled_in_at_its_place_alone() {
    let scene = Scene::new(generous()).await;
    let identify = |op: u8, more: &str| format!("{{\"op\":{op},\"d\":{{\"token\":\"{{ref}}\"{more}}}}}");
    let heard = scene
        .heard(json!([
            identify(2, ""),
            identify(1, ""),
            identify(2, ",\"copy\":\"{ref}\""),
            "{ref}",
            {"bytes": identify(2, "")},
            "{\"op\":2,\"d\":{\"token\":\"{start}",
            "{end}\"}}",
        ]))
        .await;
    assert_eq!(heard[0], "{\"op\":2,\"d\":{\"token\":\"[REDACTED:TOKEN]\"}}");
    for refused in &heard[1..5] {
        assert!(refused.contains("Error::Denied") && refused.contains("may not stand"), "{refused}");
    }
    let got = scene.gateway.heard();
    assert_eq!(got[0], format!("{{\"op\":2,\"d\":{{\"token\":\"{SECRET}\"}}}}"));
    assert_eq!(got.len(), 3, "and the two halves, in which nothing was filled in: {got:?}");
    assert!(!got[1..].concat().contains(SECRET));
    let events = serde_json::to_string(&*scene.audit.0.lock().unwrap()).unwrap();
    assert!(events.contains("egress.message") && !events.contains(SECRET), "{events}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_credential_that_is_said_back_is_in_no_byte_of_the_guests_memory() {
    let scene = Scene::new(generous()).await;
    let reversed = |text: &str| text.chars().rev().collect::<String>();
    let arguments = json!({
        "url": scene.gateway.url("/"),
        "say": ["{\"op\":2,\"d\":{\"token\":\"{ref}\"},\"mirror\":\"on the wall\"}"],
        "value_reversed": reversed(SECRET), "control_reversed": reversed("on the wall"),
    });
    let told = text(&scene.component, "dial_reflection", arguments).await.unwrap();
    let mut words = told.splitn(3, ' ');
    assert_eq!(words.next(), Some("0"), "the value is in the guest's memory: {told}");
    assert_ne!(words.next(), Some("0"), "the search finds what is there: {told}");
    assert!(words.next().unwrap().contains("[REDACTED:TOKEN]"), "{told}");
    assert!(scene.gateway.heard()[0].contains(SECRET), "the server had it");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_ends_closes_what_it_opened() {
    let scene = Scene::new(generous()).await;
    assert_eq!(text(&scene.component, "dial_leave", scene.at("/")).await.as_deref(), Ok("left"));
    scene.gateway.until_alone().await;
    // By its limit.
    let limits = Limits { wall: Duration::from_millis(300), ..generous() };
    let hasty = Scene::new(limits).await;
    let ended = failure(&hasty.component, "dial_listen", hasty.at("/")).await;
    assert_eq!(ended, ToolFailure::LimitReached { limit: Limit::Time, value: 300 });
    assert_eq!(hasty.gateway.connections().1, 1);
    hasty.gateway.until_alone().await;
    // Because its turn was stopped.
    let waiting = call("dial_listen", scene.at("/"));
    let stop = waiting.cancel.clone();
    let component = Arc::clone(&scene.component);
    let waiting = tokio::spawn(async move { component.call_reported(waiting).await.result });
    while scene.gateway.connections().0 == 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    stop.cancel();
    assert_eq!(waiting.await.unwrap().err(), Some(ToolFailure::Cancelled));
    scene.gateway.until_alone().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn waiting_for_messages_holds_up_nobody_else() {
    let config = Config::new(
        Compiler::InProcess,
        Some(concat!(env!("CARGO_TARGET_TMPDIR"), "/native").into()),
        [0; 32],
    );
    let host = host(Config { guest_threads: 1, ..config });
    let scene = Scene::new(generous()).await;
    let deployment = Deployment { door: Some(Arc::clone(&scene.door)), ..with_limits(generous()) };
    let component = host.load(&package("dial", DIAL, MANIFEST), deployment).unwrap();
    let waiting: Vec<_> = (0..4)
        .map(|_| {
            let (component, call) = (Arc::clone(&component), call("dial_listen", scene.at("/")));
            tokio::spawn(async move { component.call_reported(call).await })
        })
        .collect();
    while scene.gateway.connections().0 < 4 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let neighbour = host.load(&package("echo", ECHO, ""), with_limits(generous())).unwrap();
    let echoed = text(&neighbour, "echo", json!({"text": "still here"})).await;
    assert_eq!(echoed.as_deref(), Ok("still here"));
    // A time that is over gives nothing, and that is no error.
    let arguments = json!({"url": scene.gateway.url("/"), "ms": 20});
    assert_eq!(text(&component, "dial_listen", arguments).await.as_deref(), Ok("Ok(None)"));
    component.stop();
    for one in waiting {
        let report = one.await.unwrap();
        assert_eq!(report.result.err(), Some(ToolFailure::Stopped));
        assert!(report.cpu < Duration::from_millis(500), "waiting costs nothing: {:?}", report.cpu);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_of_one_component_are_bounded() {
    let scene = Scene::new(generous()).await;
    let report = attack(&scene.component, "dial_hoard", scene.at("/")).await;
    let told = report.result.unwrap().as_text();
    assert!(told.starts_with("16 Error::Connect(\"16 connections are open"), "{told}");
    scene.gateway.until_alone().await;
    assert_eq!(text(&scene.component, "dial_open", scene.at("/")).await.as_deref(), Ok("open"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_ends_by_the_calls_limit_with_little_memory() {
    let limits = Limits { wall: Duration::from_millis(1500), memory: 8 << 20, ..generous() };
    let scene = Scene::new(limits).await;
    let report = attack(&scene.component, "dial_flood", scene.at("/greedy")).await;
    assert_eq!(report.result.err(), Some(ToolFailure::LimitReached { limit: Limit::Time, value: 1500 }));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guest_can_wait_for_a_message_among_others() {
    let scene = Scene::new(generous()).await;
    let told = text(&scene.component, "dial_ready", scene.at("/")).await;
    assert_eq!(told.as_deref(), Ok("clock message Ok(Some(Message::Text(\"hello\")))"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_close_ends_a_connection_and_a_wrong_one_does_not() {
    let scene = Scene::new(generous()).await;
    let close = async |code: u16, reason: &str| {
        let arguments = json!({"url": scene.gateway.url("/"), "code": code, "reason": reason});
        text(&scene.component, "dial_close", arguments).await.unwrap()
    };
    let closed = "Ok(()) (Err(Error::Closed), Err(Error::Closed), Err(Error::Closed))";
    assert_eq!(close(1000, "done").await, closed);
    assert_eq!(close(4999, &"x".repeat(123)).await, closed);
    for (code, reason) in [(1005, ""), (5000, ""), (1000, &*"x".repeat(124))] {
        let told = close(code, reason).await;
        assert!(told.starts_with("Err(Error::Invalid(") && told.contains("(Ok(()), "), "{told}");
    }
    scene.gateway.until_alone().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_asked_wrongly_is_told_apart() {
    let scene = Scene::new(generous()).await;
    let open = async |url: String, headers: Value| {
        let arguments = json!({"url": url, "headers": headers});
        text(&scene.component, "dial_open", arguments).await.unwrap_err().to_string()
    };
    let url = scene.gateway.url("/");
    assert!(open("nonsense".into(), json!({})).await.contains("Error::Invalid"));
    assert!(open(url.clone(), json!({"x-own": "a\r\nb: c"})).await.contains("Error::Invalid"));
    // A header of the host's own, and a reference in a header, are denied, which the model is told in the host's words.
    let scene_url = &url;
    for headers in [json!({"host": "other.test"}), json!({"x-own": "{ref}"})] {
        let arguments = json!({"url": scene_url, "headers": headers});
        let denied = text(&scene.component, "dial_open", arguments).await;
        assert!(matches!(denied, Err(ToolFailure::Denied(_))), "{denied:?}");
    }
    assert_eq!(scene.gateway.connections().1, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_grant_that_is_taken_back_ends_a_call_that_waits() {
    let scene = Scene::new(generous()).await;
    let (component, call) = (Arc::clone(&scene.component), call("dial_listen", scene.at("/")));
    let waiting = tokio::spawn(async move { component.call_reported(call).await.result });
    while scene.gateway.connections().0 == 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    scene.door.set_grants(vec![]);
    let told = waiting.await.unwrap().unwrap().as_text();
    assert!(told.contains("Error::Denied") && told.contains("taken back"), "{told}");
    scene.gateway.until_alone().await;
}
