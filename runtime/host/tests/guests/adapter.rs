//! What the tests of adapters share: a package, an inbox that writes down, a platform on this machine, and its door.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use openpact_egress::{Door, Grant};
use openpact_host::{Adapter, Deployment, Host};
use openpact_model::audit;
use openpact_model::chat::{
    Account, Adapter as _, AdapterError, Connection, DeliverError, Detail, Event, Inbox, Outbound, Part,
    Piece, Stage, Target,
};
use openpact_model::clock::SystemClock;
use openpact_model::port::{AuditSink, PortError};
use openpact_model::random::SystemRandom;
use openpact_model::secret::{SecretEntry, SecretSnapshot, SecretSource, SecretValue};
use openpact_packages::Verified;
use serde_json::{Map, Value};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::fixture::{package_of_kind, shared, with_limits};

/// What both adapters ask for.
const REQUESTS: &str = "
settings = { type = \"object\", properties = { authority = { type = \"string\" }, mode = { type = \"string\" } } }
[requests]
kv = 1000
[[requests.http]]
methods = [\"GET\"]
url = \"https://example.com/\"
reason = \"to test\"
[[requests.websocket]]
url = \"wss://example.com/\"
reason = \"to test\"
[[requests.credentials]]
name = \"token\"
description = \"A token.\"
placement = \"header Authorization: Bearer {}\"
hosts = [\"example.com\"]
";

/// A package of an adapter.
pub(crate) fn package(name: &str, wasm: &[u8]) -> Arc<Verified> {
    package_of_kind("adapter", name, wasm, REQUESTS, vec![])
}

/// An adapter on the shared host. Loading blocks, and a test runs on an async runtime.
pub(crate) fn load(name: &str, wasm: &[u8], deployment: Deployment) -> Arc<Adapter> {
    load_on(shared(), name, wasm, deployment)
}

pub(crate) fn load_on(host: &Host, name: &str, wasm: &[u8], deployment: Deployment) -> Arc<Adapter> {
    host.load_adapter(&package(name, wasm), deployment).unwrap()
}

/// The deployment with settings.
pub(crate) fn with_settings(deployment: Deployment, settings: &[(&str, &str)]) -> Deployment {
    let settings = settings.iter().map(|(key, value)| ((*key).to_owned(), Value::from(*value)));
    Deployment { settings: settings.collect::<Map<_, _>>(), kv_quota: 1000, ..deployment }
}

/// What an adapter told its inbox.
#[derive(Debug, PartialEq)]
pub(crate) enum Told {
    Event(String, Box<Event>),
    Connection(String, Connection),
}

/// An inbox that takes everything, but an account that belongs to another.
pub(crate) struct Recorder {
    told: UnboundedSender<Told>,
    /// Whether a delivery never comes back.
    stuck: bool,
}

impl Recorder {
    pub(crate) fn new() -> (Arc<Self>, UnboundedReceiver<Told>) {
        Self::with(false)
    }

    pub(crate) fn stuck() -> (Arc<Self>, UnboundedReceiver<Told>) {
        Self::with(true)
    }

    fn with(stuck: bool) -> (Arc<Self>, UnboundedReceiver<Told>) {
        let (told, received) = unbounded_channel();
        (Arc::new(Self { told, stuck }), received)
    }
}

#[async_trait]
impl Inbox for Recorder {
    async fn deliver(&self, instance: &str, event: Event) -> Result<(), DeliverError> {
        drop(self.told.send(Told::Event(instance.to_owned(), Box::new(event))));
        if self.stuck {
            std::future::pending::<()>().await;
        }
        Ok(())
    }

    async fn report(&self, instance: &str, connection: Connection) -> Result<(), DeliverError> {
        if matches!(&connection, Connection::Connected(Account { id, .. }) if id == "taken-by-another") {
            return Err(DeliverError::WrongAccount);
        }
        drop(self.told.send(Told::Connection(instance.to_owned(), connection)));
        Ok(())
    }
}

/// A receive loop that runs beside the test.
pub(crate) struct Loop {
    pub(crate) stop: CancellationToken,
    pub(crate) told: UnboundedReceiver<Told>,
    task: JoinHandle<AdapterError>,
}

impl Loop {
    pub(crate) fn start(adapter: &Arc<Adapter>) -> Self {
        Self::into(adapter, Recorder::new())
    }

    pub(crate) fn into(
        adapter: &Arc<Adapter>,
        (inbox, told): (Arc<Recorder>, UnboundedReceiver<Told>),
    ) -> Self {
        let stop = CancellationToken::new();
        let (adapter, token) = (Arc::clone(adapter), stop.clone());
        let task = tokio::spawn(async move { adapter.run(inbox, token).await });
        Self { stop, told, task }
    }

    /// The next thing that it told.
    pub(crate) async fn next(&mut self) -> Told {
        self.told.recv().await.expect("the loop tells one more thing")
    }

    /// How it ended, by itself.
    pub(crate) async fn end(self) -> AdapterError {
        self.task.await.unwrap()
    }

    /// How it ended, and what it told that nobody has read.
    pub(crate) async fn end_told(mut self) -> (AdapterError, Vec<Told>) {
        let end = (&mut self.task).await.unwrap();
        let mut told = Vec::new();
        while let Ok(one) = self.told.try_recv() {
            told.push(one);
        }
        (end, told)
    }
}

/// A platform on this machine: a function from the path and the authorization of a request to status and body.
pub(crate) fn platform(answer: impl Fn(&str, &str) -> (u16, String) + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let lines = BufReader::new(&stream).lines().map_while(Result::ok);
            let head: Vec<_> = lines.take_while(|line| !line.is_empty()).collect();
            let path = head.first().and_then(|line| line.split(' ').nth(1)).unwrap_or_default();
            let authorization = head.iter().find_map(|line| {
                let (name, value) = line.split_once(':')?;
                name.eq_ignore_ascii_case("authorization").then(|| value.trim().to_owned())
            });
            let (status, body) = answer(path, &authorization.unwrap_or_default());
            let _ = write!(
                stream,
                "HTTP/1.1 {status} X\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
                body.len()
            );
        }
    });
    address
}

