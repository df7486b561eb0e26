//! Tools: what they are, what they are asked and what they answer.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use crate::id::{CallId, TurnId};
use crate::role::Caller;

/// What a tool reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Reads {
    /// Nothing that is not in its arguments, or nothing that matters.
    Nothing,
    /// Things that belong to the owner.
    Private,
    /// Text that others wrote.
    Untrusted,
}

/// What a tool changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Writes {
    /// Nothing.
    Nothing,
    /// Files and memory of this assistant.
    Local,
    /// The world outside.
    External,
}

/// The declared effects of a tool. What is not stated counts as the worst.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Effects {
    /// What it reads; untrusted unless stated.
    #[serde(default = "worst_reads")]
    pub reads: Reads,
    /// What it writes; external unless stated.
    #[serde(default = "worst_writes")]
    pub writes: Writes,
}

impl Default for Effects {
    fn default() -> Self {
        Self { reads: worst_reads(), writes: worst_writes() }
    }
}

fn worst_reads() -> Reads {
    Reads::Untrusted
}

fn worst_writes() -> Writes {
    Writes::External
}

/// A tool as the model and the admin see it. Pinned by the manifest that the admin approved.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ToolSpec {
    /// The full name, such as `workspace_read`.
    pub name: String,
    /// A name for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// What it does, for the model.
    pub description: String,
    /// JSON Schema (2020-12) of the arguments: an object schema.
    pub input_schema: Value,
    /// JSON Schema of the structured answer, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output_schema: Option<Value>,
    /// What it reads and changes.
    #[serde(default)]
    pub effects: Effects,
}

/// One piece of a tool's answer (Model Context Protocol, tools, "Tool result").
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum Content {
    /// Text.
    Text {
        /// The text.
        text: String,
    },
    /// A JSON value.
    Json {
        /// The value.
        value: Value,
    },
    /// A picture.
    Image {
        /// The bytes, base64.
        data: String,
        /// Its media type, such as `image/png`.
        media_type: String,
    },
    /// A pointer to something that the reader may fetch.
    ResourceLink {
        /// Where it is.
        uri: String,
        /// What it is called.
        name: String,
        /// What it is.
        description: Option<String>,
        /// Its media type.
        media_type: Option<String>,
    },
    /// A sound.
    Audio {
        /// The bytes, base64.
        data: String,
        /// Its media type, such as `audio/wav`.
        media_type: String,
    },
    /// A thing with an address, given whole.
    Embedded {
        /// Where it is.
        uri: String,
        /// Its media type.
        media_type: Option<String>,
        /// What is in it.
        body: Body,
    },
}

/// What is in an embedded resource.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Body {
    /// Text.
    Text(String),
    /// Bytes, base64.
    Blob(String),
}

impl Content {
    /// A piece of text.
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text { text: text.into() }
    }
}

/// What a tool answered.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct ToolOutput {
    /// The pieces in order.
    pub content: Vec<Content>,
    /// The same as a JSON value, where the tool has an output schema.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub structured: Option<Value>,
}

impl ToolOutput {
    /// An answer of one piece of text.
    pub fn text(text: impl Into<String>) -> Self {
        Self { content: vec![Content::text(text)], structured: None }
    }

    /// All text and JSON pieces as one text, for people and for models without structured results.
    pub fn as_text(&self) -> String {
        let pieces = self.content.iter().map(|piece| match piece {
            Content::Text { text } | Content::Embedded { body: Body::Text(text), .. } => text.clone(),
            Content::Json { value } => value.to_string(),
            Content::Image { media_type, .. } | Content::Audio { media_type, .. } => {
                format!("[{media_type}]")
            }
            Content::Embedded { uri, body: Body::Blob(_), .. } => format!("[{uri}]"),
            Content::ResourceLink { uri, name, .. } => format!("{name}: {uri}"),
        });
        pieces.collect::<Vec<_>>().join("\n")
    }
}

