//! The program: everything built out of the configuration, and the answers to what the command line asks.
//!
//! The store is opened first, and is all that most requests need. The rest (the network's door, the sandbox, the
//! components, the router, the engine) is built when the first thing asks for it, once.

mod adapter;
mod asserting;
mod audit;
mod call;
mod component;
mod consent;
mod count;
mod deployment;
mod egress;
mod engine;
mod fetch;
mod given;
mod grant;
mod health;
mod lifecycle;
mod mcp;
mod measure;
mod mount;
mod native;
mod offer;
mod parts;
mod provider;
mod publisher;
mod redact;
mod reload;
mod revocation;
mod secret;
mod service;
mod setting;
mod status;
mod unsigned;
mod user;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock, PoisonError, RwLock};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use openpact_lifecycle::{self as catalog, Catalog};
use openpact_model::audit::{Event, Verdict};
use openpact_model::clock::{Clock, SystemClock};
use openpact_model::id::ComponentName;
use openpact_model::port::AuditSink as _;
use openpact_model::random::{Random, SystemRandom};
use openpact_orchestrator::people::People;
use openpact_store as store;
use store::{DataDirectory, Store};
use tokio::net::UnixStream;
use tokio::sync::OnceCell;
use tokio_util::sync::CancellationToken;

use crate::config::Config;
use crate::control::server::Handler;
use crate::control::{Reply, Request, Response, Serving};
use crate::exit::{Code, Failure, chain};
use crate::log;

pub(crate) use call::owner;
pub(crate) use component::provider_names;
pub(crate) use parts::Parts;
pub(crate) use publisher::trust;
pub(crate) use secret::read_secret;

/// What turns a fresh install into one that talks.
pub(crate) const HOW_TO_CONFIGURE: &str = "\
to talk to a model, store its key: openpact secret set OPENAI_API_KEY
and write into secure/config.yaml in the data directory (any OpenAI-compatible
service will do; 'openpact config example' shows everything):
  engine:
    base_url: https://api.openai.com/v1
    model: NAME-OF-THE-MODEL
    key: OPENAI_API_KEY";

/// What the program is made from.
pub(crate) struct Settings {
    /// The configuration.
    pub(crate) config: Config,
    /// Where it came from.
    pub(crate) config_file: PathBuf,
    /// The data directory.
    pub(crate) data: PathBuf,
}

/// The program while it owns its data directory.
pub(crate) struct App {
    /// What holds now; see [`App::config`].
    config: RwLock<Arc<Config>>,
    config_file: PathBuf,
    directory: DataDirectory,
    store: Store,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    parts: OnceCell<Parts>,
    people: OnceCell<Arc<People>>,
    /// Who may connect by MCP.
    mcp_clients: OnceCell<Arc<openpact_mcp::Clients>>,
    /// Where they connect, in the service.
    mcp: OnceLock<mcp::Endpoint>,
    /// The components that an admin installed.
    catalog: Catalog,
    /// Stands for the signatures of components that have none.
    vouching: unsigned::Vouching,
    /// What the admin gave components beside their grants.
    given: RwLock<BTreeMap<ComponentName, crate::config::components::Component>>,
    /// Held while components change; taken before `grants_changing`.
    components_changing: tokio::sync::Mutex<()>,
    /// Held while grants change, from the store to the door.
    grants_changing: tokio::sync::Mutex<()>,
    /// Held while providers are told what to do.
    providers_changing: tokio::sync::Mutex<()>,
    /// What this process serves and since when, unless it is here for one command.
    serving: OnceLock<(Serving, Instant)>,
    /// What only the service has.
    service: OnceLock<service::Service>,
    /// Where probes ask, in the service.
    health: OnceLock<health::Endpoint>,
}

/// Why the data directory could not be had.
pub(crate) enum Unavailable {
    /// Another process owns it.
    Held {
        /// Its number, where it is known.
        process: Option<u32>,
        /// The whole sentence.
        message: String,
    },
    /// It cannot be used.
    Broken(Failure),
}

