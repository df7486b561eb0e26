//! The chat platforms: which of them are to run, how they stand, and what an admin orders.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use openpact_model::id::ComponentName;
use openpact_model::principal::Principal;
use openpact_model::random::Random;
use openpact_model::secret::SecretName;
use openpact_packages::Manifest;
use openpact_packages::manifest::Kind;
use serde_json::json;
use tokio::time::Instant;

use super::adapter::{Adapter, Desk};
use super::{App, admin};
use crate::config::components::Component as Stated;
use crate::control::{Grant, Provider, Reply, Response, State};
use crate::exit::{Code, Failure};
use crate::supervise::{Kind as Cure, Phase, Rest, Supervisor, Waits};

/// The scope of the settings in which a provider that an admin stopped is kept, by its name.
const STOPPED: &str = "provider-stopped";

/// From so many ends in ten minutes on a part that tries again is shown as one that does not work.
const LOOP: usize = 3;

/// The platforms of a running service.
pub(super) struct Providers {
    desk: Arc<dyn Desk>,
    random: Arc<dyn Random>,
    all: RwLock<BTreeMap<ComponentName, Arc<Entry>>>,
}

struct Entry {
    adapter: Arc<Adapter>,
    supervisor: Supervisor,
}

/// What a change means for a provider that runs already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Nudge {
    /// Nothing.
    None,
    /// If it waits, it tries again now.
    Chance,
    /// It starts anew.
    Anew,
}

impl Providers {
    /// The adapters of these names, none of them running yet.
    pub(super) fn build(desk: Arc<dyn Desk>, random: Arc<dyn Random>, names: Vec<ComponentName>) -> Self {
        let providers = Self { desk, random, all: RwLock::default() };
        for name in names {
            providers.add(name);
        }
        providers
    }

    /// Adds an adapter, not running yet.
    fn add(&self, name: ComponentName) {
        let adapter = Arc::new(Adapter::new(Arc::clone(&self.desk), name.clone()));
        let rest = Rest { state: State::Off, why: "the program starts".to_owned(), todo: None };
        let work = Arc::clone(&adapter) as Arc<_>;
        let supervisor = Supervisor::start(work, Waits::default(), rest, Arc::clone(&self.random));
        let mut all = self.all.write().unwrap_or_else(PoisonError::into_inner);
        all.insert(name, Arc::new(Entry { adapter, supervisor }));
    }

    fn names(&self) -> Vec<ComponentName> {
        self.all.read().unwrap_or_else(PoisonError::into_inner).keys().cloned().collect()
    }

    fn get(&self, name: &ComponentName) -> Option<Arc<Entry>> {
        self.all.read().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }

    /// Makes these the adapters that there are; those that are there no more are ended.
    async fn follow(&self, names: &[ComponentName]) {
        let there = self.names();
        for name in names.iter().filter(|name| !there.contains(name)) {
            self.add(name.clone());
        }
        for name in there.iter().filter(|name| !names.contains(name)) {
            let gone = self.all.write().unwrap_or_else(PoisonError::into_inner).remove(name);
            if let Some(entry) = gone {
                entry.supervisor.end().await;
            }
        }
    }

    /// Stops them all; done when none receives any more.
    pub(super) async fn end(&self) {
        let all: Vec<_> = self.all.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect();
        futures::future::join_all(all.iter().map(|entry| entry.supervisor.end())).await;
    }
}

impl App {
    /// The names of the components that connect chat platforms.
    pub(super) async fn adapters(&self) -> Result<Vec<ComponentName>, Failure> {
        Ok(self.parts().await?.components.of_kind(Kind::Adapter))
    }

    /// Makes the platforms those whose adapters there are now.
    pub(super) async fn follow_adapters(&self) -> Result<(), Failure> {
        if let Some(service) = self.service.get() {
            // One that is refused stays to say so, until it is removed.
            let mut names = self.adapters().await?;
            let parts = self.parts().await?;
            let known = service.providers.names();
            names.extend(known.into_iter().filter(|name| {
                parts.components.find(name).is_ok_and(|component| component.manifest().is_none())
            }));
            service.providers.follow(&names).await;
        }
        Ok(())
    }

    /// Tells every provider what it is to do now. `nudge` says what the change means for those that go on.
    pub(super) async fn refresh_providers(
        &self,
        nudge: impl Fn(&ComponentName) -> Nudge,
    ) -> Result<(), Failure> {
        let _one = self.providers_changing.lock().await;
        let rests = self.rests().await?;
        self.order_providers(rests, nudge);
        Ok(())
    }

