//! The accounts of the assistant that an adapter reported, and how its connection is.

use std::collections::HashSet;
use std::sync::Mutex;

use openpact_model::chat::{Connection, DeliverError};

use super::{Chat, lock};

/// Accounts that one adapter may report: far more than any has.
const MOST: usize = 64;

/// What one adapter reported.
#[derive(Default)]
pub(super) struct Accounts {
    ids: Mutex<HashSet<String>>,
    /// The one that it was connected as last.
    current: Mutex<Option<String>>,
    connection: Mutex<Option<Connection>>,
}

impl Accounts {
    pub(super) fn has(&self, account: &str) -> bool {
        lock(&self.ids).contains(account)
    }

    pub(super) fn current(&self) -> Option<String> {
        lock(&self.current).clone()
    }

    pub(super) fn connection(&self) -> Option<Connection> {
        lock(&self.connection).clone()
    }
}

impl Chat {
    /// Takes note of how a connection is. The account of a connection belongs to its adapter from then on, until that
    /// is detached.
    pub(super) fn take_report(&self, instance: &str, connection: Connection) -> Result<(), DeliverError> {
        let adapters = lock(&self.adapters);
        let Some(attached) = adapters.get(instance) else {
            return Err(DeliverError::Unavailable("this adapter is not attached".to_owned()));
        };
        if let Connection::Connected(account) = &connection {
            super::arrival::check_id("account", &account.id)?;
            let platform = &attached.adapter.info().platform;
            let is_anothers = adapters.iter().any(|(name, other)| {
                name != instance
                    && other.adapter.info().platform == *platform
                    && other.accounts.has(&account.id)
            });
            if is_anothers {
                return Err(DeliverError::WrongAccount);
            }
            let mut ids = lock(&attached.accounts.ids);
            if ids.len() >= MOST && !ids.contains(&account.id) {
                return Err(DeliverError::Invalid("too many accounts".to_owned()));
            }
            ids.insert(account.id.clone());
            *lock(&attached.accounts.current) = Some(account.id.clone());
            self.changed.notify_waiters();
        }
        tracing::debug!(instance, ?connection, "the connection of an adapter");
        *lock(&attached.accounts.connection) = Some(connection);
        Ok(())
    }
}
