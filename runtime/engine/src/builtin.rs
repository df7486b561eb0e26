//! The native agent loop: a model, its tools, and what it is told of the conversation so far.

mod compaction;
mod config;
mod history;
mod openai;
mod provider;
mod redaction;
mod retry;
mod sight;
mod work;

use std::sync::Arc;

use async_trait::async_trait;
use futures::stream::BoxStream;
use openpact_egress::Door;
use openpact_egress::redact::Redactor;
use openpact_model::clock::Clock;
use openpact_model::id::SessionId;
use openpact_model::port::ToolCaller;
use openpact_model::random::Random;
use openpact_store::Store;
use tokio_util::sync::CancellationToken;

use crate::conversation::Conversations;
use crate::session::Body;
use crate::turn::{self, Running, Stop};
use crate::{Context, Error, Event, Health, Message, Model, Session, Turn};

pub use config::{Config, ConfigError, Key, Price, grants, principal};
pub use provider::Usage;
pub use retry::Retry;
pub use sight::Images;

use openai::OpenAi;
use provider::{Limits, Provider};
use sight::Sight;
use work::Work;

/// The name of this kind of engine.
pub const NAME: &str = "builtin";

/// What the engine needs from others.
#[derive(Clone)]
pub struct Ports {
    /// Where sessions, messages and usage are kept.
    pub store: Store,
    /// What executes tools.
    pub tools: Arc<dyn ToolCaller>,
    /// The way to the provider, with the grants of [`grants`].
    pub door: Arc<Door>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Randomness, for the ids of calls and the spread of retries.
    pub random: Arc<dyn Random>,
}

/// The engine.
pub struct Engine {
    shared: Arc<Shared>,
    running: Arc<Running>,
}

/// What every turn works with.
pub(crate) struct Shared {
    config: Config,
    conversations: Conversations,
    provider: Box<dyn Provider>,
    door: Arc<Door>,
    tools: Arc<dyn ToolCaller>,
    random: Arc<dyn Random>,
    sight: Sight,
}

impl Shared {
    /// What knows the secrets of this moment that are looked for on the way out.
    fn redactor(&self) -> Arc<Redactor> {
        self.door.redactor()
    }
}

impl Config {
    /// Builds the engine. Nothing is sent before the first turn.
    ///
    /// # Errors
    /// [`ConfigError`], which names the setting.
    pub fn build(self, ports: Ports) -> Result<Engine, ConfigError> {
        self.check()?;
        let Ports { store, tools, door, clock, random } = ports;
        let key = self.key.clone();
        let provider = Box::new(OpenAi::new(door.clone(), clock, self.base_url.clone(), key));
        let conversations = Conversations::new(store, NAME);
        let sight = Sight::default();
        let shared = Shared { config: self, conversations, provider, door, tools, random, sight };
        Ok(Engine { shared: Arc::new(shared), running: Arc::default() })
    }
}

impl Engine {
    /// Sets the model of one session, or sets it back to the default.
    ///
    /// # Errors
    /// [`Error::UnknownSession`], or when it cannot be stored.
    pub async fn set_model(&self, session: &SessionId, model: Option<&str>) -> Result<(), Error> {
        self.shared.conversations.set_model(session, model).await
    }
}

#[async_trait]
impl crate::Engine for Engine {
    fn name(&self) -> &'static str {
        NAME
    }

    fn takes_images(&self) -> bool {
        self.shared.config.images != Images::Never
    }

    async fn health(&self) -> Health {
        self.shared.provider.ready().map_or_else(|why| Health::NotReady { why }, |()| Health::Ready)
    }

    async fn create_session(&self, title: Option<&str>) -> Result<Session, Error> {
        self.shared.conversations.create(title).await
    }

    async fn list_sessions(&self) -> Result<Vec<Session>, Error> {
        self.shared.conversations.list().await
    }

    async fn get_session(&self, id: &SessionId) -> Result<Option<Session>, Error> {
        self.shared.conversations.get(id).await
    }

    async fn rename_session(&self, id: &SessionId, title: &str) -> Result<(), Error> {
        self.shared.conversations.rename(id, title).await
    }

    async fn delete_session(&self, id: &SessionId) -> Result<(), Error> {
        self.shared.conversations.require(id).await?;
        self.running.clear(id).await;
        self.shared.sight.forget(id, ..);
        self.shared.conversations.delete(id).await
    }

    async fn messages(&self, id: &SessionId, before: Option<i64>, limit: u32) -> Result<Vec<Message>, Error> {
        self.shared.conversations.page(id, before, limit).await
    }

    async fn rewind(&self, id: &SessionId, after: i64) -> Result<(), Error> {
        let _place = self.running.take(id, &CancellationToken::new())?;
        self.shared.sight.forget(id, after.saturating_add(1)..);
        self.shared.conversations.rewind(id, after).await
    }

    async fn models(&self) -> Result<Vec<Model>, Error> {
        let config = &self.shared.config;
        let limits = Limits { idle: config.idle, total: config.deadline };
        let models = self.shared.provider.models(limits).await;
        let redactor = self.shared.redactor();
        let models = models.map_err(|mut failure| {
            redaction::text(&redactor, &mut failure.message);
            Error::Provider(failure.message)
        })?;
        let mut names: Vec<String> = models.into_iter().map(|model| model.name).collect();
        for name in &mut names {
            redaction::text(&redactor, name);
        }
        Ok(names.into_iter().map(|id| Model { default: id == config.model, id }).collect())
    }

    async fn context(&self, id: &SessionId) -> Result<Context, Error> {
        let Shared { config, conversations, .. } = &*self.shared;
        let model = conversations.model(id).await?.unwrap_or_else(|| config.model.clone());
        let (total, last) = conversations.usage(id).await?;
        Ok(Context {
            model,
            tokens: last.input + last.output,
            window: Some(config.context_window),
            cached: last.cached,
            cost: total.cost,
        })
    }

    async fn send(&self, session: &SessionId, mut turn: Turn) -> Result<BoxStream<'static, Event>, Error> {
        let known = self.shared.conversations.require(session).await?;
        let own = self.shared.conversations.model(session).await?;
        let place = self.running.take(session, &turn.cancel)?;
        // The past is read before the new message, so that a store that does not answer loses nothing.
        let mut history = history::load(&self.shared.conversations, session).await.map_err(Error::store)?;
        // A secret in what was said would be refused on the way out, this time and every time after.
        let redactor = self.shared.redactor();
        redaction::turn(&redactor, &mut turn);
        for entry in &mut history.entries {
            redaction::body(&redactor, &mut entry.body);
        }
        let said = Body::User { text: turn.text.clone() };
        let appended = self.shared.conversations.append(session, std::slice::from_ref(&said)).await;
        history.push(&appended.map_err(Error::store)?, said);
        self.shared.sight.recall(session, &mut history);
        if let Some(entry) = history.entries.last_mut() {
            self.shared.sight.keep(session, entry.number, &turn.images);
            entry.images.clone_from(&turn.images);
        }
        sight::bound(&mut history);
        let stop = Stop::new(turn.cancel.clone(), self.shared.config.deadline);
        let shared = self.shared.clone();
        Ok(turn::run(place, |sink| Work::new(shared, known, own, turn, history, stop, sink).run()))
    }

    async fn abort(&self, session: &SessionId) -> Result<bool, Error> {
        self.shared.conversations.require(session).await?;
        Ok(self.running.abort(session))
    }
}
