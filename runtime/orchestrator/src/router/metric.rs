//! What the router counts.

use std::time::Duration;

use openpact_model::tool::ToolSpec;

/// A call that ended, or was refused. Only names of tools that there are become labels: a model can make up others.
pub(super) fn ended(tool: Option<&ToolSpec>, outcome: &'static str) {
    let tool = tool.map_or_else(|| "unknown".to_owned(), |tool| tool.name.clone());
    metrics::counter!("openpact_tool_calls_total", "tool" => tool, "outcome" => outcome).increment(1);
    if outcome == "rate-limited" {
        metrics::counter!("openpact_rate_limited_total", "kind" => "tool").increment(1);
    }
}

/// How long a call took that ran.
pub(super) fn took(tool: &ToolSpec, time: Duration) {
    metrics::histogram!("openpact_tool_call_duration_seconds", "tool" => tool.name.clone())
        .record(time.as_secs_f64());
}
