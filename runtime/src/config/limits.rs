//! Section `limits`: limits of the whole program, and of a call where the component's own section says nothing.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::unit::{Size, Span};

/// The least that leaves room for a few calls beside each other; with less, answers would wait for each other.
const LEAST_INSTANCES: u32 = 8;

/// Limits of the whole program.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Limits {
    /// Threads that run components. Not set: as many as there are processors, and no more than 4.
    #[schemars(example = 2)]
    pub(crate) guest_threads: Option<u32>,
    /// Components that may run at the same time, over all; at least 8. Those that receive from a chat platform have
    /// places of their own.
    #[schemars(range(min = LEAST_INSTANCES))]
    pub(crate) instances: u32,
    /// How long a stop waits for what is running.
    pub(crate) shutdown: Span,
    /// One call of a tool.
    pub(crate) call: Call,
}

/// One call of a tool.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Call {
    /// Memory.
    pub(crate) memory: Size,
    /// Wall time.
    pub(crate) wall: Span,
    /// CPU time.
    pub(crate) cpu: Span,
    /// Size of the answer.
    pub(crate) result: Size,
    /// Calls of one component at the same time.
    pub(crate) concurrent: u32,
    /// Calls of one component that may wait for a free place.
    pub(crate) queue: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self { guest_threads: None, instances: 64, shutdown: Span::seconds(20), call: Call::default() }
    }
}

impl Limits {
    /// What makes no sense: the key, and a sentence.
    pub(super) fn contradictions(&self) -> Vec<(&'static str, String)> {
        if self.instances >= LEAST_INSTANCES {
            return Vec::new();
        }
        let message = format!(
            "'limits.instances': {} is too little to answer anybody: tools, and every part of an answer, take a place; use {LEAST_INSTANCES} \
             or more, or leave it out",
            self.instances
        );
        vec![("limits.instances", message)]
    }
}

impl Default for Call {
    fn default() -> Self {
        Self {
            memory: Size::mib(64),
            wall: Span::seconds(30),
            cpu: Span::seconds(5),
            result: Size::mib(1),
            concurrent: 8,
            queue: 64,
        }
    }
}
