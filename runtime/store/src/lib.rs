//! The data directory and the one database in it: audit log, secrets, sessions, messages, usage, journal of tool calls,
//! key-value store, installed components, publishers, revocations, grants, settings.
//!
//! One thread writes and commits what waits in groups; others read. Nothing in here decides what is
//! allowed: it stores, finds, and notices when what it stored was changed.

pub mod approval;
pub mod audit;
pub mod chat_channel;
mod column;
pub mod component;
mod database;
pub mod directory;
pub mod error;
pub mod grant;
pub mod import;
pub mod inbox;
pub mod journal;
mod key;
mod key_value;
pub mod mcp_client;
pub mod message;
mod metric;
mod migration;
pub mod outbox;
pub mod owner_place;
pub mod partial;
pub mod person;
pub mod publisher;
mod reader;
mod recording;
pub mod revocation;
pub mod secret;
pub mod session;
pub mod setting;
pub mod usage;
mod writer;

use std::sync::Arc;

use openpact_model::clock::Clock;
use openpact_model::mint::MintStore;
use openpact_model::random::Random;
use openpact_model::secret::SecretSource;
use rusqlite::{Connection, TransactionBehavior};

pub use directory::DataDirectory;
pub use error::Error;

use key::{Expected, Keys};
use reader::Readers;
use recording::Recorder;
use writer::Writer;

/// The store: cheap to clone, safe to use from everywhere. It keeps the data directory locked until the last clone is
/// gone, and that waits until everything that was asked for is on disk.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

/// In the order in which it is taken down: readers, writer, lock.
pub(crate) struct Inner {
    pub(crate) readers: Readers,
    pub(crate) writer: Writer,
    pub(crate) keys: Arc<Keys>,
    pub(crate) secrets: secret::Cache,
    pub(crate) uses: secret::Uses,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) random: Arc<dyn Random>,
    /// Names this run of the program.
    pub(crate) run: String,
    _directory: DataDirectory,
}

