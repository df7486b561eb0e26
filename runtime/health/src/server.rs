//! The endpoint: a small HTTP/1 server that nobody can hold up. A connection carries one request, has to ask and read
//! quickly, and only so many are served at once (see [`Places`]).

use std::convert::Infallible;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::routing::get;
use http::Response;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use openpact_model::clock::Clock;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower_service::Service as _;

use crate::answer::{self, About};
use crate::check::{Check, Checks};
use crate::error::Error;
use crate::places::{Place, Places};
use crate::recorder::Metrics;
use crate::visitor::{Sight, sight};
use crate::watch::{Report, Watch};

/// How long a visitor may take to ask.
const ASKING: Duration = Duration::from_secs(1);
/// How long a connection may live.
const LIFE: Duration = Duration::from_secs(10);
/// Bytes of a request's head. The smallest that hyper takes is 8 KiB.
const HEAD: usize = 8 * 1024;
/// Headers of a request.
const HEADERS: usize = 32;
/// How long is waited after a connection could not be accepted, such as for want of file handles.
const PAUSE: Duration = Duration::from_millis(100);

/// Where the endpoint is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// The address; port 0 takes a free one.
    pub bind: SocketAddr,
    /// Whether it may be an address that other machines reach.
    pub public: bool,
}

/// What it works with.
pub struct Ports {
    /// How the parts are.
    pub checks: Arc<dyn Checks>,
    /// What was measured.
    pub metrics: Metrics,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// The version that runs.
    pub version: &'static str,
}

/// The endpoint while it is there.
pub struct Server {
    address: SocketAddr,
    stop: CancellationToken,
    tasks: TaskTracker,
}

/// What every request needs.
struct Shared {
    watch: Watch,
    metrics: Metrics,
    clock: Arc<dyn Clock>,
    started: Instant,
    version: &'static str,
}

impl Default for Config {
    fn default() -> Self {
        Self { bind: (Ipv4Addr::LOCALHOST, 8766).into(), public: false }
    }
}

impl Config {
    /// Starts to listen. Needs a tokio runtime with time and network.
    ///
    /// # Errors
    /// When the address is public and may not be, or cannot be listened at.
    pub async fn build(self, ports: Ports) -> Result<Server, Error> {
        if !self.public && !is_own(self.bind.ip()) {
            return Err(Error::Public(self.bind));
        }
        let bound = |source| Error::Bind { address: self.bind, source };
        let listener = TcpListener::bind(self.bind).await.map_err(bound)?;
        let address = listener.local_addr().map_err(bound)?;
        let Ports { checks, metrics, clock, version } = ports;
        let shared =
            Shared { watch: Watch::new(checks), started: clock.monotonic(), metrics, clock, version };
        let server = Server { address, stop: CancellationToken::new(), tasks: TaskTracker::new() };
        let shared = Arc::new(shared);
        let (kept, stop) = (shared.metrics.clone(), server.stop.clone());
        server.tasks.spawn(async move { stop.run_until_cancelled(kept.keep_up_for_ever()).await });
        let accepting = accept(listener, router(shared), server.tasks.clone(), server.stop.clone());
        server.tasks.spawn(accepting);
        Ok(server)
    }
}

fn is_own(address: IpAddr) -> bool {
    address.to_canonical().is_loopback()
}

impl Server {
    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Stops listening, and ends what is being answered.
    pub async fn stop(&self) {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

async fn accept(listener: TcpListener, router: Router, tasks: TaskTracker, stop: CancellationToken) {
    let places = Arc::<Places>::default();
    let accepting = async {
        loop {
            match listener.accept().await {
                Ok((stream, peer)) => {
                    let (router, stop, place) = (router.clone(), stop.clone(), places.take(peer.ip()));
                    tasks.spawn(async move {
                        let serving = timeout(LIFE, serve(stream, peer, router, &place));
                        let kept = place.is_lost().run_until_cancelled(serving);
                        let _done = stop.run_until_cancelled(kept).await;
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "the health endpoint could not take a connection");
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    };
    stop.run_until_cancelled(accepting).await;
}

async fn serve(stream: TcpStream, peer: SocketAddr, router: Router, place: &Place) {
    let Ok(local) = stream.local_addr() else { return };
    let service = service_fn(|request: http::Request<hyper::body::Incoming>| {
        place.has_asked();
        let mut router = router.clone();
        let sight = sight(local, peer, request.headers());
        async move {
            if sight == Sight::Nothing {
                return Ok(answer::misdirected());
            }
            let (mut parts, _unread) = request.into_parts();
            parts.extensions.insert(sight);
            router.call(http::Request::from_parts(parts, Body::empty())).await as Result<_, Infallible>
        }
    });
    let served = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(ASKING)
        .keep_alive(false)
        .max_buf_size(HEAD)
        .max_headers(HEADERS)
        .serve_connection(TokioIo::new(stream), service)
        .await;
    if let Err(error) = served {
        tracing::debug!(%peer, %error, "a connection to the health endpoint broke off");
    }
}

fn router(shared: Arc<Shared>) -> Router {
    Router::new()
        .route("/health", get(health))
        .route("/healthz", get(health))
        .route("/ready", get(ready))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .fallback(|| async { answer::not_found() })
        .method_not_allowed_fallback(|| async { answer::not_allowed() })
        .with_state(shared)
}

async fn health(State(shared): State<Arc<Shared>>, request: Request) -> Response<Body> {
    let report = shared.report().await;
    answer::health(sight_of(&request), &shared.about(), &report)
}

async fn ready(State(shared): State<Arc<Shared>>, request: Request) -> Response<Body> {
    let report = shared.report().await;
    answer::ready(sight_of(&request), &shared.about(), &report)
}

async fn metrics(State(shared): State<Arc<Shared>>) -> Response<Body> {
    // So that `openpact_ready` is true also where nobody asks for readiness itself.
    shared.report().await;
    let about = shared.about();
    answer::metrics(shared.metrics.render(about.version, about.uptime_seconds))
}

/// What [`serve`] judged; nothing that a request says.
fn sight_of(request: &Request) -> Sight {
    request.extensions().get().copied().unwrap_or(Sight::Nothing)
}

impl Shared {
    async fn report(&self) -> Report {
        let report = self.watch.report().await;
        self.metrics.ready(!report.iter().any(Check::blocks));
        report
    }

    fn about(&self) -> About {
        About { version: self.version, uptime_seconds: self.clock.since(self.started).as_secs() }
    }
}
