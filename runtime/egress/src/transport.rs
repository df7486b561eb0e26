//! Connections: our own resolver with the address guard in it, TLS, and a pool for each class of trust.

use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::future::BoxFuture;
use ipnet::IpNet;
use openpact_model::text::one_line;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;
use tower_layer::Layer;
use tower_service::Service;
use url::Url;

use crate::address::{self, Refused};
use crate::error::{Error, Phase};

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// How much of what a library says of an error is shown.
pub(crate) const SHOWN: usize = 300;
/// Connections that wait for the next request to the same host.
const IDLE_PER_HOST: usize = 8;
/// How long they wait.
const IDLE: Duration = Duration::from_secs(30);

/// Look-ups of one principal at once; further ones wait.
const LOOKUPS: usize = 4;

/// Turns names into addresses.
pub trait Lookup: Send + Sync {
    /// All addresses of `host`. It is asked from within the runtime and always waited for to its end, even where nobody
    /// wants the answer any more.
    fn lookup(&self, host: &str) -> BoxFuture<'static, io::Result<Vec<IpAddr>>>;
}

/// The system's resolver.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemLookup;

impl Lookup for SystemLookup {
    fn lookup(&self, host: &str) -> BoxFuture<'static, io::Result<Vec<IpAddr>>> {
        let host = host.to_owned();
        Box::pin(async move {
            let addresses = tokio::net::lookup_host((host.as_str(), 0)).await?;
            Ok(addresses.map(|address| address.ip()).collect())
        })
    }
}

/// A name leads to an address that was refused. Travels through the HTTP client inside its own errors.
#[derive(Debug, thiserror::Error)]
#[error("a refused address")]
pub(crate) struct ProhibitedAddress(pub(crate) Refused);

/// A name has no address.
#[derive(Debug, thiserror::Error)]
#[error("no address")]
pub(crate) struct NoAddress;

/// No connection in time.
#[derive(Debug, thiserror::Error)]
#[error("no connection within {0:?}")]
pub(crate) struct ConnectTimeout(pub(crate) Duration);

/// One principal's places in the system's resolver. A look-up there holds a thread that others need for files, and
/// cannot be called off; so its place is given back when it has really ended, not when its request was given up. What
/// waits for a place is only a future, bounded by the connect timeout.
#[derive(Clone)]
pub(crate) struct Lookups(Arc<Semaphore>);

impl Default for Lookups {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(LOOKUPS)))
    }
}

impl Lookups {
    pub(crate) async fn place(self) -> OwnedSemaphorePermit {
        self.0.acquire_owned().await.expect("this semaphore is never closed")
    }
}

pub(crate) async fn look_up(
    place: OwnedSemaphorePermit,
    lookup: Arc<dyn Lookup>,
    host: String,
) -> io::Result<Vec<IpAddr>> {
    // A task of its own goes on where this future is dropped.
    let task = tokio::spawn(async move {
        let addresses = lookup.lookup(&host).await;
        drop(place);
        addresses
    });
    task.await.map_err(io::Error::other)?
}

/// The resolver of one class of trust. The HTTP client asks it once for every new connection and connects to nothing
/// but what it gave, so there is no second look-up that could answer differently.
struct Guarded {
    lookup: Arc<dyn Lookup>,
    lookups: Lookups,
    private: Arc<[IpNet]>,
    /// The proxy's host, which the configuration names and no guard judges.
    proxy: Option<String>,
}

impl Resolve for Guarded {
    fn resolve(&self, name: Name) -> Resolving {
        let (lookup, lookups) = (self.lookup.clone(), self.lookups.clone());
        let private = self.private.clone();
        let guarded = self.proxy.as_deref() != Some(name.as_str());
        Box::pin(async move {
            let place = lookups.place().await;
            let addresses = look_up(place, lookup, name.as_str().to_owned()).await.map_err(|error| {
                tracing::debug!(%error, "look-up failed");
                NoAddress
            })?;
            if addresses.is_empty() {
                return Err(NoAddress.into());
            }
            for address in addresses.iter().filter(|_| guarded) {
                address::judge(*address, &private).map_err(ProhibitedAddress)?;
            }
            let addresses = addresses.into_iter().map(|address| SocketAddr::new(address, 0));
            Ok(Box::new(addresses) as Addrs)
        })
    }
}

