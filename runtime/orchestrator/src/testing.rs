//! What the tests share: a real store in a temporary folder, tools and an engine of their own.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use futures::future::BoxFuture;
use futures::stream::{self, BoxStream, StreamExt as _};
use jiff::{Timestamp, tz::TimeZone};
use openpact_engine::event::ErrorKind;
use openpact_engine::{Context, Engine, Error, Event, Health, Message, Model, Session, Turn};
use openpact_model::audit;
use openpact_model::clock::{Clock, SystemClock};
use openpact_model::id::{Digest, SessionId};
use openpact_model::port::{ToolCaller, ToolProvider};
use openpact_model::principal::Principal;
use openpact_model::random::SystemRandom;
use openpact_model::role::{Audience, Caller, Channel, Role, Sender};
use openpact_model::tool::{
    Effects, ProgressSink, Reads, ToolCall, ToolFailure, ToolOutput, ToolSpec, Writes,
};
use openpact_store::{DataDirectory, Store};
use rusqlite::Connection;
use serde_json::json;
use tempfile::TempDir;
use tokio::sync::Semaphore;

use crate::people::{self, People};

/// A clock that stands still until it is moved.
pub(crate) struct Hand {
    start: Instant,
    moved: Mutex<Duration>,
}

impl Hand {
    pub(crate) fn advance(&self, by: Duration) {
        *self.moved.lock().unwrap() += by;
    }
}

impl Clock for Hand {
    fn now(&self) -> Timestamp {
        let start: Timestamp = "2026-03-05T12:00:00Z".parse().unwrap();
        start + *self.moved.lock().unwrap()
    }

    fn monotonic(&self) -> Instant {
        self.start + *self.moved.lock().unwrap()
    }

    fn zone(&self) -> TimeZone {
        TimeZone::UTC
    }
}

/// A data directory with its store.
pub(crate) struct World {
    folder: TempDir,
    pub(crate) store: Store,
    pub(crate) clock: Arc<Hand>,
}

impl World {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(Hand { start: SystemClock.monotonic(), moved: Mutex::default() });
        let store = open(&folder, &clock);
        Self { folder, store, clock }
    }

    /// As after a crash: what was on disk is there, and nothing else.
    pub(crate) async fn restart(self) -> Self {
        let Self { folder, store, clock } = self;
        store.close().await.unwrap();
        drop(store);
        let store = open(&folder, &clock);
        Self { folder, store, clock }
    }

    pub(crate) async fn people(&self, config: people::Config) -> Arc<People> {
        let ports = people::Ports {
            store: self.store.clone(),
            clock: Arc::clone(&self.clock) as Arc<dyn Clock>,
            random: Arc::new(SystemRandom),
        };
        config.build(ports).await.unwrap()
    }

    /// As after a crash in which everything that held the store is gone.
    pub(crate) fn crash(self) -> Self {
        let Self { folder, store, clock } = self;
        drop(store);
        let store = open(&folder, &clock);
        Self { folder, store, clock }
    }

    pub(crate) fn ai_data(&self) -> PathBuf {
        self.folder.path().join("data/ai-data")
    }

    pub(crate) fn outside(&self) -> PathBuf {
        self.folder.path().to_owned()
    }

    /// Runs SQL on the database behind the store's back.
    pub(crate) fn sql(&self, sql: &str) {
        let connection = Connection::open(self.folder.path().join("data/secure/openpact.db")).unwrap();
        connection.busy_timeout(Duration::from_secs(10)).unwrap();
        connection.execute_batch(sql).unwrap();
    }

    /// Makes every write to `table` fail on which `condition` holds, until [`Self::mend`].
    pub(crate) fn break_table(&self, table: &str, condition: &str) {
        self.sql(&format!(
            "CREATE TRIGGER broken BEFORE INSERT ON {table} WHEN {condition}
             BEGIN SELECT RAISE(ABORT, 'broken by a test'); END;"
        ));
    }

    pub(crate) fn mend(&self) {
        self.sql("DROP TRIGGER broken");
    }

    /// The audit records whose kind begins so, oldest first.
    pub(crate) async fn audit(&self, kind: &str) -> Vec<audit::Event> {
        let filter = openpact_store::audit::Filter {
            kind_prefix: Some(kind.to_owned()),
            limit: 1000,
            ..Default::default()
        };
        let entries = self.store.audit().page(filter).await.unwrap();
        entries.into_iter().map(|entry| entry.event).collect()
    }

    /// The last record of how a tool call ended.
    pub(crate) async fn last_call(&self) -> audit::Event {
        let ended = self.audit("tool.call").await;
        ended.into_iter().rfind(|event| event.kind == "tool.call").expect("a call was audited")
    }
}

fn open(folder: &TempDir, clock: &Arc<Hand>) -> Store {
    let directory = DataDirectory::acquire(&folder.path().join("data")).unwrap();
    Store::open(&directory, Arc::clone(clock) as Arc<dyn Clock>, Arc::new(SystemRandom)).unwrap()
}

