//! What a call used, beside its answer.

use std::time::Duration;

use openpact_model::tool::{ToolFailure, ToolOutput};

/// The end of one call.
#[derive(Debug, Clone)]
pub struct Report {
    /// The answer, or why there is none.
    pub result: Result<ToolOutput, ToolFailure>,
    /// From arrival to end, waiting included.
    pub wall: Duration,
    /// Time on a processor, start and clean-up of the instance included.
    pub cpu: Duration,
    /// The most bytes of memories and tables at one moment.
    pub peak_memory: u64,
    /// HTTP requests that were attempted. Those after the first 500 were denied unasked.
    pub requests: u32,
    /// The lines of standard output, standard error and log, in order, as far as the limit kept them.
    pub log: Vec<String>,
}
