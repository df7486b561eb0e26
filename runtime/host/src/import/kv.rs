//! `openpact:host/kv`: the component's own name space of the store.

use openpact_bindings::v0_1_0::openpact::host::kv::{Error, Host, Swap};
use openpact_model::port::{KeyValueWrite, PortError};
use openpact_model::tool::Limit;

use crate::state::State;

/// The longest key and the longest value in bytes.
const MAX_KEY: usize = 512;
const MAX_VALUE: usize = 1 << 20;
/// The most keys that one call lists.
const MAX_KEYS: u32 = 1000;

const INTERFACE: &str = "openpact:host/kv";

type Answer<T> = wasmtime::Result<Result<T, Error>>;

impl Host for State {
    async fn get(&mut self, key: String) -> Answer<Option<Vec<u8>>> {
        self.usable(INTERFACE)?;
        if !key_fits(&key) {
            return Ok(Err(Error::TooLarge));
        }
        Ok(self.key_value.get(&self.principal, &key).await.map_err(|error| unavailable(&error)))
    }

    async fn set(&mut self, key: String, value: Vec<u8>) -> Answer<()> {
        self.usable(INTERFACE)?;
        Ok(self.put(&key, Some(value), None).await.map(|_| ()))
    }

    async fn delete(&mut self, key: String) -> Answer<()> {
        self.usable(INTERFACE)?;
        Ok(self.put(&key, None, None).await.map(|_| ()))
    }

    async fn compare_and_swap(
        &mut self,
        key: String,
        expected: Option<Vec<u8>>,
        value: Option<Vec<u8>>,
    ) -> Answer<Swap> {
        self.usable(INTERFACE)?;
        Ok(self.put(&key, value, Some(expected)).await)
    }

    async fn list_keys(&mut self, prefix: String, after: Option<String>, limit: u32) -> Answer<Vec<String>> {
        self.usable(INTERFACE)?;
        if prefix.len() > MAX_KEY || after.as_ref().is_some_and(|after| after.len() > MAX_KEY) {
            return Ok(Err(Error::TooLarge));
        }
        let keys = self.key_value.keys(&self.principal, &prefix, after.as_deref(), limit.min(MAX_KEYS)).await;
        Ok(keys.map_err(|error| unavailable(&error)))
    }
}

impl State {
    #[expect(
        clippy::option_option,
        reason = "outside: whether to compare; inside: with nothing or with a value"
    )]
    async fn put(
        &mut self,
        key: &str,
        value: Option<Vec<u8>>,
        expected: Option<Option<Vec<u8>>>,
    ) -> Result<Swap, Error> {
        let value_fits = value.as_ref().is_none_or(|value| value.len() <= MAX_VALUE);
        if !key_fits(key) || !value_fits {
            return Err(Error::TooLarge);
        }
        match self.key_value.put(&self.principal, key, value, expected, self.kv_quota).await {
            Ok(KeyValueWrite::Stored) => Ok(Swap::Stored),
            Ok(KeyValueWrite::Conflict(there)) => Ok(Swap::Conflict(there)),
            Ok(KeyValueWrite::OverQuota) => {
                self.ledger.refused_at(Limit::KeyValue, self.kv_quota);
                Err(Error::OverQuota)
            }
            Err(error) => Err(unavailable(&error)),
        }
    }
}

fn key_fits(key: &str) -> bool {
    (1..=MAX_KEY).contains(&key.len())
}

/// What happened is for the log; the guest is told no more than that it does not work.
fn unavailable(error: &PortError) -> Error {
    tracing::error!(error = error as &dyn std::error::Error, "a component cannot use the key-value store");
    Error::Unavailable("the store does not work now".into())
}
