//! Changes that leave a record: the audit event goes into the transaction of the change, so that neither is there
//! without the other.

use std::sync::Arc;

use openpact_model::audit::Event;

use crate::Inner;
use crate::audit::prepare;
use crate::error::Error;
use crate::writer::Transaction;

/// The writer, with what is to be recorded.
#[derive(Clone)]
pub(crate) struct Recorder {
    pub(crate) inner: Arc<Inner>,
    pub(crate) event: Option<Event>,
}

impl Recorder {
    pub(crate) fn new(inner: &Arc<Inner>) -> Self {
        Self { inner: Arc::clone(inner), event: None }
    }

    /// Runs `work` as the writer does. It says whether it changed something; only then there is something to record.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        work: impl Fn(&mut Transaction<'_>) -> Result<(bool, T), Error> + Send + 'static,
    ) -> Result<T, Error> {
        let entry = self.event.as_ref().map(prepare).transpose()?;
        let work = move |open: &mut Transaction<'_>| {
            let (changed, result) = work(open)?;
            if let Some(entry) = entry.as_ref().filter(|_| changed) {
                open.append(entry)?;
            }
            Ok(result)
        };
        self.inner.writer.run(work).await
    }
}

/// Gives a handle the method that says what its changes are recorded as.
macro_rules! recording {
    ($handle:ident) => {
        impl $handle {
            /// The same, but every change by this handle puts `event` into the audit log, in one transaction with the
            /// change. What changes nothing records nothing, and what cannot be recorded is not changed.
            #[must_use]
            pub fn recording(mut self, event: openpact_model::audit::Event) -> Self {
                self.0.event = Some(event);
                self
            }
        }
    };
}

pub(crate) use recording;
