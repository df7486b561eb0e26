//! A principal's door: its grants, its connections, its share of everything.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use ipnet::IpNet;
use jiff::Timestamp;
use openpact_model::principal::Principal;
use openpact_model::secret::{SecretName, SecretSnapshot, SecretValue};
use tokio::sync::{Semaphore, watch};

use crate::Shared;
use crate::credential::{Placement, References, Unavailable};
use crate::error::Error;
use crate::limit::Bucket;
use crate::redact::{Redactor, Scope};
use crate::rule::{Matcher, Rule};
use crate::transport::Lookups;

/// What an admin allows a principal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// Where it may go. Its `credential=` names the credential.
    pub rule: Rule,
    /// Where in a request the credential stands.
    pub placement: Option<Placement>,
    /// The secret behind the credential.
    pub secret: Option<SecretName>,
}

/// Grants with what is derived from them.
#[derive(Default)]
pub(crate) struct GrantSet {
    pub(crate) grants: Vec<Grant>,
    pub(crate) matcher: Matcher,
    pub(crate) buckets: Vec<Option<Arc<Bucket>>>,
}

/// Values of changed secrets that a door still takes out of answers: somebody may say back what was sent before.
const RETIRED: usize = 16;

/// The secrets that a door knows, and what finds them.
#[derive(Default)]
struct Known {
    snapshot: Arc<SecretSnapshot>,
    /// Values that secrets had before, the newest last.
    retired: Vec<(SecretName, SecretValue)>,
    redactor: Option<Arc<Redactor>>,
}

impl Known {
    /// Goes on with another snapshot. What it has not, any more or yet, stays known.
    fn renew(&mut self, snapshot: &Arc<SecretSnapshot>, scope: Scope<'_>) -> Arc<Redactor> {
        let before = std::mem::replace(&mut self.snapshot, snapshot.clone());
        for (name, value) in scope.values(&before) {
            self.retired.retain(|(_, other)| other.expose() != value.expose());
            self.retired.push((name.clone(), value.clone()));
        }
        self.retired
            .retain(|(_, value)| !scope.values(snapshot).any(|(_, now)| now.expose() == value.expose()));
        self.retired.drain(..self.retired.len().saturating_sub(RETIRED));
        let redactor = Arc::new(Redactor::with_others(snapshot, scope, &[], &self.retired));
        self.redactor = Some(redactor.clone());
        redactor
    }
}

/// The one way to the network for one principal.
pub struct Door {
    pub(crate) shared: Arc<Shared>,
    pub(crate) principal: Principal,
    grants: RwLock<Arc<GrantSet>>,
    /// One client, and so one pool of connections, for each set of private ranges: a connection that one grant
    /// allowed is never there for another to find.
    clients: Mutex<HashMap<Vec<IpNet>, reqwest::Client>>,
    known: Mutex<Known>,
    pub(crate) places: Arc<Semaphore>,
    /// As many connections may be open.
    pub(crate) sockets: Arc<Semaphore>,
    pub(crate) lookups: Lookups,
    counting_until: Mutex<Option<Timestamp>>,
    /// Tells connections that are open to look whether they still may be.
    changes: watch::Sender<()>,
}

impl Door {
    pub(crate) fn new(shared: Arc<Shared>, principal: Principal, grants: Vec<Grant>) -> Self {
        let places = Arc::new(Semaphore::new(shared.concurrent));
        let sockets = Arc::new(Semaphore::new(shared.socket.open));
        let door = Self {
            shared,
            principal,
            grants: RwLock::default(),
            clients: Mutex::default(),
            known: Mutex::default(),
            places,
            sockets,
            lookups: Lookups::default(),
            counting_until: Mutex::default(),
            changes: watch::Sender::new(()),
        };
        door.set_grants(grants);
        door
    }

    /// Whose door it is.
    pub fn principal(&self) -> &Principal {
        &self.principal
    }

    /// The grants as they are now.
    pub fn grants(&self) -> Vec<Grant> {
        self.set().grants.clone()
    }

