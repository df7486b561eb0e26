//! What the command line asks of the process that owns the data directory, and what it is answered: the same requests
//! whether that process is this one or another one behind the control socket.

pub(crate) mod client;
mod line;
mod mcp;
pub(crate) mod server;
mod status;

use std::fmt;

use openpact_egress::rule::ANY_SITE;
use openpact_model::audit::Event;
use openpact_model::id::{ComponentName, Digest};
use openpact_model::principal::Principal;
use openpact_model::role::Role;
use openpact_model::secret::SecretName;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use zeroize::Zeroizing;

use crate::exit::Failure;

pub(crate) use mcp::{McpClient, McpToken};
pub(crate) use status::{Part, Provider, Serving, State, Status};

/// The name of the socket in `secure/`.
const SOCKET: &str = "control.sock";

/// What can be asked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "request", rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum Request {
    /// How every part is.
    Status,
    /// The components.
    Components,
    /// The chat platforms.
    Providers,
    /// Switch a chat platform on.
    ProviderStart {
        /// The component that connects it.
        name: ComponentName,
    },
    /// Switch a chat platform off, until it is switched on again.
    ProviderStop {
        /// The component that connects it.
        name: ComponentName,
    },
    /// Connect a chat platform anew.
    ProviderRestart {
        /// The component that connects it.
        name: ComponentName,
    },
    /// Run one tool by hand, as the owner.
    Call {
        /// The component.
        component: ComponentName,
        /// The tool.
        tool: String,
        /// The arguments as they were typed.
        arguments: String,
    },
    /// Who may speak, and who asked to.
    Users,
    /// Let somebody in.
    UserAccept {
        /// The code that they were told.
        code: String,
        /// What they may do.
        role: Role,
        /// What to call them.
        name: Option<String>,
    },
    /// Turn somebody down.
    UserDeny {
        /// The code that they were told.
        code: String,
    },
    /// Take somebody out who was let in.
    UserRemove {
        /// A name, or an account.
        who: String,
    },
    /// The clients of MCP.
    McpClients,
    /// Let one in.
    McpClientAdd {
        /// Its name.
        name: String,
        /// What it may do.
        role: Role,
        /// The tools that it may use, as patterns.
        tools: Vec<String>,
    },
    /// Take its token back.
    McpClientRevoke {
        /// Its name.
        name: String,
    },
    /// Speak MCP from now on, over this connection.
    Mcp,
    /// The publishers.
    Publishers,
    /// Trust a publisher's key.
    PublisherAdd {
        /// The publisher.
        name: String,
        /// The public key, base64.
        key: String,
        /// What the names of its components start with.
        prefixes: Vec<String>,
    },
    /// Trust a publisher no longer.
    PublisherRemove {
        /// The publisher.
        name: String,
    },
    /// The secrets, without their values.
    Secrets,
    /// Store a secret.
    SecretSet {
        /// Its name.
        name: SecretName,
        /// Its value.
        value: Hidden,
        /// Who may use it.
        principals: Vec<Principal>,
    },
    /// Remove a secret.
    SecretRemove {
        /// Its name.
        name: SecretName,
    },
    /// Make a new master key, the old one being lost, and drop all secrets.
    SecretsStartOver,
    /// The grants.
    Grants {
        /// Only those of this principal.
        principal: Option<Principal>,
    },
    /// Allow something.
    GrantAdd {
        /// Who.
        principal: Principal,
        /// What.
        rule: String,
        /// The secret behind the rule's credential.
        secret: Option<SecretName>,
    },
    /// Take a grant back.
    GrantRemove {
        /// Its number.
        id: i64,
    },
    /// A page of the audit log.
    Audit {
        /// Only kinds that start so.
        kind: Option<String>,
        /// Only what this actor caused.
        actor: Option<String>,
        /// Only what was done to this.
        subject: Option<String>,
        /// Entries after this number; without it the newest.
        after: Option<i64>,
        /// How many.
        limit: u32,
    },
    /// Check the audit chain.
    AuditVerify,
}

/// A text that is neither shown by `Debug` nor left in memory.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Hidden(pub(crate) Zeroizing<String>);

impl Hidden {
    /// A text that was typed or read from a file, without the one line end behind it.
    pub(crate) fn without_line_end(mut text: String) -> Self {
        if text.ends_with('\n') {
            text.pop();
            if text.ends_with('\r') {
                text.pop();
            }
        }
        Self(Zeroizing::new(text))
    }
}

impl fmt::Debug for Hidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hidden(..)")
    }
}

/// The answer to a request.
pub(crate) type Response = Result<Reply, Failure>;

/// What is answered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "reply", content = "value", rename_all = "snake_case")]
pub(crate) enum Reply {
    /// To [`Request::Status`].
    Status(Box<Status>),
    /// To [`Request::Components`].
    Components(Vec<Component>),
    /// To [`Request::Providers`].
    Providers(Vec<Provider>),
    /// To [`Request::Call`].
    Called(Called),
    /// To [`Request::Users`].
    Users(Users),
    /// To [`Request::McpClients`].
    McpClients(Vec<McpClient>),
    /// To [`Request::McpClientAdd`].
    McpToken(McpToken),
    /// To [`Request::Mcp`]: what follows is MCP.
    Stream,
    /// To [`Request::Publishers`].
    Publishers(Vec<Publisher>),
    /// To [`Request::Secrets`].
    Secrets(Vec<Secret>),
    /// To [`Request::Grants`].
    Grants(Vec<Grant>),
    /// To [`Request::Audit`].
    Audit(Vec<Entry>),
    /// To [`Request::AuditVerify`].
    Chain(Chain),
    /// To every request that changes something: what was done, and what to mind.
    Done {
        /// One sentence.
        message: String,
        /// One sentence more, where something is doubtful.
        warning: Option<String>,
    },
}