tokio::task_local! {
    /// The connect timeout of the request that this task works for. The HTTP client has one for all requests only,
    /// and starts a request's connection within that request's own future.
    pub(crate) static CONNECT: Duration;
}

/// Puts [`CONNECT`] around the connector.
#[derive(Clone, Copy)]
struct Bounded {
    default: Duration,
}

impl<S> Layer<S> for Bounded {
    type Service = BoundedConnector<S>;

    fn layer(&self, inner: S) -> BoundedConnector<S> {
        BoundedConnector { inner, default: self.default }
    }
}

#[derive(Clone)]
struct BoundedConnector<S> {
    inner: S,
    default: Duration,
}

impl<S, R> Service<R> for BoundedConnector<S>
where
    S: Service<R, Error = BoxError>,
    S::Future: Send + 'static,
    S::Response: 'static,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<S::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: R) -> Self::Future {
        let limit = CONNECT.try_with(|limit| *limit).unwrap_or(self.default);
        let connection = self.inner.call(request);
        Box::pin(
            async move { tokio::time::timeout(limit, connection).await.map_err(|_| ConnectTimeout(limit))? },
        )
    }
}

/// What every client of this process shares.
#[derive(Clone)]
pub(crate) struct Transport {
    pub(crate) lookup: Arc<dyn Lookup>,
    pub(crate) tls: rustls::ClientConfig,
    pub(crate) connect: Duration,
    pub(crate) proxy: Option<Url>,
}

impl Transport {
    /// All addresses of a name, without a judgement.
    pub(crate) async fn addresses(&self, name: &str, lookups: &Lookups) -> Result<Vec<IpAddr>, ()> {
        let looking = async {
            let place = lookups.clone().place().await;
            look_up(place, self.lookup.clone(), name.to_owned()).await
        };
        let found = tokio::time::timeout(self.connect, looking).await.map_err(drop)?.map_err(drop)?;
        if found.is_empty() { Err(()) } else { Ok(found) }
    }

    /// Judges what stands behind `url` before a proxy is asked for it: the proxy looks the name up again, so this is
    /// no more than can be done from here. A name that only the proxy knows passes; a request that found no place to
    /// look its name up does not.
    pub(crate) async fn judge_behind_proxy(
        &self,
        url: &Url,
        private: &[IpNet],
        limit: Duration,
        lookups: &Lookups,
    ) -> Result<(), Error> {
        let (Some(_), Some(url::Host::Domain(name))) = (&self.proxy, url.host()) else { return Ok(()) };
        let by = Instant::now() + limit;
        let late = |_| Error::Timeout { phase: Phase::Connect, after: limit };
        let place = tokio::time::timeout_at(by, lookups.clone().place()).await.map_err(late)?;
        let looking = look_up(place, self.lookup.clone(), name.to_owned());
        let Ok(Ok(addresses)) = tokio::time::timeout_at(by, looking).await else { return Ok(()) };
        let refused = addresses.into_iter().find_map(|address| address::judge(address, private).err());
        refused.map_or(Ok(()), |refused| Err(prohibited(name.to_owned(), refused)))
    }

    /// A client with a pool of its own, for requests that may reach `private` besides public addresses.
    #[expect(clippy::disallowed_methods, reason = "this crate owns the HTTP clients")]
    pub(crate) fn client(&self, private: Arc<[IpNet]>, lookups: Lookups) -> Result<reqwest::Client, Error> {
        let proxy = self.proxy.as_ref().and_then(|proxy| proxy.host_str()).map(str::to_owned);
        let resolver = Guarded { lookup: self.lookup.clone(), lookups, private, proxy };
        let mut client = reqwest::Client::builder()
            .tls_backend_preconfigured(self.tls.clone())
            .dns_resolver(Arc::new(resolver))
            .connector_layer(Bounded { default: self.connect })
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .referer(false)
            .no_proxy()
            .pool_idle_timeout(IDLE)
            .pool_max_idle_per_host(IDLE_PER_HOST);
        let unusable = |error: reqwest::Error| {
            Error::Setup(format!("no HTTP client could be built: {}", error.without_url()))
        };
        if let Some(proxy) = &self.proxy {
            client = client.proxy(reqwest::Proxy::all(proxy.as_str()).map_err(unusable)?);
        }
        client.build().map_err(unusable)
    }
}

