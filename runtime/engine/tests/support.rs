//! What the engine's tests share: real stores in temporary directories, a real door to the network, tools that do what
//! a test needs, and a scripted model.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use futures::StreamExt as _;
use openpact_egress as egress;
use openpact_engine::builtin::{self, Config, Key, Retry};
use openpact_engine::event::ErrorKind;
use openpact_engine::session::Body;
use openpact_engine::{Engine, Event, Session, Turn, direct};
use openpact_model::clock::SystemClock;
use openpact_model::id::TurnId;
use openpact_model::port::ToolCaller;
use openpact_model::random::{Random as _, SystemRandom};
use openpact_model::secret::{SecretEntry, SecretValue};
use openpact_model::tool::{Effects, ToolAnswer, ToolOutput, ToolSpec};
use openpact_scripted_model::{Script, Server};
use openpact_store::{DataDirectory, Store};
use serde_json::{Value, json};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

/// The key of the scripted model; long enough to be looked for in what comes back.
pub(crate) const KEY: &str = "sk-test-4f9d2c71aa08e3b65d";
/// The secret that holds it.
pub(crate) const SECRET: &str = "SCRIPTED_MODEL_KEY";

/// Opens the store of a data directory, once whoever had it open is gone: the door writes its last audit record in a
/// task of its own, which keeps the store for a moment longer than the engine.
pub(crate) fn open(path: &Path) -> Store {
    let mut directory = DataDirectory::acquire(path);
    for _ in 0..3000 {
        if !matches!(directory, Err(openpact_store::Error::Held { .. })) {
            break;
        }
        std::thread::sleep(Duration::from_millis(10));
        directory = DataDirectory::acquire(path);
    }
    let directory = directory.unwrap();
    Store::open(&directory, Arc::new(SystemClock), Arc::new(SystemRandom)).unwrap()
}

/// An engine with everything around it.
pub(crate) struct Bench<E> {
    pub(crate) engine: Arc<E>,
    pub(crate) tools: Arc<Tools>,
    pub(crate) store: Store,
    /// Dropped last: it removes the directory.
    pub(crate) directory: tempfile::TempDir,
}

/// The engine without a model.
pub(crate) fn direct() -> Bench<direct::Engine> {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let tools = Arc::new(Tools::default());
    Bench { engine: Arc::new(direct_over(&store, &tools)), tools, store, directory }
}

pub(crate) fn direct_over(store: &Store, tools: &Arc<Tools>) -> direct::Engine {
    direct::Engine::new(direct::Ports {
        store: store.clone(),
        tools: tools.clone(),
        clock: Arc::new(SystemClock),
        random: Arc::new(SystemRandom),
    })
}

/// The native engine with a model that says what `script` tells it to, and its server.
pub(crate) async fn builtin(script: Script) -> (Bench<builtin::Engine>, Server) {
    builtin_with(script, |_config| {}).await
}

/// The same with other settings.
pub(crate) async fn builtin_with(
    script: Script,
    change: impl FnOnce(&mut Config),
) -> (Bench<builtin::Engine>, Server) {
    let server = Server::start(script).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let principals = vec![builtin::principal()];
    store
        .secret_vault()
        .set(SECRET.parse().unwrap(), SecretEntry::new(SecretValue::new(KEY.to_owned()), principals))
        .await
        .unwrap();
    let tools = Arc::new(Tools::default());
    let mut config = config(&server);
    change(&mut config);
    let engine = Arc::new(builtin_over(config, &store, &tools));
    (Bench { engine, tools, store, directory }, server)
}

/// Settings for tests: no real waiting between attempts.
pub(crate) fn config(server: &Server) -> Config {
    let mut config = Config::new(server.base_url().parse().unwrap(), "scripted");
    config.key = Some(Key::new(SECRET.parse().unwrap()));
    config.retry = Retry { base: Duration::from_millis(1), ..Retry::default() };
    config
}

pub(crate) fn builtin_over(config: Config, store: &Store, tools: &Arc<Tools>) -> builtin::Engine {
    let ports = egress::Ports {
        clock: Arc::new(SystemClock),
        random: Arc::new(SystemRandom),
        audit: Arc::new(store.clone()),
        secrets: store.secrets(),
    };
    let egress = egress::Config::default().build(ports).unwrap();
    let loopback = "127.0.0.1/32".parse().unwrap();
    let grants = builtin::grants(&config, &[loopback]).unwrap();
    let door = egress.door(builtin::principal(), grants);
    let ports = builtin::Ports {
        store: store.clone(),
        tools: tools.clone(),
        door,
        clock: Arc::new(SystemClock),
        random: Arc::new(SystemRandom),
    };
    config.build(ports).unwrap()
}

/// Tools, and the calls that they got. `echo` gives its arguments back, `fail` fails, `wait` answers when it is let
/// go, `stuck` never does, `long` answers much.
pub(crate) struct Tools {
    calls: Mutex<Vec<(String, String)>>,
    pub(crate) gate: Semaphore,
    /// How many calls to `wait` have begun.
    pub(crate) waiting: Semaphore,
    /// Turns that were stopped.
    cancels: Mutex<HashMap<TurnId, CancellationToken>>,
}

impl Default for Tools {
    fn default() -> Self {
        Self {
            calls: Mutex::default(),
            gate: Semaphore::new(0),
            waiting: Semaphore::new(0),
            cancels: Mutex::default(),
        }
    }
}