    /// Why each provider of the service is not to run, where it is not.
    pub(super) async fn rests(&self) -> Result<Vec<(ComponentName, Option<Rest>)>, Failure> {
        let Some(service) = self.service.get() else { return Ok(Vec::new()) };
        let mut rests = Vec::new();
        for name in service.providers.names() {
            let rest = self.rest(&name).await?;
            rests.push((name, rest));
        }
        Ok(rests)
    }

    /// As [`App::refresh_providers`], with what [`App::rests`] gave. `providers_changing` has to be held.
    pub(super) fn order_providers(
        &self,
        rests: Vec<(ComponentName, Option<Rest>)>,
        nudge: impl Fn(&ComponentName) -> Nudge,
    ) {
        let Some(service) = self.service.get() else { return };
        for (name, rest) in rests {
            let Some(entry) = service.providers.get(&name) else { continue };
            let nudge = nudge(&name);
            entry.supervisor.order(|orders| {
                orders.rest = rest;
                orders.round += u64::from(nudge == Nudge::Anew);
                orders.chance += u64::from(nudge == Nudge::Chance);
            });
        }
    }

    /// Those that use a secret start anew when it changes, and all others are looked at again.
    pub(super) async fn secret_changed(&self, secret: &SecretName) -> Result<(), Failure> {
        if self.service.get().is_none() {
            return Ok(());
        }
        let grants = self.grants(None).await?;
        let mut users = Vec::new();
        for name in self.adapters().await? {
            let needed = self.needed(&name, &grants).await?;
            if needed.iter().any(|(_, behind)| behind.contains(secret)) {
                users.push(name);
            }
        }
        self.refresh_providers(|name| if users.contains(name) { Nudge::Anew } else { Nudge::None }).await
    }

    /// A provider whose grants changed tries again, where it waits.
    pub(super) async fn grants_changed(&self, principal: &Principal) -> Result<(), Failure> {
        let concerns = |name: &ComponentName| *principal == Principal::Component(name.clone());
        self.refresh_providers(|name| if concerns(name) { Nudge::Chance } else { Nudge::None }).await
    }

    /// All providers, as the admin sees them.
    pub(super) async fn providers(&self) -> Result<Vec<Provider>, Failure> {
        let mut all = Vec::new();
        for name in self.adapters().await? {
            let entry = self.service.get().and_then(|service| service.providers.get(&name));
            all.push(match entry {
                Some(entry) => entry.show(&name),
                None => self.resting(&name).await?,
            });
        }
        Ok(all)
    }

    /// A provider of a process that connects none.
    async fn resting(&self, name: &ComponentName) -> Result<Provider, Failure> {
        let ready = || Rest {
            state: State::Ready,
            why: "it connects when 'openpact start' runs".to_owned(),
            todo: None,
        };
        Ok(still(name, self.rest(name).await?.unwrap_or_else(ready)))
    }

    /// Why a provider is not to run; `None` when it is.
    async fn rest(&self, name: &ComponentName) -> Result<Option<Rest>, Failure> {
        let off = |why: String, todo: Option<String>| Ok(Some(Rest { state: State::Off, why, todo }));
        let component = self.parts().await?.components.find(name)?;
        if let Some(why) = component.why() {
            return Ok(Some(Rest { state: State::Failed, why: why.to_owned(), todo: None }));
        }
        if let Some(key) = self.switched_off(name) {
            return off(format!("the configuration switches it off ('{key}: false')"), None);
        }
        if self.stated(name).enabled == Some(false) {
            return off("switched off".to_owned(), Some(format!("openpact component enable {name}")));
        }
        if self.is_stopped(name).await? {
            return off("stopped".to_owned(), Some(format!("openpact provider start {name}")));
        }
        let grants = self.grants(None).await?;
        let stored = self.store.secrets().snapshot();
        for (credential, behind) in self.needed(name, &grants).await? {
            if behind.is_empty() {
                let todo = format!(
                    "openpact component set {name} credentials.{credential} NAME_OF_A_SECRET, and store the secret"
                );
                return off(format!("no {credential}"), Some(todo));
            }
            if let Some(missing) = behind.iter().find(|secret| !stored.entries.contains_key(*secret)) {
                return off(format!("no {credential}"), Some(format!("openpact secret set {missing}")));
            }
        }
        Ok(None)
    }

    /// The key of the configuration that switches a provider off.
    pub(super) fn switched_off(&self, name: &ComponentName) -> Option<String> {
        let config = self.config();
        let provider = config.chat.providers.get(name.as_str()).and_then(|provider| provider.enabled);
        let component = config.components.get(name).and_then(|component| component.enabled);
        let keys = [
            (provider, format!("chat.providers.{name}.enabled")),
            (component, format!("components.{name}.enabled")),
        ];
        keys.into_iter().find_map(|(enabled, key)| (enabled == Some(false)).then_some(key))
    }

