//! The life of a component, as an admin steers and sees it.

use std::collections::BTreeMap;

use openpact_model::id::{ComponentName, Digest};
use openpact_model::secret::SecretName;
use openpact_packages::Difference;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Component;

/// One step in the life of a component.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "step", rename_all = "snake_case", deny_unknown_fields)]
pub enum Step {
    /// Take a package in; without consent it waits.
    Install {
        /// An absolute path on the machine of the process that answers, or an `https` address. `None` with `update`:
        /// where the last one came from.
        from: Option<String>,
        /// Ranges of private addresses that an address may lie in, such as `192.168.1.0/24`.
        private: Vec<String>,
        /// The installed component that it is to replace, where a certain one is meant.
        update: Option<ComponentName>,
        /// What the admin says to it at once.
        consent: Option<Consent>,
    },
    /// Let a version run that waits.
    Approve {
        /// The component.
        name: ComponentName,
        /// The version that was looked at.
        version: String,
        /// What it gets.
        consent: Consent,
    },
    /// Turn a version down that waits.
    TurnDown {
        /// The component.
        name: ComponentName,
        /// The version.
        version: String,
    },
    /// Let a version run again that was approved before.
    Rollback {
        /// The component.
        name: ComponentName,
        /// Which; the last one before the one that runs, where it is not said.
        version: Option<String>,
    },
    /// Switch a component on.
    Enable {
        /// The component.
        name: ComponentName,
    },
    /// Switch a component off; calls that run are stopped.
    Disable {
        /// The component.
        name: ComponentName,
    },
    /// Take a component out with everything that it had.
    Remove {
        /// The component.
        name: ComponentName,
        /// Forget also that it was ever here.
        forget: bool,
    },
    /// Change what a component is given beside its grants.
    Set {
        /// The component.
        name: ComponentName,
        /// The key, with dots: `credentials.token`, `settings.units`, `mounts.workspace.path`, `limits.memory`.
        key: String,
        /// The value; `None` takes the key away.
        value: Option<Value>,
    },
    /// Everything about one component.
    Describe {
        /// The component.
        name: ComponentName,
    },
}

/// An admin's yes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Consent {
    /// Only these of what it asks for, by label (`http:1`, `files:workspace`, `kv`), and rules in the admin's own words;
    /// `None` for everything that it asks for.
    pub only: Option<Vec<String>>,
    /// The secret behind each credential.
    pub secrets: BTreeMap<String, SecretName>,
}

/// How a version stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Standing {
    /// It waits for the admin.
    Waits,
    /// It is the one that runs.
    Runs,
    /// It was approved, and another one runs.
    Approved,
    /// It is not here any more, or was turned down.
    Gone,
}

/// A package, as it asks to be let in.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Offer {
    /// The component.
    pub name: ComponentName,
    /// Its version.
    pub version: String,
    /// The digest of the package.
    pub digest: Digest,
    /// Who signed it.
    pub publisher: String,
    /// The number of the key that did.
    pub key: String,
    /// What it says it does.
    pub description: String,
    /// Where it came from.
    pub source: String,
    /// How it stands.
    pub standing: Standing,
    /// The version that runs.
    pub current: Option<String>,
    /// What it asks for.
    pub asks: Vec<Asked>,
    /// The credentials that it needs.
    pub credentials: Vec<Credential>,
    /// Its tools.
    pub tools: Vec<Tool>,
    /// What differs from the version that runs.
    pub difference: Option<Difference>,
    /// What to mind, one sentence each.
    pub warnings: Vec<String>,
}

/// One thing that a component asks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asked {
    /// What an admin calls it.
    pub label: String,
    /// What it is: a rule, or a sentence.
    pub what: String,
    /// Why, in the author's words.
    pub reason: String,
    /// Whether the component has it now.
    pub granted: bool,
    /// Why it cannot be granted as it is.
    pub problem: Option<String>,
}

/// A credential that a component needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Credential {
    /// Its name.
    pub name: String,
    /// What it is and where to get it, in the author's words.
    pub description: String,
    /// Where in a request it is put in.
    pub placement: String,
    /// The hosts that it goes to, in the author's words; the grants decide.
    pub hosts: Vec<String>,
    /// The secret behind it.
    pub secret: Option<SecretName>,
}

/// One tool.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tool {
    /// Its name, as a model knows it.
    pub name: String,
    /// What the model is told about it.
    pub description: String,
    /// What it reads: nothing, private, untrusted.
    pub reads: String,
    /// What it writes: nothing, local, external.
    pub writes: String,
}

/// One version that is or was here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Version {
    /// The version.
    pub version: String,
    /// The digest of the package.
    pub digest: Digest,
    /// How it stands.
    pub standing: Standing,
    /// Where it came from.
    pub source: String,
    /// When it came.
    pub installed: jiff::Timestamp,
    /// When it was approved.
    pub approved: Option<jiff::Timestamp>,
    /// Who approved it.
    pub approved_by: Option<String>,
    /// Why it may not run any more, such as a key that was revoked.
    #[serde(default)]
    pub refused: Option<String>,
}

/// Everything about one component.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Description {
    /// How it stands.
    pub component: Component,
    /// What it says it does.
    pub description: Option<String>,
    /// What it asks for, and what of that it has.
    pub asks: Vec<Asked>,
    /// The credentials that it needs.
    pub credentials: Vec<Credential>,
    /// The settings that it knows.
    pub settings: Vec<String>,
    /// What an admin gave it beside its grants.
    pub given: Value,
    /// What one call may use.
    pub limits: Vec<(String, String)>,
    /// All versions.
    pub versions: Vec<Version>,
    /// The one that waits.
    pub waiting: Option<Offer>,
}

/// Something that counts no more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Revocation {
    /// `key` or `digest`.
    pub kind: String,
    /// The public key, or the digest of a package.
    pub value: String,
    /// Who said so.
    pub said_by: String,
    /// Why.
    pub reason: String,
    /// When it was taken in.
    pub added: jiff::Timestamp,
}
