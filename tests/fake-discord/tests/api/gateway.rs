//! The gateway: sessions, events, what goes wrong with them.

use std::time::Duration;

use flate2::{Decompress, FlushDecompress};
use openpact_fake_discord::{Fault, GatewayFault, GatewayRule, Rule, Stage};
use serde_json::{Value, json};

use crate::place::{INTENTS, Peer, Place, SOON, TOKEN, identity};

const NO_CONTENT: u64 = INTENTS & !(1 << 15);

#[tokio::test]
async fn a_session_begins_and_hears() {
    let place = Place::new();
    place.server.heartbeat_interval(Duration::from_secs(7));
    let mut peer = Peer::open(&format!("{}/?v=10&encoding=json", place.server.gateway_url())).await;
    assert_eq!(peer.next().await["d"]["heartbeat_interval"], 7_000);
    peer.say(1, json!(null)).await;
    assert_eq!(peer.next().await["op"], 11);
    peer.say(2, identity(&format!("Bot {TOKEN}"), INTENTS)).await;
    let ready = peer.event("READY").await;
    assert_eq!((&ready["s"], &ready["d"]["application"]["id"]), (&json!(1), &json!("700")));
    let guild = peer.event("GUILD_CREATE").await;
    assert_eq!(guild["d"]["channels"][0]["name"], "general");
    assert!(place.bot.is_connected());
    let id = place.general.say(&place.alice, "hello");
    let said = peer.event("MESSAGE_CREATE").await["d"].clone();
    assert_eq!((&said["content"], &said["guild_id"]), (&json!("hello"), &json!("100")));
    place.general.edit(id, "hallo");
    assert_eq!(peer.event("MESSAGE_UPDATE").await["d"]["content"], "hallo");
    place.general.delete(id);
    assert_eq!(peer.event("MESSAGE_DELETE").await["d"]["id"], id.to_string());
    place.general.typing(&place.alice);
    assert_eq!(peer.event("TYPING_START").await["d"]["user_id"], "42");
    let thread = place.general.thread(&place.alice, None, "Aside");
    assert_eq!(peer.event("THREAD_CREATE").await["d"]["newly_created"], true);
    thread.say(&place.alice, "inside");
    place.bot.direct(&place.alice).say(&place.alice, "alone");
    loop {
        let next = peer.event("MESSAGE_CREATE").await["d"].clone();
        if next["channel_type"] == 1 {
            assert!(next.get("guild_id").is_none(), "{next}");
            break;
        }
    }
    place.server.assert_no_violations();
}

#[tokio::test]
async fn what_messages_say_is_hidden_without_the_intent() {
    let place = Place::new();
    let (mut peer, _) = Peer::ready(&place.server, NO_CONTENT).await;
    let me = place.bot.user();
    place.general.draft(&place.alice, "hidden").attachment("a.txt", "text/plain", b"x").send();
    let hidden = peer.event("MESSAGE_CREATE").await["d"].clone();
    assert_eq!((&hidden["content"], &hidden["attachments"]), (&json!(""), &json!([])));
    place.general.draft(&place.alice, "shown").mention(&me).send();
    assert_eq!(peer.event("MESSAGE_CREATE").await["d"]["content"], "<@700> shown");
    place.bot.direct(&place.alice).say(&place.alice, "alone");
    assert_eq!(peer.event("MESSAGE_CREATE").await["d"]["content"], "alone");
    let own = place.post(&json!({"content": "own"}))["id"].as_str().unwrap().parse().unwrap();
    assert_eq!(peer.event("MESSAGE_CREATE").await["d"]["content"], "own");
    place.general.draft(&place.alice, "a reply").reply_to(own).send();
    assert_eq!(peer.event("MESSAGE_CREATE").await["d"]["content"], "a reply");
    place.general.draft(&place.alice, "a quiet one").quiet_reply_to(own).send();
    assert_eq!(peer.event("MESSAGE_CREATE").await["d"]["content"], "");
    place.bot.message_content(false);
    let listed = json!(null);
    assert_eq!(place.good("GET", "/channels/200/messages", &listed)[0]["content"], "", "over HTTP too");
}