/// A limit of the sandbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Limit {
    /// Wall time, milliseconds.
    Time,
    /// CPU time, milliseconds.
    Cpu,
    /// Linear memory, bytes.
    Memory,
    /// The stack of the guest.
    Stack,
    /// Size of the answer, bytes.
    Result,
    /// Open handles.
    Handles,
    /// Bytes on a mount.
    Files,
    /// Bytes in the key-value store.
    KeyValue,
    /// Calls that wait for a free place.
    Queue,
    /// Bytes that cross to the host in one call of a function.
    Hostcall,
    /// HTTP requests of one call.
    Requests,
    /// Bytes of output and log that are kept of one call.
    Output,
}

impl Limit {
    /// What the limit bounds, with its unit, for a sentence.
    pub fn noun(self) -> &'static str {
        match self {
            Self::Time => "wall time in milliseconds",
            Self::Cpu => "CPU time in milliseconds",
            Self::Memory => "memory in bytes",
            Self::Stack => "stack depth",
            Self::Result => "result size in bytes",
            Self::Handles => "open handles",
            Self::Files => "bytes in files",
            Self::KeyValue => "bytes in the key-value store",
            Self::Queue => "waiting calls",
            Self::Hostcall => "bytes that go to the host at once",
            Self::Requests => "HTTP requests in one call",
            Self::Output => "bytes of output and log in one call",
        }
    }

    /// A stable word for metrics and for lists.
    pub fn word(self) -> &'static str {
        match self {
            Self::Time => "time",
            Self::Cpu => "cpu",
            Self::Memory => "memory",
            Self::Stack => "stack",
            Self::Result => "result",
            Self::Handles => "handles",
            Self::Files => "files",
            Self::KeyValue => "key-value",
            Self::Queue => "queue",
            Self::Hostcall => "hostcall",
            Self::Requests => "requests",
            Self::Output => "output",
        }
    }

    /// A value of the limit for people, such as "64 MiB".
    pub fn amount(self, value: u64) -> String {
        match self {
            Self::Time | Self::Cpu if value > 0 && value.is_multiple_of(1000) => {
                format!("{} s", value / 1000)
            }
            Self::Time | Self::Cpu => format!("{value} ms"),
            Self::Handles | Self::Queue | Self::Requests => value.to_string(),
            Self::Memory
            | Self::Stack
            | Self::Result
            | Self::Files
            | Self::KeyValue
            | Self::Hostcall
            | Self::Output => {
                let units = [(30, "GiB"), (20, "MiB"), (10, "KiB")];
                let whole = units.iter().find(|(bits, _)| value > 0 && value.is_multiple_of(1 << bits));
                whole.map_or_else(
                    || format!("{value} bytes"),
                    |(bits, unit)| format!("{} {unit}", value >> bits),
                )
            }
        }
    }
}

/// Why a tool call gave no answer. `Display` is what the model is told; details are in the log.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ToolFailure {
    /// The arguments do not fit; the text names the place.
    #[error("invalid arguments: {0}")]
    InvalidArguments(String),
    /// What was asked for is not there.
    #[error("not found: {0}")]
    NotFound(String),
    /// The tool, a grant or a role said no. The text tells the model no more than that.
    #[error("denied: {0}")]
    Denied(String),
    /// Something that the tool needs does not answer now.
    #[error("unavailable: {0}")]
    Unavailable(String),
    /// The tool tried and failed.
    #[error("{0}")]
    Failed(String),
    /// The tool broke: a trap or a panic. The text is short; the backtrace is in the log.
    #[error("the tool broke: {0}")]
    Broken(String),
    /// The sandbox stopped it.
    #[error("stopped at its limit of {value} ({})", limit.noun())]
    LimitReached {
        /// Which limit.
        limit: Limit,
        /// Its value, in the unit of [`Limit`].
        value: u64,
    },
    /// Somebody asked for it to stop.
    #[error("cancelled")]
    Cancelled,
    /// The component was switched off, or replaced, while the call ran or waited.
    #[error(
        "stopped: the component was switched off, and the call with it; what it had done until then stays"
    )]
    Stopped,
    /// Our own fault.
    #[error("internal error, see the log")]
    Host(String),
}

