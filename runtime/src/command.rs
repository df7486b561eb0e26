//! From the command line to work: some commands need only files, the others the data directory.

mod egress;
mod key;
mod minting;
mod new;
mod package;
mod passphrase;
mod revocation;
mod sign;

use std::io::{self, IsTerminal as _, Read as _};

use openpact_model::principal::Principal;
use openpact_model::secret::MAX_VALUE_BYTES;

use crate::cli::{
    Audit, Command, Component, Config as ConfigCommand, Grant, Key, Mcp, McpClient, McpCommand, Provider,
    Publisher, Revocation, Secret, User, author,
};
use crate::config::Config;
use crate::control::lifecycle::Step;
use crate::control::{Hidden, Reply, Request, SecretKind};
use crate::exit::{Code, Failure};
use crate::present::{Output, print};

pub(crate) use package::Verify;

/// What a command needs.
pub(crate) enum Plan {
    /// Files at most.
    Local(Local),
    /// The configuration and the data directory.
    Program(Program),
}

/// Work on files, or on nothing.
pub(crate) enum Local {
    /// Print a text as it is.
    Print(String),
    /// `openpact version`.
    Version,
    /// `openpact key generate`.
    Generate(key::Generate),
    /// `openpact key rotate`.
    Rotate(author::Rotate),
    /// `openpact revocation make`.
    Revoke(author::Revoke),
    /// `openpact revocation show`.
    ShowRevocation(std::path::PathBuf),
    /// `openpact component new`.
    New(author::New),
    /// `openpact component inspect`.
    Inspect(std::path::PathBuf),
    /// `openpact component pack`.
    Pack(crate::cli::Pack),
    /// `openpact component sign`.
    Sign(author::Sign),
    /// `openpact component verify --key`.
    Verify(Verify),
}

/// Work with the data directory.
pub(crate) enum Program {
    /// `openpact start`.
    Start,
    /// `openpact chat`.
    Chat,
    /// `openpact mcp`.
    Mcp,
    /// `openpact config check`.
    CheckConfig,
    /// Everything that is a question to the process that owns the data directory.
    Ask(Request),
    /// `openpact component verify`, which needs to know the publishers.
    Verify(Verify),
}

/// What a command asks for. Reads what it has to read from the terminal, so that nothing is held meanwhile.
pub(crate) fn plan(command: Command, output: Output) -> Result<Plan, Failure> {
    let ask = |request| Ok(Plan::Program(Program::Ask(request)));
    match command {
        Command::Start => Ok(Plan::Program(Program::Start)),
        Command::Provider(Provider::List) => ask(Request::Providers),
        Command::Provider(Provider::Start { name }) => ask(Request::ProviderStart { name }),
        Command::Provider(Provider::Stop { name }) => ask(Request::ProviderStop { name }),
        Command::Provider(Provider::Restart { name }) => ask(Request::ProviderRestart { name }),
        Command::Chat => Ok(Plan::Program(Program::Chat)),
        Command::Status => ask(Request::Status),
        Command::Version => Ok(Plan::Local(Local::Version)),
        Command::Component(command) => component(command),
        Command::Mcp(Mcp { command: None }) => Ok(Plan::Program(Program::Mcp)),
        Command::Mcp(Mcp { command: Some(McpCommand::Client(command)) }) => ask(match command {
            McpClient::List => Request::McpClients,
            McpClient::Add { name, role, tools } => Request::McpClientAdd { name, role, tools },
            McpClient::Revoke { name } => Request::McpClientRevoke { name },
        }),
        Command::Key(Key::Generate { output, unencrypted, passphrase_file }) => {
            Ok(Plan::Local(Local::Generate(key::Generate { output, unencrypted, passphrase_file })))
        }
        Command::Key(Key::Rotate(rotate)) => Ok(Plan::Local(Local::Rotate(rotate))),
        Command::Revocation(command) => revocation(command),
        Command::Publisher(command) => publisher(command).and_then(ask),
        Command::User(User::List) => ask(Request::Users),
        Command::User(User::Accept { code, role, name }) => ask(Request::UserAccept { code, role, name }),
        Command::User(User::Deny { code }) => ask(Request::UserDeny { code }),
        Command::User(User::Remove { who }) => ask(Request::UserRemove { who }),
        Command::Secret(Secret::List) => ask(Request::Secrets),
        Command::Secret(Secret::Set { name, principals, hosts, file, oauth, github_app }) => {
            let (value, kind) = match (file, oauth, github_app) {
                (_, Some(file), _) => (minting::read(&file)?, SecretKind::Oauth),
                (_, _, Some(file)) => (minting::read(&file)?, SecretKind::GithubApp),
                (Some(file), ..) => {
                    let read = crate::app::read_secret(&file);
                    (read.map_err(|why| Failure::new(Code::Failed, why))?, SecretKind::Plain)
                }
                _ => (secret(&format!("value of {name}: "))?, SecretKind::Plain),
            };
            ask(Request::SecretSet { name, value, principals, hosts, kind })
        }
        Command::Secret(Secret::Remove { name }) => ask(Request::SecretRemove { name }),
        Command::Secret(Secret::StartOver) => ask(Request::SecretsStartOver),
        Command::Secret(Secret::RotateKey) => ask(Request::SecretsRotateKey),
        Command::Egress(command) => ask(egress::request(command)),
        Command::Grant(Grant::List { principal }) => ask(Request::Grants { principal }),
        Command::Grant(Grant::Add { principal, rule, secret }) => {
            ask(Request::GrantAdd { principal, rule, secret })
        }
        Command::Grant(Grant::Remove { id }) => ask(Request::GrantRemove { id }),
        Command::Audit(Audit::Verify) => ask(Request::AuditVerify),
        Command::Audit(Audit::Show { kind, actor, subject, after, limit }) => {
            ask(Request::Audit { kind, actor, subject, after, limit })
        }
        Command::Config(ConfigCommand::Check) => Ok(Plan::Program(Program::CheckConfig)),
        Command::Config(ConfigCommand::Schema) => Ok(Plan::Local(Local::Print(Config::schema()))),
        Command::Config(ConfigCommand::Example) => {
            let example = Config::example();
            let json = output.json.then(|| format!("{}\n", serde_json::json!({ "example": example })));
            Ok(Plan::Local(Local::Print(json.unwrap_or(example))))
        }
    }
}

