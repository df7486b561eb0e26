//! What the host mints: kept encrypted with what it is minted from, in one row, so that a token and the refresh token
//! that came with it are both there or neither is.

use async_trait::async_trait;
use jiff::Timestamp;
use openpact_model::audit::{Event, Verdict};
use openpact_model::mint::{Definition, MintStore, Minted, Token};
use openpact_model::port::PortError;
use openpact_model::secret::{SecretEntry, SecretName};
use rusqlite::{OptionalExtension as _, params};
use std::sync::Arc;

use super::{PURPOSE, Sealed, Vault, cipher, sealed};
use crate::error::Error;
use crate::writer::Transaction;

/// The most tokens that are kept to be taken out of what comes back; the oldest go first.
const KEPT: usize = 8;

#[async_trait]
impl MintStore for Vault {
    async fn minted(
        &self,
        name: &SecretName,
        from: &Definition,
        renewed: Option<Definition>,
        token: Token,
    ) -> Result<bool, PortError> {
        let inner = &self.0.inner;
        let (keys, random, cache) =
            (Arc::clone(&inner.keys), Arc::clone(&inner.random), inner.secrets.clone());
        let (name, from) = (name.clone(), from.clone());
        let work = move |open: &mut Transaction<'_>| {
            let key = keys.master()?.own(PURPOSE);
            let Some(mut entry) = read(open, &name)?.and_then(|row| cipher::open(&key, &name, &row)) else {
                return Ok(false);
            };
            let now = open.timestamp();
            match &mut entry.minted {
                Some(minted) if minted.definition.is_same(&from) => {
                    change(minted, renewed.clone(), token.clone(), now);
                    entry.value = minted.definition.parts().next().unwrap_or(&entry.value).clone();
                }
                _ => return Ok(false),
            }
            write(open, &name, &cipher::seal(&key, &*random, &name, &entry)?)?;
            let event = Event::new("secret.mint", "runtime", name.as_str(), Verdict::Allowed);
            let event = event.with("expires", token.expires.to_string());
            open.record(&event.with("rotated", renewed.is_some()))?;
            let (cache, name) = (cache.clone(), name.clone());
            open.after_commit(move || publish(&cache, name, entry));
            Ok(true)
        };
        Ok(inner.writer.run(work).await?)
    }

    async fn mint_failed(&self, name: &SecretName, problem: String) -> Result<(), PortError> {
        let name = name.clone();
        let work = move |open: &mut Transaction<'_>| {
            let sql = "UPDATE secret SET problem = ?2 WHERE name = ?1 AND kind <> 'plain'";
            let there = open.connection.prepare_cached(sql)?.execute(params![name.as_str(), problem])? > 0;
            if there {
                let event = Event::new("secret.mint", "runtime", name.as_str(), Verdict::Failed);
                open.record(&event.with("why", problem.as_str()))?;
            }
            Ok(())
        };
        Ok(self.0.inner.writer.run(work).await?)
    }
}

fn change(minted: &mut Minted, renewed: Option<Definition>, token: Token, now: Timestamp) {
    minted.definition = renewed.unwrap_or_else(|| minted.definition.clone());
    minted.tokens.retain(|old| now < old.expires && old.value.expose() != token.value.expose());
    minted.tokens.push(token);
    let surplus = minted.tokens.len().saturating_sub(KEPT);
    minted.tokens.drain(..surplus);
}

fn publish(cache: &super::Cache, name: SecretName, entry: SecretEntry) {
    cache.change(|entries| drop(entries.insert(name, entry)));
}

fn read(open: &Transaction<'_>, name: &SecretName) -> Result<Option<Sealed>, Error> {
    let sql = "SELECT name, nonce, ciphertext, principals, hosts, kind FROM secret WHERE name = ?1";
    let mut statement = open.connection.prepare_cached(sql)?;
    Ok(statement.query_row([name.as_str()], sealed).optional()?.map(|(_, sealed)| sealed))
}

fn write(open: &Transaction<'_>, name: &SecretName, sealed: &Sealed) -> Result<(), Error> {
    let sql = "UPDATE secret SET nonce = ?2, ciphertext = ?3, minted = ?4, problem = NULL WHERE name = ?1";
    let values = params![name.as_str(), sealed.nonce, sealed.ciphertext, open.now()];
    open.connection.prepare_cached(sql)?.execute(values)?;
    Ok(())
}
