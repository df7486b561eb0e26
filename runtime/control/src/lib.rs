//! Everything that an admin can ask of the program, and what is answered. [`Handler`] is the one interface behind it:
//! the command line uses it, through the control socket where another process owns the data directory, and so does
//! every other surface for admins.
//!
//! This crate holds the words and the socket; what is done is the matter of whoever implements [`Handler`].

mod call;
pub mod client;
mod egress;
pub mod failure;
pub mod lifecycle;
mod line;
mod mcp;
pub mod server;
mod status;

use std::fmt;

use openpact_model::audit::Event;
use openpact_model::health::Health;
use openpact_model::id::{ComponentName, Digest};
use openpact_model::principal::Principal;
use openpact_model::role::Role;
use openpact_model::secret::{HostPattern, SecretName};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

pub use call::{Called, Cost};
pub use egress::{
    EgressAddress, EgressCredential, EgressFilter, EgressRequest, EgressTest, Minting, SecretKind,
};
pub use failure::{Code, Failure};
pub use mcp::{McpClient, McpToken};
pub use server::Handler;
pub use status::{Part, Provider, Serving, State, Status};

/// The name of the socket in `secure/`.
const SOCKET: &str = "control.sock";

/// What can be asked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "request", rename_all = "snake_case", deny_unknown_fields)]
pub enum Request {
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
    /// Trust a publisher, or one of its keys, no longer.
    PublisherRemove {
        /// The publisher.
        name: String,
        /// Only this key, by its number.
        key: Option<String>,
    },
    /// Follow a statement in which a publisher's key names its successor.
    PublisherRotate {
        /// The statement.
        statement: String,
        /// The number of the new key, if the admin has checked it; without it nothing changes.
        confirm: Option<String>,
    },
    /// Say whether updates of a publisher that widen nothing go live by themselves.
    PublisherSet {
        /// The publisher.
        name: String,
        /// Whether they do.
        auto_update: bool,
    },
    /// What counts no more.
    Revocations,
    /// Revoke a key or a package.
    RevocationAdd {
        /// A public key, the number of a pinned key, or the digest of a package.
        what: String,
        /// Why.
        reason: String,
    },
    /// Take back what an admin revoked.
    RevocationRemove {
        /// As in [`Request::RevocationAdd`].
        what: String,
    },
    /// Take in a publisher's signed list.
    RevocationImport {
        /// The list.
        list: String,
    },
    /// A step in the life of a component.
    Lifecycle(lifecycle::Step),
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
        /// The hosts that it may be sent to; none: as far as grants go.
        #[serde(default)]
        hosts: Vec<HostPattern>,
        /// How the value is to be read.
        #[serde(default)]
        kind: SecretKind,
    },
    /// Remove a secret.
    SecretRemove {
        /// Its name.
        name: SecretName,
    },
    /// Make a new master key, the old one being lost, and drop all secrets.
    SecretsStartOver,
    /// Make a new master key and encrypt all secrets anew.
    SecretsRotateKey,
    /// What went to the network.
    EgressLog(EgressFilter),
    /// What would become of a request.
    EgressTest {
        /// Who would ask.
        principal: Principal,
        /// The method.
        method: String,
        /// The URL.
        url: String,
    },
    /// Count mode: let through what no grant allows, and record it.
    Count {
        /// The component.
        component: ComponentName,
        /// For how many seconds; `None` ends it.
        seconds: Option<u64>,
    },
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
pub struct Hidden(pub Zeroizing<String>);