impl Store {
    /// Opens the database of `directory`; makes it where there is none, and brings an older one up to date after
    /// copying it. Blocks while it does.
    ///
    /// A lost master key is no error here: secrets are then out of reach ([`Store::key_problem`]) and all else works.
    ///
    /// # Errors
    /// Everything that [`Error`] tells of files and databases.
    pub fn open(
        directory: &DataDirectory,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
    ) -> Result<Self, Error> {
        let path = directory.secure().join("openpact.db");
        let mut connection = database::open_writer(&path)?;
        let opened = prepare(&mut connection, directory, &*clock, &*random)?;
        let mut run = [0; 16];
        random.fill(&mut run);
        let inner = Inner {
            readers: Readers::start(&path)?,
            writer: Writer::start(connection, Arc::clone(&clock), opened.tail)?,
            keys: Arc::new(opened.keys),
            secrets: opened.secrets,
            uses: secret::Uses::default(),
            clock,
            random,
            run: hex::encode(run),
            _directory: directory.clone(),
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Finishes what was asked for, moves the log into the database and closes it, while other clones of this may
    /// still be about: they get [`Error::Closed`] from then on.
    ///
    /// # Errors
    /// When the database cannot be closed cleanly. Nothing is lost by that: the next start goes on from the log.
    pub async fn close(&self) -> Result<(), Error> {
        secret::flush_uses(&self.inner);
        self.inner.readers.close();
        self.inner.writer.close().await
    }

    /// A key for `purpose`, derived from the master key of this installation. Where that is lost, a key that is good
    /// until the program ends, so that what was protected before is not trusted.
    pub fn key(&self, purpose: &str) -> [u8; 32] {
        self.inner.keys.derive(purpose)
    }

    /// What is wrong with the master key, if anything.
    pub fn key_problem(&self) -> Option<Error> {
        self.inner.keys.master().err()
    }

    /// The secrets for those who put them into requests or take them out of answers.
    pub fn secrets(&self) -> Arc<dyn SecretSource> {
        Arc::new(secret::Source::new(&self.inner))
    }

    /// Where what the host mints is kept.
    pub fn mint_store(&self) -> Arc<dyn MintStore> {
        Arc::new(secret::Vault(Recorder::new(&self.inner)))
    }

    /// The audit log.
    pub fn audit(&self) -> audit::Log {
        audit::Log(Arc::clone(&self.inner))
    }

    /// The secrets as something to change.
    pub fn secret_vault(&self) -> secret::Vault {
        secret::Vault(Recorder::new(&self.inner))
    }

    /// The sessions.
    pub fn sessions(&self) -> session::Table {
        session::Table(Arc::clone(&self.inner))
    }

    /// The messages of sessions.
    pub fn messages(&self) -> message::Table {
        message::Table(Arc::clone(&self.inner))
    }

    /// What sessions took.
    pub fn usage(&self) -> usage::Table {
        usage::Table(Arc::clone(&self.inner))
    }

    /// The journal of tool calls.
    pub fn journal(&self) -> journal::Table {
        journal::Table(Arc::clone(&self.inner))
    }

    /// What platforms reported.
    pub fn inbox(&self) -> inbox::Table {
        inbox::Table(Arc::clone(&self.inner))
    }

    /// What an earlier program left.
    pub fn imports(&self) -> import::Table {
        import::Table(Arc::clone(&self.inner))
    }

    /// What goes out to platforms.
    pub fn outbox(&self) -> outbox::Table {
        outbox::Table(Arc::clone(&self.inner))
    }

    /// Messages that show answers while they are written.
    pub fn partials(&self) -> partial::Table {
        partial::Table(Arc::clone(&self.inner))
    }

    /// What belongs to a channel.
    pub fn chat_channels(&self) -> chat_channel::Table {
        chat_channel::Table(Arc::clone(&self.inner))
    }

    /// Where owners last wrote alone.
    pub fn owner_places(&self) -> owner_place::Table {
        owner_place::Table(Arc::clone(&self.inner))
    }

    /// The people whom an owner let in, and the strangers who ask.
    pub fn people(&self) -> person::Table {
        person::Table(Arc::clone(&self.inner))
    }

    /// What waits for an owner's word.
    pub fn approvals(&self) -> approval::Table {
        approval::Table(Arc::clone(&self.inner))
    }

    /// The publishers that an admin pinned.
    pub fn publishers(&self) -> publisher::Table {
        publisher::Table(Recorder::new(&self.inner))
    }

    /// What counts no more.
    pub fn revocations(&self) -> revocation::Table {
        revocation::Table(Recorder::new(&self.inner))
    }

    /// The components that an admin installed.
    pub fn components(&self) -> component::Table {
        component::Table(Recorder::new(&self.inner))
    }

    /// The clients of the MCP endpoint.
    pub fn mcp_clients(&self) -> mcp_client::Table {
        mcp_client::Table(Recorder::new(&self.inner))
    }

    /// What an admin granted.
    pub fn grants(&self) -> grant::Table {
        grant::Table(Recorder::new(&self.inner))
    }

    /// Small values by scope and key.
    pub fn settings(&self) -> setting::Table {
        setting::Table(Recorder::new(&self.inner))
    }
}

struct Opened {
    keys: Keys,
    secrets: secret::Cache,
    tail: audit::Tail,
}

/// Brings key, secrets and audit log together, in one transaction: a start that is cut off leaves no trace.
fn prepare(
    connection: &mut Connection,
    directory: &DataDirectory,
    clock: &dyn Clock,
    random: &dyn Random,
) -> Result<Opened, Error> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let now = clock.now().as_microsecond();
    let check = setting::read(&transaction, setting::OWN_SCOPE, secret::KEY_CHECK)?;
    let check: Option<String> = check.map(|text| serde_json::from_str(&text).unwrap_or_default());
    let needed = transaction.prepare("SELECT 1 FROM secret")?.exists([])?;
    let expected = Expected { check: check.as_deref(), needed };
    let keys = Keys::open(&directory.secure().join("keys"), random, &expected)?;
    let (secrets, key) = match keys.master() {
        Ok(master) => {
            if check.is_none() {
                secret::expect_key(&transaction, &master, now)?;
            }
            (secret::Cache::load(&transaction, &master)?, Some(master.own(audit::SEAL)))
        }
        Err(problem) => {
            tracing::error!("{problem}");
            (secret::Cache::default(), None)
        }
    };
    let opening = audit::Opening { key, fresh: keys.made(), now };
    let tail = audit::Tail::open(&transaction, opening)?;
    transaction.commit()?;
    if keys.made() {
        keys.place()?;
    }
    Ok(Opened { keys, secrets, tail })
}