#[tokio::test]
async fn whoever_else_writes_is_told_apart() {
    let place = Place::new();
    let (mut peer, _) = Peer::ready(&place.server, INTENTS).await;
    let other = place.server.other_bot(900, "Other");
    place.general.say(&other, "beep");
    assert_eq!(peer.event("MESSAGE_CREATE").await["d"]["author"]["bot"], true);
    place.general.draft(&place.alice, "hook").webhook(5, "Hook").send();
    assert_eq!(peer.event("MESSAGE_CREATE").await["d"]["webhook_id"], "5");
    place.general.draft(&place.alice, "").system(7).send();
    assert_eq!(peer.event("MESSAGE_CREATE").await["d"]["type"], 7);
    place.general.draft(&place.alice, "").forwarded("said elsewhere").send();
    let forwarded = peer.event("MESSAGE_CREATE").await["d"].clone();
    assert_eq!(forwarded["message_snapshots"][0]["message"]["content"], "said elsewhere");
    place.good("POST", "/applications/700/commands", &json!({"name": "go", "description": "x"}));
    let id = place.general.command(&place.alice, "go", &[]);
    assert_eq!(peer.event("INTERACTION_CREATE").await["d"]["member"]["user"]["id"], "42");
    let path = format!("/interactions/{id}/{}/callback", place.server.interaction(id).token);
    place.done("POST", &path, &json!({"type": 4, "data": {"content": "psst", "flags": 64}}));
    let hidden = peer.event("MESSAGE_CREATE").await["d"].clone();
    assert!(hidden["content"] == "psst" && hidden.get("guild_id").is_none(), "{hidden}");
    place.server.assert_no_violations();
}

#[tokio::test]
async fn what_was_missed_comes_with_a_resume() {
    let place = Place::new();
    let (mut peer, ready) = Peer::ready(&place.server, INTENTS).await;
    let last = peer.event("GUILD_CREATE").await["s"].as_u64().unwrap();
    place.bot.disturb(GatewayFault::Cut);
    assert_eq!(peer.closed().await, "broken");
    place.general.say(&place.alice, "missed");
    let mut peer = Peer::resumed(&place.server, &ready, last).await;
    assert_eq!(peer.next().await["d"]["content"], "missed");
    assert_eq!(peer.next().await["t"], "RESUMED");
    place.general.say(&place.alice, "heard");
    assert_eq!(peer.event("MESSAGE_CREATE").await["d"]["content"], "heard");
    peer.leave(4_000).await;
    let mut peer = Peer::resumed(&place.server, &ready, 99).await;
    assert_eq!(peer.closed().await, 4_007);
    place.server.assert_no_violations();
}

#[tokio::test]
async fn a_farewell_ends_the_session() {
    let place = Place::new();
    let (mut peer, ready) = Peer::ready(&place.server, INTENTS).await;
    peer.leave(1_000).await;
    place.server.wait_for("the end", SOON, |world| (!world.is_connected(700)).then_some(())).await;
    let mut peer = Peer::resumed(&place.server, &ready, 1).await;
    assert_eq!(peer.next().await, json!({"op": 9, "s": null, "t": null, "d": false}));
    peer.say(2, identity(TOKEN, INTENTS)).await;
    assert_ne!(peer.event("READY").await["d"]["session_id"], ready["session_id"]);
}

#[tokio::test]
async fn every_wrong_frame_has_its_code() {
    let place = Place::new();
    let told = async |opcode: u64, data: Value| {
        let mut peer = Peer::connect(&place.server).await;
        peer.say(opcode, data).await;
        peer.closed().await
    };
    let with = |key: &str, value: Value| {
        let mut data = identity(TOKEN, INTENTS);
        data[key] = value;
        data
    };
    assert_eq!(told(77, json!(null)).await, 4_001);
    assert_eq!(told(2, json!("x")).await, 4_002);
    assert_eq!(told(2, with("properties", json!({}))).await, 4_002);
    assert_eq!(told(3, json!({})).await, 4_003);
    assert_eq!(told(2, identity("wrong", INTENTS)).await, 4_004);
    assert_eq!(told(2, with("shard", json!([3, 2]))).await, 4_010);
    assert_eq!(told(2, with("intents", json!(1_u64 << 40))).await, 4_013);
    assert_eq!(told(2, with("presence", json!("x".repeat(5_000)))).await, 4_002);
    place.bot.message_content(false);
    assert_eq!(told(2, identity(TOKEN, INTENTS)).await, 4_014);
    place.bot.message_content(true);
    let mut peer = Peer::open(&format!("{}/?v=9&encoding=json", place.server.gateway_url())).await;
    assert_eq!(peer.closed().await, 4_012);
    let mut peer = Peer::connect(&place.server).await;
    peer.text("{").await;
    assert_eq!(peer.closed().await, 4_002);
    let (mut peer, _) = Peer::ready(&place.server, INTENTS).await;
    peer.say(2, identity(TOKEN, INTENTS)).await;
    assert_eq!(peer.closed().await, 4_005);
    let (mut peer, _) = Peer::ready(&place.server, INTENTS).await;
    peer.say(1, json!(99)).await;
    assert_eq!(peer.closed().await, 4_007);
    let mut peer = Peer::connect(&place.server).await;
    for _ in 0..121 {
        peer.say(1, json!(null)).await;
    }
    assert_eq!(peer.closed().await, 4_008);
    place.server.heartbeat_interval(Duration::from_millis(20));
    assert_eq!(Peer::connect(&place.server).await.closed().await, 4_009);
}

