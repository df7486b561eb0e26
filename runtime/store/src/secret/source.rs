//! The secrets in memory, and when they were used.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock, Weak};

use jiff::Timestamp;
use openpact_model::secret::{SecretEntry, SecretName, SecretSnapshot, SecretSource};
use rusqlite::{Connection, params};

use super::{PURPOSE, cipher, rows};
use crate::Inner;
use crate::error::Error;
use crate::key::Master;
use crate::writer::Transaction;

/// The uses of one secret are written at most this often, in microseconds: a request must not cost a wait for the
/// disk, and nobody needs to know more exactly when the program was killed.
const APART: i64 = 60_000_000;

/// The secrets in memory.
#[derive(Clone, Default)]
pub(crate) struct Cache(Arc<RwLock<Arc<SecretSnapshot>>>);

impl Cache {
    /// Decrypts every secret. One that cannot be decrypted is left out: whoever needs it is told that it is not there.
    pub(crate) fn load(connection: &Connection, master: &Master) -> Result<Self, Error> {
        let key = master.own(PURPOSE);
        let mut entries = BTreeMap::new();
        for (name, sealed) in rows(connection)? {
            if let Some(entry) = cipher::open(&key, &name, &sealed) {
                entries.insert(name, entry);
            } else {
                tracing::error!(%name, "this secret was changed in the database; enter it again");
            }
        }
        Ok(Self(Arc::new(RwLock::new(Arc::new(SecretSnapshot { generation: 1, entries })))))
    }

    pub(super) fn snapshot(&self) -> Arc<SecretSnapshot> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn change(&self, change: impl FnOnce(&mut BTreeMap<SecretName, SecretEntry>)) {
        let mut current = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let mut next = SecretSnapshot::clone(&current);
        next.generation += 1;
        change(&mut next.entries);
        *current = Arc::new(next);
    }
}

/// The secrets for others. It keeps no store open.
pub(crate) struct Source {
    cache: Cache,
    inner: Weak<Inner>,
}

impl Source {
    pub(crate) fn new(inner: &Arc<Inner>) -> Self {
        Self { cache: inner.secrets.clone(), inner: Arc::downgrade(inner) }
    }
}

impl SecretSource for Source {
    fn snapshot(&self) -> Arc<SecretSnapshot> {
        self.cache.snapshot()
    }

    fn used(&self, name: &SecretName) {
        let Some(inner) = self.inner.upgrade() else { return };
        let due = inner.uses.note(name, inner.clock.now().as_microsecond());
        write(&inner, due);
    }
}

/// When secrets were last used, in memory first.
#[derive(Default)]
pub(crate) struct Uses(Mutex<BTreeMap<SecretName, Use>>);

#[derive(Clone, Copy)]
struct Use {
    last: i64,
    written: i64,
}

impl Uses {
    /// Notes a use; gives those that are to be written, of all secrets, where it is time for this one.
    fn note(&self, name: &SecretName, now: i64) -> Vec<(SecretName, i64)> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let place = all.entry(name.clone()).or_insert(Use { last: now, written: i64::MIN });
        place.last = now;
        // A clock that was set back writes too: the last use is what it shows.
        let due = now.checked_sub(place.written).is_none_or(|since| !(0..APART).contains(&since));
        if due { pending(&mut all) } else { Vec::new() }
    }

    /// When a secret was last used, as far as this process knows.
    pub(super) fn last(&self, name: &SecretName) -> Option<Timestamp> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.get(name).and_then(|place| Timestamp::from_microsecond(place.last).ok())
    }

    pub(super) fn forget(&self, name: &SecretName) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(name);
    }
}

fn pending(all: &mut BTreeMap<SecretName, Use>) -> Vec<(SecretName, i64)> {
    let waiting = all.iter_mut().filter(|(_, place)| place.last != place.written);
    waiting
        .map(|(name, place)| {
            place.written = place.last;
            (name.clone(), place.last)
        })
        .collect()
}

/// Writes what was not written yet; the caller closes the store after this.
pub(crate) fn flush_uses(inner: &Inner) {
    let due = pending(&mut inner.uses.0.lock().unwrap_or_else(PoisonError::into_inner));
    write(inner, due);
}

fn write(inner: &Inner, due: Vec<(SecretName, i64)>) {
    if due.is_empty() {
        return;
    }
    inner.writer.post(move |open: &mut Transaction<'_>| {
        let sql = "UPDATE secret SET last_used = ?2 WHERE name = ?1";
        for (name, last) in &due {
            open.connection.prepare_cached(sql)?.execute(params![name.as_str(), last])?;
        }
        Ok(())
    });
}
