//! The audit log, as the admin reads it.

use openpact_store::audit;

use super::App;
use crate::control::{Chain, Entry};
use crate::exit::Failure;

impl App {
    /// One page of entries, the oldest first.
    pub(super) async fn audit_page(
        &self,
        kind: Option<String>,
        actor: Option<String>,
        subject: Option<String>,
        after: Option<i64>,
        limit: u32,
    ) -> Result<Vec<Entry>, Failure> {
        let filter =
            audit::Filter { kind_prefix: kind, actor, subject, after, limit, ..audit::Filter::default() };
        let mut page = self.store.audit().page(filter).await.map_err(Failure::failed)?;
        page.sort_by_key(|entry| entry.number);
        let entries = page.into_iter();
        let show = |entry: audit::Entry| {
            let audit::Entry { number, time, event, hash } = entry;
            Entry { number, time, event, hash: hash.to_string() }
        };
        Ok(entries.map(show).collect())
    }

    /// Whether the chain is whole.
    pub(super) async fn audit_verify(&self) -> Result<Chain, Failure> {
        let chain = self.store.audit().verify().await.map_err(Failure::failed)?;
        let broken = chain.broken.map(|broken| (broken.number, broken.why));
        Ok(Chain { entries: chain.entries, broken, sealed: chain.sealed })
    }
}