#[tokio::test]
async fn connections_break_at_every_stage() {
    let place = Place::new();
    let cut = |stage| place.server.gateway_fault(GatewayRule::new(stage, GatewayFault::Cut).times(1));
    let url = format!("{}/?v=10&encoding=json", place.server.gateway_url());
    cut(Stage::BeforeHello);
    assert_eq!(Peer::open(&url).await.next().await["closed"], "broken");
    cut(Stage::AfterHello);
    assert_eq!(Peer::connect(&place.server).await.next().await["closed"], "broken");
    cut(Stage::Identify);
    let mut peer = Peer::connect(&place.server).await;
    peer.say(2, identity(TOKEN, INTENTS)).await;
    assert_eq!(peer.next().await["closed"], "broken");
    cut(Stage::Ready);
    let (mut peer, ready) = Peer::ready(&place.server, INTENTS).await;
    assert_eq!(peer.closed().await, "broken");
    cut(Stage::Resume);
    assert_eq!(Peer::resumed(&place.server, &ready, 1).await.closed().await, "broken");
    let mut peer = Peer::resumed(&place.server, &ready, 1).await;
    peer.event("RESUMED").await;
    cut(Stage::Heartbeat);
    peer.say(1, json!(1)).await;
    assert_eq!(peer.closed().await, "broken");
    place.server.fault(Rule::new(Fault::ServerError(503)).operation("connect_gateway").times(1));
    let stream = tokio::net::TcpStream::connect(place.server.address()).await.unwrap();
    assert!(tokio_tungstenite::client_async(&url, stream).await.is_err());
    for code in [4_000, 4_004, 4_011, 4_014] {
        let (mut peer, _) = Peer::ready(&place.server, INTENTS).await;
        place.bot.disturb(GatewayFault::Close(code));
        assert_eq!(peer.closed().await, code);
    }
    place.server.assert_no_violations();
}

#[tokio::test]
async fn the_server_can_be_trying() {
    let place = Place::new();
    let (mut peer, _) = Peer::ready(&place.server, INTENTS).await;
    peer.event("GUILD_CREATE").await;
    place.bot.disturb(GatewayFault::AskHeartbeat);
    assert_eq!(peer.next().await["op"], 1);
    place.bot.disturb(GatewayFault::Malformed);
    assert!(peer.next().await.is_string());
    place.bot.disturb(GatewayFault::Misshapen);
    assert!(peer.next().await.is_array());
    place.bot.disturb(GatewayFault::Unknown);
    assert_eq!(peer.next().await["op"], 99);
    assert_eq!(peer.next().await["t"], "KIND_OF_TOMORROW");
    let with_event = |fault| place.server.gateway_fault(GatewayRule::event("MESSAGE_CREATE", fault).times(1));
    let say = |text: &str| place.general.say(&place.alice, text);
    with_event(GatewayFault::Duplicate);
    say("twice");
    let (one, two) = (peer.next().await, peer.next().await);
    assert_eq!((&one["d"]["content"], &one), (&json!("twice"), &two));
    with_event(GatewayFault::Swap);
    say("second");
    say("first");
    let (one, two) = (peer.next().await, peer.next().await);
    assert_eq!((&one["d"]["content"], &two["d"]["content"]), (&json!("first"), &json!("second")));
    assert!(one["s"].as_u64() > two["s"].as_u64());
    for fault in [GatewayFault::Pieces, GatewayFault::Slow(1), GatewayFault::Delay(1)] {
        with_event(fault);
        say("whole");
        assert_eq!(peer.next().await["d"]["content"], "whole");
    }
    with_event(GatewayFault::Ignore);
    say("lost");
    say("heard");
    assert_eq!(peer.next().await["d"]["content"], "heard");
    place.bot.disturb(GatewayFault::NoAcknowledgement);
    peer.say(1, json!(1)).await;
    place.bot.disturb(GatewayFault::Reconnect);
    assert_eq!(peer.next().await["op"], 7, "and no acknowledgement before it");
    assert_eq!(peer.closed().await, 1_001);
    place
        .server
        .gateway_fault(GatewayRule::new(Stage::Identify, GatewayFault::InvalidSession(false)).times(1));
    let mut peer = Peer::connect(&place.server).await;
    peer.say(2, identity(TOKEN, INTENTS)).await;
    assert_eq!((peer.next().await["op"].clone(), place.bot.is_connected()), (json!(9), false));
    place.server.assert_no_violations();
}

