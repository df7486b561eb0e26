//! Tells a platform which commands there are: after it connected, when they are others than it was told last.

use std::time::Duration;

use openpact_model::chat::{self, AdapterError, Connection};
use openpact_model::id::ComponentName;
use tokio::sync::watch;

use super::Desk;

/// The wait after the first failure; it doubles up to [`MOST`].
const FIRST: Duration = Duration::from_secs(5);

/// The longest wait.
const MOST: Duration = Duration::from_mins(10);

/// Tells the platform after each connection; never ends.
pub(super) async fn keep(
    desk: &dyn Desk,
    name: &ComponentName,
    adapter: &dyn chat::Adapter,
    mut seen: watch::Receiver<Option<Connection>>,
) {
    if !adapter.info().abilities.commands {
        return std::future::pending().await;
    }
    let mut told: Option<String> = None;
    loop {
        let connected = account(seen.borrow_and_update().as_ref());
        if let Some(account) = connected.filter(|account| told.as_ref() != Some(account)) {
            tell(desk, name, adapter, &account).await;
            told = Some(account);
        }
        // An error means that the adapter is being dropped.
        if seen.changed().await.is_err() {
            return std::future::pending().await;
        }
    }
}

fn account(seen: Option<&Connection>) -> Option<String> {
    match seen {
        Some(Connection::Connected(account)) => Some(account.id.clone()),
        _ => None,
    }
}

/// Tells it until it is taken, or refused for good. Quietly: without commands in its menu a platform works as well.
async fn tell(desk: &dyn Desk, name: &ComponentName, adapter: &dyn chat::Adapter, account: &str) {
    let commands = desk.commands();
    let Ok(text) = serde_json::to_string(&commands) else { return };
    if desk.known_commands(name, account).await.as_ref() == Some(&text) {
        return;
    }
    let mut wait = FIRST;
    loop {
        match adapter.register_commands(&commands).await {
            Ok(()) => return desk.registered(name, account, text).await,
            Err(error @ (AdapterError::Credential(_) | AdapterError::Configuration(_))) => {
                tracing::warn!(adapter = %name, %error, "the platform does not take the list of commands");
                return;
            }
            Err(error) => {
                tracing::debug!(adapter = %name, %error, "the list of commands is told again later");
            }
        }
        tokio::time::sleep(wait).await;
        wait = wait.saturating_mul(2).min(MOST);
    }
}
