//! Publishers: pinned, given further keys, replaced keys, removed.

use std::collections::BTreeSet;

use openpact_model::audit::{Event, Verdict};
use openpact_packages::key::PublicKey;
use openpact_packages::rotation;
use openpact_store::publisher::Row;
use serde_json::json;

use crate::Catalog;
use crate::error::Error;
use crate::trust::Purpose;

/// The scope of the settings that name the publishers whose updates need no word of the admin.
const AUTO_UPDATE: &str = "publisher-auto-update";

fn event(kind: &str, publisher: &str) -> Event {
    Event::new(kind, "admin", publisher, Verdict::Allowed)
}

impl Catalog {
    /// All pinned keys.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn publishers(&self) -> Result<Vec<Row>, Error> {
        Ok(self.store.publishers().list().await?)
    }

    /// Pins a key of a publisher for components of certain names. The first key of a publisher and any further one.
    ///
    /// # Errors
    /// Where a name makes no sense, the key is pinned already for somebody, or the store cannot be written.
    pub async fn add_publisher(
        &self,
        name: &str,
        key: PublicKey,
        prefixes: Vec<String>,
    ) -> Result<(), Error> {
        self.check_publisher(name, &prefixes)?;
        if let Some(other) = self.publishers().await?.into_iter().find(|row| row.key == key.to_string()) {
            return Err(Error::Invalid(format!(
                "the key {} is pinned already, for the publisher '{}'",
                key.id(),
                other.name
            )));
        }
        let event =
            event("publisher.add", name).with("key", key.id().to_string()).with("names", prefixes.join(", "));
        let row = self.row(name, key, prefixes);
        Ok(self.store.publishers().recording(event).add(row).await?)
    }

    fn row(&self, name: &str, key: PublicKey, prefixes: Vec<String>) -> Row {
        let (name, key, added_by) = (name.to_owned(), key.to_string(), "admin".to_owned());
        Row { name, key, prefixes, added_by, added: self.clock.now(), retired: None }
    }

    fn check_publisher(&self, name: &str, prefixes: &[String]) -> Result<(), Error> {
        if self.config.own.iter().any(|own| own.name == name) {
            return Err(Error::OwnPublisher(name.to_owned()));
        }
        if !is_word(name) {
            return Err(Error::Invalid(format!(
                "'{name}' is no name of a publisher: 1 to 64 of a-z, 0-9, '-', '.' and '_'"
            )));
        }
        match prefixes.iter().find(|prefix| *prefix != "*" && !is_word(prefix)) {
            None => Ok(()),
            Some(wrong) => Err(Error::Invalid(format!(
                "'{wrong}' is no beginning of a component's name: 1 to 64 of a-z, 0-9 and '-', or '*' for all names"
            ))),
        }
    }

    /// Unpins a publisher with all keys, or one of its keys by its number.
    ///
    /// # Errors
    /// Where there is no such publisher or key, or the store cannot be written.
    pub async fn remove_publisher(&self, name: &str, key_id: Option<&str>) -> Result<(), Error> {
        let rows = self.publishers().await?;
        let own: Vec<_> = rows.iter().filter(|row| row.name == name).collect();
        if own.is_empty() {
            return Err(Error::NoPublisher(name.to_owned()));
        }
        let key = match key_id {
            None => None,
            Some(id) => {
                let fits = |row: &&&Row| row.key == id || key_id_of(&row.key).as_deref() == Some(id);
                let found = own.iter().find(fits).map(|row| row.key.clone());
                let missing = || Error::Invalid(format!("the publisher '{name}' has no key {id}"));
                Some(found.ok_or_else(missing)?)
            }
        };
        let mut event = event("publisher.remove", name);
        if let Some(id) = key_id {
            event = event.with("key", id);
        }
        self.store.publishers().recording(event).remove(name, key.as_deref()).await?;
        if key.is_none() || own.len() == 1 {
            self.store.settings().remove(AUTO_UPDATE, name).await?;
        }
        Ok(())
    }

    /// What a statement of key rotation says, where it counts here.
    ///
    /// # Errors
    /// Where it does not.
    pub async fn read_rotation(&self, statement: &[u8]) -> Result<rotation::Verified, Error> {
        let trust = self.trust(Purpose::TakingIn).await?;
        match rotation::verify(statement, &trust) {
            Ok(verified) => Ok(verified),
            Err(refusal) => {
                let error = Error::Statement(refusal);
                self.record_refusal("publisher.rotate", "publisher", &error).await?;
                Err(error)
            }
        }
    }

    /// Follows a statement of key rotation: the new key is pinned for the same names behind the old one, from which
    /// nothing new is taken any more.
    ///
    /// # Errors
    /// Where it does not count, or the store cannot be written.
    pub async fn rotate(&self, statement: &[u8]) -> Result<rotation::Rotation, Error> {
        let verified = self.read_rotation(statement).await?;
        let rotation = verified.rotation().clone();
        let old = rotation.old.to_string();
        let rows = self.publishers().await?;
        let row = rows.into_iter().find(|row| row.name == rotation.publisher && row.key == old);
        let prefixes = row.ok_or_else(|| Error::NoPublisher(rotation.publisher.clone()))?.prefixes;
        let event = event("publisher.rotate", &rotation.publisher)
            .with("old", rotation.old.id().to_string())
            .with("new", rotation.new.id().to_string())
            .with("number", rotation.number);
        let new = self.row(&rotation.publisher, rotation.new, prefixes);
        self.store.publishers().recording(event).rotate(&old, new, rotation.number).await?;
        Ok(rotation)
    }

    /// The publishers whose updates go live by themselves where they widen nothing.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn auto_updated(&self) -> Result<BTreeSet<String>, Error> {
        Ok(self.store.settings().all(AUTO_UPDATE).await?.into_keys().collect())
    }

    /// Says whether updates of a publisher that widen nothing go live without the admin's word.
    ///
    /// # Errors
    /// Where there is no such publisher, or the store cannot be written.
    pub async fn set_auto_update(&self, name: &str, on: bool) -> Result<(), Error> {
        if self.publishers().await?.iter().all(|row| row.name != name) {
            return Err(Error::NoPublisher(name.to_owned()));
        }
        let settings = self.store.settings().recording(event("publisher.set", name).with("auto-update", on));
        if on {
            settings.set(AUTO_UPDATE, name, json!(true)).await?;
        } else {
            settings.remove(AUTO_UPDATE, name).await?;
        }
        Ok(())
    }
}

fn key_id_of(key: &str) -> Option<String> {
    Some(key.parse::<PublicKey>().ok()?.id().to_string())
}

fn is_word(text: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-._".contains(&byte);
    !text.is_empty() && text.len() <= 64 && text.bytes().all(fits)
}
