//! The engine without a model: `!tool_name {json}` runs that tool as whoever says it, and prints the result. It is what
//! a fresh install has, and what an admin uses to see whether a component works.

mod command;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures::stream::BoxStream;
use openpact_model::clock::Clock;
use openpact_model::id::SessionId;
use openpact_model::port::ToolCaller;
use openpact_model::random::Random;
use openpact_store::Store;
use tokio_util::sync::CancellationToken;

use crate::conversation::Conversations;
use crate::fault::Fault;
use crate::session::{Body, Call};
use crate::tool::{self, Answers};
use crate::turn::{self, Running, Sink, Stop};
use crate::{Context, Error, Health, Message, Model, Session, Turn};

use command::Command;

/// The name of this kind of engine.
pub const NAME: &str = "direct";

/// How long one turn may take. The router bounds the tool itself; this is for a tool that waits for a person.
const DEADLINE: Duration = Duration::from_mins(30);

/// What the engine needs from others.
#[derive(Clone)]
pub struct Ports {
    /// Where sessions and messages are kept.
    pub store: Store,
    /// What executes tools.
    pub tools: Arc<dyn ToolCaller>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Randomness, for the ids of calls.
    pub random: Arc<dyn Random>,
}

/// The engine.
pub struct Engine {
    conversations: Conversations,
    tools: Arc<dyn ToolCaller>,
    random: Arc<dyn Random>,
    running: Arc<Running>,
}

impl Engine {
    /// An engine over these ports.
    pub fn new(ports: Ports) -> Self {
        Self {
            conversations: Conversations::new(ports.store, NAME),
            tools: ports.tools,
            random: ports.random,
            running: Arc::default(),
        }
    }
}

#[async_trait]
impl crate::Engine for Engine {
    fn name(&self) -> &'static str {
        NAME
    }

    async fn health(&self) -> Health {
        Health::Ready
    }

    async fn create_session(&self, title: Option<&str>) -> Result<Session, Error> {
        self.conversations.create(title).await
    }

    async fn list_sessions(&self) -> Result<Vec<Session>, Error> {
        self.conversations.list().await
    }

    async fn get_session(&self, id: &SessionId) -> Result<Option<Session>, Error> {
        self.conversations.get(id).await
    }

    async fn rename_session(&self, id: &SessionId, title: &str) -> Result<(), Error> {
        self.conversations.rename(id, title).await
    }

    async fn delete_session(&self, id: &SessionId) -> Result<(), Error> {
        self.conversations.require(id).await?;
        self.running.clear(id).await;
        self.conversations.delete(id).await
    }

    async fn messages(&self, id: &SessionId, before: Option<i64>, limit: u32) -> Result<Vec<Message>, Error> {
        self.conversations.page(id, before, limit).await
    }

    async fn rewind(&self, id: &SessionId, after: i64) -> Result<(), Error> {
        let _place = self.running.take(id, &CancellationToken::new())?;
        self.conversations.rewind(id, after).await
    }

    async fn models(&self) -> Result<Vec<Model>, Error> {
        Ok(Vec::new())
    }

    async fn context(&self, id: &SessionId) -> Result<Context, Error> {
        self.conversations.require(id).await?;
        Ok(Context { model: "none (engine 'direct')".to_owned(), ..Context::default() })
    }

    async fn send(&self, session: &SessionId, turn: Turn) -> Result<BoxStream<'static, crate::Event>, Error> {
        let known = self.conversations.require(session).await?;
        let place = self.running.take(session, &turn.cancel)?;
        self.conversations
            .append(session, &[Body::User { text: turn.text.clone() }])
            .await
            .map_err(Error::store)?;
        let work = Work {
            conversations: self.conversations.clone(),
            tools: self.tools.clone(),
            id: tool::fresh_id(&*self.random),
            session: known,
            stop: Stop::new(turn.cancel.clone(), DEADLINE),
            turn,
        };
        Ok(turn::run(place, |sink| work.run(sink)))
    }

    async fn abort(&self, session: &SessionId) -> Result<bool, Error> {
        self.conversations.require(session).await?;
        Ok(self.running.abort(session))
    }
}

/// One turn.
struct Work {
    conversations: Conversations,
    tools: Arc<dyn ToolCaller>,
    id: String,
    session: Session,
    stop: Stop,
    turn: Turn,
}

impl Work {
    async fn run(self, mut sink: Sink) -> Result<(), Fault> {
        self.conversations.entitle(&self.session, &self.turn.raw).await?;
        let answer = match Command::parse(&self.turn.raw) {
            Command::Help => command::help(),
            Command::List => command::list(&self.tools.tools(&self.turn.id)),
            Command::Run { tool, arguments } => self.call(tool, arguments, &mut sink).await?,
        };
        sink.text(answer.clone());
        self.say(&[Body::Assistant { text: answer, calls: Vec::new() }]).await
    }

    /// Runs the tool and gives its answer as text. Call and result are stored, each before anybody hears of it.
    async fn call(&self, name: &str, arguments: &str, sink: &mut Sink) -> Result<String, Fault> {
        let call = Call { id: self.id.clone(), name: name.to_owned(), arguments: arguments.to_owned() };
        self.say(&[Body::Assistant { text: String::new(), calls: vec![call.clone()] }]).await?;
        sink.call(&call);
        let mut answers = Answers::new(&*self.tools, &self.turn.id, std::slice::from_ref(&call), &self.stop);
        let mut answer = String::new();
        while let Some(tool::Result { id, is_error, text }) = answers.next().await {
            self.say(&[Body::Tool { id: id.clone(), is_error, text: text.clone() }]).await?;
            sink.result(&id, is_error, &text);
            answer = if is_error { format!("The tool failed: {text}") } else { text };
        }
        answers.end()?;
        Ok(answer)
    }

    async fn say(&self, bodies: &[Body]) -> Result<(), Fault> {
        self.conversations.append(&self.session.id, bodies).await?;
        Ok(())
    }
}