/// Somebody who calls tools.
pub(crate) fn caller(user: &str, role: Role, audience: Audience) -> Caller {
    Caller { sender: sender(user), role, audience }
}

pub(crate) fn sender(user: &str) -> Sender {
    Sender { provider: "test".into(), user: user.into(), display_name: user.to_uppercase() }
}

pub(crate) fn channel(name: &str) -> Channel {
    Channel { provider: "test".into(), channel: name.into(), thread: None }
}

/// A tool that takes an optional `text` and a `count` from 1 on.
pub(crate) fn tool(name: &str, reads: Reads, writes: Writes) -> ToolSpec {
    ToolSpec {
        name: name.to_owned(),
        title: None,
        description: format!("Does {name}. For tests."),
        input_schema: json!({
            "type": "object",
            "properties": {
                "text": { "type": "string" },
                "count": { "type": "integer", "minimum": 1 },
                "list": { "type": "array", "items": { "type": "integer" } },
            },
            "additionalProperties": false,
        }),
        output_schema: None,
        effects: Effects { reads, writes },
    }
}

type Run = dyn Fn(ToolCall) -> BoxFuture<'static, Result<ToolOutput, ToolFailure>> + Send + Sync;

/// Tools that do what a test says.
pub(crate) struct Tools {
    name: &'static str,
    specs: Arc<[ToolSpec]>,
    run: Box<Run>,
    calls: Mutex<Vec<ToolCall>>,
}

impl Tools {
    pub(crate) fn new<F, Fut>(name: &'static str, specs: Vec<ToolSpec>, run: F) -> Arc<Self>
    where
        F: Fn(ToolCall) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<ToolOutput, ToolFailure>> + Send + 'static,
    {
        let run: Box<Run> = Box::new(move |call| Box::pin(run(call)));
        Arc::new(Self { name, specs: specs.into(), run, calls: Mutex::default() })
    }

    /// Tools that answer with the `text` of their arguments.
    pub(crate) fn echo(specs: Vec<ToolSpec>) -> Arc<Self> {
        Self::new("echo", specs, |call| async move {
            Ok(ToolOutput::text(call.arguments["text"].as_str().unwrap_or("nothing")))
        })
    }

    /// What ran.
    pub(crate) fn calls(&self) -> Vec<ToolCall> {
        self.calls.lock().unwrap().clone()
    }
}

#[async_trait]
impl ToolProvider for Tools {
    fn principal(&self) -> Principal {
        Principal::Component(self.name.parse().unwrap())
    }

    fn digest(&self) -> Option<Digest> {
        Some(Digest::of(self.name.as_bytes()))
    }

    fn tools(&self) -> Arc<[ToolSpec]> {
        Arc::clone(&self.specs)
    }

    async fn call(&self, call: ToolCall) -> Result<ToolOutput, ToolFailure> {
        // Without the sink: it knows the router, which knows these tools.
        let kept = ToolCall { progress: ProgressSink::default(), ..call.clone() };
        self.calls.lock().unwrap().push(kept);
        (self.run)(call).await
    }
}

/// An engine that does what the message says: `hang`, `deaf`, `gate`, `cut`, `panic`, `busy`, `fail`,
/// `tool NAME JSON`, `drip A|~B` (says A, then thinks B, then ends, each with a permit); everything else it repeats.
pub(crate) struct Puppet {
    store: Store,
    tools: Arc<dyn ToolCaller>,
    turns: Mutex<Vec<(SessionId, Turn)>>,
    /// Whether it takes no images.
    pub(crate) is_blind: AtomicBool,
    /// Whether the provider has no list of models.
    pub(crate) is_listless: AtomicBool,
    /// Lets one `gate` go on with each permit.
    pub(crate) gate: Arc<Semaphore>,
}

impl Puppet {
    pub(crate) fn new(store: Store, tools: Arc<dyn ToolCaller>) -> Arc<Self> {
        let (is_listless, is_blind) = (AtomicBool::new(false), AtomicBool::new(false));
        let gate = Arc::new(Semaphore::new(0));
        Arc::new(Self { store, tools, turns: Mutex::default(), is_blind, is_listless, gate })
    }

    /// The turns that it was given.
    pub(crate) fn turns(&self) -> Vec<(SessionId, Turn)> {
        self.turns.lock().unwrap().clone()
    }

    /// The last one.
    pub(crate) fn last(&self) -> (SessionId, Turn) {
        self.turns().pop().expect("a turn was sent")
    }

    /// Waits until it was given so many.
    pub(crate) async fn until(&self, count: usize) {
        while self.turns.lock().unwrap().len() < count {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }
}

fn text(text: &str) -> Event {
    Event::Text { part: 0, text: text.to_owned() }
}

/// A piece of an answer; after `~` one of what is thought.
fn said(piece: &str) -> Event {
    match piece.strip_prefix('~') {
        Some(thought) => Event::Reasoning { part: 1, text: thought.to_owned() },
        None => text(piece),
    }
}

fn session(row: openpact_store::session::Row) -> Session {
    Session { id: row.id, title: row.title, created: row.created, updated: row.updated }
}

fn broken(error: openpact_store::Error) -> Error {
    Error::Store(Box::new(error))
}

#[async_trait]
impl Engine for Puppet {
    fn name(&self) -> &'static str {
        "puppet"
    }

