//! Streamable HTTP: an HTTP/1 server that a slow, loud or unknown client cannot hold up, and behind its door the
//! protocol.

mod denial;
mod door;
mod gate;
mod network;
mod session;

use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::config::{Config, Limits, Ports};
use crate::handler::{Handler, Shared};
use crate::host;
use crate::server::Server;
use door::Door;
use gate::{Gate, Place};
use session::Sessions;

/// Bytes of a request's head.
const HEAD: usize = 16 * 1024;
/// Headers of a request.
const HEADERS: usize = 64;
/// How long is waited after a connection could not be accepted, such as for want of file handles.
const PAUSE: Duration = Duration::from_millis(100);
/// How long a connection may take to end whose client has nothing in work when the server stops.
const FAREWELL: Duration = Duration::from_millis(250);
/// The names of this machine.
const OWN_HOSTS: [&str; 3] = ["localhost", "127.0.0.1", "::1"];
const OWN_ORIGINS: [&str; 3] = ["http://localhost:*", "http://127.0.0.1:*", "http://[::1]:*"];

/// The protocol behind the door.
type Protocol = StreamableHttpService<Handler, Sessions>;

/// Starts to serve `listener`.
pub(crate) fn start(config: Config, ports: Ports, listener: TcpListener, address: SocketAddr) -> Server {
    let (stop, cut) = (CancellationToken::new(), CancellationToken::new());
    let tasks = TaskTracker::new();
    let shared = Shared::new(&ports, config.limits.page);
    let sessions = Arc::new(Sessions::new(&config.limits));
    let url = host::url(address, &config.hosts);
    let hosts = OWN_HOSTS.iter().map(|host| (*host).to_owned()).chain(config.hosts.iter().cloned());
    let hosts = hosts.chain(own_address(address));
    let settings = StreamableHttpServerConfig::default()
        .with_cancellation_token(stop.child_token())
        .with_max_request_body_bytes(config.limits.body)
        .with_allowed_hosts(hosts)
        .with_allowed_origins(OWN_ORIGINS)
        .enforce_origin_validation();
    let handler = move || {
        let client = door::client().ok_or_else(|| std::io::Error::other("nobody is at the door"))?;
        Ok(Handler::new(Arc::clone(&shared), client))
    };
    let protocol = Protocol::new(handler, Arc::clone(&sessions), settings);
    let limits = config.limits.clone();
    let door = Arc::new(Door::new(config, ports, protocol, sessions));
    tasks.spawn(accept(listener, door, limits, tasks.clone(), (stop.clone(), cut.clone())));
    tracing::info!(%address, "the MCP server listens");
    Server { address, url, stop, cut, tasks }
}

/// The address itself, as `Host` says it, where it is one that clients can use.
fn own_address(address: SocketAddr) -> Option<String> {
    match address.ip() {
        ip if ip.is_unspecified() => None,
        IpAddr::V4(ip) => Some(ip.to_string()),
        IpAddr::V6(ip) => Some(format!("[{ip}]")),
    }
}

async fn accept(
    listener: TcpListener,
    door: Arc<Door>,
    limits: Limits,
    tasks: TaskTracker,
    (stop, cut): (CancellationToken, CancellationToken),
) {
    let gate = Gate::new(&limits);
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "a connection of an MCP client could not be taken");
                tokio::time::sleep(PAUSE).await;
                continue;
            }
        };
        // One more than there are places is closed at once: who waits here would keep out those who come after.
        let Some(place) = gate.enter(peer.ip()).map(Arc::new) else {
            metrics::counter!("openpact_mcp_refused_total", "why" => "connections").increment(1);
            continue;
        };
        let (door, stop, held) = (Arc::clone(&door), stop.clone(), Arc::clone(&place));
        let connection = connection(stream, peer, door, limits.clone(), stop, held);
        let cut = cut.clone();
        tasks.spawn(async move {
            tokio::select! {
                () = cut.cancelled() => {}
                () = place.lost() => {}
                () = connection => {}
            }
        });
    }
}

async fn connection(
    stream: TcpStream,
    peer: SocketAddr,
    door: Arc<Door>,
    limits: Limits,
    stop: CancellationToken,
    place: Arc<Place>,
) {
    // The kernel drops a client that takes nothing of what is written to it.
    let patience = u32::try_from(limits.writing.as_millis()).unwrap_or(u32::MAX);
    if let Err(error) = rustix::net::sockopt::set_tcp_user_timeout(&stream, patience) {
        tracing::debug!(%error, "a connection has no limit on writing");
    }
    let _ = stream.set_nodelay(true);
    let held = Arc::clone(&place);
    let service = service_fn(move |request| {
        let (door, place) = (Arc::clone(&door), Arc::clone(&held));
        async move { Ok::<_, Infallible>(door.enter(peer.ip(), &place, request).await) }
    });
    let serving = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.reading)
        .max_buf_size(HEAD)
        .max_headers(HEADERS)
        .serve_connection(TokioIo::new(stream), service);
    tokio::pin!(serving);
    let ended = tokio::select! {
        ended = serving.as_mut() => ended,
        () = stop.cancelled() => {
            serving.as_mut().graceful_shutdown();
            match tokio::time::timeout(FAREWELL, serving.as_mut()).await {
                Ok(ended) => ended,
                Err(_) if place.is_busy() => serving.await,
                // Half a request is none.
                Err(_) => return,
            }
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection of an MCP client ended");
    }
}
