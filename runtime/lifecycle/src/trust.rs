//! Whom to believe: what the store knows of publishers and revocations, as the words of `openpact_packages`.

use openpact_model::id::Digest;
use openpact_packages::key::PublicKey;
use openpact_packages::{self as packages, Trust};
use openpact_store::publisher;
use openpact_store::revocation::{Kind, Row, Statement};

use crate::Catalog;
use crate::error::Error;

/// What a package is verified for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// To be taken in: a key that its publisher replaced signs nothing new.
    TakingIn,
    /// To run: what a replaced key signed and an admin approved goes on running.
    Running,
}

impl Catalog {
    /// Whom this installation believes now. The program's own publisher is not among them: its components come with it.
    ///
    /// # Errors
    /// When the store cannot be read, or what it says of keys cannot.
    pub async fn trust(&self, purpose: Purpose) -> Result<Trust, Error> {
        let mut trust = Trust::default();
        for row in self.store.publishers().list().await? {
            if purpose == Purpose::TakingIn && row.retired.is_some() {
                continue;
            }
            trust.publishers.push(publisher(row)?);
        }
        let revocations = self.store.revocations();
        for row in revocations.list().await? {
            revoke(&mut trust, &row)?;
        }
        let numbers = |rows: std::collections::BTreeMap<String, u64>| {
            rows.into_iter().filter_map(|(key, number)| Some((key.parse().ok()?, number))).collect()
        };
        trust.lists = numbers(revocations.latest(Statement::Revocation).await?);
        trust.rotations = numbers(revocations.latest(Statement::Rotation).await?);
        Ok(trust)
    }
}

fn publisher(row: publisher::Row) -> Result<packages::Publisher, Error> {
    let publisher::Row { name, key, prefixes, .. } = row;
    let key: PublicKey = key.parse().map_err(|_| Error::Key { publisher: name.clone() })?;
    Ok(packages::Publisher { name, keys: vec![key], prefixes })
}

/// A revocation that cannot be read must not be passed over: it would let through what it was to stop.
fn revoke(trust: &mut Trust, row: &Row) -> Result<(), Error> {
    let unreadable =
        || Error::Invalid(format!("the revocation of '{}' in the database cannot be read", row.value));
    let of = row.said_by.strip_prefix("publisher:").map(str::to_owned);
    match row.kind {
        Kind::Key => {
            let key: PublicKey = row.value.parse().map_err(|_| unreadable())?;
            match of {
                Some(publisher) => trust.withdrawn.entry(publisher).or_default().keys.insert(key),
                None => trust.revoked_keys.insert(key),
            };
        }
        Kind::Digest => {
            let digest: Digest = row.value.parse().map_err(|_| unreadable())?;
            match of {
                Some(publisher) => trust.withdrawn.entry(publisher).or_default().digests.insert(digest),
                None => trust.revoked_digests.insert(digest),
            };
        }
    }
    Ok(())
}
