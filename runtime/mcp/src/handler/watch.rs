//! Resources that a client wants to hear of when they change. They are looked at every few seconds: whatever writes them
//! is a component or a person, and neither tells.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use openpact_model::role::Caller;

use crate::library::Library;

/// How often they are looked at.
const EVERY: Duration = Duration::from_secs(3);
/// The most that one session or subscription may watch.
pub(super) const MOST: usize = 64;

/// What is watched, as it was when it was last looked at.
#[derive(Default)]
pub(super) struct Watched(Mutex<BTreeMap<String, u64>>);

impl Watched {
    /// Watches one more. `false` where there are too many.
    pub(super) fn add(&self, uri: String, revision: u64) -> bool {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= MOST && !all.contains_key(&uri) {
            return false;
        }
        all.insert(uri, revision);
        true
    }

    /// Watches it no longer.
    pub(super) fn remove(&self, uri: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(uri);
    }

    /// Waits until something that `caller` may read has changed, and says what.
    pub(super) async fn changed(&self, library: &dyn Library, caller: &Caller) -> String {
        loop {
            tokio::time::sleep(EVERY).await;
            let all = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
            for (uri, last) in all {
                // What is gone, or not for this caller any more, is not told of.
                let Some(now) = library.revision(caller, &uri).await else { continue };
                let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
                if now != last && all.contains_key(&uri) {
                    all.insert(uri.clone(), now);
                    return uri;
                }
            }
        }
    }
}
