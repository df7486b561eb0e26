//! Who may connect: clients with a name, a role, a list of tools and a token of which only the hash is kept.
//!
//! All of them are held in memory and looked up by the SHA-256 of what was presented. Nothing about a stored token can
//! be learnt from how long that takes: who could choose the hash of a guess could as well choose the token.

mod token;

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use globset::{Glob, GlobSet, GlobSetBuilder};
use jiff::Timestamp;
use openpact_model::audit::{Event, Verdict};
use openpact_model::clock::Clock;
use openpact_model::id::{Digest, SessionId};
use openpact_model::random::Random;
use openpact_model::role::{Audience, Caller, Role, Sender};
use openpact_store::Store;
use openpact_store::mcp_client::Row;
use tokio_util::sync::CancellationToken;
use zeroize::Zeroizing;

use crate::Error;

/// The provider of callers that come through MCP.
pub(crate) const PROVIDER: &str = "mcp";

/// Microseconds between two notes that a client was seen.
const SEEN_EVERY: i64 = 60_000_000;

/// The clients that there are.
pub struct Clients {
    store: Store,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    known: RwLock<Known>,
    /// Held while the store and `known` change together.
    changing: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct Known {
    by_token: HashMap<Digest, Arc<Client>>,
    by_name: BTreeMap<String, Arc<Client>>,
}

/// One client, as the door knows it.
pub(crate) struct Client {
    pub(crate) name: String,
    pub(crate) caller: Caller,
    /// All that it does is one conversation: who has once read what a stranger wrote stays so, over all connections and
    /// starts of the program. A client that is added anew is a new one.
    pub(crate) session: SessionId,
    tools: GlobSet,
    /// Cancelled when it is revoked: its calls and streams end.
    pub(crate) revoked: CancellationToken,
    row: Row,
    seen: AtomicI64,
}

/// A client to be added.
#[derive(Debug, Clone)]
pub struct Request {
    /// Its name: `[a-z][a-z0-9_-]*`, at most 64 characters.
    pub name: String,
    /// What it may do.
    pub role: Role,
    /// The tools that it may use, by name with `*` and `?`.
    pub tools: Vec<String>,
    /// Who adds it.
    pub by: String,
}

/// A client that was added.
pub struct Added {
    /// The token: shown now and never again.
    pub token: Zeroizing<String>,
}

/// A client in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Its name.
    pub name: String,
    /// What it may do.
    pub role: Role,
    /// The tools that it may use.
    pub tools: Vec<String>,
    /// Who added it.
    pub added_by: String,
    /// When.
    pub added: Timestamp,
    /// When it was last seen, to about a minute.
    pub last_used: Option<Timestamp>,
}

impl Clients {
    /// Reads the clients of the store.
    ///
    /// # Errors
    /// When the store cannot be read, or holds a pattern that is none.
    pub async fn open(
        store: Store,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
    ) -> Result<Arc<Self>, Error> {
        let mut known = Known::default();
        for row in store.mcp_clients().list().await? {
            known.insert(Arc::new(Client::of(row)?));
        }
        let known = RwLock::new(known);
        Ok(Arc::new(Self { store, clock, random, known, changing: tokio::sync::Mutex::default() }))
    }

    /// Adds a client and makes its token.
    ///
    /// # Errors
    /// When the name or a pattern is wrong, the name is taken, or the store cannot be written.
    pub async fn add(&self, request: Request) -> Result<Added, Error> {
        if !is_name(&request.name) {
            return Err(Error::Name(openpact_model::text::one_line(&request.name, 64)));
        }
        let token = token::generate(&*self.random);
        let row = Row {
            name: request.name,
            token_hash: token::hash(&token),
            role: request.role,
            tools: request.tools,
            added_by: request.by,
            added: self.clock.now(),
            last_used: None,
        };
        let client = Arc::new(Client::of(row.clone())?);
        let event = Event::new("mcp.client.add", &row.added_by, &row.name, Verdict::Allowed)
            .with("role", row.role.to_string())
            .with("tools", row.tools.clone());
        let _changing = self.changing.lock().await;
        self.store.mcp_clients().recording(event).add(row).await?;
        self.write().insert(client);
        Ok(Added { token })
    }

    /// Takes a client's token back. What it does at this moment is stopped.
    ///
    /// # Errors
    /// When there is no such client, or the store cannot be written: then it is out until the program starts again.
    pub async fn revoke(&self, name: &str, by: &str) -> Result<(), Error> {
        let _changing = self.changing.lock().await;
        let client = self.write().remove(name);
        if let Some(client) = &client {
            client.revoked.cancel();
        }
        let event = Event::new("mcp.client.revoke", by, name, Verdict::Allowed);
        let removed = self.store.mcp_clients().recording(event).remove(name).await?;
        if removed || client.is_some() { Ok(()) } else { Err(Error::NoClient(name.to_owned())) }
    }

