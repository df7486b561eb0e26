//! The life of installed components: what the catalog writes down, made to hold in the running program.
//!
//! Every change goes the same way: the version is verified and built as it is to run, nothing is written before that
//! works, and what is written is put in place at once. `components_changing` is held all along.

use std::sync::Arc;

use openpact_lifecycle::{self as lifecycle, Outcome};
use openpact_model::id::{ComponentName, Digest};
use openpact_packages::difference::{Area, Change};
use openpact_packages::{Verified, manifest::Kind};
use openpact_store::component::{Granted, Row, Version};
use serde_json::Value;

use super::component::{Component, Workshop, embedded_names};
use super::consent::{Yes, consented};
use super::provider::Nudge;
use super::{App, Parts, done, native};
use crate::config::components::Component as Stated;
use crate::control::lifecycle::{Consent, Step};
use crate::control::{self, Reply, Response};
use crate::exit::{Code, Failure, chain};

/// Who approves what an admin allowed once and for all.
const AUTO_UPDATE: &str = "auto-update";

impl App {
    /// Takes one step.
    pub(super) async fn step(&self, step: Step) -> Response {
        match step {
            Step::Install { from, private, update, consent } => {
                self.install(from.as_deref(), &private, update.as_ref(), consent).await
            }
            Step::Approve { name, version, consent } => {
                let _changing = self.components_changing.lock().await;
                self.approve(&name, &version, &consent, "admin").await
            }
            Step::TurnDown { name, version } => {
                let _changing = self.components_changing.lock().await;
                self.catalog.turn_down(&name, &version).await.map_err(failure)?;
                Ok(done(format!("version {version} of '{name}' is turned down")))
            }
            Step::Rollback { name, version } => self.roll_back(&name, version.as_deref()).await,
            Step::Enable { name } => self.switch(&name, true).await,
            Step::Disable { name } => self.switch(&name, false).await,
            Step::Remove { name, forget } => self.remove(&name, forget).await,
            Step::Set { name, key, value } => self.set(&name, &key, value).await,
            Step::Describe { name } => {
                self.describe(&name).await.map(|all| Reply::Description(Box::new(all)))
            }
        }
    }

    async fn install(
        &self,
        from: Option<&str>,
        private: &[String],
        update: Option<&ComponentName>,
        consent: Option<Consent>,
    ) -> Response {
        if let (None, Some(name)) = (from, update)
            && let Some(reply) = self.build_unsigned(name).await?
        {
            return Ok(reply);
        }
        let package = self.fetch(from, private, update).await?;
        let _changing = self.components_changing.lock().await;
        let taken = self.catalog.take_in(package, update).await.map_err(failure)?;
        let name = taken.verified.manifest().name.clone();
        let version = taken.verified.manifest().version.to_string();
        let auto = self.goes_live_by_itself(&taken).await?;
        match (taken.outcome, consent) {
            (Outcome::Waits, Some(consent)) => self.approve(&name, &version, &consent, "admin").await,
            (Outcome::Waits, None) if auto => {
                let nothing_new = Consent { only: Some(Vec::new()), ..Consent::default() };
                self.approve(&name, &version, &nothing_new, AUTO_UPDATE).await
            }
            _ => self.offer(&name, &version, taken.warnings).await.map(|offer| Reply::Offer(Box::new(offer))),
        }
    }

    /// Whether the admin allowed this publisher's updates once and for all, and this one changes nothing but its code: no
    /// request, no setting, no tool, no word about a tool.
    async fn goes_live_by_itself(&self, taken: &lifecycle::Taken) -> Result<bool, Failure> {
        // What a model is told about a tool is as telling as what the tool asks for.
        let same = |change: &Change| matches!(change.area, Area::Identity | Area::File);
        let narrow = taken
            .difference
            .as_ref()
            .is_some_and(|difference| !difference.widens && difference.changes.iter().all(same));
        let allowed = self.catalog.auto_updated().await.map_err(failure)?;
        Ok(narrow && allowed.contains(taken.verified.publisher()))
    }

