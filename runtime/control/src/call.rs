//! A tool that is called by hand.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// How a call by hand went.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Called {
    /// Whether `output` tells of a failure.
    pub is_error: bool,
    /// The answer as text, secrets taken out.
    pub text: String,
    /// The answer as data, where the tool has a schema for it.
    pub structured: Option<Value>,
    /// What the sandbox measured; `None` where the call never got there.
    pub cost: Option<Cost>,
    /// What the component logged.
    pub log: Vec<String>,
}

/// What a call took.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Cost {
    /// Wall time, milliseconds.
    pub wall_ms: f64,
    /// CPU time, milliseconds.
    pub cpu_ms: f64,
    /// The most memory that it had, bytes.
    pub peak_memory: u64,
    /// Network requests that it made.
    pub requests: u32,
}
