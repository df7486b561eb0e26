//! What the server is built from.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use openpact_model::clock::Clock;
use openpact_orchestrator::router::Router;
use openpact_store::Store;

use crate::client::Clients;
use crate::library::Library;
use crate::server::Server;
use crate::{Error, host, http};

/// Where the server listens and what it takes.
#[derive(Debug, Clone)]
pub struct Config {
    /// The address; port 0 takes a free one.
    pub bind: SocketAddr,
    /// Whether it may be an address that other machines reach.
    pub public: bool,
    /// Names of this server that clients may use beside those of this machine, such as `mcp.example.org`: what `Host`
    /// may say. At least one where `bind` is every address of the machine.
    pub hosts: Vec<String>,
    /// What a stranger can cost.
    pub limits: Limits,
}

/// What is taken from the network.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Bytes of one request's body.
    pub body: usize,
    /// Time in which a request's head, and then its body, has to be there.
    pub reading: Duration,
    /// Time in which a client has to take what is written to it.
    pub writing: Duration,
    /// Connections at once. For one more, the oldest that has shown no good token is closed, or else itself.
    pub connections: usize,
    /// Connections from one network that have shown no good token. For one more, the oldest of them is closed.
    pub strangers: usize,
    /// Time in which a connection has to show a good token.
    pub greeting: Duration,
    /// Requests of one client at once, open streams included.
    pub requests: usize,
    /// Sessions at once, over all clients.
    pub sessions: usize,
    /// Sessions of one client at once.
    pub sessions_of_one: usize,
    /// Time after which a session that is not used ends.
    pub idle: Duration,
    /// Tools, resources or prompts in one page of a list.
    pub page: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            bind: (Ipv4Addr::LOCALHOST, 8765).into(),
            public: false,
            hosts: Vec::new(),
            limits: Limits::default(),
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body: 4 << 20,
            reading: Duration::from_secs(10),
            writing: Duration::from_secs(30),
            connections: 256,
            strangers: 32,
            greeting: Duration::from_secs(3),
            requests: 64,
            sessions: 1024,
            sessions_of_one: 64,
            idle: Duration::from_mins(30),
            page: 100,
        }
    }
}

/// What the server works with.
pub struct Ports {
    /// Where calls go.
    pub router: Arc<Router>,
    /// Who may connect.
    pub clients: Arc<Clients>,
    /// What can be read beside tools.
    pub library: Arc<dyn Library>,
    /// The audit log.
    pub store: Store,
    /// The time.
    pub clock: Arc<dyn Clock>,
}

impl Config {
    /// Starts to listen. Needs a tokio runtime with time and network.
    ///
    /// # Errors
    /// When the address is public and may not be, a host is none, or the address cannot be listened at.
    pub async fn build(self, ports: Ports) -> Result<Server, Error> {
        if !self.public && !self.bind.ip().to_canonical().is_loopback() {
            return Err(Error::Public(self.bind));
        }
        if self.bind.ip().is_unspecified() && self.hosts.is_empty() {
            return Err(Error::Nameless(self.bind));
        }
        self.hosts.iter().try_for_each(|entry| host::check(entry))?;
        let bound = |source| Error::Bind { address: self.bind, source };
        let listener = tokio::net::TcpListener::bind(self.bind).await.map_err(bound)?;
        let address = listener.local_addr().map_err(bound)?;
        Ok(http::start(self, ports, listener, address))
    }
}