    async fn approve(&self, name: &ComponentName, version: &str, consent: &Consent, by: &str) -> Response {
        let row = self.catalog.find(name).await.map_err(failure)?;
        let version = self.catalog.waiting_version(name, version).await.map_err(failure)?;
        let verified = self.catalog.load(name, &version).await.map_err(failure)?;
        let before = self.current_manifest(&row).await;
        let has = self.grants(Some(&principal(name))).await?;
        let given = self.given(name);
        let manifest = verified.manifest().clone();
        let yes = consented(&manifest, before.as_ref(), consent, &has, given, self.states_grants(name))?;
        let Yes { grants, given, mut notes } = yes;
        let mut all = self.grants(None).await?;
        all.extend(grants.iter().map(|granted| would_be(name, granted)));
        let candidate = self.candidate(name, verified, self.stated_with(name, given.clone()), &all).await?;
        let parts = self.parts().await?;
        check_tools(parts, name, &candidate, &version.version)?;
        let granting = self.grants_changing.lock().await;
        let stored = Some(to_value(&given)?);
        self.catalog.approve(name, &version, grants, stored, by).await.map_err(failure)?;
        self.put_in_place(parts, name, Some(candidate)).await?;
        drop(granting);
        self.adapters_changed(name).await?;
        notes.extend(self.missing_secrets(&manifest, name));
        let message = match manifest.kind {
            Kind::Tool => format!("{name} {} runs", version.version),
            Kind::Adapter => {
                format!("{name} {} is approved; it connects in 'openpact start'", version.version)
            }
        };
        Ok(Reply::Done { message, warning: (!notes.is_empty()).then(|| notes.join("; ")) })
    }

    async fn roll_back(&self, name: &ComponentName, version: Option<&str>) -> Response {
        let _changing = self.components_changing.lock().await;
        let version = self.catalog.earlier(name, version).await.map_err(failure)?;
        let verified = self.catalog.load(name, &version).await.map_err(failure)?;
        let all = self.grants(None).await?;
        let candidate = self.candidate(name, verified, self.stated(name), &all).await?;
        let parts = self.parts().await?;
        check_tools(parts, name, &candidate, &version.version)?;
        let granting = self.grants_changing.lock().await;
        self.catalog.go_back(name, &version).await.map_err(failure)?;
        self.put_in_place(parts, name, Some(candidate)).await?;
        drop(granting);
        self.adapters_changed(name).await?;
        Ok(done(format!("{name} {} runs again, with the data that it left", version.version)))
    }

    async fn switch(&self, name: &ComponentName, on: bool) -> Response {
        let component = self.loaded(name).await?;
        if self.config().components.get(name).is_some_and(|stated| stated.enabled.is_some()) {
            let message = format!(
                "the configuration says whether '{name}' runs; change 'components.{name}.enabled' there"
            );
            return Err(Failure::new(Code::Refused, message));
        }
        if !on {
            // Not behind a change that goes on: another component may be compiled for minutes.
            component.stop();
        }
        let _changing = self.components_changing.lock().await;
        let given = Stated { enabled: Some(on), ..self.given(name) };
        if let Err(error) = self.catalog.give(name, "enabled", &to_value(&given)?).await {
            // It is stopped and not switched off: it runs again.
            self.rebuild(name).await?;
            return Err(failure(error));
        }
        self.rebuild(name).await?;
        self.adapters_changed(name).await?;
        let word = if on { "on" } else { "off: what ran of it is stopped" };
        Ok(done(format!("'{name}' is switched {word}")))
    }

