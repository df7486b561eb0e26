//! Who may speak: an account of a platform, and nothing else, decides what somebody may do.
//!
//! What the configuration states counts. Others are let in by an owner with a code that a stranger is told once, and
//! are kept in the database. Everybody is held in memory, so that no message waits for the disk.

mod code;
mod decision;
mod directory;
mod listing;
mod pace;
mod pairing;
mod refusal;
mod stranger;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

use openpact_model::audit::{Event, Verdict};
use openpact_model::chat::Visibility;
use openpact_model::clock::Clock;
use openpact_model::port::AuditSink as _;
use openpact_model::random::Random;
use openpact_model::role::{Channel, Role};
use openpact_model::text::one_line;
use openpact_store::Store;
use tokio::sync::{broadcast, watch};

use crate::Error;
use crate::bucket::{Buckets, Rate};

use directory::{Directory, Entry};
use stranger::Recent;

pub(crate) use decision::shown_name;
pub use listing::{Listed, Listing, Origin, Request};
pub use pace::{Pace, Rates};
pub use pairing::{Acceptance, Accepted, Greeting};
pub use refusal::Refusal;

/// The longest identifier of an account that is taken for one, in bytes.
const LONGEST_USER: usize = 128;

/// Characters of a display name that are kept and shown.
const SHOWN_NAME: usize = 80;

/// Who may speak, how fast, and how strangers are treated.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Config {
    /// The people that the configuration states. None of them can be changed by pairing.
    pub people: Vec<Person>,
    /// What unknown people are, by provider. Nobody where nothing is said.
    pub defaults: BTreeMap<String, Unknown>,
    /// How often people may write.
    pub rates: Rates,
    /// How strangers may ask to be let in.
    pub pairing: Pairing,
}

/// A person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// What the owner calls them.
    pub name: String,
    /// What they may do.
    pub role: Role,
    /// Their accounts.
    pub identities: Vec<Identity>,
}

/// An account of a platform.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Identity {
    /// The platform.
    pub provider: String,
    /// What the platform calls the account; never what it shows.
    pub user: String,
}

/// What unknown people are on one platform: a guest at most, `None` for nobody.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Unknown {
    /// Wherever nothing else is said.
    pub role: Option<Role>,
    /// In single channels, by the platform's identifier.
    pub channels: BTreeMap<String, Option<Role>>,
}

/// How strangers may ask to be let in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pairing {
    /// How long a code is good.
    pub lasts: Duration,
    /// How long a stranger is not answered again.
    pub quiet: Duration,
    /// How long a stranger is not answered whom an owner turned down; at most two days.
    pub quiet_after_denial: Duration,
    /// Requests that may be open; the oldest make room.
    pub most_open: u32,
    /// Strangers that are kept in mind; beyond them a new one gets no answer.
    pub most_quiet: u32,
}

impl Default for Pairing {
    fn default() -> Self {
        Self {
            lasts: Duration::from_hours(1),
            quiet: Duration::from_hours(1),
            quiet_after_denial: Duration::from_hours(24),
            most_open: 1000,
            most_quiet: 10_000,
        }
    }
}

/// What people are kept with.
pub struct Ports {
    /// Where those are kept who were let in.
    pub store: Store,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// For codes.
    pub random: Arc<dyn Random>,
}

/// A sender, as the host knows them.
#[derive(Debug, Clone, Copy)]
pub struct Who<'a> {
    /// The platform, stamped by the host.
    pub provider: &'a str,
    /// What the platform calls the account.
    pub user: &'a str,
    /// What the platform shows. Text.
    pub display_name: &'a str,
    /// Where they wrote.
    pub channel: &'a Channel,
    /// Who can read that.
    pub visibility: Visibility,
    /// Whether an admin lets the adapter speak for owners; if not, nobody whom it reports is more than a member.
    pub asserts_owner: bool,
}

/// What a sender is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Admission {
    /// Somebody whom the configuration states, or an owner let in.
    Known {
        /// What they may do.
        role: Role,
        /// What the owner calls them.
        name: String,
    },
    /// Somebody unknown where unknown people may speak.
    Default {
        /// What they may do.
        role: Role,
    },
    /// Nobody: what they wrote is to be dropped.
    Stranger,
}

/// To whom it counts what an account does: somebody who is known is one person, with however many accounts.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Whose {
    /// What the owner calls them.
    Person(String),
    /// An account of nobody who is known.
    Account {
        /// The platform.
        provider: String,
        /// What the platform calls the account.
        user: String,
    },
}