#[tokio::test]
async fn a_session_can_be_said_to_be_invalid() {
    let place = Place::new();
    let (mut peer, ready) = Peer::ready(&place.server, INTENTS).await;
    let last = peer.event("GUILD_CREATE").await["s"].as_u64().unwrap();
    place.bot.disturb(GatewayFault::InvalidSession(true));
    assert_eq!(peer.next().await["d"], true);
    let session = &ready["session_id"];
    peer.say(6, json!({"token": TOKEN, "session_id": session, "seq": last})).await;
    peer.event("RESUMED").await;
    let violations = place.server.violations();
    assert!(matches!(&violations[..], [one] if one.contains("elsewhere")), "{violations:?}");
    place.bot.disturb(GatewayFault::InvalidSession(false));
    assert_eq!(peer.next().await["d"], false);
    let mut peer = Peer::resumed(&place.server, &ready, last).await;
    assert_eq!(peer.next().await["op"], 9, "it is gone");
    let (mut peer, ready) = Peer::ready(&place.server, INTENTS).await;
    let last = peer.event("GUILD_CREATE").await["s"].as_u64().unwrap();
    place.bot.disturb(GatewayFault::Silence);
    place.general.say(&place.alice, "into the silence");
    let mut other = Peer::resumed(&place.server, &ready, last).await;
    assert_eq!(other.next().await["d"]["content"], "into the silence");
    other.event("RESUMED").await;
    assert_eq!(peer.closed().await, 4_000, "one connection for a session");
}

#[tokio::test]
async fn starts_are_limited_when_that_is_on() {
    let place = Place::new();
    place.server.limits(openpact_fake_discord::Limits {
        identify: Some(5_000),
        starts: Some(2),
        ..Default::default()
    });
    let start = async || {
        let mut peer = Peer::connect(&place.server).await;
        peer.say(2, identity(TOKEN, INTENTS)).await;
        peer.next().await["op"].clone()
    };
    assert_eq!((start().await, start().await), (json!(0), json!(9)));
    place.server.advance(Duration::from_secs(6));
    assert_eq!(start().await, 0);
    place.server.advance(Duration::from_secs(6));
    assert_eq!(start().await, 9, "there are none left");
    let limit = &place.good("GET", "/gateway/bot", &json!(null))["session_start_limit"];
    assert_eq!(limit["remaining"], 0);
}

#[tokio::test]
async fn messages_are_compressed_when_that_is_asked_for() {
    let place = Place::new();
    let url = format!("{}/?v=10&encoding=json&compress=zlib-stream", place.server.gateway_url());
    let mut peer = Peer::open(&url).await;
    let mut decompress = Decompress::new(true);
    let mut read = |bytes: Vec<u8>| -> Value {
        assert!(bytes.ends_with(&[0, 0, 0xff, 0xff]), "each message ends with a flush");
        let mut text = Vec::with_capacity(1 << 20);
        decompress.decompress_vec(&bytes, &mut text, FlushDecompress::Sync).unwrap();
        serde_json::from_slice(&text).unwrap()
    };
    assert_eq!(read(peer.bytes().await)["op"], 10);
    peer.say(2, identity(TOKEN, INTENTS)).await;
    assert_eq!(read(peer.bytes().await)["t"], "READY");
    assert_eq!(read(peer.bytes().await)["t"], "GUILD_CREATE");
    place.general.say(&place.alice, &"long ".repeat(300));
    assert_eq!(read(peer.bytes().await)["t"], "MESSAGE_CREATE");
    peer.leave(1_000).await;
}