    fn takes_images(&self) -> bool {
        !self.is_blind.load(Ordering::Relaxed)
    }

    async fn health(&self) -> Health {
        Health::Ready
    }

    async fn create_session(&self, title: Option<&str>) -> Result<Session, Error> {
        let title = title.unwrap_or_default();
        self.store.sessions().create("puppet", title).await.map(session).map_err(broken)
    }

    async fn list_sessions(&self) -> Result<Vec<Session>, Error> {
        let rows = self.store.sessions().list("puppet").await.map_err(broken)?;
        Ok(rows.into_iter().map(session).collect())
    }

    async fn get_session(&self, id: &SessionId) -> Result<Option<Session>, Error> {
        Ok(self.store.sessions().get(id).await.map_err(broken)?.map(session))
    }

    async fn rename_session(&self, id: &SessionId, title: &str) -> Result<(), Error> {
        self.store.sessions().rename(id, title).await.map(drop).map_err(broken)
    }

    async fn delete_session(&self, id: &SessionId) -> Result<(), Error> {
        self.store.sessions().delete(id).await.map(drop).map_err(broken)
    }

    async fn messages(&self, _: &SessionId, _: Option<i64>, _: u32) -> Result<Vec<Message>, Error> {
        Ok(Vec::new())
    }

    async fn rewind(&self, id: &SessionId, after: i64) -> Result<(), Error> {
        self.store.messages().remove_after(id, after).await.map(drop).map_err(broken)
    }

    async fn models(&self) -> Result<Vec<Model>, Error> {
        if self.is_listless.load(Ordering::Relaxed) {
            return Err(Error::Provider("the service has no list".to_owned()));
        }
        let model = |id: &str, default| Model { id: id.to_owned(), default };
        Ok(vec![model("small-1", true), model("large-1", false), model("large-2", false)])
    }

    async fn context(&self, _: &SessionId) -> Result<Context, Error> {
        Ok(Context { model: "small-1".into(), tokens: 1500, window: Some(3000), ..Context::default() })
    }

    async fn send(&self, session: &SessionId, turn: Turn) -> Result<BoxStream<'static, Event>, Error> {
        self.turns.lock().unwrap().push((session.clone(), turn.clone()));
        let aborted = Event::Error { kind: ErrorKind::Aborted, message: "Stopped by the engine.".into() };
        let raw = turn.raw.trim().to_owned();
        Ok(match raw.as_str() {
            "hang" => {
                let end = async move {
                    turn.cancel.cancelled().await;
                    aborted
                };
                stream::iter([text("on it")]).chain(stream::once(end)).boxed()
            }
            "deaf" => stream::iter([text("on it")]).chain(stream::pending()).boxed(),
            "gate" => {
                let gate = Arc::clone(&self.gate);
                let opened = async move {
                    gate.acquire().await.unwrap().forget();
                    text("through")
                };
                stream::once(opened).chain(stream::iter([Event::End])).boxed()
            }
            drip if drip.starts_with("drip ") => {
                let pieces: Vec<_> = drip["drip ".len()..].split('|').map(str::to_owned).collect();
                let gate = Arc::clone(&self.gate);
                let next = move |pieces: Option<std::vec::IntoIter<String>>| {
                    let (gate, cancel, aborted) = (Arc::clone(&gate), turn.cancel.clone(), aborted.clone());
                    async move {
                        let mut pieces = pieces?;
                        tokio::select! {
                            permit = gate.acquire() => permit.unwrap().forget(),
                            () = cancel.cancelled() => return Some((aborted, None)),
                        }
                        let piece = pieces.next().map(|piece| (said(&piece), Some(pieces)));
                        Some(piece.unwrap_or((Event::End, None)))
                    }
                };
                stream::unfold(Some(pieces.into_iter()), next).boxed()
            }
            "cut" => stream::iter([text("half an ans")]).boxed(),
            "panic" => panic!("this engine panics on purpose"),
            "busy" => return Err(Error::Busy),
            "fail" => {
                let message = "The model did not answer in time; try again.".to_owned();
                stream::iter([Event::Error { kind: ErrorKind::Provider, message }]).boxed()
            }
            call if call.starts_with("tool ") => {
                let (tools, call) = (Arc::clone(&self.tools), call.to_owned());
                let result = async move {
                    let (name, arguments) = call["tool ".len()..].split_once(' ').unwrap();
                    let answer = tools.call(&turn.id, name, arguments).await;
                    let text = answer.output.as_text();
                    Event::ToolResult { part: 0, id: "1".into(), is_error: answer.is_error, text }
                };
                stream::once(result).chain(stream::iter([Event::End])).boxed()
            }
            other => stream::iter([text(&format!("you said {other}")), Event::End]).boxed(),
        })
    }

    async fn abort(&self, _: &SessionId) -> Result<bool, Error> {
        Ok(true)
    }
}
