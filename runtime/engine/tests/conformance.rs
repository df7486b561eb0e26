//! What every engine does, whatever it is made of: one suite, run for each.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use openpact_engine::event::ErrorKind;
use openpact_engine::{Engine, Error, Event};
use openpact_model::id::SessionId;
use openpact_scripted_model::{Call, Exchange, Expect, Say, Script};

use crate::support::{Bench, Tools, error, say, send, stored, text, turn};

/// What the suite needs: an engine of a kind, and another one of the same over the same data.
struct Subject {
    engine: Arc<dyn Engine>,
    tools: Arc<Tools>,
    /// Closes everything and opens it again, as a restart does.
    restart: Box<dyn FnOnce() -> Arc<dyn Engine>>,
}

/// Words that every engine under test understands in the same way: the model's script knows them too.
const ECHO: &str = "!echo {\"n\":1}";
const WAIT: &str = "!wait {}";
const FAIL: &str = "!fail {}";
const PLAIN: &str = "hello";

fn direct() -> Subject {
    let Bench { engine, tools, store, directory } = crate::support::direct();
    let restart = {
        let tools = tools.clone();
        Box::new(move || {
            drop(store);
            let engine: Arc<dyn Engine> = Arc::new(Held {
                engine: crate::support::direct_over(&crate::support::open(directory.path()), &tools),
                _directory: directory,
            });
            engine
        })
    };
    Subject { engine, tools, restart }
}

async fn builtin() -> Subject {
    let (Bench { engine, tools, store, directory }, server) = crate::support::builtin(obedient()).await;
    let restart = {
        let tools = tools.clone();
        Box::new(move || {
            drop(store);
            let engine = crate::support::builtin_over(
                crate::support::config(&server),
                &crate::support::open(directory.path()),
                &tools,
            );
            let engine: Arc<dyn Engine> = Arc::new(Held { engine, _directory: (directory, server) });
            engine
        })
    };
    Subject { engine, tools, restart }
}

/// A model that does what a person says in the words of the suite.
fn obedient() -> Script {
    let said = |word: &str| Expect {
        last_role: Some("user".to_owned()),
        last_contains: vec![word.to_owned()],
        ..Expect::default()
    };
    let call = |name: &str, arguments: &str| {
        let call = Say::Call(Call::new(&format!("call_{name}"), name, arguments));
        Exchange::say([Say::Text("I will.".to_owned()), call]).times(0)
    };
    let answered = Expect { last_role: Some("tool".to_owned()), ..Expect::default() };
    let exchanges = [
        call("echo", "{\"n\":1}").expecting(said(ECHO)),
        call("wait", "{}").expecting(said(WAIT)),
        call("fail", "{}").expecting(said(FAIL)),
        Exchange::text("Here it is: {\"n\":1}").expecting(answered).times(0),
        Exchange::text("Hello.").times(0),
    ];
    Script::new(crate::support::KEY, exchanges).any_order()
}

/// An engine with what it needs to live.
struct Held<E, T> {
    engine: E,
    _directory: T,
}

#[async_trait::async_trait]
impl<E: Engine, T: Send + Sync> Engine for Held<E, T> {
    fn name(&self) -> &'static str {
        self.engine.name()
    }
    async fn health(&self) -> openpact_engine::Health {
        self.engine.health().await
    }
    async fn create_session(&self, title: Option<&str>) -> Result<openpact_engine::Session, Error> {
        self.engine.create_session(title).await
    }
    async fn list_sessions(&self) -> Result<Vec<openpact_engine::Session>, Error> {
        self.engine.list_sessions().await
    }
    async fn get_session(&self, id: &SessionId) -> Result<Option<openpact_engine::Session>, Error> {
        self.engine.get_session(id).await
    }
    async fn rename_session(&self, id: &SessionId, title: &str) -> Result<(), Error> {
        self.engine.rename_session(id, title).await
    }
    async fn delete_session(&self, id: &SessionId) -> Result<(), Error> {
        self.engine.delete_session(id).await
    }
    async fn messages(
        &self,
        id: &SessionId,
        before: Option<i64>,
        limit: u32,
    ) -> Result<Vec<openpact_engine::Message>, Error> {
        self.engine.messages(id, before, limit).await
    }
    async fn rewind(&self, id: &SessionId, after: i64) -> Result<(), Error> {
        self.engine.rewind(id, after).await
    }
    async fn models(&self) -> Result<Vec<openpact_engine::Model>, Error> {
        self.engine.models().await
    }
    async fn context(&self, id: &SessionId) -> Result<openpact_engine::Context, Error> {
        self.engine.context(id).await
    }
    async fn send(
        &self,
        session: &SessionId,
        turn: openpact_engine::Turn,
    ) -> Result<futures::stream::BoxStream<'static, Event>, Error> {
        self.engine.send(session, turn).await
    }
    async fn abort(&self, session: &SessionId) -> Result<bool, Error> {
        self.engine.abort(session).await
    }
}

