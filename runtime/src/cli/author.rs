//! The commands of authors and publishers: they need files alone.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use jiff::civil::Date;
use openpact_model::id::ComponentName;

/// `openpact component new`.
#[derive(Debug, Args)]
pub(crate) struct New {
    /// The component's name: 2 to 64 of a-z, 0-9 and '-', starting with a letter
    pub(crate) name: ComponentName,
    /// What it is to be
    #[arg(long, value_enum, default_value_t = Kind::Tool)]
    pub(crate) kind: Kind,
    /// The language that it is written in
    #[arg(long, value_enum, default_value_t = Language::Rust)]
    pub(crate) lang: Language,
    /// The name under which admins are to pin your key
    #[arg(long, value_name = "NAME", default_value = "me")]
    pub(crate) publisher: ComponentName,
    /// The project's folder, which must not be there yet [default: NAME in the current folder]
    #[arg(long, short, value_name = "DIR")]
    pub(crate) output: Option<PathBuf>,
}

/// What a new component is to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Kind {
    /// Tools for the assistant
    Tool,
    /// A chat platform
    Adapter,
}

/// The language of a new component.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Language {
    /// Rust
    Rust,
    /// Python; not yet
    Python,
    /// JavaScript; not yet
    Javascript,
}

/// `openpact component sign`.
#[derive(Debug, Args)]
pub(crate) struct Sign {
    /// The package, a .wasm file
    pub(crate) file: PathBuf,
    /// The secret key that `openpact key generate` or minisign made; with --import the public key, or its .pub file
    #[arg(long, value_name = "FILE")]
    pub(crate) key: PathBuf,
    /// Take this signature, which the stock minisign tool made with that key over the package, instead of making one
    #[arg(long, value_name = "FILE", conflicts_with = "passphrase_file")]
    pub(crate) import: Option<PathBuf>,
    /// A file that holds the passphrase of the key, instead of asking for it
    #[arg(long, value_name = "FILE")]
    pub(crate) passphrase_file: Option<PathBuf>,
    /// Replace a signature that is there already
    #[arg(long)]
    pub(crate) force: bool,
}

/// `openpact key`.
#[derive(Debug, Subcommand)]
pub(crate) enum Key {
    /// Make a key pair for signing; prints the public key
    Generate {
        /// The secret key's file; the public key goes beside it, ending in .pub
        #[arg(long, short, value_name = "FILE", default_value = "openpact.key")]
        output: PathBuf,
        /// Do not encrypt the secret key
        #[arg(long, conflicts_with = "passphrase_file")]
        unencrypted: bool,
        /// A file that holds the passphrase for the key, instead of asking for one
        #[arg(long, value_name = "FILE")]
        passphrase_file: Option<PathBuf>,
    },
    /// Say with the old key which new key is to count beside it; each admin has to confirm it
    Rotate(Rotate),
}

/// `openpact key rotate`.
#[derive(Debug, Args)]
pub(crate) struct Rotate {
    /// The secret key that admins have pinned
    #[arg(long, value_name = "FILE")]
    pub(crate) old: PathBuf,
    /// The new public key, or its .pub file
    #[arg(long, value_name = "KEY")]
    pub(crate) new: String,
    /// The name under which admins have pinned the old key
    #[arg(long, value_name = "NAME")]
    pub(crate) publisher: String,
    /// Its number: higher than that of every rotation that this key has said before
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) number: u64,
    /// The date that it states [default: today, in UTC]
    #[arg(long, value_name = "YYYY-MM-DD")]
    pub(crate) date: Option<Date>,
    /// A file that holds the passphrase of the old key, instead of asking for it
    #[arg(long, value_name = "FILE")]
    pub(crate) passphrase_file: Option<PathBuf>,
    /// Where it goes; must not be there yet
    #[arg(long, short, value_name = "FILE")]
    pub(crate) output: PathBuf,
}

/// `openpact revocation`.
#[derive(Debug, Subcommand)]
pub(crate) enum Revocation {
    /// Make a signed list of keys and packages that do not count any more
    ///
    /// A key may revoke itself, the keys of its publisher that were pinned before it, and any package of its publisher.
    Make(Revoke),
    /// Show what a list states, trusting nothing
    Show {
        /// The list
        file: PathBuf,
    },
    /// List what counts no more here, and who said so
    List,
    /// Revoke a key or a package here; what runs of it stops at once
    Add {
        /// A public key, the number of a pinned key, or the digest of a package
        what: String,
        /// Why
        #[arg(long, default_value = "")]
        reason: String,
    },
    /// Take back what you revoked here
    Remove {
        /// As in 'add'
        what: String,
    },
    /// Take in the signed list of a publisher
    Import {
        /// The list
        file: PathBuf,
    },
}

/// `openpact revocation make`.
#[derive(Debug, Args)]
pub(crate) struct Revoke {
    /// The secret key that signs the list
    #[arg(long, value_name = "FILE")]
    pub(crate) signer: PathBuf,
    /// The name under which admins have pinned that key
    #[arg(long, value_name = "NAME")]
    pub(crate) publisher: String,
    /// A public key to revoke, or its .pub file; several times for several
    #[arg(long, value_name = "KEY", required_unless_present = "package")]
    pub(crate) key: Vec<String>,
    /// A package to revoke: its .wasm file, or its SHA-256; several times for several
    #[arg(long, value_name = "FILE|DIGEST")]
    pub(crate) package: Vec<String>,
    /// Why, one line for the admins
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: String,
    /// The list before this one, whose entries go along and whose number this one follows
    #[arg(long, value_name = "FILE")]
    pub(crate) previous: Option<PathBuf>,
    /// The date that it states [default: today, in UTC]
    #[arg(long, value_name = "YYYY-MM-DD")]
    pub(crate) date: Option<Date>,
    /// A file that holds the passphrase of the signing key, instead of asking for it
    #[arg(long, value_name = "FILE")]
    pub(crate) passphrase_file: Option<PathBuf>,
    /// Where it goes; must not be there yet
    #[arg(long, short, value_name = "FILE")]
    pub(crate) output: PathBuf,
}