/// One component.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Component {
    /// Its name.
    pub(crate) name: String,
    /// Its version, where it could be read.
    pub(crate) version: Option<String>,
    /// Who signed it.
    pub(crate) publisher: Option<String>,
    /// The digest of its bytes.
    pub(crate) digest: Option<Digest>,
    /// Whether it works.
    pub(crate) state: State,
    /// Why it does not.
    pub(crate) why: Option<String>,
    /// Its tools.
    pub(crate) tools: Vec<String>,
    /// The folders that it sees, as sentences.
    pub(crate) mounts: Vec<String>,
    /// What it may reach on the network.
    pub(crate) grants: Vec<String>,
}

/// How a call by hand went.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Called {
    /// Whether `output` tells of a failure.
    pub(crate) is_error: bool,
    /// The answer as text, secrets taken out.
    pub(crate) text: String,
    /// The answer as data, where the tool has a schema for it.
    pub(crate) structured: Option<Value>,
    /// What the sandbox measured; `None` where the call never got there.
    pub(crate) cost: Option<Cost>,
    /// What the component logged.
    pub(crate) log: Vec<String>,
}

/// What a call took.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct Cost {
    /// Wall time, milliseconds.
    pub(crate) wall_ms: f64,
    /// CPU time, milliseconds.
    pub(crate) cpu_ms: f64,
    /// The most memory that it had, bytes.
    pub(crate) peak_memory: u64,
    /// Network requests that it made.
    pub(crate) requests: u32,
}

/// Who may speak, and who asked to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Users {
    /// Those who may.
    pub(crate) users: Vec<User>,
    /// Those who asked to, the first one first.
    pub(crate) requests: Vec<Asking>,
}

/// Somebody who may speak.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct User {
    /// What the owner calls them.
    pub(crate) name: String,
    /// What they may do.
    pub(crate) role: Role,
    /// Their accounts, as `PROVIDER:ID`.
    pub(crate) identities: Vec<String>,
    /// Where it is stated: `configuration` or `paired`.
    pub(crate) origin: String,
    /// Who let them in.
    pub(crate) by: Option<String>,
    /// When.
    pub(crate) since: Option<jiff::Timestamp>,
}

/// Somebody who asked to be let in. The code is known to them alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Asking {
    /// Their account, as `PROVIDER:ID`.
    pub(crate) identity: String,
    /// What the platform shows, escaped. Text, never identity.
    pub(crate) display_name: String,
    /// Where they asked.
    pub(crate) channel: String,
    /// When.
    pub(crate) asked: jiff::Timestamp,
    /// Until when their code is good.
    pub(crate) expires: jiff::Timestamp,
}

/// One publisher.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Publisher {
    /// Its name.
    pub(crate) name: String,
    /// Its public key, base64.
    pub(crate) key: String,
    /// What the names of its components start with.
    pub(crate) prefixes: Vec<String>,
    /// Who added it.
    pub(crate) added_by: String,
    /// When; `None` for the one that is built in.
    pub(crate) added: Option<jiff::Timestamp>,
}

/// One secret, without its value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Secret {
    /// Its name.
    pub(crate) name: SecretName,
    /// Who may use it.
    pub(crate) principals: Vec<Principal>,
    /// Who else may, since the configuration says so.
    pub(crate) configured: Vec<Principal>,
    /// When it was first stored.
    pub(crate) created: jiff::Timestamp,
    /// When it was last stored.
    pub(crate) updated: jiff::Timestamp,
    /// When it was last put into a request.
    pub(crate) last_used: Option<jiff::Timestamp>,
    /// Whether its value can still be decrypted; if not, it has to be set again.
    pub(crate) readable: bool,
}

/// One grant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Grant {
    /// Its number, where it can be removed; `None` for what the configuration states.
    pub(crate) id: Option<i64>,
    /// Who.
    pub(crate) principal: Principal,
    /// What.
    pub(crate) rule: String,
    /// Whether the rule stands for any site.
    #[serde(default)]
    pub(crate) any_site: bool,
    /// The secret that it puts in.
    pub(crate) secret: Option<SecretName>,
    /// Where it comes from: `admin`, `configuration` or `default`.
    pub(crate) origin: String,
}

impl Grant {
    /// The rule for people: labelled where it stands for any site.
    pub(crate) fn shown(&self) -> String {
        let rule = &self.rule;
        if self.any_site { format!("{rule} ({ANY_SITE})") } else { rule.clone() }
    }
}

/// One entry of the audit log.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Entry {
    /// Its number.
    pub(crate) number: i64,
    /// When.
    pub(crate) time: jiff::Timestamp,
    /// What was done, by whom, to what, and how it ended.
    pub(crate) event: Event,
    /// The hash of this entry and all before it.
    pub(crate) hash: String,
}

/// Whether the audit chain is whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Chain {
    /// How many entries there are.
    pub(crate) entries: u64,
    /// The first that does not fit, and why.
    pub(crate) broken: Option<(i64, String)>,
    /// Whether the last entry is the one that was sealed with the local key; `false` also where that key is lost.
    pub(crate) sealed: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_with_a_secret_can_be_sent_and_does_not_show_it() {
        let request = Request::SecretSet {
            name: "KEY".parse().unwrap(),
            value: Hidden(Zeroizing::new("hunter2hunter2".to_owned())),
            principals: vec![Principal::Runtime],
        };
        assert!(!format!("{request:?}").contains("hunter2"));
        let line = serde_json::to_string(&request).unwrap();
        assert_eq!(serde_json::from_str::<Request>(&line).unwrap(), request);
    }
}