/// Runs one check for both engines.
macro_rules! conformance {
    ($($name:ident),* $(,)?) => {
        mod direct_engine {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                super::$name(super::direct()).await;
            })*
        }
        mod builtin_engine {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                super::$name(super::builtin().await).await;
            })*
        }
    };
}

conformance!(
    sessions_live_and_die,
    unknown_sessions_are_errors,
    a_turn_answers_and_ends,
    parts_are_in_order,
    a_failing_tool_is_an_answer,
    abort_ends_the_turn_and_keeps_what_was_done,
    abort_by_the_turns_own_token,
    a_second_send_is_busy,
    many_sessions_at_once,
    a_dropped_stream_stops_nothing,
    deleting_stops_the_turn,
    a_restart_keeps_everything,
    pages_are_whole,
    rewinding_takes_back_what_came_after,
);

async fn sessions_live_and_die(subject: Subject) {
    let engine = &*subject.engine;
    let plain = engine.create_session(None).await.unwrap();
    let named = engine.create_session(Some("A title\nof two lines")).await.unwrap();
    assert_eq!(plain.title, "");
    assert!(!named.title.contains('\n'), "{}", named.title);
    assert_eq!(engine.list_sessions().await.unwrap().len(), 2);
    engine.rename_session(&plain.id, "Other").await.unwrap();
    assert_eq!(engine.get_session(&plain.id).await.unwrap().unwrap().title, "Other");
    let newest: Vec<_> =
        engine.list_sessions().await.unwrap().into_iter().map(|session| session.id).collect();
    assert_eq!(newest, [plain.id.clone(), named.id.clone()], "the last changed comes first");
    engine.delete_session(&plain.id).await.unwrap();
    assert_eq!(engine.get_session(&plain.id).await.unwrap(), None);
    assert_eq!(engine.list_sessions().await.unwrap().len(), 1);
}

async fn unknown_sessions_are_errors(subject: Subject) {
    let engine = &*subject.engine;
    let id = SessionId::from_stored("ses_nowhere");
    let unknown =
        |error: Error| assert!(matches!(&error, Error::UnknownSession(known) if *known == id), "{error:?}");
    assert_eq!(engine.get_session(&id).await.unwrap(), None);
    unknown(engine.rename_session(&id, "x").await.unwrap_err());
    unknown(engine.delete_session(&id).await.unwrap_err());
    unknown(engine.messages(&id, None, 10).await.unwrap_err());
    unknown(engine.context(&id).await.unwrap_err());
    unknown(engine.rewind(&id, 0).await.unwrap_err());
    unknown(engine.abort(&id).await.unwrap_err());
    unknown(engine.send(&id, turn(PLAIN)).await.err().unwrap());
}

async fn a_turn_answers_and_ends(subject: Subject) {
    let engine = &*subject.engine;
    let session = engine.create_session(None).await.unwrap();
    for words in [PLAIN, ECHO] {
        let events = say(engine, &session, words).await;
        assert_eq!(events.last(), Some(&Event::End), "{events:?}");
        let ends = events.iter().filter(|event| matches!(event, Event::End | Event::Error { .. }));
        assert_eq!(ends.count(), 1);
        assert!(!text(&events).is_empty());
    }
    assert!(text(&say(engine, &session, ECHO).await).contains("{\"n\":1}"));
    assert_eq!(
        engine.get_session(&session.id).await.unwrap().unwrap().title,
        PLAIN,
        "named by its first words"
    );
    let shown = stored(engine, &session).await;
    assert_eq!(shown[0], format!("u:{PLAIN}"));
    assert!(shown[1].starts_with("a:"), "{shown:?}");
    assert!(shown[3].ends_with("<echo{\"n\":1}>"), "{shown:?}");
    assert_eq!(shown[4], "t:{\"n\":1}");
    let last = text(&say(engine, &session, PLAIN).await);
    assert_eq!(
        stored(engine, &session).await.last().unwrap(),
        &format!("a:{last}"),
        "what is shown is stored"
    );
}

