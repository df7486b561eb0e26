//! From the command line to work: some commands need only files, the others the data directory.

mod key;
mod new;
mod package;
mod passphrase;
mod revocation;
mod sign;

use std::io::{self, IsTerminal as _, Read as _};

use openpact_model::secret::MAX_VALUE_BYTES;

use crate::cli::{
    Audit, Command, Component, Config as ConfigCommand, Grant, Key, Mcp, McpClient, McpCommand, Provider,
    Publisher, Revocation, Secret, User, author,
};
use crate::config::Config;
use crate::control::{Hidden, Reply, Request};
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
        Command::Revocation(Revocation::Make(revoke)) => Ok(Plan::Local(Local::Revoke(revoke))),
        Command::Revocation(Revocation::Show { file }) => Ok(Plan::Local(Local::ShowRevocation(file))),
        Command::User(User::List) => ask(Request::Users),
        Command::User(User::Accept { code, role, name }) => ask(Request::UserAccept { code, role, name }),
        Command::User(User::Deny { code }) => ask(Request::UserDeny { code }),
        Command::User(User::Remove { who }) => ask(Request::UserRemove { who }),
        Command::Publisher(Publisher::List) => ask(Request::Publishers),
        Command::Publisher(Publisher::Add { name, key, prefix }) => {
            ask(Request::PublisherAdd { name, key: package::public_key(&key)?, prefixes: prefix })
        }
        Command::Publisher(Publisher::Remove { name }) => ask(Request::PublisherRemove { name }),
        Command::Secret(Secret::List) => ask(Request::Secrets),
        Command::Secret(Secret::Set { name, principals, file }) => {
            let value = match file {
                Some(file) => {
                    crate::app::read_secret(&file).map_err(|why| Failure::new(Code::Failed, why))?
                }
                None => secret(&format!("value of {name}: "))?,
            };
            ask(Request::SecretSet { name, value, principals })
        }
        Command::Secret(Secret::Remove { name }) => ask(Request::SecretRemove { name }),
        Command::Secret(Secret::StartOver) => ask(Request::SecretsStartOver),
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

fn component(command: Component) -> Result<Plan, Failure> {
    Ok(match command {
        Component::List => Plan::Program(Program::Ask(Request::Components)),
        Component::Call { name, tool, arguments } => {
            Plan::Program(Program::Ask(Request::Call { component: name, tool, arguments }))
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
            Self::Verify(verify) => verify.run(Reply::Publishers(Vec::new()), output),
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
