//! `openpact:host/kv`: the component's own name space of the store.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use openpact_bindings::v0_1_0::openpact::host::kv::{Error, Host, Swap};
use openpact_model::clock::Clock;
use openpact_model::id::ComponentName;
use openpact_model::port::{KeyValueWrite, PortError};
use openpact_model::tool::Limit;

use crate::bucket::Bucket;
use crate::ledger::lock;
use crate::state::State;

/// The longest key and the longest value in bytes.
const MAX_KEY: usize = 512;
const MAX_VALUE: usize = 1 << 20;
/// The most keys that one call lists.
const MAX_KEYS: u32 = 1000;

/// Writes that a component may do at once, and in each second after that. Every 16 KiB of a value count as one more. All
/// components and the program itself write through one thread, and nobody is to have it for himself.
const BURST: u64 = 1000;
const PER_SECOND: u64 = 100;
const WRITE_BYTES: u64 = 16 * 1024;

const INTERFACE: &str = "openpact:host/kv";

/// The paces of all components, each for as long as the host lives: to be loaded again gives no fresh burst.
pub(crate) struct Paces {
    clock: Arc<dyn Clock>,
    all: Mutex<HashMap<ComponentName, Arc<Pace>>>,
}

impl Paces {
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, all: Mutex::default() }
    }

    /// That of one component.
    pub(crate) fn of(&self, name: &ComponentName) -> Arc<Pace> {
        let mut all = lock(&self.all);
        Arc::clone(all.entry(name.clone()).or_insert_with(|| Pace::new(Arc::clone(&self.clock))))
    }
}

/// How fast one component may write, over all its instances. One that is faster is made to wait, never refused.
pub(crate) struct Pace {
    bucket: Mutex<Bucket>,
    clock: Arc<dyn Clock>,
    /// Writers wait in order of arrival: what a large write waits for is not taken by small ones meanwhile.
    first: tokio::sync::Mutex<()>,
}

impl Pace {
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Arc<Self> {
        let bucket = Mutex::new(Bucket::full(PER_SECOND, BURST, clock.monotonic()));
        Arc::new(Self { bucket, clock, first: tokio::sync::Mutex::default() })
    }

    /// Takes what a value of so many bytes costs, or tells how long until that is there.
    fn take(&self, bytes: usize, now: Instant) -> Option<Duration> {
        let cost = (bytes as u64 / WRITE_BYTES + 1).min(BURST);
        let mut bucket = lock(&self.bucket);
        let wait = bucket.wait(cost, now);
        if wait.is_none() {
            bucket.spend(cost, now);
        }
        wait
    }

    async fn wait(&self, bytes: usize) {
        let _first = self.first.lock().await;
        while let Some(wait) = self.take(bytes, self.clock.monotonic()) {
            tokio::time::sleep(wait).await;
        }
    }
}

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
        self.kv_pace.wait(value.as_ref().map_or(0, Vec::len)).await;
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

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use jiff::tz::TimeZone;
    use openpact_model::clock::SystemClock;

    use super::*;

    /// The clock of the runtime, which goes on by itself when all wait.
    struct Paused;

    impl Clock for Paused {
        fn now(&self) -> Timestamp {
            Timestamp::UNIX_EPOCH
        }

        fn monotonic(&self) -> Instant {
            tokio::time::Instant::now().into_std()
        }

        fn zone(&self) -> TimeZone {
            TimeZone::UTC
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_large_write_waits_no_longer_than_its_turn_takes() {
        let paces = Paces::new(Arc::new(Paused));
        let pace = paces.of(&"writer".parse().unwrap());
        let flood = Arc::clone(&pace);
        assert!((0..BURST).all(|_| pace.take(0, Paused.monotonic()).is_none()));
        let small = (0..8).map(|_| {
            let pace = Arc::clone(&flood);
            tokio::spawn(async move {
                loop {
                    pace.wait(0).await;
                }
            })
        });
        let small: Vec<_> = small.collect();
        tokio::task::yield_now().await;
        let large = pace.wait(1 << 20);
        assert!(tokio::time::timeout(Duration::from_secs(2), large).await.is_ok(), "65 at 100 a second");
        small.iter().for_each(tokio::task::JoinHandle::abort);
        // A component that is loaded again has the same pace.
        let again = paces.of(&"writer".parse().unwrap());
        assert!(again.take(1 << 20, Paused.monotonic()).is_some());
        assert!(paces.of(&"other".parse().unwrap()).take(1 << 20, Paused.monotonic()).is_none());
    }

    #[test]
    fn a_flood_of_writes_is_slowed_down_to_a_rate() {
        let pace = Pace::new(Arc::new(SystemClock));
        let now = SystemClock.monotonic() + Duration::from_hours(1);
        assert!((0..BURST).all(|_| pace.take(100, now).is_none()));
        let wait = pace.take(100, now).expect("one more has to wait");
        assert_eq!(wait, Duration::from_millis(10));
        assert_eq!(pace.take(100, now + wait), None);
        // A value of a megabyte costs what sixty-five small ones do.
        assert_eq!(pace.take(1 << 20, now + wait), Some(Duration::from_millis(650)));
    }
}