async fn parts_are_in_order(subject: Subject) {
    let engine = &*subject.engine;
    let session = engine.create_session(None).await.unwrap();
    let events = say(engine, &session, ECHO).await;
    let mut kinds: Vec<(u32, &str)> = Vec::new();
    for event in &events {
        let (part, kind) = match event {
            Event::Reasoning { part, .. } => (*part, "reasoning"),
            Event::Text { part, .. } => (*part, "text"),
            Event::ToolCall { part, .. } => (*part, "call"),
            Event::ToolResult { part, .. } => (*part, "result"),
            Event::Notice { .. } | Event::Usage { .. } | Event::Error { .. } | Event::End => continue,
        };
        match kinds.last() {
            Some((last, same)) if *last == part => {
                assert_eq!(*same, kind, "a part holds one kind: {events:?}");
            }
            last => {
                assert_eq!(part, last.map_or(0, |(last, _)| last + 1), "parts count up: {events:?}");
                kinds.push((part, kind));
            }
        }
    }
    let order: Vec<&str> =
        kinds.into_iter().map(|(_, kind)| kind).skip_while(|kind| *kind == "text").collect();
    assert_eq!(order, ["call", "result", "text"]);
    let ids: Vec<&String> = events
        .iter()
        .filter_map(|event| match event {
            Event::ToolCall { id, .. } | Event::ToolResult { id, .. } => Some(id),
            _ => None,
        })
        .collect();
    assert_eq!(ids[0], ids[1], "the result names its call");
}

async fn a_failing_tool_is_an_answer(subject: Subject) {
    let engine = &*subject.engine;
    let session = engine.create_session(None).await.unwrap();
    let events = say(engine, &session, FAIL).await;
    let failed = |event: &Event| matches!(event, Event::ToolResult { is_error: true, text, .. } if text == "it did not work");
    assert!(events.iter().any(failed), "{events:?}");
    assert_eq!(events.last(), Some(&Event::End));
}

async fn abort_ends_the_turn_and_keeps_what_was_done(subject: Subject) {
    let engine = &*subject.engine;
    let session = engine.create_session(None).await.unwrap();
    assert!(!engine.abort(&session.id).await.unwrap(), "nothing runs");
    let waiting = turn(WAIT);
    subject.tools.open(&waiting);
    let stream = engine.send(&session.id, waiting.clone()).await.unwrap();
    subject.tools.running(1).await;
    assert!(engine.abort(&session.id).await.unwrap());
    let events: Vec<Event> = stream.collect().await;
    assert_eq!(error(&events).0, ErrorKind::Aborted);
    assert!(waiting.cancel.is_cancelled(), "the tools of the turn hear of it too");
    let cancelled = |event: &Event| matches!(event, Event::ToolResult { is_error: true, text, .. } if text == "cancelled");
    assert!(events.iter().any(cancelled), "the result that a stopped tool gives is kept: {events:?}");
    assert_eq!(stored(engine, &session).await.last().unwrap(), "t!:cancelled");
    assert!(!engine.abort(&session.id).await.unwrap());
    // The session goes on.
    assert_eq!(say(engine, &session, ECHO).await.last(), Some(&Event::End));
}

async fn abort_by_the_turns_own_token(subject: Subject) {
    let engine = &*subject.engine;
    let session = engine.create_session(None).await.unwrap();
    let stopped = turn(ECHO);
    stopped.cancel.cancel();
    let events = send(engine, &session, stopped).await;
    assert_eq!(error(&events).0, ErrorKind::Aborted);
}

async fn a_second_send_is_busy(subject: Subject) {
    let engine = &*subject.engine;
    let session = engine.create_session(None).await.unwrap();
    let other = engine.create_session(None).await.unwrap();
    let stream = engine.send(&session.id, turn(WAIT)).await.unwrap();
    subject.tools.running(1).await;
    assert!(matches!(engine.send(&session.id, turn(PLAIN)).await, Err(Error::Busy)));
    let shown = stored(engine, &session).await;
    assert!(!shown.contains(&format!("u:{PLAIN}")), "what was refused is not stored: {shown:?}");
    assert_eq!(say(engine, &other, PLAIN).await.last(), Some(&Event::End), "others are not held up");
    subject.tools.gate.add_permits(1);
    let events: Vec<Event> = stream.collect().await;
    assert_eq!(events.last(), Some(&Event::End));
    // Whoever sees the end may send at once.
    for _ in 0..5 {
        say(engine, &session, PLAIN).await;
    }
}

