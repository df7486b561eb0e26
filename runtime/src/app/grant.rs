//! Grants: what each principal may reach on the network, from the configuration, the default grants and the admin.

use std::collections::BTreeMap;

use openpact_egress as egress;
use openpact_model::id::ComponentName;
use openpact_model::principal::Principal;
use openpact_model::secret::SecretName;
use openpact_packages::Manifest;
use openpact_store as store;

use super::{App, admin, done};
use crate::control::{Grant, Response};
use crate::exit::{Code, Failure, chain};

impl App {
    /// All grants, or those of one principal.
    pub(super) async fn grants(&self, only: Option<&Principal>) -> Result<Vec<Grant>, Failure> {
        let mut all = self.stated_grants()?;
        all.extend(self.minting_grants().await?);
        let settled = |principal: &Principal| self.is_configured(principal);
        for row in self.store.grants().list(None).await.map_err(Failure::failed)? {
            if settled(&row.principal) {
                continue;
            }
            let store::grant::Row { id, principal, rule, secret, added_by: origin, .. } = row;
            let any_site = is_any_site(&rule);
            all.push(Grant { id: Some(id), principal, rule, any_site, secret, origin });
        }
        all.retain(|grant| only.is_none_or(|only| *only == grant.principal));
        Ok(all)
    }

    /// What the configuration and the default grants say.
    fn stated_grants(&self) -> Result<Vec<Grant>, Failure> {
        let mut all = self.engine_grants()?;
        let defaults = super::component::defaults();
        let config = self.config();
        let origins = [(&config.components, "configuration"), (&defaults, "default")];
        for (components, origin) in origins {
            for (name, component) in components {
                let principal = Principal::Component(name.clone());
                if origin == "default" && self.is_configured(&principal) {
                    continue;
                }
                let grant = |rule: &String| Grant {
                    id: None,
                    principal: principal.clone(),
                    rule: rule.clone(),
                    any_site: is_any_site(rule),
                    secret: None,
                    origin: origin.to_owned(),
                };
                all.extend(component.grants.iter().flatten().map(grant));
            }
        }
        Ok(all)
    }

    /// Whether the configuration states the grants of a principal, so that nobody else does.
    pub(super) fn is_configured(&self, principal: &Principal) -> bool {
        match principal {
            Principal::Component(name) => {
                self.config().components.get(name).is_some_and(|stated| stated.grants.is_some())
            }
            Principal::Engine(_) => true,
            Principal::Script(_) | Principal::Runtime => false,
        }
    }

    /// Whether the configuration states what a component reaches, so that nobody else does.
    pub(super) fn states_grants(&self, name: &ComponentName) -> bool {
        self.is_configured(&Principal::Component(name.clone()))
    }

    /// Allows something, from the next request on.
    pub(super) async fn add_grant(
        &self,
        principal: &Principal,
        rule: &str,
        secret: Option<SecretName>,
    ) -> Response {
        let rule: egress::rule::Rule =
            rule.parse().map_err(|error| Failure::new(Code::Usage, chain(&error)))?;
        let parts = self.parts().await?;
        let Principal::Component(name) = principal else {
            let message = format!(
                "'{principal}' cannot be granted anything here: the configuration says what the engine reaches"
            );
            return Err(Failure::new(Code::Usage, message));
        };
        let component = self.loaded(name).await?;
        if self.is_configured(principal) {
            let message = format!(
                "the configuration states the grants of '{principal}' ('components.{name}.grants'); change them there"
            );
            return Err(Failure::new(Code::Refused, message));
        }
        if let Some(secret) = &secret
            && !self.store.secrets().snapshot().entries.contains_key(secret)
        {
            let message = format!(
                "there is no secret '{secret}'; store it with 'openpact secret set {secret} --for {principal}'"
            );
            return Err(Failure::new(Code::Failed, message));
        }
        if let Some(manifest) = component.manifest() {
            let credentials = BTreeMap::new();
            let grant = Grant {
                id: None,
                principal: principal.clone(),
                rule: rule.to_string(),
                any_site: rule.is_any_site(),
                secret: secret.clone(),
                origin: String::new(),
            };
            build(&grant, manifest, &credentials).map_err(|why| Failure::new(Code::Usage, why))?;
        }
        let mut event = admin("grant.add", principal).with("rule", rule.to_string());
        if let Some(secret) = &secret {
            event = event.with("secret", secret.as_str());
        }
        // One change at a time, up to the door: a grant that is taken back meanwhile must not come back with this one.
        let _changing = self.grants_changing.lock().await;
        let grants = self.store.grants().recording(event);
        let added = grants.add(principal, rule.to_string(), secret, "admin").await;
        let id = added.map_err(Failure::failed)?;
        parts.renew_grants(self, name).await?;
        self.grants_changed(principal).await?;
        Ok(done(format!("grant {id}: {principal} may now {}", rule.labelled())))
    }

    /// Takes a grant back, from the next request on.
    pub(super) async fn remove_grant(&self, id: i64) -> Response {
        let rows = self.store.grants().list(None).await.map_err(Failure::failed)?;
        let Some(row) = rows.into_iter().find(|row| row.id == id) else {
            let message =
                format!("there is no grant {id} that can be removed; 'openpact grant list' shows them");
            return Err(Failure::new(Code::Failed, message));
        };
        let event = admin("grant.remove", &row.principal).with("rule", row.rule.clone()).with("number", id);
        let _changing = self.grants_changing.lock().await;
        self.store.grants().recording(event).remove(id).await.map_err(Failure::failed)?;
        // The door first: what is taken back is closed even if something fails after this.
        if let (Some(parts), Principal::Component(name)) = (self.parts.get(), &row.principal) {
            parts.renew_grants(self, name).await?;
        }
        self.grants_changed(&row.principal).await?;
        Ok(done(format!("{} may no longer {}", row.principal, row.rule)))
    }
}

/// Whether a rule stands for any site. One that cannot be read is told of where it is used.
pub(super) fn is_any_site(rule: &str) -> bool {
    rule.parse::<egress::rule::Rule>().is_ok_and(|rule| rule.is_any_site())
}

/// A grant as the door takes it. The manifest says where the credential goes, and `credentials` which secret it is
/// where the grant itself does not.
///
/// # Errors
/// One sentence, when the rule cannot be read or names a credential that the manifest does not ask for.
pub(super) fn build(
    grant: &Grant,
    manifest: &Manifest,
    credentials: &BTreeMap<String, SecretName>,
) -> Result<egress::Grant, String> {
    let rule: egress::rule::Rule =
        grant.rule.parse().map_err(|error| format!("'{}': {}", grant.rule, chain(&error)))?;
    let Some(name) = rule.credential.clone() else {
        if grant.secret.is_some() {
            return Err(format!(
                "the rule '{rule}' has no credential=NAME, so no secret can stand behind it"
            ));
        }
        return Ok(egress::Grant { rule, placement: None, secret: None });
    };
    let Some(request) = manifest.requests.credentials.iter().find(|request| request.name == name) else {
        return Err(format!("the component '{}' does not ask for a credential '{name}'", manifest.name));
    };
    let placement =
        request.placement.parse().map_err(|error| format!("the credential '{name}': {}", chain(&error)))?;
    let secret = grant.secret.clone().or_else(|| credentials.get(&name).cloned());
    Ok(egress::Grant { rule, placement: Some(placement), secret })
}
