//! Those who should not get in, and those who are in and want more.

use std::time::Duration;

use openpact_mcp::{Config, Error, Limits};
use openpact_model::role::Role;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::fixture::{world, world_with};
use crate::wire::{self, classic, delete, get, initialize, messages, modern, post, session};

const LIST: &str = "tools/list";

#[tokio::test(flavor = "multi_thread")]
async fn without_a_good_token_every_answer_is_the_same() {
    let world = world().await;
    let (address, token) = (world.server.address(), world.client("editor", Role::Owner, &["*"]).await);
    let good = modern(&token, LIST, json!({}));
    let bare = good.clone().without("Authorization");
    let mut wrong = token.clone();
    wrong.replace_range(10..11, if &token[10..11] == "A" { "B" } else { "A" });
    let attempts = [
        bare.clone(),
        bare.clone().with("Authorization", &format!("Bearer {wrong}")),
        bare.clone().with("Authorization", &format!("Basic {token}")),
        bare.clone().with("Authorization", "Bearer "),
        bare.clone().with("Authorization", &format!("Bearer {token}")).with("Authorization", "Bearer x"),
        bare.clone().at(&format!("/mcp?token={token}")),
        bare.clone().at(&format!("/mcp?access_token={token}")),
        bare.clone().with("X-Api-Key", &token),
        bare.clone().at("/"),
        bare.clone().with("Host", "evil.example"),
    ];
    let mut bodies = Vec::new();
    for attempt in attempts {
        let answer = attempt.send(address).await;
        assert_eq!(answer.status, 401, "{answer:?}");
        assert_eq!(answer.header("www-authenticate").as_deref(), Some("Bearer realm=\"openpact\""));
        assert_eq!(answer.header("access-control-allow-origin"), None);
        bodies.push(answer.body);
    }
    bodies.dedup();
    assert_eq!(bodies.len(), 1, "{bodies:?}");
    for _ in 0..5 {
        assert_eq!(bare.send(address).await.status, 429, "more attempts than a person makes");
    }
    assert_eq!(good.send(address).await.status, 200, "a good token is taken all the same");
    let records = world.audit("mcp.client.denied").await;
    assert_eq!(records.len(), 10, "each attempt but those of the flood has a record");
    let told = serde_json::to_string(&records).unwrap();
    assert!(!told.contains(&token[4..]) && !told.contains(&wrong[4..]), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn web_pages_and_rebound_names_stay_outside() {
    let world = world().await;
    let (address, token) = (world.server.address(), world.client("editor", Role::Owner, &["*"]).await);
    let call = modern(&token, LIST, json!({}));
    for origin in
        ["https://evil.example", "http://localhost.evil.example", "null", "http://127.0.0.1.evil.example:80"]
    {
        let answer = call.clone().with("Origin", origin).send(address).await;
        assert_eq!(answer.status, 403, "{origin}: {answer:?}");
        assert_eq!(answer.header("access-control-allow-origin"), None);
    }
    let denied = world.audit("mcp.client.denied").await;
    assert_eq!(denied.len(), 4, "a good token in a page of others is on record");
    assert_eq!(denied[0].event.actor, "mcp:editor");
    assert_eq!(denied[0].event.detail["origin"], "https://evil.example");
    for host in ["evil.example", "127.0.0.1.evil.example:8765", "localhost@evil.example", "0.0.0.0:80"] {
        let answer = call.clone().with("Host", host).send(address).await;
        assert!(matches!(answer.status, 400 | 403), "{host}: {answer:?}");
    }
    for origin in ["http://localhost:6274", "http://127.0.0.1:1", "http://[::1]:80"] {
        let answer = call.clone().with("Origin", origin).send(address).await;
        assert_eq!(answer.status, 200, "{origin}: {answer:?}");
    }
    let host = format!("localhost:{}", address.port());
    assert_eq!(call.with("Host", &host).send(address).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_client_is_cut_off_at_once() {
    let world = world().await;
    let (address, token) = (world.server.address(), world.client("editor", Role::Owner, &["*"]).await);
    let id = session(address, &token).await;
    let mut listening = get(&token, &id).open(address).await;
    listening.until("200 OK").await;
    let params = json!({"name": "test_endless", "arguments": {"key": "k"}, "_meta": {"progressToken": "p"}});
    let mut running = classic(&token, &id, 1, "tools/call", &params).open(address).await;
    running.until("notifications/progress").await;

    world.clients.revoke("editor", "admin").await.unwrap();

    listening.end().await;
    let seen = running.end().await;
    assert!(!seen.contains("nobody stopped it"), "{seen}");
    assert_eq!(world.ended("cancelled").await, 1);
    assert_eq!(classic(&token, &id, 2, LIST, &json!({})).send(address).await.status, 401);
    assert_eq!(modern(&token, LIST, json!({})).send(address).await.status, 401);
    assert_eq!(world.audit("mcp.client.revoke").await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_clients_session_is_no_session() {
    let world = world().await;
    let address = world.server.address();
    let (one, other) =
        (world.client("one", Role::Owner, &["*"]).await, world.client("other", Role::Owner, &["*"]).await);
    let id = session(address, &one).await;
    let stolen = classic(&other, &id, 1, LIST, &json!({})).send(address).await;
    let unknown =
        classic(&other, "00000000-0000-0000-0000-000000000000", 1, LIST, &json!({})).send(address).await;
    assert_eq!((stolen.status, &stolen.body), (404, &unknown.body));
    assert_ne!(get(&other, &id).open(address).await.end().await.split(' ').nth(1), Some("200"));
    delete(&other, &id).send(address).await;
    assert_eq!(classic(&one, &id, 1, LIST, &json!({})).send(address).await.status, 200, "it is still there");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tool_outside_of_the_list_does_not_exist() {
    let world = world().await;
    let address = world.server.address();
    let token = world.client("editor", Role::Owner, &["test_simple*"]).await;
    let list = modern(&token, LIST, json!({})).send(address).await.message();
    let names: Vec<_> =
        list["result"]["tools"].as_array().unwrap().iter().map(|tool| &tool["name"]).collect();
    assert_eq!(names, ["test_simple_text"]);
    for name in ["test_add", "test_none", "test_simple_texts", "TEST_SIMPLE_TEXT"] {
        let answer = modern(&token, "tools/call", json!({"name": name, "arguments": {}})).send(address).await;
        assert_eq!(answer.message()["error"]["code"], -32602, "{name}: {answer:?}");
    }
    let denied = world.audit("tool.call").await;
    assert_eq!(denied.len(), 4);
    assert!(denied.iter().all(|one| one.event.actor == "mcp:editor"), "{denied:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_not_use_the_memory_reads_no_resources() {
    let world = world().await;
    let (address, token) = (world.server.address(), world.client("editor", Role::Owner, &["test_*"]).await);
    let list = modern(&token, "resources/list", json!({})).send(address).await.message();
    assert_eq!(list["result"]["resources"], json!([]), "{list}");
    let read =
        modern(&token, "resources/read", json!({"uri": "test://static-text"})).send(address).await.message();
    assert_eq!(read["error"]["code"], -32602, "{read}");
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_are_bounded_from_both_sides() {
    let world = world_with(Limits { body: 2000, ..Limits::default() }).await;
    let (address, token) = (world.server.address(), world.client("editor", Role::Owner, &["*"]).await);
    let call = |length: usize| {
        let message = json!({"jsonrpc": "2.0", "id": 1, "method": "ping"}).to_string();
        post(&token, &Value::Null).saying(message.clone() + &" ".repeat(length - message.len()))
    };
    assert_eq!(call(2001).send(address).await.status, 413);
    assert_ne!(call(2000).send(address).await.status, 413);
}

#[tokio::test(flavor = "multi_thread")]
async fn batches_and_nonsense_are_refused() {
    let world = world().await;
    let (address, token) = (world.server.address(), world.client("editor", Role::Owner, &["*"]).await);
    let one = json!({"jsonrpc": "2.0", "id": 1, "method": LIST, "params": {}});
    let batch = Value::Array(vec![one.clone(); 100]).to_string();
    for body in [batch.as_str(), " [", "[]", "", "{", "null", "{\"jsonrpc\":\"1.0\"}", "\u{0}"] {
        let answer = post(&token, &Value::Null).saying(body).send(address).await;
        assert!((400..500).contains(&answer.status), "{body}: {answer:?}");
    }
    assert!(world.audit("tool.call").await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_slow_is_not_waited_for() {
    let limits = Limits { reading: Duration::from_millis(300), ..Limits::default() };
    let world = world_with(limits).await;
    let (address, token) = (world.server.address(), world.client("editor", Role::Owner, &["*"]).await);
    let mut heads = TcpStream::connect(address).await.unwrap();
    heads.write_all(b"POST /mcp HTTP/1.1\r\nHost: localhost\r\nX-Slow: ").await.unwrap();
    let mut rest = Vec::new();
    heads.read_to_end(&mut rest).await.unwrap();
    assert!(!String::from_utf8_lossy(&rest).contains("200 OK"));

    let mut bodies = TcpStream::connect(address).await.unwrap();
    let head = format!(
        "POST /mcp HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\nContent-Length: 100\r\n\
         Content-Type: application/json\r\nAccept: application/json, text/event-stream\r\n\r\n{{"
    );
    bodies.write_all(head.as_bytes()).await.unwrap();
    let mut rest = Vec::new();
    bodies.read_to_end(&mut rest).await.unwrap();
    assert!(String::from_utf8_lossy(&rest).starts_with("HTTP/1.1 408"), "{}", String::from_utf8_lossy(&rest));
    assert_eq!(modern(&token, LIST, json!({})).send(address).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_connection_more_than_there_are_places_is_closed() {
    let world = world_with(Limits { connections: 2, ..Limits::default() }).await;
    let (address, token) = (world.server.address(), world.client("editor", Role::Owner, &["*"]).await);
    let (id, other) = (session(address, &token).await, session(address, &token).await);
    let mut held = Vec::new();
    for id in [&id, &other] {
        // The places of the connections before may not be free at once.
        held.push(loop {
            let mut listening = get(&token, id).open(address).await;
            if listening.has("200 OK").await {
                break listening;
            }
        });
    }
    let refused = modern(&token, LIST, json!({})).send(address).await;
    assert_eq!(refused.status, 0, "{refused:?}");
    held.pop();
    while modern(&token, LIST, json!({})).send(address).await.status != 200 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn idle_strangers_keep_nobody_out() {
    let hour = Duration::from_hours(1);
    let limits = Limits { connections: 3, reading: hour, greeting: hour, ..Limits::default() };
    let world = world_with(limits).await;
    let (address, token) = (world.server.address(), world.client("editor", Role::Owner, &["*"]).await);
    let mut idle = Vec::new();
    for _ in 0..10 {
        idle.push(TcpStream::connect(address).await.unwrap());
    }
    assert_eq!(modern(&token, LIST, json!({})).send(address).await.status, 200);
    // The oldest is gone.
    assert_eq!(idle[0].read(&mut [0]).await.unwrap_or(0), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_shows_no_token_is_not_waited_for() {
    let limits = Limits {
        reading: Duration::from_hours(1),
        greeting: Duration::from_millis(100),
        ..Limits::default()
    };
    let world = world_with(limits).await;
    let mut idle = TcpStream::connect(world.server.address()).await.unwrap();
    let ended = tokio::time::timeout(Duration::from_mins(1), idle.read(&mut [0])).await;
    assert_eq!(ended.expect("it is closed").unwrap_or(0), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn half_a_request_does_not_hold_up_the_end() {
    let hour = Duration::from_hours(1);
    let world = world_with(Limits { reading: hour, greeting: hour, ..Limits::default() }).await;
    let (address, token) = (world.server.address(), world.client("editor", Role::Owner, &["*"]).await);
    let mut half_head = TcpStream::connect(address).await.unwrap();
    half_head.write_all(b"POST /mcp HTTP/1.1\r\nHost: localhost\r\nX-Slow: ").await.unwrap();
    let mut half_body = TcpStream::connect(address).await.unwrap();
    let head = format!(
        "POST /mcp HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\nContent-Length: 100\r\n\r\n{{"
    );
    half_body.write_all(head.as_bytes()).await.unwrap();
    assert_eq!(
        modern(&token, LIST, json!({})).send(address).await.status,
        200,
        "the others were taken before"
    );
    let stopping = tokio::time::timeout(Duration::from_mins(1), world.server.stop(hour));
    stopping.await.expect("nobody waits for strangers");
}

#[tokio::test(flavor = "multi_thread")]
async fn records_of_strangers_are_bounded_over_all_addresses() {
    let world = world().await;
    let bare = modern("none", LIST, json!({}));
    for last in 2..15 {
        let source = std::net::Ipv4Addr::new(127, 0, 0, last).into();
        for _ in 0..10 {
            assert_eq!(bare.send_from(source, world.server.address()).await.status, 401);
        }
    }
    let count = world.audit("mcp.client.denied").await.len();
    assert!((100..125).contains(&count), "{count} records of 130 attempts");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_hangs_up_holds_the_place_of_what_still_runs() {
    let world = world_with(Limits { requests: 2, ..Limits::default() }).await;
    let (address, token) = (world.server.address(), world.client("editor", Role::Owner, &["*"]).await);
    let mut id = String::new();
    for _ in 0..5 {
        id = session(address, &token).await;
    }
    let params = json!({"name": "test_endless", "arguments": {"key": "k"}, "_meta": {"progressToken": 1}});
    for number in 1..=2 {
        let mut running = classic(&token, &id, number, "tools/call", &params).open(address).await;
        running.until("notifications/progress").await;
    }
    for _ in 0..50 {
        assert_eq!(modern(&token, LIST, json!({})).send(address).await.status, 429);
    }
    assert!(delete(&token, &id).send(address).await.status < 300, "who ends something is let through");
    while modern(&token, LIST, json!({})).send(address).await.status != 200 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_are_asked_for_only_so_often() {
    let world = world().await;
    let (address, token) = (world.server.address(), world.client("editor", Role::Owner, &["*"]).await);
    for method in [LIST, "resources/list", "resources/templates/list", "prompts/list"] {
        let mut said = String::new();
        for _ in 0..2000 {
            said = modern(&token, method, json!({})).send(address).await.body;
            if said.contains("asks too often") {
                break;
            }
        }
        assert!(said.contains("asks too often"), "{method}: {said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_is_told_is_one_that_works() {
    let world = world().await;
    let token = world.client("editor", Role::Owner, &["*"]).await;
    let config = |bind: &str, hosts: &[&str]| Config {
        bind: bind.parse().unwrap(),
        public: true,
        hosts: hosts.iter().map(|host| (*host).to_owned()).collect(),
        ..Config::default()
    };
    let server = config("127.0.0.2:0", &[]).build((world.ports)(&world)).await.unwrap();
    assert_eq!(server.url(), format!("http://{}/mcp", server.address()));
    assert_eq!(modern(&token, LIST, json!({})).send(server.address()).await.status, 200);
    let nameless = config("0.0.0.0:0", &[]).build((world.ports)(&world)).await;
    assert!(matches!(nameless, Err(Error::Nameless(_))));
    let wrong = config("127.0.0.1:0", &["https://x.y/mcp"]).build((world.ports)(&world)).await;
    assert!(wrong.is_err_and(|error| error.to_string().ends_with("write 'x.y'")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_sessions_of_one_client_leave_room_for_others() {
    let world = world_with(Limits { sessions_of_one: 20, ..Limits::default() }).await;
    let address = world.server.address();
    let (greedy, other) =
        (world.client("greedy", Role::Owner, &["*"]).await, world.client("other", Role::Owner, &["*"]).await);
    let (mut opened, mut refused) = (Vec::new(), 0);
    for _ in 0..1000 {
        let answer = initialize(&greedy).send(address).await;
        match answer.status {
            200 => opened.push(answer.header("mcp-session-id").unwrap()),
            503 => refused += 1,
            _ => panic!("{answer:?}"),
        }
    }
    assert_eq!((opened.len(), refused), (20, 980));
    session(address, &other).await;
    let gone = delete(&greedy, &opened[0]).send(address).await;
    assert!((200..300).contains(&gone.status), "{gone:?}");
    session(address, &greedy).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_end_that_nobody_uses() {
    let world = world_with(Limits { idle: Duration::from_millis(100), ..Limits::default() }).await;
    let (address, token) = (world.server.address(), world.client("editor", Role::Owner, &["*"]).await);
    let id = initialize(&token).send(address).await.header("mcp-session-id").unwrap();
    // Every look is a use of its own, so the pauses grow.
    for pause in 1_u32.. {
        tokio::time::sleep(Duration::from_millis(100) * pause).await;
        if classic(&token, &id, 1, LIST, &json!({})).send(address).await.status == 404 {
            break;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn progress_goes_only_where_it_was_asked_for() {
    let world = world().await;
    let address = world.server.address();
    let (one, other) =
        (world.client("one", Role::Owner, &["*"]).await, world.client("other", Role::Owner, &["*"]).await);
    let (first, second) = (session(address, &one).await, session(address, &other).await);
    let mut listening = get(&other, &second).open(address).await;
    listening.until("200 OK").await;
    let params =
        json!({"name": "test_tool_with_progress", "arguments": {}, "_meta": {"progressToken": "same"}});
    let (a, b) =
        (classic(&one, &first, 1, "tools/call", &params), classic(&other, &second, 1, "tools/call", &params));
    let (a, b) = tokio::join!(a.send(address), b.send(address));
    for answer in [a, b] {
        let told = answer.messages().iter().filter(|one| one["method"] == "notifications/progress").count();
        assert_eq!(told, 3, "{answer:?}");
    }
    // A client may not tell progress of others' calls, or of its own.
    let forged = wire::notice(
        &other,
        &second,
        "notifications/progress",
        &json!({"progressToken": "same", "progress": 9}),
    );
    assert_eq!(forged.send(address).await.status, 202);
    world.clients.revoke("other", "admin").await.unwrap();
    let told = messages(&listening.end().await);
    assert!(told.iter().all(|one| one["method"] != "notifications/progress"), "{told:?}");
}
