//! What the sandbox costs a client of MCP: `tools/call` over HTTP, against rmcp's own server with the same tool as a
//! native function. Both write the same to disk before and after the tool runs: the baseline records two audit events,
//! one after the other, where the router records two, and with each of them in the same commit the journal.
//!
//! `cargo bench -p openpact-mcp`, or with a number of calls: `cargo bench -p openpact-mcp -- 200`.
#![expect(clippy::unwrap_used, reason = "a bench that cannot go on has failed")]

#[path = "../tests/server/fixture.rs"]
#[expect(dead_code, reason = "the tests use more of it")]
mod fixture;
#[path = "../tests/server/shelf.rs"]
mod shelf;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::serve::ListenerExt as _;
use openpact_model::audit::{Event, Verdict};
use openpact_model::clock::{Clock as _, SystemClock};
use openpact_model::port::AuditSink as _;
use openpact_model::role::Role;
use openpact_store::Store;
use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CallToolResult, ContentBlock, ServerCapabilities, ServerConfig,
};
use rmcp::service::RequestContext;
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use rmcp::{ErrorData, RoleServer, ServerHandler};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// Clients at once, in the second part.
const CLIENTS: usize = 8;
/// Calls of each client where nothing else is said.
const CALLS: usize = 500;

/// The tool as a native function behind the same durability.
#[derive(Clone)]
struct Native(Store);

impl ServerHandler for Native {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(ServerCapabilities::builder().enable_tools().build())
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        _context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let event = |kind: &str| {
            let event = Event::new(kind, "mcp:bench", "test_add", Verdict::Allowed);
            event.with("arguments", json!(request.arguments))
        };
        self.0.record(event("tool.call.begin")).await.unwrap();
        let arguments = request.arguments.clone().unwrap_or_default();
        let sum = arguments["a"].as_i64().unwrap() + arguments["b"].as_i64().unwrap();
        self.0.record(event("tool.call")).await.unwrap();
        let mut result = CallToolResult::default();
        result.content = vec![ContentBlock::text(json!({ "sum": sum }).to_string())];
        result.structured_content = Some(json!({ "sum": sum }));
        Ok(result.into())
    }
}

#[tokio::main]
async fn main() {
    let calls = std::env::args().find_map(|argument| argument.parse().ok()).unwrap_or(CALLS);
    let world = fixture::world().await;
    let token = world.client("bench", Role::Owner, &["*"]).await;
    let ours = (world.server.address(), Arc::<str>::from(token));
    let theirs = (native(world.store.clone()).await, Arc::<str>::from("none"));
    println!(
        "{calls} calls of test_add by each client, after {} to warm up; two durable commits each",
        calls / 10 + 1
    );
    for clients in [1, CLIENTS] {
        // By turns, so that a busy moment of the machine hits both.
        let mut times = [Duration::ZERO; 2];
        for _ in 0..2 {
            for (server, time) in [&theirs, &ours].into_iter().zip(&mut times) {
                *time += run(server, clients, calls).await;
            }
        }
        let total = u32::try_from(2 * clients * calls).unwrap();
        let [native, sandboxed] = times.map(|time| time / total);
        let ratio = sandboxed.as_secs_f64() / native.as_secs_f64();
        let throughput = native.as_secs_f64() / sandboxed.as_secs_f64();
        println!("{clients} clients: native {native:?} a call, sandboxed {sandboxed:?}");
        println!(
            "    time {ratio:.2}x (aim with one client: 1.15x), throughput {throughput:.2}x (aim with 8: 0.6x)"
        );
    }
}

async fn native(store: Store) -> SocketAddr {
    let service = StreamableHttpService::new(
        move || Ok(Native(store.clone())),
        Arc::<LocalSessionManager>::default(),
        StreamableHttpServerConfig::default(),
    );
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    // As ours does; else the baseline would wait for the client's acknowledgements.
    let listener = listener.tap_io(|stream| stream.set_nodelay(true).unwrap());
    let router = axum::Router::new().nest_service("/mcp", service);
    tokio::spawn(async move { axum::serve(listener, router).await });
    address
}

async fn run((address, token): &(SocketAddr, Arc<str>), clients: usize, calls: usize) -> Duration {
    call_many(*address, Arc::clone(token), calls / 10 + 1).await;
    let start = SystemClock.monotonic();
    let running: Vec<_> =
        (0..clients).map(|_| tokio::spawn(call_many(*address, Arc::clone(token), calls))).collect();
    for one in running {
        one.await.unwrap();
    }
    SystemClock.since(start)
}

async fn call_many(address: SocketAddr, token: Arc<str>, calls: usize) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let meta = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientInfo": {"name": "bench", "version": "1"},
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    let params = json!({"name": "test_add", "arguments": {"a": 2, "b": 3}, "_meta": meta});
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}).to_string();
    let request = format!(
        "POST /mcp HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {token}\r\nContent-Type: application/json\r\n\
         Accept: application/json, text/event-stream\r\nMCP-Protocol-Version: 2026-07-28\r\nMcp-Method: tools/call\r\n\
         Mcp-Name: test_add\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut answer = Vec::new();
    for _ in 0..calls {
        stream.write_all(request.as_bytes()).await.unwrap();
        answer.clear();
        // A stream of events ends with an empty chunk.
        while !answer.ends_with(b"\r\n0\r\n\r\n") {
            assert_ne!(
                stream.read_buf(&mut answer).await.unwrap(),
                0,
                "{}",
                String::from_utf8_lossy(&answer)
            );
        }
        assert!(
            String::from_utf8_lossy(&answer).contains("\"sum\":5"),
            "{}",
            String::from_utf8_lossy(&answer)
        );
    }
}