    async fn remove(&self, name: &ComponentName, forget: bool) -> Response {
        let _changing = self.components_changing.lock().await;
        if embedded_names().contains(name) {
            let message = format!(
                "'{name}' comes with the program and cannot be removed; switch it off: openpact component disable {name}"
            );
            return Err(Failure::new(Code::Refused, message));
        }
        let parts = self.parts().await?;
        let granting = self.grants_changing.lock().await;
        self.catalog.remove(name, forget).await.map_err(failure)?;
        self.put_in_place(parts, name, None).await?;
        drop(granting);
        self.adapters_changed(name).await?;
        let left = self.secrets_bound_to(name);
        let warning = (!left.is_empty()).then(|| {
            format!(
                "these secrets are still bound to it: {}; 'openpact secret remove' takes them away",
                left.join(", ")
            )
        });
        Ok(Reply::Done { message: format!("'{name}' is removed, with its grants and its data"), warning })
    }

    async fn set(&self, name: &ComponentName, key: &str, value: Option<Value>) -> Response {
        let _changing = self.components_changing.lock().await;
        let component = self.loaded(name).await?;
        let taken_away = value.is_none();
        let given = super::consent::changed(&self.given(name), key, value)?;
        if let Some(manifest) = component.manifest() {
            let secret = manifest.secret_settings();
            let asked = |credential: &String| {
                let requested =
                    manifest.requests.credentials.iter().any(|request| request.name == *credential);
                requested || secret.contains(&credential.as_str())
            };
            if let Some(unasked) = given.credentials.keys().find(|credential| !asked(credential)) {
                let message = format!("'{name}' does not ask for a credential '{unasked}'");
                return Err(Failure::new(Code::Usage, message));
            }
        }
        if component.verified().is_some() {
            // Built once before anything is written: what cannot run so is told now.
            let all = self.grants(None).await?;
            let verified = self.verified_now(name).await?.map_err(|why| Failure::new(Code::Refused, why))?;
            self.candidate(name, verified, self.stated_with(name, given.clone()), &all).await?.stop();
        }
        self.catalog.give(name, key, &to_value(&given)?).await.map_err(failure)?;
        self.rebuild(name).await?;
        self.adapters_changed(name).await?;
        let verb = if taken_away { "is as it was by default" } else { "is set" };
        let settled = self
            .config()
            .components
            .contains_key(name)
            .then(|| format!("what the configuration says under 'components.{name}' comes before it"));
        Ok(Reply::Done { message: format!("{key} of '{name}' {verb}"), warning: settled })
    }

    /// A component as it would run, which has to work.
    async fn candidate(
        &self,
        name: &ComponentName,
        verified: Verified,
        stated: Stated,
        grants: &[control::Grant],
    ) -> Result<Arc<Component>, Failure> {
        let version = verified.manifest().version.clone();
        let component = self.workshop(grants).await?.component(name, Ok(verified), stated).await;
        if component.is_good() {
            return Ok(Arc::new(component));
        }
        let why = component.why().unwrap_or("it does not say why");
        let message = format!("{name} {version} cannot run here, so nothing was changed: {why}");
        Err(Failure::new(Code::Refused, message))
    }

    async fn workshop<'a>(&'a self, grants: &'a [control::Grant]) -> Result<Workshop<'a>, Failure> {
        let parts = self.parts().await?;
        Ok(parts.workshop(self, grants))
    }

    /// Makes a component that was written down hold. `grants_changing` has to be held.
    async fn put_in_place(
        &self,
        parts: &Parts,
        name: &ComponentName,
        component: Option<Arc<Component>>,
    ) -> Result<(), Failure> {
        self.renew_given().await?;
        let stays = component.as_ref().is_some_and(|component| component.why().is_none());
        // Before anything of it runs: what was taken back while it was built is not there for an instant.
        if let Some(component) = &component {
            parts.renew_door(self, name, component).await?;
        }
        let before = parts.components.put(name, component.as_ref());
        self.renew_asserting(&parts.components);
        parts.configured.set_users(self.configured_users());
        let providers = parts.components.providers();
        parts.router.set_providers(providers).map_err(Failure::failed)?;
        if let Some(before) = before {
            // What runs of a version that is replaced ends by itself; else it is stopped.
            if stays {
                parts.retire(name, &before);
            } else {
                before.stop();
            }
        }
        Ok(())
    }

