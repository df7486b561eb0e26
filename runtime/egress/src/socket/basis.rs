//! What a connection rests on: the grants that allow it, judged again whenever they change.

use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

use http::Method;
use openpact_model::secret::SecretName;
use url::Url;

use crate::address;
use crate::credential::Placement;
use crate::door::{Door, Grant, GrantSet};
use crate::rule::Target;

/// The facts about one connection that grants are judged by.
pub(super) struct Basis {
    /// The address as the guest asked for it, with no value in it.
    pub(super) url: Url,
    /// What it is connected to; unknown behind a proxy.
    pub(super) address: Option<IpAddr>,
    /// The credentials that it has carried.
    used: Mutex<Vec<Used>>,
}

/// A credential that went out under a grant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Used {
    pub(super) credential: String,
    pub(super) secret: SecretName,
    placement: Placement,
}

impl Used {
    pub(super) fn of(grant: &Grant) -> Option<Self> {
        let credential = grant.rule.credential.clone()?;
        Some(Self { credential, secret: grant.secret.clone()?, placement: grant.placement.clone()? })
    }
}

impl Basis {
    pub(super) fn new(url: Url, address: Option<IpAddr>, used: Option<Used>) -> Self {
        Self { url, address, used: Mutex::new(used.into_iter().collect()) }
    }

    /// A credential goes out in a message.
    pub(super) fn note(&self, used: Used) {
        let mut all = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        if !all.contains(&used) {
            all.push(used);
        }
    }

    pub(super) fn used(&self) -> Vec<Used> {
        self.used.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The places in `set` of the grants that hold the connection up; `None` where they do not: none matches its
    /// address, none allows what it is connected to, or one whose credential it has carried is gone.
    pub(super) fn grounds(&self, door: &Door, set: &GrantSet) -> Option<Vec<usize>> {
        let target = Target::of(&Method::GET, &self.url)?;
        let matching = set.matcher.matching(&target);
        let reaches = |private: &[_]| self.address.is_none_or(|it| address::judge(it, private).is_ok());
        let used = self.used();
        if matching.is_empty() {
            return (used.is_empty() && reaches(&[]) && door.is_counting()).then_some(matching);
        }
        let snapshot = door.shared.ports.secrets.snapshot();
        let host = self.url.host_str().unwrap_or_default();
        let holds = |used: &Used| {
            matching.iter().map(|place| &set.grants[*place]).any(|grant| {
                Used::of(grant).as_ref() == Some(used) && door.secret_of(grant, &snapshot, host).is_some()
            })
        };
        let allowed = matching.iter().any(|place| reaches(&set.grants[*place].rule.private));
        (allowed && used.iter().all(holds)).then_some(matching)
    }
}
