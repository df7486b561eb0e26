//! What clients can read beside tools: resources and prompts.

mod folder;
mod template;

use async_trait::async_trait;
use openpact_model::role::Caller;
pub use rmcp::model::{
    ContentBlock, GetPromptResult, JsonObject, Prompt, PromptArgument, PromptMessage, Resource,
    ResourceContents, ResourceTemplate, Role,
};

pub use folder::Folder;

/// Why nothing was read. The text is for the client.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Missing {
    /// It is not there, or not for this caller: they are not told which.
    #[error("there is no {0}")]
    NotFound(String),
    /// The arguments do not fit.
    #[error("{0}")]
    Arguments(String),
    /// It is there and cannot be read; why.
    #[error("{0}")]
    Unreadable(String),
}

/// Resources and prompts, each for those callers who may have them.
#[async_trait]
pub trait Library: Send + Sync {
    /// The resources that `caller` may read, in stable order.
    async fn resources(&self, caller: &Caller) -> Vec<Resource>;

    /// How the addresses of further resources are made.
    async fn templates(&self, caller: &Caller) -> Vec<ResourceTemplate>;

    /// Reads one.
    ///
    /// # Errors
    /// When it is not there, not for this caller, or not readable.
    async fn read(&self, caller: &Caller, uri: &str) -> Result<Vec<ResourceContents>, Missing>;

    /// A number that is another one once the resource has changed; `None` where it is not there or not for this
    /// caller.
    async fn revision(&self, caller: &Caller, uri: &str) -> Option<u64>;

    /// The prompts that `caller` may use, in stable order.
    async fn prompts(&self, caller: &Caller) -> Vec<Prompt>;

    /// Fills one in.
    ///
    /// # Errors
    /// When it is not there, not for this caller, or an argument is missing.
    async fn prompt(
        &self,
        caller: &Caller,
        name: &str,
        arguments: &JsonObject,
    ) -> Result<GetPromptResult, Missing>;
}