    /// Builds a component anew as everything now says.
    async fn rebuild(&self, name: &ComponentName) -> Result<(), Failure> {
        self.renew_given().await?;
        let verified = self.verified_now(name).await?;
        let parts = self.parts().await?;
        let grants = self.grants(None).await?;
        let component = self.workshop(&grants).await?.component(name, verified, self.stated(name)).await;
        let _granting = self.grants_changing.lock().await;
        self.put_in_place(parts, name, Some(Arc::new(component))).await
    }

    /// Takes the last build of a component that nobody signed; nothing where it is another one.
    async fn build_unsigned(&self, name: &ComponentName) -> Result<Option<Reply>, Failure> {
        let _changing = self.components_changing.lock().await;
        let Some(verified) = self.unsigned().await?.components.remove(name) else { return Ok(None) };
        let all = self.grants(None).await?;
        let candidate = self.candidate(name, verified, self.stated(name), &all).await?;
        let parts = self.parts().await?;
        let version = candidate.manifest().map(|manifest| manifest.version.to_string()).unwrap_or_default();
        check_tools(parts, name, &candidate, &version)?;
        let granting = self.grants_changing.lock().await;
        self.put_in_place(parts, name, Some(candidate)).await?;
        drop(granting);
        self.adapters_changed(name).await?;
        Ok(Some(done(format!("{name} {version} runs as it was built last; nobody signed it"))))
    }

    /// The package of a component, verified against what is trusted now.
    async fn verified_now(&self, name: &ComponentName) -> Result<Result<Verified, String>, Failure> {
        if embedded_names().contains(name) {
            return Ok(super::component::embedded(name, self.revoked_digests().await?));
        }
        if let Some(verified) = self.unsigned().await?.components.remove(name) {
            return Ok(Ok(verified));
        }
        let loaded = self.parts().await?.components.find(name).ok();
        if loaded.is_some_and(|component| self.is_unsigned(&component)) {
            return Ok(Err("it is not in the folder for unsigned components any more".to_owned()));
        }
        let row = self.catalog.find(name).await.map_err(failure)?;
        let current = lifecycle::current(&row)
            .ok_or_else(|| Failure::new(Code::Failed, format!("no version of '{name}' was approved")))?;
        Ok(self.catalog.load(name, current).await.map_err(|error| chain(&error)))
    }

    /// Judges every component anew: what is trusted no more stops at once, and what is trusted again runs again. Gives
    /// the names of those that stopped.
    pub(super) async fn judge_anew(&self) -> Result<Vec<ComponentName>, Failure> {
        let parts = self.parts().await?;
        let mut early = Vec::new();
        // What is trusted no more stops before anything else is waited for: another component may be compiled for minutes.
        for name in parts.components.names() {
            // Whatever else goes wrong with one of them is told below.
            let Ok(component) = parts.components.find(&name) else { continue };
            if component.verified().is_some() && matches!(self.verified_now(&name).await, Ok(Err(_))) {
                component.stop();
                early.push(name);
            }
        }
        let _changing = self.components_changing.lock().await;
        let mut stopped = Vec::new();
        for name in parts.components.names() {
            let component = parts.components.find(&name)?;
            let verified = self.verified_now(&name).await?;
            // One that was stopped for what was wrong for a moment alone is built anew.
            if component.verified().is_some() == verified.is_ok() && !early.contains(&name) {
                continue;
            }
            if let Err(why) = verified {
                // What nobody signed leaves no trace.
                let failed = (!self.is_unsigned(&component))
                    .then(|| Arc::new(Component::failed(None, format!("refused: {why}"))));
                let granting = self.grants_changing.lock().await;
                self.put_in_place(parts, &name, failed).await?;
                drop(granting);
                self.record_stop(&name, &why).await?;
                stopped.push(name.clone());
            } else {
                self.rebuild(&name).await?;
            }
            self.adapters_changed(&name).await?;
        }
        Ok(stopped)
    }