    /// Puts other grants in place; requests that start from now on are judged by them, and WebSocket connections that
    /// they do not allow are closed. A rule that stays keeps its rate's state, so that setting grants again gives no
    /// fresh burst.
    pub fn set_grants(&self, grants: Vec<Grant>) {
        let mut current = self.grants.write().unwrap_or_else(PoisonError::into_inner);
        let kept = |rule: &Rule| {
            let place = current.grants.iter().position(|grant| grant.rule == *rule)?;
            current.buckets[place].clone()
        };
        let buckets = grants.iter().map(|Grant { rule, .. }| {
            kept(rule).or_else(|| rule.rate.map(|rate| Arc::new(Bucket::new(rate))))
        });
        let buckets = buckets.collect();
        let matcher = Matcher::new(grants.iter().map(|grant| grant.rule.clone()).collect());
        *current = Arc::new(GrantSet { grants, matcher, buckets });
        // Connections to private addresses must not outlive the grant that allowed them.
        self.clients.lock().unwrap_or_else(PoisonError::into_inner).clear();
        drop(current);
        self.changes.send_replace(());
    }

    /// Count mode: until then, a request that no grant allows goes on, and its record says that it would have been
    /// denied. The address guard, the scan for secrets and all limits hold as ever. Only an admin may ask for this.
    pub fn count_until(&self, until: Option<Timestamp>) {
        *self.counting_until.lock().unwrap_or_else(PoisonError::into_inner) = until;
        self.changes.send_replace(());
    }

    /// Tells of every change of grants from now on.
    pub(crate) fn changes(&self) -> watch::Receiver<()> {
        self.changes.subscribe()
    }

    /// Until when count mode is on, where it is.
    pub fn counting_until(&self) -> Option<Timestamp> {
        let until = *self.counting_until.lock().unwrap_or_else(PoisonError::into_inner);
        until.filter(|until| self.shared.ports.clock.now() < *until)
    }

    pub(crate) fn is_counting(&self) -> bool {
        self.counting_until().is_some()
    }

    /// Credential references for one instance of a guest.
    pub fn credentials(self: &Arc<Self>) -> References {
        References::new(self.clone(), self.shared.ports.random.clone())
    }

    /// Takes this principal's secrets out of texts, such as a guest's log lines.
    pub fn redactor(&self) -> Arc<Redactor> {
        self.redactor_for(&self.shared.ports.secrets.snapshot())
    }

    pub(crate) fn redactor_for(&self, snapshot: &Arc<SecretSnapshot>) -> Arc<Redactor> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        match &known.redactor {
            Some(redactor) if redactor.generation() == snapshot.generation => redactor.clone(),
            _ => known.renew(snapshot, Scope::Principal(&self.principal)),
        }
    }

    /// Takes the secrets of `snapshot` out of an answer, those named `placed` however short they are, and what the
    /// secrets are now and were before.
    pub(crate) fn redactor_with(&self, snapshot: &SecretSnapshot, placed: &[SecretName]) -> Redactor {
        let scope = Scope::Principal(&self.principal);
        let now = self.shared.ports.secrets.snapshot();
        let mut others = self.known.lock().unwrap_or_else(PoisonError::into_inner).retired.clone();
        others.extend(scope.values(&now).map(|(name, value)| (name.clone(), value.clone())));
        Redactor::with_others(snapshot, scope, placed, &others)
    }

    pub(crate) fn set(&self) -> Arc<GrantSet> {
        self.grants.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn check_credential(&self, name: &str) -> Result<(), Unavailable> {
        let set = self.set();
        let mut granted =
            set.grants.iter().filter(|grant| grant.rule.credential.as_deref() == Some(name)).peekable();
        if granted.peek().is_none() {
            return Err(Unavailable::NotGranted(name.to_owned()));
        }
        let snapshot = self.shared.ports.secrets.snapshot();
        let supplied = granted.any(|grant| self.is_supplied(grant, &snapshot));
        if supplied { Ok(()) } else { Err(Unavailable::NotSupplied(name.to_owned())) }
    }

    pub(crate) fn client(&self, private: &[IpNet]) -> Result<reqwest::Client, Error> {
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = clients.get(private) {
            return Ok(client.clone());
        }
        let client = self.shared.transport.client(private.into(), self.lookups.clone())?;
        clients.insert(private.to_vec(), client.clone());
        Ok(client)
    }
}

impl fmt::Debug for Door {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Door").field("principal", &self.principal).finish_non_exhaustive()
    }
}
