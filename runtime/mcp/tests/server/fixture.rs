//! A server with everything behind it, and the clients that it knows.

use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::Duration;

use openpact_host::{
    Compiler, Config as HostConfig, Deployment, Host, Limits as CallLimits, Ports as HostPorts,
};
use openpact_mcp::library::Library;
use openpact_mcp::{Clients, Config, Limits, Ports, Request, Server};
use openpact_model::clock::{Clock, SystemClock};
use openpact_model::port::{KeyValue, ToolProvider};
use openpact_model::random::{Random, SystemRandom};
use openpact_model::role::Role;
use openpact_orchestrator::router::{self, Rate, Rates, Router};
use openpact_packages::key::SecretKey;
use openpact_packages::{Publisher, Trust, Verified, pack, sign, verify};
use openpact_store::audit::{Entry, Filter};
use openpact_store::{DataDirectory, Store};
use openpact_test_guests::CONFORMANCE;
use serde_json::json;
use tempfile::TempDir;

use crate::shelf::Shelf;

/// The package is made once: making keys takes time.
static PACKAGE: LazyLock<Mutex<Option<Arc<Verified>>>> = LazyLock::new(Mutex::default);

/// A server and what is behind it.
pub(crate) struct World {
    pub(crate) server: Server,
    pub(crate) clients: Arc<Clients>,
    pub(crate) router: Arc<Router>,
    pub(crate) store: Store,
    pub(crate) ports: fn(&World) -> Ports,
    pub(crate) shelf: Arc<Shelf>,
    pub(crate) provider: Arc<dyn ToolProvider>,
    _host: Host,
    _folder: TempDir,
}

/// A server with ordinary limits.
pub(crate) async fn world() -> World {
    world_with(Limits::default()).await
}

/// A server with these limits.
pub(crate) async fn world_with(limits: Limits) -> World {
    let folder = tempfile::tempdir().unwrap();
    let (clock, random) = (clock(), random());
    let directory = DataDirectory::acquire(&folder.path().join("data")).unwrap();
    let store = Store::open(&directory, Arc::clone(&clock), Arc::clone(&random)).unwrap();
    let host = host(&store);
    let limits_of_calls =
        CallLimits { wall: Duration::from_mins(5), cpu: Duration::from_mins(2), ..CallLimits::default() };
    let deployment = Deployment { limits: limits_of_calls, kv_quota: 100_000, ..Deployment::default() };
    let provider: Arc<dyn ToolProvider> = host.load(&package(&host), deployment).unwrap();
    let wide = Rate { burst: 100_000, per_minute: 100_000 };
    let config = router::Config {
        rates: Rates { user: wide, tool: wide, ..Rates::default() },
        deadline: Duration::from_mins(5),
        ..router::Config::default()
    };
    let ports = router::Ports {
        store: store.clone(),
        secrets: store.secrets(),
        clock: Arc::clone(&clock),
        random: Arc::clone(&random),
    };
    let router = config.build(ports, vec![Arc::clone(&provider)]).unwrap();
    let clients = Clients::open(store.clone(), clock, random).await.unwrap();
    let shelf = Arc::new(Shelf::default());
    let made = ports_of(&router, &clients, &shelf, &store);
    let bind = "127.0.0.1:0".parse().unwrap();
    let server = Config { bind, limits, ..Config::default() }.build(made).await.unwrap();
    let ports = |world: &World| ports_of(&world.router, &world.clients, &world.shelf, &world.store);
    World { server, clients, router, store, ports, shelf, provider, _host: host, _folder: folder }
}

fn ports_of(router: &Arc<Router>, clients: &Arc<Clients>, shelf: &Arc<Shelf>, store: &Store) -> Ports {
    Ports {
        router: Arc::clone(router),
        clients: Arc::clone(clients),
        library: Arc::clone(shelf) as Arc<dyn Library>,
        store: store.clone(),
        clock: clock(),
    }
}

fn clock() -> Arc<dyn Clock> {
    Arc::new(SystemClock)
}

fn random() -> Arc<dyn Random> {
    Arc::new(SystemRandom)
}

fn host(store: &Store) -> Host {
    let folder = concat!(env!("CARGO_TARGET_TMPDIR"), "/native");
    std::fs::create_dir_all(folder).unwrap();
    let ports = HostPorts {
        clock: clock(),
        random: random(),
        key_value: Arc::new(store.clone()) as Arc<dyn KeyValue>,
    };
    HostConfig::new(Compiler::InProcess, Some(folder.into()), [0; 32]).build(ports).unwrap()
}

fn package(host: &Host) -> Arc<Verified> {
    let mut kept = PACKAGE.lock().unwrap_or_else(PoisonError::into_inner);
    Arc::clone(kept.get_or_insert_with(|| {
        let source = "name = \"test\"\nversion = \"1.0.0\"\npublisher = \"tester\"\ndescription = \"Fixtures.\"\n\
            license = \"MIT\"\nkind = \"tool\"\n[requests]\nkv = 100000\n";
        let bytes = pack(CONFORMANCE, source, host.describe(CONFORMANCE).unwrap()).unwrap();
        let key = SecretKey::generate().unwrap();
        let signature = sign(&bytes, &key).unwrap();
        let publisher = Publisher {
            name: "tester".into(),
            keys: vec![key.public().unwrap()],
            prefixes: vec!["test".into()],
        };
        Arc::new(verify(bytes, &signature, &Trust { publishers: vec![publisher], ..Trust::default() }).unwrap())
    }))
}

impl World {
    /// Adds a client and gives its token.
    pub(crate) async fn client(&self, name: &str, role: Role, tools: &[&str]) -> String {
        let tools = tools.iter().map(|tool| (*tool).to_owned()).collect();
        let request = Request { name: name.into(), role, tools, by: "admin".into() };
        self.clients.add(request).await.unwrap().token.to_string()
    }

    /// The records of a kind.
    pub(crate) async fn audit(&self, kind: &str) -> Vec<Entry> {
        let filter = Filter { kind_prefix: Some(kind.into()), limit: 1000, ..Filter::default() };
        self.store.audit().page(filter).await.unwrap()
    }

    /// Waits until a tool call has ended so, and gives how often one has.
    pub(crate) async fn ended(&self, outcome: &str) -> usize {
        loop {
            let entries = self.audit("tool.call").await;
            let ended = entries.iter().filter(|one| one.event.detail.get("outcome") == Some(&json!(outcome)));
            let count = ended.count();
            if count > 0 {
                return count;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}
