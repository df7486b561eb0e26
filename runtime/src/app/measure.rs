//! What the sandbox measured, for those who call a tool by hand.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use openpact_host::Report;
use openpact_model::id::{Digest, TurnId};
use openpact_model::port::ToolProvider;
use openpact_model::principal::Principal;
use openpact_model::tool::{ToolCall, ToolFailure, ToolOutput, ToolSpec};

/// A component whose calls are measured for those who ask.
pub(super) struct Measured {
    pub(super) component: Arc<openpact_host::Component>,
    pub(super) reports: Arc<Reports>,
}

#[async_trait]
impl ToolProvider for Measured {
    fn principal(&self) -> Principal {
        self.component.principal()
    }

    fn digest(&self) -> Option<Digest> {
        ToolProvider::digest(&*self.component)
    }

    fn tools(&self) -> Arc<[ToolSpec]> {
        self.component.tools()
    }

    async fn call(&self, call: ToolCall) -> Result<ToolOutput, ToolFailure> {
        let turn = call.turn.clone();
        let report = self.component.call_reported(call).await;
        self.reports.keep(&turn, &report);
        report.result
    }
}

/// What the sandbox measured in those turns whose caller wants to know.
#[derive(Default)]
pub(super) struct Reports(Mutex<HashMap<TurnId, Option<Report>>>);

impl Reports {
    /// From now on the report of the turn's call is kept.
    pub(super) fn expect(&self, turn: &TurnId) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(turn.clone(), None);
    }

    /// What was kept, if the call got as far as the sandbox.
    pub(super) fn take(&self, turn: &TurnId) -> Option<Report> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(turn).flatten()
    }

    fn keep(&self, turn: &TurnId, report: &Report) {
        if let Some(place) = self.0.lock().unwrap_or_else(PoisonError::into_inner).get_mut(turn) {
            *place = Some(report.clone());
        }
    }
}