impl ToolFailure {
    /// A stable word for logs, metrics and `--json`.
    pub fn code(&self) -> &'static str {
        match self {
            Self::InvalidArguments(_) => "invalid-arguments",
            Self::NotFound(_) => "not-found",
            Self::Denied(_) => "denied",
            Self::Unavailable(_) => "unavailable",
            Self::Failed(_) => "failed",
            Self::Broken(_) => "broken",
            Self::LimitReached { .. } => "limit-reached",
            Self::Cancelled => "cancelled",
            Self::Stopped => "stopped",
            Self::Host(_) => "host",
        }
    }
}

/// Which addresses a call may reach by a grant that is for any site. Grants that name their sites are not narrowed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Reach {
    /// All that is granted.
    #[default]
    Granted,
    /// These alone, as the URL Standard writes them, without fragments: what a person wrote, in a conversation that
    /// holds private things. A redirect from one of them may be followed, since the server chose where it leads.
    Only(Arc<BTreeSet<String>>),
}

/// One call on its way to whatever executes the tool. Built by the router alone.
#[derive(Debug, Clone)]
pub struct ToolCall {
    /// This call.
    pub id: CallId,
    /// The turn that it belongs to.
    pub turn: TurnId,
    /// The tool's full name.
    pub tool: String,
    /// The arguments, already valid against the tool's schema.
    pub arguments: Value,
    /// Who caused it.
    pub caller: Caller,
    /// What it may reach of the network.
    pub reach: Reach,
    /// Wall time that it may take; `None` leaves it to the executor's own limit.
    pub deadline: Option<Duration>,
    /// Set when the turn is stopped.
    pub cancel: CancellationToken,
    /// Who wants to know how far it is.
    pub progress: ProgressSink,
}

/// How far a call is.
#[derive(Debug, Clone, PartialEq)]
pub struct Progress {
    /// What is done; grows with every report.
    pub done: f64,
    /// What there is to do in all, where it is known.
    pub total: Option<f64>,
    /// What it does now, for a person.
    pub message: Option<String>,
}

/// How important a line is that a tool logs for whoever called it. What is less than these is for the operator alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogLevel {
    /// Worth knowing.
    Info,
    /// Something is not as it should be.
    Warn,
    /// Something failed.
    Error,
}

/// A line that a tool logged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    /// How important it is.
    pub level: LogLevel,
    /// What it says.
    pub text: String,
}

/// Takes what a tool says while it runs: reports of progress and, for who asks, lines of its log. The default drops
/// both. The operator's log has the lines in any case.
#[derive(Clone, Default)]
pub struct ProgressSink {
    progress: Option<Arc<dyn Fn(Progress) + Send + Sync>>,
    log: Option<Log>,
}

#[derive(Clone)]
struct Log {
    least: LogLevel,
    take: Arc<dyn Fn(LogLine) + Send + Sync>,
}

impl ProgressSink {
    /// One that calls `take` with each report. It must not block.
    pub fn new(take: impl Fn(Progress) + Send + Sync + 'static) -> Self {
        Self { progress: Some(Arc::new(take)), log: None }
    }

    /// The same, and `take` is called with each line of the log from `least` on. It must not block.
    #[must_use]
    pub fn with_log(mut self, least: LogLevel, take: impl Fn(LogLine) + Send + Sync + 'static) -> Self {
        self.log = Some(Log { least, take: Arc::new(take) });
        self
    }

    /// Passes a report on.
    pub fn report(&self, progress: Progress) {
        if let Some(take) = &self.progress {
            take(progress);
        }
    }

    /// The least level of the lines that are taken; `None` where none is.
    pub fn least(&self) -> Option<LogLevel> {
        self.log.as_ref().map(|log| log.least)
    }

    /// Passes a line on, if somebody asked for lines of its level.
    pub fn log(&self, line: LogLine) {
        if let Some(log) = self.log.as_ref().filter(|log| line.level >= log.least) {
            (log.take)(line);
        }
    }
}

impl std::fmt::Debug for ProgressSink {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let is_used = self.progress.is_some() || self.log.is_some();
        f.write_str(if is_used { "ProgressSink(..)" } else { "ProgressSink(none)" })
    }
}

/// The router's answer to whoever asked for a call. A tool's own failure is an answer too.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ToolAnswer {
    /// Whether `output` tells of a failure.
    pub is_error: bool,
    /// The answer, secrets taken out.
    pub output: ToolOutput,
}
