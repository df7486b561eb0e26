//! The one door to the network: every byte to or from it on behalf of a component, a script, a tool or an engine
//! passes here. A grant decides where a request may go, the address guard where it may connect; credentials are put
//! in on the way out and taken out of everything that comes back.
//!
//! The audit log has `egress.request.begin` before the first byte of a request leaves (what cannot be recorded is not
//! sent), and `egress.request` when it has ended. A redirect that is followed is a request of its own. What was refused
//! before anything was sent has `egress.request` alone; a name is looked up as part of sending. A WebSocket connection
//! ([`socket`]) has `egress.request.begin` before its handshake and `egress.request` when it has ended, and a message
//! that was not let out has `egress.message`.

pub mod address;
pub mod credential;
mod decide;
mod door;
mod error;
mod exchange;
mod explain;
mod header;
mod limit;
pub mod mint;
pub mod redact;
mod request;
mod response;
pub mod rule;
mod send;
pub mod socket;
mod transport;

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::combinators::UnsyncBoxBody;
use openpact_model::clock::Clock;
use openpact_model::mint::{MintStore, Minter};
use openpact_model::port::AuditSink;
use openpact_model::principal::Principal;
use openpact_model::random::Random;
use openpact_model::secret::SecretSource;
use url::Url;

pub use door::{Door, Grant};
pub use error::{Denial, Error, Hidden, Part, Phase};
pub use explain::{Address, Credential, Explanation};
pub use header::is_forbidden as is_forbidden_header;
pub use limit::{DEFAULT_REQUEST_MAX, DEFAULT_RESPONSE_MAX, DEFAULT_TOTAL, Options};
pub use request::{Only, destination, empty, full, request};
pub use response::{FINAL_URL, FinalUrl};
pub use transport::{Lookup, SystemLookup};

use transport::Transport;

/// The body of a request or of an answer.
pub type Body = UnsyncBoxBody<Bytes, Error>;

/// How the door is built.
pub struct Config {
    /// A PEM file with further certificate authorities.
    pub extra_ca: Option<PathBuf>,
    /// The longest time to find an address, connect, and shake hands.
    pub connect: Duration,
    /// Exchanges of one principal at once; further ones wait.
    pub concurrent: usize,
    /// A proxy that every connection goes through, as `http://HOST:PORT`. Names are still looked up and judged here
    /// where they can be; which address the proxy then connects to is beyond this program.
    pub proxy: Option<Url>,
    /// What turns names into addresses; the system's resolver unless set.
    pub lookup: Option<Arc<dyn Lookup>>,
    /// How WebSocket connections are bounded.
    pub socket: socket::Config,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            extra_ca: None,
            connect: Duration::from_secs(10),
            concurrent: 32,
            proxy: None,
            lookup: None,
            socket: socket::Config::default(),
        }
    }
}

/// What the door needs from others.
#[derive(Clone)]
pub struct Ports {
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Randomness for references.
    pub random: Arc<dyn Random>,
    /// Where every request is recorded.
    pub audit: Arc<dyn AuditSink>,
    /// The secrets.
    pub secrets: Arc<dyn SecretSource>,
}

/// What all doors share.
pub(crate) struct Shared {
    pub(crate) ports: Ports,
    pub(crate) transport: Transport,
    pub(crate) concurrent: usize,
    pub(crate) socket: socket::Config,
    /// Mints credentials that rotate, once it is known where they are kept.
    pub(crate) minter: OnceLock<Arc<dyn Minter>>,
}

/// Makes doors.
#[derive(Clone)]
pub struct Egress {
    shared: Arc<Shared>,
}

impl Config {
    /// Builds it.
    ///
    /// # Errors
    /// [`Error::Setup`] where the CA file or the proxy cannot be used.
    pub fn build(self, ports: Ports) -> Result<Egress, Error> {
        if let Some(proxy) = &self.proxy {
            transport::check_proxy(proxy)?;
        }
        let tls = transport::tls(self.extra_ca.as_deref())?;
        let lookup = self.lookup.unwrap_or_else(|| Arc::new(SystemLookup));
        let transport = Transport { lookup, tls, connect: self.connect, proxy: self.proxy };
        let (concurrent, socket, minter) = (self.concurrent, self.socket, OnceLock::new());
        let shared = Shared { ports, transport, concurrent, socket, minter };
        Ok(Egress { shared: Arc::new(shared) })
    }
}

impl Egress {
    /// Whether the addresses that are checked are those that are connected to. They are not behind a proxy.
    pub fn pins_addresses(&self) -> bool {
        self.shared.transport.proxy.is_none()
    }

    /// From now on secrets that are minted are minted, and what is minted is kept in `store`. The first call counts.
    pub fn mint_with(&self, store: Arc<dyn MintStore>) {
        let Shared { ports, transport, concurrent, socket, .. } = &*self.shared;
        // What a token endpoint is asked with is placed by the host itself, so its door knows no secrets.
        let without = Shared {
            ports: Ports { secrets: Arc::new(()), ..ports.clone() },
            transport: transport.clone(),
            concurrent: *concurrent,
            socket: *socket,
            minter: OnceLock::new(),
        };
        let secrets = Arc::clone(&ports.secrets);
        let minter = || Arc::new(mint::Mint::new(Arc::new(without), secrets, store)) as Arc<dyn Minter>;
        self.shared.minter.get_or_init(minter);
    }

    /// The door of `principal`, with connections of its own.
    pub fn door(&self, principal: Principal, grants: Vec<Grant>) -> Arc<Door> {
        Arc::new(Door::new(self.shared.clone(), principal, grants))
    }
}
