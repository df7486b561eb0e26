//! The connection under a WebSocket: looked up once, judged, connected to a judged address, through the configured
//! proxy where there is one, with TLS where the scheme asks for it.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use ipnet::IpNet;
use openpact_model::text::one_line;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio_rustls::TlsConnector;
use url::{Host, Url};

use crate::address;
use crate::error::{Error, Phase};
use crate::transport::{Lookups, SHOWN, Transport, connect_reason, look_up, prohibited};

/// The longest head of a proxy's answer in bytes.
const MAX_PROXY_HEAD: usize = 8 * 1024;

/// Bytes in both directions.
pub(super) trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}

/// An open connection.
pub(super) struct Dialled {
    pub(super) stream: Box<dyn Duplex>,
    /// Whom it is with.
    pub(super) peer: SocketAddr,
    /// Whether that is the proxy.
    pub(super) proxied: bool,
}

impl Transport {
    /// Connects to the host of `url` by `deadline`.
    pub(super) async fn dial(
        &self,
        url: &Url,
        private: &[IpNet],
        lookups: &Lookups,
        deadline: Instant,
    ) -> Result<Dialled, Error> {
        let port = url.port_or_known_default().unwrap_or_default();
        let (stream, proxied) = match &self.proxy {
            None => {
                let addresses = self.resolve(url, Some(private), lookups).await?;
                (connect(url, &addresses, port, deadline).await?, false)
            }
            Some(proxy) => {
                let addresses = self.resolve(proxy, None, lookups).await?;
                let own_port = proxy.port_or_known_default().unwrap_or_default();
                let mut stream = connect(proxy, &addresses, own_port, deadline).await?;
                tunnel(&mut stream, url, port).await?;
                (stream, true)
            }
        };
        let peer = stream.peer_addr().map_err(|error| failed(url, &error))?;
        // Messages are short and wait for nothing.
        stream.set_nodelay(true).map_err(|error| failed(url, &error))?;
        let stream: Box<dyn Duplex> = match url.scheme() {
            "wss" => Box::new(self.secure(stream, url).await?),
            _ => Box::new(stream),
        };
        Ok(Dialled { stream, peer, proxied })
    }

    /// All addresses of the host of `url`, none of which may be a refused one; `private` is `None` for the proxy, which
    /// the configuration names and no guard judges.
    async fn resolve(
        &self,
        url: &Url,
        private: Option<&[IpNet]>,
        lookups: &Lookups,
    ) -> Result<Vec<IpAddr>, Error> {
        let addresses = match url.host() {
            Some(Host::Ipv4(address)) => vec![IpAddr::V4(address)],
            Some(Host::Ipv6(address)) => vec![IpAddr::V6(address)],
            Some(Host::Domain(name)) => {
                let place = lookups.clone().place().await;
                look_up(place, self.lookup.clone(), name.to_owned()).await.unwrap_or_else(|error| {
                    tracing::debug!(%error, "look-up failed");
                    Vec::new()
                })
            }
            None => Vec::new(),
        };
        if addresses.is_empty() {
            return Err(Error::Dns { host: host(url) });
        }
        for address in private.iter().flat_map(|private| addresses.iter().map(move |it| (*it, *private))) {
            address::judge(address.0, address.1).map_err(|refused| prohibited(host(url), refused))?;
        }
        Ok(addresses)
    }

    async fn secure(
        &self,
        stream: TcpStream,
        url: &Url,
    ) -> Result<tokio_rustls::client::TlsStream<TcpStream>, Error> {
        let insecure = |why: &str| Error::Tls { host: host(url), why: one_line(why, SHOWN) };
        let name = match url.host() {
            Some(Host::Ipv4(address)) => ServerName::from(IpAddr::V4(address)),
            Some(Host::Ipv6(address)) => ServerName::from(IpAddr::V6(address)),
            Some(Host::Domain(name)) => ServerName::try_from(name.to_owned())
                .map_err(|_| insecure("that name cannot stand in a certificate"))?,
            None => return Err(Error::Dns { host: host(url) }),
        };
        let mut config = self.tls.clone();
        // The handshake of RFC 6455 is one of HTTP/1.1.
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        TlsConnector::from(Arc::new(config)).connect(name, stream).await.map_err(|error| {
            let tls = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
            tls.map_or_else(|| failed(url, &error), |tls| insecure(&tls.to_string()))
        })
    }
}

/// The first of the addresses that answers; each has a fair part of the time that is left.
async fn connect(url: &Url, addresses: &[IpAddr], port: u16, deadline: Instant) -> Result<TcpStream, Error> {
    let mut last = Error::Dns { host: host(url) };
    for (tried, address) in addresses.iter().enumerate() {
        let left = deadline.saturating_duration_since(Instant::now());
        let share = left / u32::try_from(addresses.len() - tried).unwrap_or(u32::MAX);
        match tokio::time::timeout(share, TcpStream::connect((*address, port))).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => last = failed(url, &error),
            Err(_) => last = Error::Timeout { phase: Phase::Connect, after: share },
        }
    }
    Err(last)
}

/// Asks the proxy for a way through (RFC 9110, section 9.3.6).
async fn tunnel(stream: &mut TcpStream, url: &Url, port: u16) -> Result<(), Error> {
    let refused = |why: &'static str| Error::Connect { host: host(url), why };
    let target = format!("{}:{port}", host(url));
    let request = format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n\r\n");
    stream.write_all(request.as_bytes()).await.map_err(|error| failed(url, &error))?;
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        if head.len() == MAX_PROXY_HEAD {
            return Err(refused("the proxy's answer is too long"));
        }
        // Byte by byte, so that nothing of what comes behind is taken.
        head.push(stream.read_u8().await.map_err(|_| refused("the proxy broke off"))?);
    }
    let status = head.split(|byte| *byte == b' ').nth(1).unwrap_or_default();
    if head.starts_with(b"HTTP/1.") && status.len() == 3 && status.starts_with(b"2") {
        return Ok(());
    }
    Err(refused("the proxy refused it"))
}

fn host(url: &Url) -> String {
    url.host_str().unwrap_or_default().to_owned()
}

fn failed(url: &Url, error: &io::Error) -> Error {
    Error::Connect { host: host(url), why: connect_reason(Some(error.kind())) }
}