    /// The credentials that a component asks for, with the secrets that stand behind each.
    async fn needed(
        &self,
        name: &ComponentName,
        grants: &[Grant],
    ) -> Result<Vec<(String, Vec<SecretName>)>, Failure> {
        let component = self.parts().await?.components.find(name)?;
        let stated = self.stated(name);
        Ok(component.manifest().map(|manifest| credentials(manifest, &stated, grants)).unwrap_or_default())
    }

    async fn is_stopped(&self, name: &ComponentName) -> Result<bool, Failure> {
        let stopped = self.store.settings().get(STOPPED, name.as_str()).await.map_err(Failure::failed)?;
        Ok(stopped.is_some())
    }

    /// Switches a provider on, for later starts too.
    pub(super) async fn start_provider(&self, name: &ComponentName) -> Response {
        self.is_provider(name).await?;
        if let Some(key) = self.switched_off(name) {
            let message = format!(
                "the configuration switches '{name}' off; take '{key}: false' out of it, and then send SIGHUP or start anew"
            );
            return Err(Failure::new(Code::Refused, message));
        }
        let settings = self.store.settings().recording(admin("provider.start", name));
        settings.remove(STOPPED, name.as_str()).await.map_err(Failure::failed)?;
        self.refresh_providers(|one| if one == name { Nudge::Chance } else { Nudge::None }).await?;
        self.ordered(name, "is switched on").await
    }

    /// Switches a provider off, for later starts too.
    pub(super) async fn stop_provider(&self, name: &ComponentName) -> Response {
        self.is_provider(name).await?;
        let settings = self.store.settings().recording(admin("provider.stop", name));
        settings.set(STOPPED, name.as_str(), json!(true)).await.map_err(Failure::failed)?;
        self.refresh_providers(|_| Nudge::None).await?;
        Ok(super::done(format!(
            "{name} is stopped, also for later starts; 'openpact provider start {name}' starts it"
        )))
    }

    /// Has a provider connect anew.
    pub(super) async fn restart_provider(&self, name: &ComponentName) -> Response {
        self.is_provider(name).await?;
        self.audit(admin("provider.restart", name)).await?;
        self.refresh_providers(|one| if one == name { Nudge::Anew } else { Nudge::None }).await?;
        self.ordered(name, "starts anew").await
    }

    async fn is_provider(&self, name: &ComponentName) -> Result<(), Failure> {
        let all = self.adapters().await?;
        if all.contains(name) {
            return Ok(());
        }
        let names: Vec<_> = all.iter().map(ComponentName::as_str).collect();
        let there = if names.is_empty() {
            "there is none".to_owned()
        } else {
            format!("there are {}", names.join(", "))
        };
        let message = format!("there is no chat platform '{name}'; {there}");
        Err(Failure::new(Code::Failed, message))
    }

    /// What an order did, and why it may not be enough.
    async fn ordered(&self, name: &ComponentName, what: &str) -> Response {
        let rest = self.rest(name).await?;
        let warning = match rest {
            Some(rest) => Some(format!(
                "it does not run: {}{}",
                rest.why,
                rest.todo.map(|todo| format!("; {todo}")).unwrap_or_default()
            )),
            None if self.service.get().is_none() => {
                Some("nothing runs now; start it with: openpact start".to_owned())
            }
            None => None,
        };
        Ok(Reply::Done { message: format!("{name} {what}"), warning })
    }
}

impl Entry {
    fn show(&self, name: &ComponentName) -> Provider {
        let orders = self.supervisor.orders();
        if let Some(rest) = orders.rest {
            return still(name, rest);
        }
        let report = self.supervisor.report();
        let now = Instant::now();
        let mut shown = still(name, Rest { state: State::Starting, why: String::new(), todo: None });
        shown.recent_ends = report.recent_ends(now);
        shown.last_end = report.last.as_ref().map(|end| end.why.clone());
        match report.phase {
            Phase::Waiting(until) => {
                let cure = report.last.as_ref().map(|end| end.kind);
                waiting(&mut shown, cure, until.saturating_duration_since(now));
            }
            Phase::Resting | Phase::Running => {
                let seen = self.adapter.connection();
                (shown.state, shown.about, shown.account) = (seen.state, seen.about, seen.account);
                if shown.recent_ends > 0 {
                    shown.about = format!("{} ({}; last: {})", shown.about, ends(&shown), last(&shown));
                }
            }
        }
        shown
    }
}

/// A provider that does not run.
fn still(name: &ComponentName, rest: Rest) -> Provider {
    Provider {
        name: name.to_string(),
        state: rest.state,
        about: rest.why,
        todo: rest.todo,
        account: None,
        recent_ends: 0,
        last_end: None,
        next_try: None,
    }
}

