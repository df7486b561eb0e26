//! What clients ask for, in the version with sessions and in the one without.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use openpact_mcp::{Limits, Stream};
use openpact_model::role::{Role, Sender};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio_util::sync::CancellationToken;

use crate::fixture::{World, world, world_with};
use crate::wire::{classic, delete, get, messages, modern, notice, session};

/// Asks in both versions and gives the results, which must be the same but for what only one version has.
async fn both(world: &World, token: &str, method: &str, params: Value) -> Value {
    let address = world.server.address();
    let modern = modern(token, method, params.clone()).send(address).await.message();
    let id = session(address, token).await;
    let classic = classic(token, &id, 7, method, &params).send(address).await.message();
    assert_eq!(classic["id"], 7);
    let plain = |message: &Value| {
        let mut result = message["result"].clone();
        if let Some(result) = result.as_object_mut() {
            for own in ["resultType", "ttlMs", "cacheScope", "_meta"] {
                result.remove(own);
            }
        }
        (result, message["error"]["code"].clone())
    };
    assert_eq!(plain(&modern), plain(&classic), "{method}");
    modern
}

fn names(list: &Value, kind: &str) -> Vec<String> {
    let list = list["result"][kind].as_array().unwrap().iter();
    list.map(|one| one["name"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_sees_what_its_role_and_its_list_allow() {
    let world = world().await;
    let owner = world.client("owner", Role::Owner, &["test_p*", "test_a*"]).await;
    let member = world.client("member", Role::Member, &["test_p*", "test_a*"]).await;
    let guest = world.client("guest", Role::Guest, &["*"]).await;
    let listed = |token: String| {
        let world = &world;
        async move { names(&both(world, &token, "tools/list", json!({})).await, "tools") }
    };
    assert_eq!(listed(owner).await, ["test_add", "test_audio_content", "test_private"]);
    assert_eq!(listed(member.clone()).await, ["test_add", "test_audio_content"]);
    assert!(listed(guest).await.is_empty());
    let call = json!({"name": "test_private", "arguments": {}});
    let refused = both(&world, &member, "tools/call", call).await;
    assert_eq!(refused["error"]["code"], -32602, "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_come_in_pages_and_in_order() {
    let world = world_with(Limits { page: 5, ..Limits::default() }).await;
    let token = world.client("editor", Role::Owner, &["*"]).await;
    let (mut all, mut cursor) = (Vec::new(), Value::Null);
    loop {
        let params = if cursor.is_null() { json!({}) } else { json!({"cursor": cursor}) };
        let list = both(&world, &token, "tools/list", params).await;
        let page = names(&list, "tools");
        assert!(page.len() <= 5);
        all.extend(page);
        cursor = list["result"]["nextCursor"].clone();
        if cursor.is_null() {
            break;
        }
    }
    let mut sorted = all.clone();
    sorted.sort();
    assert_eq!(all, sorted);
    assert_eq!(all.len(), world.provider.tools().len());
    let wrong = both(&world, &token, "tools/list", json!({"cursor": "nonsense"})).await;
    assert_eq!(wrong["error"]["code"], -32602);
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_are_structured_and_failures_are_results() {
    let world = world().await;
    let token = world.client("editor", Role::Owner, &["*"]).await;
    let call = |name: &str, arguments: Value| {
        let (world, token, name) = (&world, token.clone(), name.to_owned());
        async move { both(world, &token, "tools/call", json!({"name": name, "arguments": arguments})).await }
    };
    let sum = call("test_add", json!({"a": 2, "b": 3})).await;
    assert_eq!(sum["result"]["structuredContent"], json!({"sum": 5}), "{sum}");
    assert_eq!(sum["result"]["content"][0]["text"], "{\"sum\":5}");
    let own = call("test_error_handling", json!({})).await;
    assert_eq!(own["result"]["isError"], true, "{own}");
    let invalid = call("test_add", json!({"a": "two", "b": 3})).await;
    assert_eq!(invalid["result"]["isError"], true, "{invalid}");
    assert!(invalid["result"]["content"][0]["text"].as_str().unwrap().contains("/a"), "{invalid}");
    let unknown = call("test_ad", json!({})).await;
    assert_eq!(unknown["error"]["code"], -32602, "{unknown}");
    assert!(unknown["error"]["message"].as_str().unwrap().contains("test_add"), "{unknown}");
    let records = world.audit("tool.call").await;
    assert!(records.iter().all(|one| one.event.actor == "mcp:editor"), "{records:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_call_stops_the_guest_and_a_finished_one_does_not_care() {
    let world = world().await;
    let (address, token) = (world.server.address(), world.client("editor", Role::Owner, &["*"]).await);
    let id = session(address, &token).await;
    let params = json!({"name": "test_endless", "arguments": {"key": "k"}, "_meta": {"progressToken": 1}});
    let mut running = classic(&token, &id, 1, "tools/call", &params).open(address).await;
    running.until("notifications/progress").await;
    let cancel = notice(&token, &id, "notifications/cancelled", &json!({"requestId": 1, "reason": "enough"}));
    assert_eq!(cancel.send(address).await.status, 202);
    assert_eq!(world.ended("cancelled").await, 1);

    let add = json!({"name": "test_add", "arguments": {"a": 1, "b": 1}});
    let done = classic(&token, &id, 2, "tools/call", &add).send(address).await.message();
    assert_eq!(done["result"]["isError"], false);
    for finished in [1, 2, 99] {
        let cancel = notice(&token, &id, "notifications/cancelled", &json!({"requestId": finished}));
        assert_eq!(cancel.send(address).await.status, 202);
    }
    let again = classic(&token, &id, 3, "tools/call", &add).send(address).await.message();
    assert_eq!(again["result"]["isError"], false, "the session goes on");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_sessions_who_hangs_up_stops_the_guest() {
    let world = world().await;
    let (address, token) = (world.server.address(), world.client("editor", Role::Owner, &["*"]).await);
    let params = json!({"name": "test_endless", "arguments": {"key": "k"}, "_meta": {"progressToken": 1}});
    let mut running = modern(&token, "tools/call", params).open(address).await;
    running.until("notifications/progress").await;
    drop(running);
    assert_eq!(world.ended("cancelled").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn other_tools_are_announced() {
    let world = world().await;
    let (address, token) = (world.server.address(), world.client("editor", Role::Owner, &["*"]).await);
    let id = session(address, &token).await;
    let mut classic = get(&token, &id).open(address).await;
    classic.until("200 OK").await;
    let filter = json!({"notifications": {"toolsListChanged": true}});
    let mut modern_stream = modern(&token, "subscriptions/listen", filter).open(address).await;
    modern_stream.until("notifications/subscriptions/acknowledged").await;

    world.router.set_providers(Vec::new()).unwrap();

    classic.until("notifications/tools/list_changed").await;
    modern_stream.until("notifications/tools/list_changed").await;
    let list = modern(&token, "tools/list", json!({})).send(address).await.message();
    assert_eq!(list["result"]["tools"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_ready_many_times_hears_of_a_change_once() {
    let world = world().await;
    let (address, token) = (world.server.address(), world.client("editor", Role::Owner, &["*"]).await);
    let id = session(address, &token).await;
    for _ in 0..20 {
        let ready = notice(&token, &id, "notifications/initialized", &json!({}));
        assert_eq!(ready.send(address).await.status, 202);
    }
    let mut listening = get(&token, &id).open(address).await;
    listening.until("200 OK").await;
    world.router.set_providers(Vec::new()).unwrap();
    listening.until("notifications/tools/list_changed").await;
    assert_eq!(classic(&token, &id, 1, "tools/list", &json!({})).send(address).await.status, 200);
    assert!(delete(&token, &id).send(address).await.status < 300);
    assert_eq!(listening.end().await.matches("notifications/tools/list_changed").count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_resource_that_changes_is_announced_to_who_watches_it() {
    let world = world().await;
    let (address, token) = (world.server.address(), world.client("editor", Role::Owner, &["*"]).await);
    let (id, other) = (session(address, &token).await, session(address, &token).await);
    let (mut watching, mut idle) =
        (get(&token, &id).open(address).await, get(&token, &other).open(address).await);
    watching.until("200 OK").await;
    idle.until("200 OK").await;
    let watched = json!({"uri": "test://watched-resource"});
    let subscribed = classic(&token, &id, 1, "resources/subscribe", &watched).send(address).await.message();
    assert!(subscribed.get("error").is_none(), "{subscribed}");
    let filter = json!({"notifications": {"resourceSubscriptions": ["test://watched-resource"]}});
    let mut listening = modern(&token, "subscriptions/listen", filter).open(address).await;
    listening.until("notifications/subscriptions/acknowledged").await;

    // The acknowledgement is sent before the first look: what changes in that instant is not seen as a change.
    let shelf = Arc::clone(&world.shelf);
    let changing = tokio::spawn(async move {
        loop {
            shelf.revision.fetch_add(1, Ordering::Relaxed);
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    });

    watching.until("notifications/resources/updated").await;
    watching.until("test://watched-resource").await;
    listening.until("notifications/resources/updated").await;
    changing.abort();
    world.router.set_providers(Vec::new()).unwrap();
    idle.until("notifications/tools/list_changed").await;
    let seen = delete(&token, &other).send(address).await;
    assert!(seen.status < 300, "{seen:?}");
    assert!(!idle.end().await.contains("resources/updated"), "it watches nothing");
}

/// The lines of the log in a stream, by level.
fn levels(text: &str) -> Vec<String> {
    let lines = messages(text).into_iter().filter(|one| one["method"] == "notifications/message");
    lines.map(|one| one["params"]["level"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_logs_to_its_own_client_what_that_asked_for() {
    let world = world().await;
    let (address, token) = (world.server.address(), world.client("editor", Role::Owner, &["*"]).await);
    let call = json!({"name": "test_logging_tool", "arguments": {}});
    let asked = [
        (None, &[][..]),
        (Some("debug"), &["info", "warning", "error"]),
        (Some("info"), &["info", "warning", "error"]),
        (Some("notice"), &["warning", "error"]),
        (Some("error"), &["error"]),
        (Some("critical"), &[]),
    ];
    for (level, expected) in asked {
        let mut with_level = call.clone();
        if let Some(level) = level {
            with_level["_meta"] = json!({"io.modelcontextprotocol/logLevel": level});
        }
        let answer = modern(&token, "tools/call", with_level).send(address).await;
        assert_eq!(levels(&answer.body), expected, "{level:?}: {answer:?}");
    }

    let (id, other) = (session(address, &token).await, session(address, &token).await);
    let (mut own, mut others) =
        (get(&token, &id).open(address).await, get(&token, &other).open(address).await);
    own.until("200 OK").await;
    others.until("200 OK").await;
    for session in [&id, &other] {
        let level = json!({"level": if *session == id { "warning" } else { "debug" }});
        let set = classic(&token, session, 1, "logging/setLevel", &level).send(address).await.message();
        assert!(set.get("error").is_none(), "{set}");
    }
    let answer = classic(&token, &id, 2, "tools/call", &call).send(address).await;
    for session in [&id, &other] {
        assert!(delete(&token, session).send(address).await.status < 300);
    }
    let told = format!("{}\n{}", answer.body, own.end().await);
    assert_eq!(levels(&told), ["warning", "error"], "{told}");
    assert!(told.contains("test_logging_tool") && told.contains("a line at Warn"), "{told}");
    assert_eq!(levels(&others.end().await), [""; 0], "it is the call of somebody else");
}

#[tokio::test(flavor = "multi_thread")]
async fn resources_and_prompts_are_read_and_recorded() {
    let world = world().await;
    let token = world.client("editor", Role::Owner, &["*"]).await;
    let read = both(&world, &token, "resources/read", json!({"uri": "test://static-text"})).await;
    assert_eq!(read["result"]["contents"][0]["mimeType"], "text/plain", "{read}");
    assert_eq!(world.audit("mcp.resource.read").await.len(), 2);
    let address = world.server.address();
    let missing =
        modern(&token, "resources/read", json!({"uri": "test://none"})).send(address).await.message();
    assert_eq!(missing["error"]["code"], -32602, "{missing}");
    let prompt = both(&world, &token, "prompts/get", json!({"name": "test_simple_prompt"})).await;
    assert_eq!(prompt["result"]["messages"][0]["role"], "user", "{prompt}");
    assert_eq!(world.audit("mcp.prompt.get").await.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_serves_the_owner_until_it_closes() {
    let world = world().await;
    let stream = Stream::new(&(world.ports)(&world));
    let sender = Sender { provider: "terminal".into(), user: "owner".into(), display_name: "owner".into() };
    let (ours, theirs) = tokio::io::duplex(1 << 16);
    let (reader, writer) = tokio::io::split(theirs);
    let serving =
        tokio::spawn(async move { stream.serve(sender, reader, writer, CancellationToken::new()).await });
    let (reader, mut writer) = tokio::io::split(ours);
    let mut lines = BufReader::new(reader).lines();
    let hello = json!({"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}});
    let call = json!({"name": "test_private", "arguments": {}});
    for (id, method, params) in [(0, "initialize", hello), (1, "tools/call", call)] {
        let message = json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params});
        writer.write_all(format!("{message}\n").as_bytes()).await.unwrap();
        let line = lines.next_line().await.unwrap().unwrap();
        let answer = messages(&line).pop().unwrap();
        assert_eq!(answer["id"], id, "{line}");
        assert!(answer.get("error").is_none(), "{line}");
        if id == 0 {
            let ready = json!({"jsonrpc": "2.0", "method": "notifications/initialized"});
            writer.write_all(format!("{ready}\n").as_bytes()).await.unwrap();
        }
    }
    writer.shutdown().await.unwrap();
    drop((writer, lines));
    serving.await.unwrap().unwrap();
    assert!(world.audit("tool.call").await.iter().all(|one| one.event.actor == "terminal:owner"));
}
