//! What a grant's credential is filled with, and where that may go.

use std::time::Duration;

use openpact_model::mint::Minted;
use openpact_model::secret::{SecretEntry, SecretSnapshot, SecretValue};

use crate::door::{Door, Grant};

/// The longest that a request waits for a token to be minted.
const PATIENCE: Duration = Duration::from_secs(30);

/// Why there is nothing to fill in.
pub(crate) enum Unsupplied {
    /// It may not go to this host.
    Elsewhere(String),
    /// There is none, for the admin.
    Missing(String),
}

impl Door {
    /// Whether there is a secret behind a grant's credential that is bound to this principal.
    pub(crate) fn is_supplied(&self, grant: &Grant, snapshot: &SecretSnapshot) -> bool {
        self.entry(grant, snapshot).is_some()
    }

    /// The value behind a grant's credential for `host`, as a URL writes it, where there is one, it is bound to this
    /// principal and may go there. Nothing is minted for this.
    pub(crate) fn secret_of(
        &self,
        grant: &Grant,
        snapshot: &SecretSnapshot,
        host: &str,
    ) -> Option<SecretValue> {
        let entry = self.entry(grant, snapshot).filter(|entry| entry.goes_to(host))?;
        match &entry.minted {
            None => Some(entry.value.clone()),
            Some(minted) => minted.tokens.last().map(|token| token.value.clone()),
        }
    }

    /// The same, for a request that is about to be sent: what is minted is minted now where it must be.
    pub(crate) async fn supply(
        &self,
        grant: &Grant,
        snapshot: &SecretSnapshot,
        host: &str,
    ) -> Result<SecretValue, Unsupplied> {
        let name = grant.secret.as_ref();
        let shown = name.map_or("a secret", |name| name.as_str());
        let Some((entry, name)) = self.entry(grant, snapshot).zip(name) else {
            let principal = &self.principal;
            return Err(Unsupplied::Missing(format!("{shown} is not set, or is not bound to {principal}")));
        };
        if !entry.goes_to(host) {
            let hosts: Vec<_> = entry.hosts.iter().map(ToString::to_string).collect();
            let hosts = hosts.join(" ");
            return Err(Unsupplied::Elsewhere(format!(
                "{shown} is bound to {hosts} and does not go to {host}"
            )));
        }
        let Some(minted) = &entry.minted else { return Ok(entry.value.clone()) };
        if let Some(token) = Minted::good(minted, self.shared.ports.clock.now()) {
            return Ok(token.clone());
        }
        let missing = |why: String| Unsupplied::Missing(format!("{shown}: {why}"));
        let Some(mint) = self.shared.minter.get() else {
            return Err(missing("it is minted, and nothing mints here".to_owned()));
        };
        match tokio::time::timeout(PATIENCE, mint.mint(name)).await {
            Ok(minted) => minted.map_err(|error| missing(error.to_string())),
            Err(_) => Err(missing(format!("no token within {} s", PATIENCE.as_secs()))),
        }
    }

    fn entry<'s>(&self, grant: &Grant, snapshot: &'s SecretSnapshot) -> Option<&'s SecretEntry> {
        let entry = snapshot.entries.get(grant.secret.as_ref()?)?;
        entry.principals.contains(&self.principal).then_some(entry)
    }
}