/// A provider that is started again after `pause`.
fn waiting(shown: &mut Provider, cure: Option<Cure>, pause: Duration) {
    let seconds = pause.as_secs() + u64::from(pause.subsec_nanos() > 0);
    shown.next_try = Some(seconds);
    shown.about = format!("{}; next try in {}; last: {}", ends(shown), span(seconds), last(shown));
    let again = format!(
        "it starts by itself when that is mended, or at once with: openpact provider restart {}",
        shown.name
    );
    match cure {
        Some(Cure::Admin) => {
            shown.state = State::Failed;
            shown.todo = Some(again);
        }
        Some(Cure::Conflict) => {
            shown.state = State::Failed;
            shown.todo = Some("end the other program: one account has one receiver".to_owned());
        }
        Some(Cure::Trouble | Cure::Nonsense) | None if shown.recent_ends >= LOOP => {
            shown.state = State::Failed;
        }
        Some(Cure::Trouble | Cure::Nonsense) | None => {}
    }
}

/// How often it ended lately.
fn ends(shown: &Provider) -> String {
    match shown.recent_ends {
        0 | 1 => "it ended".to_owned(),
        often => format!("it ended {often} times in 10 min"),
    }
}

/// Why it ended the last time.
fn last(shown: &Provider) -> &str {
    shown.last_end.as_deref().unwrap_or("for no known reason")
}

/// Seconds for people.
fn span(seconds: u64) -> String {
    if seconds < 100 { format!("{seconds} s") } else { format!("{} min", seconds.div_ceil(60)) }
}

/// The credentials that a manifest asks for, with the secrets that stand behind each: those of the grants that name it,
/// and the configured one where a grant states none.
fn credentials(manifest: &Manifest, stated: &Stated, grants: &[Grant]) -> Vec<(String, Vec<SecretName>)> {
    let principal = Principal::Component(manifest.name.clone());
    let own = || grants.iter().filter(|grant| grant.principal == principal);
    let secrets = |name: &str| {
        let named = own().filter(|grant| names(&grant.rule, name)).filter_map(|grant| grant.secret.clone());
        let mut all: Vec<_> =
            named.chain(stated.credentials.get(name).map(|secret| secret.0.clone())).collect();
        all.dedup();
        all
    };
    manifest.requests.credentials.iter().map(|one| (one.name.clone(), secrets(&one.name))).collect()
}

/// Whether a rule has that credential put in.
fn names(rule: &str, credential: &str) -> bool {
    rule.parse::<openpact_egress::rule::Rule>()
        .is_ok_and(|rule| rule.credential.as_deref() == Some(credential))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(recent_ends: usize, last: &str) -> Provider {
        let rest = Rest { state: State::Starting, why: String::new(), todo: None };
        let name = "telegram".parse().unwrap();
        Provider { recent_ends, last_end: Some(last.to_owned()), ..still(&name, rest) }
    }

    #[track_caller]
    fn check(ends: usize, kind: Cure, pause: u64, state: State, about: &str, todo: Option<&str>) {
        let mut provider = shown(ends, "401");
        waiting(&mut provider, Some(kind), Duration::from_secs(pause));
        assert_eq!((provider.state, provider.about.as_str()), (state, about));
        assert_eq!(provider.todo.is_some(), todo.is_some(), "{provider:?}");
        assert!(provider.todo.unwrap_or_default().contains(todo.unwrap_or_default()));
    }

    #[test]
    fn a_provider_that_waits_says_how_often_why_and_until_when() {
        check(1, Cure::Trouble, 2, State::Starting, "it ended; next try in 2 s; last: 401", None);
        check(
            2,
            Cure::Trouble,
            99,
            State::Starting,
            "it ended 2 times in 10 min; next try in 99 s; last: 401",
            None,
        );
        check(
            7,
            Cure::Trouble,
            180,
            State::Failed,
            "it ended 7 times in 10 min; next try in 3 min; last: 401",
            None,
        );
        check(
            1,
            Cure::Admin,
            300,
            State::Failed,
            "it ended; next try in 5 min; last: 401",
            Some("restart telegram"),
        );
        check(
            1,
            Cure::Conflict,
            30,
            State::Failed,
            "it ended; next try in 30 s; last: 401",
            Some("other program"),
        );
    }

    #[test]
    fn the_rule_of_a_credential_is_found_by_its_name() {
        let rule = "POST https://a.example/** credential=token";
        assert!(names(rule, "token"));
        assert!(
            !names(rule, "toke")
                && !names("POST https://a.example/**", "token")
                && !names("nonsense", "token")
        );
    }
}
