//! What is written to the audit log.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// How something that was asked for ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// It was done.
    Allowed,
    /// A rule said no.
    Denied,
    /// It was allowed and then failed.
    Failed,
}

/// One line of the audit log before it is stored: who, what, on what, and how it ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// `area.noun.verb`, such as `tool.call.end`, `egress.request`, `component.load`, `secret.set`.
    pub kind: String,
    /// Who caused it: a principal, a person (`terminal:owner`), or `admin`.
    pub actor: String,
    /// What it was done to: a tool, a URL without its query, a component.
    pub subject: String,
    /// How it ended.
    pub verdict: Verdict,
    /// Further facts. Never a secret, never a long value: those are hashed.
    pub detail: Map<String, Value>,
}

impl Event {
    /// An event without further facts.
    pub fn new(
        kind: impl Into<String>,
        actor: impl Into<String>,
        subject: impl Into<String>,
        verdict: Verdict,
    ) -> Self {
        Self { kind: kind.into(), actor: actor.into(), subject: subject.into(), verdict, detail: Map::new() }
    }

    /// Adds one fact.
    #[must_use]
    pub fn with(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.detail.insert(key.to_owned(), value.into());
        self
    }
}
