//! Section `components`: what each component may do.

use std::collections::BTreeMap;
use std::path::PathBuf;

use openpact_model::role::Role;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::secret;
use super::unit::{Size, Span};

/// What one component may do. What is not written is as in the default grants, or else nothing.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Component {
    /// Whether it runs; `true` unless stated.
    #[schemars(extend("examples" = [true]))]
    pub(crate) enabled: Option<bool>,
    /// Values for the settings that its manifest describes.
    #[schemars(with = "Map<String, Value>", extend("examples" = [{ "units": "metric" }]))]
    pub(crate) settings: Map<String, Value>,
    /// What it may reach on the network, one rule each: `METHODS SCHEME://HOST[:PORT]/PATH [options]`.
    #[schemars(extend("examples" = [["GET https://api.example.com/v1/**"]]))]
    pub(crate) grants: Option<Vec<String>>,
    /// Which secret stands behind each credential that its manifest asks for.
    #[schemars(extend("examples" = [{ "token": "EXAMPLE_TOKEN" }]))]
    pub(crate) credentials: BTreeMap<String, secret::Name>,
    /// The folders that it sees, by the name of the mount.
    #[schemars(extend("x-example-name" = "workspace"))]
    pub(crate) mounts: BTreeMap<String, Mount>,
    /// Whether an adapter may speak for owners: whom it reports as one is one. The adapters that come with the program
    /// may; of others, whoever writes by them is a member at most until this says so.
    #[schemars(extend("examples" = [true]))]
    pub(crate) asserts_owner: Option<bool>,
    /// How many bytes it may keep in the key-value store.
    #[schemars(extend("examples" = ["1MiB"]))]
    pub(crate) kv: Option<Size>,
    /// Limits of its calls.
    pub(crate) limits: Limits,
}

/// A folder that a component sees.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Mount {
    /// The folder; relative to `ai-data` in the data directory, or absolute. Never one that holds `secure`.
    #[schemars(extend("examples" = ["workspace"]))]
    pub(crate) path: Option<PathBuf>,
    /// What it may do there.
    #[schemars(extend("examples" = ["read-write"]))]
    pub(crate) access: Option<Access>,
    /// How many bytes the folder may hold; writes past it fail.
    #[schemars(extend("examples" = ["1GiB"]))]
    pub(crate) quota: Option<Size>,
    /// Only these files directly in the folder, instead of everything below it.
    #[schemars(extend("examples" = [[{ "name": "NOTES.md", "read": "member", "write": "owner" }]]))]
    pub(crate) files: Option<Vec<File>>,
}

/// What may be done in a folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Access {
    /// Reading.
    Read,
    /// Reading and writing.
    ReadWrite,
}

/// One file of a mount, with the least role that its caller must have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct File {
    /// The name of the file.
    pub(crate) name: String,
    /// Who may read it.
    #[schemars(with = "RoleName")]
    pub(crate) read: Role,
    /// Who may write it.
    #[schemars(with = "RoleName")]
    pub(crate) write: Role,
}

/// The names of the roles, for the schema.
#[derive(JsonSchema)]
#[schemars(rename_all = "lowercase", inline)]
#[expect(dead_code, reason = "only its schema is used: the role itself knows nothing of schemas")]
pub(super) enum RoleName {
    /// The owner.
    Owner,
    /// A member.
    Member,
    /// A guest.
    Guest,
}

/// Limits of the calls of one component. What is not set is as in `limits.call`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Limits {
    /// Memory of one call.
    #[schemars(extend("examples" = ["64MiB"]))]
    pub(crate) memory: Option<Size>,
    /// Wall time of one call.
    #[schemars(extend("examples" = ["30s"]))]
    pub(crate) wall: Option<Span>,
    /// CPU time of one call.
    #[schemars(extend("examples" = ["5s"]))]
    pub(crate) cpu: Option<Span>,
    /// Size of one answer.
    #[schemars(extend("examples" = ["1MiB"]))]
    pub(crate) result: Option<Size>,
    /// Calls at the same time.
    #[schemars(extend("examples" = [8]))]
    pub(crate) concurrent: Option<u32>,
    /// Calls that may wait for a free place.
    #[schemars(extend("examples" = [64]))]
    pub(crate) queue: Option<u32>,
}

impl Component {
    /// What is stated here, and else what `defaults` says.
    #[must_use]
    pub(crate) fn over(self, defaults: Self) -> Self {
        let mut mounts = defaults.mounts;
        for (name, mount) in self.mounts {
            let below = mounts.remove(&name).unwrap_or_default();
            mounts.insert(name, mount.over(below));
        }
        let mut settings = defaults.settings;
        settings.extend(self.settings);
        let mut credentials = defaults.credentials;
        credentials.extend(self.credentials);
        Self {
            enabled: self.enabled.or(defaults.enabled),
            settings,
            grants: self.grants.or(defaults.grants),
            credentials,
            mounts,
            asserts_owner: self.asserts_owner.or(defaults.asserts_owner),
            kv: self.kv.or(defaults.kv),
            limits: self.limits.over(&defaults.limits),
        }
    }
}

impl Mount {
    fn over(self, defaults: Self) -> Self {
        Self {
            path: self.path.or(defaults.path),
            access: self.access.or(defaults.access),
            quota: self.quota.or(defaults.quota),
            files: self.files.or(defaults.files),
        }
    }
}

impl Limits {
    fn over(self, defaults: &Self) -> Self {
        Self {
            memory: self.memory.or(defaults.memory),
            wall: self.wall.or(defaults.wall),
            cpu: self.cpu.or(defaults.cpu),
            result: self.result.or(defaults.result),
            concurrent: self.concurrent.or(defaults.concurrent),
            queue: self.queue.or(defaults.queue),
        }
    }
}