impl Tools {
    /// The calls so far: tool and arguments.
    pub(crate) fn calls(&self) -> Vec<(String, String)> {
        self.calls.lock().unwrap().clone()
    }

    /// Makes the calls of this turn stop with it, as the router does.
    pub(crate) fn open(&self, turn: &Turn) {
        self.cancels.lock().unwrap().insert(turn.id.clone(), turn.cancel.clone());
    }

    /// Waits until that many calls to `wait` run.
    pub(crate) async fn running(&self, calls: u32) {
        self.waiting.acquire_many(calls).await.unwrap().forget();
    }

    async fn answer(&self, turn: &TurnId, tool: &str, arguments: &Value) -> Result<String, String> {
        match tool {
            "echo" => Ok(arguments.to_string()),
            "fail" => Err("it did not work".to_owned()),
            "long" => Ok("many words ".repeat(20_000)),
            "stuck" => std::future::pending().await,
            "wait" => {
                let cancel = self.cancels.lock().unwrap().get(turn).cloned().unwrap_or_default();
                self.waiting.add_permits(1);
                tokio::select! {
                    permit = self.gate.acquire() => permit.unwrap().forget(),
                    () = cancel.cancelled() => return Err("cancelled".to_owned()),
                }
                Ok(format!("waited for {arguments}"))
            }
            other => Err(format!("there is no tool '{other}'")),
        }
    }
}

#[async_trait]
impl ToolCaller for Tools {
    fn tools(&self, _turn: &TurnId) -> Vec<ToolSpec> {
        let tool = |name: &str| ToolSpec {
            name: name.to_owned(),
            title: None,
            description: format!("Does {name}."),
            input_schema: json!({"type": "object", "properties": {"n": {"type": "integer"}}}),
            output_schema: None,
            effects: Effects::default(),
        };
        ["echo", "fail", "wait", "stuck", "long"].map(tool).into()
    }

    async fn call(&self, turn: &TurnId, tool: &str, arguments: &str) -> ToolAnswer {
        self.calls.lock().unwrap().push((tool.to_owned(), arguments.to_owned()));
        let outcome = match serde_json::from_str::<Value>(arguments) {
            Ok(arguments) => self.answer(turn, tool, &arguments).await,
            Err(error) => Err(format!("invalid arguments: not JSON: {error}")),
        };
        let is_error = outcome.is_err();
        let (Ok(text) | Err(text)) = outcome;
        ToolAnswer { is_error, output: ToolOutput::text(text) }
    }
}

/// A turn that says `text`.
pub(crate) fn turn(text: &str) -> Turn {
    Turn {
        id: TurnId::generate(&SystemRandom),
        system: "You are a test.".to_owned(),
        text: format!("[via terminal, channel:test, user:owner]\n{text}"),
        raw: text.to_owned(),
        images: Vec::new(),
        model: None,
        cancel: CancellationToken::new(),
    }
}

/// Says `text` and gives everything that came of it. Fails rather than hangs.
pub(crate) async fn say(engine: &dyn Engine, session: &Session, text: &str) -> Vec<Event> {
    send(engine, session, turn(text)).await
}

/// The same for a turn.
pub(crate) async fn send(engine: &dyn Engine, session: &Session, turn: Turn) -> Vec<Event> {
    let stream = engine.send(&session.id, turn).await.unwrap();
    let collected = tokio::time::timeout(Duration::from_mins(1), stream.collect());
    collected.await.expect("a turn ends")
}

/// All text of the answer.
pub(crate) fn text(events: &[Event]) -> String {
    let pieces = events.iter().filter_map(|event| match event {
        Event::Text { text, .. } => Some(text.as_str()),
        _ => None,
    });
    pieces.collect()
}

/// How a turn ended, where it ended with an error.
pub(crate) fn error(events: &[Event]) -> (ErrorKind, String) {
    match events.last() {
        Some(Event::Error { kind, message }) => (*kind, message.clone()),
        other => panic!("the turn did not end with an error but with {other:?}: {events:?}"),
    }
}

/// The session's messages in short: `u`, `a` with its calls, `t`, `s`, each with its text.
pub(crate) async fn stored(engine: &dyn Engine, session: &Session) -> Vec<String> {
    let messages = engine.messages(&session.id, None, 1000).await.unwrap();
    let shown = messages.into_iter().map(|message| match message.body {
        Body::User { text } => format!("u:{}", text.lines().last().unwrap_or_default()),
        Body::Assistant { text, calls } if calls.is_empty() => format!("a:{text}"),
        Body::Assistant { text, calls } => {
            let calls: Vec<String> =
                calls.into_iter().map(|call| format!("{}{}", call.name, call.arguments)).collect();
            format!("a:{text}<{}>", calls.join(" "))
        }
        Body::Tool { is_error, text, .. } => format!("{}:{text}", if is_error { "t!" } else { "t" }),
        Body::Summary { text } => format!("s:{text}"),
    });
    shown.collect()
}

/// Every byte of every file below the data directory, for searching.
pub(crate) fn files(directory: &Path) -> Vec<(std::path::PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push((path.clone(), std::fs::read(&path).unwrap()));
        }
    }
    found
}

/// A random text, to be found again.
pub(crate) fn nonce() -> String {
    let mut bytes = [0; 8];
    SystemRandom.fill(&mut bytes);
    u64::from_le_bytes(bytes).to_string()
}
