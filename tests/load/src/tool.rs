//! A tool that stands still until it is cancelled.

use std::sync::Arc;

use async_trait::async_trait;
use openpact_model::id::Digest;
use openpact_model::port::ToolProvider;
use openpact_model::principal::Principal;
use openpact_model::tool::{ToolCall, ToolFailure, ToolOutput, ToolSpec};
use serde_json::json;
use tokio::sync::Semaphore;

/// The tool `stand_still`.
pub(crate) struct Still {
    specs: Arc<[ToolSpec]>,
    /// One permit for each call that stands still.
    pub(crate) standing: Semaphore,
}

impl Still {
    pub(crate) fn new() -> Arc<Self> {
        let spec = json!({
            "name": "stand_still",
            "description": "Does nothing until it is cancelled.",
            "input_schema": { "type": "object" },
            "effects": { "reads": "nothing", "writes": "nothing" },
        });
        let spec: ToolSpec = serde_json::from_value(spec).expect("it is a tool");
        Arc::new(Self { specs: [spec].into(), standing: Semaphore::new(0) })
    }
}

#[async_trait]
impl ToolProvider for Still {
    fn principal(&self) -> Principal {
        Principal::Runtime
    }

    fn digest(&self) -> Option<Digest> {
        None
    }

    fn tools(&self) -> Arc<[ToolSpec]> {
        Arc::clone(&self.specs)
    }

    async fn call(&self, call: ToolCall) -> Result<ToolOutput, ToolFailure> {
        self.standing.add_permits(1);
        call.cancel.cancelled().await;
        Err(ToolFailure::Cancelled)
    }
}
