//! What a door needs, for tests.

use std::collections::BTreeMap;
use std::io;
use std::net::IpAddr;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use futures::future::BoxFuture;
use http_body_util::BodyExt as _;
use openpact_egress::credential::References;
use openpact_egress::{Body, Config, Door, Egress, Error, Grant, Lookup, Options, Ports, empty, request};
use openpact_model::audit::Event;
use openpact_model::clock::SystemClock;
use openpact_model::port::{AuditSink, PortError};
use openpact_model::random::SystemRandom;
use openpact_model::secret::{SecretEntry, SecretSnapshot, SecretSource, SecretValue};

pub(crate) const PROBE: &str = "component:probe";

/// An audit log in memory.
#[derive(Default)]
pub(crate) struct Log {
    events: Mutex<Vec<Event>>,
    pub(crate) broken: std::sync::atomic::AtomicBool,
}

#[async_trait::async_trait]
impl AuditSink for Log {
    async fn record(&self, event: Event) -> Result<(), PortError> {
        if self.broken.load(std::sync::atomic::Ordering::SeqCst) {
            return Err(PortError::message("the disk is full"));
        }
        self.events.lock().unwrap().push(event);
        Ok(())
    }
}

impl Log {
    pub(crate) fn events(&self) -> Vec<Event> {
        self.events.lock().unwrap().clone()
    }

    /// The records of requests that have ended.
    pub(crate) fn ended(&self) -> Vec<Event> {
        self.events().into_iter().filter(|event| event.kind == "egress.request").collect()
    }

    pub(crate) fn last(&self) -> Event {
        self.events().pop().expect("an event was recorded")
    }
}

/// Secrets that a test sets.
#[derive(Default)]
pub(crate) struct Vault(Mutex<Arc<SecretSnapshot>>);

impl SecretSource for Vault {
    fn snapshot(&self) -> Arc<SecretSnapshot> {
        self.0.lock().unwrap().clone()
    }
}

impl Vault {
    pub(crate) fn set(&self, name: &str, value: &str, principals: &[&str]) {
        let principals = principals.iter().map(|text| text.parse().unwrap()).collect();
        self.put(name, SecretEntry::new(SecretValue::new(value.to_owned()), principals));
    }

    pub(crate) fn put(&self, name: &str, entry: SecretEntry) {
        let mut current = self.0.lock().unwrap();
        let mut entries: BTreeMap<_, _> = current.entries.clone();
        entries.insert(name.parse().unwrap(), entry);
        *current = Arc::new(SecretSnapshot { generation: current.generation + 1, entries });
    }
}

type Answer = Box<dyn Fn(usize, &str) -> Vec<IpAddr> + Send + Sync>;

/// Names that a test invents. The closure is told how many look-ups went before.
pub(crate) struct Names {
    answer: Answer,
    asked: Mutex<Vec<String>>,
}

impl Names {
    pub(crate) fn new(answer: impl Fn(usize, &str) -> Vec<IpAddr> + Send + Sync + 'static) -> Arc<Self> {
        Arc::new(Self { answer: Box::new(answer), asked: Mutex::default() })
    }

    pub(crate) fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

impl Lookup for Names {
    fn lookup(&self, host: &str) -> BoxFuture<'static, io::Result<Vec<IpAddr>>> {
        let mut asked = self.asked.lock().unwrap();
        let answer = (self.answer)(asked.len(), host);
        asked.push(host.to_owned());
        Box::pin(async move { Ok(answer) })
    }
}

pub(crate) struct World {
    pub(crate) egress: Egress,
    pub(crate) log: Arc<Log>,
    pub(crate) vault: Arc<Vault>,
}

impl World {
    /// Every name is at 127.0.0.1.
    pub(crate) fn new() -> Self {
        Self::with(Config {
            lookup: Some(Names::new(|_, _| vec![[127, 0, 0, 1].into()])),
            ..Config::default()
        })
    }

    pub(crate) fn with(config: Config) -> Self {
        let (log, vault) = (Arc::new(Log::default()), Arc::new(Vault::default()));
        let ports = Ports {
            clock: Arc::new(SystemClock),
            random: Arc::new(SystemRandom),
            audit: log.clone(),
            secrets: vault.clone(),
        };
        Self { egress: config.build(ports).unwrap(), log, vault }
    }

    pub(crate) fn door(&self, rules: &[&str]) -> Arc<Door> {
        self.door_with(rules.iter().map(|rule| grant(rule)).collect())
    }

    pub(crate) fn door_with(&self, grants: Vec<Grant>) -> Arc<Door> {
        self.egress.door(PROBE.parse().unwrap(), grants)
    }
}

pub(crate) fn grant(rule: &str) -> Grant {
    Grant { rule: rule.parse().unwrap(), placement: None, secret: None }
}

pub(crate) fn placed(rule: &str, placement: &str, secret: &str) -> Grant {
    Grant {
        rule: rule.parse().unwrap(),
        placement: Some(placement.parse().unwrap()),
        secret: Some(secret.parse().unwrap()),
    }
}

pub(crate) async fn get(door: &Door, url: &str) -> Result<http::Response<Body>, Error> {
    send(door, "GET", url, &[], empty(), &References::none()).await
}

pub(crate) async fn send(
    door: &Door,
    method: &str,
    url: &str,
    headers: &[(&str, &str)],
    body: Body,
    references: &References,
) -> Result<http::Response<Body>, Error> {
    let headers: Vec<_> =
        headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    door.send(request(method, url, &headers, body)?, Options::default(), references).await
}

/// Status and body.
pub(crate) async fn read(response: Result<http::Response<Body>, Error>) -> Result<(u16, Bytes), Error> {
    let response = response?;
    let status = response.status().as_u16();
    Ok((status, response.into_body().collect().await?.to_bytes()))
}