async fn many_sessions_at_once(subject: Subject) {
    const SESSIONS: u32 = 12;
    let engine = subject.engine;
    let mut streams = Vec::new();
    for _ in 0..SESSIONS {
        let session = engine.create_session(None).await.unwrap();
        streams.push((engine.send(&session.id, turn(WAIT)).await.unwrap(), session));
    }
    // All of them are in their tool at the same time.
    tokio::time::timeout(Duration::from_mins(1), subject.tools.running(SESSIONS))
        .await
        .expect("they run at once");
    subject.tools.gate.add_permits(SESSIONS as usize);
    for (stream, session) in streams {
        let events: Vec<Event> = stream.collect().await;
        assert_eq!(events.last(), Some(&Event::End));
        let shown = stored(&*engine, &session).await;
        assert_eq!(shown.iter().filter(|line| line.starts_with("u:")).count(), 1, "{shown:?}");
        assert_eq!(shown.len(), 4, "{shown:?}");
    }
}

async fn a_dropped_stream_stops_nothing(subject: Subject) {
    let engine = &*subject.engine;
    let session = engine.create_session(None).await.unwrap();
    drop(engine.send(&session.id, turn(WAIT)).await.unwrap());
    subject.tools.running(1).await;
    subject.tools.gate.add_permits(1);
    let finished = async {
        while stored(engine, &session).await.len() < 4 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_mins(1), finished).await.expect("the turn goes on to its end");
    let shown = stored(engine, &session).await;
    assert!(shown[2].starts_with("t:waited"), "{shown:?}");
    assert!(shown[3].starts_with("a:"), "{shown:?}");
}

async fn deleting_stops_the_turn(subject: Subject) {
    let engine = &*subject.engine;
    let session = engine.create_session(None).await.unwrap();
    let waiting = turn(WAIT);
    subject.tools.open(&waiting);
    let stream = engine.send(&session.id, waiting).await.unwrap();
    subject.tools.running(1).await;
    engine.delete_session(&session.id).await.unwrap();
    let events: Vec<Event> = stream.collect().await;
    assert_eq!(error(&events).0, ErrorKind::Aborted);
    assert_eq!(engine.get_session(&session.id).await.unwrap(), None);
}

async fn a_restart_keeps_everything(subject: Subject) {
    let Subject { engine, restart, .. } = subject;
    let session = engine.create_session(Some("kept")).await.unwrap();
    say(&*engine, &session, ECHO).await;
    let before = stored(&*engine, &session).await;
    drop(engine);
    let engine = restart();
    assert_eq!(engine.get_session(&session.id).await.unwrap().unwrap().title, "kept");
    assert_eq!(stored(&*engine, &session).await, before);
    assert_eq!(say(&*engine, &session, ECHO).await.last(), Some(&Event::End));
    assert_eq!(stored(&*engine, &session).await.len(), before.len() * 2);
}

async fn pages_are_whole(subject: Subject) {
    let engine = &*subject.engine;
    let session = engine.create_session(None).await.unwrap();
    for _ in 0..3 {
        say(engine, &session, PLAIN).await;
    }
    let all = engine.messages(&session.id, None, 100).await.unwrap();
    assert_eq!(all.len(), 6);
    let newest = engine.messages(&session.id, None, 2).await.unwrap();
    assert_eq!(newest, all[4..]);
    let earlier = engine.messages(&session.id, Some(newest[0].number), 3).await.unwrap();
    assert_eq!(earlier, all[1..4]);
}

async fn rewinding_takes_back_what_came_after(subject: Subject) {
    let engine = &*subject.engine;
    let session = engine.create_session(None).await.unwrap();
    say(engine, &session, PLAIN).await;
    let before = engine.messages(&session.id, None, 100).await.unwrap();
    let last = before.last().unwrap().number;
    say(engine, &session, ECHO).await;
    engine.rewind(&session.id, last).await.unwrap();
    assert_eq!(engine.messages(&session.id, None, 100).await.unwrap(), before);
    engine.rewind(&session.id, last).await.expect("there is nothing to take back");
    assert_eq!(say(engine, &session, ECHO).await.last(), Some(&Event::End), "it goes on from there");
    let waiting = turn(WAIT);
    subject.tools.open(&waiting);
    let stream = engine.send(&session.id, waiting).await.unwrap();
    subject.tools.running(1).await;
    assert!(matches!(engine.rewind(&session.id, last).await, Err(Error::Busy)));
    subject.tools.gate.add_permits(1);
    stream.collect::<Vec<_>>().await;
    engine.rewind(&session.id, 0).await.unwrap();
    assert_eq!(stored(engine, &session).await, Vec::<String>::new());
}
