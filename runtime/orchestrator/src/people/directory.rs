//! Everybody who is known, by account.

use std::collections::HashMap;

use openpact_model::role::Role;

use super::Person;
use crate::Error;

/// Whose an account is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) name: String,
    pub(super) role: Role,
    /// Whether the configuration says so.
    pub(super) stated: bool,
}

/// Accounts by provider and user: looking one up makes nothing.
#[derive(Debug, Default)]
pub(super) struct Directory(HashMap<String, HashMap<String, Entry>>);

impl Directory {
    pub(super) fn get(&self, provider: &str, user: &str) -> Option<&Entry> {
        self.0.get(provider)?.get(user)
    }

    /// Puts an account in; gives the entry that was there.
    pub(super) fn insert(&mut self, provider: &str, user: &str, entry: Entry) -> Option<Entry> {
        self.0.entry(provider.to_owned()).or_default().insert(user.to_owned(), entry)
    }

    pub(super) fn remove(&mut self, provider: &str, user: &str) {
        if let Some(users) = self.0.get_mut(provider) {
            users.remove(user);
        }
    }

    /// Removes a person who was let in, with all accounts.
    pub(super) fn remove_person(&mut self, name: &str) {
        for users in self.0.values_mut() {
            users.retain(|_, entry| entry.stated || entry.name != name);
        }
    }

    /// An account of somebody who was let in under that name.
    pub(super) fn person(&self, name: &str) -> Option<&Entry> {
        self.0.values().flat_map(HashMap::values).find(|entry| !entry.stated && entry.name == name)
    }
}

/// Those whom the configuration states.
pub(super) fn stated(people: &[Person]) -> Result<Directory, Error> {
    let mut directory = Directory::default();
    for person in people {
        for identity in &person.identities {
            let entry = Entry { name: person.name.clone(), role: person.role, stated: true };
            if directory.insert(&identity.provider, &identity.user, entry).is_some() {
                let account = super::shown(&identity.provider, &identity.user);
                return Err(Error::People { why: format!("the account {account} is stated twice") });
            }
        }
    }
    Ok(directory)
}