impl Hidden {
    /// A text that was typed or read from a file, without the one line end behind it.
    pub fn without_line_end(mut text: String) -> Self {
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
pub type Response = Result<Reply, Failure>;

/// What is answered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "reply", content = "value", rename_all = "snake_case")]
pub enum Reply {
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
    /// To [`lifecycle::Step::Install`]: how the package stands.
    Offer(Box<lifecycle::Offer>),
    /// To [`lifecycle::Step::Describe`].
    Description(Box<lifecycle::Description>),
    /// To [`Request::Revocations`].
    Revocations(Vec<lifecycle::Revocation>),
    /// To [`Request::Secrets`].
    Secrets(Vec<Secret>),
    /// To [`Request::Grants`].
    Grants(Vec<Grant>),
    /// To [`Request::EgressLog`].
    EgressLog(Vec<EgressRequest>),
    /// To [`Request::EgressTest`].
    EgressTest(Box<EgressTest>),
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
pub struct Component {
    /// Its name.
    pub name: String,
    /// Its version, where it could be read.
    pub version: Option<String>,
    /// Who signed it.
    pub publisher: Option<String>,
    /// The digest of its bytes.
    pub digest: Option<Digest>,
    /// Whether it works.
    pub state: State,
    /// Why it does not.
    pub why: Option<String>,
    /// Its tools.
    pub tools: Vec<String>,
    /// The folders that it sees, as sentences.
    pub mounts: Vec<String>,
    /// What it may reach on the network.
    pub grants: Vec<String>,
    /// The version that waits for an approval.
    pub waiting: Option<String>,
    /// Until when count mode lets everything through, where it is on.
    #[serde(default)]
    pub counting: Option<jiff::Timestamp>,
    /// Whether nobody signed it: it comes from the folder of the configuration's `development.unsigned`.
    #[serde(default)]
    pub unsigned: bool,
    /// How its calls went since the process that answers started.
    #[serde(default)]
    pub health: Health,
}

/// Who may speak, and who asked to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Users {
    /// Those who may.
    pub users: Vec<User>,
    /// Those who asked to, the first one first.
    pub requests: Vec<Asking>,
}

/// Somebody who may speak.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    /// What the owner calls them.
    pub name: String,
    /// What they may do.
    pub role: Role,
    /// Their accounts, as `PROVIDER:ID`.
    pub identities: Vec<String>,
    /// Where it is stated: `configuration` or `paired`.
    pub origin: String,
    /// Who let them in.
    pub by: Option<String>,
    /// When.
    pub since: Option<jiff::Timestamp>,
}

/// Somebody who asked to be let in. The code is known to them alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asking {
    /// Their account, as `PROVIDER:ID`.
    pub identity: String,
    /// What the platform shows, escaped. Text, never identity.
    pub display_name: String,
    /// Where they asked.
    pub channel: String,
    /// When.
    pub asked: jiff::Timestamp,
    /// Until when their code is good.
    pub expires: jiff::Timestamp,
}

/// One publisher.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Publisher {
    /// Its name.
    pub name: String,
    /// Its public key, base64.
    pub key: String,
    /// What the names of its components start with.
    pub prefixes: Vec<String>,
    /// Whether its updates that widen nothing go live by themselves.
    pub auto_update: bool,
    /// Who added it.
    pub added_by: String,
    /// When; `None` for the one that is built in.
    pub added: Option<jiff::Timestamp>,
    /// When it was replaced by another key. What it signed goes on running; nothing new is taken from it.
    pub retired: Option<jiff::Timestamp>,
}

/// One secret, without its value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Secret {
    /// Its name.
    pub name: SecretName,
    /// Who may use it.
    pub principals: Vec<Principal>,
    /// Who else may, since the configuration says so.
    pub configured: Vec<Principal>,
    /// The hosts that it may be sent to; none: as far as grants go.
    #[serde(default)]
    pub hosts: Vec<HostPattern>,
    /// How the host mints it, where it does.
    #[serde(default)]
    pub minting: Option<Minting>,
    /// When it was first stored.
    pub created: jiff::Timestamp,
    /// When it was last stored.
    pub updated: jiff::Timestamp,
    /// When it was last put into a request.
    pub last_used: Option<jiff::Timestamp>,
    /// Whether its value can still be decrypted; if not, it has to be set again.
    pub readable: bool,
}

/// One grant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grant {
    /// Its number, where it can be removed; `None` for what the configuration states.
    pub id: Option<i64>,
    /// Who.
    pub principal: Principal,
    /// What.
    pub rule: String,
    /// Whether the rule stands for any site.
    #[serde(default)]
    pub any_site: bool,
    /// The secret that it puts in.
    pub secret: Option<SecretName>,
    /// Where it comes from: `admin`, `configuration` or `default`.
    pub origin: String,
}

impl Grant {
    /// The rule for people: labelled where it stands for any site.
    pub fn shown(&self) -> String {
        let rule = &self.rule;
        if self.any_site { format!("{rule} (any site)") } else { rule.clone() }
    }
}

/// One entry of the audit log.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// Its number.
    pub number: i64,
    /// When.
    pub time: jiff::Timestamp,
    /// What was done, by whom, to what, and how it ended.
    pub event: Event,
    /// The hash of this entry and all before it.
    pub hash: String,
}

/// Whether the audit chain is whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chain {
    /// How many entries there are.
    pub entries: u64,
    /// The first that does not fit, and why.
    pub broken: Option<(i64, String)>,
    /// Whether the last entry is the one that was sealed with the local key; `false` also where that key is lost.
    pub sealed: bool,
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
            hosts: Vec::new(),
            kind: SecretKind::Plain,
        };
        assert!(!format!("{request:?}").contains("hunter2"));
        let line = serde_json::to_string(&request).unwrap();
        assert_eq!(serde_json::from_str::<Request>(&line).unwrap(), request);
    }
}
