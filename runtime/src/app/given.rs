//! What the admin gave components beside their grants, as it holds now.

use std::collections::BTreeMap;
use std::sync::PoisonError;

use openpact_model::id::ComponentName;
use openpact_model::principal::Principal;
use openpact_packages::Manifest;

use super::App;
use crate::config::components::Component as Stated;
use crate::exit::Failure;

impl App {
    /// What the admin gave a component.
    pub(super) fn given(&self, name: &ComponentName) -> Stated {
        let all = self.given.read().unwrap_or_else(PoisonError::into_inner);
        all.get(name).cloned().unwrap_or_default()
    }

    /// What the admin gave all components.
    pub(super) fn all_given(&self) -> BTreeMap<ComponentName, Stated> {
        self.given.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What is stated about a component, were `given` what the admin gave it.
    pub(super) fn stated_with(&self, name: &ComponentName, given: Stated) -> Stated {
        let default = super::component::defaults().remove(name).unwrap_or_default();
        let stated = self.config().components.get(name).cloned().unwrap_or_default();
        stated.over(given.over(default))
    }

    /// Reads it from the store. What cannot be read gives nothing.
    pub(super) async fn renew_given(&self) -> Result<(), Failure> {
        let stored = self.store.components().given().await.map_err(Failure::failed)?;
        let mut all = BTreeMap::new();
        for (name, value) in stored {
            match (name.parse::<ComponentName>(), serde_json::from_value::<Stated>(value)) {
                (Ok(name), Ok(stated)) => drop(all.insert(name, Stated { grants: None, ..stated })),
                (_, Err(error)) => {
                    tracing::error!(component = name, %error, "what it was given cannot be read");
                }
                (Err(error), _) => tracing::error!(component = name, %error, "this is no name"),
            }
        }
        *self.given.write().unwrap_or_else(PoisonError::into_inner) = all;
        Ok(())
    }

    /// One sentence for each credential that a component asks for and that has no secret behind it.
    pub(super) fn missing_secrets(&self, manifest: &Manifest, name: &ComponentName) -> Vec<String> {
        let (stated, stored) = (self.stated(name), self.store.secrets().snapshot());
        let asked = manifest.requests.credentials.iter();
        let missing = asked.filter_map(|request| match stated.credentials.get(&request.name) {
            None => Some(format!(
                "its credential '{0}' has no secret yet: openpact component set {name} credentials.{0} NAME_OF_A_SECRET",
                request.name
            )),
            Some(secret) if !stored.entries.contains_key(&secret.0) => {
                Some(format!("the secret of its credential is not stored yet: openpact secret set {}", secret.0))
            }
            Some(_) => None,
        });
        missing.collect()
    }

    /// The secrets that were stored for a component.
    pub(super) fn secrets_bound_to(&self, name: &ComponentName) -> Vec<String> {
        let principal = Principal::Component(name.clone());
        let snapshot = self.store.secrets().snapshot();
        let bound = snapshot.entries.iter().filter(|(_, entry)| entry.principals.contains(&principal));
        bound.map(|(name, _)| name.to_string()).collect()
    }
}
