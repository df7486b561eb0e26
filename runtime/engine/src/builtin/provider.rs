//! What the loop needs from a provider of models. A provider is one module that implements [`Provider`]; it knows the
//! wire and nothing of turns, sessions or the store.

use std::time::Duration;

use async_trait::async_trait;
use futures::stream::BoxStream;
use openpact_model::tool::ToolSpec;
use serde_json::{Map, Value};

use crate::event::ErrorKind;
use crate::fault::{Fault, human};
use crate::image::Image;
use crate::session::Call;

/// One request for an answer.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    /// The model, by the provider's name of it.
    pub(crate) model: String,
    /// The system prompt.
    pub(crate) system: String,
    /// The conversation, oldest first. Every call is followed by its results.
    pub(crate) messages: Vec<Said>,
    /// The tools on offer.
    pub(crate) tools: Vec<ToolSpec>,
    /// How many tokens the answer may have.
    pub(crate) max_output: Option<u64>,
}

/// One message of a request.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Said {
    /// The person, or the summary of what was said before.
    User {
        /// The text.
        text: String,
        /// The images that came with it.
        images: Vec<Image>,
    },
    /// The model.
    Assistant {
        /// Its text.
        text: String,
        /// Its calls.
        calls: Vec<Call>,
        /// What the provider wants to see again with this message within the same turn.
        echo: Echo,
    },
    /// The result of a call.
    Tool {
        /// The id of the call.
        id: String,
        /// The result.
        text: String,
    },
}

/// What a provider wants to see again with a message: reasoning or signatures that some insist on. Opaque to the loop.
pub(crate) type Echo = Map<String, Value>;

/// A piece of an answer.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Delta {
    /// The connection lives, and there is nothing to show.
    Alive,
    /// Reasoning.
    Reasoning(String),
    /// Text.
    Text(String),
    /// A call, complete.
    Call(Call),
    /// What the request took.
    Usage(Usage),
    /// The answer is complete. Always the last; a stream that ends without it was cut.
    End {
        /// Why it ended here.
        reason: Reason,
        /// What is to be shown to the provider again.
        echo: Echo,
    },
}

/// Why an answer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reason {
    /// The model had said what it had to say, or waits for its tools.
    Done,
    /// It may not say more.
    Length,
    /// The provider does not let it say this.
    Filter,
}

/// What a request took, in tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usage {
    /// In.
    pub input: u64,
    /// Out.
    pub output: u64,
    /// In, from the provider's cache.
    pub cached: u64,
}

/// A request was not answered, or not to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure {
    /// What the person is told.
    pub(crate) kind: ErrorKind,
    /// One sentence for the person, with what to do.
    pub(crate) message: String,
    /// Whether it may go better the next time.
    pub(crate) again: Again,
    /// Whether the conversation is longer than the model can take.
    pub(crate) too_long: bool,
    /// Whether it may go better without the images of the request, where there are any.
    pub(crate) sightless: bool,
}

/// Whether the same request may go better the next time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Again {
    /// No.
    Never,
    /// With another model, perhaps.
    OtherModel,
    /// Perhaps, in a moment.
    Soon,
    /// The provider says when.
    After(Duration),
}

impl Failure {
    pub(crate) fn new(kind: ErrorKind, again: Again, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), again, too_long: false, sightless: false }
    }

    /// The provider answered what cannot be understood, and would again.
    pub(crate) fn nonsense(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Provider, Again::OtherModel, message)
    }

    /// The connection broke.
    pub(crate) fn cut() -> Self {
        let message = "the connection to the model broke before the answer was complete; try again";
        Self::new(ErrorKind::Provider, Again::Soon, message)
    }
}

impl From<Failure> for Fault {
    fn from(failure: Failure) -> Self {
        let Failure { kind, message, again, .. } = failure;
        match again {
            Again::After(wait) if !wait.is_zero() => {
                Self::new(kind, format!("{message} (the provider asks to wait {})", human(wait)))
            }
            _ => Self::new(kind, message),
        }
    }
}

/// A model of a provider's list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Listed {
    /// Its name there.
    pub(crate) name: String,
    /// Whether it takes images, where the list says so.
    pub(crate) images: Option<bool>,
}

/// A provider of models.
#[async_trait]
pub(crate) trait Provider: Send + Sync {
    /// Asks for an answer. `limits` bound the connection, not the loop's patience.
    async fn answer(&self, request: &Request, limits: Limits) -> Result<Answer, Failure>;

    /// The models on offer.
    async fn models(&self, limits: Limits) -> Result<Vec<Listed>, Failure>;

    /// Whether what a request needs is there: `Err` with what a person should do.
    fn ready(&self) -> Result<(), String>;
}

/// An answer as it comes in.
pub(crate) type Answer = BoxStream<'static, Result<Delta, Failure>>;

/// How long a request may take.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// Between two bytes, and until the first.
    pub(crate) idle: Duration,
    /// In all.
    pub(crate) total: Duration,
}
