//! The commands about components.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use openpact_model::id::ComponentName;
use openpact_model::secret::SecretName;

use super::author;
use crate::config::unit::Span;
use crate::control::lifecycle::Consent;

/// `openpact component`.
#[derive(Debug, Subcommand)]
pub(crate) enum Component {
    /// List the components with their state and what they may do
    List,
    /// Show everything about one component: versions, what it asks for and has, limits, what waits for you
    Status {
        /// The component
        name: ComponentName,
    },
    /// Take a package in: verify it, show what it asks for, and let it wait for your approval
    Install(Install),
    /// Take in a newer version of an installed component; the old one runs until you approve
    Update(Update),
    /// Let a version run that waits
    Approve(Approve),
    /// Turn a version down that waits
    Reject {
        /// The component
        name: ComponentName,
        /// The version
        version: String,
    },
    /// Go back to a version that was approved before, with the data that it left
    Rollback {
        /// The component
        name: ComponentName,
        /// Which version [default: the last before the one that runs]
        version: Option<String>,
    },
    /// Switch a component on
    Enable {
        /// The component
        name: ComponentName,
    },
    /// Switch a component off: what runs of it is stopped at once
    Disable {
        /// The component
        name: ComponentName,
    },
    /// Take a component out with its versions, grants and data
    Remove {
        /// The component
        name: ComponentName,
        /// Forget also which versions were here, so that older ones or another publisher's may come
        #[arg(long)]
        forget: bool,
    },
    /// Set what a component is given beside its grants: settings, the secrets of its credentials, folders, limits
    Set {
        /// The component
        name: ComponentName,
        /// The key, such as credentials.token, settings.units, mounts.workspace.path, limits.memory, kv
        key: String,
        /// The value
        value: String,
    },
    /// Take such a key away again
    Unset {
        /// The component
        name: ComponentName,
        /// The key
        key: String,
    },
    /// Let a component reach something, from the next request on
    Grant {
        /// The component
        name: ComponentName,
        /// What: `METHODS SCHEME://HOST[:PORT]/PATH [options]`, such as `GET https://api.example.com/v1/**`
        rule: String,
        /// The secret behind the rule's credential=NAME
        #[arg(long, value_name = "SECRET")]
        secret: Option<SecretName>,
    },
    /// Take a grant back, from the next request on
    RevokeGrant {
        /// Its number, as 'component grants' shows it
        id: i64,
    },
    /// List what a component may reach
    Grants {
        /// The component
        name: ComponentName,
    },
    /// Show what a package says it is and what it asks for, trusting nothing
    Inspect {
        /// The package, a .wasm file
        file: PathBuf,
    },
    /// Say who signed a package, and whether it may run here
    Verify {
        /// The package, a .wasm file
        file: PathBuf,
        /// The signature [default: the file's name with .minisig behind it]
        #[arg(long, value_name = "FILE")]
        signature: Option<PathBuf>,
        /// Trust only this public key instead of the publishers of the data directory: a key or a .pub file
        #[arg(long, value_name = "KEY")]
        key: Option<String>,
    },
    /// Run one tool by hand in its sandbox; prints the result, the time, the memory and the requests made
    Call {
        /// The component
        name: ComponentName,
        /// The tool, such as `workspace_read`
        tool: String,
        /// The arguments, a JSON object
        #[arg(default_value = "{}")]
        arguments: String,
    },
    /// Count mode: for a while, let through what no grant allows, and record what would have been denied
    ///
    /// Addresses, secrets and limits are guarded as ever. It ends by itself, at a restart and at a reload. Then:
    /// openpact egress log --would-deny
    Test {
        /// The component
        name: ComponentName,
        /// How long, a day at most
        #[arg(long = "for", value_name = "TIME", default_value = "10min")]
        span: Span,
        /// End it now
        #[arg(long, conflicts_with = "span")]
        off: bool,
    },
    /// Make a package out of a built component and its openpact.toml
    Pack(Pack),
    /// Make a project for a new component: it builds, tests, packs and signs as it is
    New(author::New),
    /// Sign a package; writes the signature beside it
    Sign(author::Sign),
}

/// `openpact component install`.
#[derive(Debug, Args)]
pub(crate) struct Install {
    /// The package, a .wasm file with its .minisig beside it, or an https address
    pub(crate) from: String,
    /// An address may lie in this range of private addresses; several times for several
    #[arg(long, value_name = "RANGE")]
    pub(crate) private: Vec<String>,
    /// Approve it at once, with everything that it asks for
    #[arg(long)]
    pub(crate) approve: bool,
    #[command(flatten)]
    pub(crate) given: Given,
}

/// `openpact component update`.
#[derive(Debug, Args)]
pub(crate) struct Update {
    /// The component
    pub(crate) name: ComponentName,
    /// The package, or its https address [default: where the last one came from]
    pub(crate) from: Option<String>,
    /// An address may lie in this range of private addresses; several times for several
    #[arg(long, value_name = "RANGE")]
    pub(crate) private: Vec<String>,
    /// Approve it at once, with everything that it asks for and the old one did not
    #[arg(long)]
    pub(crate) approve: bool,
    #[command(flatten)]
    pub(crate) given: Given,
}

/// `openpact component approve`.
#[derive(Debug, Args)]
pub(crate) struct Approve {
    /// The component
    pub(crate) name: ComponentName,
    /// The version, as 'component status' shows it
    pub(crate) version: String,
    #[command(flatten)]
    pub(crate) given: Given,
}

/// What is given along with an approval.
#[derive(Debug, Args)]
pub(crate) struct Given {
    /// Approve with only these: what it asks for by label (`http:1`, `files:workspace`, `kv`), or a rule in your own words;
    /// 'none' for nothing; several times for several
    #[arg(long, value_name = "LABEL|RULE")]
    pub(crate) grant: Vec<String>,
    /// The secret behind one of its credentials; several times for several
    #[arg(long, value_name = "CREDENTIAL=SECRET", value_parser = pair)]
    pub(crate) secret: Vec<(String, SecretName)>,
}

impl Given {
    /// What it says, where an approval was asked for by itself or by naming what is granted.
    pub(crate) fn consent(self, approve: bool) -> Option<Consent> {
        let only =
            (!self.grant.is_empty()).then(|| self.grant.into_iter().filter(|one| one != "none").collect());
        (approve || only.is_some()).then(|| Consent { only, secrets: self.secret.into_iter().collect() })
    }
}

/// Reads `CREDENTIAL=SECRET`.
fn pair(text: &str) -> Result<(String, SecretName), String> {
    let (credential, secret) = text.split_once('=').ok_or("it must be CREDENTIAL=SECRET")?;
    let secret = secret.parse().map_err(|error: openpact_model::id::ParseError| error.to_string())?;
    Ok((credential.to_owned(), secret))
}

/// `openpact component pack`.
#[derive(Debug, Args)]
pub(crate) struct Pack {
    /// The guest's folder (with openpact.toml, and built for wasm32-wasip2), or the built .wasm itself
    pub(crate) source: PathBuf,
    /// The manifest [default: openpact.toml in the folder, or beside the .wasm]
    #[arg(long, value_name = "FILE")]
    pub(crate) manifest: Option<PathBuf>,
    /// Where the package goes [default: NAME.wasm in the current folder]
    #[arg(long, short, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
}
