//! Everybody who may speak and everybody who asked to, for an admin; and taking somebody out.

use std::sync::Arc;

use jiff::Timestamp;
use openpact_model::audit::{Event, Verdict};
use openpact_model::role::{Channel, Role};
use openpact_model::text::one_line;
use openpact_store::approval::Kind;

use super::pairing::Detail;
use super::{Identity, LONGEST_USER, People, Refusal, Shared, shown};
use crate::Error;

/// Everybody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listing {
    /// Those who may speak, the configuration's first, each part by name.
    pub people: Vec<Listed>,
    /// Those who asked to, the first one first.
    pub requests: Vec<Request>,
}

/// Somebody who may speak.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// What the owner calls them.
    pub name: String,
    /// What they may do.
    pub role: Role,
    /// Their accounts.
    pub identities: Vec<Identity>,
    /// Where it is stated.
    pub origin: Origin,
}

/// Where it is stated that somebody may speak.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// In the configuration.
    Configuration,
    /// An owner let them in.
    Paired {
        /// Who.
        by: String,
        /// When.
        since: Timestamp,
    },
}

/// Somebody who asked to be let in. The code is known to them alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The account.
    pub identity: Identity,
    /// What the platform shows, escaped.
    pub display_name: String,
    /// Where they asked.
    pub channel: Channel,
    /// When they asked.
    pub asked: Timestamp,
    /// When their code expires.
    pub expires: Timestamp,
}

/// What is to be removed.
enum Target {
    Person(String),
    Account(Identity),
}

impl People {
    /// Everybody.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn list(&self) -> Result<Listing, Error> {
        let shared = &self.shared;
        let paired = shared.store.people().list().await?.into_iter().map(|row| Listed {
            name: row.name,
            role: row.role,
            identities: row
                .identities
                .into_iter()
                .map(|identity| Identity { provider: identity.provider, user: identity.user })
                .collect(),
            origin: Origin::Paired { by: row.added_by, since: row.added },
        });
        let configured = shared.rules().configured.clone().into_iter().map(|person| Listed {
            name: person.name,
            role: person.role,
            identities: person.identities,
            origin: Origin::Configuration,
        });
        let people = configured.chain(paired).collect();
        let rows = shared.store.approvals().list(Kind::Pairing, shared.clock.now()).await?;
        // A row that cannot be read can be neither accepted nor shown, and expires like any other.
        let requests = rows.into_iter().filter_map(|row| {
            let (provider, user): (String, String) = serde_json::from_str(&row.subject).ok()?;
            let Detail { display_name, channel } = serde_json::from_value(row.detail).ok()?;
            let identity = Identity { provider, user };
            Some(Request { identity, display_name, channel, asked: row.created, expires: row.expires })
        });
        Ok(Listing { people, requests: requests.collect() })
    }

    /// Takes out a person who was let in, by name, or one account as `PROVIDER:ID`. Works at once; gives what was
    /// removed, as people see it.
    ///
    /// # Errors
    /// [`Error::Refused`] where the configuration states them, or there is nobody; or when the store cannot be
    /// written.
    pub async fn remove(&self, target: &str, by: &str) -> Result<String, Error> {
        let (target, by) = (target.to_owned(), by.to_owned());
        let shared = Arc::clone(&self.shared);
        // To its end, even if nobody waits any more: the store and what is in memory must not differ.
        let removed = tokio::spawn(async move { shared.remove(&target, &by).await });
        removed.await.map_err(|_| Error::Panicked)?
    }
}

impl Shared {
    async fn remove(&self, target: &str, by: &str) -> Result<String, Error> {
        let _changing = self.changing.lock().await;
        let table = self.store.people();
        match self.find(target)? {
            Target::Person(name) => {
                let subject = one_line(&name, LONGEST_USER);
                let event = Event::new("user.remove", by, &subject, Verdict::Allowed);
                table.remove(&name, event).await?;
                self.rules_mut().known.remove_person(&name);
                Ok(subject)
            }
            Target::Account(Identity { provider, user }) => {
                let subject = shown(&provider, &user);
                let event = Event::new("user.remove", by, &subject, Verdict::Allowed);
                table.remove_identity(&provider, &user, event).await?;
                self.rules_mut().known.remove(&provider, &user);
                Ok(subject)
            }
        }
    }

    fn find(&self, target: &str) -> Result<Target, Refusal> {
        let name = || one_line(target, LONGEST_USER);
        let rules = self.rules();
        if rules.configured.iter().any(|person| person.name == target) {
            return Err(Refusal::StatedPerson { name: name() });
        }
        if rules.known.person(target).is_some() {
            return Ok(Target::Person(target.to_owned()));
        }
        let account = target.split_once(':').and_then(|(provider, user)| {
            let entry = rules.known.get(provider, user)?;
            Some((entry, Identity { provider: provider.to_owned(), user: user.to_owned() }))
        });
        match account {
            Some((entry, _)) if entry.stated => {
                let name_of = one_line(&entry.name, LONGEST_USER);
                Err(Refusal::StatedAccount { account: name(), name: name_of })
            }
            Some((_, identity)) => Ok(Target::Account(identity)),
            None => Err(Refusal::Nobody { name: name() }),
        }
    }
}
