//! The command line.

use std::path::PathBuf;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Parser, Subcommand};
use openpact_model::audit::Verdict;
use openpact_model::id::ComponentName;
use openpact_model::principal::Principal;
use openpact_model::role::Role;
use openpact_model::secret::{HostPattern, SecretName};

use crate::config::unit::Span;
use crate::exit;

pub(crate) mod author;
mod component;

pub(crate) use author::{Key, Revocation};
pub(crate) use component::{Approve, Component, Install, Pack, Update};

/// What the program is started with, by itself and nobody else, to compile one component in a process of its own. No
/// command for people, so it stands in no help.
pub(crate) const COMPILE_COMPONENT: &str = "compile-component";

/// A self-hosted AI assistant whose extensions cannot steal.
#[derive(Debug, Parser)]
#[command(name = "openpact", version, after_help = exit::HELP, max_term_width = 110, propagate_version = false)]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What every command takes.
#[derive(Debug, Args)]
#[command(next_help_heading = "Everywhere")]
pub(crate) struct Global {
    /// The data directory
    #[arg(
        long,
        global = true,
        value_name = "DIR",
        env = "OPENPACT_DATA",
        default_value = "./data",
        hide_env_values = true
    )]
    pub(crate) data: PathBuf,
    /// The configuration file [default: secure/config.yaml in the data directory, which may be absent]
    #[arg(long, global = true, value_name = "FILE", env = "OPENPACT_CONFIG", hide_env_values = true)]
    pub(crate) config: Option<PathBuf>,
    /// Print one JSON value instead of text for people
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// What is logged to standard error: error, warn, info, debug, trace, or per module
    #[arg(long, global = true, value_name = "LEVEL")]
    pub(crate) log_level: Option<String>,
}

impl Global {
    /// The configuration file, and whether it was asked for by name.
    pub(crate) fn config_file(&self) -> (PathBuf, bool) {
        self.config.clone().map_or_else(|| (self.data.join("secure/config.yaml"), false), |file| (file, true))
    }
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the service: chat platforms, MCP and health endpoints, until a signal ends it
    ///
    /// SIGTERM or Ctrl-C ends it in good order, a second one at once; SIGHUP reads the configuration again.
    Start,
    /// Talk to the assistant in the terminal, as the owner
    ///
    /// Without a terminal it takes one message a line from standard input and prints the answers.
    Chat,
    /// Show every part: running or why not, and what to do
    Status,
    /// Chat platforms: how they stand, switch them on and off
    #[command(subcommand)]
    Provider(Provider),
    /// Speak MCP on standard input and output, as the owner; with 'client', manage who may connect over HTTP
    ///
    /// For programs that start their MCP servers themselves. Ends when its input ends.
    Mcp(Mcp),
    /// Components: install, approve, update, go back, switch off, remove; pack and sign your own
    #[command(subcommand)]
    Component(Component),
    /// Keys for signing components
    #[command(subcommand)]
    Key(Key),
    /// Who may speak to the assistant, and who asked to
    #[command(subcommand)]
    User(User),
    /// Publishers whose components may run
    #[command(subcommand)]
    Publisher(Publisher),
    /// Keys and packages that count no more: what holds here, and the lists of publishers
    #[command(subcommand)]
    Revocation(Revocation),
    /// Secrets: set, list, remove; never shown
    #[command(subcommand)]
    Secret(Secret),
    /// What a component or an engine may reach on the network
    #[command(subcommand)]
    Grant(Grant),
    /// What went to the network, what was denied, and what would become of a request
    #[command(subcommand)]
    Egress(Egress),
    /// The audit log
    #[command(subcommand)]
    Audit(Audit),
    /// The configuration
    #[command(subcommand)]
    Config(Config),
    /// Show the version
    Version,
}

/// `openpact provider`.
#[derive(Debug, Subcommand)]
pub(crate) enum Provider {
    /// List the chat platforms: connected, or why not and what to do
    List,
    /// Switch one on, also for later starts
    Start {
        /// The component that connects it, such as telegram
        name: ComponentName,
    },
    /// Switch one off until it is started again, also for later starts
    Stop {
        /// The component that connects it, such as telegram
        name: ComponentName,
    },
    /// Connect one anew
    Restart {
        /// The component that connects it, such as telegram
        name: ComponentName,
    },
}

/// `openpact mcp`.
#[derive(Debug, Args)]
pub(crate) struct Mcp {
    #[command(subcommand)]
    pub(crate) command: Option<McpCommand>,
}

/// What `openpact mcp` does beside speaking.
#[derive(Debug, Subcommand)]
pub(crate) enum McpCommand {
    /// Clients that may connect over HTTP, each with a token
    #[command(subcommand)]
    Client(McpClient),
}