impl Whose {
    /// What the owner calls them, if they are somebody who is known.
    pub(crate) fn person(self) -> Option<String> {
        match self {
            Self::Person(name) => Some(name),
            Self::Account { .. } => None,
        }
    }
}

/// Decides who may speak. One for each data directory; safe to use from everywhere.
pub struct People {
    shared: Arc<Shared>,
}

struct Shared {
    store: Store,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    pairing: Pairing,
    rules: RwLock<Rules>,
    /// Held while somebody is let in or removed, from the store to `rules`.
    changing: tokio::sync::Mutex<()>,
    pace: Buckets<pace::Key>,
    attempts: Buckets<String>,
    /// Strangers whose refusal was recorded, and who were answered, a short while ago.
    noted: Recent,
    greeted: Recent,
    accepted: broadcast::Sender<Accepted>,
    /// Told whenever a request was decided.
    decided: watch::Sender<()>,
}

/// What is decided by, all in memory.
struct Rules {
    configured: Vec<Person>,
    defaults: BTreeMap<String, Unknown>,
    rates: Rates,
    /// Those who are stated and those who were let in.
    known: Directory,
}

impl Config {
    /// Reads who was let in. Accounts that the configuration states now are forgotten there: what it says counts, and
    /// an older role must not come back when it says nothing any more.
    ///
    /// # Errors
    /// When two people are stated with one account, a rate lets nothing pass, unknown people are more than guests, or
    /// the store cannot be used.
    pub async fn build(self, ports: Ports) -> Result<Arc<People>, Error> {
        let Ports { store, clock, random } = ports;
        let pairing = self.pairing.clone();
        let rules = self.rules(&store).await?;
        let (accepted, _) = broadcast::channel(64);
        let shared = Shared {
            store,
            random,
            pairing,
            rules: RwLock::new(rules),
            changing: tokio::sync::Mutex::default(),
            pace: Buckets::new(Arc::clone(&clock)),
            attempts: Buckets::new(Arc::clone(&clock)),
            noted: Recent::default(),
            greeted: Recent::default(),
            accepted,
            decided: watch::Sender::default(),
            clock,
        };
        Ok(Arc::new(People { shared: Arc::new(shared) }))
    }

    async fn rules(self, store: &Store) -> Result<Rules, Error> {
        let Self { people: configured, defaults, rates, pairing: _ } = self;
        check_defaults(&defaults)?;
        rates.check()?;
        let mut known = directory::stated(&configured)?;
        let table = store.people();
        for row in table.list().await? {
            for identity in row.identities {
                let (provider, user) = (&identity.provider, &identity.user);
                if known.get(provider, user).is_some() {
                    let account = shown(provider, user);
                    let event = Event::new("user.remove", "configuration", account, Verdict::Allowed)
                        .with("name", one_line(&row.name, LONGEST_USER));
                    table.remove_identity(provider, user, event).await?;
                } else {
                    let entry = Entry { name: row.name.clone(), role: row.role, stated: false };
                    known.insert(provider, user, entry);
                }
            }
        }
        Ok(Rules { configured, defaults, rates, known })
    }
}

impl People {
    /// What a sender is, by their account alone. That a stranger was refused is recorded once an hour.
    ///
    /// # Errors
    /// When the refusal of a stranger cannot be recorded.
    pub async fn admit(&self, who: &Who<'_>) -> Result<Admission, Error> {
        let admission = self.shared.judge(who);
        metrics::counter!(
            "openpact_admissions_total",
            "provider" => who.provider.to_owned(),
            "verdict" => admission.word(),
        )
        .increment(1);
        if admission == Admission::Stranger {
            self.shared.note(who).await?;
        }
        Ok(admission)
    }

    /// What a sender is, as [`Self::admit`] has it, without any record of it.
    pub(crate) fn judge(&self, who: &Who<'_>) -> Admission {
        self.shared.judge(who)
    }

    /// To whom it counts what an account does.
    pub(crate) fn whose(&self, provider: &str, user: &str) -> Whose {
        self.shared.whose(provider, user)
    }

    /// Whether somebody would be an owner if their adapter might speak for owners.
    pub(crate) fn is_held_back(&self, who: &Who<'_>) -> bool {
        let rules = self.shared.rules();
        let known = rules.known.get(who.provider, who.user);
        !who.asserts_owner && known.is_some_and(|entry| entry.role == Role::Owner)
    }

