//! Revocations, and what they stop.

use openpact_model::id::ComponentName;

use super::lifecycle::failure;
use super::{App, done};
use crate::control::lifecycle::Revocation;
use crate::control::{Reply, Response};

impl App {
    /// What counts no more.
    pub(super) async fn revocations(&self) -> Response {
        let rows = self.catalog.revocations().await.map_err(failure)?;
        let show = rows.into_iter().map(|row| Revocation {
            kind: row.kind.text().to_owned(),
            value: row.value,
            said_by: row.said_by,
            reason: row.reason,
            added: row.added,
        });
        Ok(Reply::Revocations(show.collect()))
    }

    /// Revokes a key or a package; what runs of it stops.
    pub(super) async fn revoke(&self, what: &str, reason: &str) -> Response {
        let row = self.catalog.revoke(what, reason).await.map_err(failure)?;
        let stopped = self.judge_anew().await?;
        Ok(with_stopped(format!("the {} {} is revoked", row.kind.text(), row.value), &stopped))
    }

    /// Takes back what an admin revoked.
    pub(super) async fn unrevoke(&self, what: &str) -> Response {
        self.catalog.unrevoke(what).await.map_err(failure)?;
        self.judge_anew().await?;
        Ok(done("it counts again".to_owned()))
    }

    /// Takes in a publisher's list; what runs of what it revokes stops.
    pub(super) async fn import_revocations(&self, list: &str) -> Response {
        let (list, new) = self.catalog.take_in_revocations(list.as_bytes()).await.map_err(failure)?;
        let stopped = self.judge_anew().await?;
        let message = format!(
            "list {} of '{}' revokes {} and {}, {new} of them new",
            list.number,
            list.publisher,
            counted(list.keys.len(), "key"),
            counted(list.packages.len(), "package")
        );
        Ok(with_stopped(message, &stopped))
    }
}

/// Such as "1 key", "2 keys".
fn counted(number: usize, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

/// The answer to a change that may have stopped components.
pub(super) fn with_stopped(message: String, stopped: &[ComponentName]) -> Reply {
    let names: Vec<_> = stopped.iter().map(ComponentName::as_str).collect();
    let warning = (!names.is_empty()).then(|| format!("stopped at once: {}", names.join(", ")));
    Reply::Done { message, warning }
}