/// An audit log that nobody reads.
struct NoAudit;

#[async_trait]
impl AuditSink for NoAudit {
    async fn record(&self, _: audit::Event) -> Result<(), PortError> {
        Ok(())
    }
}

/// The one secret, `TOKEN`, that can be changed and taken away.
#[derive(Default)]
pub(crate) struct Secrets(Mutex<(u64, Option<String>)>);

impl Secrets {
    pub(crate) fn set(&self, value: Option<&str>) {
        let mut secret = self.0.lock().unwrap();
        *secret = (secret.0 + 1, value.map(str::to_owned));
    }
}

impl SecretSource for Secrets {
    fn snapshot(&self) -> Arc<SecretSnapshot> {
        let (generation, value) = self.0.lock().unwrap().clone();
        let principals = ["parrot", "rogue", "dial"].map(|name| format!("component:{name}").parse().unwrap());
        let principals = principals.to_vec();
        let entry = value.map(|value| SecretEntry::new(SecretValue::new(value), principals));
        let entries = entry.map(|entry| ("TOKEN".parse().unwrap(), entry)).into_iter().collect();
        Arc::new(SecretSnapshot { generation, entries })
    }
}

/// A grant of everything at `authority`, with the credential.
pub(crate) fn grant(authority: &str) -> Grant {
    Grant {
        rule: format!("GET http://{authority}/** private=127.0.0.1/32 credential=token").parse().unwrap(),
        placement: Some("header Authorization: Bearer {}".parse().unwrap()),
        secret: Some("TOKEN".parse().unwrap()),
    }
}

/// The door of the component `name`.
pub(crate) fn door(name: &str, grants: Vec<Grant>, secrets: &Arc<Secrets>) -> Arc<Door> {
    audited_door(name, grants, secrets, Arc::new(NoAudit))
}

/// The same, with an audit log.
pub(crate) fn audited_door(
    name: &str,
    grants: Vec<Grant>,
    secrets: &Arc<Secrets>,
    audit: Arc<dyn AuditSink>,
) -> Arc<Door> {
    let ports = openpact_egress::Ports {
        clock: Arc::new(SystemClock),
        random: Arc::new(SystemRandom),
        audit,
        secrets: Arc::clone(secrets) as Arc<dyn SecretSource>,
    };
    let egress = openpact_egress::Config::default().build(ports).unwrap();
    egress.door(format!("component:{name}").parse().unwrap(), grants)
}

/// A deployment with a door to `authority` and a token.
pub(crate) fn connected(name: &str, authority: &str) -> (Deployment, Arc<Door>, Arc<Secrets>) {
    let secrets = Arc::new(Secrets::default());
    secrets.set(Some("the first value of the token"));
    let door = door(name, vec![grant(authority)], &secrets);
    let deployment = Deployment {
        door: Some(Arc::clone(&door)),
        secrets: Arc::clone(&secrets) as Arc<dyn SecretSource>,
        ..with_limits(crate::fixture::generous())
    };
    (with_settings(deployment, &[("authority", authority)]), door, secrets)
}

pub(crate) fn target(channel: &str) -> Target {
    Target { account: "bot".into(), channel: channel.into(), thread: None, reply_to: None }
}

pub(crate) fn part(body: &str) -> Part {
    Part { body: body.into(), plain: body.into(), files: vec![] }
}

pub(crate) fn markdown(text: &str) -> Outbound {
    Outbound {
        pieces: vec![Piece::Markdown(text.into())],
        buttons: vec![],
        detail: Detail::Simple,
        stage: Stage::Complete,
    }
}
