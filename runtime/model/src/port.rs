//! The ports: traits by which crates use each other without knowing each other.

use std::sync::Arc;

use async_trait::async_trait;
use serde_json::Value;

use crate::audit;
use crate::id::{Digest, TurnId};
use crate::principal::Principal;
use crate::role::Channel;
use crate::tool::{ToolAnswer, ToolCall, ToolFailure, ToolOutput, ToolSpec};

/// Something behind a port did not work. The text is for the log and the admin, not for the model.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct PortError {
    /// What was attempted.
    pub message: String,
    /// Why it failed.
    #[source]
    pub source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl PortError {
    /// An error with its cause.
    pub fn new(
        message: impl Into<String>,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        Self { message: message.into(), source: Some(source.into()) }
    }

    /// An error that has no deeper cause.
    pub fn message(message: impl Into<String>) -> Self {
        Self { message: message.into(), source: None }
    }
}

/// The audit log.
#[async_trait]
pub trait AuditSink: Send + Sync {
    /// Appends `event`; it is on disk when this returns.
    ///
    /// # Errors
    /// When the log cannot be written. Whatever was to be recorded must then not be done.
    async fn record(&self, event: audit::Event) -> Result<(), PortError>;
}

/// The key-value store, one name space for each principal.
#[async_trait]
pub trait KeyValue: Send + Sync {
    /// The value of `key`.
    ///
    /// # Errors
    /// When the store cannot be read.
    async fn get(&self, owner: &Principal, key: &str) -> Result<Option<Vec<u8>>, PortError>;

    /// Sets (`Some`) or removes (`None`) `key`, if its value is still `expected` where that is given (the outer
    /// `Option`; the inner one `None` means "not there").
    ///
    /// # Errors
    /// When the store cannot be written.
    async fn put(
        &self,
        owner: &Principal,
        key: &str,
        value: Option<Vec<u8>>,
        expected: Option<Option<Vec<u8>>>,
        quota: u64,
    ) -> Result<KeyValueWrite, PortError>;

    /// The keys that start with `prefix`, in order, at most `limit`, after the key `after`.
    ///
    /// # Errors
    /// When the store cannot be read.
    async fn keys(
        &self,
        owner: &Principal,
        prefix: &str,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<String>, PortError>;
}

/// How a write to the key-value store ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyValueWrite {
    /// Done.
    Stored,
    /// The value was another than expected; this is what is there.
    Conflict(Option<Vec<u8>>),
    /// It would have gone past the quota. Bytes count keys and values.
    OverQuota,
}

/// Something that executes tools: a component, or the runtime itself.
#[async_trait]
pub trait ToolProvider: Send + Sync {
    /// Who executes them.
    fn principal(&self) -> Principal;

    /// The digest of the code that runs, where it is a component.
    fn digest(&self) -> Option<Digest>;

    /// The tools, as pinned; the same for the provider's whole life.
    fn tools(&self) -> Arc<[ToolSpec]>;

    /// Whether a call of a tool that may write to the outside does: `false` where what it writes stays among those who
    /// read the answer anyway, in the channel `here`. Only the runtime itself can know that of a call.
    fn leaves(&self, _tool: &str, _arguments: &Value, _here: Option<&Channel>) -> bool {
        true
    }

    /// Executes one call.
    ///
    /// # Errors
    /// Every way in which it gave no answer.
    async fn call(&self, call: ToolCall) -> Result<ToolOutput, ToolFailure>;
}

/// The router as an engine sees it: tools by turn.
#[async_trait]
pub trait ToolCaller: Send + Sync {
    /// The tools that the caller of `turn` may use, in stable order; none for an unknown turn.
    fn tools(&self, turn: &TurnId) -> Vec<ToolSpec>;

    /// Calls one. `arguments` is the text that the model wrote; it may be anything.
    async fn call(&self, turn: &TurnId, tool: &str, arguments: &str) -> ToolAnswer;
}