/// A proxy that can be used: plain HTTP to it, since what passes through is protected by itself where it must be.
pub(crate) fn check_proxy(proxy: &Url) -> Result<(), Error> {
    let plain = proxy.scheme() == "http" && proxy.has_host() && matches!(proxy.path(), "" | "/");
    if plain && proxy.username().is_empty() && proxy.password().is_none() && proxy.query().is_none() {
        return Ok(());
    }
    Err(Error::Setup(
        "egress.proxy is written http://HOST:PORT, without a user name, a password or a path".to_owned(),
    ))
}

/// TLS with the roots of Mozilla's programme and those in `extra_ca`, a PEM file.
pub(crate) fn tls(extra_ca: Option<&Path>) -> Result<rustls::ClientConfig, Error> {
    let mut roots = rustls::RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    if let Some(path) = extra_ca {
        let wrong = |why: String| Error::Setup(format!("the CA file {} {why}", path.display()));
        let certificates =
            CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
        let certificates = certificates.map_err(|error| wrong(format!("cannot be read: {error}")))?;
        if certificates.is_empty() {
            return Err(wrong("holds no certificate in PEM form".to_owned()));
        }
        for certificate in certificates {
            roots
                .add(certificate)
                .map_err(|error| wrong(format!("holds a certificate that cannot be used: {error}")))?;
        }
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| Error::Setup(format!("TLS cannot be set up: {error}")))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

/// What an error of the HTTP client was, found by what we put into it and by what TLS says.
pub(crate) fn classify(error: &reqwest::Error, host: &str) -> Error {
    let host = host.to_owned();
    let mut cause: Option<&(dyn std::error::Error + 'static)> = std::error::Error::source(error);
    let mut deepest = String::new();
    let mut io_kind = None;
    while let Some(current) = cause {
        if let Some(ConnectTimeout(after)) = current.downcast_ref() {
            return Error::Timeout { phase: Phase::Connect, after: *after };
        }
        if let Some(ProhibitedAddress(refused)) = current.downcast_ref() {
            return prohibited(host, *refused);
        }
        if current.is::<NoAddress>() {
            return Error::Dns { host };
        }
        if let Some(error) = current.downcast_ref::<rustls::Error>() {
            return Error::Tls { host, why: one_line(&error.to_string(), SHOWN) };
        }
        cause = current.source();
        if let Some(error) = current.downcast_ref::<io::Error>() {
            io_kind = Some(error.kind());
            // An `io::Error` shows the source of what it wraps, and not the thing itself.
            let inner = error.get_ref().map(|inner| inner as &(dyn std::error::Error + 'static));
            cause = inner.or(cause);
        }
        deepest = current.to_string();
    }
    if error.is_connect() {
        return Error::Connect { host, why: connect_reason(io_kind) };
    }
    let why = if deepest.is_empty() { error_kind(error) } else { &deepest };
    Error::Remote { host, why: one_line(why, SHOWN) }
}

/// A refused address with the rule that would allow it left to be named by whoever knows the request.
pub(crate) fn prohibited(host: String, refused: Refused) -> Error {
    let detail = format!("{} is a {} address", refused.address, refused.kind);
    let range = IpNet::from(refused.address).to_string();
    let admin = crate::error::Hidden { detail: Some(detail), rule: Some(range) };
    Error::Prohibited { host, admin }
}

pub(crate) fn connect_reason(kind: Option<io::ErrorKind>) -> &'static str {
    match kind {
        Some(io::ErrorKind::ConnectionRefused) => "refused",
        Some(io::ErrorKind::ConnectionReset | io::ErrorKind::UnexpectedEof) => "broken off",
        Some(io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable) => "unreachable",
        Some(io::ErrorKind::TimedOut) => "timed out",
        _ => "failed",
    }
}

fn error_kind(error: &reqwest::Error) -> &'static str {
    if error.is_body() {
        "the body could not be read"
    } else if error.is_request() {
        "the request could not be sent"
    } else {
        "unknown"
    }
}