    /// Takes over what the configuration says now; how strangers may ask stays as it was built.
    ///
    /// # Errors
    /// As [`Config::build`]; everything is as before then.
    pub async fn reconfigure(&self, config: Config) -> Result<(), Error> {
        let shared = Arc::clone(&self.shared);
        // To its end, even if nobody waits any more: the store and what is in memory must not differ.
        let changed = tokio::spawn(async move {
            let _changing = shared.changing.lock().await;
            let rules = config.rules(&shared.store).await?;
            *shared.rules_mut() = rules;
            Ok(())
        });
        changed.await.map_err(|_| Error::Panicked)?
    }

    /// Tells of everybody who is let in from now on, so that they can be told.
    pub fn acceptances(&self) -> broadcast::Receiver<Accepted> {
        self.shared.accepted.subscribe()
    }

    /// Tells whenever a request was decided, and owners are to be told of it where they were told of the request.
    pub(crate) fn decisions(&self) -> watch::Receiver<()> {
        self.shared.decided.subscribe()
    }
}

impl Admission {
    /// What they may do, if anything.
    pub fn role(&self) -> Option<Role> {
        match self {
            Self::Known { role, .. } | Self::Default { role } => Some(*role),
            Self::Stranger => None,
        }
    }

    fn word(&self) -> &'static str {
        match self {
            Self::Known { .. } => "known",
            Self::Default { .. } => "default",
            Self::Stranger => "stranger",
        }
    }
}

impl Shared {
    fn rules(&self) -> RwLockReadGuard<'_, Rules> {
        self.rules.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn rules_mut(&self) -> RwLockWriteGuard<'_, Rules> {
        self.rules.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn judge(&self, who: &Who<'_>) -> Admission {
        if !is_account(who.user) {
            return Admission::Stranger;
        }
        let rules = self.rules();
        if let Some(entry) = rules.known.get(who.provider, who.user) {
            let most = if who.asserts_owner { Role::Owner } else { Role::Member };
            return Admission::Known { role: entry.role.min(most), name: entry.name.clone() };
        }
        let unknown = rules.defaults.get(who.provider);
        let role = unknown
            .and_then(|unknown| unknown.channels.get(&who.channel.channel).copied().unwrap_or(unknown.role));
        role.map_or(Admission::Stranger, |role| Admission::Default { role })
    }

    fn whose(&self, provider: &str, user: &str) -> Whose {
        match self.rules().known.get(provider, user) {
            Some(entry) => Whose::Person(entry.name.clone()),
            None => Whose::Account { provider: provider.to_owned(), user: user.to_owned() },
        }
    }

    /// Records that a stranger was refused, once in a while for each.
    async fn note(&self, who: &Who<'_>) -> Result<(), Error> {
        let now = self.clock.monotonic();
        if !self.noted.first((who.provider, who.user), now, self.pairing.quiet) {
            return Ok(());
        }
        let event = Event::new("message.refuse", who.actor(), who.place(), Verdict::Denied)
            .with("reason", "unknown sender")
            .with("display_name", one_line(who.display_name, SHOWN_NAME));
        if let Err(error) = self.store.record(event).await {
            self.noted.forget((who.provider, who.user));
            return Err(Error::Audit(error));
        }
        Ok(())
    }
}

impl Who<'_> {
    fn actor(&self) -> String {
        shown(self.provider, self.user)
    }

    fn place(&self) -> String {
        one_line(&self.channel.to_string(), 200)
    }
}

/// An account as people see it, and as the audit log has it.
fn shown(provider: &str, user: &str) -> String {
    one_line(&format!("{provider}:{user}"), LONGEST_USER)
}

/// Whether a text can be what a platform calls an account.
fn is_account(user: &str) -> bool {
    (1..=LONGEST_USER).contains(&user.len())
}

fn check_defaults(defaults: &BTreeMap<String, Unknown>) -> Result<(), Error> {
    let roles = defaults.values().flat_map(|unknown| unknown.channels.values().chain([&unknown.role]));
    if roles.flatten().any(|role| *role > Role::Guest) {
        let why = "unknown people can be guests at most: their authority would come from nowhere";
        return Err(Error::People { why: why.to_owned() });
    }
    Ok(())
}

/// The rate of approvals that one person may try: enough for typing errors, far too few for guessing.
const ATTEMPTS: Rate = Rate { burst: 10, per_minute: 6 };