fn publisher(command: Publisher) -> Result<Request, Failure> {
    Ok(match command {
        Publisher::List => Request::Publishers,
        Publisher::Add { name, key, prefix } => {
            Request::PublisherAdd { name, key: package::public_key(&key)?, prefixes: prefix }
        }
        Publisher::Remove { name, key } => Request::PublisherRemove { name, key },
        Publisher::Rotate { file, confirm } => {
            Request::PublisherRotate { statement: statement(&file)?, confirm }
        }
        Publisher::Set { name, auto_update } => Request::PublisherSet { name, auto_update },
    })
}

fn revocation(command: Revocation) -> Result<Plan, Failure> {
    let ask = |request| Plan::Program(Program::Ask(request));
    Ok(match command {
        Revocation::Make(revoke) => Plan::Local(Local::Revoke(revoke)),
        Revocation::Show { file } => Plan::Local(Local::ShowRevocation(file)),
        Revocation::List => ask(Request::Revocations),
        Revocation::Add { what, reason } => ask(Request::RevocationAdd { what, reason }),
        Revocation::Remove { what } => ask(Request::RevocationRemove { what }),
        Revocation::Import { file } => ask(Request::RevocationImport { list: statement(&file)? }),
    })
}

/// A statement that a publisher signed.
fn statement(file: &std::path::Path) -> Result<String, Failure> {
    crate::file::read_text(file).map_err(Failure::doing(format!("{} cannot be read", file.display())))
}

/// The steps in the life of a component; gives the command back where it is none.
fn step(command: Component) -> Result<Step, Box<Component>> {
    Ok(match command {
        Component::Status { name } => Step::Describe { name },
        Component::Install(crate::cli::Install { from, private, approve, given }) => {
            let (from, update) = (Some(absolute(from)), None);
            Step::Install { from, private, update, consent: given.consent(approve) }
        }
        Component::Update(crate::cli::Update { name, from, private, approve, given }) => {
            let (from, update) = (from.map(absolute), Some(name));
            Step::Install { from, private, update, consent: given.consent(approve) }
        }
        Component::Approve(crate::cli::Approve { name, version, given }) => {
            let consent = given.consent(true).unwrap_or_default();
            Step::Approve { name, version, consent }
        }
        Component::Reject { name, version } => Step::TurnDown { name, version },
        Component::Rollback { name, version } => Step::Rollback { name, version },
        Component::Enable { name } => Step::Enable { name },
        Component::Disable { name } => Step::Disable { name },
        Component::Remove { name, forget } => Step::Remove { name, forget },
        Component::Set { name, key, value } => {
            let text = || serde_json::Value::String(value.clone());
            let value = Some(serde_json::from_str(&value).unwrap_or_else(|_| text()));
            Step::Set { name, key, value }
        }
        Component::Unset { name, key } => Step::Set { name, key, value: None },
        other => return Err(Box::new(other)),
    })
}