impl App {
    /// Takes the data directory over and opens the store.
    ///
    /// # Errors
    /// When another process owns the directory, or it cannot be used.
    pub(crate) async fn open(settings: Settings) -> Result<Self, Unavailable> {
        let Settings { config, config_file, data } = settings;
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let random: Arc<dyn Random> = Arc::new(SystemRandom);
        let ports = (Arc::clone(&clock), Arc::clone(&random));
        let opened = tokio::task::spawn_blocking(move || {
            let directory = DataDirectory::acquire(&data)?;
            let store = Store::open(&directory, ports.0, ports.1)?;
            Ok((directory, store))
        });
        let (directory, store) =
            opened.await.expect("opening the store does not panic").map_err(unavailable)?;
        let installed = catalog::Config {
            folder: directory.secure().join("components"),
            reserved: component::embedded_names(),
            own: vec![openpact_embedded::publisher()],
        };
        let ports =
            catalog::Ports { store: store.clone(), clock: Arc::clone(&clock), random: Arc::clone(&random) };
        let catalog = installed.build(ports).await;
        let catalog = catalog.map_err(|error| Unavailable::Broken(Failure::of(Code::Failed, &error)))?;
        let app = Self {
            catalog,
            vouching: unsigned::Vouching::default(),
            given: RwLock::default(),
            components_changing: tokio::sync::Mutex::default(),
            config: RwLock::new(Arc::new(config)),
            config_file,
            directory,
            store,
            clock,
            random,
            parts: OnceCell::new(),
            people: OnceCell::new(),
            mcp_clients: OnceCell::new(),
            mcp: OnceLock::new(),
            grants_changing: tokio::sync::Mutex::default(),
            providers_changing: tokio::sync::Mutex::default(),
            serving: OnceLock::new(),
            service: OnceLock::new(),
            health: OnceLock::new(),
        };
        app.renew_given().await.map_err(Unavailable::Broken)?;
        app.import_key_file().await.map_err(Unavailable::Broken)?;
        Ok(app)
    }

    /// Everything beyond the store; built at the first call.
    ///
    /// # Errors
    /// When a part cannot be built without which nothing works. A component that is refused is not such a part.
    pub(crate) async fn parts(&self) -> Result<&Parts, Failure> {
        self.parts.get_or_try_init(|| Parts::build(self)).await
    }

    /// From now on this process serves; `status` says so.
    pub(crate) fn serve(&self, what: Serving) {
        self.serving.get_or_init(|| (what, self.clock.monotonic()));
    }

    /// Whether this process serves, rather than being here for one command.
    fn is_serving(&self) -> bool {
        self.serving.get().is_some()
    }

    /// Whether it is `openpact start` that runs here, or begins to.
    fn is_service(&self) -> bool {
        matches!(self.serving.get(), Some((Serving::Start, _)))
    }

    /// The folder of the control socket.
    pub(crate) fn secure(&self) -> PathBuf {
        self.directory.secure()
    }

    /// The data directory.
    pub(crate) fn root(&self) -> &Path {
        self.directory.root()
    }

    /// How long a stop waits for what runs.
    pub(crate) fn patience(&self) -> Duration {
        self.config().limits.shutdown.0
    }

