//! What can go wrong. Each text tells an admin what to do.

use std::io;
use std::path::PathBuf;

use openpact_model::id::{ComponentName, Digest};
use openpact_model::port::PortError;
use openpact_packages::Refusal;
use openpact_packages::key::KeyId;
use openpact_packages::statement;
use openpact_store as store;

/// A step in the life of a component was not taken; everything is as it was before.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The package is not trusted, or is no component of ours.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// What a publisher signed about its keys does not count.
    #[error(transparent)]
    Statement(#[from] statement::Refusal),
    /// The name belongs to the program.
    #[error(
        "the name '{name}' belongs to a component that comes with the program, which no package replaces"
    )]
    Reserved {
        /// The name.
        name: ComponentName,
    },
    /// The publisher's name belongs to the program.
    #[error("the publisher '{0}' is the program itself; choose another name")]
    OwnPublisher(String),
    /// The key that signed the package was replaced by its publisher.
    #[error(
        "the package is signed by the key {key}, which '{publisher}' replaced: nothing new of it is taken; ask for a package \
         that the new key signs"
    )]
    Replaced {
        /// The number of the key.
        key: KeyId,
        /// The publisher.
        publisher: String,
    },
    /// A component of that name from another publisher is or was installed.
    #[error(
        "the component '{name}' is of the publisher '{owner}', and this package of '{publisher}'; if you mean to change \
         over, take the old one out first: openpact component remove {name} --forget"
    )]
    OtherPublisher {
        /// The component.
        name: ComponentName,
        /// Whose it is.
        owner: String,
        /// Who signed the package.
        publisher: String,
    },
    /// An update of one component was asked for, and the package is another one.
    #[error("this package is the component '{found}', not '{wanted}'")]
    OtherComponent {
        /// What was asked for.
        wanted: ComponentName,
        /// What it is.
        found: ComponentName,
    },
    /// The version is lower than one that was approved.
    #[error(
        "version {version} of '{name}' is older than {highest}, which was approved here: versions only go up; to go \
         back to one that ran here, use 'openpact component rollback {name}'"
    )]
    Downgrade {
        /// The component.
        name: ComponentName,
        /// The version of the package.
        version: String,
        /// The highest that was approved.
        highest: String,
    },
    /// The version was here before with other content.
    #[error(
        "version {version} of '{name}' was here before with the digest {known}, and this package has {digest}: a version \
         never changes; ask its publisher"
    )]
    VersionReused {
        /// The component.
        name: ComponentName,
        /// The version.
        version: String,
        /// What it was.
        known: Digest,
        /// What the package is.
        digest: Digest,
    },
    /// A higher version waits already.
    #[error(
        "version {waiting} of '{name}' waits for you already; decide on that one first: openpact component status {name}"
    )]
    HigherWaits {
        /// The component.
        name: ComponentName,
        /// What waits.
        waiting: String,
    },
    /// There is no such component.
    #[error("'{name}' was not installed; {}", installed(known))]
    Unknown {
        /// The name.
        name: ComponentName,
        /// The names that there are.
        known: String,
    },
    /// The component has no such version in that state.
    #[error("version {version} of '{name}' {state}; 'openpact component status {name}' shows all versions")]
    NoSuchVersion {
        /// The component.
        name: ComponentName,
        /// The version.
        version: String,
        /// What is wrong with it.
        state: &'static str,
    },
    /// There is nothing to go back to.
    #[error("'{name}' has no other version that was approved and is still here")]
    NothingBefore {
        /// The component.
        name: ComponentName,
    },
    /// The bytes on disk are not those that were taken in.
    #[error(
        "the kept package of '{name}' is not the one that was taken in: somebody changed it; install it again, and look \
         for who did"
    )]
    Swapped {
        /// The component.
        name: ComponentName,
    },
    /// A key is none.
    #[error(
        "the key of the publisher '{publisher}' in the database cannot be read; remove the publisher and add it again"
    )]
    Key {
        /// The publisher.
        publisher: String,
    },
    /// There is no such publisher.
    #[error("there is no publisher '{0}'; 'openpact publisher list' shows those that there are")]
    NoPublisher(String),
    /// Something that was said makes no sense.
    #[error("{0}")]
    Invalid(String),
    /// A file cannot be read or written.
    #[error("{} cannot be used", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The store did not do what was asked.
    #[error(transparent)]
    Store(store::Error),
    /// The audit log cannot be written.
    #[error("the audit log cannot be written, so nothing was done")]
    Audit(#[source] PortError),
    /// The program has a defect.
    #[error("the program broke while it worked on the package; the log says where")]
    Broke,
}

impl Error {
    /// Whether it was refused, rather than failed.
    pub fn is_refusal(&self) -> bool {
        !matches!(
            self,
            Self::File { .. }
                | Self::Store(_)
                | Self::Audit(_)
                | Self::Broke
                | Self::Unknown { .. }
                | Self::Invalid(_)
        )
    }

    /// The error with its causes, on one line.
    pub(crate) fn full(&self) -> String {
        let mut text = self.to_string();
        let mut cause = std::error::Error::source(self);
        while let Some(inner) = cause {
            text.push_str(": ");
            text.push_str(&inner.to_string());
            cause = inner.source();
        }
        openpact_model::text::one_line(&text, 2000)
    }
}

fn installed(known: &str) -> String {
    if known.is_empty() { "nothing was".to_owned() } else { format!("there are {known}") }
}
