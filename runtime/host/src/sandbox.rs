//! What all instances of one component share: who it is, and what its deployment gives it.

use std::sync::Arc;

use openpact_model::id::{ComponentName, TurnId};
use openpact_model::principal::Principal;
use openpact_model::role::Role;
use openpact_packages::Manifest;

use crate::deployment::{Deployment, Limits};
use crate::error::Error;
use crate::filesystem::{Files, Mounts};
use crate::host::Shared;
use crate::import::kv;
use crate::import::settings::Settings;
use crate::ledger::Ledger;
use crate::redaction::Redaction;
use crate::state::{Parts, State};
use crate::stdio::{Capture, Source};
use crate::tally::Tally;

/// A component's surroundings.
pub(crate) struct Sandbox {
    pub(crate) shared: Arc<Shared>,
    pub(crate) name: ComponentName,
    pub(crate) principal: Principal,
    pub(crate) limits: Arc<Limits>,
    pub(crate) tally: Arc<Tally>,
    mounts: Arc<Mounts>,
    /// The mounts of an instance that has none.
    nothing: Arc<Mounts>,
    settings: Arc<Settings>,
    requested_credentials: Arc<[String]>,
    redaction: Arc<Redaction>,
    kv_pace: Arc<kv::Pace>,
    deployment: Deployment,
}

impl Sandbox {
    pub(crate) fn new(
        shared: Arc<Shared>,
        manifest: &Manifest,
        deployment: Deployment,
    ) -> Result<Self, Error> {
        let mounts = |mounts| Mounts::new(mounts, Arc::clone(&shared.spaces), Arc::clone(&shared.clock));
        let (nothing, mounts) = (Arc::new(mounts(&[])?), Arc::new(mounts(&deployment.mounts)?));
        let settings =
            Settings::new(manifest.settings.as_ref(), &manifest.secret_settings(), &deployment.settings);
        Ok(Self {
            tally: shared.tallies.of(&manifest.name),
            kv_pace: shared.paces.of(&manifest.name),
            shared,
            name: manifest.name.clone(),
            principal: Principal::Component(manifest.name.clone()),
            limits: Arc::new(deployment.limits.clone()),
            mounts,
            nothing,
            settings: Arc::new(settings),
            requested_credentials: manifest.requests.credentials.iter().map(|it| it.name.clone()).collect(),
            redaction: Redaction::new(Arc::clone(&deployment.secrets)),
            deployment,
        })
    }

    /// The record of a call that belongs to `turn`.
    pub(crate) fn ledger(&self, turn: TurnId) -> Arc<Ledger> {
        let source = Source { component: self.name.clone(), turn };
        let capture = Capture::new(source, self.limits.output, self.redaction.lines());
        Arc::new(Ledger::new(capture, Arc::clone(&self.tally)))
    }

    /// The record of an instance without an end: what it writes and asks is bounded in time, and nothing is kept.
    pub(crate) fn lasting_ledger(&self, turn: TurnId) -> Arc<Ledger> {
        let source = Source { component: self.name.clone(), turn };
        let clock = &self.shared.clock;
        let capture = Capture::lasting(source, self.limits.output, self.redaction.lines(), Arc::clone(clock));
        Arc::new(Ledger::lasting(capture, Arc::clone(&self.tally), Arc::clone(clock)))
    }

    /// The inside of a fresh instance that has what the deployment gives, and whose files are seen as `role`.
    pub(crate) fn state(&self, role: Role, ledger: &Arc<Ledger>) -> State {
        State::new(Parts {
            ledger: Arc::clone(ledger),
            files: Files::new(Arc::clone(&self.mounts), role, Arc::clone(ledger)),
            settings: Arc::clone(&self.settings),
            principal: self.principal.clone(),
            key_value: Arc::clone(&self.shared.key_value),
            kv_quota: self.deployment.kv_quota,
            kv_pace: Arc::clone(&self.kv_pace),
            requested_credentials: Arc::clone(&self.requested_credentials),
            door: self.deployment.door.clone(),
            memory: self.limits.memory,
            handles: self.limits.handles,
            inbox: None,
            pure: false,
        })
    }

    /// The inside of a fresh instance that has nothing at all, for functions that may use no import.
    pub(crate) fn pure_state(&self, ledger: &Arc<Ledger>) -> State {
        State::new(Parts {
            ledger: Arc::clone(ledger),
            files: Files::new(Arc::clone(&self.nothing), Role::Guest, Arc::clone(ledger)),
            settings: Arc::clone(&self.settings),
            principal: self.principal.clone(),
            key_value: Arc::clone(&self.shared.key_value),
            kv_quota: 0,
            kv_pace: Arc::clone(&self.kv_pace),
            requested_credentials: Arc::new([]),
            door: None,
            memory: self.limits.memory,
            handles: self.limits.handles,
            inbox: None,
            pure: true,
        })
    }
}
