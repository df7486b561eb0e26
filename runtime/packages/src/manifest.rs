//! The manifest: what a component is, what it asks for, and its tools.
//!
//! It is TOML text. The author writes `openpact.toml` without tools; packing adds the tools as the guest itself lists
//! them and puts the whole into the component.

mod check;
mod document;

use std::fmt;

use openpact_model::id::ComponentName;
use openpact_model::tool::ToolSpec;
use semver::Version;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The longest manifest in bytes, tools and schemas included.
pub const MAX_BYTES: usize = 1024 * 1024;

/// The most tools that one component may have.
pub const MAX_TOOLS: usize = 128;

/// The longest JSON Schema in bytes.
pub const MAX_SCHEMA_BYTES: usize = 64 * 1024;

/// The most entries that one list of requests may have.
pub const MAX_REQUESTS: usize = 64;

/// The largest key-value quota that may be asked for, in bytes.
pub const MAX_KV_BYTES: u64 = 1024 * 1024 * 1024;

/// What is wrong with a manifest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// The text is too long.
    #[error("the manifest has {size} bytes, more than the {MAX_BYTES} that are allowed")]
    TooLong {
        /// Its length in bytes.
        size: usize,
    },
    /// It is no UTF-8.
    #[error("the manifest is no text (UTF-8)")]
    NoText,
    /// It is no TOML, or a key is unknown, missing or of the wrong type. The text shows the line.
    #[error("the manifest cannot be read: {0}")]
    Syntax(String),
    /// A value does not do.
    #[error("manifest: {key}: {problem}")]
    Value {
        /// The key, such as `requests.http[2].url`.
        key: String,
        /// What is wrong, and what to do.
        problem: String,
    },
}

/// The manifest of a component.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Manifest {
    /// The component's name; grants and settings go by it.
    pub name: ComponentName,
    /// Its version; a new one must be higher.
    pub version: Version,
    /// Who publishes it: the name under which the admin pinned the key.
    pub publisher: String,
    /// What it does, one line.
    pub description: String,
    /// Its licence, an SPDX expression.
    pub license: String,
    /// Where to read more, an `https` address.
    pub homepage: Option<String>,
    /// What it is.
    pub kind: Kind,
    /// What it asks for. Nothing of it is granted by being here.
    pub requests: Requests,
    /// JSON Schema of what an admin may set: an object schema. A property with `secret = true` is a credential.
    pub settings: Option<Value>,
    /// Its tools, as its own `list-tools` gave them when it was packed; the host serves only these.
    pub tools: Vec<ToolSpec>,
}

/// What a component is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// It exports `openpact:tool/tools`.
    Tool,
    /// It exports `openpact:chat/adapter`.
    Adapter,
}

/// What a component asks for.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Requests {
    /// Sites that it wants to reach.
    pub http: Vec<HttpRequest>,
    /// Connections that it wants to keep open.
    pub websocket: Vec<WebsocketRequest>,
    /// Credentials that it needs.
    pub credentials: Vec<CredentialRequest>,
    /// Folders that it wants to see.
    pub files: Vec<FileRequest>,
    /// How many bytes of keys and values it wants to store.
    pub kv: Option<u64>,
    /// Limits that it needs where the defaults do not do.
    pub limits: LimitRequests,
}

/// A site that a component wants to reach. Whether it makes a rule is for the egress door to say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HttpRequest {
    /// The methods, upper case, or `*` alone.
    pub methods: Vec<String>,
    /// The address, `https://HOST[:PORT]/PATH` in the grammar of a rule.
    pub url: String,
    /// Why, for the admin.
    pub reason: String,
    /// The credential that goes along; one of `requests.credentials`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credential: Option<String>,
}

/// A connection that a component wants to keep open.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WebsocketRequest {
    /// The address, `wss://HOST[:PORT]/PATH` in the grammar of a rule.
    pub url: String,
    /// Why, for the admin.
    pub reason: String,
    /// The credential that goes along; one of `requests.credentials`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credential: Option<String>,
}

/// A credential that a component needs. It never sees the value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CredentialRequest {
    /// The name by which the component asks for its reference.
    pub name: String,
    /// What it is and where to get it, for the admin.
    pub description: String,
    /// The template at one position where the host fills it in, such as `header Authorization: Bearer {}`.
    pub placement: String,
    /// The hosts that it goes to.
    pub hosts: Vec<String>,
}

/// A folder that a component wants to see.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileRequest {
    /// The name of the mount, such as `workspace`.
    pub mount: String,
    /// What it wants to do there.
    pub access: Access,
    /// Why, for the admin.
    pub reason: String,
}

/// What may be done in a folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Access {
    /// Reading.
    Read,
    /// Reading and writing.
    ReadWrite,
}

/// Limits of one call that a component needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LimitRequests {
    /// Memory in bytes.
    pub memory: Option<u64>,
    /// Wall time in milliseconds.
    pub time: Option<u64>,
}

impl Manifest {
    /// Reads the `openpact.toml` that an author wrote, and adds the tools that the guest lists.
    ///
    /// # Errors
    /// When it is not TOML, a key is unknown, missing or wrong, or it states tools itself.
    pub fn from_source(text: &str, tools: Vec<ToolSpec>) -> Result<Self, Problem> {
        document::read_source(text, tools)
    }

    /// Reads the manifest of a packed component.
    ///
    /// # Errors
    /// As [`Manifest::from_source`].
    pub fn from_packed(bytes: &[u8]) -> Result<Self, Problem> {
        document::read_packed(bytes)
    }

    /// The text that goes into the component.
    ///
    /// # Errors
    /// When it is too long.
    pub fn to_text(&self) -> Result<String, Problem> {
        document::write(self)
    }

    /// The name under which the host offers `tool`: the component's name (with `_` for `-`) goes before it unless it
    /// starts so already.
    pub fn full_tool_name(&self, tool: &str) -> String {
        let prefix = self.name.as_str().replace('-', "_");
        match tool.strip_prefix(prefix.as_str()) {
            Some(rest) if rest.is_empty() || rest.starts_with('_') => tool.to_owned(),
            _ => format!("{prefix}_{tool}"),
        }
    }

    /// The settings that are credentials: the properties with `secret = true`.
    pub fn secret_settings(&self) -> Vec<&str> {
        let properties = self.settings.as_ref().and_then(|schema| schema.get("properties")?.as_object());
        let secret = |schema: &Value| schema.get("secret") == Some(&Value::Bool(true));
        let names = properties.into_iter().flatten().filter(|(_, schema)| secret(schema));
        names.map(|(name, _)| name.as_str()).collect()
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tool => "tool",
            Self::Adapter => "adapter",
        })
    }
}

impl fmt::Display for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Read => "read",
            Self::ReadWrite => "read-write",
        })
    }
}

#[cfg(test)]
mod tests;