/// The path as another process finds it; an address stays as it is.
fn absolute(from: String) -> String {
    if from.contains("://") {
        return from;
    }
    std::path::absolute(&from).map_or(from, |path| path.to_string_lossy().into_owned())
}

fn component(command: Component) -> Result<Plan, Failure> {
    let ask = |request| Plan::Program(Program::Ask(request));
    let command = match step(command) {
        Ok(step) => return Ok(ask(Request::Lifecycle(step))),
        Err(other) => *other,
    };
    Ok(match command {
        Component::Grant { name, rule, secret } => {
            ask(Request::GrantAdd { principal: Principal::Component(name), rule, secret })
        }
        Component::RevokeGrant { id } => ask(Request::GrantRemove { id }),
        Component::Grants { name } => ask(Request::Grants { principal: Some(Principal::Component(name)) }),
        Component::List => Plan::Program(Program::Ask(Request::Components)),
        Component::Call { name, tool, arguments } => {
            Plan::Program(Program::Ask(Request::Call { component: name, tool, arguments }))
        }
        Component::Test { name, span, off } => {
            let seconds = (!off).then_some(span.0.as_secs());
            Plan::Program(Program::Ask(Request::Count { component: name, seconds }))
        }
        Component::Inspect { file } => Plan::Local(Local::Inspect(file)),
        Component::Pack(pack) => Plan::Local(Local::Pack(pack)),
        Component::New(new) => Plan::Local(Local::New(new)),
        Component::Sign(sign) => Plan::Local(Local::Sign(sign)),
        Component::Verify { file, signature, key } => {
            let key = key.map(|key| package::public_key(&key)).transpose()?;
            let alone = key.is_some();
            let verify = Verify { file, signature, key };
            if alone { Plan::Local(Local::Verify(verify)) } else { Plan::Program(Program::Verify(verify)) }
        }
        Component::Status { .. }
        | Component::Install(_)
        | Component::Update(_)
        | Component::Approve(_)
        | Component::Reject { .. }
        | Component::Rollback { .. }
        | Component::Enable { .. }
        | Component::Disable { .. }
        | Component::Remove { .. }
        | Component::Set { .. }
        | Component::Unset { .. } => unreachable!("these are steps"),
    })
}

impl Local {
    /// Does it.
    pub(crate) async fn run(self, output: Output) -> Result<(), Failure> {
        match self {
            Self::Print(text) => {
                print(&text);
                Ok(())
            }
            Self::Version => {
                version(output);
                Ok(())
            }
            Self::Generate(generate) => generate.run(output),
            Self::Inspect(file) => package::inspect(&file, output),
            Self::Pack(pack) => package::pack(pack, output).await,
            Self::Rotate(rotate) => key::rotate(&rotate, output),
            Self::Revoke(revoke) => revocation::make(&revoke, output),
            Self::ShowRevocation(file) => revocation::show(&file, output),
            Self::New(new) => new::run(&new, output),
            Self::Sign(sign) => sign::run(&sign, output),
            Self::Verify(verify) => {
                verify.run(Reply::Publishers(Vec::new()), Reply::Revocations(Vec::new()), output)
            }
        }
    }
}

/// How the program ends after an answer that tells of something bad.
pub(crate) fn verdict(reply: &Reply) -> Result<(), Failure> {
    match reply {
        // The answer was shown already.
        Reply::Called(called) if called.is_error => Err(Failure::new(Code::Failed, "")),
        Reply::Chain(chain) if chain.broken.is_some() || (!chain.sealed && chain.entries > 0) => {
            Err(Failure::new(Code::Refused, ""))
        }
        _ => Ok(()),
    }
}

fn version(output: Output) {
    let version = env!("CARGO_PKG_VERSION");
    if output.json {
        crate::present::value(&serde_json::json!({ "name": "openpact", "version": version }));
    } else {
        print(&format!("openpact {version}\n"));
    }
}

/// Reads a secret: without echo from a terminal, else everything from standard input without the line end behind it.
fn secret(prompt: &str) -> Result<Hidden, Failure> {
    let stdin = io::stdin();
    let value = if stdin.is_terminal() {
        passphrase::ask(prompt)?
    } else {
        let mut text = String::new();
        let limit = u64::try_from(MAX_VALUE_BYTES + 3).unwrap_or(u64::MAX);
        let read = stdin.lock().take(limit).read_to_string(&mut text);
        read.map_err(Failure::doing("the value on standard input cannot be read as text"))?;
        Hidden::without_line_end(text)
    };
    if value.0.is_empty() {
        return Err(Failure::new(Code::Usage, "the value is empty; type it, or pipe it into standard input"));
    }
    Ok(value)
}
