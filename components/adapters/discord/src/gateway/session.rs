//! The session of the gateway, over a restart.

use openpact_sdk::adapter::inbox::Account;
use openpact_sdk::{kv, log};
use serde::{Deserialize, Serialize};

const KEY: &str = "session";

/// How often a session is resumed from one place before it is given up: the adapter may die of what comes there.
const STARTS: u32 = 4;

/// A session of the gateway.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Session {
    /// As Discord names it.
    pub(crate) id: String,
    /// Where it is resumed.
    pub(crate) url: String,
    /// The number of the last event that is done with.
    #[serde(rename = "seq")]
    pub(crate) sequence: u64,
    /// Whose it is.
    #[serde(with = "account")]
    pub(crate) account: Account,
    /// How often it was begun or resumed since that number changed.
    pub(crate) starts: u32,
}

impl Session {
    /// The session that was stored, if it may be resumed.
    pub(crate) fn load() -> Option<Self> {
        let stored = kv::get(KEY).unwrap_or_else(|error| {
            log::warn(&format!("the session of the gateway cannot be read: {error:?}"));
            None
        })?;
        let session: Self = serde_json::from_slice(&stored).ok()?;
        if session.starts >= STARTS {
            log::warn(&format!(
                "the adapter broke {STARTS} times behind the event {} of its session, which is given up: messages since \
                 then are asked for, commands and presses of buttons are not answered",
                session.sequence
            ));
            Self::forget();
            return None;
        }
        Some(session)
    }

    /// Keeps that it is about to be resumed.
    pub(crate) fn begin(&mut self) {
        self.starts += 1;
        self.keep();
    }

    /// The connection ended in order: nothing was wrong with what came.
    pub(crate) fn put_back(&mut self) {
        self.starts = 0;
        self.keep();
    }

    /// Stores it.
    pub(crate) fn keep(&self) {
        let value = serde_json::json!(self).to_string();
        if let Err(error) = kv::set(KEY, value.as_bytes()) {
            log::warn(&format!("the session of the gateway cannot be stored: {error:?}"));
        }
    }

    /// There is none any more.
    pub(crate) fn forget() {
        if let Err(error) = kv::delete(KEY) {
            log::warn(&format!("the session of the gateway cannot be removed: {error:?}"));
        }
    }
}

mod account {
    use openpact_sdk::adapter::inbox::Account;
    use serde::{Deserialize as _, Deserializer, Serialize as _, Serializer};

    pub(super) fn serialize<S: Serializer>(account: &Account, serializer: S) -> Result<S::Ok, S::Error> {
        (&account.id, &account.name).serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Account, D::Error> {
        <(String, String)>::deserialize(deserializer).map(|(id, name)| Account { id, name })
    }
}