/// `openpact mcp client`.
#[derive(Debug, Subcommand)]
pub(crate) enum McpClient {
    /// Let a client in; prints its token, this once
    Add {
        /// What to call it: a-z, 0-9, '-' and '_'
        name: String,
        /// What it may do
        #[arg(long, default_value = "member", value_parser = role())]
        role: Role,
        /// The tools that it may use, such as 'workspace_*'; several times for several
        #[arg(long, value_name = "PATTERN", required = true, value_delimiter = ',')]
        tools: Vec<String>,
    },
    /// List the clients, and when each was last seen
    List,
    /// Take a client's token back; works at once
    Revoke {
        /// The client
        name: String,
    },
}

/// `openpact user`.
#[derive(Debug, Subcommand)]
pub(crate) enum User {
    /// List who may speak, those of the configuration included, and who asked to
    List,
    /// Let somebody in who was told this code; works at once
    Accept {
        /// The code that the assistant told them, such as K7QF-3M9T
        code: String,
        /// What they may do
        #[arg(long, default_value = "member", value_parser = role())]
        role: Role,
        /// What to call them [default: the account]; the name of somebody who was let in before adds the account to
        /// them
        #[arg(long)]
        name: Option<String>,
    },
    /// Turn somebody down who was told this code; they get no other one for a day
    Deny {
        /// The code that the assistant told them
        code: String,
    },
    /// Take somebody out who was let in; works at once
    Remove {
        /// Their name, or one account as PROVIDER:ID
        who: String,
    },
}

/// Reads `on` or `off`.
fn on_or_off(text: &str) -> Result<bool, String> {
    match text {
        "on" => Ok(true),
        "off" => Ok(false),
        _ => Err("it is 'on' or 'off'".to_owned()),
    }
}

/// Reads a role.
fn role() -> impl TypedValueParser<Value = Role> {
    let roles = [Role::Guest, Role::Member, Role::Owner];
    PossibleValuesParser::new(["member", "owner", "guest"]).map(move |text| {
        roles.into_iter().find(|role| role.to_string() == text).expect("these are the names of the roles")
    })
}

/// `openpact publisher`.
#[derive(Debug, Subcommand)]
pub(crate) enum Publisher {
    /// Trust a publisher's key for components of certain names
    Add {
        /// The publisher, as its manifests name it
        name: String,
        /// The public key, or the .pub file that holds it
        key: String,
        /// What the names of its components start with; several times for several
        #[arg(long, value_name = "PREFIX", required = true)]
        prefix: Vec<String>,
    },
    /// List the publishers
    List,
    /// Trust a publisher no longer: what only it vouches for stops
    Remove {
        /// The publisher
        name: String,
        /// Only this key, by its number or as a whole
        #[arg(long, value_name = "KEY")]
        key: Option<String>,
    },
    /// Follow a statement in which a publisher's key names its successor
    Rotate {
        /// The statement
        file: PathBuf,
        /// The number of the new key, once you asked the publisher another way; without it nothing changes
        #[arg(long, value_name = "NUMBER")]
        confirm: Option<String>,
    },
    /// Change how a publisher is treated
    Set {
        /// The publisher
        name: String,
        /// Whether its updates that change nothing but their code go live without your approval
        #[arg(long, value_name = "on|off", action = clap::ArgAction::Set, value_parser = on_or_off)]
        auto_update: bool,
    },
}

/// `openpact secret`.
#[derive(Debug, Subcommand)]
pub(crate) enum Secret {
    /// Store a secret: asked for without echo, or read from standard input or a file
    ///
    /// With --oauth or --github-app the host mints what goes into requests; no component sees any part of it.
    #[command(after_long_help = MINTING)]
    Set {
        /// Its name: A-Z, 0-9 and '_'
        name: SecretName,
        /// Who may have it put into their requests, such as component:web; several times for several. The engine
        /// needs none: the configuration names its key
        #[arg(long = "for", value_name = "PRINCIPAL")]
        principals: Vec<Principal>,
        /// A host that it may be sent to, such as api.example.com or *.example.com; several times for several. Without
        /// any, it goes as far as grants go
        #[arg(long = "host", value_name = "HOST")]
        hosts: Vec<HostPattern>,
        /// Read it from this file
        #[arg(long, value_name = "FILE")]
        file: Option<PathBuf>,
        /// Mint it from an OAuth 2.0 server: a JSON file that says how, '-' for standard input
        #[arg(long, value_name = "FILE", conflicts_with = "file")]
        oauth: Option<PathBuf>,
        /// Mint it as a GitHub App: a JSON file that says how, '-' for standard input
        #[arg(long, value_name = "FILE", conflicts_with_all = ["file", "oauth"])]
        github_app: Option<PathBuf>,
    },
    /// List the names, and who may use them
    List,
    /// Remove a secret
    Remove {
        /// Its name
        name: SecretName,
    },
    /// Make a new master key and encrypt all secrets anew with it
    RotateKey,
    /// When the master key is lost: make a new one and drop all secrets, which nobody can decrypt any more
    StartOver,
}