    /// All clients, by name.
    pub fn list(&self) -> Vec<Listed> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        known.by_name.values().map(|client| client.listed()).collect()
    }

    /// The client of a token.
    pub(crate) fn find(&self, token: &str) -> Option<Arc<Client>> {
        let hash = token::presented(token)?;
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        known.by_token.get(&hash).cloned()
    }

    /// Notes that a client was here, about once a minute, without waiting for the disk.
    pub(crate) fn saw(self: &Arc<Self>, client: &Arc<Client>) {
        let now = self.clock.now();
        let (last, this) = (client.seen.load(Ordering::Relaxed), now.as_microsecond());
        if this.saturating_sub(last) < SEEN_EVERY && this >= last {
            return;
        }
        client.seen.store(this, Ordering::Relaxed);
        let (store, name) = (self.store.clone(), client.name.clone());
        tokio::spawn(async move {
            if let Err(error) = store.mcp_clients().seen(&name, now).await {
                tracing::warn!(%error, client = name, "when an MCP client was seen could not be written");
            }
        });
    }

    fn write(&self) -> std::sync::RwLockWriteGuard<'_, Known> {
        self.known.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    fn insert(&mut self, client: Arc<Client>) {
        self.by_token.insert(client.row.token_hash, Arc::clone(&client));
        self.by_name.insert(client.name.clone(), client);
    }

    fn remove(&mut self, name: &str) -> Option<Arc<Client>> {
        let client = self.by_name.remove(name)?;
        self.by_token.remove(&client.row.token_hash);
        Some(client)
    }
}

impl Client {
    fn of(row: Row) -> Result<Self, Error> {
        let tools = globs(&row.tools)?;
        let user = row.name.clone();
        let sender = Sender { provider: PROVIDER.to_owned(), user, display_name: row.name.clone() };
        let audience = if row.role == Role::Owner { Audience::Private } else { Audience::Group };
        let caller = Caller { sender, role: row.role, audience };
        let seen = AtomicI64::new(row.last_used.map_or(i64::MIN / 2, Timestamp::as_microsecond));
        let revoked = CancellationToken::new();
        let session = SessionId::from_stored(format!("mcp:{}:{}", row.name, row.added.as_microsecond()));
        Ok(Self { name: row.name.clone(), caller, session, tools, revoked, row, seen })
    }

    /// The owner of this machine, at its other end.
    pub(crate) fn owner(sender: Sender) -> Self {
        let row = Row {
            name: sender.user.clone(),
            token_hash: Digest::of(b""),
            role: Role::Owner,
            tools: vec!["*".to_owned()],
            added_by: String::new(),
            added: Timestamp::UNIX_EPOCH,
            last_used: None,
        };
        let caller = Caller { sender, role: Role::Owner, audience: Audience::Private };
        let tools = globs(&row.tools).expect("the pattern is a constant that is right");
        let (revoked, seen) = (CancellationToken::new(), AtomicI64::new(0));
        let session = SessionId::from_stored(format!("mcp:{}:{}", caller.sender.provider, row.name));
        Self { name: row.name.clone(), caller, session, tools, revoked, row, seen }
    }

    /// Whether the client's own list has this tool.
    pub(crate) fn may_use(&self, tool: &str) -> bool {
        self.tools.is_match(tool)
    }

    /// Who it is, for the audit log.
    pub(crate) fn actor(&self) -> String {
        let sender = &self.caller.sender;
        openpact_model::text::one_line(&format!("{}:{}", sender.provider, sender.user), 128)
    }

    fn listed(&self) -> Listed {
        let seen = self.seen.load(Ordering::Relaxed);
        Listed {
            name: self.name.clone(),
            role: self.row.role,
            tools: self.row.tools.clone(),
            added_by: self.row.added_by.clone(),
            added: self.row.added,
            last_used: Timestamp::from_microsecond(seen).ok().filter(|_| seen > 0),
        }
    }
}

fn globs(patterns: &[String]) -> Result<GlobSet, Error> {
    if patterns.is_empty() {
        return Err(Error::NoTools);
    }
    let wrong = |pattern: &str, source| Error::Pattern { pattern: pattern.to_owned(), source };
    let mut set = GlobSetBuilder::new();
    for pattern in patterns {
        set.add(Glob::new(pattern).map_err(|source| wrong(pattern, source))?);
    }
    set.build().map_err(|source| wrong(&patterns.join(" "), source))
}

fn is_name(name: &str) -> bool {
    let good = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'_');
    name.len() <= 64 && name.starts_with(|first: char| first.is_ascii_lowercase()) && name.bytes().all(good)
}
