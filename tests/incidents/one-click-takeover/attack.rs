//! The owner opens a page of somebody else, and the page talks to the assistant on the same machine: with the browser's
//! Origin, with a name of its own that resolves to this machine, with a simple request that needs no leave, with a
//! WebSocket, and with a token that a link carried.

use std::net::SocketAddr;

use serde_json::json;

use crate::install::stage::Place;
use crate::wire::{Call, get, modern, post, session};

#[tokio::test]
async fn a_page_of_somebody_else_runs_no_tool() {
    let place = Place::new();
    place.configure("health: {enabled: false}\nmcp: {bind: '127.0.0.1:0'}\n");
    let _service = place.serve();
    let client = place.json(&["mcp", "client", "add", "editor", "--role", "owner", "--tools", "*"]);
    let (url, token) = (client["url"].as_str().unwrap(), client["token"].as_str().unwrap());
    let address: SocketAddr =
        url.strip_prefix("http://").unwrap().strip_suffix("/mcp").unwrap().parse().unwrap();
    let write =
        json!({"name": "workspace_write", "arguments": {"path": "owned", "content": "by a web page"}});
    let message = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": write});
    let good = modern(token, "tools/call", write.clone());
    let bare = || good.clone().without("Authorization");
    let page = |call: Call| call.with("Origin", "https://evil.example");
    let simple = post(token, &message).without("Authorization").without("Content-Type");
    let socket =
        get(token, &session(address, token).await).with("Connection", "Upgrade").with("Upgrade", "websocket");
    let socket =
        socket.with("Sec-WebSocket-Version", "13").with("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==");
    let attempts = [
        ("no token", bare()),
        ("a token in the URL", bare().at(&format!("/mcp?token={token}"))),
        ("a token in the path", bare().at(&format!("/mcp/{token}"))),
        ("a token in a cookie", bare().with("Cookie", &format!("token={token}"))),
        ("a simple request of a page", page(simple.with("Content-Type", "text/plain"))),
        ("a form of a page", page(bare().without("Content-Type").with("Content-Type", "text/plain"))),
        ("a page, with a token", page(good.clone())),
        ("a page without an origin", good.clone().with("Origin", "null")),
        ("a name like this machine's", good.clone().with("Origin", "http://localhost.evil.example")),
        ("a rebound name", good.clone().with("Host", "evil.example")),
        (
            "a rebound name, with a port",
            good.clone().with("Host", &format!("evil.example:{}", address.port())),
        ),
        ("a WebSocket of a page", page(socket.clone().without("Authorization"))),
        ("a WebSocket of a page, with a token and a session", page(socket)),
    ];
    let (mut without_token, mut elsewhere) = (0, 0);
    for (what, attempt) in attempts {
        let answer = attempt.send(address).await;
        assert!(matches!(answer.status, 400 | 401 | 403), "{what}: {answer:?}");
        without_token += usize::from(answer.status == 401);
        elsewhere += usize::from(answer.status == 403);
        assert_eq!(answer.header("access-control-allow-origin"), None, "{what}");
        assert!(!answer.body.contains(token), "{what}");
    }
    let owned = place.data().join("ai-data/workspace/owned");
    assert!(!owned.exists());
    assert!(place.records("tool.call").is_empty());
    // The very same message of the program that has the token.
    let answer = good.send(address).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(std::fs::read_to_string(owned).unwrap(), "by a web page");
    let calls = place.records("tool.call");
    assert_eq!((calls.len(), &calls[0]["actor"]), (1, &"mcp:editor".into()));
    let denied = place.records("mcp.client.denied");
    let with = |actor: &str| denied.iter().filter(|record| record["actor"] == actor).count();
    assert!(without_token > 5 && elsewhere > 4, "{without_token} {elsewhere}");
    assert_eq!((with("unknown"), with("mcp:editor")), (without_token, elsewhere), "{denied:?}");
    assert!(!json!(denied).to_string().contains(token), "a token that was tried is written down nowhere");
    place.good(&["audit", "verify"]);
}