/// How what is minted is described.
const MINTING: &str = "\
What --oauth names (RFC 6749; without refresh_token: client credentials):
  {
    \"token_url\": \"https://login.example.com/oauth/token\",
    \"client_id\": \"my-client\",
    \"client_secret\": \"...\",           left out by a public client
    \"refresh_token\": \"...\",           the server may rotate it; the new one is kept
    \"scopes\": [\"read\"],              optional
    \"client_auth\": \"basic\",          or \"post\"
    \"private\": [\"10.1.2.3/32\"]       optional: special addresses that token_url may be at
  }
What --github-app names:
  {
    \"base_url\": \"https://api.github.com\",   or https://HOST/api/v3; optional
    \"app_id\": 12345,
    \"installation_id\": 678,
    \"private_key_file\": \"my-app.private-key.pem\"
  }
Every KEY may be written as KEY_file, the name of a file beside this one that holds the value.
Example:
  openpact secret set GITHUB --for component:github --host api.github.com --github-app app.json";

/// `openpact egress`.
#[derive(Debug, Subcommand)]
pub(crate) enum Egress {
    /// Show the newest requests, the oldest of them first, with the rule that allowed each or would
    Log {
        /// Only those of this principal, such as component:web
        #[arg(long)]
        principal: Option<Principal>,
        /// Only those that ended so
        #[arg(long, value_parser = verdict())]
        verdict: Option<Verdict>,
        /// Only those that were denied
        #[arg(long, conflicts_with_all = ["verdict", "would_deny"])]
        denied: bool,
        /// Only those that count mode let through
        #[arg(long)]
        would_deny: bool,
        /// Only those of the last so long, such as 90s, 10min, 2h or 1d
        #[arg(long, value_name = "TIME")]
        since: Option<Span>,
        /// How many
        #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=1000))]
        limit: u32,
    },
    /// Say what would become of a request, without sending it; the host's name is looked up
    Test {
        /// The URL
        url: String,
        /// Who would ask, such as component:web
        #[arg(long = "as", value_name = "PRINCIPAL")]
        principal: Principal,
        /// The method
        #[arg(long, default_value = "GET")]
        method: String,
    },
}

/// Reads how something ended.
fn verdict() -> impl TypedValueParser<Value = Verdict> {
    PossibleValuesParser::new(["allowed", "denied", "failed"]).map(|text| match text.as_str() {
        "allowed" => Verdict::Allowed,
        "denied" => Verdict::Denied,
        _ => Verdict::Failed,
    })
}

/// `openpact grant`.
#[derive(Debug, Subcommand)]
pub(crate) enum Grant {
    /// Allow something; works from the next request on
    Add {
        /// Who, such as component:web
        principal: Principal,
        /// What: `METHODS SCHEME://HOST[:PORT]/PATH [options]`, such as `GET https://api.example.com/v1/**`
        rule: String,
        /// The secret behind the rule's credential=NAME
        #[arg(long, value_name = "SECRET")]
        secret: Option<SecretName>,
    },
    /// List the grants, those of the configuration and of the program included
    List {
        /// Only those of one principal
        principal: Option<Principal>,
    },
    /// Take a grant back
    Remove {
        /// Its number in the list
        id: i64,
    },
}

/// `openpact audit`.
#[derive(Debug, Subcommand)]
pub(crate) enum Audit {
    /// Show the newest entries, the oldest of them first
    Show {
        /// Only kinds that start so, such as `tool.` or `egress.request`
        #[arg(long, value_name = "PREFIX")]
        kind: Option<String>,
        /// Only what this principal or person caused
        #[arg(long)]
        actor: Option<String>,
        /// Only what was done to this
        #[arg(long)]
        subject: Option<String>,
        /// Go on after this number, instead of showing the newest
        #[arg(long, value_name = "NUMBER")]
        after: Option<i64>,
        /// How many
        #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=1000))]
        limit: u32,
    },
    /// Check that no entry was changed, removed or put in between
    Verify,
}

/// `openpact config`.
#[derive(Debug, Subcommand)]
pub(crate) enum Config {
    /// Say what is wrong with the configuration, or that nothing is
    Check,
    /// Print the example file: every key with its description and default
    Example,
    /// Print the JSON schema
    Schema,
}