    /// The configuration that holds now.
    pub(crate) fn config(&self) -> Arc<Config> {
        Arc::clone(&self.config.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Finishes what runs, within the time that the configuration gives, and closes the store within `closing`.
    pub(crate) async fn close(&self, closing: Duration) {
        if let Some(parts) = self.parts.get() {
            parts.shutdown(self.patience()).await;
        }
        match tokio::time::timeout(closing, self.store.close()).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(error = %chain(&error), "the store did not close cleanly"),
            Err(_) => tracing::warn!("the store took too long to close; nothing that was stored is lost"),
        }
    }

    /// Takes the secrets of the store out of every line of the log.
    pub(crate) fn protect(&self, log: &log::Handle) {
        log.redact_with(redact::lines(self.store.secrets()));
    }

    /// Records what an admin did.
    async fn audit(&self, event: Event) -> Result<(), Failure> {
        self.store.record(event).await.map_err(Failure::failed)
    }

    async fn answer(&self, request: Request) -> Response {
        match request {
            Request::Status => self.status().await.map(|status| Reply::Status(Box::new(status))),
            Request::Components => self.components().await.map(Reply::Components),
            Request::Providers => self.providers().await.map(Reply::Providers),
            Request::ProviderStart { name } => self.start_provider(&name).await,
            Request::ProviderStop { name } => self.stop_provider(&name).await,
            Request::ProviderRestart { name } => self.restart_provider(&name).await,
            Request::Call { component, tool, arguments } => {
                self.call(&component, &tool, &arguments).await.map(Reply::Called)
            }
            Request::Users => self.users().await.map(Reply::Users),
            Request::UserAccept { code, role, name } => self.accept_user(&code, role, name.as_deref()).await,
            Request::UserDeny { code } => self.deny_user(&code).await,
            Request::UserRemove { who } => self.remove_user(&who).await,
            Request::McpClients => self.list_mcp_clients().await,
            Request::McpClientAdd { name, role, tools } => self.add_mcp_client(name, role, tools).await,
            Request::McpClientRevoke { name } => self.revoke_mcp_client(&name).await,
            // Answered by the control socket itself; nobody asks this process so.
            Request::Mcp => Ok(Reply::Stream),
            Request::Publishers => self.publishers().await.map(Reply::Publishers),
            Request::PublisherAdd { name, key, prefixes } => self.add_publisher(name, &key, prefixes).await,
            Request::PublisherRemove { name, key } => self.remove_publisher(&name, key.as_deref()).await,
            Request::PublisherRotate { statement, confirm } => {
                self.rotate_publisher(&statement, confirm.as_deref()).await
            }
            Request::PublisherSet { name, auto_update } => self.set_publisher(&name, auto_update).await,
            Request::Revocations => self.revocations().await,
            Request::RevocationAdd { what, reason } => self.revoke(&what, &reason).await,
            Request::RevocationRemove { what } => self.unrevoke(&what).await,
            Request::RevocationImport { list } => self.import_revocations(&list).await,
            Request::Lifecycle(step) => self.step(step).await,
            Request::Secrets => self.secrets().await.map(Reply::Secrets),
            Request::SecretSet { name, value, principals, hosts, kind } => {
                self.set_secret(name, value, secret::Users { principals, hosts, kind }).await
            }
            Request::SecretsRotateKey => self.rotate_key().await,
            Request::EgressLog(filter) => self.egress_log(filter).await.map(Reply::EgressLog),
            Request::EgressTest { principal, method, url } => {
                self.egress_test(principal, &method, &url).await.map(|test| Reply::EgressTest(Box::new(test)))
            }
            Request::Count { component, seconds } => self.count(&component, seconds).await,
            Request::SecretRemove { name } => self.remove_secret(&name).await,
            Request::SecretsStartOver => self.start_secrets_over().await,
            Request::Grants { principal } => self.grants(principal.as_ref()).await.map(Reply::Grants),
            Request::GrantAdd { principal, rule, secret } => self.add_grant(&principal, &rule, secret).await,
            Request::GrantRemove { id } => self.remove_grant(id).await,
            Request::Audit { kind, actor, subject, after, limit } => {
                self.audit_page(kind, actor, subject, after, limit).await.map(Reply::Audit)
            }
            Request::AuditVerify => self.audit_verify().await.map(Reply::Chain),
        }
    }
}

#[async_trait]
impl Handler for App {
    async fn handle(&self, request: Request) -> Response {
        self.answer(request).await
    }

    async fn speak(&self, stream: UnixStream, stop: CancellationToken) {
        let (reader, writer) = stream.into_split();
        if let Err(failure) = self.speak_mcp(reader, writer, stop).await {
            tracing::warn!(error = %failure, "a program on this machine was not served by MCP");
        }
    }
}

/// An event that an admin caused through the command line.
fn admin(kind: &str, subject: &impl ToString) -> Event {
    Event::new(kind, "admin", subject.to_string(), Verdict::Allowed)
}

/// The answer to a change.
fn done(message: impl Into<String>) -> Reply {
    Reply::Done { message: message.into(), warning: None }
}

fn unavailable(error: store::Error) -> Unavailable {
    match error {
        store::Error::Held { pid, .. } => Unavailable::Held { process: pid, message: error.to_string() },
        other => Unavailable::Broken(Failure::of(Code::Failed, &other)),
    }
}
