//! AI engines behind one trait. An engine turns a user's turn into a stream of [`Event`]s; it knows nothing of chat
//! platforms and nothing of components: tools are called through [`openpact_model::port::ToolCaller`].

pub mod builtin;
mod conversation;
pub mod direct;
pub mod event;
mod fault;
mod image;
pub mod session;
mod tool;
mod turn;

use async_trait::async_trait;
use futures::stream::BoxStream;
use openpact_model::id::{SessionId, TurnId};
use tokio_util::sync::CancellationToken;

pub use event::Event;
pub use image::{Format, Image, MOST_IMAGE_BYTES};
pub use session::{Message, Session};

/// One user turn on its way to an engine.
#[derive(Debug, Clone)]
pub struct Turn {
    /// Issued by the host; tool calls name it.
    pub id: TurnId,
    /// The system prompt, assembled by the orchestrator.
    pub system: String,
    /// The user's text with its source line.
    pub text: String,
    /// The same text as the person typed it, without the source line; what `direct` parses.
    pub raw: String,
    /// Images that the person sent with it, of at most [`MOST_IMAGE_BYTES`] in all. The text names them.
    pub images: Vec<Image>,
    /// The model to use; `None` for the session's own or the default.
    pub model: Option<String>,
    /// Cancelled when the turn is to stop.
    pub cancel: CancellationToken,
}

/// Whether an engine can answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Health {
    /// It can.
    Ready,
    /// It cannot; `why` and what to do about it, for a person.
    NotReady {
        /// One line.
        why: String,
    },
}

/// How full a session's context window is and what it has cost.
#[derive(Debug, Clone, PartialEq, Default, serde::Serialize)]
pub struct Context {
    /// The model in use.
    pub model: String,
    /// Tokens that the last request took.
    pub tokens: u64,
    /// Tokens that the model can take, where known.
    pub window: Option<u64>,
    /// Tokens of the last request that came from the provider's cache.
    pub cached: u64,
    /// Cost so far in US dollars, where prices are known.
    pub cost: Option<f64>,
}

/// A model that an engine offers.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Model {
    /// The provider's name of it.
    pub id: String,
    /// Whether turns use it unless they say otherwise.
    pub default: bool,
}

/// An AI engine.
#[async_trait]
pub trait Engine: Send + Sync {
    /// The name of the kind, such as `builtin`.
    fn name(&self) -> &'static str;

    /// Whether a model may be shown the images of a turn. Where not, they are left out, and nobody needs to bring them.
    fn takes_images(&self) -> bool {
        false
    }

    /// Whether it can answer now.
    async fn health(&self) -> Health;

    /// Makes a session.
    ///
    /// # Errors
    /// When it cannot be stored.
    async fn create_session(&self, title: Option<&str>) -> Result<Session, Error>;

    /// All sessions, the newest first.
    ///
    /// # Errors
    /// When the store cannot be read.
    async fn list_sessions(&self) -> Result<Vec<Session>, Error>;

    /// One session; `None` where there is none of that id.
    ///
    /// # Errors
    /// When the store cannot be read.
    async fn get_session(&self, id: &SessionId) -> Result<Option<Session>, Error>;

    /// Gives a session another title.
    ///
    /// # Errors
    /// [`Error::UnknownSession`], or when it cannot be stored.
    async fn rename_session(&self, id: &SessionId, title: &str) -> Result<(), Error>;

    /// Deletes a session with its messages.
    ///
    /// # Errors
    /// [`Error::UnknownSession`], or when it cannot be stored.
    async fn delete_session(&self, id: &SessionId) -> Result<(), Error>;

    /// The newest `limit` messages before `before` (a message's number), oldest first.
    ///
    /// # Errors
    /// [`Error::UnknownSession`], or when the store cannot be read.
    async fn messages(&self, id: &SessionId, before: Option<i64>, limit: u32) -> Result<Vec<Message>, Error>;

    /// Takes back all messages after number `after`, so that what led to them can be said anew. Where what is after
    /// that number was summarised meanwhile, the summary stays.
    ///
    /// # Errors
    /// [`Error::UnknownSession`], [`Error::Busy`], or when it cannot be stored.
    async fn rewind(&self, id: &SessionId, after: i64) -> Result<(), Error>;

    /// The models on offer.
    ///
    /// # Errors
    /// When the provider does not say.
    async fn models(&self) -> Result<Vec<Model>, Error>;

    /// How full the session's window is.
    ///
    /// # Errors
    /// [`Error::UnknownSession`], or when the store cannot be read.
    async fn context(&self, id: &SessionId) -> Result<Context, Error>;

    /// Starts a turn. The stream always ends with [`Event::End`] or [`Event::Error`], whatever happens, and the turn
    /// goes on to its end even when the stream is dropped, unless `turn.cancel` is cancelled.
    ///
    /// # Errors
    /// [`Error::UnknownSession`], [`Error::Busy`], or when the turn cannot be stored.
    async fn send(&self, session: &SessionId, turn: Turn) -> Result<BoxStream<'static, Event>, Error>;

    /// Stops the session's running turn, if there is one; says whether there was.
    ///
    /// # Errors
    /// [`Error::UnknownSession`].
    async fn abort(&self, session: &SessionId) -> Result<bool, Error>;
}

/// An engine could not do what was asked. `Display` is for a person who talks to the assistant.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no session of that id.
    #[error("there is no session {0}")]
    UnknownSession(SessionId),
    /// The session runs a turn already.
    #[error("this session is still answering; wait, or say stop")]
    Busy,
    /// The store did not work; its own words tell what to do.
    #[error(transparent)]
    Store(Box<dyn std::error::Error + Send + Sync>),
    /// The provider did not answer as it should; one line that says what to do.
    #[error("{0}")]
    Provider(String),
}

impl Error {
    fn store(error: openpact_store::Error) -> Self {
        tracing::error!(error = &error as &dyn std::error::Error, "the sessions could not be read or stored");
        Self::Store(Box::new(error))
    }
}