    async fn record_stop(&self, name: &ComponentName, why: &str) -> Result<(), Failure> {
        use openpact_model::audit::{Event, Verdict};
        tracing::warn!(component = %name, why, "a component was stopped: it is trusted no more");
        let event = Event::new("component.stop", "runtime", format!("component:{name}"), Verdict::Denied);
        self.audit(event.with("why", why)).await
    }

    /// A chat platform comes, goes, or is connected by another version.
    async fn adapters_changed(&self, name: &ComponentName) -> Result<(), Failure> {
        self.follow_adapters().await?;
        self.refresh_providers(|one| if one == name { Nudge::Anew } else { Nudge::None }).await
    }

    /// The versions that run, each verified against what is trusted now.
    pub(super) async fn installed(&self) -> Result<Vec<(ComponentName, Result<Verified, String>)>, Failure> {
        let mut all = Vec::new();
        for row in self.catalog.list().await.map_err(failure)? {
            if let Some(current) = lifecycle::current(&row) {
                let verified = self.catalog.load(&row.name, current).await.map_err(|error| chain(&error));
                all.push((row.name, verified));
            }
        }
        Ok(all)
    }

    /// The packages that count no more, whoever signed them.
    pub(super) async fn revoked_digests(&self) -> Result<std::collections::BTreeSet<Digest>, Failure> {
        let trust = self.catalog.trust(lifecycle::Purpose::Running).await.map_err(failure)?;
        Ok(trust.revoked_digests)
    }

    async fn current_manifest(&self, row: &Row) -> Option<openpact_packages::Manifest> {
        let current: &Version = lifecycle::current(row)?;
        self.catalog.inspect(&row.name, current).await.ok()?.manifest
    }
}

/// Whether the tools of a component can stand beside those of the others.
fn check_tools(
    parts: &Parts,
    name: &ComponentName,
    candidate: &Arc<Component>,
    version: &str,
) -> Result<(), Failure> {
    let refused = |why: String| {
        candidate.stop();
        let message = format!("{name} {version} cannot run here, so nothing was changed: {why}");
        Failure::new(Code::Refused, message)
    };
    // Also where nothing serves, and so no tool of the program is there.
    if let Some(tool) = candidate.tools().into_iter().find(|tool| native::owner(tool).is_some()) {
        return Err(refused(format!("its tool '{tool}' has the name of one of OpenPact's own")));
    }
    let providers = parts.components.providers_with(name, Some(candidate));
    parts.router.check_providers(providers).map_err(|error| refused(chain(&error)))
}

fn principal(name: &ComponentName) -> openpact_model::principal::Principal {
    openpact_model::principal::Principal::Component(name.clone())
}

/// A grant that is not written down yet.
fn would_be(name: &ComponentName, granted: &Granted) -> control::Grant {
    control::Grant {
        id: None,
        principal: principal(name),
        rule: granted.rule.clone(),
        any_site: super::grant::is_any_site(&granted.rule),
        secret: granted.secret.clone(),
        origin: "admin".to_owned(),
    }
}

pub(super) fn to_value(given: &Stated) -> Result<Value, Failure> {
    serde_json::to_value(given).map_err(Failure::failed)
}

/// What the catalog says, with the exit code for it.
#[expect(clippy::needless_pass_by_value, reason = "it stands behind map_err")]
pub(super) fn failure(error: lifecycle::Error) -> Failure {
    let code = match &error {
        lifecycle::Error::Invalid(_) => Code::Usage,
        lifecycle::Error::Unknown { .. } | lifecycle::Error::NothingBefore { .. } => Code::Failed,
        error if error.is_refusal() => Code::Refused,
        _ => Code::Failed,
    };
    Failure::of(code, &error)
}
