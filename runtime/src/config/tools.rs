//! Section `tools`: who may call which tools, and how often.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::unit::Span;

/// Who may call which tools, and how often. A pattern is a tool's name, in which `*` stands for any letters and `?`
/// for one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Tools {
    /// Tools by role.
    pub(crate) roles: Roles,
    /// Patterns of tools that nobody may call.
    #[schemars(example = ["workspace_delete"])]
    pub(crate) disabled: Vec<String>,
    /// How often tools may be called: a number at once, and then so many a minute.
    pub(crate) rate: Rates,
    /// Wall time of one call, whatever the component's own limit says.
    pub(crate) deadline: Span,
}

/// Tools by role.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Roles {
    /// The owner. Without a list of allowed tools: every one.
    pub(crate) owner: List,
    /// A member. Without a list of allowed tools: those that read nothing private and write nothing outside.
    pub(crate) member: List,
    /// A guest. Without a list of allowed tools: none.
    pub(crate) guest: List,
}

/// The tools of one role.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct List {
    /// Patterns of the tools that the role may call, in place of what it may by itself. Tools that read private things
    /// work in private channels only, whatever is allowed.
    #[schemars(example = ["workspace_*", "web_fetch"])]
    pub(crate) allow: Option<Vec<String>>,
    /// Patterns of tools that the role may not call, whatever is allowed.
    #[schemars(example = ["workspace_delete"])]
    pub(crate) deny: Vec<String>,
}

/// How often tools may be called.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Rates {
    /// By one person, over all tools and with all of their accounts.
    pub(crate) person: Rate,
    /// Of one tool, by everybody together.
    pub(crate) tool: Rate,
    /// Of single tools by name, instead of `tool`.
    #[schemars(extend("x-example-name" = "workspace_write"))]
    pub(crate) tools: BTreeMap<String, Rate>,
}

/// A token bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Rate {
    /// Calls that may come at once.
    #[schemars(example = 10, range(min = 1))]
    pub(crate) burst: u32,
    /// Calls a minute in the long run.
    #[schemars(example = 30, range(min = 1))]
    pub(crate) per_minute: u32,
}

impl Default for Tools {
    fn default() -> Self {
        Self {
            roles: Roles::default(),
            disabled: Vec::new(),
            rate: Rates::default(),
            deadline: Span::seconds(60),
        }
    }
}

impl Default for Rates {
    fn default() -> Self {
        Self {
            person: Rate { burst: 60, per_minute: 120 },
            tool: Rate { burst: 120, per_minute: 240 },
            tools: BTreeMap::new(),
        }
    }
}

impl Tools {
    /// What cannot be meant: the key, and a sentence.
    pub(super) fn contradictions(&self) -> Vec<(String, String)> {
        let named = self.rate.tools.iter().map(|(name, rate)| (format!("tools.rate.tools.{name}"), rate));
        let fixed = [("tools.rate.person", &self.rate.person), ("tools.rate.tool", &self.rate.tool)];
        let all = fixed.map(|(key, rate)| (key.to_owned(), rate)).into_iter().chain(named);
        let zero = all.filter(|(_, rate)| rate.burst == 0 || rate.per_minute == 0);
        zero.map(|(key, _)| {
            let message = format!(
                "'{key}': a rate of 0 would let nothing pass; use 'tools.disabled' to switch a tool off"
            );
            (key, message)
        })
        .collect()
    }
}
