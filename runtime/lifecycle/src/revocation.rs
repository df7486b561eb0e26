//! Revocations: by the admin's hand, and by the signed lists of publishers.

use openpact_model::audit::{Event, Verdict};
use openpact_model::id::Digest;
use openpact_packages::key::PublicKey;
use openpact_packages::revocation as list;
use openpact_store::revocation::{Kind, Row, Signed};

use crate::Catalog;
use crate::error::Error;
use crate::trust::Purpose;

impl Catalog {
    /// Everything that counts no more.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn revocations(&self) -> Result<Vec<Row>, Error> {
        Ok(self.store.revocations().list().await?)
    }

    /// Revokes a key or a package by the admin's hand. `what` is a public key, a pinned key's number, or a digest.
    ///
    /// # Errors
    /// Where it is none of these, or the store cannot be written.
    pub async fn revoke(&self, what: &str, reason: &str) -> Result<Row, Error> {
        let (kind, value) = self.read_what(what).await?;
        let reason = openpact_model::text::one_line(reason, 500);
        let row = Row { kind, value, said_by: "admin".to_owned(), reason, added: self.clock.now() };
        let event = Event::new("revocation.add", "admin", row.value.clone(), Verdict::Allowed)
            .with("kind", kind.text())
            .with("reason", row.reason.clone());
        self.store.revocations().recording(event).add(vec![row.clone()], None).await?;
        Ok(row)
    }

    async fn read_what(&self, what: &str) -> Result<(Kind, String), Error> {
        if let Ok(digest) = what.parse::<Digest>() {
            return Ok((Kind::Digest, digest.to_string()));
        }
        if let Ok(key) = what.parse::<PublicKey>() {
            return Ok((Kind::Key, key.to_string()));
        }
        let pinned = self.publishers().await?;
        let by_number = pinned
            .into_iter()
            .find(|row| row.key.parse::<PublicKey>().is_ok_and(|key| key.id().to_string() == what));
        by_number.map(|row| (Kind::Key, row.key)).ok_or_else(|| {
            Error::Invalid(format!(
                "'{}' is neither the digest of a package, nor a public key, nor the number of a pinned key",
                openpact_model::text::one_line(what, 100)
            ))
        })
    }

    /// Takes back what the admin revoked.
    ///
    /// # Errors
    /// Where the admin did not, or the store cannot be written.
    pub async fn unrevoke(&self, what: &str) -> Result<(), Error> {
        let (_, value) = self.read_what(what).await?;
        let event = Event::new("revocation.remove", "admin", value.clone(), Verdict::Allowed);
        if self.store.revocations().recording(event).remove(&value).await? {
            return Ok(());
        }
        Err(Error::Invalid(
            "that was not revoked by an admin here; what a publisher revoked is the publisher's word"
                .to_owned(),
        ))
    }

    /// Takes in the list of a publisher. Gives the list and how much of it was new.
    ///
    /// # Errors
    /// Where it does not count here, or the store cannot be written; nothing of it counts then.
    pub async fn take_in_revocations(&self, text: &[u8]) -> Result<(list::List, usize), Error> {
        // A key that was replaced may still say its last word, and that of those before it.
        let trust = self.trust(Purpose::Running).await?;
        let verified = match list::verify(text, &trust) {
            Ok(verified) => verified,
            Err(refusal) => {
                let error = Error::Statement(refusal);
                self.record_refusal("revocation.import", "publisher", &error).await?;
                return Err(error);
            }
        };
        let list = verified.list().clone();
        let said_by = format!("publisher:{}", list.publisher);
        let added = self.clock.now();
        let row = |kind, value: String, reason: &String| {
            let (said_by, reason) = (said_by.clone(), openpact_model::text::one_line(reason, 500));
            Row { kind, value, said_by, reason, added }
        };
        let keys = list.keys.iter().map(|(key, reason)| row(Kind::Key, key.to_string(), reason));
        let packages =
            list.packages.iter().map(|(digest, reason)| row(Kind::Digest, digest.to_string(), reason));
        let rows: Vec<_> = keys.chain(packages).collect();
        let signed = Signed {
            key: list.key.to_string(),
            number: list.number,
            is_last_word: list.keys.keys().any(|key| key.is_same_pair(&list.key)),
        };
        let event = Event::new("revocation.import", "admin", list.publisher.clone(), Verdict::Allowed)
            .with("number", list.number)
            .with("key", list.key.id().to_string())
            .with("keys", list.keys.len())
            .with("packages", list.packages.len());
        let new = self.store.revocations().recording(event).add(rows, Some(signed)).await?;
        Ok((list, new))
    }
}
