//! Takes known secrets out of the log.

use std::borrow::Cow;
use std::sync::{Arc, Mutex, PoisonError};

use openpact_egress::redact::{Redactor, Scope};
use openpact_model::secret::SecretSource;

use crate::log::Redact;

/// A function that takes every known secret out of a line; `None` where nothing was to be taken out. The matcher is
/// made anew when a secret changes.
pub(super) fn lines(source: Arc<dyn SecretSource>) -> Redact {
    let current: Mutex<Option<Arc<Redactor>>> = Mutex::new(None);
    Arc::new(move |line| {
        let snapshot = source.snapshot();
        let redactor = {
            let mut current = current.lock().unwrap_or_else(PoisonError::into_inner);
            let fresh = current.take().filter(|redactor| redactor.generation() == snapshot.generation);
            let redactor = fresh.unwrap_or_else(|| Arc::new(Redactor::new(&snapshot, Scope::All)));
            *current = Some(Arc::clone(&redactor));
            redactor
        };
        match redactor.redact(line) {
            Cow::Owned(redacted) => Some(redacted),
            Cow::Borrowed(_) => None,
        }
    })
}
