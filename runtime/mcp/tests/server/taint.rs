//! A client that has read what a stranger wrote writes nothing outside any more, whatever way it comes.

use std::sync::Arc;

use async_trait::async_trait;
use openpact_mcp::{Clients, Config, Ports, Server, Stream};
use openpact_model::clock::SystemClock;
use openpact_model::id::Digest;
use openpact_model::port::ToolProvider;
use openpact_model::principal::Principal;
use openpact_model::random::SystemRandom;
use openpact_model::role::{Role, Sender};
use openpact_model::tool::{Effects, Reads, ToolCall, ToolFailure, ToolOutput, ToolSpec, Writes};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio_util::sync::CancellationToken;

use crate::fixture::{World, world};
use crate::wire::{classic, modern, session};

/// Reads what strangers write, and writes to strangers.
struct Desk;

#[async_trait]
impl ToolProvider for Desk {
    fn principal(&self) -> Principal {
        Principal::Runtime
    }

    fn digest(&self) -> Option<Digest> {
        None
    }

    fn tools(&self) -> Arc<[ToolSpec]> {
        let spec = |name: &str, reads, writes| ToolSpec {
            name: name.into(),
            title: None,
            description: "For tests.".into(),
            input_schema: json!({"type": "object"}),
            output_schema: None,
            effects: Effects { reads, writes },
        };
        Arc::new([
            spec("fetch", Reads::Untrusted, Writes::Nothing),
            spec("post", Reads::Nothing, Writes::External),
            spec("recall", Reads::Private, Writes::Nothing),
            ToolSpec {
                input_schema: json!({"type": "object", "properties": {"url": {"type": "string", "format": "uri"}}}),
                ..spec("browse", Reads::Untrusted, Writes::Nothing)
            },
        ])
    }

    async fn call(&self, _call: ToolCall) -> Result<ToolOutput, ToolFailure> {
        Ok(ToolOutput::text("done"))
    }
}

async fn desk() -> World {
    let world = world().await;
    world.router.set_providers(vec![Arc::new(Desk)]).unwrap();
    world
}

fn call(tool: &str) -> Value {
    json!({"name": tool, "arguments": {}})
}

/// Whether the answer is the tool's; else it must be that the caller is tainted.
fn is_done(answer: &Value) -> bool {
    let text = answer["result"]["content"][0]["text"].as_str().unwrap_or_default();
    let done = answer["result"]["isError"] == false && text == "done";
    assert!(done || text.contains("needs an owner's approval"), "{answer}");
    done
}

/// Calls in the version without sessions.
async fn stateless(server: &Server, token: &str, tool: &str) -> bool {
    is_done(&modern(token, "tools/call", call(tool)).send(server.address()).await.message())
}

/// Calls in a session of its own.
async fn in_a_session(server: &Server, token: &str, tool: &str) -> bool {
    let id = session(server.address(), token).await;
    is_done(&classic(token, &id, 1, "tools/call", &call(tool)).send(server.address()).await.message())
}

/// Calls as the owner, in a stream of its own.
async fn on_a_stream(world: &World, tool: &str) -> bool {
    let stream = Stream::new(&(world.ports)(world));
    let sender = Sender { provider: "terminal".into(), user: "owner".into(), display_name: "owner".into() };
    let (ours, theirs) = tokio::io::duplex(1 << 16);
    let (reader, writer) = tokio::io::split(theirs);
    let serving =
        tokio::spawn(async move { stream.serve(sender, reader, writer, CancellationToken::new()).await });
    let (reader, mut writer) = tokio::io::split(ours);
    let mut lines = BufReader::new(reader).lines();
    let hello = json!({"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}});
    let messages = [
        json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": hello}),
        json!({"jsonrpc": "2.0", "method": "notifications/initialized"}),
        json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": call(tool)}),
    ];
    let mut answer = Value::Null;
    for message in messages {
        writer.write_all(format!("{message}\n").as_bytes()).await.unwrap();
        if message.get("id").is_some() {
            answer = serde_json::from_str(&lines.next_line().await.unwrap().unwrap()).unwrap();
        }
    }
    drop((writer, lines));
    serving.await.unwrap().unwrap();
    is_done(&answer)
}

#[tokio::test(flavor = "multi_thread")]
async fn it_sticks_to_a_client_in_sessions_and_without_them() {
    let world = desk().await;
    let (one, other) =
        (world.client("one", Role::Owner, &["*"]).await, world.client("other", Role::Owner, &["*"]).await);
    let server = &world.server;
    assert!(in_a_session(server, &one, "post").await && stateless(server, &other, "post").await);
    assert!(in_a_session(server, &one, "fetch").await);
    assert!(!in_a_session(server, &one, "post").await, "in its next session");
    assert!(!stateless(server, &one, "post").await, "nor without one");
    assert!(stateless(server, &other, "post").await, "another has read nothing");
    assert!(stateless(server, &other, "fetch").await);
    assert!(!stateless(server, &other, "post").await);
    assert!(!in_a_session(server, &other, "post").await);
}

#[tokio::test(flavor = "multi_thread")]
async fn it_outlives_the_program_and_ends_with_the_client() {
    let world = desk().await;
    let token = world.client("editor", Role::Owner, &["*"]).await;
    assert!(stateless(&world.server, &token, "fetch").await);
    let clients = Clients::open(world.store.clone(), Arc::new(SystemClock), Arc::new(SystemRandom));
    let ports = Ports { clients: clients.await.unwrap(), ..(world.ports)(&world) };
    let bind = "127.0.0.1:0".parse().unwrap();
    let later = Config { bind, ..Config::default() }.build(ports).await.unwrap();
    assert!(!stateless(&later, &token, "post").await);

    world.clients.revoke("editor", "admin").await.unwrap();
    let token = world.client("editor", Role::Owner, &["*"]).await;
    assert!(stateless(&world.server, &token, "post").await, "it is a new one of this name");
}

#[tokio::test(flavor = "multi_thread")]
async fn it_sticks_to_the_owner_at_this_machine() {
    let world = desk().await;
    assert!(on_a_stream(&world, "post").await);
    assert!(on_a_stream(&world, "fetch").await);
    assert!(!on_a_stream(&world, "post").await);
}

/// Whether an address is fetched; if not, it must be because nobody wrote it.
async fn browses(server: &Server, token: &str) -> bool {
    let asked = json!({"name": "browse", "arguments": {"url": "https://any.example/?q=1"}});
    let answer = modern(token, "tools/call", asked).send(server.address()).await.message();
    let text = answer["result"]["content"][0]["text"].as_str().unwrap_or_default();
    let done = answer["result"]["isError"] == false && text == "done";
    assert!(done || text.contains("only addresses that its owner wrote in it are fetched"), "{answer}");
    done
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_read_private_things_fetches_no_address_of_its_own_choice() {
    let world = desk().await;
    let server = &world.server;
    let one = world.client("one", Role::Owner, &["*"]).await;
    assert!(browses(server, &one).await, "nothing private was read yet");
    assert!(stateless(server, &one, "recall").await);
    assert!(!browses(server, &one).await);
    // The same by another way than a tool, even where there is nothing to read.
    let other = world.client("other", Role::Owner, &["*"]).await;
    assert!(browses(server, &other).await);
    let read = json!({"uri": "memory://MEMORY.md"});
    modern(&other, "resources/read", read).send(server.address()).await.message();
    assert!(!browses(server, &other).await);
}
