//! Secrets are taken out of what components write: all of them, since a log is read by whoever reads the log.

use std::sync::{Arc, Mutex};

use openpact_egress::redact::{Redactor, Scope};
use openpact_model::secret::SecretSource;

use crate::ledger::lock;
use crate::stdio::Redact;

/// Knows the secrets as they are now.
pub(crate) struct Redaction {
    secrets: Arc<dyn SecretSource>,
    kept: Mutex<Option<Arc<Redactor>>>,
}

impl Redaction {
    pub(crate) fn new(secrets: Arc<dyn SecretSource>) -> Arc<Self> {
        Arc::new(Self { secrets, kept: Mutex::default() })
    }

    /// Looks at each line with the secrets of that moment: a guest may run for longer than a secret lives.
    pub(crate) fn lines(self: &Arc<Self>) -> Redact {
        let own = Arc::clone(self);
        Arc::new(move |text| own.redactor().redact(text).into_owned())
    }

    fn redactor(&self) -> Arc<Redactor> {
        let snapshot = self.secrets.snapshot();
        let mut kept = lock(&self.kept);
        match &*kept {
            Some(redactor) if redactor.generation() == snapshot.generation => Arc::clone(redactor),
            _ => {
                let redactor = Arc::new(Redactor::new(&snapshot, Scope::All));
                *kept = Some(Arc::clone(&redactor));
                redactor
            }
        }
    }
}
